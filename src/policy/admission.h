/* admission: the rule by which a call is let in, and what is given back after it. Pure: the store
 * reads the state of a call's workspace and key, asks here, and writes the state back, all in one
 * transaction. store/redis.lua is the same rule for Redis; the vectors of
 * tests/unit/admission_vectors.h run against both.
 *
 * A take checks everything before it takes anything: the month's budgets, the day's, calls at once,
 * then requests and tokens; of each the workspace's before the key's. The first that blocks is the
 * answer, but of the buckets it is the one that has to wait longest. A refused call takes nothing;
 * refills and the turn of a period are kept. What is reserved is an upper bound (tokens: a likely
 * one), and the settlement puts what was really used in its place.
 *
 * Budgets: a purse is kept only where its budget is configured. A call is refused when what is left
 * is 0 or less than what it may cost; a call that asks for neither money nor tokens passes. Periods
 * never go back: when the clock does, the newest period of the purses at hand is used.
 *
 * A configuration may change while a call runs. The settlement gives back what the grant says was
 * taken, no more, and books what was used into each purse that is of the grant's period, whether or
 * not the budget was there at the take: a purse that was made meanwhile lacks this call, and one
 * that is of another period says nothing about it. Calls at once are counted without a limit too,
 * so that a limit that is added is right from its first call on. Tokens are settled where the call
 * was taken with a limit. */
#ifndef POSTERN_POLICY_ADMISSION_H
#define POSTERN_POLICY_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "policy/bucket.h"
#include "policy/quota.h"

enum scope { SCOPE_WORKSPACE, SCOPE_KEY, SCOPES };

/* What may refuse a call, in the order in which it is looked at. */
enum limit {
	LIMIT_NONE,
	LIMIT_BUDGET_MONTH,
	LIMIT_BUDGET_DAY,
	LIMIT_CONCURRENT,
	LIMIT_REQUESTS,
	LIMIT_TOKENS,
	LIMITS
};

/* What a call asks for. */
struct admission_ask {
	int64_t now_ms; /* Unix time of the take, or of the settlement; 0: the store's own clock */
	struct span workspace, key, model;
	struct quota quota[SCOPES];
	uint64_t requests; /* 1 */
	uint64_t tokens;   /* the likely sum; 0: tokens are not limited for this call */
	uint64_t nanousd;  /* the most that it can cost */
	struct span request_id;
};

/* A period's money of a workspace or a key. A period that is over counts as empty. Neither sum is
 * ever above QUOTA_NANOUSD_MAX. */
struct admission_purse {
	int32_t period;		  /* the day or month that the sums are of; 0: not in use */
	uint64_t spent, reserved; /* nano-dollars */
};

/* What is kept for a workspace or a key, over all models. */
struct admission_account {
	struct admission_purse day, month;
	uint64_t running; /* calls at once */
};

/* What is kept for a workspace or a key and one model. */
struct admission_meter {
	struct bucket requests, tokens;
};

/* The state that one call touches, indexed by enum scope. */
struct admission_state {
	struct admission_account account[SCOPES];
	struct admission_meter meter[SCOPES];
};

/* How a limit a minute stands after a take, also after a refused one: of the narrowest that is
 * configured, which has the fewest left, then the smaller limit, then is the workspace's. */
struct admission_gauge {
	uint64_t limit; /* 0: there is none */
	uint64_t left;
	int64_t full_ms; /* when it will be full, Unix time */
};

/* What a take answers. */
struct admission_grant {
	enum limit refused; /* LIMIT_NONE: the call is let in */
	enum scope scope;   /* whose limit refused */
	uint64_t size;	    /* that limit: a count, or nano-dollars */
	uint64_t left;	 /* of a budget: what is neither spent nor reserved, nano-dollars; else 0 */
	int64_t wait_ms; /* until it may be let in: exact for buckets, to the period's end for a
			  * budget, 1000 for calls at once */
	int64_t now_ms;	 /* of the clock that decided, Unix time */
	struct admission_gauge requests, tokens;

	/* What was taken; the settlement needs it back as it was. */
	bool held;
	uint64_t lease; /* its number in the store */
	int32_t day, month;
	uint64_t taken[SCOPES]; /* tokens out of the buckets: at most the limit; 0 without one */
	uint64_t nanousd;	/* reserved in these purses of day and month */
	bool day_held[SCOPES], month_held[SCOPES];
	uint64_t store_mark; /* the store's own */
};

/* What a call has really used. */
struct admission_used {
	uint64_t tokens;  /* that count against tokens a minute */
	uint64_t nanousd; /* what it cost */
};

/* A day and a month, by policy/period. */
struct admission_when {
	int32_t day, month;
};

/* The periods that a take with this ask reserves in: those of now_ms, or newer ones of the purses
 * whose budgets are configured. A store that knows what was spent before sets a configured purse of
 * another period to { period, spent, 0 } ahead of the take, which otherwise empties it. */
struct admission_when admission_when(
    const struct admission_state *s, const struct admission_ask *ask);

/* Decides. The grant says what was taken from the state, whose members of the past were brought up
 * to date on the way; lease and store_mark are left to the store, and 0 here. now_ms must be set;
 * below 1 it counts as 1. */
void admission_take(
    struct admission_state *s, const struct admission_ask *ask, struct admission_grant *out);

/* Gives back what the grant took and takes what was used: tokens in the buckets, money in the
 * purses of the periods it was reserved in, one call at once less. ask is that of the take, but its
 * now_ms is the settlement's. `leased`: the lease was still there; else money and call at once were
 * given back already (admission_release), and only the tokens are exchanged and the spent money
 * booked. A grant that is not held changes nothing. */
void admission_settle(struct admission_state *s, const struct admission_ask *ask,
    const struct admission_grant *grant, const struct admission_used *used, bool leased);

/* Gives back what a lease that ran out held: the reservation and the call at once. Its tokens stay
 * taken. */
void admission_release(
    struct admission_account account[SCOPES], const struct admission_grant *grant);

#endif
