/* transfer: carries one request to an upstream and its answer back, with libcurl. The only libcurl
 * (with fetch.c). A struct transfer belongs to one thread and keeps its connections between
 * calls. */
#ifndef POSTERN_UPSTREAM_TRANSFER_H
#define POSTERN_UPSTREAM_TRANSFER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/spool.h"
#include "upstream/kind.h"

struct transfer_shared; /* what every thread's transfers share: DNS answers and TLS sessions */
struct transfer;	/* a thread's */

/* Starts libcurl; once per process. NULL when it cannot be. */
struct transfer_shared *transfer_shared_open(void);

/* Ends libcurl; every transfer must be closed. NULL is fine. */
void transfer_shared_close(struct transfer_shared *s);

/* NULL when memory is out. */
struct transfer *transfer_open(struct transfer_shared *shared);

/* Closes its connections and frees it; NULL is fine. */
void transfer_close(struct transfer *t);

struct transfer_order {
	const struct hreq *request;
	const char *ca_file; /* NULL: the system's */
	struct spool *body;  /* the client's body; the request's edits are made on the way */
	int64_t connect_ms, first_ms, idle_ms;
	int watch_fd; /* becomes readable when the caller wants to be asked at once; -1: none */
};

/* The head of an answer. */
struct transfer_head {
	int status;
	char content_type[128];
	char request_id[128]; /* the upstream's own, request-id or x-amzn-requestid; empty: none */
	char error_type[128]; /* x-amzn-errortype; empty: none */
	bool encoded;	      /* it came with a content-encoding, which was not asked for */
	struct buf relay; /* header lines for the client, "name: value\r\n" each (header_relay) */
};

/* Where the answer goes. Each function returns 0 to go on and -1 to stop the transfer at once; the
 * sink knows why. */
struct transfer_sink {
	int (*head)(void *arg, const struct transfer_head *head);
	int (*data)(void *arg, struct span bytes);
	/* Asked after every wait; sets *wait_ms to the longest time until it wants to be asked
	 * again (-1: no limit). woken: watch_fd is readable. */
	int (*tick)(void *arg, bool woken, int64_t *wait_ms);
};

/* Runs the transfer to its end. FAULT_NONE: it is over or the sink stopped it; else what went wrong
 * (FAULT_UP_CONNECT, FAULT_UP_TIMEOUT, FAULT_UP_IDLE, FAULT_UP_CUT, FAULT_INTERNAL) with a text for
 * the log in reason. The upstream's connection is closed at once when the answer has not been read
 * to its end. */
MUST_CHECK enum fault transfer_run(struct transfer *t, const struct transfer_order *order,
    const struct transfer_sink *sink, void *arg, char reason[static MESSAGE_MAX]);

#endif
