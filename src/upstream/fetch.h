/* fetch: one small HTTP request and its whole answer, for credentials that another server gives
 * out. Waits on the calling thread; transfer carries the calls themselves. */
#ifndef POSTERN_UPSTREAM_FETCH_H
#define POSTERN_UPSTREAM_FETCH_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/span.h"

struct fetch {
	const char *method; /* "GET", "PUT" or "POST" */
	const char *url;
	struct span headers; /* "name: value", each with its terminating zero */
	struct span body;
	int64_t limit_ms; /* for all of it; a fifth of it for connecting */
	bool direct;	  /* through no proxy, whatever the environment says */
};

/* Asks, and puts the answer, of at most FETCH_ANSWER_MAX, into out, which is to be wiped by
 * the caller in every case; redirections are not followed.
 * 0 with its *status, whatever that is, or -1 with why, and with errno ENOMEM when memory was out.
 * libcurl's global state must be there (transfer_shared_open) or no other thread running. */
MUST_CHECK int fetch_run(
    const struct fetch *f, struct buf *out, int *status, char why[static MESSAGE_MAX]);

#endif
