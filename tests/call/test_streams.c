/* streams: what reaches the client of an upstream's events, when, and how it ends. */
#include "call/world.h"

#define ASK  WORLD_BODY("plain", WORLD_STREAM)
#define NONE SPAN("")

/* An event that begins like the others do and has no end. */
#define HALF	       "event: content_block_delta\ndata: {\"type\":\"content_block_del"
#define NAMELESS(data) "data: " data "\n\n"
#define DONE	       "data: [DONE]\n\n"

/* Whole streams; what the client gets is `want`, byte for byte, and behind it an error event when
 * `error` is a type. */
static const struct {
	const char *what;
	struct span in, want;
	const char *error; /* NULL: none of ours; the stream is as the upstream wanted it */
	const char *end;
} rows[] = {
	{ "verbatim", SPAN(EV_ALL), SPAN(EV_ALL), NULL, "done" },
	{ "only begin and end", SPAN(EV_START EV_STOP), SPAN(EV_START EV_STOP), NULL, "done" },
	{ "ping first", SPAN(EV_PING EV_ALL), SPAN(EV_ALL), NULL, "done" },
	{ "pings and comments first", SPAN(": hello\n\n" EV_PING "\n\n" EV_PING EV_ALL),
	    SPAN(EV_ALL), NULL, "done" },
	{ "a byte order mark", SPAN("\xef\xbb\xbf" EV_ALL), SPAN(EV_ALL), NULL, "done" },
	{ "pings in between", SPAN(EV_START EV_PING EV_TEXT EV_PING EV_STOP),
	    SPAN(EV_START EV_PING EV_TEXT EV_PING EV_STOP), NULL, "done" },
	{ "comments in between", SPAN(EV_START ": x\n\n" EV_TEXT ": y\n" EV_STOP),
	    SPAN(EV_START ": x\n\n" EV_TEXT ": y\n" EV_STOP), NULL, "done" },
	{ "unknown events", SPAN(EV_START EV("news", "{\"type\":\"news\"}") EV_STOP),
	    SPAN(EV_START EV("news", "{\"type\":\"news\"}") EV_STOP), NULL, "done" },
	{ "other fields and odd blanks",
	    SPAN(EV_START
		"id: 7\nevent:content_block_stop\nretry: 5\ndata:{ \"type\" : 1 }\n\n" EV_STOP),
	    SPAN(EV_START
		"id: 7\nevent:content_block_stop\nretry: 5\ndata:{ \"type\" : 1 }\n\n" EV_STOP),
	    NULL, "done" },
	{ "data in two lines",
	    SPAN(EV_START "event: message_delta\ndata: {\"type\":\"message_delta\",\ndata: "
			  "\"usage\":{\"output_tokens\":7}}\n\n" EV_STOP),
	    SPAN(EV_START "event: message_delta\ndata: {\"type\":\"message_delta\",\ndata: "
			  "\"usage\":{\"output_tokens\":7}}\n\n" EV_STOP),
	    NULL, "done" },
	{ "[DONE] behind it", SPAN(EV_ALL DONE), SPAN(EV_ALL), NULL, "done" },
	{ "[DONE] in the middle", SPAN(EV_START DONE EV_TEXT EV_STOP),
	    SPAN(EV_START EV_TEXT EV_STOP), NULL, "done" },
	{ "nothing behind message_stop", SPAN(EV_ALL EV_PING EV_TEXT EV_ERROR("api_error")),
	    SPAN(EV_ALL), NULL, "done" },
	{ "half an event behind message_stop", SPAN(EV_ALL HALF), SPAN(EV_ALL), NULL, "done" },
	{ "without names",
	    SPAN(NAMELESS("{\"type\":\"message_start\"}") NAMELESS(
		"{\"type\":\"content_block_stop\"}") NAMELESS("{\"type\":\"message_stop\"}")),
	    SPAN(EV("message_start", "{\"type\":\"message_start\"}")
		    EV("content_block_stop", "{\"type\":\"content_block_stop\"}")
			EV("message_stop", "{\"type\":\"message_stop\"}")),
	    NULL, "done" },
	{ "without a name and without a type", SPAN(EV_START NAMELESS("{\"a\":1}") EV_STOP),
	    SPAN(EV_START EV_STOP), NULL, "done" },
	{ "without a name and with a type that is none",
	    SPAN(EV_START NAMELESS("{\"type\":1234}") NAMELESS("{\"type\":{\"a\":1}}") EV_STOP),
	    SPAN(EV_START EV_STOP), NULL, "done" },
	{ "a ping without a name", SPAN(EV_START NAMELESS("{\"type\":\"ping\"}") EV_STOP),
	    SPAN(EV_START EV_PING EV_STOP), NULL, "done" },
	{ "an error without a name",
	    SPAN(EV_START NAMELESS(
		"{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}")),
	    SPAN(EV_START EV("error",
		"{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}")),
	    NULL, "up-error" },
	{ "an error later", SPAN(EV_START EV_TEXT EV_ERROR("overloaded_error")),
	    SPAN(EV_START EV_TEXT EV_ERROR("overloaded_error")), NULL, "up-error" },
	{ "nothing behind an error", SPAN(EV_START EV_ERROR("overloaded_error") EV_TEXT EV_STOP),
	    SPAN(EV_START EV_ERROR("overloaded_error")), NULL, "up-error" },
	{ "cut off between events", SPAN(EV_START EV_TEXT), SPAN(EV_START EV_TEXT), "api_error",
	    "up-cut" },
	{ "cut off before message_stop", SPAN(EV_START EV_DELTA("7")), SPAN(EV_START EV_DELTA("7")),
	    "api_error", "up-cut" },
	{ "cut off in an event", SPAN(EV_START EV_TEXT HALF), SPAN(EV_START EV_TEXT), "api_error",
	    "up-cut" },
	{ "[DONE] for message_stop", SPAN(EV_START EV_TEXT DONE), SPAN(EV_START EV_TEXT),
	    "api_error", "up-cut" },
	{ "message_start twice", SPAN(EV_START EV_TEXT EV_START EV_STOP), SPAN(EV_START EV_TEXT),
	    "api_error", "up-answer" },
};

/* Nothing is sent before the first event: what these are to the client is a status. */
static const struct {
	const char *what;
	struct replay answer;
	int status;
	const char *type, *end;
	const char *says; /* NULL: anything */
} firsts[] = {
#define FIRST(body_)                                                          \
	{                                                                     \
		.status = 200, .headers = STREAM_HEADERS, .body = SPAN(body_) \
	}
#define FIRST_ERROR(type) "error first: " type, FIRST(EV_ERROR(type))
	{ FIRST_ERROR("invalid_request_error"), 400, "invalid_request_error", "up-error",
	    "said by the upstream" },
	{ FIRST_ERROR("not_found_error"), 404, "not_found_error", "up-error", NULL },
	{ FIRST_ERROR("request_too_large"), 413, "request_too_large", "up-error", NULL },
	{ FIRST_ERROR("rate_limit_error"), 429, "rate_limit_error", "up-error", NULL },
	{ FIRST_ERROR("api_error"), 500, "api_error", "up-error", NULL },
	{ FIRST_ERROR("timeout_error"), 504, "timeout_error", "up-error", NULL },
	{ FIRST_ERROR("overloaded_error"), 529, "overloaded_error", "up-error", NULL },
	{ FIRST_ERROR("conflict_error"), 409, "conflict_error", "up-error", NULL },
	{ FIRST_ERROR("new_error"), 500, "new_error", "up-error", NULL },
	{ FIRST_ERROR("authentication_error"), 502, "api_error", "up-credential", NULL },
	{ FIRST_ERROR("permission_error"), 502, "api_error", "up-credential", NULL },
	{ FIRST_ERROR("billing_error"), 502, "api_error", "up-credential", NULL },
	{ "error behind pings", FIRST(EV_PING EV_PING EV_ERROR("overloaded_error")), 529,
	    "overloaded_error", "up-error", NULL },
	{ "error first without a name",
	    FIRST(NAMELESS(
		"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}")),
	    529, "overloaded_error", "up-error", NULL },
	{ "error first in two lines",
	    FIRST(
		"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\ndata: \"message\":\"m\"}}\n\n"),
	    529, "overloaded_error", "up-error", NULL },
	{ "error first that is none", FIRST("event: error\ndata: oh no\n\n"), 500, "api_error",
	    "up-error", NULL },
	{ "cut off at once", FIRST(""), 502, "api_error", "up-cut", NULL },
	{ "cut off in the first event", FIRST("event: message_start\ndata: {}\n"), 502, "api_error",
	    "up-cut", NULL },
	{ "cut off behind a ping", FIRST(EV_PING), 502, "api_error", "up-cut", NULL },
	{ "only [DONE]", FIRST(DONE), 502, "api_error", "up-cut", NULL },
	{ "no message_start", FIRST(EV_BLOCK EV_TEXT), 502, "api_error", "up-answer", NULL },
	{ "no message_start, but its end", FIRST(EV_STOP), 502, "api_error", "up-answer", NULL },
	{ "JSON of a message", { .status = 200, .headers = JSON_HEADERS, .body = SPAN(MESSAGE) },
	    502, "api_error", "up-answer", NULL },
	{ "JSON of an error",
	    { .status = 200, .headers = JSON_HEADERS, .body = SPAN(ERROR("overloaded_error")) },
	    529, "overloaded_error", "up-error", "kept" },
	{ "HTML",
	    { .status = 200,
		.headers = "content-type: text/html\n",
		.body = SPAN("<html>" PROMPT) },
	    502, "api_error", "up-answer", NULL },
	{ "events that are called JSON",
	    { .status = 200, .headers = JSON_HEADERS, .body = SPAN(EV_ALL) }, 502, "api_error",
	    "up-answer", NULL },
	{ "nothing", { .status = 200, .headers = JSON_HEADERS }, 502, "api_error", "up-answer",
	    NULL },
	{ "204", { .status = 204, .headers = "" }, 502, "api_error", "up-answer", NULL },
	{ "a redirection",
	    { .status = 302,
		.headers = "location: https://else.test\ncontent-type: text/html\n",
		.body = SPAN("moved") },
	    502, "api_error", "up-answer", NULL },
	{ "a redirection in events",
	    { .status = 307, .headers = STREAM_HEADERS, .body = SPAN(EV_ALL) }, 502, "api_error",
	    "up-answer", NULL },
	{ "compressed",
	    { .status = 200,
		.headers = STREAM_HEADERS "content-encoding: gzip\n",
		.body = SPAN("\x1f\x8b") },
	    502, "api_error", "up-answer", NULL },
	{ "an error in events",
	    { .status = 400,
		.headers = STREAM_HEADERS,
		.body = SPAN(ERROR("invalid_request_error")) },
	    400, "invalid_request_error", "up-error", "kept" },
	{ "no connection", { .end = FAULT_UP_CONNECT }, 502, "api_error", "up-connect", NULL },
	{ "reset before the head", { .end = FAULT_UP_CUT }, 502, "api_error", "up-cut", NULL },
	{ "reset behind the head",
	    { .status = 200, .headers = STREAM_HEADERS, .end = FAULT_UP_CUT }, 502, "api_error",
	    "up-cut", NULL },
};

/* The stream is `want` and, with a type, an error event of ours. */
static void
expect_stream(struct span want, const char *error)
{
	struct check *c = world.check;
	struct span body = world.body;
	struct sse s = { 0 };
	struct sse_event ev;

	world_expect(200, NULL);
	check_that(c, world_is_stream(), "no stream");
	if (!error) {
		check_same(c, body, want);
		return;
	}
	if (!check_that(c, span_starts(body, want), "'%.*s' does not begin with '%.*s'",
		(int)body.n, body.p, (int)want.n, want.p))
		return;
	body = span_cut(body, want.n, body.n);
	if (!check_that(c, sse_next(&s, body, &ev) == 1, "no event in '%.*s'", (int)body.n, body.p))
		return;
	check_same(c, ev.raw, body);
	check_same(c, ev.name, SPAN("error"));
	check_same(c, json_find(ev.data, SPAN("type")), SPAN("\"error\""));

	struct span type = json_find_in(ev.data, "error", "type", NULL);
	struct span id = json_find(ev.data, SPAN("request_id"));

	check_same(c, span_cut(type, type.n > 1, type.n ? type.n - 1 : 0), span_of(error));
	check_same(c, span_cut(id, id.n > 1, id.n ? id.n - 1 : 0), world_header("request-id"));
}

/* The same bytes with other line ends. */
static void
with_ends(struct buf *b, struct span text, const char *ends)
{
	b->len = 0;
	for (size_t i = 0; i < text.n; i++) {
		struct span one = span_cut(text, i, i + 1);
		int rc = buf_add(b, one.p[0] == '\n' ? span_of(ends) : one);

		assert(rc == 0);
		(void)rc;
	}
}

static void
run_stream(struct span body, size_t piece)
{
	struct replay answer = {
		.status = 200, .headers = STREAM_HEADERS, .body = body, .piece = piece
	};

	world_begin("POST", "/v1/messages", ASK);
	world_answers(&answer, 1);
	world_run();
}

static void
row_pieces(struct check *c, size_t i)
{
	check_row(c, "%s", rows[i].what);
	for (size_t piece = 0; piece < rows[i].in.n; piece += piece < 40 ? 1 : 37) {
		run_stream(rows[i].in, piece);
		expect_stream(rows[i].want, rows[i].error);
		world_expect_end(rows[i].end);
		if (c->why[0])
			return;
	}
}

/* Line ends of all kinds, cut at every byte. */
static void
row_ends(struct check *c, const char *name, const char *ends)
{
	struct buf text = buf_make(64 * KIB);

	check_row(c, "%s", name);
	with_ends(&text, SPAN(EV_ALL), ends);
	for (size_t at = 1; at < text.len; at++) {
		struct replay answer = { .status = 200,
			.headers = STREAM_HEADERS,
			.body = buf_span(&text),
			.waits = { { at, 1 } } };

		world_begin("POST", "/v1/messages", ASK);
		world_answers(&answer, 1);
		world_run();
		/* The LF of a last CRLF that comes on its own comes behind the end. */
		expect_stream(span_cut(buf_span(&text), 0,
				  text.len - (ends[1] == '\n' && at == text.len - 1)),
		    NULL);
		world_expect_end("done");
		world_expect_booked("output_tokens", "7");
		if (c->why[0])
			break;
	}
	buf_free(&text);
}

/* Cut off at every byte: whole events only, and an explicit end. */
static void
row_cut_anywhere(struct check *c)
{
	static const char *const events[] = { EV_START, EV_BLOCK, EV_TEXT, EV_BLOCK_STOP,
		EV_DELTA("5"), EV_DELTA("7") };
	struct span all = SPAN(EV_ALL);

	check_row(c, "cut off at every byte");
	for (size_t n = 0; n < all.n; n++) {
		size_t whole = 0;

		for (size_t i = 0; i < ROWS(events) && whole + strlen(events[i]) <= n; i++)
			whole += strlen(events[i]);
		run_stream(span_cut(all, 0, n), 0);
		if (whole == 0)
			world_expect(502, "api_error");
		else
			expect_stream(span_cut(all, 0, whole), "api_error");
		world_expect_end("up-cut");
		if (!check_that(c, !c->why[0], "after %zu bytes", n))
			return;
	}
}

static void
row_first(struct check *c, size_t i, size_t piece)
{
	struct replay answer = firsts[i].answer;

	answer.piece = piece;
	check_row(c, "%s%s", firsts[i].what, piece ? ", byte by byte" : "");
	world_begin("POST", "/v1/messages", ASK);
	world_answers(&answer, 1);
	world_run();
	world_expect(firsts[i].status, firsts[i].type);
	world_expect_end(firsts[i].end);
	check_that(c, !firsts[i].says || world_holds(world.body, span_of(firsts[i].says)),
	    "'%s' is missing", firsts[i].says);
	check_that(c, !world_holds(world.body, SPAN(PROMPT)), "the upstream's page is shown");
	check_that(c, !world_is_stream(), "a stream");
	check_that(c,
	    (strcmp(firsts[i].end, "up-credential") == 0) ==
		span_eq(world_header("x-should-retry"), SPAN("false")),
	    "x-should-retry");
}

/* Each chunk that ends an event is flushed before the next one is taken. */
static void
row_flushes(struct check *c)
{
	static const char *const events[] = { EV_START, EV_BLOCK, EV_TEXT, EV_STOP };
	struct replay answer = { .status = 200,
		.headers = STREAM_HEADERS,
		.body = SPAN(EV_START EV_BLOCK EV_TEXT EV_STOP) };
	size_t at = 0;

	check_row(c, "a flush per event that comes alone");
	for (size_t i = 0; i + 1 < ROWS(events); i++) {
		at += strlen(events[i]);
		answer.waits[i] = (struct replay_wait){ at, 100 };
	}
	world_begin("POST", "/v1/messages", ASK);
	world_answers(&answer, 1);
	world_run();
	expect_stream(answer.body, NULL);

	size_t out = front_mem.out.len - world.body.n;

	check_that(c, front_mem.flushes_n == ROWS(events), "%zu flushes", front_mem.flushes_n);
	for (size_t i = 0; i < ROWS(events) && i < front_mem.flushes_n; i++) {
		out += strlen(events[i]);
		check_that(c, front_mem.flushes[i] == out, "flush %zu at %zu, not %zu", i,
		    front_mem.flushes[i], out);
	}
	check_row(c, "one flush for a chunk of many events");
	run_stream(SPAN(EV_ALL), 0);
	check_that(c, front_mem.flushes_n == 1, "%zu flushes", front_mem.flushes_n);
}

static void
row_huge(struct check *c, size_t n, bool fits)
{
	struct buf body = buf_make(64 * MIB);
	char *at = NULL;
	int rc = buf_add(&body, SPAN(EV_START "event: content_block_delta\ndata: {\"x\":\"")) |
	    buf_room(&body, n, &at);

	check_row(c, "an event of %zu bytes", n);
	assert(rc == 0);
	memset(at, 'x', n);
	body.len += n;
	rc |= buf_add(&body, SPAN("\"}\n\n" EV_STOP));
	run_stream(buf_span(&body), 16384);
	check_that(c, rc == 0, "full");
	if (fits) {
		check_that(c, span_eq(world.body, buf_span(&body)), "changed");
		world_expect_end("done");
	} else {
		expect_stream(SPAN(EV_START), "api_error");
		world_expect_end("up-answer");
		check_that(c, replay.requests[0].stopped, "the upstream goes on");
	}
	buf_free(&body);
}

/* Silences. The waits are in the upstream's stream; pings are ours. */
static const struct {
	const char *what;
	int64_t head_ms;
	struct span body;
	struct replay_wait waits[3];
	struct span want; /* p NULL: a status */
	const char *error;
	int status;
	const char *type, *end;
	int64_t total_ms;
} silences[] = {
	{ "silent for less than commit_s, then an error", 4999, SPAN(EV_ERROR("overloaded_error")),
	    { { 0 } }, { 0 }, NULL, 529, "overloaded_error", "up-error", 4999 },
	{ "silent for commit_s, then a stream", 5001, SPAN(EV_ALL), { { 0 } }, SPAN(EV_PING EV_ALL),
	    NULL, 200, NULL, "done", 5001 },
	{ "silent behind the head for commit_s", 1000, SPAN(EV_ALL), { { 0, 4001 } },
	    SPAN(EV_PING EV_ALL), NULL, 200, NULL, "done", 5001 },
	{ "silent behind the head for less", 1000, SPAN(EV_ALL), { { 0, 3999 } }, SPAN(EV_ALL),
	    NULL, 200, NULL, "done", 4999 },
	{ "silent within the first event", 0, SPAN(EV_ALL), { { 30, 6000 } }, SPAN(EV_PING EV_ALL),
	    NULL, 200, NULL, "done", 6000 },
	{ "a ping of the upstream does not commit", 0, SPAN(EV_PING EV_ERROR("overloaded_error")),
	    { { sizeof(EV_PING) - 1, 4000 } }, { 0 }, NULL, 529, "overloaded_error", "up-error",
	    4000 },
	{ "silent for long, then a stream", 26000, SPAN(EV_ALL), { { 0 } },
	    SPAN(EV_PING EV_PING EV_PING EV_ALL), NULL, 200, NULL, "done", 26000 },
	{ "silent for commit_s, then an error event", 6000, SPAN(EV_ERROR("overloaded_error")),
	    { { 0 } }, SPAN(EV_PING EV_ERROR("overloaded_error")), NULL, 200, NULL, "up-error",
	    6000 },
	{ "silent for commit_s, then cut off", 6000, SPAN(""), { { 0 } }, SPAN(EV_PING),
	    "api_error", 200, NULL, "up-cut", 6000 },
	{ "silent between events", 0, SPAN(EV_START EV_STOP), { { sizeof(EV_START) - 1, 25000 } },
	    SPAN(EV_START EV_PING EV_PING EV_STOP), NULL, 200, NULL, "done", 25000 },
	{ "silent for less than ping_s", 0, SPAN(EV_START EV_STOP),
	    { { sizeof(EV_START) - 1, 9999 } }, SPAN(EV_START EV_STOP), NULL, 200, NULL, "done",
	    9999 },
	{ "silent within an event", 0, SPAN(EV_START EV_STOP), { { sizeof(EV_START) + 9, 11000 } },
	    SPAN(EV_START EV_PING EV_STOP), NULL, 200, NULL, "done", 11000 },
	{ "the upstream's own pings are enough", 0, SPAN(EV_START EV_PING EV_PING EV_STOP),
	    { { sizeof(EV_START) - 1, 8000 }, { sizeof(EV_START EV_PING) - 1, 8000 },
		{ sizeof(EV_START EV_PING EV_PING) - 1, 8000 } },
	    SPAN(EV_START EV_PING EV_PING EV_STOP), NULL, 200, NULL, "done", 24000 },
	{ "comments of the upstream are not", 0, SPAN(EV_START ": x\n\n: y\n\n" EV_STOP),
	    { { sizeof(EV_START) - 1, 8000 }, { sizeof(EV_START) + 4, 8000 },
		{ sizeof(EV_START) + 9, 8000 } },
	    SPAN(EV_START ": x\n\n" EV_PING ": y\n\n" EV_PING EV_STOP), NULL, 200, NULL, "done",
	    24000 },
	{ "silent past the idle limit", 0, SPAN(EV_START EV_STOP),
	    { { sizeof(EV_START) - 1, 1000000 } }, SPAN(EV_START EV_PING EV_PING EV_PING),
	    "timeout_error", 200, NULL, "up-idle", 35000 },
	{ "silent past the idle limit within an event", 0, SPAN(EV_START EV_STOP),
	    { { sizeof(EV_START) + 9, 1000000 } }, SPAN(EV_START EV_PING EV_PING EV_PING),
	    "timeout_error", 200, NULL, "up-idle", 35000 },
	{ "silent past the idle limit behind message_stop", 0, SPAN(EV_ALL),
	    { { sizeof(EV_ALL) - 1, 1000000 } }, SPAN(EV_ALL), NULL, 200, NULL, "done", 250 },
	{ "silent past the limit of the first byte", 1000000, SPAN(""), { { 0 } },
	    SPAN(EV_PING EV_PING EV_PING EV_PING EV_PING EV_PING), "timeout_error", 200, NULL,
	    "up-timeout", 60000 },
};

static void
row_silence(struct check *c, size_t i)
{
	struct replay answer = { .status = 200,
		.headers = STREAM_HEADERS,
		.body = silences[i].body,
		.head_ms = silences[i].head_ms };
	char total[24];

	memcpy(answer.waits, silences[i].waits, sizeof(silences[i].waits));
	check_row(c, "%s", silences[i].what);
	world_begin("POST", "/v1/messages", ASK);
	world_answers(&answer, 1);
	world_run();
	if (silences[i].want.p)
		expect_stream(silences[i].want, silences[i].error);
	else
		world_expect(silences[i].status, silences[i].type);
	world_expect_end(silences[i].end);
	(void)snprintf(total, sizeof(total), "%d", (int)silences[i].total_ms);
	world_expect_booked("total_ms", total);
}

/* What a committed stream makes of answers that would have been a status. */
static const struct {
	const char *what;
	struct replay answer;
	const char *type, *end;
} committed[] = {
	{ "then 400",
	    { .status = 400,
		.headers = JSON_HEADERS,
		.body = SPAN(ERROR("invalid_request_error")) },
	    "invalid_request_error", "up-error" },
	{ "then 429",
	    { .status = 429, .headers = JSON_HEADERS, .body = SPAN(ERROR("rate_limit_error")) },
	    "rate_limit_error", "up-error" },
	{ "then 401",
	    { .status = 401, .headers = JSON_HEADERS, .body = SPAN(ERROR("authentication_error")) },
	    "api_error", "up-credential" },
	{ "then an error event about our credential",
	    { .status = 200,
		.headers = STREAM_HEADERS,
		.body = SPAN(EV_ERROR("authentication_error")) },
	    "api_error", "up-credential" },
	{ "then 503 in HTML",
	    { .status = 503, .headers = "content-type: text/html\n", .body = SPAN("<p>" PROMPT) },
	    "api_error", "up-error" },
	{ "then JSON", { .status = 200, .headers = JSON_HEADERS, .body = SPAN(MESSAGE) },
	    "api_error", "up-answer" },
	{ "then a redirection", { .status = 301, .headers = "" }, "api_error", "up-answer" },
	{ "then no connection", { .end = FAULT_UP_CONNECT }, "api_error", "up-connect" },
	{ "then a reset", { .end = FAULT_UP_CUT }, "api_error", "up-cut" },
	{ "then a stream without its beginning",
	    { .status = 200, .headers = STREAM_HEADERS, .body = SPAN(EV_TEXT) }, "api_error",
	    "up-answer" },
};

static void
row_committed(struct check *c, size_t i)
{
	struct replay answers[2] = { committed[i].answer,
		{ .status = 200, .headers = STREAM_HEADERS, .body = SPAN(EV_ALL) } };

	answers[0].head_ms = 6000;
	check_row(c, "committed, %s", committed[i].what);
	world_begin("POST", "/v1/messages", WORLD_BODY("both", WORLD_STREAM));
	world_answers(answers, 2);
	world_run();
	expect_stream(SPAN(EV_PING), committed[i].type);
	world_expect_end(committed[i].end);
	check_that(c, replay.requests_n == 1, "another target was asked");
	check_that(c, !world_holds(world.body, SPAN(PROMPT)), "the upstream's page is shown");
}

/* An error's head has come, its body not yet: it is no silence that a stream should bridge. */
static void
row_slow_error(struct check *c)
{
	static const struct replay answer = { .status = 429,
		.headers = JSON_HEADERS "retry-after: 9\n",
		.body = SPAN(ERROR("rate_limit_error")),
		.waits = { { 0, 8000 } } };

	check_row(c, "an error whose body is slow stays a status");
	world_begin("POST", "/v1/messages", ASK);
	world_answers(&answer, 1);
	world_run();
	world_expect(429, "rate_limit_error");
	check_same(c, world_header("retry-after"), SPAN("9"));
}

static void
row_whole_never_commits(struct check *c)
{
	static const struct replay answer = { .status = 200,
		.headers = JSON_HEADERS,
		.body = SPAN(MESSAGE),
		.head_ms = 55000,
		.waits = { { 50, 25000 } } };
	static const struct replay late = {
		.status = 200, .headers = JSON_HEADERS, .body = SPAN(MESSAGE), .head_ms = 61000
	};
	static const struct replay idle = { .status = 200,
		.headers = JSON_HEADERS,
		.body = SPAN(MESSAGE),
		.waits = { { 50, 36000 } } };

	check_row(c, "a call that is no stream never commits early");
	world_begin("POST", "/v1/messages", WORLD_BODY("plain", ""));
	world_answers(&answer, 1);
	world_run();
	world_expect(200, NULL);
	check_same(c, world.body, SPAN(MESSAGE));
	world_expect_booked("total_ms", "80000");
	world_expect_booked("first_ms", "55000");
	check_row(c, "no first byte in time is 504");
	world_begin("POST", "/v1/messages", WORLD_BODY("plain", ""));
	world_answers(&late, 1);
	world_run();
	world_expect(504, "timeout_error");
	world_expect_end("up-timeout");
	world_expect_booked("total_ms", "60000");
	world_expect_booked("first_ms", "null");
	check_row(c, "silence in a whole answer is 504");
	world_begin("POST", "/v1/messages", WORLD_BODY("plain", ""));
	world_answers(&idle, 1);
	world_run();
	world_expect(504, "timeout_error");
	world_expect_end("up-idle");
}

static void
row_never_pings(struct check *c)
{
	static const struct replay answer = { .status = 200,
		.headers = STREAM_HEADERS,
		.body = SPAN(EV_START EV_STOP),
		.head_ms = 25000,
		.waits = { { sizeof(EV_START) - 1, 25000 } } };

	check_row(c, "ping_s 0: one ping to commit, none later");
	world_configure(
	    "keys = \"k\"\nstate = \"%s\"\nretry_s = 0\ncooldown_s = 0\nauth_failures_minute = 0\nping_s = 0\ncommit_s = 5\nupstream \"one\" {"
	    " kind = \"anthropic\" url = \"https://one.test\" api_key_env = \"WORLD_ONE\" }\n"
	    "model \"plain\" { target \"one\" { } }\n");
	world_begin("POST", "/v1/messages", ASK);
	world_answers(&answer, 1);
	world_run();
	expect_stream(SPAN(EV_PING EV_START EV_STOP), NULL);
	world_configure(world_conf);
}

/* The built-in kind, at once and at its own pace. */
static void
row_echo(struct check *c)
{
	check_row(c, "echo, a stream");
	world_begin("POST", "/v1/messages", WORLD_BODY("said", WORLD_STREAM));
	world_run();
	world_expect(200, NULL);
	check_that(c, world_is_stream() && world_holds(world.body, SPAN(PROMPT)), "'%.*s'",
	    (int)world.body.n, world.body.p);
	world_expect_end("done");
	world_expect_booked("output_tokens", "3");
	check_row(c, "echo, at a pace: pings while it is silent, a flush per event");
	world_begin("POST", "/v1/messages", WORLD_BODY("slow", WORLD_STREAM));
	world_run();
	world_expect(200, NULL);
	world_expect_end("done");
	world_expect_booked("total_ms", "32000");
	check_that(c, front_mem.flushes_n == 8, "%zu flushes", front_mem.flushes_n);
	check_row(c, "echo, whole, at a pace");
	world_begin("POST", "/v1/messages", WORLD_BODY("slow", ""));
	world_run();
	world_expect(200, NULL);
	world_expect_booked("total_ms", "4000");
	check_row(c, "echo counts as it charges");
	world_begin("POST", "/v1/messages", WORLD_BODY("said", ""));
	world_run();

	char want[64];
	struct span input = world_booked("input_tokens");

	(void)snprintf(want, sizeof(want), "{\"input_tokens\":%.*s}", (int)input.n, input.p);
	world_begin("POST", "/v1/messages/count_tokens", WORLD_BODY("said", ""));
	world_run();
	check_same(c, world.body, span_of(want));
}

#define BLOCK(event, n) EV(event, "{\"type\":\"" event "\",\"index\":" n "}")

/* Blocks of one stream, and whether the log finds them out of order; they are passed on all the
 * same. */
static const struct {
	const char *what;
	struct span blocks;
	bool odd;
} orders[] = {
	{ "none", SPAN(""), false },
	{ "two",
	    SPAN(BLOCK("content_block_start", "0") BLOCK("content_block_stop", "0")
		    BLOCK("content_block_start", "1") BLOCK("content_block_delta", "1")
			BLOCK("content_block_stop", "1")),
	    false },
	{ "begun at 1", SPAN(BLOCK("content_block_start", "1")), true },
	{ "begun twice", SPAN(BLOCK("content_block_start", "0") BLOCK("content_block_start", "0")),
	    true },
	{ "one goes on in another",
	    SPAN(BLOCK("content_block_start", "0") BLOCK("content_block_delta", "1")), true },
	{ "one goes on behind its end",
	    SPAN(BLOCK("content_block_start", "0") BLOCK("content_block_stop", "0")
		    BLOCK("content_block_delta", "0")),
	    true },
	{ "never begun", SPAN(BLOCK("content_block_delta", "0")), true },
	{ "without an index", SPAN(EV("content_block_start", "{\"type\":\"content_block_start\"}")),
	    true },
};

static void
row_order(struct check *c, size_t i)
{
	struct buf in = buf_make(4096);
	struct replay answer = { .status = 200, .headers = STREAM_HEADERS };

	check_row(c, "order of blocks: %s", orders[i].what);
	check_that(c,
	    !buf_add(&in, SPAN(EV_START)) && !buf_add(&in, orders[i].blocks) &&
		!buf_add(&in, SPAN(EV_STOP)),
	    "no memory");
	answer.body = buf_span(&in);
	world_begin("POST", "/v1/messages", ASK);
	world_answers(&answer, 1);
	world_run();
	expect_stream(buf_span(&in), NULL);
	check_that(c, world_holds(world_log(), SPAN("event=grammar")) == orders[i].odd, "odd: %d",
	    !orders[i].odd);
	buf_free(&in);
}

int
main(void)
{
	struct check c = { .module = "streams" };

	world_open(&c);
	for (size_t i = 0; i < ROWS(rows); i++)
		row_pieces(&c, i);
	row_ends(&c, "LF", "\n");
	row_ends(&c, "CRLF", "\r\n");
	row_ends(&c, "CR", "\r");
	row_cut_anywhere(&c);
	for (size_t i = 0; i < ROWS(firsts); i++) {
		row_first(&c, i, 0);
		row_first(&c, i, 1);
	}
	for (size_t i = 0; i < ROWS(orders); i++)
		row_order(&c, i);
	row_flushes(&c);
	row_huge(&c, 15 * MIB, true);
	row_huge(&c, 16 * MIB, false);
	for (size_t i = 0; i < ROWS(silences); i++)
		row_silence(&c, i);
	for (size_t i = 0; i < ROWS(committed); i++)
		row_committed(&c, i);
	row_slow_error(&c);
	row_whole_never_commits(&c);
	row_never_pings(&c);
	row_echo(&c);
	return world_close();
}
