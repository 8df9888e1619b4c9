/* dialect: what a client speaks. Pure: bytes in, a turn or a refusal out. */
#ifndef POSTERN_DIALECT_DIALECT_H
#define POSTERN_DIALECT_DIALECT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/span.h"
#include "dialect/event.h"
#include "dialect/retelling.h"

/* What a path asks for. */
enum op { OP_MESSAGES, OP_COUNT_TOKENS, OP_MODELS, OP_MODEL, OP_HEALTH, OP_KNOCK, OP_COUNT };

/* Members of a request body that a kind of upstream may have to change. */
enum turn_member {
	TURN_MODEL,
	TURN_MESSAGES,
	TURN_MAX_TOKENS,
	TURN_STREAM,
	TURN_VERSION, /* anthropic_version, which a body for AWS or Google has */
	TURN_BETA,    /* anthropic_beta, the same */
	TURN_PROFILE, /* user_profile_id */
	TURN_THINKING,
	TURN_TOOLS,
	TURN_THREAD,
	TURN_CONTAINER,
	TURN_STREAM_OPTIONS, /* of the envelope alone; what is none of the API's does not go on */
	TURN_MEMBERS
};

/* Where a member stands in the body; all zero when it does not. */
struct turn_place {
	size_t name_at; /* of the quote before its name */
	size_t at, len; /* its raw value */
	size_t before;	/* of the comma or brace before it */
	size_t after;	/* behind the comma that follows it; 0: it is the last member */
};

/* What the gate needs to know of a request body; the body itself stays as it is. */
struct turn {
	char model[MODEL_MAX + 1]; /* unescaped */
	bool stream;
	uint64_t max_tokens;
	size_t open_at; /* of the body's first brace */
	struct turn_place places[TURN_MEMBERS];
	bool wants_usage; /* a stream is to tell it at its end, where the dialect does not always */
	bool hides_thinking; /* what the model thinks is not to be told */
	bool threaded;	     /* it begins a thread or goes on with one */
	bool bound; /* it names a container or files, which are known to one account only */
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
	/* The rest is of a dialect that tells answers in words of its own; NULL: they go on as they
	 * are. Each appends to out; -1 when it is full. */
	/* A whole message of the API. */
	int (*whole)(struct span message, struct buf *out);
	/* Begins a stream at now (Unix seconds). */
	void (*begin)(const struct turn *turn, int64_t now, struct retelling *out);
	/* The next event; it may become nothing. message_stop ends the stream. */
	int (*event)(
	    struct retelling *r, const struct event *what, struct span data, struct buf *out);
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
