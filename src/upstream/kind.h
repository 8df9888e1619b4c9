/* kind: what an upstream speaks. Pure: a kind says what to ask and reads what comes back;
 * upstream/transfer carries it. */
#ifndef POSTERN_UPSTREAM_KIND_H
#define POSTERN_UPSTREAM_KIND_H

#include "base/buf.h"
#include "base/check.h"
#include "dialect/dialect.h"
#include "policy/route.h"
#include "policy/usage.h"
#include "wire/json.h"

/* What a kind is told of the call. All borrowed. */
struct ask {
	const struct target *target;
	const struct turn *turn;
	enum op op;
	struct span secret;  /* the upstream's credential */
	struct span query;   /* of the client's URL, without the question mark */
	char *const *params; /* the CGI variables of the request, NULL-ended */
};

#define ASK_EDITS_MAX 4

/* The request to send: the client's body with these edits made. */
struct hreq {
	struct buf url;
	struct buf headers; /* "name: value", each with its terminating zero */
	struct json_edit edits[ASK_EDITS_MAX];
	size_t edits_n;
	struct buf text; /* what the edits put; they point into it */
};

enum event_type {
	EVENT_OTHER,   /* unknown ones pass */
	EVENT_NOTHING, /* no data: comments, blank lines */
	EVENT_PING,
	EVENT_MESSAGE_START,
	EVENT_BLOCK_START,
	EVENT_BLOCK_DELTA,
	EVENT_BLOCK_STOP,
	EVENT_MESSAGE_DELTA,
	EVENT_MESSAGE_STOP,
	EVENT_ERROR,
};

struct event {
	enum event_type type;
	struct span type_name; /* of an event that came without a name: what its data says */
	struct span usage;     /* raw, of message_start and message_delta; p NULL: none */
	uint64_t index;	       /* of the block that a block event is about; UINT64_MAX: none */
};

struct kind {
	const char *name;
	/* Makes the request. -1 when it does not fit its bounds. NULL in a built-in kind. */
	int (*request)(const struct ask *ask, struct hreq *out);
	/* Reads one event of the answer's stream. */
	void (*event)(struct span name, struct span data, struct event *out);
	/* Turns an answer with an error status (or, with 200, the data of an error event) into a
	 * refusal. `body` may be borrowed by it. */
	void (*refusal)(int status, struct span body, struct refusal *out);
	/* A built-in kind's whole answer, in the form and with the content type that the turn asks
	 * for. */
	int (*answer)(const struct ask *ask, struct span body, struct buf *out);
};

/* Frees what a request holds; its header memory held a credential and is wiped. */
void hreq_clear(struct hreq *r);

#endif
