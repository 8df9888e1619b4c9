/* dialect: what a client speaks. Pure: bytes in, a turn or a refusal out. */
#ifndef POSTERN_DIALECT_DIALECT_H
#define POSTERN_DIALECT_DIALECT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/span.h"

/* What a path asks for. */
enum op { OP_MESSAGES, OP_COUNT_TOKENS, OP_MODELS, OP_MODEL, OP_HEALTH, OP_KNOCK, OP_COUNT };

/* What the gate needs to know of a request body; the body itself stays as it is. */
struct turn {
	char model[MODEL_MAX + 1];  /* unescaped */
	size_t model_at, model_len; /* where its raw value stands in the body */
	bool stream;
	uint64_t max_tokens;
	size_t messages_at, messages_len; /* where the raw `messages` stand */
};

/* Why a call is refused or ends early, ready to be written in any dialect. */
struct refusal {
	enum fault fault;
	int status;		   /* 0: the fault's own */
	char type[64];		   /* error.type; empty: the fault's own */
	char message[MESSAGE_MAX]; /* empty: the fault's own */
	const char *error_code;	   /* error.details.error_code, or NULL */
	bool no_retry;		   /* trying again would not help: x-should-retry: false */
	struct span body; /* an error envelope of the upstream to be passed on as it is; borrowed, p
			     NULL: none */
};

struct dialect {
	const char *name;
	/* Checks a body and reads the turn. FAULT_NONE, or the fault with why->message naming the
	 * first member at fault
	 * ("messages: field required") or the byte offset of a syntax error. */
	enum fault (*parse)(struct span body, enum op op, struct turn *out, struct refusal *why);
	/* Appends an error answer: the body of an HTTP error, or with `event` a whole event of a
	 * stream that has begun. */
	int (*refuse)(const struct refusal *r, struct span request_id, bool event, struct buf *out);
	/* An event that carries nothing: it keeps timers alive and finds clients that have left. */
	struct span ping;
};

/* Fills fault and message (printf's rules; cut when too long). */
void refusal_set(struct refusal *r, enum fault f, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The HTTP status that the client gets when nothing was sent yet. */
int refusal_status(const struct refusal *r);

/* The error type that the client gets. */
const char *refusal_type(const struct refusal *r);

/* The message that the client gets. */
const char *refusal_message(const struct refusal *r);

#endif
