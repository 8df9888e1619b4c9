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
#include "policy/route.h"
#include "policy/usage.h"
#include "upstream/kind.h"
#include "upstream/transfer.h"
#include "wire/sse.h"

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
	int64_t started_ms; /* monotonic */
};

/* What came of it. */
struct relay_result {
	struct refusal refusal;	     /* fault FAULT_NONE: the answer is complete */
	struct span refusal_lines;   /* header lines that belong to it */
	bool told;		     /* the client has been sent the upstream's own error event */
	const struct target *target; /* the last one asked */
	char upstream_request_id[128];
	struct usage usage;
	bool estimated;	  /* the output tokens are reckoned from what was passed on */
	int64_t first_ms; /* from the start to the first byte of the upstream; -1: none came */
	bool begun;	  /* the client had a beginning of the answer when it ended */
	bool counted;	  /* a message came to its end, so that usage must be there */
};

struct relay; /* the memory of a thread's relays, kept between calls */

/* NULL when memory or descriptors are out. */
struct relay *relay_open(struct gate *g);

/* Frees it; NULL is fine. */
void relay_close(struct relay *r);

/* Forwards. Everything that the client can be sent is sent, except a refusal: that is the caller's,
 * with the result. The result is valid until the next call of relay_forward or relay_rest. */
void relay_forward(struct relay *r, const struct relay_order *order, struct relay_result *out);

/* Frees what a call has left behind. */
void relay_rest(struct relay *r);

#endif
