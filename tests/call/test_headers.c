/* headers: which of the client's go to the upstream and which of the upstream's come back. */
#include "call/world.h"

static const struct replay plain = { .status = 200,
	.headers = JSON_HEADERS,
	.body = SPAN(MESSAGE) };

static const struct {
	const char *param, *value;
	const char *line; /* at the upstream; NULL: it must not get there */
} forwarded[] = {
	{ "HTTP_ANTHROPIC_VERSION", "2026-10-21", "anthropic-version: 2026-10-21" },
	{ "HTTP_ANTHROPIC_BETA", "a-1,b-2,  c", "anthropic-beta: a-1,b-2,  c" },
	{ "HTTP_ANTHROPIC_DANGEROUS_DIRECT_BROWSER_ACCESS", "true",
	    "anthropic-dangerous-direct-browser-access: true" },
	{ "HTTP_ANTHROPIC_WORKSPACE_ID", "wrkspc", "anthropic-workspace-id: wrkspc" },
	{ "CONTENT_TYPE", "application/json; charset=utf-8", "content-type: application/json" },
	{ "CONTENT_TYPE", "text/plain", "content-type: application/json" },
	{ "CONTENT_TYPE", "", "content-type: application/json" },
	{ "HTTP_CONTENT_TYPE", "text/html", NULL },
	{ "HTTP_ACCEPT", "application/json", "accept: application/json" },
	{ "HTTP_USER_AGENT", "Anthropic/JS 1.12.0", "user-agent: Anthropic/JS 1.12.0" },
	{ "HTTP_X_STAINLESS_RETRY_COUNT", "0", "x-stainless-retry-count: 0" },
	{ "HTTP_X_CLAUDE_CODE_SESSION_ID", "u-1", "x-claude-code-session-id: u-1" },
	{ "HTTP_X_APP", "cli", "x-app: cli" },
	{ "HTTP_TRACEPARENT", "00-1-2-01", "traceparent: 00-1-2-01" },
	{ "HTTP_TRACESTATE", "a=b", "tracestate: a=b" },
	{ "HTTP_USER_AGENT", "tab\there", "user-agent: tab\there" },
	{ "HTTP_USER_AGENT", "caf\xc3\xa9", "user-agent: caf\xc3\xa9" },
	{ "HTTP_AUTHORIZATION", "Bearer " KEY_GOOD, NULL },
	{ "HTTP_PROXY_AUTHORIZATION", "Basic eDp5", NULL },
	{ "HTTP_COOKIE", "a=b", NULL },
	{ "HTTP_HOST", "gate.test", NULL },
	{ "HTTP_CONNECTION", "keep-alive", NULL },
	{ "HTTP_TRANSFER_ENCODING", "chunked", NULL },
	{ "HTTP_ACCEPT_ENCODING", "gzip", NULL },
	{ "HTTP_CONTENT_LENGTH", "5", NULL },
	{ "HTTP_EXPECT", "100-continue", NULL },
	{ "HTTP_X_FORWARDED_FOR", "192.0.2.1", NULL },
	{ "HTTP_BAGGAGE", "a=b", NULL },
	{ "HTTP_X_ANYTHING", "unwanted", NULL },
	{ "HTTP_XANTHROPIC_VERSION", "unwanted", NULL },
	{ "HTTP_X_APPS", "unwanted", NULL },
	{ "ANTHROPIC_API_KEY", "environment", NULL },
	{ "HTTP_USER_AGENT", "a\r\nx-api-key: forged", NULL },
	{ "HTTP_USER_AGENT", "a\nb", NULL },
	{ "HTTP_USER_AGENT", "a\x7f", NULL },
	{ "HTTP_ANTHROPIC_BETA", "a\rb", NULL },
	{ "HTTP_ANTHROPIC_BETA", "", NULL },
	{ "HTTP_X_STAINLESS_A:B", "unwanted", NULL },
	{ "HTTP_X_STAINLESS_A\r\nB", "unwanted", NULL },
};

static void
row_forward(struct check *c, size_t i)
{
	check_row(c, "%s: %s", forwarded[i].param, forwarded[i].value);
	world_begin("POST", "/v1/messages", WORLD_BODY("plain", ""));
	front_mem_param(forwarded[i].param, forwarded[i].value);
	world_answers(&plain, 1);
	world_run();
	world_expect(200, NULL);

	struct span got = buf_span(&replay.requests[0].headers);

	if (forwarded[i].line)
		check_that(
		    c, world_asked_with(0, forwarded[i].line), "not in '%.*s'", (int)got.n, got.p);
	else
		check_that(c,
		    !forwarded[i].value[0] || !world_holds(got, span_of(forwarded[i].value)),
		    "in '%.*s'", (int)got.n, got.p);
	check_that(c, !world_holds(got, SPAN("forged")), "forged");
	check_that(c, world_asked_with(0, "x-api-key: " SECRET_ONE), "no credential");
	check_that(c, !world_holds(got, SPAN("authorization")), "two credentials");
}

static unsigned
lines_of(struct span name)
{
	struct span rest = buf_span(&replay.requests[0].headers);
	struct span line;
	unsigned n = 0;

	while (span_next(&rest, '\n', &line))
		n += span_starts(line, name);
	return n;
}

static void
row_version(struct check *c, const char *value, const char *line)
{
	check_row(c, "anthropic-version %s", value ? value : "not given");
	world_begin("POST", "/v1/messages", WORLD_BODY("plain", ""));
	front_mem_param("HTTP_ANTHROPIC_VERSION", value);
	world_answers(&plain, 1);
	world_run();
	check_that(c, world_asked_with(0, line), "not '%s'", line);
	check_that(c, lines_of(SPAN("anthropic-version")) == 1, "%u times",
	    lines_of(SPAN("anthropic-version")));
}

static void
row_bearer(struct check *c)
{
	check_row(c, "a bearer credential");
	world_begin("POST", "/v1/messages", WORLD_BODY("bearer", ""));
	world_answers(&plain, 1);
	world_run();
	world_expect(200, NULL);
	check_that(c, world_asked_with(0, "authorization: Bearer " SECRET_TWO), "not there");
	check_that(c, lines_of(SPAN("x-api-key")) == 0, "a second one");
}

static const struct {
	const char *what, *model, *uri, *url;
} urls[] = {
	{ "plain", "plain", "/v1/messages", "https://one.test/v1/messages" },
	{ "alias", "plain", "/messages", "https://one.test/v1/messages" },
	{ "beta", "plain", "/api/anthropic/v1/messages?beta=true",
	    "https://one.test/v1/messages?beta=true" },
	{ "another query", "plain", "/v1/messages?beta=true&x=1", "https://one.test/v1/messages" },
	{ "counting", "plain", "/messages/count_tokens?beta=true",
	    "https://one.test/v1/messages/count_tokens?beta=true" },
	{ "a base path", "bearer", "/v1/messages", "https://two.test/base/v1/messages" },
	{ "any model", "ghost", "/v1/messages", "https://any.test/v1/messages" },
};

static void
row_url(struct check *c, size_t i)
{
	char body[256];

	check_row(c, "url: %s", urls[i].what);
	(void)snprintf(body, sizeof(body),
	    "{\"model\":\"%s\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
	    urls[i].model);
	world_begin("POST", urls[i].uri, span_of(body));
	world_answers(&plain, 1);
	world_run();
	world_expect(200, NULL);
	check_same(c, span_of(replay.requests[0].url), span_of(urls[i].url));
	check_same(c, buf_span(&replay.requests[0].body), span_of(body));
}

#define UPSTREAMS_OWN                                                                           \
	"request-id: req_upstream\n"                                                            \
	"anthropic-ratelimit-requests-limit: 50\nanthropic-ratelimit-unified-status: allowed\n" \
	"anthropic-priority-input-tokens-limit: 1\nanthropic-fast-input-tokens-limit: 1\n"      \
	"anthropic-organization-id: org-secret\nanthropic-workspace-id: ws-secret\n"            \
	"set-cookie: a=b\nserver: cloudflare\nconnection: close\ntransfer-encoding: chunked\n"  \
	"content-length: 5\nstatus: 418\nx-anything: 1\nanthropic-note: kept\nretry-after: 7\n" \
	"retry-after-ms: 7000\nx-should-retry: true\n"

static const struct replay answers[] = {
	{ .status = 200,
	    .headers = "content-type: application/json; x=1\n" UPSTREAMS_OWN,
	    .body = SPAN(MESSAGE) },
	{ .status = 201,
	    .headers = "content-type: application/json\n" UPSTREAMS_OWN,
	    .body = SPAN(MESSAGE) },
	{ .status = 400,
	    .headers = "content-type: application/json\n" UPSTREAMS_OWN,
	    .body = SPAN(ERROR("invalid_request_error")) },
	{ .status = 429,
	    .headers = "content-type: application/json\n" UPSTREAMS_OWN,
	    .body = SPAN(ERROR("rate_limit_error")) },
	{ .status = 200,
	    .headers = "content-type: text/event-stream\n" UPSTREAMS_OWN,
	    .body = SPAN(EV_ALL) },
};

static void
row_back(struct check *c, size_t i)
{
	static const char *const never[] = { "ratelimit-unified", "limit: 50\r", "organization",
		"ws-secret", "priority", "fast", "cookie", "cloudflare", "connection",
		"transfer-encoding", "x-anything", "418", "req_upstream" };
	bool stream = span_starts(span_of(answers[i].headers), SPAN("content-type: text"));

	check_row(c, "back: %d%s", answers[i].status, stream ? ", a stream" : "");
	world_begin("POST", "/v1/messages",
	    stream ? WORLD_BODY("plain", WORLD_STREAM) : WORLD_BODY("plain", ""));
	world_answers(&answers[i], 1);
	world_run();
	world_expect(answers[i].status, NULL);
	for (size_t n = 0; n < ROWS(never); n++)
		check_that(c, !world_holds(world.head, span_of(never[n])), "'%s' in '%.*s'",
		    never[n], (int)world.head.n, world.head.p);
	check_same(c, world_header("anthropic-note"), SPAN("kept"));
	check_same(c, world_header("retry-after"), SPAN("7"));
	check_same(c, world_header("retry-after-ms"), SPAN("7000"));
	check_same(c, world_header("x-should-retry"), SPAN("true"));
	world_expect_booked("upstream_request_id", "\"req_upstream\"");
	if (i == 0)
		check_same(c, world_header("content-type"), SPAN("application/json; x=1"));
}

static void
row_many(struct check *c)
{
	char value[8192];

	check_row(c, "more headers than fit are refused, not cut");
	memset(value, 'b', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	world_begin("POST", "/v1/messages", WORLD_BODY("plain", ""));
	for (unsigned i = 0; i < 5; i++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "HTTP_ANTHROPIC_%u", i);
		front_mem_param(name, value);
	}
	world_answers(&plain, 1);
	world_run();
	check_that(c, world.status >= 400 && replay.requests_n == 0, "status %d", world.status);
}

int
main(void)
{
	struct check c = { .module = "headers" };

	world_open(&c);
	for (size_t i = 0; i < ROWS(forwarded); i++)
		row_forward(&c, i);
	row_version(&c, "2023-06-01", "anthropic-version: 2023-06-01");
	row_version(&c, "2026-10-21", "anthropic-version: 2026-10-21");
	row_version(&c, NULL, "anthropic-version: 2023-06-01");
	row_version(&c, "", "anthropic-version: 2023-06-01");
	row_bearer(&c);
	for (size_t i = 0; i < ROWS(urls); i++)
		row_url(&c, i);
	for (size_t i = 0; i < ROWS(answers); i++)
		row_back(&c, i);
	row_many(&c);
	return world_close();
}
