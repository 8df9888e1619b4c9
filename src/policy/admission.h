/* admission: the rule by which a call is let in, and what is given back after it. Pure: the store
 * reads the state of a call's workspace and key, asks here, and writes the state back, all in one
 * transaction. store/redis.lua is the same rule for Redis; the vectors of tests/unit/admission.h
 * run against both.
 *
 * A take checks everything before it takes anything: budgets, calls at once, requests, tokens; for
 * the workspace and for the key. A refused call takes nothing. What is reserved is an upper bound
 * (tokens: a likely one), and the settlement puts what was really used in its place. */
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
	int64_t now_ms; /* Unix time; 0: the store's own clock */
	struct span workspace, key, model;
	struct quota quota[SCOPES];
	uint64_t requests; /* 1 */
	uint64_t tokens;   /* the likely sum; 0: tokens are not limited for this call */
	uint64_t nanousd;  /* the most that it can cost */
	struct span request_id;
};

/* A period's money of a workspace or a key. A period that is over counts as empty. */
struct admission_purse {
	int32_t period;		  /* the day or month that the sums are of */
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

/* How a limit a minute stands after a take, of the narrowest that is configured. */
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
	uint64_t left;	    /* of a budget: what is neither spent nor reserved, nano-dollars */
	int64_t wait_ms;    /* until it may be let in: exact for buckets, to the period's end for a
			     * budget, 1000 for calls at once */
	int64_t now_ms;	    /* of the clock that decided, Unix time */
	struct admission_gauge requests, tokens;

	/* What was taken; the settlement needs it back as it was. */
	bool held;
	uint64_t lease; /* its number in the store */
	int32_t day, month;
	uint64_t taken[SCOPES]; /* tokens out of the buckets */
	uint64_t nanousd;	/* reserved in every purse */
	uint64_t store_mark;	/* the store's own */
};

/* What a call has really used. */
struct admission_used {
	uint64_t tokens;  /* that count against tokens a minute */
	uint64_t nanousd; /* what it cost */
};

/* Decides. The grant says what was taken from the state, whose members of the past were brought up
 * to date on the way; lease and store_mark are left to the store. now_ms must be set. */
void admission_take(
    struct admission_state *s, const struct admission_ask *ask, struct admission_grant *out);

/* Gives back what the grant took and takes what was used: tokens in the buckets, money in the
 * purses of the periods it was reserved in, one call at once less. `leased`: the lease was still
 * there; else the reservation was given back already and only what was used is booked. */
void admission_settle(struct admission_state *s, const struct admission_ask *ask,
    const struct admission_grant *grant, const struct admission_used *used, bool leased);

/* Gives back what a lease that ran out held: the reservation and the call at once. Its tokens stay
 * taken. */
void admission_release(
    struct admission_account account[SCOPES], const struct admission_grant *grant);

#endif
