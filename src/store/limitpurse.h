/* limitpurse: what was spent before of a purse that is used for the first time in its period, so
 * that no restart forgets it. */
#ifndef POSTERN_STORE_LIMITPURSE_H
#define POSTERN_STORE_LIMITPURSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "policy/admission.h"
#include "store/kv.h"

/* A purse whose past is asked for: what the calls of (scope, name) have spent in a day or month, as
 * far as their lines are not in the queue any more. */
struct limiter_purse {
	enum scope scope;
	struct span name;
	int32_t period;
	bool is_month;

	uint64_t spent; /* to be set: nano-dollars, of all lines up to and including seq */
	uint64_t seq;
};

/* Tells spent and seq, at least up to what was forgotten in the queue; the limiter adds what is
 * queued beyond. Called with the limiter locked: it must be quick and must not use the limiter. -1
 * when it cannot be told; the take then fails. */
typedef int limiter_seed(void *arg, struct limiter_purse *p);

/* Whom to ask; seed NULL: nothing was spent but what is queued. */
struct limitpurse_source {
	limiter_seed *seed;
	void *arg;
};

/* Sets those purses of s that a take with this ask begins: to what the source tells and the lines
 * queued beyond. */
MUST_CHECK enum kv_status limitpurse_seed(struct kv_txn *t, struct admission_state *s,
    const struct admission_ask *ask, const struct limitpurse_source *source);

#endif
