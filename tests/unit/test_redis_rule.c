/* redis_rule: the script against the rule in C: random histories of takes and settlements under
 * quotas that change, with clocks that step and holders that die, must get the same answers in
 * every member. */
#include <inttypes.h>

#include "policy/admission.h"
#include "store/redisscript.h"
#include "unit/check.h"
#include "unit/redis_place.h"

#define HISTORIES  60
#define STEPS	   120
#define WORKSPACES 2
#define KEYS	   3
#define MODELS	   2
#define HOLDERS	   2
#define UNDER_WAY  12
#define NAME_LEN   24
#define DAY_MS	   INT64_C(86400000)
#define BEGIN_MS   INT64_C(1795305600000) /* 2026-11-22 */

struct call {
	bool used, leased;
	size_t workspace, key, model, holder;
	char names[SCOPES][NAME_LEN];
	char model_name[NAME_LEN];
	struct admission_ask ask;
	struct admission_grant grant;
};

/* What the rule in C has to know, and what has happened. */
struct world {
	uint64_t number; /* of the history */
	uint64_t random;
	int64_t now_ms;
	struct quota quota[SCOPES][KEYS];
	struct admission_account account[SCOPES][KEYS];
	struct admission_meter meter[SCOPES][KEYS][MODELS];
	int64_t dead_ms[HOLDERS]; /* when a holder counts as dead; 0: it is not known */
	struct call calls[UNDER_WAY];
	uint64_t lease, seq;
};

static uint64_t
below(struct world *w, uint64_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % n;
}

static uint64_t
one_of(struct world *w, const uint64_t *values, size_t n)
{
	return values[below(w, n)];
}

#define ONE_OF(w, values) one_of(w, values, ROWS(values))

static struct quota
any_quota(struct world *w)
{
	static const uint64_t rpm[] = { 0, 0, 1, 2, 3, 7, 60, 1000, QUOTA_RATE_MAX };
	static const uint64_t tpm[] = { 0, 0, 1, 7, 10, 100, 60000, QUOTA_RATE_MAX };
	static const uint64_t concurrent[] = { 0, 0, 0, 3, 5, 8, QUOTA_CONCURRENT_MAX };
	static const uint64_t budget[] = { 0, 0, 0, 1, 5000, 1000000, QUOTA_NANOUSD_MAX };

	return (struct quota){ ONE_OF(w, rpm), ONE_OF(w, tpm), ONE_OF(w, concurrent),
		ONE_OF(w, budget), ONE_OF(w, budget) };
}

static uint64_t
any_tokens(struct world *w)
{
	static const uint64_t odd[] = { 0, 1, 7, 60000, QUOTA_RATE_MAX,
		2 * (uint64_t)QUOTA_RATE_MAX, UINT64_MAX };

	return below(w, 6) ? below(w, 12) : ONE_OF(w, odd);
}

static uint64_t
any_nanousd(struct world *w)
{
	static const uint64_t odd[] = { 0, 1, 999, 500000, QUOTA_NANOUSD_MAX, QUOTA_NANOUSD_MAX + 1,
		UINT64_MAX };

	return below(w, 9) ? below(w, 2000) : ONE_OF(w, odd);
}

static void
step_clock(struct world *w)
{
	switch (below(w, 12)) {
	case 0:
		w->now_ms += (int64_t)below(w, 70000);
		break;
	case 1:
		w->now_ms += (int64_t)below(w, 3600000);
		break;
	case 2:
		w->now_ms += below(w, 8) ? DAY_MS : 31 * DAY_MS;
		break;
	case 3:
		w->now_ms -= (int64_t)(below(w, 3) ? below(w, 50) : below(w, 90000));
		break;
	case 4:
		w->now_ms -= below(w, 10) ? 0 : (int64_t)below(w, 3 * (uint64_t)DAY_MS);
		break;
	case 5:
		w->now_ms += below(w, 2) ? LIMITER_HOLD_MS : -BUCKET_MINUTE_MS;
		break;
	default:
		w->now_ms += (int64_t)below(w, 500) * (int64_t)below(w, 2);
	}
}

static struct admission_state
load(const struct world *w, const struct call *c)
{
	return (struct admission_state){ .account = { w->account[SCOPE_WORKSPACE][c->workspace],
					     w->account[SCOPE_KEY][c->key] },
		.meter = { w->meter[SCOPE_WORKSPACE][c->workspace][c->model],
		    w->meter[SCOPE_KEY][c->key][c->model] } };
}

static void
save(struct world *w, const struct call *c, const struct admission_state *s)
{
	w->account[SCOPE_WORKSPACE][c->workspace] = s->account[SCOPE_WORKSPACE];
	w->account[SCOPE_KEY][c->key] = s->account[SCOPE_KEY];
	w->meter[SCOPE_WORKSPACE][c->workspace][c->model] = s->meter[SCOPE_WORKSPACE];
	w->meter[SCOPE_KEY][c->key][c->model] = s->meter[SCOPE_KEY];
}

/* Redis keeps purses without a budget, too. */
static void
turn(struct admission_purse *p, int32_t period)
{
	if (p->period < period)
		*p = (struct admission_purse){ .period = period };
}

/* A take releases what the holder held that has been dead for longest, but never its own. */
static void
release_dead(struct world *w, size_t alive)
{
	size_t dead = HOLDERS;

	for (size_t i = 0; i < HOLDERS; i++)
		if (i != alive && w->dead_ms[i] > 0 && w->dead_ms[i] <= w->now_ms &&
		    (dead == HOLDERS || w->dead_ms[i] < w->dead_ms[dead]))
			dead = i;
	for (size_t i = 0; dead < HOLDERS && i < UNDER_WAY; i++) {
		struct call *c = &w->calls[i];
		struct admission_state s = load(w, c);

		if (!c->leased || c->holder != dead)
			continue;
		admission_release(s.account, &c->grant);
		save(w, c, &s);
		c->leased = false;
	}
	if (dead < HOLDERS)
		w->dead_ms[dead] = 0;
}

static void
expect_same(
    struct check *t, const char *at, const struct admission_grant *want, struct admission_grant got)
{
	check_that(t,
	    got.refused == want->refused && got.scope == want->scope && got.size == want->size,
	    "%s: limit %d of %d of %" PRIu64 " instead of %d of %d of %" PRIu64, at,
	    (int)got.refused, (int)got.scope, got.size, (int)want->refused, (int)want->scope,
	    want->size);
	check_that(t,
	    got.left == want->left && got.wait_ms == want->wait_ms && got.now_ms == want->now_ms,
	    "%s: %" PRIu64 " left and %" PRId64 " ms instead of %" PRIu64 " and %" PRId64, at,
	    got.left, got.wait_ms, want->left, want->wait_ms);
	check_that(t,
	    memcmp(&got.requests, &want->requests, sizeof(want->requests)) == 0 &&
		memcmp(&got.tokens, &want->tokens, sizeof(want->tokens)) == 0,
	    "%s: other gauges", at);
	check_that(t,
	    got.held == want->held && got.day == want->day && got.month == want->month &&
		got.nanousd == want->nanousd &&
		memcmp(got.taken, want->taken, sizeof(want->taken)) == 0 &&
		memcmp(got.day_held, want->day_held, sizeof(want->day_held)) == 0 &&
		memcmp(got.month_held, want->month_held, sizeof(want->month_held)) == 0,
	    "%s: something else is held", at);
}

static void
name_call(const struct world *w, struct call *c)
{
	(void)snprintf(
	    c->names[SCOPE_WORKSPACE], NAME_LEN, "w%" PRIu64 ":%zu", w->number, c->workspace);
	(void)snprintf(c->names[SCOPE_KEY], NAME_LEN, "k%" PRIu64 ":%zu", w->number, c->key);
	(void)snprintf(c->model_name, NAME_LEN, "m %zu", c->model);
	c->ask.workspace = span_of(c->names[SCOPE_WORKSPACE]);
	c->ask.key = span_of(c->names[SCOPE_KEY]);
	c->ask.model = span_of(c->model_name);
}

static void
begin(struct check *t, struct world *w, struct redislink *l, const char *at, struct call *c)
{
	struct redisscript_try try = { .by_ms = redislink_by_ms(l) };
	struct admission_state s;
	struct admission_when when;
	struct admission_grant want, got = { .lease = ++w->lease };

	*c = (struct call){ .workspace = below(w, WORKSPACES),
		.key = below(w, KEYS),
		.model = below(w, MODELS),
		.holder = below(w, HOLDERS) };
	c->ask = (struct admission_ask){ .now_ms = w->now_ms,
		.quota = { w->quota[SCOPE_WORKSPACE][c->workspace], w->quota[SCOPE_KEY][c->key] },
		.requests = 1,
		.tokens = any_tokens(w),
		.nanousd = any_nanousd(w) };
	name_call(w, c);
	release_dead(w, c->holder);
	s = load(w, c);
	when = admission_when(&s, &c->ask);
	for (int i = 0; i < SCOPES; i++) {
		turn(
		    &s.account[i].month, c->ask.quota[i].budget_month_nanousd > 0 ? 0 : when.month);
		turn(&s.account[i].day, c->ask.quota[i].budget_day_nanousd > 0 ? 0 : when.day);
	}
	admission_take(&s, &c->ask, &want);
	save(w, c, &s);
	got.store_mark = REDISSCRIPT_MARK | w->number << 8 | c->holder;
	check_that(t, redisscript_take(l, &c->ask, &got, &try) == STORE_OK, "%s: no answer", at);
	expect_same(t, at, &want, got);
	if (!want.held)
		return;
	c->grant = got;
	c->used = c->leased = true;
	w->dead_ms[c->holder] = w->now_ms + LIMITER_HOLD_MS;
}

static void
end(struct check *t, struct world *w, struct redislink *l, const char *at, struct call *c)
{
	const struct admission_used used = { any_tokens(w), any_nanousd(w) };
	const struct store_booking b = { .ask = &c->ask, .grant = &c->grant, .used = used };
	struct admission_state s = load(w, c);
	char node[NAME_LEN];

	(void)snprintf(node, sizeof(node), "node%012" PRIu64, w->number);
	c->ask.now_ms = w->now_ms;
	for (int i = 0; i < SCOPES; i++) {
		turn(&s.account[i].month, c->grant.month);
		turn(&s.account[i].day, c->grant.day);
	}
	admission_settle(&s, &c->ask, &c->grant, &used, c->leased);
	save(w, c, &s);
	check_that(t, redisscript_settle(l, node, ++w->seq, &b) == STORE_OK, "%s: no answer", at);
	c->used = c->leased = false;
}

static void
run_history(struct check *t, const struct place *p, struct redislink *l, uint64_t number)
{
	struct world w = { .number = number, .random = number * 0x9E3779B97F4A7C15u };

	(void)tell_server(p, "DEL {postern}:holders");
	for (int i = 0; i < 9; i++)
		w.now_ms = BEGIN_MS + (int64_t)below(&w, 400 * (uint64_t)DAY_MS);
	for (int i = 0; i < SCOPES; i++)
		for (int k = 0; k < KEYS; k++)
			w.quota[i][k] = any_quota(&w);
	for (size_t step = 0; step < STEPS && !t->why[0]; step++) {
		struct call *c = &w.calls[below(&w, UNDER_WAY)];
		char at[2 * NAME_LEN];

		(void)snprintf(at, sizeof(at), "history %" PRIu64 ", step %zu", number, step);
		step_clock(&w);
		if (below(&w, 15) == 0)
			w.quota[below(&w, SCOPES)][below(&w, KEYS)] = any_quota(&w);
		(c->used ? end : begin)(t, &w, l, at, c);
	}
}

static void
test_histories(struct check *t, struct place *p)
{
	struct redislink *l = redislink_open(&p->conf.store);

	check_row(t, "random histories are answered as by the rule in C");
	for (uint64_t number = 1; number <= HISTORIES && !t->why[0]; number++)
		run_history(t, p, l, number);
	redislink_close(l);
}

int
main(void)
{
	static const char *const quick[] = { "--port", "0", "--appendonly", "no", NULL };
	struct check t = { .module = "redis_rule" };
	struct place p;

	place_open(&p, quick);
	test_histories(&t, &p);
	place_close(&p);
	return check_end(&t);
}
