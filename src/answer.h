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
	struct buf text;    /* heads and events of ours are made here */
	struct buf error;   /* the bodies of errors */
};

/* An answer without memory. */
void answer_init(struct answer *a);

/* Sees to it that there is memory for a head and an error, however little there will be later. -1:
 * there is none now. */
MUST_CHECK int answer_reserve(struct answer *a);

/* Gives back what is more than a call needs as a rule, and makes ready for the next. */
void answer_rest(struct answer *a);

/* Frees it. */
void answer_free(struct answer *a);

/* Why a function below failed: FAULT_CLIENT_GONE, or FAULT_INTERNAL when there was no memory for
 * the head and nothing was sent. */
enum fault answer_unsent(const struct answer *a);

/* Sends status and headers. more: header lines, each ending in CR LF. All functions: -1 when that
 * cannot be. */
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
 * more: header lines of the upstream's that belong to its error, used only with a status. Where
 * memory is out for that, it says so in the memory that is reserved. */
MUST_CHECK int answer_refuse(struct answer *a, const struct refusal *r, struct span more);

/* Sends an event that carries nothing, at once. */
MUST_CHECK int answer_ping(struct answer *a);

#endif
