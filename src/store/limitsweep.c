/* limitsweep: see the header. */
#include "store/limitsweep.h"

#include "policy/period.h"
#include "store/limitlease.h"

#define LOOK_AT_ONCE 256u
#define DROP_AT_ONCE (KV_CHANGES / 2)

static bool
is_empty(const struct admission_purse *p, int32_t period)
{
	return p->period < period || (p->spent == 0 && p->reserved == 0);
}

static bool
account_idle(struct span value, int64_t now_ms)
{
	int32_t day = period_day(now_ms);
	struct admission_account a;

	return limitrecord_read_account(value, &a) == 0 && a.running == 0 &&
	    is_empty(&a.day, day) && is_empty(&a.month, period_month(day));
}

/* A bucket without a limit says nothing; one that is full is as good as none. */
static bool
bucket_idle(const struct bucket *b, uint64_t limit, int64_t now_ms)
{
	return limit == 0 || bucket_full_ms(b, limit) <= now_ms;
}

static bool
meter_idle(struct span value, int64_t now_ms)
{
	struct limitrecord_meter m;

	return limitrecord_read_meter(value, &m) == 0 &&
	    bucket_idle(&m.meter.requests, m.rpm, now_ms) &&
	    bucket_idle(&m.meter.tokens, m.tpm, now_ms);
}

static bool
says_nothing(struct span key, struct span value, int64_t now_ms)
{
	if (key.p[0] == (char)LIMITRECORD_ACCOUNT)
		return account_idle(value, now_ms);
	return key.p[0] == (char)LIMITRECORD_METER && meter_idle(value, now_ms);
}

/* A clock that jumped may have had a living holder dropped, which then took another lease. */
static enum kv_status
adopt(struct limitwork *w, struct span key)
{
	const uint8_t *of = key.p[0] == (char)LIMITRECORD_LEASE ? limitrecord_holder(key) : NULL;
	uint8_t holder[LIMITRECORD_HOLDER_LEN];
	struct limitrecord_key record;
	struct span value;
	enum kv_status status;

	if (!of)
		return KV_OK;
	memcpy(holder, of, sizeof(holder));
	limitrecord_key_holder(holder, &record);
	status = kv_get(&w->t, limitrecord_span(&record), &value);
	return status == KV_NOT_FOUND ? limitlease_hear(w, holder) : status;
}

static void
keep_place(struct limitrecord_key *place, struct span key)
{
	place->n = key.n < sizeof(place->bytes) ? key.n : sizeof(place->bytes);
	memcpy(place->bytes, key.p, place->n);
}

enum kv_status
limitsweep_some(struct limitwork *w, struct limitrecord_key *place, bool *much)
{
	struct span key, value;
	enum kv_status status = kv_seek(&w->t, limitrecord_span(place), &key, &value);
	size_t looked = 0, changed = 0;

	while (status == KV_OK && key.p[0] != (char)LIMITRECORD_LINE && looked++ < LOOK_AT_ONCE &&
	    changed < DROP_AT_ONCE) {
		keep_place(place, key);
		if (says_nothing(key, value, w->now_ms)) {
			status = kv_del(&w->t, limitrecord_span(place));
			changed++;
		} else {
			size_t room = w->t.room;

			status = adopt(w, key);
			changed += w->t.room < room;
		}
		if (status == KV_OK)
			status = kv_next(&w->t, &key, &value);
	}
	if (status == KV_NOT_FOUND || (status == KV_OK && key.p[0] == (char)LIMITRECORD_LINE))
		place->n = 0;
	*much = changed == DROP_AT_ONCE;
	return status == KV_NOT_FOUND ? KV_OK : status;
}
