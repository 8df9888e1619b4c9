/* kind: what an upstream speaks. Pure: a kind says what to ask and reads what comes back;
 * upstream/transfer carries it. */
#ifndef POSTERN_UPSTREAM_KIND_H
#define POSTERN_UPSTREAM_KIND_H

#include "base/buf.h"
#include "base/check.h"
#include "dialect/dialect.h"
#include "dialect/event.h"
#include "policy/route.h"
#include "policy/usage.h"
#include "upstream/hreq.h"
#include "wire/eventstream.h"

/* What a kind is told of the call. All borrowed. */
struct ask {
	const struct target *target;
	const struct turn *turn;
	enum op op;
	struct span body;    /* whole; only for a kind that reads it */
	struct span secret;  /* the upstream's key or token; empty: the request will be signed */
	struct span query;   /* of the client's URL, without the question mark */
	char *const *params; /* the CGI variables of the request, NULL-ended */
	struct span request_id;
	uint64_t input_estimate; /* tokens */
};

/* An error of an upstream: an answer with an error status, or, with a good one, the data of an
 * error event. All borrowed. */
struct complaint {
	int status;
	struct span type; /* x-amzn-errortype; empty: it did not come */
	struct span body;
};

/* What a kind did with bytes that it was shown. */
enum kind_edit {
	KIND_AS_IT_IS,
	KIND_EDITED,   /* out holds what is to stand in their place */
	KIND_RECKONED, /* the same, with counts that are ours: the upstream gave none */
	KIND_FAILED,   /* they are none that this kind sends, or too large */
};

struct kind {
	const char *name;
	bool bound;	 /* threads, containers and files of its account can be spoken of */
	bool reads_body; /* its request wants ask.body */
	bool chat;	 /* its streams are a chat completion's (chatstream) */
	/* Makes the request. FAULT_NONE, or why there is none: FAULT_HEADERS when it does not fit
	 * its bounds, or what *why tells. NULL in a built-in kind. */
	enum fault (*request)(const struct ask *ask, struct hreq *out, struct refusal *why);
	/* Appends what a frame of application/vnd.amazon.eventstream says, as an event of a
	 * stream. -1 with *why, a fixed text. NULL: this kind sends none. */
	int (*frame)(const struct eventstream_frame *frame, struct buf *events, const char **why);
	/* Reads one event of the answer's stream. */
	void (*event)(struct span name, struct span data, struct event *out);
	/* Looks at an event that goes on to the client, or NULL: they go on as they are. */
	enum kind_edit (*edit)(
	    const struct ask *ask, const struct event *what, struct span data, struct buf *out);
	/* The same for a whole answer of a good status. */
	enum kind_edit (*whole)(const struct ask *ask, struct span body, struct buf *out);
	/* Turns an error into a refusal, which may borrow its body. */
	void (*refusal)(const struct complaint *c, struct refusal *out);
	/* A built-in kind's whole answer, in the form and with the content type that the turn asks
	 * for. */
	int (*answer)(const struct ask *ask, struct span body, struct buf *out);
};

#endif
