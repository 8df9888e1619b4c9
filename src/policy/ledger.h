/* ledger: one line of JSON per finished call, written and read back. Pure. No prompt text, no
 * secret has a field here. A line begins with its number, which the store gives it:
 * `{"seq":17,"time":"…",…}`. */
#ifndef POSTERN_POLICY_LEDGER_H
#define POSTERN_POLICY_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "policy/period.h"
#include "policy/usage.h"

struct ledger_entry {
	uint64_t seq;	 /* numbers the lines of one state folder without a gap; 0: not given yet */
	int64_t time_ms; /* when the call ended, Unix time */
	int32_t day;	 /* on which it is booked: when it was admitted (period_day) */
	struct span request_id;
	struct span upstream_request_id; /* empty: none */
	struct span key;		 /* the key's id */
	struct span workspace;
	struct span surface;
	struct span model;    /* as the client named it */
	bool routed;	      /* the gate knows the model */
	struct span upstream; /* empty: none was asked */
	struct span upstream_model;
	struct span tried; /* what failed before it, in their order; empty: nothing */
	int status;	   /* the HTTP status the client got; 0 when it got none */
	struct span end;   /* "done", or the name of the fault that ended it */
	bool stream;
	bool cut;	/* the answer had begun and was not finished */
	bool estimated; /* the output tokens are reckoned from what was passed on */
	struct usage usage;
	uint64_t cost_nanousd;
	uint64_t reserved_tokens, reserved_nanousd;
	struct span limit; /* what refused it, "workspace tokens"; empty: nothing did */
	int64_t requests_left, tokens_left; /* after the admission; -1: no limit */
	int64_t first_ms;		    /* to the upstream's first byte; -1: there was none */
	int64_t total_ms;
};

/* Appends the line with its newline, but for its beginning: the text starts behind the number, with
 * `"time":`, and ledger_begin goes before it. Texts are cut at LEDGER_TEXT_MAX, so that a whole
 * line has at most LEDGER_LINE_MAX bytes. -1 when it does not fit. */
MUST_CHECK int ledger_format(const struct ledger_entry *e, struct buf *out);

/* Appends `{"seq":N,`. */
MUST_CHECK int ledger_begin(uint64_t seq, struct buf *out);

/* Reads a whole line (without its newline). Texts are unescaped into `text`, which the spans point
 * into; it is emptied first, and must be able to hold as many bytes as the line has. Unknown
 * members are passed over, so that newer versions' lines can be read; of older versions' lines what
 * is missing is zero, empty or -1, `day` is that of `time` and `routed` is whether an upstream was
 * asked. -1 when it is no line of a ledger: no JSON object, without `time` or `end`, a member of a
 * wrong type or one that stands twice. */
MUST_CHECK int ledger_parse(struct span line, struct ledger_entry *out, struct buf *text);

#define LEDGER_NAME_LEN 24

/* The file of a month: "ledger-2026-11.jsonl". */
void ledger_name(int64_t time_ms, char out[static LEDGER_NAME_LEN]);

#endif
