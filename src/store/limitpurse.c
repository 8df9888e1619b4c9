/* limitpurse: see the header. */
#include "store/limitpurse.h"

#include "store/limitqueue.h"

#define PURSES_MAX (2 * SCOPES)

/* Purses that are to be used for the first time in their period. */
struct purses {
	size_t n;
	struct limiter_purse of[PURSES_MAX];
	struct admission_purse *at[PURSES_MAX];
};

static void
find_purses(struct admission_state *s, const struct admission_ask *ask, struct purses *p)
{
	struct admission_when when = admission_when(s, ask);

	p->n = 0;
	for (enum scope i = 0; i < SCOPES; i++) {
		const struct quota *q = &ask->quota[i];
		struct admission_account *a = &s->account[i];
		struct limiter_purse purse = { .scope = i, .name = limitwork_name(ask, i) };

		if (q->budget_day_nanousd > 0 && a->day.period != when.day) {
			purse.period = when.day;
			p->at[p->n] = &a->day;
			p->of[p->n++] = purse;
		}
		if (q->budget_month_nanousd > 0 && a->month.period != when.month) {
			purse.period = when.month;
			purse.is_month = true;
			p->at[p->n] = &a->month;
			p->of[p->n++] = purse;
		}
	}
}

static void
spend(struct limiter_purse *p, uint64_t nanousd)
{
	uint64_t left = QUOTA_NANOUSD_MAX - p->spent;

	p->spent += nanousd < left ? nanousd : left;
}

static void
add_line(struct purses *p, const struct limitqueue_at *at)
{
	const struct limitrecord_line *line = &at->record;

	for (size_t i = 0; i < p->n; i++) {
		struct limiter_purse *purse = &p->of[i];
		struct span name = purse->scope == SCOPE_WORKSPACE ? line->workspace : line->key;

		if (at->seq > purse->seq &&
		    purse->period == (purse->is_month ? line->month : line->day) &&
		    span_eq(purse->name, name))
			spend(purse, line->nanousd);
	}
}

enum kv_status
limitpurse_seed(struct kv_txn *t, struct admission_state *s, const struct admission_ask *ask,
    const struct limitpurse_source *source)
{
	struct purses p;
	struct limitqueue_at at;
	uint64_t from = UINT64_MAX;
	enum kv_status status;

	find_purses(s, ask, &p);
	if (p.n == 0)
		return KV_OK;
	for (size_t i = 0; i < p.n; i++) {
		if (source->seed && source->seed(source->arg, &p.of[i]) < 0)
			return KV_BROKEN;
		if (p.of[i].spent > QUOTA_NANOUSD_MAX)
			p.of[i].spent = QUOTA_NANOUSD_MAX;
		from = p.of[i].seq < from ? p.of[i].seq : from;
	}
	status = limitqueue_seek(t, from, &at);
	while (status == KV_OK) {
		add_line(&p, &at);
		status = limitqueue_next(t, &at);
	}
	if (status != KV_NOT_FOUND)
		return status;
	for (size_t i = 0; i < p.n; i++)
		*p.at[i] =
		    (struct admission_purse){ .period = p.of[i].period, .spent = p.of[i].spent };
	return KV_OK;
}
