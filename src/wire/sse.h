/* sse: server-sent events (WHATWG HTML 9.2.6), pulled one whole event at a time out of bytes that
 * are collected elsewhere. LF, CRLF and CR end lines. Pure; copies nothing. */
#ifndef POSTERN_WIRE_SSE_H
#define POSTERN_WIRE_SSE_H

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

/* Where the reader stands. Zero-initialise at the start of a stream. */
struct sse {
	size_t seen;  /* bytes after the last whole event that were already looked at */
	size_t line;  /* where, among these, the unfinished line begins */
	bool started; /* the first bytes (a byte order mark may stand there) are behind us */
};

struct sse_event {
	struct span raw;  /* the whole event with its blank line, byte for byte */
	struct span name; /* value of the last `event:` field; empty when there is none */
	struct span data; /* value of the `data:` field; p NULL when there is none */
	bool split;	  /* data came in several lines: sse_join puts it together */
};

/* Looks for the next whole event in text (all bytes after the last whole event returned, old ones
 * first). 1: *ev is set, all spans point into text; the caller drops ev->raw.n bytes from the front
 * before the next call. 0: no whole event yet; call again with the same bytes and more behind them.
 * Never looks at a byte twice. A block of comments or blank lines only is returned as an event with
 * data.p NULL and an empty name. */
MUST_CHECK int sse_next(struct sse *s, struct span text, struct sse_event *ev);

/* Appends the data of an event with several `data:` lines, joined by LF as the standard has it. -1
 * when out is full. */
MUST_CHECK int sse_join(struct span raw, struct buf *out);

/* An event's data in one piece: where it lies, or put together in joined (emptied first) when it
 * came in several lines. p NULL: there is none. -1 when joined is full. */
MUST_CHECK int sse_data(const struct sse_event *ev, struct buf *joined, struct span *data);

/* Lets JSON stand in one `data:` line: it has line ends only between its tokens, where a blank does
 * as well. */
void sse_one_line(char *p, size_t n);

#endif
