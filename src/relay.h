/* relay: the forward step. Asks the targets of a route in turn until one begins to answer, and
 * brings the answer to the client as it comes. Holds the rules of when a stream commits, when it
 * pings and how it ends. */
#ifndef POSTERN_RELAY_H
#define POSTERN_RELAY_H

#include <stdint.h>

#include "answer.h"
#include "base/check.h"
#include "base/spool.h"
#include "gate.h"
#include "outcome.h"
#include "policy/route.h"
#include "upstream/kind.h"
#include "upstream/transfer.h"

/* What the call hands over; all borrowed. */
struct relay_order {
	const struct era *era;
	const struct route *route;
	const struct turn *turn;
	enum op op;
	struct span query;
	char *const *params;
	struct spool *body;
	struct answer *answer;
	uint64_t input_estimate; /* tokens */
	int64_t started_ms;	 /* monotonic */
};

struct relay; /* the memory of a thread's relays, kept between calls */

/* NULL when memory or descriptors are out. */
struct relay *relay_open(struct gate *g);

/* Frees it; NULL is fine. */
void relay_close(struct relay *r);

/* Forwards. Everything that the client can be sent is sent, except a refusal: that is the caller's,
 * with the result. The result is valid until the next call of relay_forward or relay_rest. */
void relay_forward(struct relay *r, const struct relay_order *order, struct outcome *out);

/* Frees what a call has left behind. */
void relay_rest(struct relay *r);

#endif
