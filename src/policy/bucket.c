/* bucket: see bucket.h. No sum or product here leaves 64 bits: a level lies between
 * BUCKET_LEVEL_MIN and the fullest bucket, and times are compared before they are subtracted. */
#include "policy/bucket.h"

#include <assert.h>

#include "policy/quota.h"

static_assert(
    (int64_t)QUOTA_RATE_MAX * (BUCKET_MINUTE_MS + 1) - BUCKET_LEVEL_MIN < (INT64_C(1) << 53),
    "a script's doubles must hold every number of a bucket");

static int64_t
bucket_now(int64_t now_ms)
{
	return now_ms < 1 ? 1 : now_ms;
}

/* The level of a full one. */
static int64_t
bucket_full(uint64_t limit)
{
	assert(limit <= QUOTA_RATE_MAX);
	return (int64_t)limit * BUCKET_MINUTE_MS;
}

/* The milliseconds in which so many parts flow in, rounded up. */
static int64_t
bucket_flow_ms(int64_t parts, uint64_t limit)
{
	int64_t rate = (int64_t)limit;

	return parts > 0 ? (parts + rate - 1) / rate : 0;
}

void
bucket_refill(struct bucket *b, uint64_t limit, int64_t now_ms)
{
	int64_t full = bucket_full(limit), now = bucket_now(now_ms);

	if (limit == 0)
		return;
	if (b->at_ms < 1) {
		b->level = full;
		b->at_ms = now;
		return;
	}
	if (b->level > full)
		b->level = full;
	if (now < b->at_ms) {
		if (b->at_ms - now > BUCKET_MINUTE_MS)
			b->at_ms = now;
		return;
	}

	int64_t passed = now - b->at_ms;

	if (passed >= bucket_flow_ms(full - b->level, limit))
		b->level = full;
	else
		b->level += passed * (int64_t)limit;
	b->at_ms = now;
}

/* The parts that a draw takes. */
static int64_t
bucket_draw_parts(const struct bucket_draw *d)
{
	return bucket_full(d->cost < d->limit ? d->cost : d->limit);
}

/* How long a draw has to wait; 0: it can be taken. Its bucket was refilled at now. */
static int64_t
bucket_draw_wait_ms(const struct bucket_draw *d, int64_t now)
{
	int64_t parts = bucket_draw_parts(d);

	if (parts == 0 || parts <= d->bucket->level)
		return 0;
	return d->bucket->at_ms - now + bucket_flow_ms(parts - d->bucket->level, d->limit);
}

int64_t
bucket_take(struct bucket_draw *draws, size_t n, int64_t now_ms, size_t *which)
{
	int64_t longest = 0;

	for (size_t i = 0; i < n; i++) {
		if (draws[i].limit == 0)
			continue;
		bucket_refill(draws[i].bucket, draws[i].limit, now_ms);

		int64_t wait = bucket_draw_wait_ms(&draws[i], bucket_now(now_ms));

		if (wait > longest) {
			longest = wait;
			*which = i;
		}
	}
	if (longest > 0)
		return longest;
	for (size_t i = 0; i < n; i++) {
		if (draws[i].limit > 0)
			draws[i].bucket->level -= bucket_draw_parts(&draws[i]);
	}
	return 0;
}

/* Puts whole units in, up to full; a level above full stays. */
static void
bucket_add(struct bucket *b, int64_t full, uint64_t units)
{
	if (b->level >= full)
		return;
	if (units > (uint64_t)(full - b->level) / BUCKET_MINUTE_MS)
		b->level = full;
	else
		b->level += (int64_t)units * BUCKET_MINUTE_MS;
}

/* Takes whole units out, down to the deepest debt. */
static void
bucket_sub(struct bucket *b, uint64_t units)
{
	if (units > (uint64_t)(b->level - BUCKET_LEVEL_MIN) / BUCKET_MINUTE_MS)
		b->level = BUCKET_LEVEL_MIN;
	else
		b->level -= (int64_t)units * BUCKET_MINUTE_MS;
}

void
bucket_settle(struct bucket *b, uint64_t limit, uint64_t given, uint64_t taken, int64_t now_ms)
{
	int64_t full = bucket_full(limit);

	if (limit == 0)
		return;
	if (b->at_ms < 1 || b->level <= full)
		bucket_refill(b, limit, now_ms);
	if (given > taken)
		bucket_add(b, full, given - taken);
	else
		bucket_sub(b, taken - given);
}

uint64_t
bucket_left(const struct bucket *b, uint64_t limit)
{
	int64_t full = bucket_full(limit);

	if (b->at_ms < 1 || b->level >= full)
		return limit;
	return b->level > 0 ? (uint64_t)b->level / BUCKET_MINUTE_MS : 0;
}

int64_t
bucket_full_ms(const struct bucket *b, uint64_t limit)
{
	int64_t full = bucket_full(limit);

	if (limit == 0 || b->at_ms < 1 || b->level >= full)
		return b->at_ms;

	int64_t wait = bucket_flow_ms(full - b->level, limit);

	return b->at_ms > INT64_MAX - wait ? INT64_MAX : b->at_ms + wait;
}
