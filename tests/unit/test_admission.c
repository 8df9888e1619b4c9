/* admission: the vectors that every store has to pass, leases that ran out, and random histories
 * against a model that reckons each answer anew from the whole of its history. */
#include "policy/admission.h"

#include <inttypes.h>
#include <string.h>

#include "policy/period.h"
#include "unit/admission_vectors.h"
#include "unit/check.h"

/* Records by name, as a store keeps them, but in memory. */
struct shelf_account {
	char name[40];
	struct admission_account account;
};

struct shelf_meter {
	char name[80];
	struct admission_meter meter;
};

struct shelf {
	struct shelf_account accounts[512];
	struct shelf_meter meters[512];
	size_t accounts_n, meters_n;
};

static struct admission_account *
shelf_account(struct shelf *s, struct span name)
{
	struct shelf_account *a = s->accounts;

	while (a < s->accounts + s->accounts_n && !span_eq(name, span_of(a->name)))
		a++;
	if (a == s->accounts + s->accounts_n) {
		(void)snprintf(a->name, sizeof(a->name), "%.*s", (int)name.n, name.p);
		s->accounts_n++;
	}
	return &a->account;
}

static struct admission_meter *
shelf_meter(struct shelf *s, struct span name, struct span model)
{
	struct shelf_meter *m = s->meters;
	char key[sizeof(m->name)];

	(void)snprintf(key, sizeof(key), "%.*s %.*s", (int)name.n, name.p, (int)model.n, model.p);
	while (m < s->meters + s->meters_n && !span_eq(span_of(key), span_of(m->name)))
		m++;
	if (m == s->meters + s->meters_n) {
		memcpy(m->name, key, sizeof(key));
		s->meters_n++;
	}
	return &m->meter;
}

static struct admission_state
shelf_read(struct shelf *s, const struct admission_ask *ask)
{
	return (struct admission_state){
		.account = { *shelf_account(s, ask->workspace), *shelf_account(s, ask->key) },
		.meter = { *shelf_meter(s, ask->workspace, ask->model),
		    *shelf_meter(s, ask->key, ask->model) },
	};
}

static void
shelf_write(struct shelf *s, const struct admission_ask *ask, const struct admission_state *state)
{
	*shelf_account(s, ask->workspace) = state->account[SCOPE_WORKSPACE];
	*shelf_account(s, ask->key) = state->account[SCOPE_KEY];
	*shelf_meter(s, ask->workspace, ask->model) = state->meter[SCOPE_WORKSPACE];
	*shelf_meter(s, ask->key, ask->model) = state->meter[SCOPE_KEY];
}

static int
shelf_take(void *arg, const struct admission_ask *ask, struct admission_grant *out)
{
	struct admission_state state = shelf_read(arg, ask);

	admission_take(&state, ask, out);
	shelf_write(arg, ask, &state);
	return 0;
}

static int
shelf_settle(void *arg, const struct admission_ask *ask, const struct admission_grant *grant,
    const struct admission_used *used)
{
	struct admission_state state = shelf_read(arg, ask);

	admission_settle(&state, ask, grant, used, true);
	shelf_write(arg, ask, &state);
	return 0;
}

#define NOON (INT64_C(20700) * 86400000 + 43200000)

/* A call whose lease was given back, and which then comes to its end after all. */
static void
row_release(struct check *c)
{
	struct quota q = { .tpm = 100, .concurrent = 1, .budget_day_nanousd = 100 };
	struct admission_ask ask = { .now_ms = NOON, .quota = { q, { 0 } }, .requests = 1 };
	struct admission_used used = { .tokens = 30, .nanousd = 40 };
	struct admission_state s = { 0 };
	struct admission_grant g;
	const struct admission_account *w = &s.account[SCOPE_WORKSPACE];

	check_row(c, "a lease that ran out, and its settlement after all");
	ask.tokens = 60;
	ask.nanousd = 70;
	admission_take(&s, &ask, &g);
	check_that(c, g.held && w->day.reserved == 70 && w->running == 1, "not held");
	s.account[SCOPE_KEY].day = (struct admission_purse){ g.day, 5, 80 };
	s.account[SCOPE_KEY].month = (struct admission_purse){ g.month, 5, 80 };
	admission_release(s.account, &g);
	check_that(c, w->day.reserved == 0 && w->day.spent == 0 && w->running == 0, "still held");
	check_that(c, s.account[SCOPE_KEY].day.reserved == 80, "taken from another's day");
	check_that(c, s.account[SCOPE_KEY].month.reserved == 80, "taken from another's month");
	check_that(c, bucket_left(&s.meter[SCOPE_WORKSPACE].tokens, 100) == 40, "tokens are back");

	s.account[SCOPE_WORKSPACE].day.reserved = 10;
	s.account[SCOPE_WORKSPACE].running = 1;
	admission_settle(&s, &ask, &g, &used, false);
	check_that(c, w->day.spent == 40 && w->day.reserved == 10, "not the money");
	check_that(c, w->running == 1, "another's call has ended");
	check_that(c, s.account[SCOPE_KEY].day.spent == 45, "not the key's new purse");
	check_that(c, bucket_left(&s.meter[SCOPE_WORKSPACE].tokens, 100) == 70, "not the tokens");
}

static bool
purse_same(const struct admission_purse *a, const struct admission_purse *b)
{
	return a->period == b->period && a->spent == b->spent && a->reserved == b->reserved;
}

static bool
state_same(const struct admission_state *a, const struct admission_state *b)
{
	bool same = memcmp(a->meter, b->meter, sizeof(a->meter)) == 0;

	for (size_t i = 0; i < SCOPES; i++)
		same = same && purse_same(&a->account[i].day, &b->account[i].day) &&
		    purse_same(&a->account[i].month, &b->account[i].month) &&
		    a->account[i].running == b->account[i].running;
	return same;
}

/* What was not taken is not settled. */
static void
row_not_held(struct check *c)
{
	struct quota q = { .rpm = 1, .tpm = 10, .budget_day_nanousd = 10 };
	struct admission_ask ask = { .now_ms = NOON, .quota = { q, q }, .requests = 1 };
	struct admission_used used = { .tokens = 3, .nanousd = 3 };
	struct admission_state s = { 0 }, before;
	struct admission_grant g;

	check_row(c, "a refused grant settles and releases nothing");
	admission_take(&s, &ask, &g);
	admission_take(&s, &ask, &g);
	check_that(c, !g.held && g.refused == LIMIT_REQUESTS, "not refused");
	before = s;
	admission_settle(&s, &ask, &g, &used, true);
	admission_release(s.account, &g);
	check_that(c, state_same(&s, &before), "the state has changed");
}

/* What a store may do with admission_when: a purse is filled ahead of the take. */
static void
row_seed(struct check *c)
{
	struct quota q = { .budget_day_nanousd = 100 };
	struct admission_ask ask = { .now_ms = NOON, .quota = { q, { 0 } }, .nanousd = 31 };
	struct admission_state s = { 0 };
	struct admission_when when = admission_when(&s, &ask);
	struct admission_grant g;

	check_row(c, "a purse that is filled ahead of the take");
	check_that(c, when.day == 20700 && when.month == 680, "%d, %d", when.day, when.month);
	s.account[SCOPE_WORKSPACE].day = (struct admission_purse){ when.day, 70, 0 };
	s.account[SCOPE_KEY].day.period = when.day + 9;
	admission_take(&s, &ask, &g);
	check_that(c, g.refused == LIMIT_BUDGET_DAY && g.left == 30, "left %" PRIu64, g.left);
	ask.nanousd = 30;
	admission_take(&s, &ask, &g);
	check_that(c, g.held && g.day == when.day && g.month == when.month, "not let in");
	check_that(c, s.account[SCOPE_KEY].day.period == when.day + 9, "turned without a budget");
	check_that(c, s.account[SCOPE_KEY].day.reserved == 0, "kept without a budget");
}

/* Any time and any number: no arithmetic leaves its type (the sanitizers watch), nothing passes. */
static void
row_extremes(struct check *c)
{
	static const int64_t times[] = { INT64_MIN, -1, 0, 1, NOON, INT64_MAX - 1, INT64_MAX };
	struct quota q = { QUOTA_RATE_MAX, QUOTA_RATE_MAX, QUOTA_CONCURRENT_MAX, QUOTA_NANOUSD_MAX,
		QUOTA_NANOUSD_MAX };
	struct admission_used used = { UINT64_MAX, UINT64_MAX };
	struct admission_ask ask = { .quota = { q, q }, .requests = UINT64_MAX };

	check_row(c, "any time and any number");
	for (size_t i = 0; i < ROWS(times) * ROWS(times); i++) {
		struct admission_state s = { 0 };
		struct admission_grant g, second;

		ask.now_ms = times[i / ROWS(times)];
		ask.tokens = UINT64_MAX;
		ask.nanousd = QUOTA_NANOUSD_MAX;
		admission_take(&s, &ask, &g);
		check_that(c, g.held && g.now_ms >= 1, "time %zu: refused", i);
		ask.now_ms = times[i % ROWS(times)];
		admission_settle(&s, &ask, &g, &used, true);
		check_that(c, s.account[SCOPE_KEY].day.spent == QUOTA_NANOUSD_MAX, "spent");
		ask.nanousd = 0;
		ask.tokens = 0;
		admission_take(&s, &ask, &second);
		check_that(c, second.held == (second.wait_ms == 0), "time %zu: wait", i);
		ask.nanousd = UINT64_MAX;
		admission_take(&s, &ask, &second);
		check_that(c, !second.held && second.wait_ms >= 1, "time %zu: let in", i);
	}
}

/* The model. It keeps nothing but the history: each answer is reckoned from all of it. */
#define HISTORY	    40
#define HISTORY_N   2000
#define HISTORY_KEY 2 /* names of keys, and of models */

struct event {
	bool settle;
	size_t of; /* a settlement: of which take */
	bool open; /* a take: let in and not settled yet */
	bool held;
	int64_t now_ms;
	size_t key, model;
	uint64_t requests, tokens, nanousd; /* asked for, or used */
	int32_t day, month;		    /* a take: of its reservation */
};

struct history {
	struct quota quota[SCOPES];
	struct event events[HISTORY];
	size_t n;
};

enum meter_kind { METER_REQUESTS, METER_TOKENS };

/* Which bucket is meant; key is passed over in the workspace's. */
struct meter_of {
	enum scope scope;
	size_t key, model;
	enum meter_kind kind;
};

static uint64_t
model_limit(const struct history *h, const struct meter_of *of)
{
	const struct quota *q = &h->quota[of->scope];

	return of->kind == METER_REQUESTS ? q->rpm : q->tpm;
}

/* By how many parts an event changes a bucket. Returns whether the bucket is touched at all. */
static bool
model_net(const struct history *h, const struct meter_of *of, size_t i, __int128 *net)
{
	const struct event *e = &h->events[i];
	uint64_t limit = model_limit(h, of);
	uint64_t asked = of->kind == METER_REQUESTS ? e->requests : e->tokens;

	*net = 0;
	if ((of->scope == SCOPE_KEY && e->key != of->key) || e->model != of->model)
		return false;
	if (e->settle) {
		uint64_t given = h->events[e->of].tokens;

		if (of->kind == METER_REQUESTS)
			return false;
		*net = ((__int128)(given < limit ? given : limit) - e->tokens) * 60000;
	} else if (e->held) {
		*net = -(__int128)(asked < limit ? asked : limit) * 60000;
	}
	return true;
}

/* What is in a bucket at now. Time flows forward only: `clock` is where it has come to. With `full`
 * as the ceiling the level is the least of what it would be had it been full before or after each
 * event that touched it, so that no ceiling has to be followed step by step. */
static __int128
model_level(const struct history *h, const struct meter_of *of, int64_t now, int64_t *clock)
{
	int64_t flows[HISTORY + 1] = { 0 };
	__int128 full = (__int128)model_limit(h, of) * 60000, least = full, net, since = 0;
	int64_t at = 0, flow = 0;

	for (size_t i = 0; i <= h->n; i++) {
		int64_t t = i < h->n ? h->events[i].now_ms : now;

		if (i < h->n && !model_net(h, of, i, &net))
			continue;
		flow += at > 0 && t > at ? t - at : 0;
		at = at == 0 || t > at || at - t > 60000 ? t : at;
		flows[i] = flow;
	}
	*clock = at;
	for (size_t i = h->n; i-- > 0;) {
		if (!model_net(h, of, i, &net))
			continue;

		__int128 refill = (__int128)(flow - flows[i]) * model_limit(h, of);
		__int128 after = full + refill + since, before = after + net;

		least = after < least ? after : least;
		least = before < least ? before : least;
		since += net;
	}
	return least;
}

/* How long a bucket makes a call wait. */
static int64_t
model_wait(const struct history *h, const struct meter_of *of, int64_t now, uint64_t cost)
{
	uint64_t limit = model_limit(h, of);
	int64_t clock;

	if (limit == 0 || cost == 0)
		return 0;

	__int128 level = model_level(h, of, now, &clock);
	__int128 need = (__int128)(cost < limit ? cost : limit) * 60000 - level;

	return need <= 0 ? 0 : clock - now + (int64_t)((need + limit - 1) / limit);
}

/* The sums of a purse of a period. */
static void
model_purse(const struct history *h, const struct event *ask, enum scope scope, bool month,
    struct admission_purse *out)
{
	for (size_t i = 0; i < h->n; i++) {
		const struct event *e = &h->events[i];
		const struct event *take = e->settle ? &h->events[e->of] : e;

		if ((scope == SCOPE_KEY && e->key != ask->key) ||
		    (month ? take->month : take->day) != out->period)
			continue;
		out->spent += e->settle ? e->nanousd : 0;
		out->reserved += !e->settle && e->open ? e->nanousd : 0;
	}
}

static uint64_t
model_budget(const struct history *h, enum scope scope, bool month)
{
	const struct quota *q = &h->quota[scope];

	return month ? q->budget_month_nanousd : q->budget_day_nanousd;
}

/* The period of a take: the newest that any purse at hand has seen. */
static int32_t
model_period(const struct history *h, const struct event *ask, bool month)
{
	int32_t day = period_day(ask->now_ms), newest = month ? period_month(day) : day;

	for (size_t i = 0; i < h->n; i++) {
		const struct event *e = &h->events[i];
		int32_t seen = month ? e->month : e->day;
		bool purse = model_budget(h, SCOPE_WORKSPACE, month) > 0 ||
		    (model_budget(h, SCOPE_KEY, month) > 0 && e->key == ask->key);

		if (!e->settle && purse && seen > newest)
			newest = seen;
	}
	return newest;
}

/* Looks at the budgets of one kind of period. */
static bool
model_budgets(
    const struct history *h, const struct event *ask, bool month, struct admission_grant *want)
{
	int32_t period = month ? ask->month : ask->day;
	int64_t end = month ? period_month_end_ms(period) : period_day_end_ms(period);

	for (enum scope i = 0; i < SCOPES; i++) {
		struct admission_purse p = { .period = period };
		uint64_t budget = model_budget(h, i, month);

		model_purse(h, ask, i, month, &p);

		__int128 sum = (__int128)p.spent + p.reserved;

		if (budget == 0 || (sum < budget && sum + ask->nanousd <= budget))
			continue;
		want->refused = month ? LIMIT_BUDGET_MONTH : LIMIT_BUDGET_DAY;
		want->scope = i;
		want->size = budget;
		want->left = sum < budget ? (uint64_t)(budget - sum) : 0;
		want->wait_ms = end - ask->now_ms;
		return true;
	}
	return false;
}

static bool
model_running(const struct history *h, const struct event *ask, struct admission_grant *want)
{
	for (enum scope i = 0; i < SCOPES; i++) {
		uint64_t running = 0;

		for (size_t j = 0; j < h->n; j++)
			running += h->events[j].open &&
			    (i == SCOPE_WORKSPACE || h->events[j].key == ask->key);
		if (h->quota[i].concurrent == 0 || running < h->quota[i].concurrent)
			continue;
		want->refused = LIMIT_CONCURRENT;
		want->scope = i;
		want->size = h->quota[i].concurrent;
		want->wait_ms = 1000;
		return true;
	}
	return false;
}

static void
model_buckets(const struct history *h, const struct event *ask, struct admission_grant *want)
{
	for (enum meter_kind kind = 0; kind <= METER_TOKENS; kind++) {
		for (enum scope i = 0; i < SCOPES; i++) {
			struct meter_of of = { i, ask->key, ask->model, kind };
			int64_t wait = model_wait(h, &of, ask->now_ms,
			    kind == METER_REQUESTS ? ask->requests : ask->tokens);

			if (wait <= want->wait_ms)
				continue;
			want->refused = kind == METER_REQUESTS ? LIMIT_REQUESTS : LIMIT_TOKENS;
			want->scope = i;
			want->size = model_limit(h, &of);
			want->wait_ms = wait;
		}
	}
}

/* What a take must answer; its event, which is not part of the history yet, is completed. */
static struct admission_grant
model_take(const struct history *h, struct event *ask)
{
	struct admission_grant want = { 0 };
	bool costs = ask->nanousd > 0 || ask->tokens > 0;

	ask->day = model_period(h, ask, false);
	ask->month = model_period(h, ask, true);
	if (!(costs && model_budgets(h, ask, true, &want)) &&
	    !(costs && model_budgets(h, ask, false, &want)) && !model_running(h, ask, &want))
		model_buckets(h, ask, &want);
	ask->held = ask->open = want.refused == LIMIT_NONE;
	return want;
}

/* How the narrowest bucket must stand when the last event is the take. */
static struct admission_gauge
model_gauge(const struct history *h, enum meter_kind kind)
{
	const struct event *last = &h->events[h->n - 1];
	struct admission_gauge g = { 0 };

	for (enum scope i = 0; i < SCOPES; i++) {
		struct meter_of of = { i, last->key, last->model, kind };
		uint64_t limit = model_limit(h, &of);
		int64_t clock;
		__int128 level = limit > 0 ? model_level(h, &of, last->now_ms, &clock) : 0;
		uint64_t left = level > 0 ? (uint64_t)(level / 60000) : 0;

		if (limit == 0 ||
		    (g.limit > 0 && (g.left < left || (g.left == left && g.limit <= limit))))
			continue;

		__int128 missing = (__int128)limit * 60000 - level;

		g = (struct admission_gauge){ limit, left,
			clock + (int64_t)((missing + limit - 1) / limit) };
	}
	return g;
}

/* A run of random calls: the history, and the rule's own state beside it. */
struct race {
	struct check *c;
	struct history h;
	struct admission_account accounts[1 + HISTORY_KEY];
	struct admission_meter meters[1 + HISTORY_KEY][HISTORY_KEY];
	struct admission_ask asks[HISTORY];
	struct admission_grant grants[HISTORY];
	uint64_t random;
	int64_t now;
	bool steps; /* the clock may go back */
	bool over;  /* calls may cost more than was reserved */
};

static struct admission_state
race_read(const struct race *r, const struct event *e)
{
	return (struct admission_state){
		.account = { r->accounts[0], r->accounts[1 + e->key] },
		.meter = { r->meters[0][e->model], r->meters[1 + e->key][e->model] },
	};
}

static void
race_write(struct race *r, const struct event *e, const struct admission_state *s)
{
	r->accounts[0] = s->account[SCOPE_WORKSPACE];
	r->accounts[1 + e->key] = s->account[SCOPE_KEY];
	r->meters[0][e->model] = s->meter[SCOPE_WORKSPACE];
	r->meters[1 + e->key][e->model] = s->meter[SCOPE_KEY];
}

static uint64_t
race_pick(struct race *r, uint64_t from, uint64_t to)
{
	return from + check_random(&r->random) % (to - from + 1);
}

/* 0 in one of `odds` cases. */
static uint64_t
race_maybe(struct race *r, uint64_t odds, uint64_t most)
{
	return race_pick(r, 0, odds - 1) == 0 ? 0 : race_pick(r, 1, most);
}

static void
race_quota(struct race *r, struct quota *q, bool money)
{
	q->rpm = race_maybe(r, 3, 12);
	q->tpm = race_maybe(r, 3, 3000);
	q->concurrent = race_maybe(r, 2, 6);
	q->budget_day_nanousd = money ? race_maybe(r, 2, 5000) : 0;
	q->budget_month_nanousd = money ? race_maybe(r, 2, 9000) : 0;
}

/* Lets time pass: mostly a little, at times a day; if the seed says so, backward too. */
static void
race_clock(struct race *r)
{
	static const uint64_t spans[] = { 3, 100, 2000, 15000, 61000, 7200000, 86400000,
		864000000 };
	uint64_t by = race_pick(r, 0, spans[check_pick(&r->random, ROWS(spans))]);

	if (race_pick(r, 0, 3) == 0)
		by = 0;
	if (r->steps && race_pick(r, 0, 4) == 0 && by <= 86400000)
		r->now -= (int64_t)by;
	else
		r->now += (int64_t)by;
}

/* After a refusal: a millisecond before the time that was told nothing has changed, and at that
 * time this limit, at least, lets the call in. Calls at once have no such time. */
static void
race_wait_check(struct race *r, const struct admission_state *s, const struct admission_ask *ask,
    const struct admission_grant *g)
{
	struct admission_state early = *s, due = *s;
	struct admission_ask then = *ask;
	struct admission_grant got;

	if (g->refused == LIMIT_CONCURRENT)
		return;
	then.now_ms = ask->now_ms + g->wait_ms - 1;
	admission_take(&early, &then, &got);
	check_that(r->c, got.refused != LIMIT_NONE, "at %zu: let in a millisecond early", r->h.n);
	then.now_ms++;
	admission_take(&due, &then, &got);
	if (g->refused >= LIMIT_REQUESTS)
		check_that(r->c, got.refused == LIMIT_NONE, "at %zu: refused when due", r->h.n);
	else
		check_that(r->c,
		    got.refused != g->refused || got.scope != g->scope || ask->nanousd > g->size,
		    "at %zu: no new period", r->h.n);
}

/* A refusal leaves all as it was, but for refills and the turn of a period. */
static void
race_refusal_check(struct race *r, const struct admission_state *before,
    const struct admission_state *after, const struct admission_ask *ask)
{
	for (size_t i = 0; i < SCOPES; i++) {
		const struct admission_account *a = &before->account[i], *b = &after->account[i];
		struct admission_meter m = before->meter[i];

		bucket_refill(&m.requests, ask->quota[i].rpm, ask->now_ms);
		bucket_refill(&m.tokens, ask->quota[i].tpm, ask->now_ms);
		check_that(r->c, memcmp(&m, &after->meter[i], sizeof(m)) == 0,
		    "at %zu: a refusal has changed a bucket", r->h.n);
		check_that(r->c, a->running == b->running, "at %zu: counts as running", r->h.n);
		check_that(r->c,
		    a->day.period != b->day.period || a->day.reserved == b->day.reserved,
		    "at %zu: a refusal has reserved", r->h.n);
	}
}

static void
race_budget_check(struct race *r, const struct admission_state *s)
{
	for (enum scope i = 0; !r->over && i < SCOPES; i++) {
		const struct admission_account *a = &s->account[i];
		uint64_t day = model_budget(&r->h, i, false), month = model_budget(&r->h, i, true);

		check_that(r->c, day == 0 || a->day.spent + a->day.reserved <= day,
		    "at %zu: over the day's budget", r->h.n);
		check_that(r->c, month == 0 || a->month.spent + a->month.reserved <= month,
		    "at %zu: over the month's budget", r->h.n);
	}
}

static void
race_compare(struct race *r, const struct admission_grant *got, const struct admission_grant *want)
{
	size_t n = r->h.n;
	struct admission_gauge rpm = model_gauge(&r->h, METER_REQUESTS);
	struct admission_gauge tpm = model_gauge(&r->h, METER_TOKENS);

	check_that(r->c, got->refused == want->refused, "at %zu: limit %d, not %d", n,
	    (int)got->refused, (int)want->refused);
	check_that(r->c, got->wait_ms == want->wait_ms, "at %zu: wait %" PRId64 ", not %" PRId64, n,
	    got->wait_ms, want->wait_ms);
	check_that(r->c,
	    got->scope == want->scope && got->size == want->size && got->left == want->left,
	    "at %zu: another limit", n);
	check_that(r->c, memcmp(&got->requests, &rpm, sizeof(rpm)) == 0, "at %zu: requests", n);
	check_that(r->c, memcmp(&got->tokens, &tpm, sizeof(tpm)) == 0, "at %zu: tokens", n);
}

static void
race_take(struct race *r)
{
	static const uint64_t costs[] = { 5, 300, 2500, 10000 };
	uint64_t most = costs[check_pick(&r->random, ROWS(costs))];
	struct event e = {
		.now_ms = r->now,
		.key = check_pick(&r->random, HISTORY_KEY),
		.model = check_pick(&r->random, HISTORY_KEY),
		.requests = race_pick(r, 0, 9) == 0 ? race_pick(r, 0, 15) : 1,
		.tokens = race_maybe(r, 6, most),
		.nanousd = race_maybe(r, 4, most),
	};
	struct admission_ask ask = {
		.now_ms = e.now_ms,
		.quota = { r->h.quota[0], r->h.quota[1] },
		.requests = e.requests,
		.tokens = e.tokens,
		.nanousd = e.nanousd,
	};
	struct admission_state before = race_read(r, &e), s = before;
	struct admission_grant want = model_take(&r->h, &e);
	size_t n = r->h.n++;

	r->h.events[n] = e;
	r->asks[n] = ask;
	admission_take(&s, &ask, &r->grants[n]);
	race_compare(r, &r->grants[n], &want);
	race_budget_check(r, &s);
	if (!e.held) {
		race_refusal_check(r, &before, &s, &ask);
		race_wait_check(r, &s, &ask, &r->grants[n]);
	}
	race_write(r, &e, &s);
}

static void
race_settle(struct race *r, size_t of)
{
	struct event *take = &r->h.events[of];
	struct event e = {
		.settle = true,
		.of = of,
		.now_ms = r->now,
		.key = take->key,
		.model = take->model,
		.tokens = race_pick(r, 0, take->tokens * 3 / 2),
		.nanousd = race_pick(r, 0, r->over ? take->nanousd * 2 : take->nanousd),
	};
	struct admission_used used = { .tokens = e.tokens, .nanousd = e.nanousd };
	struct admission_ask ask = r->asks[of];
	struct admission_state s = race_read(r, &e);

	take->open = false;
	ask.now_ms = e.now_ms;
	admission_settle(&s, &ask, &r->grants[of], &used, true);
	race_budget_check(r, &s);
	race_write(r, &e, &s);
	r->h.events[r->h.n++] = e;
}

/* No window of time has let in more requests than a bucket and its refill hold. */
static void
race_windows_check(struct race *r, enum scope scope)
{
	uint64_t limit = r->h.quota[scope].rpm;

	for (size_t i = 0; limit > 0 && i < r->h.n; i++) {
		const struct event *first = &r->h.events[i];
		__int128 requests = 0, forward = 0;

		for (size_t j = i; j < r->h.n; j++) {
			const struct event *e = &r->h.events[j];
			int64_t by = j > i ? e->now_ms - r->h.events[j - 1].now_ms : 0;

			forward += by > 0 ? by : 0;
			if (e->settle || !e->held || e->model != first->model ||
			    (scope == SCOPE_KEY && e->key != first->key))
				continue;
			requests += e->requests < limit ? e->requests : limit;
			check_that(r->c, requests * 60000 <= ((__int128)60000 + forward) * limit,
			    "from %zu to %zu: too many requests", i, j);
		}
	}
}

static void
race_run(struct race *r, uint64_t seed)
{
	r->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	r->steps = race_pick(r, 0, 1) == 1;
	r->over = race_pick(r, 0, 3) == 0;
	r->now = NOON;
	race_quota(r, &r->h.quota[SCOPE_WORKSPACE], seed % 2 == 0);
	race_quota(r, &r->h.quota[SCOPE_KEY], seed % 2 == 0);
	while (r->h.n < HISTORY && !r->c->why[0]) {
		size_t of = r->h.n > 0 ? check_pick(&r->random, r->h.n) : 0;

		race_clock(r);
		if (r->h.events[of].open)
			race_settle(r, of);
		else
			race_take(r);
	}
	race_windows_check(r, SCOPE_WORKSPACE);
	race_windows_check(r, SCOPE_KEY);
}

static void
row_histories(struct check *c)
{
	size_t refused[LIMITS] = { 0 };

	check_row(c, "random histories against a model that reckons from the beginning");
	for (uint64_t seed = 1; seed <= HISTORY_N && !c->why[0]; seed++) {
		struct race r = { .c = c };

		race_run(&r, seed);
		if (c->why[0])
			(void)snprintf(c->row, sizeof(c->row), "history of seed %" PRIu64, seed);
		for (size_t i = 0; i < r.h.n; i++)
			refused[r.h.events[i].settle ? 0 : r.grants[i].refused]++;
	}
	for (size_t i = 0; i < LIMITS; i++)
		check_that(c, refused[i] > HISTORY_N / 4, "only %zu of limit %zu", refused[i], i);
}

int
main(void)
{
	struct check c = { .module = "admission" };
	struct shelf shelf = { 0 };

	admission_vectors_run(&c, shelf_take, shelf_settle, &shelf);
	row_release(&c);
	row_not_held(&c);
	row_seed(&c);
	row_extremes(&c);
	row_histories(&c);
	return check_end(&c);
}
