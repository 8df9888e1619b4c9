/* ledger: what is booked of a call, member by member, and what the log says beside it. */
#include "call/world.h"

#define STREAM(model) WORLD_BODY(model, WORLD_STREAM)
#define WHOLE(model)  WORLD_BODY(model, "")

static const char *const members[] = { "time", "request_id", "key", "workspace", "surface", "model",
	"upstream", "upstream_model", "upstream_request_id", "stream", "status", "end",
	"input_tokens", "output_tokens", "cache_creation_input_tokens",
	"cache_creation_1h_input_tokens", "cache_read_input_tokens", "first_ms", "total_ms" };

/* Raw values; NULL: whatever. The order is that of members. */
static const struct {
	const char *what;
	const char *uri;
	struct span body;
	struct replay answer;
	const char *want[ROWS(members)];
} rows[] = {
	{ "a message", "/v1/messages", WHOLE("renamed"),
	    { .status = 200,
		.headers = JSON_HEADERS,
		.body = SPAN(MESSAGE),
		.head_ms = 1200,
		.waits = { { 9, 300 } } },
	    { "\"2026-11-21T12:@\"", NULL, "\"good1\"", "\"default\"", "\"messages\"",
		"\"renamed\"", "\"one\"", "\"real-model-id\"", "\"req_upstream\"", "false", "200",
		"\"done\"", "11", "7", "5", "2", "3", "1200", "1500" } },
	{ "a stream", "/messages", STREAM("renamed"),
	    { .status = 200,
		.headers = STREAM_HEADERS,
		.body = SPAN(EV_ALL),
		.head_ms = 700,
		.waits = { { 9, 300 } } },
	    { "\"2026-11-21T12:@\"", NULL, "\"good1\"", "\"default\"", "\"messages\"",
		"\"renamed\"", "\"one\"", "\"real-model-id\"", "\"req_upstream\"", "true", "200",
		"\"done\"", "11", "7", "0", "0", "3", "700", "1000" } },
	{ "a stream whose counts all come last", "/v1/messages", STREAM("plain"),
	    { .status = 200,
		.headers = STREAM_HEADERS,
		.body = SPAN(EV("message_start", "{\"type\":\"message_start\",\"message\":{}}") EV(
		    "message_delta",
		    "{\"type\":\"message_delta\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2,\"cache_creation_input_tokens\":3,\"cache_read_input_tokens\":null,\"cache_creation\":{\"ephemeral_5m_input_tokens\":1,\"ephemeral_1h_input_tokens\":2}}}")
			EV("message_delta",
			    "{\"type\":\"message_delta\",\"usage\":{\"input_tokens\":null,\"output_tokens\":9}}")
			    EV_STOP) },
	    { NULL, NULL, NULL, NULL, NULL, NULL, NULL, "\"plain\"", NULL, "true", "200",
		"\"done\"", "1", "9", "3", "2", "0", "0", "0" } },
	{ "a stream that is cut off", "/v1/messages", STREAM("plain"),
	    { .status = 200, .headers = STREAM_HEADERS, .body = SPAN(EV_START EV_DELTA("5")) },
	    { NULL, NULL, "\"good1\"", NULL, NULL, NULL, "\"one\"", NULL, NULL, "true", "200",
		"\"up-cut\"", "11", "5", "0", "0", "3", "0", "0" } },
	{ "an error later", "/v1/messages", STREAM("plain"),
	    { .status = 200,
		.headers = STREAM_HEADERS,
		.body = SPAN(EV_START EV_ERROR("overloaded_error")) },
	    { NULL, NULL, NULL, NULL, NULL, NULL, "\"one\"", NULL, NULL, "true", "200",
		"\"up-error\"", "11", "1", "0", "0", "3", "0", "0" } },
	{ "an error first", "/v1/messages", STREAM("plain"),
	    { .status = 200,
		.headers = STREAM_HEADERS,
		.body = SPAN(EV_ERROR("overloaded_error")) },
	    { NULL, NULL, NULL, NULL, NULL, NULL, "\"one\"", NULL, "\"req_upstream\"", "true",
		"529", "\"up-error\"", "0", "0", "0", "0", "0", "0", "0" } },
	{ "400", "/v1/messages", WHOLE("plain"),
	    { .status = 400,
		.headers = JSON_HEADERS,
		.body = SPAN(ERROR("invalid_request_error")) },
	    { NULL, NULL, NULL, NULL, NULL, NULL, "\"one\"", NULL, "\"req_upstream\"", "false",
		"400", "\"up-error\"", "0", "0", "0", "0", "0", "0", "0" } },
	{ "no connection", "/v1/messages", WHOLE("plain"),
	    { .end = FAULT_UP_CONNECT, .head_ms = 250 },
	    { NULL, NULL, NULL, NULL, NULL, NULL, "\"one\"", NULL, "null", "false", "502",
		"\"up-connect\"", "0", "0", "0", "0", "0", "null", "250" } },
	{ "counting", "/v1/messages/count_tokens", WHOLE("plain"),
	    { .status = 200, .headers = JSON_HEADERS, .body = SPAN("{\"input_tokens\":5}") },
	    { NULL, NULL, "\"good1\"", "\"default\"", "\"count\"", "\"plain\"", "\"one\"",
		"\"plain\"", "\"req_upstream\"", "false", "200", "\"done\"", "0", "0", "0", "0",
		"0", "0", "0" } },
	{ "no such model", "/v1/messages", WHOLE("far"), { .status = 0 },
	    { NULL, NULL, "\"good1\"", "\"default\"", "\"messages\"", "\"far\"", "null", "null",
		"null", "false", "404", "\"model-unknown\"", "0", "0", "0", "0", "0", "null",
		"0" } },
	{ "a bad body", "/v1/messages", SPAN("{\"messages\":\"" PROMPT "\",}"), { .status = 0 },
	    { NULL, NULL, "\"good1\"", "\"default\"", "\"messages\"", "null", "null", "null",
		"null", "false", "400", "\"bad-request\"", "0", "0", "0", "0", "0", "null", "0" } },
	{ "built in", "/v1/messages", WHOLE("said"), { .status = 0 },
	    { NULL, NULL, "\"good1\"", "\"default\"", "\"messages\"", "\"said\"", "\"echo\"",
		"\"said\"", "null", "false", "200", "\"done\"", NULL, "3", "0", "0", "0", "0",
		"0" } },
};

static void
row_booked(struct check *c, size_t i)
{
	struct span line;
	struct json_fault fault;

	check_row(c, "%s", rows[i].what);
	world_begin("POST", rows[i].uri, rows[i].body);
	world_answers(&rows[i].answer, 1);
	world_run();
	line = world_ledger();
	check_that(c, store_mem.appended == 1, "%u lines", store_mem.appended);
	check_that(c, json_scan(line, 8, NULL, 0, &fault) == 0, "no JSON: '%.*s'", (int)line.n,
	    line.n ? line.p : "");
	check_that(c, line.n > 0 && line.p[line.n - 1] == '\n', "no line");
	for (size_t m = 0; m < ROWS(members); m++) {
		struct span got = world_booked(members[m]);
		const char *want = rows[i].want[m];
		const char *at = want ? strchr(want, '@') : NULL;

		if (!check_that(c, got.p != NULL, "%s is missing", members[m]))
			return;
		if (at && got.p)
			check_that(c, span_starts(got, (struct span){ want, (size_t)(at - want) }),
			    "%s is %.*s", members[m], (int)got.n, got.p);
		else if (want)
			world_expect_booked(members[m], want);
	}
}

/* A finished call with nothing counted is a fault of somebody's and is said aloud. */
static const struct {
	const char *what;
	struct span body;
	struct replay answer;
	bool said;
} zeros[] = {
	{ "a message with usage", WHOLE("plain"),
	    { .status = 200, .headers = JSON_HEADERS, .body = SPAN(MESSAGE) }, false },
	{ "a message without", WHOLE("plain"),
	    { .status = 200, .headers = JSON_HEADERS, .body = SPAN("{\"type\":\"message\"}") },
	    true },
	{ "a message with zeros", WHOLE("plain"),
	    { .status = 200,
		.headers = JSON_HEADERS,
		.body = SPAN("{\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}") },
	    true },
	{ "a message with a usage that is none", WHOLE("plain"),
	    { .status = 200,
		.headers = JSON_HEADERS,
		.body = SPAN("{\"usage\":{\"input_tokens\":-5,\"output_tokens\":1.5}}") },
	    true },
	{ "a stream without", STREAM("plain"),
	    { .status = 200,
		.headers = STREAM_HEADERS,
		.body = SPAN(EV("message_start", "{\"type\":\"message_start\"}") EV_STOP) },
	    true },
	{ "a stream that is cut off without", STREAM("plain"),
	    { .status = 200,
		.headers = STREAM_HEADERS,
		.body = SPAN(EV("message_start", "{\"type\":\"message_start\"}")) },
	    false },
	{ "an error", WHOLE("plain"),
	    { .status = 529, .headers = JSON_HEADERS, .body = SPAN(ERROR("overloaded_error")) },
	    false },
};

static void
row_zero(struct check *c, size_t i)
{
	check_row(c, "nothing counted: %s", zeros[i].what);
	world_begin("POST", "/v1/messages", zeros[i].body);
	world_answers(&zeros[i].answer, 1);
	world_run();
	check_that(c, zeros[i].said == world_holds(world_log(), SPAN("level=error event=usage")),
	    "'%.*s'", (int)world.log.len, world.log.p);
}

static void
row_cannot(struct check *c)
{
	static const struct replay good = {
		.status = 200, .headers = JSON_HEADERS, .body = SPAN(MESSAGE)
	};

	check_row(c, "a line that cannot be written is said aloud, and the client has its answer");
	world_begin("POST", "/v1/messages", WHOLE("plain"));
	store_mem.append_answers = STORE_BROKEN;
	world_answers(&good, 1);
	world_run();
	world_expect(200, NULL);
	check_that(c, world_holds(world_log(), SPAN("level=error event=ledger")), "it is silent");
}

static void
row_odd_model(struct check *c)
{
	static const struct replay good = {
		.status = 200, .headers = JSON_HEADERS, .body = SPAN(MESSAGE)
	};

	check_row(c, "a model's name cannot forge a line");
	world_begin("POST", "/v1/messages",
	    SPAN(
		"{\"model\":\"a\\n\\\"x\\u0001 level=error\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"));
	world_answers(&good, 1);
	world_run();
	world_expect(200, NULL);
	world_expect_booked("model", "\"a\\n\\\"x\\u0001 level=error\"");
	check_that(c, world_holds(world_log(), SPAN("model=\"a \\\"x  level=error\"")), "'%.*s'",
	    (int)world.log.len, world.log.p);
}

int
main(void)
{
	struct check c = { .module = "ledger" };

	world_open(&c);
	for (size_t i = 0; i < ROWS(rows); i++)
		row_booked(&c, i);
	for (size_t i = 0; i < ROWS(zeros); i++)
		row_zero(&c, i);
	row_cannot(&c);
	row_odd_model(&c);
	return world_close();
}
