/* limits: what a client is told of its limits, when it is refused, and what is settled when a call
 * ends. The rule itself is tried by the unit tests of admission. */
#include "call/world.h"

#include "base/num.h"

#define ASK    WORLD_BODY("plain", "")
#define STREAM WORLD_BODY("plain", WORLD_STREAM)
#define COUNT  "/v1/messages/count_tokens"
#define GOOD                                                                  \
	{                                                                     \
		.status = 200, .headers = JSON_HEADERS, .body = SPAN(MESSAGE) \
	}
#define GOOD_STREAM                                                            \
	{                                                                      \
		.status = 200, .headers = STREAM_HEADERS, .body = SPAN(EV_ALL) \
	}
#define CUT_STREAM                                              \
	{                                                       \
		.status = 200, .headers = STREAM_HEADERS,       \
		.body = SPAN(EV_START EV_BLOCK EV_TEXT EV_TEXT) \
	}
#define FAMILIES 4

/* Input 1, output 2, cache writes 3 and 4, cache read 5 dollars per million tokens. */
static const char limits_conf[] =
    "keys = \"/nowhere/keys\"\nstate = \"%s\"\nretry_s = 0\ncooldown_s = 0\nauth_failures_minute = 0\ncommit_s = 5\nping_s = 10\nupstream_idle_s = 35\n"
    "upstream \"one\" { kind = \"anthropic\" url = \"https://one.test\" api_key_env = \"WORLD_ONE\" any_model = true }\n"
    "model \"plain\" { target \"one\" { } price = { 1, 2, 3, 4, 5 } }\n"
    "workspace \"default\" { rpm = 3 tpm = 1000 }\n"
    "workspace \"narrow\" { rpm = 0 tpm = 0 budget_month = 0.01 }\n"
    "workspace \"nowhere\" { rpm = 0 tpm = 0 concurrent = 1 }\n";

static const char *const families[FAMILIES] = { "requests", "tokens", "input-tokens",
	"output-tokens" };

static struct span
limit_header(const char *family, const char *what)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "anthropic-ratelimit-%s-%s", family, what);
	return world_header(name);
}

static void
expect_header(const char *name, const char *value)
{
	struct span got = world_header(name);

	check_that(world.check, span_eq(got, span_of(value)), "%s is '%.*s', not '%s'", name,
	    (int)got.n, got.n ? got.p : "", value);
}

/* All twelve headers are there, once, in their form. */
static void
expect_gauges(const char *requests_left)
{
	struct check *c = world.check;
	int64_t at;
	uint64_t n;

	for (size_t i = 0; i < FAMILIES; i++) {
		check_that(c, num_u64(limit_header(families[i], "limit"), UINT64_MAX, &n) == 0,
		    "%s: no limit", families[i]);
		check_that(c, num_u64(limit_header(families[i], "remaining"), n, &n) == 0,
		    "%s: nothing remaining, or more than the limit", families[i]);
		check_that(c, num_date(limit_header(families[i], "reset"), &at) == 0,
		    "%s: no reset", families[i]);
	}
	expect_header("anthropic-ratelimit-requests-limit", "3");
	expect_header("anthropic-ratelimit-requests-remaining", requests_left);
	expect_header("anthropic-ratelimit-tokens-limit", "1000");
	check_that(c, world_header_count("anthropic-ratelimit-requests-limit") == 1,
	    "the upstream's own stands beside it");
}

static void
row_answers(struct check *c)
{
	static const struct {
		const char *what;
		const char *uri;
		struct span body;
		struct replay answer;
		int status;
	} rows[] = {
		{ "a message", "/v1/messages", ASK, GOOD, 200 },
		{ "a stream", "/v1/messages", STREAM, GOOD_STREAM, 200 },
		{ "a count", COUNT, ASK,
		    { .status = 200,
			.headers = JSON_HEADERS,
			.body = SPAN("{\"input_tokens\":9}") },
		    200 },
		{ "an error of the upstream", "/v1/messages", ASK,
		    { .status = 529,
			.headers =
			    JSON_HEADERS "anthropic-ratelimit-requests-limit: 77\nretry-after: 9\n",
			.body = SPAN(ERROR("overloaded_error")) },
		    529 },
		{ "an answer with limits of the upstream's", "/v1/messages", ASK,
		    { .status = 200,
			.headers = JSON_HEADERS "anthropic-ratelimit-tokens-limit: 77\n",
			.body = SPAN(MESSAGE) },
		    200 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		check_row(c, "limits stand in the head of %s", rows[i].what);
		world_begin("POST", rows[i].uri, rows[i].body);
		world_answers(&rows[i].answer, 1);
		world_run();
		world_expect(rows[i].status, NULL);
		expect_gauges("2");
		check_that(c, store_mem.settled == 1, "not settled");
		world_expect_booked("requests_left", "2");
	}
}

static void
row_requests(struct check *c)
{
	static const struct replay good[] = { GOOD, GOOD, GOOD, GOOD };

	check_row(c, "the fourth request of a minute is refused and says for how long");
	world_begin("POST", "/v1/messages", ASK);
	store_mem.state.meter[SCOPE_WORKSPACE].requests =
	    (struct bucket){ .level = 59000, .at_ms = clock_wall_ms() };
	world_answers(good, 1);
	world_run();
	world_expect(429, "rate_limit_error");
	expect_header("retry-after", "1");
	expect_header("retry-after-ms", "334");
	expect_gauges("0");
	check_that(c,
	    world_holds(world.body, SPAN("3 requests per minute of workspace default")) &&
		world_holds(world.body, SPAN("model plain")),
	    "the message is '%.*s'", (int)world.body.n, world.body.p);
	check_that(c, world_header("x-should-retry").p == NULL, "a retry would help");
	check_that(c, replay.requests_n == 0, "the upstream was asked");
	world_expect_booked("end", "\"limit\"");
	world_expect_booked("limit", "\"workspace requests\"");
	world_expect_booked("status", "429");
}

static void
row_tokens(struct check *c)
{
	check_row(c, "too many tokens are refused, and the message says how many");
	world_begin("POST", "/v1/messages", ASK);
	store_mem.state.meter[SCOPE_WORKSPACE].tokens =
	    (struct bucket){ .level = 1, .at_ms = clock_wall_ms() };
	world_run();
	world_expect(429, "rate_limit_error");
	world_expect_booked("limit", "\"workspace tokens\"");
	world_expect_booked("tokens_left", "0");
	check_that(c, world_holds(world.body, SPAN("1000 tokens per minute")), "'%.*s'",
	    (int)world.body.n, world.body.p);

	check_row(c, "a count of tokens takes none");
	world_begin("POST", COUNT, ASK);
	store_mem.state.meter[SCOPE_WORKSPACE].tokens =
	    (struct bucket){ .level = 1, .at_ms = clock_wall_ms() };
	world_answers(
	    &(const struct replay){
		.status = 200, .headers = JSON_HEADERS, .body = SPAN("{\"input_tokens\":9}") },
	    1);
	world_run();
	world_expect(200, NULL);
	world_expect_booked("reserved_tokens", "0");
	world_expect_booked("cost_usd", "0.000000000");
}

static void
row_settled(struct check *c)
{
	static const struct replay good = GOOD;
	static const struct replay cut = CUT_STREAM;
	static const struct replay refused = {
		.status = 400, .headers = JSON_HEADERS, .body = SPAN(ERROR("invalid_request_error"))
	};

	check_row(c, "what was used is settled and what it cost is booked");
	world_begin("POST", "/v1/messages", ASK);
	world_answers(&good, 1);
	world_run();
	/* Cache reads do not count against tokens a minute. */
	check_that(
	    c, store_mem.used.tokens == 11 + 7 + 5, "%u tokens", (unsigned)store_mem.used.tokens);
	/* 11 at 1, 7 at 2, 3 at 3 and 2 at 4 for cache writes, 3 at 5, in millionths. */
	world_expect_booked("cost_usd", "0.000057000");
	world_expect_booked("cut", "false");
	world_expect_booked("day", "\"2026-11-21\"");

	check_row(c, "an error of the upstream costs nothing and gives everything back");
	world_begin("POST", "/v1/messages", ASK);
	world_answers(&refused, 1);
	world_run();
	check_that(c, store_mem.settled == 1 && store_mem.used.tokens == 0, "%u tokens",
	    (unsigned)store_mem.used.tokens);
	check_that(c, store_mem.state.meter[SCOPE_WORKSPACE].tokens.level == INT64_C(60000) * 1000,
	    "tokens are missing");

	check_row(c, "a stream that is cut is booked with what went by, and flagged");
	world_begin("POST", "/v1/messages", STREAM);
	world_answers(&cut, 1);
	world_run();
	world_expect_booked("cut", "true");
	world_expect_booked("estimated", "true");
	world_expect_booked("input_tokens", "11");
	check_that(c, store_mem.used.tokens > 11 + 1, "the text that went by is not counted");
	check_that(c, store_mem.used.nanousd > 0, "it cost nothing");
}

/* The reservation is the whole body at the dearest rate and all of max_tokens. */
static void
row_budget(struct check *c)
{
	static const struct replay good = GOOD;

	check_row(c, "a call that may cost more than what is left is refused for good");
	world_begin("POST", "/v1/messages", ASK);
	front_mem_param("HTTP_X_API_KEY", KEY_NARROW);
	store_mem.state.account[SCOPE_WORKSPACE].month =
	    (struct admission_purse){ .period = period_month(period_day(clock_wall_ms())),
		    .spent = 9990000 };
	world_run();
	world_expect(429, "billing_error");
	expect_header("x-should-retry", "false");
	check_that(c, world_header("retry-after").p == NULL, "it says to come back");
	check_that(c,
	    world_holds(world.body, SPAN("$0.01 per month of workspace narrow")) &&
		world_holds(world.body, SPAN("$0.000010000 of it is left")) &&
		world_holds(world.body, SPAN("2026-12-01T00:00:00Z")),
	    "the message is '%.*s'", (int)world.body.n, world.body.p);
	world_expect_booked("end", "\"budget\"");
	world_expect_booked("limit", "\"workspace month\"");

	check_row(c, "one that fits is let in, and reserves the most it can cost");
	world_begin("POST", "/v1/messages", ASK);
	front_mem_param("HTTP_X_API_KEY", KEY_NARROW);
	world_answers(&good, 1);
	world_run();
	world_expect(200, NULL);
	check_that(c, store_mem.state.account[SCOPE_WORKSPACE].month.spent == 57000, "%u are spent",
	    (unsigned)store_mem.state.account[SCOPE_WORKSPACE].month.spent);
	check_that(c, store_mem.state.account[SCOPE_WORKSPACE].month.reserved == 0,
	    "some is still reserved");
	check_that(c, store_mem.ask.nanousd >= 200000, "too little was reserved");

	check_row(c, "a model without a price is refused where a budget applies");
	world_begin("POST", "/v1/messages", WORLD_BODY("priceless", ""));
	front_mem_param("HTTP_X_API_KEY", KEY_NARROW);
	world_run();
	world_expect(500, "api_error");
	expect_header("x-should-retry", "false");
	world_expect_booked("end", "\"unpriced\"");
	check_that(c, store_mem.taken == 0, "it was let in");

	check_row(c, "and costs nothing where none does");
	world_begin("POST", "/v1/messages", WORLD_BODY("priceless", ""));
	world_answers(&good, 1);
	world_run();
	world_expect(200, NULL);
	world_expect_booked("cost_usd", "0.000000000");
}

static void
row_concurrent(struct check *c)
{
	check_row(c, "a call above the number of calls at once is refused for a second");
	world_begin("POST", "/v1/messages", ASK);
	front_mem_param("HTTP_X_API_KEY", KEY_NOWHERE);
	store_mem.state.account[SCOPE_WORKSPACE].running = store_mem.running_before = 1;
	world_run();
	world_expect(429, "rate_limit_error");
	expect_header("retry-after", "1");
	world_expect_booked("limit", "\"workspace concurrent\"");
	check_that(c, world_holds(world.body, SPAN("1 calls at once")), "'%.*s'", (int)world.body.n,
	    world.body.p);
}

static void
row_store(struct check *c)
{
	check_row(c, "a store that cannot be read lets nobody in");
	world_begin("POST", "/v1/messages", ASK);
	store_mem.take_answers = STORE_BROKEN;
	world_run();
	world_expect(503, "api_error");
	check_that(c, replay.requests_n == 0, "the upstream was asked");

	check_row(c, "one that is away asks to come back");
	world_begin("POST", "/v1/messages", ASK);
	store_mem.take_answers = STORE_AWAY;
	world_run();
	world_expect(529, "overloaded_error");
	expect_header("retry-after", "1");
	world_expect_booked("end", "\"store-away\"");

	check_row(c, "also when it cannot tell whose key it is");
	world_begin("POST", "/v1/messages", ASK);
	store_mem.answers = STORE_AWAY;
	world_run();
	world_expect(529, "overloaded_error");
}

int
main(void)
{
	struct check c = { .module = "limits" };

	world_open(&c);
	world_configure(limits_conf);
	row_answers(&c);
	row_requests(&c);
	row_tokens(&c);
	row_settled(&c);
	row_budget(&c);
	row_concurrent(&c);
	row_store(&c);
	return world_close();
}
