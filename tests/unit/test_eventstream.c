/* eventstream: recorded streams at once and in pieces of every size, frames made here with every
 * type of header, with lengths that lie, cut at every byte and with every bit turned, and base64.
 * What is seen so far always ends at a page that may not be read. */
#include "wire/eventstream.h"

#include "base/file.h"
#include "base/limits.h"
#include "unit/check.h"
#include "unit/guard.h"
#include "wire/json.h"

#define TEXT_MAX    (512 * KIB)
#define PRELUDE_LEN 12u
#define VECTORS	    "tests/unit/vectors/"

#define LENGTHS_SUM  "the checksum of a frame's lengths is wrong"
#define FRAME_SUM    "the checksum of a frame is wrong"
#define CONTRADICT   "a frame's lengths contradict each other"
#define HEADERS_LONG "the headers of a frame are too long"
#define PAYLOAD_LONG "the payload of a frame is too long"
#define HEADER_CUT   "a header is cut short"
#define HEADER_TYPE  "a header has an unknown type"
#define NO_BYTES     "the payload has no text `bytes`"
#define NO_BASE64    "what the payload holds is not base64"
#define NO_ROOM	     "there is no room for what the payload holds"

static void
must(struct check *c, int rc)
{
	check_that(c, rc == 0, "a buffer of the test is full");
}

/* Making frames. The checksum is the textbook's, bit by bit. */

static uint32_t
checksum(struct span s)
{
	uint32_t sum = UINT32_MAX;

	for (size_t i = 0; i < s.n; i++) {
		sum ^= (unsigned char)s.p[i];
		for (unsigned bit = 0; bit < 8; bit++)
			sum = (sum >> 1) ^ (sum & 1 ? 0xedb88320u : 0);
	}
	return ~sum;
}

static void
put_u32(struct check *c, struct buf *out, uint32_t value)
{
	const char four[4] = { (char)(value >> 24), (char)(value >> 16), (char)(value >> 8),
		(char)value };

	must(c, buf_add(out, (struct span){ four, sizeof(four) }));
}

/* The checksum of all that was added to out since `from`. */
static void
put_checksum(struct check *c, struct buf *out, size_t from)
{
	put_u32(c, out, checksum(span_cut(buf_span(out), from, out->len)));
}

static void
put_prelude(struct check *c, struct buf *out, uint32_t total, uint32_t headers)
{
	size_t from = out->len;

	put_u32(c, out, total);
	put_u32(c, out, headers);
	put_checksum(c, out, from);
}

static void
put_frame(struct check *c, struct buf *out, struct span headers, struct span payload)
{
	size_t from = out->len;

	put_prelude(c, out, (uint32_t)(headers.n + payload.n + 16), (uint32_t)headers.n);
	must(c, buf_add(out, headers));
	must(c, buf_add(out, payload));
	put_checksum(c, out, from);
}

/* True when text is broken for this reason. */
static bool
is_broken(struct check *c, struct span text, const char *want)
{
	struct eventstream_frame frame;
	const char *why = "nothing";
	int rc = eventstream_next(text, &frame, &why);

	return check_that(
	    c, rc == -1 && strcmp(why, want) == 0, "%d with '%s', not '%s'", rc, why, want);
}

/* Recorded streams. */

static const struct {
	const char *file;
	size_t events;	  /* so many of the expected events come first */
	struct span then; /* other frames: [message type|its kind|its message|payload] */
	size_t left;	  /* bytes that are no whole frame */
	const char *why;  /* how it breaks off then; NULL when it does not */
} recorded[] = {
	{ "ok", 6, SPAN(""), 0, NULL },
	{ "cut", 3, SPAN(""), 20, NULL },
	{ "badcrc", 3, SPAN(""), 0, FRAME_SUM },
	{ "errorframe", 3, SPAN("[error|InternalError|oops|]"), 0, NULL },
	{ "throttled-midstream", 3,
	    SPAN(
		"[exception|throttlingException||{\"message\":\"Too many requests, please wait before "
		"trying again.\"}]"),
	    0, NULL },
};

/* What a reader has seen so far. */
struct run {
	struct check *c;
	const struct guard *guard;
	struct buf pending; /* behind the last whole frame */
	struct buf got;	    /* the frames as text */
	const char *why;    /* NULL: not broken */
};

static void
run_chunk(struct run *r, struct span payload)
{
	struct buf json = buf_make(TEXT_MAX);
	const char *why = "nothing";
	int rc = eventstream_bytes(payload, &json, &why);

	check_that(r->c, rc == 0, "a chunk: %s", why);
	must(r->c, buf_add(&r->got, SPAN("event: ")));
	must(r->c, json_string(json_find(buf_span(&json), SPAN("type")), &r->got));
	must(r->c, buf_add(&r->got, SPAN("\ndata: ")));
	must(r->c, buf_add(&r->got, buf_span(&json)));
	must(r->c, buf_add(&r->got, SPAN("\n\n")));
	buf_free(&json);
}

static void
run_frame(struct run *r, const struct eventstream_frame *f)
{
	struct span type = eventstream_string(f, SPAN(":message-type"));
	struct span exception = eventstream_string(f, SPAN(":exception-type"));
	struct span code = eventstream_string(f, SPAN(":error-code"));
	struct span message = eventstream_string(f, SPAN(":error-message"));

	if (span_eq(type, SPAN("event")) &&
	    span_eq(eventstream_string(f, SPAN(":event-type")), SPAN("chunk"))) {
		run_chunk(r, f->payload);
		return;
	}
	must(r->c, buf_add(&r->got, SPAN("[")));
	must(r->c, buf_add(&r->got, type));
	must(r->c, buf_add(&r->got, SPAN("|")));
	must(r->c, buf_add(&r->got, exception.p ? exception : code));
	must(r->c, buf_add(&r->got, SPAN("|")));
	must(r->c, buf_add(&r->got, message));
	must(r->c, buf_add(&r->got, SPAN("|")));
	must(r->c, buf_add(&r->got, f->payload));
	must(r->c, buf_add(&r->got, SPAN("]")));
}

static void
run_feed(struct run *r, struct span piece)
{
	struct eventstream_frame f;
	int rc = 1;

	if (r->why)
		return;
	must(r->c, buf_add(&r->pending, piece));
	while (rc == 1) {
		rc = eventstream_next(guard_put(r->guard, buf_span(&r->pending)), &f, &r->why);
		if (rc == 1) {
			run_frame(r, &f);
			buf_drop(&r->pending, f.raw.n);
		}
	}
	check_that(r->c, (rc < 0) == (r->why != NULL), "%d with a reason", rc);
}

static void
check_recorded(struct check *c, const struct guard *g, size_t i, struct span in, struct span want)
{
	for (size_t size = 1; size <= in.n; size++) {
		struct run r = {
			.c = c, .guard = g, .pending = buf_make(TEXT_MAX), .got = buf_make(TEXT_MAX)
		};

		for (size_t at = 0; at < in.n; at += size)
			run_feed(&r, span_cut(in, at, size < in.n - at ? at + size : in.n));
		check_same(c, buf_span(&r.got), want);
		if (recorded[i].why)
			check_same(c, span_of(r.why), span_of(recorded[i].why));
		else
			check_that(c, !r.why && r.pending.len == recorded[i].left,
			    "pieces of %zu: '%s', %zu bytes left", size, r.why ? r.why : "",
			    r.pending.len);
		buf_free(&r.pending);
		buf_free(&r.got);
	}
}

/* The first n events of a stream of them. */
static struct span
first_events(struct span sse, size_t n)
{
	size_t at = 0;

	while (n > 0 && at < sse.n) {
		const char *end = memmem(sse.p + at, sse.n - at, "\n\n", 2);

		at = end ? (size_t)(end - sse.p) + 2 : sse.n;
		n--;
	}
	return span_cut(sse, 0, at);
}

static void
rows_recorded(struct check *c, const struct guard *g)
{
	struct buf sse = buf_make(TEXT_MAX);
	int rc = file_read(VECTORS "ok.expected.sse", &sse);

	for (size_t i = 0; i < ROWS(recorded); i++) {
		struct buf path = buf_make(256), in = buf_make(TEXT_MAX), want = buf_make(TEXT_MAX);

		check_row(c, "recorded: %s", recorded[i].file);
		must(c, buf_addf(&path, VECTORS "%s.eventstream", recorded[i].file));
		check_that(
		    c, rc == 0 && file_read(buf_str(&path), &in) == 0, "there is no " VECTORS);
		must(c, buf_add(&want, first_events(buf_span(&sse), recorded[i].events)));
		must(c, buf_add(&want, recorded[i].then));
		check_that(c, in.len > 0, "it is empty");
		check_recorded(c, g, i, buf_span(&in), buf_span(&want));
		buf_free(&path);
		buf_free(&in);
		buf_free(&want);
	}
	buf_free(&sse);
}

/* Headers. */

#define MARK "\15:message-type\7\0\5event"

static const struct {
	const char *what;
	struct span header; /* with the name n */
	struct span string; /* what the getter gives; p NULL when it is no string */
} types[] = {
	{ "true", SPAN("\1n\0"), { NULL, 0 } },
	{ "false", SPAN("\1n\1"), { NULL, 0 } },
	{ "a byte", SPAN("\1n\2\377"), { NULL, 0 } },
	{ "a short", SPAN("\1n\3\377\376"), { NULL, 0 } },
	{ "an integer", SPAN("\1n\4\377\376\375\374"), { NULL, 0 } },
	{ "a long", SPAN("\1n\5\377\376\375\374\373\372\371\370"), { NULL, 0 } },
	{ "bytes", SPAN("\1n\6\0\3abc"), { NULL, 0 } },
	{ "no bytes", SPAN("\1n\6\0\0"), { NULL, 0 } },
	{ "a string", SPAN("\1n\7\0\3abc"), SPAN("abc") },
	{ "an empty string", SPAN("\1n\7\0\0"), SPAN("") },
	{ "a string with a zero and no UTF-8", SPAN("\1n\7\0\3a\0\377"), SPAN("a\0\377") },
	{ "a time stamp", SPAN("\1n\10\0\0\1\200\0\0\0\0"), { NULL, 0 } },
	{ "a UUID", SPAN("\1n\11abcdefghijklmnop"), { NULL, 0 } },
};

static void
check_type(struct check *c, const struct guard *g, size_t i)
{
	struct span header = types[i].header, value;
	struct buf headers = buf_make(256), text = buf_make(256);
	struct eventstream_frame f = { 0 };
	const char *why = "nothing";

	must(c, buf_add(&headers, header));
	must(c, buf_add(&headers, SPAN(MARK)));
	put_frame(c, &text, buf_span(&headers), SPAN("{}"));

	int rc = eventstream_next(guard_put(g, buf_span(&text)), &f, &why);

	if (!check_that(c, rc == 1, "%d with '%s'", rc, why))
		return;
	value = eventstream_string(&f, SPAN("n"));
	check_that(c, !value.p == !types[i].string.p, "a string or not");
	check_same(c, value.p ? value : SPAN(""), types[i].string.p ? types[i].string : SPAN(""));
	check_same(c, eventstream_string(&f, SPAN(":message-type")), SPAN("event"));
	check_same(c, f.headers, buf_span(&headers));
	check_same(c, f.payload, SPAN("{}"));
	for (size_t n = 1; n < header.n; n++) {
		text.len = 0;
		put_frame(c, &text, span_cut(header, 0, n), SPAN(""));
		is_broken(c, guard_put(g, buf_span(&text)), HEADER_CUT);
	}
	buf_free(&headers);
	buf_free(&text);
}

static const struct {
	const char *what;
	struct span headers;
	const char *why;
} bad_headers[] = {
	{ "a type after the last", SPAN("\1n\12"), HEADER_TYPE },
	{ "a type far off", SPAN("\1n\377\0\0\0\0\0\0\0\0"), HEADER_TYPE },
	{ "a bad header behind a good one", SPAN(MARK "\1n\12"), HEADER_TYPE },
	{ "a name longer than all", SPAN("\377n\0"), HEADER_CUT },
	{ "one byte behind a good header", SPAN(MARK "\0"), HEADER_CUT },
	{ "a string longer than all", SPAN("\1n\7\377\377abc"), HEADER_CUT },
	{ "bytes longer than all", SPAN("\1n\6\0\4abc"), HEADER_CUT },
};

static const struct {
	const char *what;
	struct span headers;
	struct span name;
	struct span want; /* p NULL: not there */
} look_ups[] = {
	{ "no headers", SPAN(""), SPAN("a"), { NULL, 0 } },
	{ "a name is whole", SPAN("\6:event\7\0\1x"), SPAN(":event-type"), { NULL, 0 } },
	{ "a name's beginning is another", SPAN("\13:event-type\7\0\1x"), SPAN(":event"),
	    { NULL, 0 } },
	{ "a name is exact", SPAN("\1A\7\0\1x"), SPAN("a"), { NULL, 0 } },
	{ "of two the first counts", SPAN("\1a\7\0\1x\1a\7\0\1y"), SPAN("a"), SPAN("x") },
	{ "of two the first counts, also when it is no string", SPAN("\1a\0\1a\7\0\1y"), SPAN("a"),
	    { NULL, 0 } },
	{ "the last of three", SPAN("\1a\7\0\1x\1b\11abcdefghijklmnop\1c\7\0\1z"), SPAN("c"),
	    SPAN("z") },
	{ "a value that looks like a header", SPAN("\1a\7\0\5\1b\7\0\1\1b\7\0\1y"), SPAN("b"),
	    SPAN("y") },
	{ "a header without a name", SPAN("\0\7\0\1x\1a\7\0\1y"), SPAN("a"), SPAN("y") },
};

static void
rows_headers(struct check *c, const struct guard *g)
{
	struct buf text = buf_make(TEXT_MAX);
	struct eventstream_frame f;
	const char *why;

	for (size_t i = 0; i < ROWS(types); i++) {
		check_row(c, "header: %s", types[i].what);
		check_type(c, g, i);
	}
	for (size_t i = 0; i < ROWS(bad_headers); i++) {
		check_row(c, "header: %s", bad_headers[i].what);
		text.len = 0;
		put_frame(c, &text, bad_headers[i].headers, SPAN("{}"));
		is_broken(c, guard_put(g, buf_span(&text)), bad_headers[i].why);
	}
	for (size_t i = 0; i < ROWS(look_ups); i++) {
		check_row(c, "header: %s", look_ups[i].what);
		text.len = 0;
		put_frame(c, &text, look_ups[i].headers, SPAN("{}"));
		if (!check_that(c, eventstream_next(buf_span(&text), &f, &why) == 1, "no frame"))
			continue;

		struct span value = eventstream_string(&f, look_ups[i].name);

		check_that(c, !value.p == !look_ups[i].want.p, "there or not");
		check_same(c, value.p ? value : SPAN(""),
		    look_ups[i].want.p ? look_ups[i].want : SPAN(""));
	}
	buf_free(&text);
}

/* The longest name and the longest string. */
static void
row_long_header(struct check *c)
{
	enum { NAME_LEN = 255, VALUE_LEN = 65535 };
	struct buf headers = buf_make(TEXT_MAX), text = buf_make(TEXT_MAX);
	struct eventstream_frame f;
	const char *why = "nothing";
	char *at;

	check_row(c, "header: the longest name and string");
	must(c, buf_add(&headers, SPAN("\377")));
	must(c, buf_room(&headers, NAME_LEN + VALUE_LEN + 3, &at));
	memset(at, 'n', NAME_LEN);
	at[NAME_LEN] = '\7';
	memset(at + NAME_LEN + 1, '\377', 2);
	memset(at + NAME_LEN + 3, 'v', VALUE_LEN);
	headers.len += NAME_LEN + VALUE_LEN + 3;
	put_frame(c, &text, buf_span(&headers), SPAN(""));
	if (check_that(c, eventstream_next(buf_span(&text), &f, &why) == 1, "no frame: %s", why)) {
		struct span value =
		    eventstream_string(&f, span_cut(buf_span(&headers), 1, 1 + NAME_LEN));

		check_that(c, value.n == VALUE_LEN, "%zu bytes", value.n);
	}
	text.len = 0;
	put_frame(c, &text, span_cut(buf_span(&headers), 0, headers.len - 1), SPAN(""));
	is_broken(c, buf_span(&text), HEADER_CUT);
	buf_free(&headers);
	buf_free(&text);
}

/* Lengths. */

static const struct {
	const char *what;
	uint32_t total;
	uint32_t headers;
	const char *why; /* NULL: to be waited for */
} lengths[] = {
	{ "nothing at all", 0, 0, CONTRADICT },
	{ "one byte less than the smallest", 15, 0, CONTRADICT },
	{ "the smallest", 16, 0, NULL },
	{ "headers for which there is no room", 16, 1, CONTRADICT },
	{ "headers as long as the frame", 28, 28, CONTRADICT },
	{ "headers one byte too long", 28, 13, CONTRADICT },
	{ "headers only", 28, 12, NULL },
	{ "headers of all there is", 28, UINT32_MAX, CONTRADICT },
	{ "small, but headers of all there is", 0, UINT32_MAX, CONTRADICT },
	{ "all of it", UINT32_MAX, UINT32_MAX, CONTRADICT },
	{ "all of it as payload", UINT32_MAX, 0, PAYLOAD_LONG },
	{ "all of it as headers", UINT32_MAX, UINT32_MAX - 16, HEADERS_LONG },
	{ "the longest payload", 16 + 16777216, 0, NULL },
	{ "a payload one byte too long", 16 + 16777217, 0, PAYLOAD_LONG },
	{ "the longest headers", 16 + 131072, 131072, NULL },
	{ "headers one byte over the limit", 16 + 131073, 131073, HEADERS_LONG },
	{ "the longest frame", EVENTSTREAM_FRAME_MAX, 131072, NULL },
	{ "the longest frame and one byte", EVENTSTREAM_FRAME_MAX + 1, 131072, PAYLOAD_LONG },
};

/* Nothing can be known of less than a prelude. */
static void
check_short(struct check *c, const struct guard *g, struct span text)
{
	struct eventstream_frame f;
	const char *why;

	for (size_t n = 0; n < PRELUDE_LEN; n++)
		check_that(c, eventstream_next(guard_put(g, span_cut(text, 0, n)), &f, &why) == 0,
		    "judged after %zu bytes", n);
}

static void
rows_lengths(struct check *c, const struct guard *g)
{
	struct buf text = buf_make(64);
	struct eventstream_frame f;
	const char *why;

	for (size_t i = 0; i < ROWS(lengths); i++) {
		check_row(c, "lengths: %s", lengths[i].what);
		text.len = 0;
		put_prelude(c, &text, lengths[i].total, lengths[i].headers);
		check_short(c, g, buf_span(&text));

		struct span in = guard_put(g, buf_span(&text));

		if (lengths[i].why)
			is_broken(c, in, lengths[i].why);
		else
			check_that(c, eventstream_next(in, &f, &why) == 0, "not waited for");
		text.p[PRELUDE_LEN - 1] ^= 1;
		is_broken(c, guard_put(g, buf_span(&text)), LENGTHS_SUM);
	}
	buf_free(&text);
}

static const struct {
	const char *what;
	struct span text;
} garbage[] = {
	{ "an answer of HTTP", SPAN("HTTP/1.1 502 Bad Gateway\r\n") },
	{ "events", SPAN("event: message_start\ndata: {}\n\n") },
	{ "JSON", SPAN("{\"message\":\"Too many requests\"}") },
	{ "zeros", SPAN("\0\0\0\0\0\0\0\0\0\0\0\0") },
	{ "ones", SPAN("\377\377\377\377\377\377\377\377\377\377\377\377") },
};

static void
rows_garbage(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(garbage); i++) {
		check_row(c, "garbage: %s", garbage[i].what);
		check_short(c, g, garbage[i].text);
		is_broken(c, guard_put(g, span_cut(garbage[i].text, 0, PRELUDE_LEN)), LENGTHS_SUM);
		is_broken(c, guard_put(g, garbage[i].text), LENGTHS_SUM);
	}
}

/* Whole frames. */

static const struct {
	const char *what;
	struct span headers;
	struct span payload;
} frames[] = {
	{ "nothing in it", SPAN(""), SPAN("") },
	{ "no payload", SPAN(MARK), SPAN("") },
	{ "no headers", SPAN(""), SPAN("{\"bytes\":\"e30=\"}") },
	{ "both", SPAN("\1n\0\1m\4\0\0\0\1" MARK), SPAN("{\"bytes\":\"e30=\",\"p\":\"abc\"}") },
};

/* Cut at every byte, and with a byte behind it, which is the next one's. */
static void
check_cut(struct check *c, const struct guard *g, size_t i, struct span text)
{
	struct eventstream_frame f;
	const char *why = "nothing";

	for (size_t n = 0; n < text.n - 1; n++)
		check_that(c, eventstream_next(guard_put(g, span_cut(text, 0, n)), &f, &why) == 0,
		    "%zu bytes are no frame", n);
	for (size_t n = text.n - 1; n <= text.n; n++) {
		struct span in = guard_put(g, span_cut(text, 0, n));

		if (!check_that(c, eventstream_next(in, &f, &why) == 1, "%zu bytes: %s", n, why))
			return;
		check_same(c, f.raw, span_cut(text, 0, text.n - 1));
		check_same(c, f.headers, frames[i].headers);
		check_same(c, f.payload, frames[i].payload);
		check_that(c, f.raw.p == in.p, "not at the front");
	}
}

static void
check_turned(struct check *c, struct span text)
{
	char copy[256];

	if (!check_that(c, text.n <= sizeof(copy), "no room"))
		return;
	memcpy(copy, text.p, text.n);
	for (size_t bit = 0; bit < text.n * 8; bit++) {
		char mask = (char)(1u << bit % 8);

		copy[bit / 8] ^= mask;
		is_broken(c, (struct span){ copy, text.n },
		    bit / 8 < PRELUDE_LEN ? LENGTHS_SUM : FRAME_SUM);
		copy[bit / 8] ^= mask;
	}
}

static void
rows_frames(struct check *c, const struct guard *g)
{
	struct buf text = buf_make(1024);

	for (size_t i = 0; i < ROWS(frames); i++) {
		text.len = 0;
		check_row(c, "frame: %s", frames[i].what);
		put_frame(c, &text, frames[i].headers, frames[i].payload);
		check_row(c, "frame: %s, each bit turned", frames[i].what);
		check_turned(c, buf_span(&text));
		check_row(c, "frame: %s, cut at every byte", frames[i].what);
		must(c, buf_add(&text, SPAN("\0")));
		check_cut(c, g, i, buf_span(&text));
	}
	buf_free(&text);
}

/* Base64. */

static const struct {
	const char *what;
	struct span payload;
	struct span want;
	const char *why; /* NULL: it is good */
} payloads[] = {
	{ "nothing", SPAN("{\"bytes\":\"\"}"), SPAN(""), NULL },
	{ "one byte", SPAN("{\"bytes\":\"Zg==\"}"), SPAN("f"), NULL },
	{ "two bytes", SPAN("{\"bytes\":\"Zm8=\"}"), SPAN("fo"), NULL },
	{ "three bytes", SPAN("{\"bytes\":\"Zm9v\"}"), SPAN("foo"), NULL },
	{ "four bytes", SPAN("{\"bytes\":\"Zm9vYg==\"}"), SPAN("foob"), NULL },
	{ "five bytes", SPAN("{\"bytes\":\"Zm9vYmE=\"}"), SPAN("fooba"), NULL },
	{ "six bytes", SPAN("{\"bytes\":\"Zm9vYmFy\"}"), SPAN("foobar"), NULL },
	{ "bytes of all kinds", SPAN("{\"bytes\":\"AP+A/v8=\"}"), SPAN("\0\377\200\376\377"),
	    NULL },
	{ "padding before it", SPAN("{\"p\":\"abcdefgh\",\"bytes\":\"e30=\"}"), SPAN("{}"), NULL },
	{ "padding behind it", SPAN("{\"bytes\":\"e30=\",\"p\":\"abcdefgh\"}"), SPAN("{}"), NULL },
	{ "blanks around it", SPAN(" { \"bytes\" :\t\"e30=\"\r\n} "), SPAN("{}"), NULL },
	{ "of two the first counts", SPAN("{\"bytes\":\"e30=\",\"bytes\":\"W10=\"}"), SPAN("{}"),
	    NULL },
	{ "an escaped name", SPAN("{\"b\\u0079tes\":\"e30=\"}"), SPAN("{}"), NULL },
	{ "escaped slashes", SPAN("{\"bytes\":\"\\/\\/\\/\\/AAA\\/\"}"),
	    SPAN("\377\377\377\0\0\77"), NULL },
	{ "an escaped padding", SPAN("{\"bytes\":\"e30\\u003d\"}"), SPAN("{}"), NULL },
	{ "no padding", SPAN("{\"bytes\":\"e30\"}"), SPAN(""), NO_BASE64 },
	{ "half of the padding", SPAN("{\"bytes\":\"Zg=\"}"), SPAN(""), NO_BASE64 },
	{ "too much padding", SPAN("{\"bytes\":\"Zm8==\"}"), SPAN(""), NO_BASE64 },
	{ "padding where none belongs", SPAN("{\"bytes\":\"Zm9v====\"}"), SPAN(""), NO_BASE64 },
	{ "three of padding", SPAN("{\"bytes\":\"Z===\"}"), SPAN(""), NO_BASE64 },
	{ "padding only", SPAN("{\"bytes\":\"====\"}"), SPAN(""), NO_BASE64 },
	{ "one of padding only", SPAN("{\"bytes\":\"=\"}"), SPAN(""), NO_BASE64 },
	{ "padding in the middle", SPAN("{\"bytes\":\"Zg==Zg==\"}"), SPAN(""), NO_BASE64 },
	{ "padding before a letter", SPAN("{\"bytes\":\"Zg=g\"}"), SPAN(""), NO_BASE64 },
	{ "one letter", SPAN("{\"bytes\":\"Z\"}"), SPAN(""), NO_BASE64 },
	{ "five letters", SPAN("{\"bytes\":\"Zm9vZ\"}"), SPAN(""), NO_BASE64 },
	{ "four unused bits", SPAN("{\"bytes\":\"Zh==\"}"), SPAN(""), NO_BASE64 },
	{ "two unused bits", SPAN("{\"bytes\":\"Zm9=\"}"), SPAN(""), NO_BASE64 },
	{ "the letters of URLs", SPAN("{\"bytes\":\"-_-_AAAA\"}"), SPAN(""), NO_BASE64 },
	{ "a blank", SPAN("{\"bytes\":\"Zm 9vYmF\"}"), SPAN(""), NO_BASE64 },
	{ "a line end", SPAN("{\"bytes\":\"Zm9v\\nYmFy\"}"), SPAN(""), NO_BASE64 },
	{ "lines", SPAN("{\"bytes\":\"Zm9vYmF\\n\"}"), SPAN(""), NO_BASE64 },
	{ "no payload", SPAN(""), SPAN(""), NO_BYTES },
	{ "no member", SPAN("{}"), SPAN(""), NO_BYTES },
	{ "only others", SPAN("{\"byte\":\"e30=\",\"Bytes\":\"e30=\",\"bytess\":\"e30=\"}"),
	    SPAN(""), NO_BYTES },
	{ "a member further in", SPAN("{\"a\":{\"bytes\":\"e30=\"}}"), SPAN(""), NO_BYTES },
	{ "null", SPAN("{\"bytes\":null}"), SPAN(""), NO_BYTES },
	{ "a number", SPAN("{\"bytes\":1234}"), SPAN(""), NO_BYTES },
	{ "an object", SPAN("{\"bytes\":{}}"), SPAN(""), NO_BYTES },
	{ "no object", SPAN("[\"bytes\",\"e30=\"]"), SPAN(""), NO_BYTES },
	{ "no JSON", SPAN("Zm9v"), SPAN(""), NO_BYTES },
	{ "a text without its end", SPAN("{\"bytes\":\"e30="), SPAN(""), NO_BYTES },
	{ "a broken escape", SPAN("{\"bytes\":\"e30\\=\"}"), SPAN(""), NO_BYTES },
};

/* Decodes behind what out already holds. */
static void
check_payload(struct check *c, struct span payload, struct span want, const char *want_why)
{
	struct buf out = buf_make(TEXT_MAX);
	const char *why = "nothing";

	must(c, buf_add(&out, SPAN("before")));

	int rc = eventstream_bytes(payload, &out, &why);

	check_that(c, rc == (want_why ? -1 : 0), "%d with '%s'", rc, why);
	if (want_why)
		check_same(c, span_of(why), span_of(want_why));
	if (check_that(c, span_starts(buf_span(&out), SPAN("before")), "what was there is gone"))
		check_same(c, span_cut(buf_span(&out), 6, out.len), want_why ? SPAN("") : want);
	buf_free(&out);
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void
put_base64(struct check *c, struct buf *out, struct span s)
{
	must(c, buf_add(out, SPAN("{\"bytes\":\"")));
	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t x = 0;
		char four[4];

		for (size_t k = 0; k < 3; k++)
			x = x << 8 | (i + k < s.n ? (unsigned char)s.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			four[k] = i + k > s.n ? '=' : alphabet[x >> (18 - 6 * k) & 63];
		must(c, buf_add(out, (struct span){ four, sizeof(four) }));
	}
	must(c, buf_add(out, SPAN("\"}")));
}

static void
row_base64_random(struct check *c, const struct guard *g)
{
	uint64_t random = 88172645463325252u;
	struct buf payload = buf_make(TEXT_MAX);
	char bytes[257];

	check_row(c, "base64: every length from 0 to 256");
	for (size_t n = 0; n < sizeof(bytes); n++) {
		for (size_t i = 0; i < n; i++)
			bytes[i] = (char)check_random(&random);
		payload.len = 0;
		put_base64(c, &payload, (struct span){ bytes, n });
		check_payload(c, guard_put(g, buf_span(&payload)), (struct span){ bytes, n }, NULL);
	}
	buf_free(&payload);
}

/* Whether this character may stand at this place among twelve letters: the padding only at the
 * last, and a quote where it ends the text behind whole fours. */
static bool
letter_fits(char letter, size_t place)
{
	switch (letter) {
	case '\0':
		return false;
	case '=':
		return place == 11;
	case '"':
		return place % 4 == 0;
	default:
		return strchr(alphabet, letter) != NULL;
	}
}

static void
row_base64_letters(struct check *c)
{
	const size_t begin = 10, places = 12;

	check_row(c, "base64: every byte at every place");
	for (size_t i = 0; i < 256 * places; i++) {
		char text[] = "{\"bytes\":\"AAAAAAAAAAAA\"}";
		struct span payload = { text, sizeof(text) - 1 };
		struct buf out = buf_make(64);
		size_t place = i % places;
		const char *why = "nothing";

		text[begin + place] = (char)(i / places);

		int rc = eventstream_bytes(payload, &out, &why);

		check_that(c, (rc == 0) == letter_fits(text[begin + place], place),
		    "byte %zu at %zu: %d", i / places, place, rc);
		buf_free(&out);
	}
}

/* A buf that is just large enough, and one that is not. */
static void
row_base64_room(struct check *c)
{
	static const struct span in[] = { SPAN("{\"bytes\":\"Zg==\"}"),
		SPAN("{\"bytes\":\"Zm8=\"}"), SPAN("{\"bytes\":\"Zm9v\"}"),
		SPAN("{\"bytes\":\"Zm9vYg==\"}") };

	check_row(c, "base64: room for exactly what is there");
	for (size_t i = 0; i < ROWS(in); i++) {
		struct buf small = buf_make(i), exact = buf_make(i + 1);
		const char *why = "nothing";

		check_that(
		    c, eventstream_bytes(in[i], &exact, &why) == 0, "%zu bytes: %s", i + 1, why);
		check_same(c, buf_span(&exact), span_cut(SPAN("foob"), 0, i + 1));
		check_that(c, eventstream_bytes(in[i], &small, &why) == -1, "%zu bytes fit", i + 1);
		check_same(c, span_of(why), SPAN(NO_ROOM));
		check_that(c, small.len == 0, "something was written");
		buf_free(&small);
		buf_free(&exact);
	}
}

static void
row_base64_escaped_room(struct check *c)
{
	struct buf small = buf_make(3);
	const char *why = "nothing";

	check_row(c, "base64: no room to undo escapes");
	check_that(c, eventstream_bytes(SPAN("{\"bytes\":\"\\/\\/\\/\\/\"}"), &small, &why) == -1,
	    "it fits");
	check_same(c, span_of(why), SPAN(NO_ROOM));
	check_that(c, small.len == 0, "something was written");
	buf_free(&small);
}

static void
rows_base64(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(payloads); i++) {
		check_row(c, "base64: %s", payloads[i].what);
		check_payload(
		    c, guard_put(g, payloads[i].payload), payloads[i].want, payloads[i].why);
	}
	row_base64_random(c, g);
	row_base64_letters(c);
	row_base64_room(c);
	row_base64_escaped_room(c);
}

int
main(void)
{
	struct check c = { .module = "eventstream" };
	struct guard g = guard_make();

	rows_recorded(&c, &g);
	rows_headers(&c, &g);
	row_long_header(&c);
	rows_lengths(&c, &g);
	rows_garbage(&c, &g);
	rows_frames(&c, &g);
	rows_base64(&c, &g);
	guard_free(&g);
	return check_end(&c);
}
