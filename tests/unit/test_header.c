/* header: names out of CGI variables, what passes the gate, tokens, media types, escapes. */
#include "wire/header.h"

#include "unit/check.h"
#include "unit/guard.h"

static const struct {
	const char *in, *want; /* NULL: no header */
} params[] = {
	{ "HTTP_X_API_KEY", "x-api-key" },
	{ "HTTP_ANTHROPIC_BETA", "anthropic-beta" },
	{ "HTTP_X_STAINLESS_OS", "x-stainless-os" },
	{ "HTTP_ACCEPT", "accept" },
	{ "CONTENT_TYPE", "content-type" },
	{ "CONTENT_LENGTH", "content-length" },
	{ "HTTP_X1-y", "x1-y" },
	{ "HTTP_", NULL },
	{ "HTTP", NULL },
	{ "http_accept", NULL },
	{ "HTTPS", NULL },
	{ "CONTENT_TYPES", NULL },
	{ "REDIRECT_HTTP_AUTHORIZATION", NULL },
	{ "REQUEST_METHOD", NULL },
	{ "HTTP_A:B", NULL },
	{ "HTTP_A B", NULL },
	{ "HTTP_A\t", NULL },
	{ "", NULL },
};

static const struct {
	const char *name;
	bool forward, relay;
} names[] = {
	{ "content-type", false, true },
	{ "accept", true, false },
	{ "user-agent", true, false },
	{ "anthropic-version", true, true },
	{ "anthropic-beta", true, true },
	{ "x-stainless-retry-count", true, false },
	{ "x-claude-code-session-id", true, false },
	{ "x-app", true, false },
	{ "traceparent", true, false },
	{ "tracestate", true, false },
	{ "retry-after", false, true },
	{ "retry-after-ms", false, true },
	{ "x-should-retry", false, true },
	{ "anthropic-ratelimit-tokens-limit", true, false },
	{ "anthropic-organization-id", true, false },
	{ "anthropic-workspace-id", true, false },
	{ "anthropic-priority-input-tokens-limit", true, false },
	{ "anthropic-fast-input-tokens-limit", true, false },
	{ "authorization", false, false },
	{ "x-api-key", false, false },
	{ "cookie", false, false },
	{ "set-cookie", false, false },
	{ "proxy-authorization", false, false },
	{ "host", false, false },
	{ "connection", false, false },
	{ "transfer-encoding", false, false },
	{ "content-length", false, false },
	{ "content-encoding", false, false },
	{ "accept-encoding", false, false },
	{ "x-forwarded-for", false, false },
	{ "proxy", false, false },
	{ "server", false, false },
	{ "x-apps", false, false },
	{ "content-type2", false, false },
	{ "anthropic", false, false },
	{ "", false, false },
};

static const struct {
	const char *in, *want; /* NULL: none */
} bearers[] = {
	{ "Bearer abc", "abc" },
	{ "bearer abc", "abc" },
	{ "BEARER \t abc ", "abc" },
	{ " Bearer abc=", "abc=" },
	{ "Bearer", NULL },
	{ "Bearer ", NULL },
	{ "Bearerabc", NULL },
	{ "Bearer a b", NULL },
	{ "Basic abc", NULL },
	{ "abc", NULL },
	{ "", NULL },
};

static const struct {
	const char *in, *type;
	bool want;
} types[] = {
	{ "text/event-stream", "text/event-stream", true },
	{ "text/event-stream; charset=utf-8", "text/event-stream", true },
	{ "Text/Event-Stream;charset=utf-8", "text/event-stream", true },
	{ " application/json ; x", "application/json", true },
	{ "application/json2", "application/json", false },
	{ "application/jso", "application/json", false },
	{ "text/html", "application/json", false },
	{ "; application/json", "application/json", false },
	{ "", "application/json", false },
};

static const struct {
	const char *in, *want; /* NULL: refused */
} escapes[] = {
	{ "claude-x", "claude-x" },
	{ "", "" },
	{ "a%2Fb%2fc", "a/b/c" },
	{ "%41%c3%a4", "A\xc3\xa4" },
	{ "a+b", "a+b" },
	{ "100%25", "100%" },
	{ "%", NULL },
	{ "%4", NULL },
	{ "a%4", NULL },
	{ "%4g", NULL },
	{ "%g4", NULL },
	{ "%%41", NULL },
	{ "a%00b", NULL },
};

static void
rows_params(struct check *c, const struct guard *g)
{
	char out[HEADER_NAME_LEN], big[300] = "HTTP_";

	for (size_t i = 0; i < ROWS(params); i++) {
		int rc = header_of_param(guard_put(g, span_of(params[i].in)), out);

		check_row(c, "variable %.14s", params[i].in);
		check_that(c, (rc == 0) == (params[i].want != NULL), "verdict %d", rc);
		if (rc == 0)
			check_same(c, span_of(out), span_of(params[i].want));
	}
	memset(big + 5, 'A', sizeof(big) - 5);
	check_row(c, "the longest name, and one letter more");
	check_that(c, header_of_param((struct span){ big, 5 + HEADER_NAME_LEN - 1 }, out) == 0,
	    "does not fit");
	check_that(c, strlen(out) == HEADER_NAME_LEN - 1, "length %zu", strlen(out));
	check_that(c, header_of_param((struct span){ big, 5 + HEADER_NAME_LEN }, out) < 0, "fits");
}

static void
rows_gate(struct check *c)
{
	for (size_t i = 0; i < ROWS(names); i++) {
		struct span name = span_of(names[i].name);

		check_row(c, "header '%s'", names[i].name);
		check_that(c, header_forward(name) == names[i].forward, "to the upstream");
		check_that(c, header_relay(name) == names[i].relay, "to the client");
	}
}

static void
rows_bearers(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(bearers); i++) {
		struct span got = header_bearer(guard_put(g, span_of(bearers[i].in)));

		check_row(c, "authorization '%s'", bearers[i].in);
		check_that(c, !got.p == !bearers[i].want, "there or not");
		check_same(c, got, span_of(bearers[i].want));
	}
}

static void
rows_escapes(struct check *c, const struct guard *g)
{
	char out[64];

	for (size_t i = 0; i < ROWS(escapes); i++) {
		int rc = header_unescape(guard_put(g, span_of(escapes[i].in)), out);

		check_row(c, "segment '%s'", escapes[i].in);
		check_that(c, (rc == 0) == (escapes[i].want != NULL), "verdict %d", rc);
		if (rc == 0)
			check_same(c, span_of(out), span_of(escapes[i].want));
	}
	check_row(c, "a segment with a raw zero byte");
	check_that(c, header_unescape(SPAN("a\0b"), out) < 0, "taken");
}

static void
row_values(struct check *c)
{
	check_row(c, "a value that could split a header is refused");
	check_that(c, header_value_ok(SPAN("a b\tc \xc3\xa4")), "a good one is refused");
	check_that(c, header_value_ok(SPAN("")), "the empty one is refused");
	check_that(c, !header_value_ok(SPAN("a\r\nb: c")), "CRLF");
	check_that(c, !header_value_ok(SPAN("a\nb")), "LF");
	check_that(c, !header_value_ok(SPAN("a\0")), "a zero byte");
	check_that(c, !header_value_ok(SPAN("a\x7f")), "DEL");
}

static void
rows_put(struct check *c)
{
	struct buf out = buf_make(16);

	check_row(c, "a line");
	check_that(c, header_put(&out, SPAN("a"), SPAN("b c")) == 0, "refused");
	check_same(c, buf_span(&out), SPAN("a: b c\0"));
	check_row(c, "a line that would be two");
	check_that(c, header_put(&out, SPAN("a"), SPAN("b\r\nc: d")) < 0, "taken");
	check_same(c, buf_span(&out), SPAN("a: b c\0"));
	check_row(c, "a line without room");
	check_that(c, header_put(&out, SPAN("name"), SPAN("value")) < 0, "taken");
	buf_free(&out);
}

#define NOW_S 1795284000 /* Sat, 21 Nov 2026 18:00:00 GMT */

static const struct {
	const char *lines;
	int64_t want;
} waits[] = {
	{ "", -1 },
	{ "content-type: a\r\nretry-after: 7\r\n", 7000 },
	{ "retry-after: 0\r\n", 0 },
	{ "retry-after: 1.5\r\n", 1000 },
	{ "retry-after: 7\r\nretry-after-ms: 250\r\n", 250 },
	{ "retry-after-ms: 250.75\r\n", 250 },
	{ "retry-after-ms: x\r\nretry-after: 2\r\n", 2000 },
	{ "retry-after: 3601\r\n", -1 },
	{ "retry-after: -1\r\n", -1 },
	{ "retry-after: Sat, 21 Nov 2026 18:00:30 GMT\r\n", 30000 },
	{ "retry-after: Sat, 21 Nov 2026 17:00:00 GMT\r\n", 0 },
	{ "retry-after: Sat, 21 Nov 2026 19:00:01 GMT\r\n", -1 },
	{ "retry-after: soon\r\n", -1 },
	{ "x-retry-after: 7\r\n", -1 },
};

static void
rows_waits(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(waits); i++) {
		int64_t got;

		check_row(c, "how long to wait: '%.40s'", waits[i].lines);
		got = header_retry_after(guard_put(g, span_of(waits[i].lines)), NOW_S);
		check_that(c, got == waits[i].want, "%lld", (long long)got);
	}
}

int
main(void)
{
	struct check c = { .module = "header" };
	struct guard g = guard_make();

	rows_params(&c, &g);
	rows_gate(&c);
	rows_bearers(&c, &g);
	for (size_t i = 0; i < ROWS(types); i++) {
		check_row(&c, "media type '%s'", types[i].in);
		check_that(&c,
		    header_is_type(guard_put(&g, span_of(types[i].in)), span_of(types[i].type)) ==
			types[i].want,
		    "not so");
	}
	rows_escapes(&c, &g);
	row_values(&c);
	rows_waits(&c, &g);
	guard_free(&g);
	rows_put(&c);
	return check_end(&c);
}
