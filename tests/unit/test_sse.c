/* sse: the vectors of the standard and the unpleasant ones, at once and in pieces of every size.
 * What is seen so far always ends at a page that may not be read. */
#include "wire/sse.h"

#include "unit/check.h"
#include "unit/guard.h"

static const struct {
	const char *what;
	struct span in;
	struct span want; /* [name|data] for each event that has either; ~ where there is no data */
	size_t left;	  /* bytes that are no whole event */
} rows[] = {
	{ "nothing", SPAN(""), SPAN(""), 0 },
	{ "LF", SPAN("event: ping\ndata: {}\n\n"), SPAN("[ping|{}]"), 0 },
	{ "CRLF", SPAN("event: ping\r\ndata: {}\r\n\r\n"), SPAN("[ping|{}]"), 0 },
	{ "CR", SPAN("event: ping\rdata: {}\r\r"), SPAN("[ping|{}]"), 0 },
	{ "mixed line ends", SPAN("event: a\rdata: 1\r\n\ndata: 2\n\r\ndata: 3\r\n\r"),
	    SPAN("[a|1][|2][|3]"), 0 },
	{ "CRLF twice and more", SPAN("data: 1\r\n\r\ndata: 2\r\n\r\n\r\n\r\ndata: 3\r\n\r\n"),
	    SPAN("[|1][|2][|3]"), 0 },
	{ "CR twice and more", SPAN("data: 1\r\rdata: 2\r\r\r\rdata: 3\r\r"), SPAN("[|1][|2][|3]"),
	    0 },
	{ "two events", SPAN("event: a\ndata: 1\n\nevent: b\ndata: 2\n\n"), SPAN("[a|1][b|2]"), 0 },
	{ "byte order mark",
	    SPAN("\xef\xbb\xbf"
		 "data: 1\n\n"),
	    SPAN("[|1]"), 0 },
	{ "byte order mark before a blank line",
	    SPAN("\xef\xbb\xbf\n"
		 "data: 1\n\n"),
	    SPAN("[|1]"), 0 },
	{ "byte order mark in the second event",
	    SPAN("data: 1\n\n\xef\xbb\xbf"
		 "data: 2\n\n"),
	    SPAN("[|1]"), 0 },
	{ "two byte order marks",
	    SPAN("\xef\xbb\xbf\xef\xbb\xbf"
		 "data: 1\n\n"),
	    SPAN(""), 0 },
	{ "half a byte order mark",
	    SPAN("\xef\xbb"
		 "data: 1\n\n"),
	    SPAN(""), 0 },
	{ "only half a byte order mark", SPAN("\xef\xbb"), SPAN(""), 2 },
	{ "comments", SPAN(": hello\n\n:\ndata: 1\n:x\n\n"), SPAN("[|1]"), 0 },
	{ "blank lines", SPAN("\n\n\ndata: 1\n\n\n"), SPAN("[|1]"), 0 },
	{ "no blank after the colon", SPAN("event:a\ndata:1\n\n"), SPAN("[a|1]"), 0 },
	{ "one blank is taken off, the second stays", SPAN("data:  1 \n\n"), SPAN("[| 1 ]"), 0 },
	{ "a tab stays", SPAN("data:\t1\n\n"), SPAN("[|\t1]"), 0 },
	{ "colons in the value", SPAN("data: a: b\n\n"), SPAN("[|a: b]"), 0 },
	{ "data without a colon", SPAN("data\n\n"), SPAN("[|]"), 0 },
	{ "empty data", SPAN("data:\n\n"), SPAN("[|]"), 0 },
	{ "two lines of data", SPAN("data: 1\ndata: 2\n\n"), SPAN("[|1\n2]"), 0 },
	{ "three lines, two empty", SPAN("data\ndata: 1\ndata:\n\n"), SPAN("[|\n1\n]"), 0 },
	{ "two names: the last counts", SPAN("event: a\ndata: 1\nevent: b\n\n"), SPAN("[b|1]"), 0 },
	{ "name without data", SPAN("event: ping\n\n"), SPAN("[ping|~]"), 0 },
	{ "other fields", SPAN("id: 7\nretry: 10\nfoo: bar\ndata: 1\n\n"), SPAN("[|1]"), 0 },
	{ "names are whole and in lower case", SPAN("Data: 1\ndatas: 2\ndat: 3\n data: 4\n\n"),
	    SPAN(""), 0 },
	{ "blank before the colon", SPAN("data : 1\n\n"), SPAN(""), 0 },
	{ "zero bytes", SPAN("data: a\0b\n\n"), SPAN("[|a\0b]"), 0 },
	{ "end without a blank line", SPAN("data: 1\n\ndata: 2\n"), SPAN("[|1]"), 8 },
	{ "end within a line", SPAN("data: 1\n\nda"), SPAN("[|1]"), 2 },
	{ "end between CR and LF", SPAN("data: 1\r\n\r\ndata: 2\r"), SPAN("[|1]"), 8 },
	{ "an event of the Messages API",
	    SPAN("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
		 "\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n"),
	    SPAN("[content_block_delta|{\"type\":\"content_block_delta\",\"index\":0,"
		 "\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}]"),
	    0 },
};

/* What a reader has seen so far. */
struct run {
	struct sse sse;
	struct buf pending; /* behind the last whole event */
	struct buf raw;	    /* all events, byte for byte */
	struct buf got;	    /* the events as text */
	int rc;		    /* not 0: a buf was full */
};

static void
run_event(struct run *r, const struct sse_event *ev)
{
	r->rc |= buf_add(&r->raw, ev->raw);
	if (!ev->data.p && ev->name.n == 0)
		return;
	r->rc |= buf_add(&r->got, SPAN("["));
	r->rc |= buf_add(&r->got, ev->name);
	r->rc |= buf_add(&r->got, SPAN("|"));
	if (!ev->data.p)
		r->rc |= buf_add(&r->got, SPAN("~"));
	else if (ev->split)
		r->rc |= sse_join(ev->raw, &r->got);
	else
		r->rc |= buf_add(&r->got, ev->data);
	r->rc |= buf_add(&r->got, SPAN("]"));
}

static void
run_feed(struct run *r, const struct guard *g, struct span piece)
{
	struct sse_event ev;

	r->rc |= buf_add(&r->pending, piece);
	while (sse_next(&r->sse, guard_put(g, buf_span(&r->pending)), &ev) == 1) {
		run_event(r, &ev);
		buf_drop(&r->pending, ev.raw.n);
	}
}

static void
check_pieces(struct check *c, const struct guard *g, size_t i, size_t size)
{
	struct run r = { .pending = buf_make(4096), .raw = buf_make(4096), .got = buf_make(4096) };
	struct span in = rows[i].in;

	for (size_t at = 0; at < in.n; at += size)
		run_feed(&r, g, span_cut(in, at, size < in.n - at ? at + size : in.n));
	r.rc |= buf_add(&r.raw, buf_span(&r.pending));
	check_that(c, r.rc == 0, "full");
	check_that(c, span_eq(buf_span(&r.raw), in), "bytes are lost in pieces of %zu", size);
	check_that(
	    c, r.pending.len == rows[i].left, "pieces of %zu: %zu bytes left", size, r.pending.len);
	check_same(c, buf_span(&r.got), rows[i].want);
	buf_free(&r.pending);
	buf_free(&r.raw);
	buf_free(&r.got);
}

/* An event of a megabyte, byte by byte: takes seconds if bytes were looked at again. */
static void
row_long(struct check *c)
{
	const size_t long_n = 1u << 20;
	struct buf text = buf_make(long_n + 64);
	struct sse sse = { 0 };
	struct sse_event ev = { 0 };
	char *at;
	size_t n = 0;
	int rc = buf_add(&text, SPAN("event: x\ndata: ")) | buf_room(&text, long_n, &at);

	check_row(c, "a long event, byte by byte");
	if (!check_that(c, rc == 0, "full"))
		return;
	memset(at, 'a', long_n);
	text.len += long_n;
	check_that(c, buf_add(&text, SPAN("\n\n")) == 0, "full");
	while (n < text.len && sse_next(&sse, (struct span){ text.p, n }, &ev) == 0)
		n++;
	check_that(c, n == text.len, "an event after %zu of %zu", n, text.len);
	check_that(c, sse_next(&sse, buf_span(&text), &ev) == 1, "no event at the end");
	check_that(
	    c, ev.raw.n == text.len && ev.data.n == long_n && !ev.split, "data %zu", ev.data.n);
	check_same(c, ev.name, SPAN("x"));
	buf_free(&text);
}

static void
row_join_full(struct check *c)
{
	struct buf out = buf_make(4);

	check_row(c, "joined data that does not fit");
	check_that(c, sse_join(SPAN("data: ab\ndata: cd\n\n"), &out) < 0, "fits");
	check_that(c, out.len == 0, "something was written");
	check_that(c, sse_join(SPAN("data: ab\ndata: c\n\n"), &out) == 0, "does not fit");
	check_same(c, buf_span(&out), SPAN("ab\nc"));
	buf_free(&out);
}

int
main(void)
{
	struct check c = { .module = "sse" };
	struct guard g = guard_make();

	for (size_t i = 0; i < ROWS(rows); i++) {
		check_row(&c, "%s", rows[i].what);
		for (size_t size = 1; size <= rows[i].in.n + 1; size++)
			check_pieces(&c, &g, i, size);
	}
	row_long(&c);
	row_join_full(&c);
	guard_free(&g);
	return check_end(&c);
}
