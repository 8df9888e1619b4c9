/* outcome: what came of forwarding a call. */
#ifndef POSTERN_OUTCOME_H
#define POSTERN_OUTCOME_H

#include <stdint.h>

#include "answer.h"
#include "base/buf.h"
#include "base/check.h"
#include "dialect/dialect.h"
#include "policy/attempts.h"
#include "policy/route.h"
#include "policy/usage.h"

struct outcome {
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
	struct attempts attempts;
};

/* Latches why it ends, unless that is known already. -1 in every case. An answer that cannot be
 * taken for want of memory is no fault of the upstream's (fault_in_truth). */
int outcome_fail(struct outcome *o, enum fault f, const char *message);

/* Appends the header line that says what was tried in vain, if anything was. -1 when lines is full.
 */
MUST_CHECK int outcome_put_tried(const struct outcome *o, struct buf *lines);

/* Latches that the client is gone. -1. */
int outcome_gone(struct outcome *o);

/* Latches why an answer could not be sent: its client is gone, or its head found no memory. -1. */
int outcome_unsent(struct outcome *o, const struct answer *a);

#endif
