/* leaving: clients that leave and calls that are cut, at each point of a call: the upstream is
 * stopped, nothing more is sent, and what was used is booked. */
#include "call/world.h"

#define STREAM(model) WORLD_BODY(model, WORLD_STREAM)
#define WHOLE(model)  WORLD_BODY(model, "")
#define FOREVER	      1000000000

static const struct replay two_events = { .status = 200,
	.headers = STREAM_HEADERS,
	.body = SPAN(EV_START EV_TEXT),
	.waits = { { sizeof(EV_START) - 1, 3000 }, { sizeof(EV_START EV_TEXT) - 1, FOREVER } } };
static const struct replay silent = { .head_ms = FOREVER };
static const struct replay silent_body = { .status = 200,
	.headers = JSON_HEADERS,
	.body = SPAN(MESSAGE),
	.waits = { { 50, FOREVER } } };
static const struct replay half_event = { .status = 200,
	.headers = STREAM_HEADERS,
	.body = SPAN(EV_START "event: content_block_delta\ndata: {"),
	.waits = { { sizeof(EV_START) + 30, FOREVER } } };
static const struct replay done_and_open = { .status = 200,
	.headers = STREAM_HEADERS,
	.body = SPAN(EV_ALL),
	.waits = { { sizeof(EV_ALL) - 1, FOREVER } } };

/* A client that leaves at a time. */
static const struct {
	const char *what;
	struct span body;
	const struct replay *answer;
	enum leave leave;
	int64_t at_ms, noticed_ms;
	const char *input, *output; /* booked */
} rows[] = {
	{ "seen, before the head", STREAM("both"), &silent, LEAVE_SEEN, 2000, 2000, "0", "0" },
	{ "seen, a call that is no stream", WHOLE("both"), &silent, LEAVE_SEEN, 2000, 2000, "0",
	    "0" },
	{ "seen, in the middle of a whole answer", WHOLE("both"), &silent_body, LEAVE_SEEN, 2000,
	    2000, "0", "0" },
	{ "seen, after the first ping", STREAM("both"), &silent, LEAVE_SEEN, 7000, 7000, "0", "0" },
	{ "seen, between events", STREAM("both"), &two_events, LEAVE_SEEN, 2000, 2000, "11", "1" },
	{ "seen, after the last event", STREAM("both"), &two_events, LEAVE_SEEN, 9000, 9000, "11",
	    "5" },
	{ "seen, within an event", STREAM("both"), &half_event, LEAVE_SEEN, 2000, 2000, "11", "1" },
	{ "found by the next event and a ping", STREAM("both"), &two_events, LEAVE_WRITES, 2000,
	    13000, "11", "5" },
	{ "found by the second ping", STREAM("both"), &two_events, LEAVE_WRITES, 9000, 23000, "11",
	    "5" },
	{ "found by the second ping, committed", STREAM("both"), &silent, LEAVE_WRITES, 7000, 25000,
	    "0", "0" },
	{ "found by the second ping of all", STREAM("both"), &silent, LEAVE_WRITES, 2000, 15000,
	    "0", "0" },
};

static void
row_leave(struct check *c, size_t i)
{
	char total[24];

	check_row(c, "the client leaves: %s", rows[i].what);
	world_begin("POST", "/v1/messages", rows[i].body);
	front_mem.leave = rows[i].leave;
	clock_mem_plan(rows[i].at_ms, front_mem_leave);
	world_answers(rows[i].answer, 1);
	world_run();
	world_expect_end("client-gone");
	check_that(c, replay.requests_n == 1, "another target was asked");
	check_that(c, replay.requests[0].stopped, "the upstream was not stopped");
	check_that(
	    c, !world_holds(buf_span(&front_mem.out), SPAN("event: error")), "an error for nobody");
	(void)snprintf(total, sizeof(total), "%d", (int)rows[i].noticed_ms);
	world_expect_booked("total_ms", total);
	world_expect_booked("end", "\"client-gone\"");
	world_expect_booked("input_tokens", rows[i].input);
	world_expect_booked("output_tokens", rows[i].output);
	world_expect_booked("upstream", "\"one\"");
	check_that(c, !world_holds(world_log(), SPAN("level=error")), "the log complains: '%.*s'",
	    (int)world.log.len, world.log.p);
}

/* A client that leaves after each byte of the answer. */
static void
row_leave_anywhere(struct check *c, enum leave how)
{
	struct span all = SPAN(EV_ALL);
	size_t head = 0;

	check_row(c, "the client leaves after every byte, %s",
	    how == LEAVE_SEEN ? "seen" : "found by writes");
	for (size_t at = 1; at < all.n + head + 300; at += 7) {
		struct replay answer = {
			.status = 200, .headers = STREAM_HEADERS, .body = all, .piece = 50
		};

		world_begin("POST", "/v1/messages", STREAM("plain"));
		front_mem.leave = how;
		front_mem.leave_at = at;
		world_answers(&answer, 1);
		world_run();
		head = world.head.n;
		if (!front_mem.left) {
			world_expect_end("done");
			break;
		}
		check_that(c, store_mem.appended == 1, "%u ledger lines", store_mem.appended);
		check_that(c, !world_holds(buf_span(&front_mem.out), SPAN("event: error")),
		    "an error for nobody");
		/* What was sent whole may count as done; what was not may not. */
		check_that(c,
		    !world_holds(world_log(), SPAN(" end=done ")) ||
			world_holds(world.body, SPAN("message_stop\"}")),
		    "done after %zu bytes", at);
		if (c->why[0])
			return;
	}
}

static void
row_leave_whole(struct check *c)
{
	static const struct replay good = {
		.status = 200, .headers = JSON_HEADERS, .body = SPAN(MESSAGE)
	};
	static const struct replay bad = {
		.status = 400, .headers = JSON_HEADERS, .body = SPAN(ERROR("invalid_request_error"))
	};

	check_row(c, "the client is gone when a whole answer comes: it is metered");
	world_begin("POST", "/v1/messages", WHOLE("plain"));
	front_mem.leave = LEAVE_SEEN;
	front_mem.left = true;
	world_answers(&good, 1);
	world_run();
	world_expect_end("client-gone");
	world_expect_booked("input_tokens", "11");
	world_expect_booked("output_tokens", "7");
	check_row(c, "the client is gone when an error comes");
	world_begin("POST", "/v1/messages", WHOLE("plain"));
	front_mem.leave = LEAVE_SEEN;
	front_mem.left = true;
	world_answers(&bad, 1);
	world_run();
	check_that(c, store_mem.appended == 1, "%u ledger lines", store_mem.appended);
	check_row(c, "the client leaves while the models are listed");
	world_begin("GET", "/v1/models", SPAN(""));
	front_mem.leave = LEAVE_SEEN;
	front_mem.left = true;
	world_run();
	world_expect_end("client-gone");
}

/* The message is complete and the client has it: that it then leaves is its good right. */
static void
row_leave_behind(struct check *c)
{
	check_row(c, "the client leaves behind message_stop: the call is done");
	world_begin("POST", "/v1/messages", STREAM("plain"));
	front_mem.leave = LEAVE_SEEN;
	clock_mem_plan(200, front_mem_leave);
	world_answers(&done_and_open, 1);
	world_run();
	world_expect_end("done");
	world_expect_booked("output_tokens", "7");
	world_expect_booked("total_ms", "200");
}

/* A client that the front cannot watch. */
static void
row_blind(struct check *c)
{
	check_row(c, "a front that cannot watch");
	world_begin("POST", "/v1/messages", STREAM("plain"));
	front_mem.leave = LEAVE_WRITES;
	front_mem_close(0);
	clock_mem_plan(9000, front_mem_leave);
	world_answers(&two_events, 1);
	world_run();
	world_expect_end("client-gone");
	world_expect_booked("total_ms", "23000");
}

/* The process stops and the time for running calls is over. */
static const struct {
	const char *what;
	struct span body;
	const struct replay *answer;
	int64_t at_ms;
	int status;
	const char *type; /* in an event when the status is 200; NULL: none */
	const char *end;
} cuts[] = {
	{ "before the head", STREAM("both"), &silent, 2000, 529, "overloaded_error", "draining" },
	{ "a call that is no stream", WHOLE("both"), &silent, 2000, 529, "overloaded_error",
	    "draining" },
	{ "in the middle of a whole answer", WHOLE("both"), &silent_body, 2000, 529,
	    "overloaded_error", "draining" },
	{ "after the first ping", STREAM("both"), &silent, 7000, 200, "overloaded_error",
	    "draining" },
	{ "between events", STREAM("both"), &two_events, 2000, 200, "overloaded_error",
	    "draining" },
	{ "within an event", STREAM("both"), &half_event, 2000, 200, "overloaded_error",
	    "draining" },
	{ "behind message_stop", STREAM("both"), &done_and_open, 200, 200, NULL, "done" },
	{ "echo at its pace", STREAM("slow"), NULL, 9000, 200, "overloaded_error", "draining" },
	{ "echo before its first word", WHOLE("slow"), NULL, 1000, 529, "overloaded_error",
	    "draining" },
};

static void
row_cut(struct check *c, size_t i)
{
	char total[24];

	check_row(c, "cut: %s", cuts[i].what);
	world_begin("POST", "/v1/messages", cuts[i].body);
	clock_mem_plan(cuts[i].at_ms, world_cut);
	world_answers(cuts[i].answer, cuts[i].answer ? 1 : 0);
	world_run();
	world_expect_end(cuts[i].end);
	(void)snprintf(total, sizeof(total), "%d", (int)cuts[i].at_ms);
	world_expect_booked("total_ms", total);
	check_that(c, replay.requests_n <= 1, "another target was asked");
	check_that(c, !cuts[i].answer || replay.requests[0].stopped, "the upstream goes on");
	if (cuts[i].status != 200) {
		world_expect(cuts[i].status, cuts[i].type);
		check_same(c, world_header("retry-after"), SPAN("1"));
		return;
	}
	world_expect(200, NULL);
	check_that(c,
	    (cuts[i].type != NULL) == world_holds(world.body, SPAN("event: error\ndata: ")),
	    "'%.*s'", (int)world.body.n, world.body.p);
	check_that(
	    c, !cuts[i].type || world_holds(world.body, span_of(cuts[i].type)), "another type");
}

static void
row_cut_before(struct check *c)
{
	check_row(c, "cut before the call began");
	world_begin("POST", "/v1/messages", STREAM("both"));
	world_cut();
	world_answers(&silent, 1);
	world_run();
	world_expect(529, "overloaded_error");
	check_row(c, "and the next call is whole again");
	world_begin("POST", "/v1/messages", STREAM("said"));
	world_run();
	world_expect(200, NULL);
}

/* Echo is cancelled like any other upstream. */
static void
row_leave_echo(struct check *c)
{
	check_row(c, "the client leaves an echo at its pace");
	world_begin("POST", "/v1/messages", STREAM("slow"));
	front_mem.leave = LEAVE_SEEN;
	clock_mem_plan(9000, front_mem_leave);
	world_run();
	world_expect_end("client-gone");
	world_expect_booked("total_ms", "9000");
}

int
main(void)
{
	struct check c = { .module = "leaving" };

	world_open(&c);
	for (size_t i = 0; i < ROWS(rows); i++)
		row_leave(&c, i);
	row_leave_anywhere(&c, LEAVE_SEEN);
	row_leave_anywhere(&c, LEAVE_WRITES);
	row_leave_whole(&c);
	row_leave_behind(&c);
	row_blind(&c);
	for (size_t i = 0; i < ROWS(cuts); i++)
		row_cut(&c, i);
	row_cut_before(&c);
	row_leave_echo(&c);
	return world_close();
}
