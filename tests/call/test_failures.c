/* failures: what the client is told of an upstream that does not answer well, and when another
 * target is asked. */
#include "call/world.h"

#define ASK WORLD_BODY("plain", "")
#define REFUSES(status_, type)                                                          \
	{                                                                               \
		.status = (status_), .headers = JSON_HEADERS, .body = SPAN(ERROR(type)) \
	}
#define GOOD                                                                  \
	{                                                                     \
		.status = 200, .headers = JSON_HEADERS, .body = SPAN(MESSAGE) \
	}

static const struct {
	const char *what;
	struct replay answer;
	int status;
	const char *type, *end;
	const char *says;
} rows[] = {
	{ "400", REFUSES(400, "invalid_request_error"), 400, "invalid_request_error", "up-error",
	    "kept" },
	{ "401", REFUSES(401, "authentication_error"), 502, "api_error", "up-credential", NULL },
	{ "402", REFUSES(402, "billing_error"), 502, "api_error", "up-credential", NULL },
	{ "403", REFUSES(403, "permission_error"), 502, "api_error", "up-credential", NULL },
	{ "401 in HTML",
	    { .status = 401, .headers = "content-type: text/html\n", .body = SPAN("<html>") }, 502,
	    "api_error", "up-credential", NULL },
	{ "404", REFUSES(404, "not_found_error"), 404, "not_found_error", "up-error", "kept" },
	{ "409", REFUSES(409, "conflict_error"), 409, "conflict_error", "up-error", "kept" },
	{ "413", REFUSES(413, "request_too_large"), 413, "request_too_large", "up-error", "kept" },
	{ "422", REFUSES(422, "invalid_request_error"), 422, "invalid_request_error", "up-error",
	    "kept" },
	{ "429", REFUSES(429, "rate_limit_error"), 429, "rate_limit_error", "up-error", "kept" },
	{ "500", REFUSES(500, "api_error"), 500, "api_error", "up-error", "kept" },
	{ "503", REFUSES(503, "api_error"), 503, "api_error", "up-error", "kept" },
	{ "504", REFUSES(504, "timeout_error"), 504, "timeout_error", "up-error", "kept" },
	{ "529", REFUSES(529, "overloaded_error"), 529, "overloaded_error", "up-error", "kept" },
	{ "a type nobody knows", REFUSES(418, "teapot_error"), 418, "teapot_error", "up-error",
	    "kept" },
	{ "an error with a good status", REFUSES(200, "overloaded_error"), 529, "overloaded_error",
	    "up-error", "kept" },
	{ "our credential with a good status", REFUSES(200, "authentication_error"), 502,
	    "api_error", "up-credential", NULL },
	{ "400 in HTML",
	    { .status = 400,
		.headers = "content-type: text/html\n",
		.body = SPAN("<html>" PROMPT) },
	    400, "invalid_request_error", "up-error", "HTTP 400" },
	{ "413 of a proxy",
	    { .status = 413, .headers = "content-type: text/html\n", .body = SPAN("<html>") }, 413,
	    "request_too_large", "up-error", NULL },
	{ "502 without a body", { .status = 502, .headers = "" }, 502, "api_error", "up-error",
	    NULL },
	{ "529 in text",
	    { .status = 529, .headers = "content-type: text/plain\n", .body = SPAN("full") }, 529,
	    "overloaded_error", "up-error", NULL },
	{ "JSON that is no envelope",
	    { .status = 429, .headers = JSON_HEADERS, .body = SPAN("{\"detail\":\"slow\"}") }, 429,
	    "rate_limit_error", "up-error", NULL },
	{ "an envelope of another shape",
	    { .status = 400, .headers = JSON_HEADERS, .body = SPAN("{\"error\":\"bad\"}") }, 400,
	    "invalid_request_error", "up-error", NULL },
	{ "an error without a type",
	    { .status = 400,
		.headers = JSON_HEADERS,
		.body = SPAN("{\"error\":{\"message\":\"bad\"}}") },
	    400, "invalid_request_error", "up-error", "\"bad\"" },
	{ "404 of some other server",
	    { .status = 404, .headers = "content-type: text/html\n", .body = SPAN("<html>") }, 502,
	    "api_error", "up-answer", NULL },
	{ "405 of some other server",
	    { .status = 405, .headers = "content-type: text/html\n", .body = SPAN("<html>") }, 502,
	    "api_error", "up-answer", NULL },
	{ "an empty object", { .status = 200, .headers = JSON_HEADERS, .body = SPAN(" { } ") }, 502,
	    "api_error", "up-answer", NULL },
	{ "an envelope that is cut off",
	    { .status = 400,
		.headers = JSON_HEADERS,
		.body = SPAN("{\"type\":\"error\",\"error\":{\"type\":\"invalid_requ"),
		.end = FAULT_UP_CUT },
	    400, "invalid_request_error", "up-error", NULL },
	{ "an envelope with null for its id",
	    { .status = 400,
		.headers = JSON_HEADERS,
		.body = SPAN(
		    "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\"},\"request_id\":null}\n") },
	    400, "invalid_request_error", "up-error", "\"message\":\"m\"},\"request_id\":\"req_" },
	{ "an envelope without an id",
	    { .status = 400,
		.headers = JSON_HEADERS,
		.body = SPAN(
		    "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\"} }") },
	    400, "invalid_request_error", "up-error", "\"message\":\"m\"} ,\"request_id\":\"req_" },
	{ "an envelope over several lines",
	    { .status = 400,
		.headers = JSON_HEADERS,
		.body = SPAN(
		    "{\n \"type\":\"error\",\r\n \"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\"}}") },
	    400, "invalid_request_error", "up-error", NULL },
	{ "a good status without a body", { .status = 200, .headers = JSON_HEADERS }, 502,
	    "api_error", "up-answer", NULL },
	{ "blanks for a body", { .status = 200, .headers = JSON_HEADERS, .body = SPAN(" \n") }, 502,
	    "api_error", "up-answer", NULL },
	{ "204", { .status = 204, .headers = "" }, 502, "api_error", "up-answer", NULL },
	{ "HTML",
	    { .status = 200,
		.headers = "content-type: text/html\n",
		.body = SPAN("<html>" PROMPT) },
	    502, "api_error", "up-answer", NULL },
	{ "events for a call that is no stream",
	    { .status = 200, .headers = STREAM_HEADERS, .body = SPAN(EV_ALL) }, 502, "api_error",
	    "up-answer", NULL },
	{ "half a message",
	    { .status = 200, .headers = JSON_HEADERS, .body = SPAN("{\"type\":\"message\"") }, 502,
	    "api_error", "up-answer", NULL },
	{ "half a message and a cut",
	    { .status = 200,
		.headers = JSON_HEADERS,
		.body = SPAN("{\"type\":\"message\""),
		.end = FAULT_UP_CUT },
	    502, "api_error", "up-cut", NULL },
	{ "a whole message and a cut",
	    { .status = 200, .headers = JSON_HEADERS, .body = SPAN(MESSAGE), .end = FAULT_UP_CUT },
	    502, "api_error", "up-cut", NULL },
	{ "a redirection",
	    { .status = 301, .headers = "location: https://else.test\n", .body = SPAN("moved") },
	    502, "api_error", "up-answer", NULL },
	{ "304", { .status = 304, .headers = "" }, 502, "api_error", "up-answer", NULL },
	{ "compressed",
	    { .status = 200,
		.headers = JSON_HEADERS "content-encoding: br\n",
		.body = SPAN("\x1f\x8b") },
	    502, "api_error", "up-answer", NULL },
	{ "no connection", { .end = FAULT_UP_CONNECT }, 502, "api_error", "up-connect", NULL },
	{ "a reset", { .end = FAULT_UP_CUT }, 502, "api_error", "up-cut", NULL },
	{ "our own fault", { .end = FAULT_INTERNAL }, 500, "api_error", "internal", NULL },
};

static void
row_one(struct check *c, size_t i, size_t piece)
{
	struct replay answer = rows[i].answer;

	answer.piece = piece;
	check_row(c, "%s%s", rows[i].what, piece ? ", byte by byte" : "");
	world_begin("POST", "/v1/messages", ASK);
	world_answers(&answer, 1);
	world_run();
	world_expect(rows[i].status, rows[i].type);
	world_expect_end(rows[i].end);
	check_that(c, !rows[i].says || world_holds(world.body, span_of(rows[i].says)),
	    "'%s' is missing in '%.*s'", rows[i].says, (int)world.body.n, world.body.p);
	check_that(c, !world_holds(world.body, SPAN(PROMPT)), "the upstream's page is shown");
	check_that(c, !world_holds(world.body, SPAN("req_upstream")), "the upstream's id is shown");
	check_same(c, world_header("content-type"), SPAN("application/json"));

	bool ours = strcmp(rows[i].end, "up-credential") == 0;

	check_that(
	    c, ours == span_eq(world_header("x-should-retry"), SPAN("false")), "x-should-retry");
	check_that(c, ours == world_holds(world_log(), SPAN("event=credential")), "the log %s",
	    ours ? "is silent" : "complains of the credential");
}

/* The words and bytes of the upstream's error, but for the id. */
static void
row_words(struct check *c)
{
	static const struct replay answer = REFUSES(400, "invalid_request_error");
	const char *before =
	    "{\"type\": \"error\", \"error\": {\"type\": \"invalid_request_error\", "
	    "\"message\": \"said by the upstream\", \"details\": {\"error_code\": "
	    "\"kept\"}}, \"request_id\": \"";
	struct buf want = buf_make(4096);

	check_row(c, "an error goes on byte for byte but for its id");
	world_begin("POST", "/v1/messages", ASK);
	world_answers(&answer, 1);
	world_run();

	struct span id = world_header("request-id");
	int rc = buf_addf(&want, "%s%.*s\"}", before, (int)id.n, id.p);

	check_that(c, rc == 0, "full");
	check_same(c, world.body, buf_span(&want));
	buf_free(&want);
}

/* Errors of any length get to the client, or say that they could not. */
static void
row_long_error(struct check *c, int status, size_t n, bool stream)
{
	struct buf body = buf_make(4 * MIB);
	char *at = NULL;
	int rc = buf_add(&body, stream ? SPAN("event: error\ndata: ") : SPAN("")) |
	    buf_add(&body,
		SPAN(
		    "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"")) |
	    buf_room(&body, n, &at);
	struct replay answer = {
		.status = status, .headers = stream ? STREAM_HEADERS : JSON_HEADERS, .piece = 16000
	};

	check_row(c, "%d with an error of %zu bytes%s", status, n, stream ? " in an event" : "");
	assert(rc == 0);
	memset(at, 'x', n);
	body.len += n;
	rc = buf_add(&body, SPAN("\"}}")) | buf_add(&body, stream ? SPAN("\n\n") : SPAN(""));
	answer.body = buf_span(&body);
	world_begin("POST", "/v1/messages", stream ? WORLD_BODY("plain", WORLD_STREAM) : ASK);
	world_answers(&answer, 1);
	world_run();
	check_that(c, rc == 0, "full");
	check_that(c, world.status >= 400, "status %d", world.status);
	check_that(c, n > 60000 || world.body.n > n, "only %zu bytes", world.body.n);
	buf_free(&body);
}

/* Two targets; what the first one says, and whether the second one is asked. */
static const struct {
	const char *what;
	struct replay first;
	bool next;
	int status; /* when it is not */
} pairs[] = {
	{ "no connection", { .end = FAULT_UP_CONNECT }, true, 0 },
	{ "no first byte", { .head_ms = 100000 }, true, 0 },
	{ "401", REFUSES(401, "authentication_error"), true, 0 },
	{ "403", REFUSES(403, "permission_error"), true, 0 },
	{ "408", REFUSES(408, "timeout_error"), true, 0 },
	{ "429", REFUSES(429, "rate_limit_error"), true, 0 },
	{ "500", REFUSES(500, "api_error"), true, 0 },
	{ "503", REFUSES(503, "api_error"), true, 0 },
	{ "529", REFUSES(529, "overloaded_error"), true, 0 },
	{ "502 in HTML", { .status = 502, .headers = "", .body = SPAN("<html>") }, true, 0 },
	{ "nothing", { .status = 200, .headers = JSON_HEADERS }, true, 0 },
	{ "HTML", { .status = 200, .headers = "", .body = SPAN("<html>") }, true, 0 },
	{ "a redirection", { .status = 302, .headers = "" }, true, 0 },
	{ "400", REFUSES(400, "invalid_request_error"), false, 400 },
	{ "404", REFUSES(404, "not_found_error"), false, 404 },
	{ "409", REFUSES(409, "conflict_error"), false, 409 },
	{ "413", REFUSES(413, "request_too_large"), false, 413 },
	{ "422", REFUSES(422, "invalid_request_error"), false, 422 },
	{ "silence in its body",
	    { .status = 200,
		.headers = JSON_HEADERS,
		.body = SPAN(MESSAGE),
		.waits = { { 40, 1000000 } } },
	    true, 0 },
	{ "a cut in its body",
	    { .status = 200, .headers = JSON_HEADERS, .body = SPAN("{"), .end = FAULT_UP_CUT },
	    true, 0 },
	{ "a reset", { .end = FAULT_UP_CUT }, true, 0 },
	{ "our own fault", { .end = FAULT_INTERNAL }, false, 500 },
};

static void
row_pair(struct check *c, size_t i)
{
	struct replay answers[2] = { pairs[i].first, GOOD };

	check_row(c, "two targets, the first: %s", pairs[i].what);
	answers[1].headers = "content-type: application/json\nrequest-id: req_second\n"
			     "anthropic-note: second\n";
	world_begin("POST", "/v1/messages", WORLD_BODY("both", ""));
	world_answers(answers, 2);
	world_run();
	check_that(c, world_holds(buf_span(&replay.requests[0].body), SPAN("\"first-id\"")),
	    "not the first one first");
	if (!pairs[i].next) {
		check_that(c, replay.requests_n == 1, "another target was asked");
		world_expect(pairs[i].status, NULL);
		world_expect_booked("upstream", "\"one\"");
		world_expect_booked("upstream_model", "\"first-id\"");
		return;
	}
	world_expect(200, NULL);
	check_same(c, world.body, SPAN(MESSAGE));
	check_that(c, replay.requests_n == 2, "%zu requests", replay.requests_n);
	check_that(c, world_holds(buf_span(&replay.requests[1].body), SPAN("\"second-id\"")),
	    "the second one got another model");
	check_that(c, world_asked_with(1, "authorization: Bearer " SECRET_TWO),
	    "the second one got another credential");
	check_that(c, !world_holds(buf_span(&replay.requests[1].headers), SPAN(SECRET_ONE)),
	    "the second one got the first one's credential");
	check_that(c, world_holds(world_log(), SPAN("event=target")), "the log is silent");
	check_same(c, world_header("anthropic-note"), SPAN("second"));
	check_that(c, world_header("retry-after").p == NULL, "a header of the first one");
	world_expect_end("done");
	world_expect_booked("upstream", "\"two\"");
	world_expect_booked("upstream_model", "\"second-id\"");
	world_expect_booked("upstream_request_id", "\"req_second\"");
}

static void
row_pair_streams(struct check *c)
{
	static const struct replay error_first[] = { { .status = 200,
							 .headers = STREAM_HEADERS,
							 .body =
							     SPAN(EV_ERROR("overloaded_error")) },
		{ .status = 200, .headers = STREAM_HEADERS, .body = SPAN(EV_ALL) } };
	static const struct replay error_later[] = {
		{ .status = 200,
		    .headers = STREAM_HEADERS,
		    .body = SPAN(EV_START EV_ERROR("overloaded_error")) },
		{ .status = 200, .headers = STREAM_HEADERS, .body = SPAN(EV_ALL) }
	};
	static const struct replay half_first[] = {
		{ .status = 200,
		    .headers = STREAM_HEADERS,
		    .body = SPAN(EV_PING "event: message_start\ndata: {\"type\":"),
		    .waits = { { 60, 1000000 } } },
		{ .status = 200, .headers = STREAM_HEADERS, .body = SPAN(EV_ALL) }
	};
	static const struct replay both_full[] = { REFUSES(529, "overloaded_error"),
		{ .status = 429,
		    .headers = JSON_HEADERS "retry-after: 3\n",
		    .body = SPAN(ERROR("rate_limit_error")) } };
	static const struct replay both_wrong[] = { REFUSES(401, "authentication_error"),
		REFUSES(401, "authentication_error") };

	check_row(c, "two targets: an error as the first event goes to the second");
	world_begin("POST", "/v1/messages", WORLD_BODY("both", WORLD_STREAM));
	world_answers(error_first, 2);
	world_run();
	world_expect(200, NULL);
	check_same(c, world.body, SPAN(EV_ALL));
	check_row(c, "two targets: never after the first event");
	world_begin("POST", "/v1/messages", WORLD_BODY("both", WORLD_STREAM));
	world_answers(error_later, 2);
	world_run();
	check_that(c, replay.requests_n == 1, "%zu requests", replay.requests_n);
	check_same(c, world.body, SPAN(EV_START EV_ERROR("overloaded_error")));
	check_row(c, "two targets: half an event of the first is not mixed with the second");
	world_begin("POST", "/v1/messages", WORLD_BODY("both", WORLD_STREAM));
	world_answers(half_first, 2);
	world_run();
	check_that(c, replay.requests_n == 1, "%zu requests", replay.requests_n);
	world_expect_end("up-idle");
	check_row(c, "two targets: the last one's error is told, with its headers");
	world_begin("POST", "/v1/messages", WORLD_BODY("both", ""));
	world_answers(both_full, 2);
	world_run();
	world_expect(429, "rate_limit_error");
	check_same(c, world_header("retry-after"), SPAN("3"));
	world_expect_booked("upstream", "\"two\"");
	check_row(c, "two targets: both refuse our credential");
	world_begin("POST", "/v1/messages", WORLD_BODY("both", ""));
	world_answers(both_wrong, 2);
	world_run();
	world_expect(502, "api_error");
	check_that(c,
	    world_holds(world_log(), SPAN("upstream=one")) &&
		world_holds(world_log(), SPAN("upstream=two")),
	    "the log names one only");
}

/* Usage of a target that failed is not that of the call. */
static void
row_usage(struct check *c)
{
	static const struct replay answers[] = {
		{ .status = 200,
		    .headers = JSON_HEADERS,
		    .body = SPAN(
			"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"},\"usage\":{\"input_tokens\":99}}") },
		GOOD
	};

	check_row(c, "two targets: the usage is that of the one that answered");
	world_begin("POST", "/v1/messages", WORLD_BODY("both", ""));
	world_answers(answers, 2);
	world_run();
	world_expect(200, NULL);
	world_expect_booked("input_tokens", "11");
}

static const struct {
	const char *what;
	struct replay answer;
	int status;
	const char *end;
} counts[] = {
	{ "counted",
	    { .status = 200, .headers = JSON_HEADERS, .body = SPAN("{\"input_tokens\":2095}") },
	    200, "done" },
	{ "counted with members nobody knows",
	    { .status = 200,
		.headers = JSON_HEADERS,
		.body = SPAN("{ \"input_tokens\" : 2095, \"x\":[] }\n") },
	    200, "done" },
	{ "404", REFUSES(404, "not_found_error"), 404, "up-error" },
	{ "429", REFUSES(429, "rate_limit_error"), 429, "up-error" },
	{ "nothing", { .status = 200, .headers = JSON_HEADERS }, 502, "up-answer" },
};

static void
row_count(struct check *c, size_t i)
{
	check_row(c, "count_tokens: %s", counts[i].what);
	world_begin("POST", "/v1/messages/count_tokens", WORLD_BODY("renamed", ""));
	world_answers(&counts[i].answer, 1);
	world_run();
	world_expect(counts[i].status, NULL);
	world_expect_end(counts[i].end);
	world_expect_booked("surface", "\"count\"");
	check_that(c, world_holds(buf_span(&replay.requests[0].body), SPAN("real-model-id")),
	    "not renamed");
	check_that(c, !world_holds(world_log(), SPAN("event=usage")), "a count has no usage");
	if (counts[i].status == 200)
		check_same(c, world.body, counts[i].answer.body);
}

/* An error that comes as the first event becomes a status, with what its headers say of another
 * try. */
static void
row_first_event(struct check *c)
{
	static const struct replay answer = { .status = 200,
		.headers = STREAM_HEADERS "retry-after: 7\nx-should-retry: true\n",
		.body = SPAN(EV_ERROR("overloaded_error")) };

	check_row(c, "an error as the first event keeps retry-after");
	world_begin("POST", "/v1/messages", WORLD_BODY("plain", WORLD_STREAM));
	world_answers(&answer, 1);
	world_run();
	world_expect(529, "overloaded_error");
	check_same(c, world_header("retry-after"), SPAN("7"));
	check_same(c, world_header("x-should-retry"), SPAN("true"));
}

int
main(void)
{
	struct check c = { .module = "failures" };

	world_open(&c);
	for (size_t i = 0; i < ROWS(rows); i++) {
		row_one(&c, i, 0);
		row_one(&c, i, 1);
	}
	row_words(&c);
	row_first_event(&c);
	row_long_error(&c, 400, 50000, false);
	row_long_error(&c, 400, 70000, false);
	row_long_error(&c, 400, 200000, false);
	row_long_error(&c, 200, 50000, false);
	row_long_error(&c, 200, 200000, false);
	row_long_error(&c, 200, 50000, true);
	row_long_error(&c, 200, 200000, true);
	for (size_t i = 0; i < ROWS(pairs); i++)
		row_pair(&c, i);
	row_pair_streams(&c);
	row_usage(&c);
	for (size_t i = 0; i < ROWS(counts); i++)
		row_count(&c, i);
	return world_close();
}
