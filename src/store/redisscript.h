/* redisscript: the operations of redis.lua as C functions: arguments are written as words, answers
 * read back. It keeps nothing. */
#ifndef POSTERN_STORE_REDISSCRIPT_H
#define POSTERN_STORE_REDISSCRIPT_H

#include "base/check.h"
#include "store/limiter.h"
#include "store/redislink.h"

#define REDISSCRIPT_PREFIX "{postern}:" /* of all keys */

/* Grants of Redis carry this bit in store_mark, those of this machine do not. The whole mark names
 * the holder of the lease. */
#define REDISSCRIPT_MARK (UINT64_C(1) << 63)

/* One attempt to take: until when, and, when it got no answer, what is not known of it. */
struct redisscript_try {
	int64_t by_ms;
	bool unsure; /* it may have been taken, or be taken later */
	bool late;   /* the time was over */
};

/* Takes for the holder and under the number that out's store_mark and lease say. */
MUST_CHECK enum store_status redisscript_take(struct redislink *l, const struct admission_ask *ask,
    struct admission_grant *out, struct redisscript_try *try);

/* Settles a grant of Redis whose line has this number at this node; once, however often it is
 * asked. The call is known by the ask's request_id. */
MUST_CHECK enum store_status redisscript_settle(
    struct redislink *l, const char *node, uint64_t seq, const struct store_booking *b);

struct redisscript_beat {
	uint64_t mark;	      /* the holder's */
	bool alive;	      /* it holds leases, which are to be kept */
	const uint64_t *gone; /* numbers of takes that it has given up */
	size_t gone_n;
	uint64_t last;	       /* the last number that it has given; 0: it does not say, ... */
	const uint64_t *known; /* ... else those of all takes that are not at their end */
	size_t known_n;
};

/* Says that the holder lives, and gives back what the takes that were given up took, or will, and
 * what is held under numbers that it does not know. */
MUST_CHECK enum store_status redisscript_beat(
    struct redislink *l, const struct redisscript_beat *b, int64_t by_ms);

/* Books lines as books_sink's book does. */
MUST_CHECK enum store_status redisscript_book(struct redislink *l, const char *node,
    const struct limiter_line *lines, size_t n, uint64_t *upto);

/* The sums of one day of one node (a member of the sorted set `days`): the first element is how far
 * `node` is booked, then fields and values take turns. */
MUST_CHECK enum store_status redisscript_rows(
    struct redislink *l, const char *node, struct span member, struct redislink_answer *a);

/* The members of `days` in a range, in the order of days. */
MUST_CHECK enum store_status redisscript_days(
    struct redislink *l, const struct store_range *range, struct redislink_answer *a);

/* A sum in a tally by its name in the script; NULL when there is none. */
uint64_t *redisscript_sum(struct tally *t, struct span name);

/* Whether the user may do all that the gateway does. */
MUST_CHECK enum store_status redisscript_probe(struct redislink *l, struct redislink_answer *a);

#endif
