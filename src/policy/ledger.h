/* ledger: one line of JSON per finished call. Pure: fields in, line out. No prompt text, no secret
 * has a field here. */
#ifndef POSTERN_POLICY_LEDGER_H
#define POSTERN_POLICY_LEDGER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "policy/usage.h"

struct ledger_entry {
	int64_t time_ms; /* when the call ended, Unix time */
	struct span request_id;
	struct span upstream_request_id; /* empty: none */
	struct span key;		 /* the key's id */
	struct span workspace;
	struct span surface;
	struct span model;    /* as the client named it */
	struct span upstream; /* empty: none was asked */
	struct span upstream_model;
	int status;	 /* the HTTP status the client got; 0 when it got none */
	const char *end; /* "done", or the name of the fault that ended it */
	bool stream;
	struct usage usage;
	int64_t first_ms; /* to the upstream's first byte; -1: there was none */
	int64_t total_ms;
};

/* Appends the line with its newline. -1 when it does not fit. */
MUST_CHECK int ledger_format(const struct ledger_entry *e, struct buf *out);

#define LEDGER_NAME_LEN 24

/* The file of a month: "ledger-2026-11.jsonl". */
void ledger_name(int64_t time_ms, char out[static LEDGER_NAME_LEN]);

#endif
