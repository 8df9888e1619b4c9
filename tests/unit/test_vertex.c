/* vertex: where a request goes and what of it changes, and every error that Google knows. */
#include "upstream/vertex.h"

#include "unit/asking.h"

#define BODY	"{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{}]}"
#define STREAM	"{\"stream\":true,\"model\":\"m\",\"max_tokens\":5,\"messages\":[{}]}"
#define VERSION "\"anthropic_version\":\"vertex-2023-10-16\""
#define MODELS	"https://h/v1/projects/p/locations/eu/publishers/anthropic/models/"

static char url[] = "https://h/v1", project[] = "p", location[] = "eu";
static char beta[] = "HTTP_ANTHROPIC_BETA=interleaved-thinking-1, x, tool-search-tool-2",
	    profile[] = "HTTP_ANTHROPIC_USER_PROFILE_ID=up_1",
	    version[] = "HTTP_ANTHROPIC_VERSION=2026-10-21", key[] = "HTTP_X_API_KEY=sk-client",
	    bearer[] = "HTTP_AUTHORIZATION=Bearer sk-client";
static char *const params[] = { beta, profile, version, key, bearer, NULL };

static void
asks(struct asking *a, const char *body, enum op op, const char *model)
{
	asking_open(a, span_of(body), op, model);
	a->upstream.url = url;
	a->upstream.google_project = project;
	a->upstream.google_location = location;
}

static const struct {
	const char *what, *body, *model;
	enum op op;
	const char *url, *want;
} requests[] = {
	{ "a model", BODY, "claude-x@20250929", OP_MESSAGES, MODELS "claude-x@20250929:rawPredict",
	    "{" VERSION ",\"max_tokens\":5,\"messages\":[{}]}" },
	{ "a stream", STREAM, "claude-x", OP_MESSAGES, MODELS "claude-x:streamRawPredict",
	    "{" VERSION ",\"stream\":true,\"max_tokens\":5,\"messages\":[{}]}" },
	{ "an odd name", BODY, "a;b/c:d e", OP_MESSAGES, MODELS "a%3Bb%2Fc%3Ad%20e:rawPredict",
	    "{" VERSION ",\"max_tokens\":5,\"messages\":[{}]}" },
	{ "a version of its own",
	    "{\"model\":\"m\",\"anthropic_version\":\"v\",\"max_tokens\":5,\"messages\":[{}]}",
	    "claude-x", OP_MESSAGES, MODELS "claude-x:rawPredict",
	    "{\"anthropic_version\":\"v\",\"max_tokens\":5,\"messages\":[{}]}" },
	{ "the model at the end", "{\"max_tokens\":5,\"messages\":[{}] , \"model\" : \"m\" }",
	    "claude-x", OP_MESSAGES, MODELS "claude-x:rawPredict",
	    "{" VERSION ",\"max_tokens\":5,\"messages\":[{}]  }" },
	{ "counting", "{\"messages\":[{}],\"model\":\"m\"}", "claude-x@1", OP_COUNT_TOKENS,
	    MODELS "count-tokens:rawPredict",
	    "{" VERSION ",\"messages\":[{}],\"model\":\"claude-x@1\"}" },
};

static void
rows_requests(struct check *c)
{
	for (size_t i = 0; i < ROWS(requests); i++) {
		struct asking a;
		enum fault f;

		check_row(c, "request: %s", requests[i].what);
		asks(&a, requests[i].body, requests[i].op, requests[i].model);
		f = asking_make(&a, &kind_vertex);
		check_that(c, f == FAULT_NONE, "%s", fault_row(f)->name);
		check_same(c, buf_span(&a.request.url), span_of(requests[i].url));
		check_same(c, buf_span(&a.body), span_of(requests[i].want));
		asking_close(&a);
	}
}

static void
row_headers(struct check *c)
{
	struct asking a;
	struct buf got = buf_make(16 * KIB);
	enum fault f;

	check_row(c, "headers");
	asks(&a, STREAM, OP_MESSAGES, "m");
	a.ask.params = params;
	a.ask.secret = SPAN("ya29");
	f = asking_make(&a, &kind_vertex);
	check_that(c, f == FAULT_NONE, "%s", fault_row(f)->name);
	asking_headers(&a, &got);
	check_same(c, buf_span(&got),
	    SPAN(
		"anthropic-user-profile-id: up_1\n"
		"anthropic-beta: interleaved-thinking-1,tool-search-tool-2\n"
		"authorization: Bearer ya29\nx-goog-user-project: p\ncontent-type: application/json\n"));
	check_same(c, buf_span(&a.request.dropped), SPAN("x"));
	check_row(c, "the version that the client asked for");
	check_that(c,
	    span_starts(buf_span(&a.body), SPAN("{\"anthropic_version\":\"2026-10-21\",")), "%.*s",
	    (int)a.body.len, a.body.p);
	buf_free(&got);
	asking_close(&a);
}

static void
row_random(struct check *c)
{
	static const char *const goes[] = { "model", NULL };
	const struct conf_upstream u = {
		.url = url, .google_project = project, .google_location = location
	};

	asking_row_random(c, &kind_vertex, &u, VERSION, goes);
}

#define GOOGLE(code, status) \
	"{\"error\":{\"code\":" #code ",\"message\":\"words\",\"status\":\"" status "\"}}"

static const struct asking_error errors[] = {
	{ 400, "", SPAN(GOOGLE(400, "INVALID_ARGUMENT")), FAULT_UP_ERROR, 400,
	    "invalid_request_error", "words" },
	{ 400, "", SPAN("[" GOOGLE(400, "FAILED_PRECONDITION") "]"), FAULT_UP_ERROR, 400,
	    "invalid_request_error", "words" },
	{ 400, "", SPAN("\n[ " GOOGLE(400, "OUT_OF_RANGE") "\n]\n"), FAULT_UP_ERROR, 400,
	    "invalid_request_error", "words" },
	{ 401, "", SPAN(GOOGLE(401, "UNAUTHENTICATED")), FAULT_UP_CREDENTIAL, 502, "api_error",
	    NULL },
	{ 403, "", SPAN(GOOGLE(403, "PERMISSION_DENIED")), FAULT_UP_CREDENTIAL, 502, "api_error",
	    NULL },
	{ 403, "", SPAN("<html>"), FAULT_UP_CREDENTIAL, 502, "api_error", NULL },
	{ 404, "", SPAN(GOOGLE(404, "NOT_FOUND")), FAULT_UP_ERROR, 404, "not_found_error",
	    "words" },
	{ 409, "", SPAN(GOOGLE(409, "ABORTED")), FAULT_UP_ERROR, 500, "api_error", "words" },
	{ 429, "", SPAN(GOOGLE(429, "RESOURCE_EXHAUSTED")), FAULT_UP_ERROR, 429, "rate_limit_error",
	    "words" },
	{ 429, "", SPAN("[" GOOGLE(429, "RESOURCE_EXHAUSTED") "]"), FAULT_UP_ERROR, 429,
	    "rate_limit_error", "words" },
	{ 499, "", SPAN(GOOGLE(499, "CANCELLED")), FAULT_UP_ERROR, 500, "api_error", "words" },
	{ 500, "", SPAN(GOOGLE(500, "INTERNAL")), FAULT_UP_ERROR, 500, "api_error", "words" },
	{ 500, "", SPAN(GOOGLE(500, "UNKNOWN")), FAULT_UP_ERROR, 500, "api_error", "words" },
	{ 503, "", SPAN(GOOGLE(503, "UNAVAILABLE")), FAULT_UP_ERROR, 529, "overloaded_error",
	    "words" },
	{ 504, "", SPAN(GOOGLE(504, "DEADLINE_EXCEEDED")), FAULT_UP_ERROR, 504, "timeout_error",
	    "words" },
	{ 503, "", SPAN("busy"), FAULT_UP_ERROR, 529, "overloaded_error", NULL },
	{ 400, "",
	    SPAN(
		"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\"}}"),
	    FAULT_UP_ERROR, 400, "invalid_request_error", "m" },
	{ 200, "",
	    SPAN(
		"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}"),
	    FAULT_UP_ERROR, 529, "overloaded_error", "m" },
	{ 400, "", SPAN("[]"), FAULT_UP_ERROR, 400, "invalid_request_error", NULL },
	{ 400, "", SPAN(""), FAULT_UP_ERROR, 400, "invalid_request_error", NULL },
};

int
main(void)
{
	struct check c = { .module = "vertex" };
	struct guard g = guard_make();

	rows_requests(&c);
	row_headers(&c);
	row_random(&c);
	asking_rows_errors(&c, &g, &kind_vertex, errors, ROWS(errors));
	guard_free(&g);
	return check_end(&c);
}
