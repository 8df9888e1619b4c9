/* answer: what a client gets. Knows whether anything was sent yet, and so whether a fault is still
 * a status or has to be an event. */
#ifndef POSTERN_ANSWER_H
#define POSTERN_ANSWER_H

#include "base/buf.h"
#include "base/check.h"
#include "dialect/dialect.h"
#include "front/front.h"

#define REQUEST_ID_LEN 28 /* "req_" and 24 characters */

struct answer {
	struct front_seat *seat;
	const struct dialect *dialect;
	char request_id[REQUEST_ID_LEN + 1];
	bool headless;	    /* a HEAD request: no body goes out */
	bool begun;	    /* status and headers are out */
	bool gone;	    /* a write has failed: there is nobody */
	int status;	    /* what was sent; 0: nothing */
	struct span always; /* header lines that go with whatever is answered; borrowed */
	struct buf text;    /* heads and envelopes are made here */
};

/* Sends status and headers. more: header lines, each ending in CR LF. All functions: -1 when the
 * client is gone. */
MUST_CHECK int answer_begin(
    struct answer *a, int status, struct span content_type, struct span more);

/* Sends bytes of the body; they wait for a flush. */
MUST_CHECK int answer_write(struct answer *a, struct span s);

/* Sends what waits. */
MUST_CHECK int answer_flush(struct answer *a);

/* Sends a whole small answer. */
MUST_CHECK int answer_whole(
    struct answer *a, int status, struct span content_type, struct span more, struct span body);

/* Says why the call ends: a status with an error body, or an error event when the answer has begun.
 * more: header lines of the upstream's that belong to its error, used only with a status. */
MUST_CHECK int answer_refuse(struct answer *a, const struct refusal *r, struct span more);

/* Sends an event that carries nothing, at once. */
MUST_CHECK int answer_ping(struct answer *a);

#endif
