/* calls: whole calls in memory while memory runs out: of every kind of upstream, in both dialects,
 * whole and streamed. What comes out is what comes out otherwise, or an error that says whose fault
 * it is; and the call behind it knows nothing of it. */
#include "torture/torture.h"

#include <openssl/err.h>

#include "base/file.h"
#include "base/num.h"
#include "call/world.h"

#define BODY_LARGE (3 * MIB / 2)
#define OUT_ROOM   (512 * KIB)

/* What a client asks, and what upstreams say to it. */
struct errand {
	const char *uri;
	struct span body; /* n 0: the large one; p NULL: a GET */
	struct replay answers[2];
	size_t answers_n;
	int status;	   /* of the answer when nothing fails */
	const char *key;   /* NULL: the good one */
	const char *asked; /* what the last request to an upstream holds; NULL: anything */
	bool warm;	   /* another call went before on the same thread */
	bool reread;	   /* the configuration has changed since */
};

static struct {
	struct check check;
	struct buf golden; /* the answer when nothing fails */
	struct buf large;
	struct buf frames; /* a stream of Bedrock's */
	char conf[4096], changed[4096], token[96], profile[96];
} calls = { .check = { .module = "torture calls" } };

static const char conf_format[] =
    "keys = \"/nowhere/keys\"\nstate = \"%s\"\nmax_body = 4194304\n"
    "retry_s = 0\ncooldown_s = 0\ncommit_s = 5\nping_s = 10\n"
    "upstream \"one\" { kind = \"anthropic\" url = \"https://one.test\" api_key_env = \"WORLD_ONE\" }\n"
    "upstream \"two\" { kind = \"anthropic\" url = \"https://two.test\" api_key_file = \"%s\" auth = \"bearer\" }\n"
    "upstream \"aws\" { kind = \"bedrock\" aws_region = \"eu-central-1\" credentials = \"env\" }\n"
    "upstream \"file\" { kind = \"bedrock\" aws_region = \"eu-central-1\" credentials = \"file:%s\" }\n"
    "upstream \"google\" { kind = \"vertex\" google_project = \"p\" google_location = \"eu\" "
    "credentials = \"bearer:%s\" }\n"
    "upstream \"chat\" { kind = \"openai\" url = \"https://chat.test/v1\" api_key_env = \"WORLD_TWO\" }\n"
    "upstream \"echo\" { kind = \"echo\" }\n"
    "model \"plain\" { target \"one\" { } display_name = \"Plain \\\"1\\\"\" created = \"2026-01-02\" }\n"
    "model \"renamed\" { target \"one\" { id = \"%s\" } }\n"
    "model \"both\" { target \"one\" { id = \"first\" } target \"two\" { id = \"second\" } }\n"
    "model \"claude-aws\" { target \"aws\" { id = \"eu.anthropic.claude-v1:0\" } }\n"
    "model \"claude-file\" { target \"file\" { id = \"eu.anthropic.claude-v1:0\" } }\n"
    "model \"claude-google\" { target \"google\" { id = \"claude@1\" } }\n"
    "model \"gpt\" { target \"chat\" { } }\n"
    "model \"said\" { target \"echo\" { } }\n"
    "workspace \"default\" { rpm = 100 tpm = 1000000 concurrent = 10 }\n";

#define JSON_ANSWER(body_)                                                  \
	{                                                                   \
		.status = 200, .headers = JSON_HEADERS, .body = SPAN(body_) \
	}
#define STREAM_ANSWER(body_)                                                               \
	{                                                                                  \
		.status = 200, .headers = STREAM_HEADERS, .body = SPAN(body_), .piece = 97 \
	}
#define OVERLOADED                                                                              \
	{                                                                                       \
		.status = 529, .headers = JSON_HEADERS, .body = SPAN(ERROR("overloaded_error")) \
	}
#define FRAMES                                                     \
	{                                                          \
		.status = 200,                                     \
		.headers = "content-type: application/vnd.amazon." \
			   "eventstream\nx-amzn-requestid: r-1\n", \
		.piece = 211                                       \
	}
#define TOOLS                                                                                    \
	",\"system\":\"Be brief.\",\"tools\":[{\"name\":\"f\",\"description\":\"a function\","   \
	"\"input_schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"number\"}}}}]," \
	"\"temperature\":0.5,\"stop_sequences\":[\"END\"]"
#define COMPLETION                                                                                     \
	"{\"id\":\"c\",\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"a\\n\\u00e9\"," \
	"\"reasoning_content\":\"b\",\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\","            \
	"\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1.50}\"}}]},\"finish_reason\":"      \
	"\"tool_calls\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12}}"
#define CHUNK(delta, reason)                                             \
	"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":" delta \
	",\"finish_reason\":" reason "}]}\n\n"
#define CHUNKS                                                                                             \
	CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null")                                         \
	CHUNK("{\"reasoning_content\":\"b\"}", "null")                                                     \
	CHUNK("{\"content\":\"Gr\\u00fc\\u00dfe\"}", "null")                                               \
	CHUNK("{\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"function\":{\"name\":\"f\","                  \
	      "\"arguments\":\"{\\\"a\\\":\"}}]}",                                                         \
	    "null")                                                                                        \
	CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\" 1.50}\"}}]}", "null")          \
	CHUNK("{}", "\"tool_calls\"")                                                                      \
	"data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12}}\n\n" \
	"data: [DONE]\n\n"

#define NATIVE	 "/v1/messages"
#define ENVELOPE "/api/v1/messages"
#define COUNT	 "/v1/messages/count_tokens"

static const struct {
	const char *name;
	struct errand errand;
} rows[] = {
	{ "anthropic, whole",
	    { NATIVE, WORLD_BODY("plain", ""), { JSON_ANSWER(MESSAGE) }, 1, 200, NULL, NULL, false,
		false } },
	{ "anthropic, whole, on a thread that has served",
	    { NATIVE, WORLD_BODY("plain", ""), { JSON_ANSWER(MESSAGE) }, 1, 200, NULL, NULL, true,
		false } },
	{ "anthropic, whole, under another name",
	    { NATIVE, WORLD_BODY("renamed", ""), { JSON_ANSWER(MESSAGE) }, 1, 200, NULL,
		"\"real-id\"", false, false } },
	{ "anthropic, streamed",
	    { NATIVE, WORLD_BODY("plain", WORLD_STREAM), { STREAM_ANSWER(EV_ALL) }, 1, 200, NULL,
		NULL, false, false } },
	{ "anthropic, streamed, on a thread that has served",
	    { NATIVE, WORLD_BODY("plain", WORLD_STREAM), { STREAM_ANSWER(EV_ALL) }, 1, 200, NULL,
		NULL, true, false } },
	{ "anthropic, streamed with a silence",
	    { NATIVE, WORLD_BODY("plain", WORLD_STREAM),
		{ { .status = 200,
		    .headers = STREAM_HEADERS,
		    .body = SPAN(EV_ALL),
		    .head_ms = 6000,
		    .waits = { { 200, 11000 } } } },
		1, 200, NULL, NULL, false, false } },
	{ "anthropic, an error",
	    { NATIVE, WORLD_BODY("plain", ""), { OVERLOADED }, 1, 529, NULL, NULL, false, false } },
	{ "anthropic, streamed up to an error",
	    { NATIVE, WORLD_BODY("plain", WORLD_STREAM),
		{ STREAM_ANSWER(EV_START EV_BLOCK EV_TEXT EV_ERROR("overloaded_error")) }, 1, 200,
		NULL, NULL, false, false } },
	{ "anthropic, in the envelope",
	    { ENVELOPE, WORLD_BODY("plain", ""), { JSON_ANSWER(MESSAGE) }, 1, 200, NULL, NULL,
		false, false } },
	{ "anthropic, streamed in the envelope",
	    { ENVELOPE,
		WORLD_BODY("plain", WORLD_STREAM ",\"stream_options\":{\"include_usage\":true}"),
		{ STREAM_ANSWER(EV_ALL) }, 1, 200, NULL, NULL, false, false } },
	{ "bedrock, whole",
	    { NATIVE, WORLD_BODY("claude-aws", TOOLS), { JSON_ANSWER(MESSAGE) }, 1, 200, NULL,
		"bedrock-2023-05-31", false, false } },
	{ "bedrock, streamed",
	    { NATIVE, WORLD_BODY("claude-aws", WORLD_STREAM), { FRAMES }, 1, 200, NULL, NULL, false,
		false } },
	{ "bedrock, streamed in the envelope",
	    { ENVELOPE, WORLD_BODY("claude-aws", WORLD_STREAM), { FRAMES }, 1, 200, NULL, NULL,
		false, false } },
	{ "bedrock, credentials in a file",
	    { NATIVE, WORLD_BODY("claude-file", ""), { JSON_ANSWER(MESSAGE) }, 1, 200, NULL, NULL,
		false, false } },
	{ "bedrock, tokens counted",
	    { COUNT, WORLD_BODY("claude-aws", ""), { JSON_ANSWER("{\"inputTokens\":17}") }, 1, 200,
		NULL, NULL, false, false } },
	{ "vertex, whole",
	    { NATIVE, WORLD_BODY("claude-google", ""), { JSON_ANSWER(MESSAGE) }, 1, 200, NULL,
		"vertex-2023-10-16", false, false } },
	{ "vertex, streamed",
	    { NATIVE, WORLD_BODY("claude-google", WORLD_STREAM), { STREAM_ANSWER(EV_ALL) }, 1, 200,
		NULL, NULL, false, false } },
	{ "openai, whole",
	    { NATIVE, WORLD_BODY("gpt", TOOLS), { JSON_ANSWER(COMPLETION) }, 1, 200, NULL,
		"\"temperature\":0.5", false, false } },
	{ "openai, streamed",
	    { NATIVE, WORLD_BODY("gpt", TOOLS WORLD_STREAM), { STREAM_ANSWER(CHUNKS) }, 1, 200,
		NULL, NULL, false, false } },
	{ "openai, in the envelope",
	    { ENVELOPE, WORLD_BODY("gpt", ""), { JSON_ANSWER(COMPLETION) }, 1, 200, NULL, NULL,
		false, false } },
	{ "openai, streamed in the envelope",
	    { ENVELOPE, WORLD_BODY("gpt", WORLD_STREAM), { STREAM_ANSWER(CHUNKS) }, 1, 200, NULL,
		NULL, false, false } },
	{ "echo, whole",
	    { NATIVE, WORLD_BODY("said", ""), { { 0 } }, 0, 200, NULL, NULL, false, false } },
	{ "echo, streamed",
	    { NATIVE, WORLD_BODY("said", WORLD_STREAM), { { 0 } }, 0, 200, NULL, NULL, false,
		false } },
	{ "echo, in the envelope",
	    { ENVELOPE, WORLD_BODY("said", ""), { { 0 } }, 0, 200, NULL, NULL, false, false } },
	{ "echo, streamed in the envelope",
	    { ENVELOPE, WORLD_BODY("said", WORLD_STREAM), { { 0 } }, 0, 200, NULL, NULL, false,
		false } },
	{ "tokens counted",
	    { COUNT, WORLD_BODY("plain", ""), { JSON_ANSWER("{\"input_tokens\":17}") }, 1, 200,
		NULL, NULL, false, false } },
	{ "a name in escapes",
	    { NATIVE, WORLD_BODY("pl\\u0061in", ""), { JSON_ANSWER(MESSAGE) }, 1, 200, NULL, NULL,
		false, false } },
	{ "health", { "/healthz", { 0 }, { { 0 } }, 0, 200, NULL, NULL, false, false } },
	{ "list of models", { "/v1/models", { 0 }, { { 0 } }, 0, 200, NULL, NULL, false, false } },
	{ "one model", { "/v1/models/plain", { 0 }, { { 0 } }, 0, 200, NULL, NULL, false, false } },
	{ "unknown key",
	    { NATIVE, WORLD_BODY("plain", ""), { { 0 } }, 0, 401, KEY_UNKNOWN, NULL, false,
		false } },
	{ "unknown model",
	    { NATIVE, WORLD_BODY("none", ""), { { 0 } }, 0, 404, NULL, NULL, false, false } },
	{ "large body",
	    { NATIVE, { "", 0 }, { JSON_ANSWER(MESSAGE) }, 1, 200, NULL, "\"real-id\"", false,
		false } },
	{ "another target",
	    { NATIVE, WORLD_BODY("both", ""), { OVERLOADED, JSON_ANSWER(MESSAGE) }, 2, 200, NULL,
		"\"second\"", false, false } },
	{ "another target, streamed",
	    { NATIVE, WORLD_BODY("both", WORLD_STREAM), { OVERLOADED, STREAM_ANSWER(EV_ALL) }, 2,
		200, NULL, "\"second\"", false, false } },
	{ "configuration read anew",
	    { NATIVE, WORLD_BODY("renamed", ""), { JSON_ANSWER(MESSAGE) }, 1, 200, NULL,
		"\"new-id\"", false, true } },
};

static const struct errand *
errand(void)
{
	return torture.scenario->data;
}

static struct span
errand_body(const struct errand *e)
{
	return e->body.p && e->body.n == 0 ? buf_span(&calls.large) : e->body;
}

/* Room beforehand, so that nothing but the gate allocates in the try. */
static void
make_room(struct buf *b, size_t n)
{
	char *at;
	int rc = buf_room(b, n, &at);

	assert(rc == 0);
	(void)rc;
}

static void
prepare(void)
{
	const struct errand *e = errand();
	struct span body = errand_body(e);

	clock_mem.now_ms = 1000000;
	world_begin(body.p ? "POST" : "GET", e->uri, body);
	if (e->key)
		front_mem_param("HTTP_X_API_KEY", e->key);
	for (size_t i = 0; i < 2; i++) {
		make_room(&replay.requests[i].headers, 8 * KIB);
		make_room(&replay.requests[i].body, body.n + 8 * KIB);
	}
	make_room(&front_mem.out, OUT_ROOM);
	world_answers(e->answers, e->answers_n);
}

/* Reads what came of a call. */
static void
look(void)
{
	world_read_log();
	world_split();
}

/* The request id is another one each time. */
static void
mask_request_id(void)
{
	struct span id = world_header("request-id");
	char own[64];
	char *at = front_mem.out.p;

	if (id.n == 0 || id.n > sizeof(own) || id.p[0] == '#')
		return;
	memcpy(own, id.p, id.n);
	while ((at = memmem(at, front_mem.out.len - (size_t)(at - front_mem.out.p), own, id.n)))
		memset(at, '#', id.n);
}

static bool
is_golden(void)
{
	mask_request_id();
	return span_eq(buf_span(&front_mem.out), buf_span(&calls.golden));
}

static bool
is_envelope(void)
{
	return strcmp(errand()->uri, ENVELOPE) == 0;
}

/* A whole error in the dialect's form, with the type of its status. */
static void
check_error(void)
{
	struct check *c = &calls.check;
	struct span message = json_find(world.body, SPAN("message"));
	char code[16];

	torture_check_status(&calls.check, world.status, world.body);
	if (!is_envelope()) {
		world_check_whole();
		world_expect(world.status, fault_type_of_status(world.status));
		return;
	}
	(void)snprintf(code, sizeof(code), "\"%d\"", world.status);
	check_same(c, json_find(world.body, SPAN("success")), SPAN("false"));
	check_same(c, json_find(world.body, SPAN("code")), span_of(code));
	check_that(c, message.n > 2, "no message");
}

/* Where the last event of the stream begins. */
static size_t
last_event(struct span body)
{
	struct span rest = body;
	size_t at = 0;
	struct sse s = { 0 };
	struct sse_event ev;

	while (sse_next(&s, rest, &ev) == 1) {
		at = body.n - rest.n;
		rest = span_cut(rest, ev.raw.n, rest.n);
	}
	return rest.n > 0 ? body.n - rest.n : at;
}

/* Whether it is an error event of ours; its status goes to *status. */
static bool
is_error_event(struct span text, int *status)
{
	struct sse s = { 0 };
	struct sse_event ev;
	struct span type;
	uint64_t code;

	*status = 500;
	if (text.n == 0 || sse_next(&s, text, &ev) != 1)
		return false;
	type = json_find_in(ev.data, "error", "type", NULL);
	if (!is_envelope() && span_eq(ev.name, SPAN("error")) && type.n > 2) {
		*status = span_eq(type, SPAN("\"overloaded_error\"")) ? 529
		    : span_eq(type, SPAN("\"api_error\""))	      ? 500
								      : 400;
		return json_find_in(ev.data, "error", "message", NULL).n > 2;
	}
	if (!span_eq(json_find(ev.data, SPAN("success")), SPAN("false")))
		return false;
	if (num_u64(json_inside(json_find(ev.data, SPAN("code"))), 999, &code) == 0)
		*status = (int)code;
	return json_find(ev.data, SPAN("message")).n > 2;
}

/* A stream that ends otherwise than it would: it begins as it would, and then says so or is cut. */
static void
check_broken_stream(void)
{
	struct check *c = &calls.check;
	struct span golden = buf_span(&calls.golden);
	struct span body = world.body;
	const char *end = memmem(golden.p, golden.n, "\r\n\r\n", 4);
	int status;
	size_t at = last_event(body);

	golden = span_cut(golden, (size_t)(end - golden.p) + 4, golden.n);
	if (is_error_event(span_cut(body, at, body.n), &status)) {
		torture_check_status(&calls.check, status, world.body);
		body = span_cut(body, 0, at);
	}
	check_that(c, body.n < golden.n && span_starts(golden, body),
	    "the stream is no beginning of what it is otherwise: '%.*s'", (int)world.body.n,
	    world.body.p);
	check_that(c, !world_holds(world_log(), SPAN(" end=done ")), "a cut stream counts as done");
}

/* What stands in the books of a call, however it ended. */
static void
check_books(void)
{
	struct check *c = &calls.check;

	world_check_secrets();
	world_check_books();
	check_that(c, store_mem.taken == store_mem.appended || store_mem.taken == 0,
	    "let in, but not booked");
}

static void
check_upstream(void)
{
	const struct errand *e = errand();
	const struct replay_request *r = &replay.requests[replay.requests_n - 1];

	if (e->asked && replay.requests_n == e->answers_n)
		check_that(&calls.check, world_holds(buf_span(&r->body), span_of(e->asked)),
		    "'%s' is not asked for", e->asked);
}

/* The call as it is when nothing fails. */
static void
expect_golden(void)
{
	struct check *c = &calls.check;

	look();
	check_books();
	world_check_head();
	check_upstream();
	if (calls.golden.len == 0) {
		mask_request_id();
		check_that(c, buf_add(&calls.golden, buf_span(&front_mem.out)) == 0, "full");
		world_expect(errand()->status, NULL);
	}
	check_that(c, is_golden(), "'%.*s', not '%.*s'", (int)front_mem.out.len, front_mem.out.p,
	    (int)calls.golden.len, calls.golden.p);
}

/* The call in which memory ran out. */
static void
expect_sound(void)
{
	struct check *c = &calls.check;
	bool done;

	look();
	check_books();
	if (!check_that(c, front_mem.out.len > 0, "nothing was sent at all"))
		return;
	world_check_head();
	done = world_holds(world_log(), SPAN(" end=done "));
	if (world.status == 200 && world_is_stream() && !is_golden())
		check_broken_stream();
	else if (world.status >= 400 && !is_golden())
		check_error();
	else
		check_that(c, is_golden(), "a success with other bytes: '%.*s'",
		    (int)front_mem.out.len, front_mem.out.p);
	if (is_golden() && errand()->status == 200 && !errand()->reread)
		check_upstream();
	check_that(c, !done || world.status == 200, "done with status %d", world.status);
}

static void
before(void)
{
	world_configure(calls.conf);
	world_start();
	if (errand()->warm || errand()->reread) {
		prepare();
		world_serve(false);
	}
	if (errand()->reread)
		world_configure(calls.changed);
	prepare();
}

static void
during(void)
{
	world_serve(false);
}

/* Another call, in which nothing fails, in the same gate on the same thread. */
static void
serve_again(void)
{
	struct check *c = &calls.check;
	char why[sizeof(c->why)];

	prepare();
	world_serve(false);
	expect_golden();
	if (!c->why[0])
		return;
	memcpy(why, c->why, sizeof(why));
	(void)snprintf(c->why, sizeof(c->why), "the next call: %.400s", why);
}

static void
after(void)
{
	if (torture.unfailed)
		expect_golden();
	else
		expect_sound();
	if (!torture.unfailed && !calls.check.why[0])
		serve_again();
	world_stop();
	ERR_clear_error(); /* its words are kept until a thread's next error */
	for (size_t i = 0; i < REPLAY_REQUESTS; i++) {
		buf_free(&replay.requests[i].headers);
		buf_free(&replay.requests[i].body);
	}
	front_mem_free();
}

static void
fill_conf(char *to, size_t size, const char *id)
{
	int n = snprintf(
	    to, size, conf_format, world.folder, calls.token, calls.profile, calls.token, id);

	assert(n > 0 && (size_t)n < size);
	(void)n;
}

static void
open_world(void)
{
	int rc = setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1) |
	    setenv("AWS_SECRET_ACCESS_KEY", SECRET_ONE, 1) | unsetenv("AWS_BEARER_TOKEN_BEDROCK") |
	    unsetenv("AWS_SESSION_TOKEN");

	assert(rc == 0);
	(void)rc;
	world_make(&calls.check, "");
	(void)snprintf(calls.token, sizeof(calls.token), "%s/token", world.folder);
	(void)snprintf(calls.profile, sizeof(calls.profile), "%s/profile", world.folder);
	torture_write(calls.token, SECRET_TWO "\n");
	torture_write(calls.profile,
	    "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = " SECRET_ONE "\n");
	fill_conf(calls.conf, sizeof(calls.conf), "real-id");
	fill_conf(calls.changed, sizeof(calls.changed), "new-id");
	make_room(&world.log, 48 * KIB);
	make_room(&store_mem.ledger, 48 * KIB);
	calls.golden.len = 0;
}

static void
close_world(void)
{
	torture_remove(world.folder);
}

/* A body that is kept in a file. */
static void
make_large(void)
{
	char *at;

	calls.large = buf_make(2 * BODY_LARGE);
	int rc =
	    buf_add(&calls.large,
		SPAN("{\"model\":\"renamed\",\"max_tokens\":100,\"messages\":[{\"role\":\"user\","
		     "\"content\":\"")) |
	    buf_room(&calls.large, BODY_LARGE, &at);

	assert(rc == 0);
	memset(at, 'x', BODY_LARGE);
	calls.large.len += BODY_LARGE;
	rc |= buf_add(&calls.large, SPAN("\"}]}"));
	assert(rc == 0);
}

static void
run_row(const char *name, struct errand e)
{
	struct torture_scenario s = { .name = name,
		.open = open_world,
		.begin = before,
		.act = during,
		.end = after,
		.close = close_world,
		.data = &e,
		.exclusion = e.reread ? &torture_confuse : NULL };

	for (size_t i = 0; i < e.answers_n; i++)
		if (e.answers[i].status == 200 && e.answers[i].body.n == 0)
			e.answers[i].body = buf_span(&calls.frames);
	torture_run(&s);
}

int
main(int argc, char **argv)
{
	calls.golden = buf_make(2 * OUT_ROOM);
	calls.frames = buf_make(64 * KIB);
	make_room(&calls.golden, OUT_ROOM);
	make_large();
	if (file_read("tests/unit/vectors/ok.eventstream", &calls.frames))
		return 1;
	torture_open(&calls.check);
	for (size_t i = 0; i < ROWS(rows); i++)
		if (argc < 2 || strstr(rows[i].name, argv[1]))
			run_row(rows[i].name, rows[i].errand);
	buf_free(&calls.golden);
	buf_free(&calls.frames);
	buf_free(&calls.large);
	return torture.failed > 0;
}
