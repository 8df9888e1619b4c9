/* admission: see admission.h. Written to be mirrored line by line in a script whose numbers are
 * doubles: sums of money are never made where a difference does, so that nothing passes 2^53. */
#include "policy/admission.h"

#include "policy/period.h"

#define CONCURRENT_WAIT_MS 1000

static uint64_t
admission_less(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

struct admission_when
admission_when(const struct admission_state *s, const struct admission_ask *ask)
{
	struct admission_when w = { .day = period_day(ask->now_ms) };

	w.month = period_month(w.day);
	for (int i = 0; i < SCOPES; i++) {
		const struct admission_account *a = &s->account[i];

		if (ask->quota[i].budget_day_nanousd > 0 && a->day.period > w.day)
			w.day = a->day.period;
		if (ask->quota[i].budget_month_nanousd > 0 && a->month.period > w.month)
			w.month = a->month.period;
	}
	return w;
}

/* A purse of another period begins anew; one without a budget is left alone. */
static void
admission_turn(struct admission_purse *p, uint64_t budget, int32_t period)
{
	if (budget > 0 && p->period != period)
		*p = (struct admission_purse){ .period = period };
}

/* Brings what is configured up to date. */
static void
admission_refresh(
    struct admission_state *s, const struct admission_ask *ask, const struct admission_grant *g)
{
	for (int i = 0; i < SCOPES; i++) {
		const struct quota *q = &ask->quota[i];

		admission_turn(&s->account[i].month, q->budget_month_nanousd, g->month);
		admission_turn(&s->account[i].day, q->budget_day_nanousd, g->day);
		bucket_refill(&s->meter[i].requests, q->rpm, g->now_ms);
		bucket_refill(&s->meter[i].tokens, q->tpm, g->now_ms);
	}
}

/* Whether a budget refuses the call: the workspace's or the key's, of the month or of the day. */
static enum limit
admission_check_budget(const struct admission_state *s, const struct admission_ask *ask,
    enum limit which, struct admission_grant *out)
{
	bool month = which == LIMIT_BUDGET_MONTH;
	int64_t end_ms = month ? period_month_end_ms(out->month) : period_day_end_ms(out->day);

	for (enum scope i = 0; i < SCOPES; i++) {
		const struct quota *q = &ask->quota[i];
		const struct admission_account *a = &s->account[i];
		const struct admission_purse *p = month ? &a->month : &a->day;
		uint64_t budget = month ? q->budget_month_nanousd : q->budget_day_nanousd;
		uint64_t left = admission_less(admission_less(budget, p->spent), p->reserved);

		if (budget == 0 || (left > 0 && ask->nanousd <= left))
			continue;
		out->scope = i;
		out->size = budget;
		out->left = left;
		out->wait_ms = end_ms > out->now_ms ? end_ms - out->now_ms : 1;
		return which;
	}
	return LIMIT_NONE;
}

static enum limit
admission_check_running(
    const struct admission_state *s, const struct admission_ask *ask, struct admission_grant *out)
{
	for (enum scope i = 0; i < SCOPES; i++) {
		uint64_t concurrent = ask->quota[i].concurrent;

		if (concurrent == 0 || s->account[i].running < concurrent)
			continue;
		out->scope = i;
		out->size = concurrent;
		out->wait_ms = CONCURRENT_WAIT_MS;
		return LIMIT_CONCURRENT;
	}
	return LIMIT_NONE;
}

/* The last check is a take: what lets the call in here is taken. */
static enum limit
admission_take_buckets(
    struct admission_state *s, const struct admission_ask *ask, struct admission_grant *out)
{
	struct admission_meter *w = &s->meter[SCOPE_WORKSPACE], *k = &s->meter[SCOPE_KEY];
	const struct quota *wq = &ask->quota[SCOPE_WORKSPACE], *kq = &ask->quota[SCOPE_KEY];
	struct bucket_draw draws[] = {
		{ &w->requests, wq->rpm, ask->requests },
		{ &k->requests, kq->rpm, ask->requests },
		{ &w->tokens, wq->tpm, ask->tokens },
		{ &k->tokens, kq->tpm, ask->tokens },
	};
	size_t which = 0;

	out->wait_ms = bucket_take(draws, sizeof(draws) / sizeof(draws[0]), out->now_ms, &which);
	if (out->wait_ms == 0)
		return LIMIT_NONE;
	out->scope = which % SCOPES == 0 ? SCOPE_WORKSPACE : SCOPE_KEY;
	out->size = draws[which].limit;
	return which < SCOPES ? LIMIT_REQUESTS : LIMIT_TOKENS;
}

static enum limit
admission_check(
    struct admission_state *s, const struct admission_ask *ask, struct admission_grant *out)
{
	bool costs = ask->nanousd > 0 || ask->tokens > 0;
	enum limit refused = LIMIT_NONE;

	if (costs)
		refused = admission_check_budget(s, ask, LIMIT_BUDGET_MONTH, out);
	if (costs && refused == LIMIT_NONE)
		refused = admission_check_budget(s, ask, LIMIT_BUDGET_DAY, out);
	if (refused == LIMIT_NONE)
		refused = admission_check_running(s, ask, out);
	if (refused == LIMIT_NONE)
		refused = admission_take_buckets(s, ask, out);
	return refused;
}

/* Takes what no check has taken, and says in the grant all that is held now. */
static void
admission_hold(
    struct admission_state *s, const struct admission_ask *ask, struct admission_grant *out)
{
	out->held = true;
	out->nanousd = ask->nanousd;
	for (int i = 0; i < SCOPES; i++) {
		const struct quota *q = &ask->quota[i];
		struct admission_account *a = &s->account[i];

		out->taken[i] = ask->tokens < q->tpm ? ask->tokens : q->tpm;
		out->month_held[i] = q->budget_month_nanousd > 0;
		out->day_held[i] = q->budget_day_nanousd > 0;
		a->month.reserved += out->month_held[i] ? ask->nanousd : 0;
		a->day.reserved += out->day_held[i] ? ask->nanousd : 0;
		a->running++;
	}
}

/* Keeps the narrower of what is in the gauge and this bucket. */
static void
admission_read(struct admission_gauge *g, const struct bucket *b, uint64_t limit)
{
	uint64_t left = bucket_left(b, limit);

	if (limit == 0)
		return;
	if (g->limit > 0 && (g->left < left || (g->left == left && g->limit <= limit)))
		return;
	*g = (struct admission_gauge){ limit, left, bucket_full_ms(b, limit) };
}

void
admission_take(
    struct admission_state *s, const struct admission_ask *ask, struct admission_grant *out)
{
	struct admission_when when = admission_when(s, ask);

	*out = (struct admission_grant){
		.now_ms = ask->now_ms < 1 ? 1 : ask->now_ms,
		.day = when.day,
		.month = when.month,
	};
	admission_refresh(s, ask, out);
	out->refused = admission_check(s, ask, out);
	if (out->refused == LIMIT_NONE)
		admission_hold(s, ask, out);
	for (int i = 0; i < SCOPES; i++) {
		admission_read(&out->requests, &s->meter[i].requests, ask->quota[i].rpm);
		admission_read(&out->tokens, &s->meter[i].tokens, ask->quota[i].tpm);
	}
}

/* Gives back what is reserved in a purse that is still of the grant's period. */
static void
admission_give_back(struct admission_purse *p, int32_t period, uint64_t nanousd)
{
	if (p->period == period)
		p->reserved = admission_less(p->reserved, nanousd);
}

/* Books what was spent into a purse that is of the grant's period. */
static void
admission_spend(struct admission_purse *p, int32_t period, uint64_t nanousd)
{
	if (p->period != period)
		return;
	if (nanousd > admission_less(QUOTA_NANOUSD_MAX, p->spent))
		p->spent = QUOTA_NANOUSD_MAX;
	else
		p->spent += nanousd;
}

void
admission_release(struct admission_account account[SCOPES], const struct admission_grant *grant)
{
	if (!grant->held)
		return;
	for (int i = 0; i < SCOPES; i++) {
		struct admission_account *a = &account[i];

		if (grant->month_held[i])
			admission_give_back(&a->month, grant->month, grant->nanousd);
		if (grant->day_held[i])
			admission_give_back(&a->day, grant->day, grant->nanousd);
		a->running = admission_less(a->running, 1);
	}
}

void
admission_settle(struct admission_state *s, const struct admission_ask *ask,
    const struct admission_grant *grant, const struct admission_used *used, bool leased)
{
	if (!grant->held)
		return;
	if (leased)
		admission_release(s->account, grant);
	for (int i = 0; i < SCOPES; i++) {
		admission_spend(&s->account[i].month, grant->month, used->nanousd);
		admission_spend(&s->account[i].day, grant->day, used->nanousd);
		bucket_settle(&s->meter[i].tokens, ask->quota[i].tpm, grant->taken[i], used->tokens,
		    ask->now_ms);
	}
}
