/* bucket: a token bucket. Its capacity is what a minute allows; it refills all the time, at that
 * rate. Pure, integers only: a level is kept in parts of 1/60000, so that a millisecond's refill is
 * a whole number of them: as many as the limit. Limits are at most QUOTA_RATE_MAX; a limit of 0 is
 * no limit, and every function then leaves the bucket alone. Times are Unix time in milliseconds;
 * one below 1 counts as 1. */
#ifndef POSTERN_POLICY_BUCKET_H
#define POSTERN_POLICY_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUCKET_MINUTE_MS 60000

/* The deepest debt. The distance from here to the fullest bucket is below 2^53, so that a script
 * that reckons in doubles is exact too. */
#define BUCKET_LEVEL_MIN (-INT64_C(3000000000000000))

struct bucket {
	int64_t level; /* in 1/60000; below 0 after a settlement that took more than there was */
	int64_t at_ms; /* when level was right; 0 in a bucket that was never used: it is full */
};

/* What one take wants from one bucket; no two draws of a take share one. limit: a minute's; 0: the
 * draw is passed over. A cost above the limit counts as the limit: such a take waits for a full
 * bucket and empties it. A cost of 0 is never refused, not even by a bucket in debt. */
struct bucket_draw {
	struct bucket *bucket;
	uint64_t limit;
	uint64_t cost;
};

/* Lets the time since at_ms flow in, up to a full bucket (a limit that has become smaller cuts the
 * level). When the clock went back by up to a minute nothing flows in until it has caught up: calls
 * that are milliseconds apart on two processors get nothing twice. When it went back further, the
 * time begins anew at now_ms with the level as it is. */
void bucket_refill(struct bucket *b, uint64_t limit, int64_t now_ms);

/* Takes all draws or none; every bucket is refilled first, and stays so. 0: taken. Else the
 * milliseconds, at least 1, after which all of them could be taken if nobody else came, and *which
 * is the index of the draw that has to wait longest (the first of those that wait as long). */
int64_t bucket_take(struct bucket_draw *draws, size_t n, int64_t now_ms, size_t *which);

/* Puts `given` back and takes `taken` out, whole units, after refilling: what a settlement does.
 * Only the difference counts: what is put back beyond a full bucket is lost, what is taken may
 * leave a debt of up to BUCKET_LEVEL_MIN. A level above full, because the limit was raised since
 * the take, is neither cut nor refilled here. */
void bucket_settle(
    struct bucket *b, uint64_t limit, uint64_t given, uint64_t taken, int64_t now_ms);

/* Whole units that are in it, as it was refilled last; between 0 and the limit. */
uint64_t bucket_left(const struct bucket *b, uint64_t limit);

/* When it will be full, on the clock of now_ms, rounded up; at_ms when it is. At most INT64_MAX. */
int64_t bucket_full_ms(const struct bucket *b, uint64_t limit);

#endif
