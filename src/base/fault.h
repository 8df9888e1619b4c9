/* fault: every way a call can fail, as one table: its name in logs and ledger, its HTTP status, its
 * type in the Messages API's error envelope, and whether another target may be tried. */
#ifndef POSTERN_BASE_FAULT_H
#define POSTERN_BASE_FAULT_H

#include <stdbool.h>

enum fault {
	FAULT_NONE,
	FAULT_BAD_REQUEST, /* the client's bytes are not a valid request */
	FAULT_ENCODING,	   /* a compressed request body */
	FAULT_NO_KEY,	   /* no key came with the request */
	FAULT_BAD_KEY,	   /* the key is not known */
	FAULT_KEY_EXPIRED,
	FAULT_KEY_REVOKED,
	FAULT_WRONG_KEYS,      /* one of those, too often from one address */
	FAULT_WORKSPACE,       /* the key's workspace is not configured */
	FAULT_MODEL_FORBIDDEN, /* the model exists, but not for this key or workspace */
	FAULT_MODEL_UNKNOWN,   /* no such model, or not in this region */
	FAULT_NOT_FOUND,       /* no such path */
	FAULT_METHOD,	       /* the path exists, not for this method */
	FAULT_UNSUPPORTED,     /* the upstream has no such thing */
	FAULT_TOO_LARGE,       /* over max_body */
	FAULT_SLOW_BODY,       /* it comes too slowly */
	FAULT_HEADERS,	       /* more headers than go on to an upstream */
	FAULT_CLIENT_GONE,     /* the client left; there is nobody to answer */
	FAULT_LIMIT,	       /* over a limit of requests, tokens or calls at once */
	FAULT_BUDGET,	       /* over a budget */
	FAULT_UNPRICED,	       /* a budget, and a model without a price */
	FAULT_LOST,	       /* the process that served the call died */
	FAULT_STORE_AWAY,      /* the server that keeps limits and keys does not answer */
	FAULT_BUSY,	       /* every thread is busy */
	FAULT_DRAINING,	       /* the process is stopping */
	FAULT_STORE,	       /* keys or state cannot be read */
	FAULT_CONFIG,	       /* our configuration is at fault */
	FAULT_INTERNAL,	       /* our own: memory, temporary file */
	FAULT_UP_CONNECT,      /* no connection to the upstream: name, address, TLS */
	FAULT_UP_TIMEOUT,      /* no first byte in time */
	FAULT_UP_IDLE,	       /* silent for too long in mid-answer */
	FAULT_UP_CUT,	       /* the upstream ended before its answer did */
	FAULT_UP_ANSWER, /* an answer that is none: empty, wrong type, broken grammar, too large */
	FAULT_UP_CREDENTIAL, /* the upstream refused our own credential */
	FAULT_UP_ERROR,	     /* the upstream answered with an error of its own */
	FAULT_COUNT
};

struct fault_row {
	const char *name;    /* in logs and ledger: "bad-key" */
	int status;	     /* HTTP status when nothing has been sent yet */
	const char *type;    /* error.type in the Messages API's envelope */
	bool next_target;    /* another target may be tried as long as nothing was sent */
	const char *message; /* what the client reads when the place that failed has nothing better
				to say */
};

/* The row of a fault; never NULL. */
const struct fault_row *fault_row(enum fault f);

/* What the fault of a step is in truth: where memory ran out in it (errno, which is to be 0 when it
 * begins), FAULT_INTERNAL, whatever the step takes for too large or broken. */
enum fault fault_in_truth(enum fault f);

/* The Messages API's error type for an HTTP status, for answers whose body does not say
 * (messages-api.md 5). */
const char *fault_type_of_status(int status);

/* The HTTP status for an error type of the Messages API; 500 for a type we do not know. */
int fault_status_of_type(const char *type);

#endif
