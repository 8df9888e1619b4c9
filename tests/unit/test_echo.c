/* echo: both forms of an answer say the same, obey max_tokens, and count alike. */
#include "upstream/echo.h"

#include <inttypes.h>

#include "dialect/messages.h"
#include "unit/check.h"
#include "upstream/lastuser.h"
#include "wire/sse.h"

static const struct {
	const char *what;
	const char *messages;
	uint64_t max_tokens;
	const char *said, *stop;
	uint64_t output;
} rows[] = {
	{ "text", "[{\"role\":\"user\",\"content\":\"one two\"}]", 100, "You said: one two",
	    "end_turn", 4 },
	{ "the last user message",
	    "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\"c\"}]",
	    100, "You said: c", "end_turn", 3 },
	{ "blocks",
	    "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\"},{\"type\":\"text\",\"text\":\"b\"}]}]",
	    100, "You said: a\nb", "end_turn", 4 },
	{ "no text", "[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]", 100,
	    "You said: (no text)", "end_turn", 4 },
	{ "no user", "[{\"role\":\"assistant\",\"content\":\"b\"}]", 100, "You said: (no text)",
	    "end_turn", 4 },
	{ "messages that are none", "[1,null]", 100, "You said: (no text)", "end_turn", 4 },
	{ "cut", "[{\"role\":\"user\",\"content\":\"one two three\"}]", 3, "You said: one ",
	    "max_tokens", 3 },
	{ "just enough", "[{\"role\":\"user\",\"content\":\"one\"}]", 3, "You said: one",
	    "end_turn", 3 },
	{ "no tokens", "[{\"role\":\"user\",\"content\":\"one\"}]", 0, "", "max_tokens", 0 },
	{ "escapes", "[{\"role\":\"user\",\"content\":\"\\\"\\u00e9\\n\\ud83d\\ude00\"}]", 100,
	    "You said: \"\xc3\xa9\n\xf0\x9f\x98\x80", "end_turn", 4 },
	{ "many blanks", "[{\"role\":\"user\",\"content\":\"a   b\"}]", 100, "You said: a   b",
	    "end_turn", 4 },
};

static int
answer(const char *messages, uint64_t max_tokens, bool stream, enum op op, struct buf *out)
{
	struct buf body = buf_make(65536);
	struct turn turn = { 0 };
	struct refusal why = { 0 };
	struct ask ask = { .turn = &turn, .op = op };
	int rc = buf_addf(&body,
	    "{\"model\":\"a\\\"b\",\"max_tokens\":%" PRIu64 ",\"stream\":%s,\"messages\":%s}",
	    max_tokens, stream ? "true" : "false", messages);

	out->len = 0;
	if (!rc && dialect_messages.parse(buf_span(&body), OP_MESSAGES, &turn, &why))
		rc = -1;
	if (!rc)
		rc = kind_echo.answer(&ask, buf_span(&body), out);
	buf_free(&body);
	return rc;
}

static void
check_usage(struct check *c, struct span usage, size_t i)
{
	struct usage u = { 0 };

	usage_set(&u, usage);
	check_that(c, u.output == rows[i].output, "%" PRIu64 " tokens out", u.output);
	check_that(
	    c, u.input == (strlen(rows[i].messages) + 3) / 4, "%" PRIu64 " tokens in", u.input);
}

static void
row_whole(struct check *c, size_t i)
{
	struct buf out = buf_make(65536), said = buf_make(4096);
	struct json_member m[] = { { .name = SPAN("content") }, { .name = SPAN("usage") },
		{ .name = SPAN("stop_reason") }, { .name = SPAN("model") } };
	struct json_fault fault;

	check_row(c, "whole: %s", rows[i].what);
	check_that(c, answer(rows[i].messages, rows[i].max_tokens, false, OP_MESSAGES, &out) == 0,
	    "failed");
	check_that(c, json_scan(buf_span(&out), 16, m, ROWS(m), &fault) == 0, "no JSON");
	check_usage(c, m[1].value, i);
	check_same(c, m[3].value, SPAN("\"a\\\"b\""));
	if (m[0].value.n > 2) {
		struct span block = span_cut(m[0].value, 1, m[0].value.n - 1);

		check_that(c, json_string(json_find(block, SPAN("text")), &said) == 0, "no text");
	}
	check_same(c, buf_span(&said), span_of(rows[i].said));
	check_that(c,
	    m[2].value.n > 2 &&
		span_eq(span_cut(m[2].value, 1, m[2].value.n - 1), span_of(rows[i].stop)),
	    "stop_reason");
	buf_free(&out);
	buf_free(&said);
}

static void
row_stream(struct check *c, size_t i)
{
	struct buf out = buf_make(65536), said = buf_make(4096), names = buf_make(4096);
	struct sse s = { 0 };
	struct sse_event ev;
	struct span rest;
	struct span usage = { 0 };
	int rc;

	check_row(c, "stream: %s", rows[i].what);
	rc = answer(rows[i].messages, rows[i].max_tokens, true, OP_MESSAGES, &out);
	rest = buf_span(&out);
	while (sse_next(&s, rest, &ev) == 1) {
		struct json_fault fault;
		struct event what;

		rest = span_cut(rest, ev.raw.n, rest.n);
		kind_echo.event(ev.name, ev.data, &what);
		rc |= json_scan(ev.data, 16, NULL, 0, &fault);
		if (what.type == EVENT_BLOCK_DELTA)
			rc |= json_string(json_find_in(ev.data, "delta", "text", NULL), &said);
		else
			rc |= buf_addf(&names, "%d", what.type);
		usage = what.type == EVENT_MESSAGE_DELTA ? what.usage : usage;
		check_same(c,
		    json_find(ev.data, SPAN("type")).n > 2
			? span_cut(json_find(ev.data, SPAN("type")), 1, ev.name.n + 1)
			: SPAN(""),
		    ev.name);
	}
	check_that(c, rc == 0 && rest.n == 0, "no stream");
	check_that(c, names.len == 5, "%zu events beside the words", names.len);
	check_same(c, buf_span(&said), span_of(rows[i].said));
	check_usage(c, usage, i);
	buf_free(&out);
	buf_free(&said);
	buf_free(&names);
}

static void
row_same(struct check *c)
{
	struct buf a = buf_make(65536), b = buf_make(65536);
	int rc = answer(rows[0].messages, 5, true, OP_MESSAGES, &a) |
	    answer(rows[0].messages, 5, true, OP_MESSAGES, &b);

	check_row(c, "the same request, the same answer");
	check_that(c, rc == 0, "failed");
	check_same(c, buf_span(&a), buf_span(&b));
	check_row(c, "another request, another id");
	rc = answer(rows[1].messages, 5, true, OP_MESSAGES, &b);
	check_that(c, rc == 0 && !span_eq(buf_span(&a), buf_span(&b)), "the same");
	check_row(c, "counting");
	rc = answer("[{\"role\":\"user\"}]", 5, false, OP_COUNT_TOKENS, &a);
	check_that(c, rc == 0, "failed");
	check_same(c, buf_span(&a), SPAN("{\"input_tokens\":5}"));
	buf_free(&a);
	a = buf_make(50);
	check_row(c, "an answer that does not fit");
	check_that(c, answer(rows[0].messages, 5, false, OP_MESSAGES, &a) == -1, "it fits");
	buf_free(&a);
	buf_free(&b);
}

static const struct {
	const char *what;
	struct span in;
	int rc;
	struct span want;
} lasts[] = {
	/* the last user's text; 1: there is none */
	{ "a string", SPAN("[{\"role\":\"user\",\"content\":\"h\\u00e4\"}]"), 0,
	    SPAN("h\xc3\xa4") },
	{ "the last of two",
	    SPAN("[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\","
		 "\"content\":\"b\"},{\"role\":\"user\",\"content\":\"c\"},"
		 "{\"role\":\"assistant\",\"content\":\"d\"}]"),
	    0, SPAN("c") },
	{ "text blocks",
	    SPAN("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
		 "{\"type\":\"image\"},{\"type\":\"text\",\"text\":\"b\\u0000\"}]}]"),
	    0, SPAN("a\nb\0") },
	{ "no text block", SPAN("[{\"role\":\"user\",\"content\":[{\"type\":\"image\"},7,null]}]"),
	    1, { NULL, 0 } },
	{ "no user", SPAN("[{\"role\":\"assistant\",\"content\":\"a\"}]"), 1, { NULL, 0 } },
	{ "no content", SPAN("[{\"role\":\"user\"}]"), 1, { NULL, 0 } },
	{ "odd members", SPAN("[7,null,[],{\"role\":null},{\"role\":7,\"content\":\"x\"}]"), 1,
	    { NULL, 0 } },
	{ "content of an odd kind", SPAN("[{\"role\":\"user\",\"content\":{\"a\":1}}]"), 1,
	    { NULL, 0 } },
	{ "no array", SPAN("{\"role\":\"user\",\"content\":\"a\"}"), 1, { NULL, 0 } },
	{ "an empty array", SPAN("[]"), 1, { NULL, 0 } },
	{ "an escape that is none", SPAN("[{\"role\":\"user\",\"content\":\"\\x\"}]"), 1,
	    { NULL, 0 } },
	{ "not JSON", SPAN("[{"), 1, { NULL, 0 } },
	{ "nothing", { NULL, 0 }, 1, { NULL, 0 } },
};

static void
rows_lasts(struct check *c)
{
	for (size_t i = 0; i < ROWS(lasts); i++) {
		struct buf out = buf_make(16);
		int rc = lastuser_text(lasts[i].in, &out);

		check_row(c, "last user text: %s", lasts[i].what);
		check_that(c, rc == lasts[i].rc, "verdict %d", rc);
		check_same(c, buf_span(&out), lasts[i].want);
		buf_free(&out);
	}
}

int
main(void)
{
	struct check c = { .module = "echo" };

	for (size_t i = 0; i < ROWS(rows); i++) {
		row_whole(&c, i);
		row_stream(&c, i);
	}
	row_same(&c);
	rows_lasts(&c);
	return check_end(&c);
}
