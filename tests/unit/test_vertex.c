/* vertex: where a request goes and what of it changes, and every error that Google knows. */
#include "upstream/vertex.h"

#include "unit/asking.h"
#include "unit/guard.h"

#define BODY	"{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{}]}"
#define STREAM	"{\"stream\":true,\"model\":\"m\",\"max_tokens\":5,\"messages\":[{}]}"
#define VERSION "\"anthropic_version\":\"vertex-2023-10-16\""
#define BODIES	3000
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

/* Of a random body the model goes, and the stream stays. */
static void
row_random(struct check *c)
{
	uint64_t state = 20260922;

	check_row(c, "body: %d at random", BODIES);
	for (int i = 0; i < BODIES; i++) {
		struct buf want = buf_make(64 * KIB), got = buf_make(64 * KIB);
		struct asking_body b;
		struct asking a;
		enum fault f;
		int rc = buf_add(&want, SPAN("{" VERSION));

		asking_random(&b, &state);
		asking_open(&a, buf_span(&b.text), OP_MESSAGES, "m");
		a.upstream.url = url;
		a.upstream.google_project = project;
		a.upstream.google_location = location;
		f = asking_make(&a, &kind_vertex);
		check_that(c, f == FAULT_NONE, "%s", fault_row(f)->name);
		for (size_t k = 0; k < b.n && !rc; k++)
			if (!span_starts(buf_span(&b.compact[k]), SPAN("\"model\":")))
				rc = buf_add(&want, SPAN(",")) ||
				    buf_add(&want, buf_span(&b.compact[k]));
		rc = rc || buf_add(&want, SPAN("}"));
		assert(rc == 0);
		asking_compact(buf_span(&a.body), &got);
		check_same(c, buf_span(&got), buf_span(&want));
		buf_free(&want);
		buf_free(&got);
		asking_close(&a);
		asking_random_free(&b);
	}
}

#define GOOGLE(code, status) \
	"{\"error\":{\"code\":" #code ",\"message\":\"words\",\"status\":\"" status "\"}}"

static const struct {
	int status;
	struct span body;
	enum fault fault;
	int want;
	const char *kind, *message; /* message NULL: any */
} errors[] = {
	{ 400, SPAN(GOOGLE(400, "INVALID_ARGUMENT")), FAULT_UP_ERROR, 400, "invalid_request_error",
	    "words" },
	{ 400, SPAN("[" GOOGLE(400, "FAILED_PRECONDITION") "]"), FAULT_UP_ERROR, 400,
	    "invalid_request_error", "words" },
	{ 400, SPAN("\n[ " GOOGLE(400, "OUT_OF_RANGE") "\n]\n"), FAULT_UP_ERROR, 400,
	    "invalid_request_error", "words" },
	{ 401, SPAN(GOOGLE(401, "UNAUTHENTICATED")), FAULT_UP_CREDENTIAL, 502, "api_error", NULL },
	{ 403, SPAN(GOOGLE(403, "PERMISSION_DENIED")), FAULT_UP_CREDENTIAL, 502, "api_error",
	    NULL },
	{ 403, SPAN("<html>"), FAULT_UP_CREDENTIAL, 502, "api_error", NULL },
	{ 404, SPAN(GOOGLE(404, "NOT_FOUND")), FAULT_UP_ERROR, 404, "not_found_error", "words" },
	{ 409, SPAN(GOOGLE(409, "ABORTED")), FAULT_UP_ERROR, 500, "api_error", "words" },
	{ 429, SPAN(GOOGLE(429, "RESOURCE_EXHAUSTED")), FAULT_UP_ERROR, 429, "rate_limit_error",
	    "words" },
	{ 429, SPAN("[" GOOGLE(429, "RESOURCE_EXHAUSTED") "]"), FAULT_UP_ERROR, 429,
	    "rate_limit_error", "words" },
	{ 499, SPAN(GOOGLE(499, "CANCELLED")), FAULT_UP_ERROR, 500, "api_error", "words" },
	{ 500, SPAN(GOOGLE(500, "INTERNAL")), FAULT_UP_ERROR, 500, "api_error", "words" },
	{ 500, SPAN(GOOGLE(500, "UNKNOWN")), FAULT_UP_ERROR, 500, "api_error", "words" },
	{ 503, SPAN(GOOGLE(503, "UNAVAILABLE")), FAULT_UP_ERROR, 529, "overloaded_error", "words" },
	{ 504, SPAN(GOOGLE(504, "DEADLINE_EXCEEDED")), FAULT_UP_ERROR, 504, "timeout_error",
	    "words" },
	{ 503, SPAN("busy"), FAULT_UP_ERROR, 529, "overloaded_error", NULL },
	{ 400,
	    SPAN(
		"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\"}}"),
	    FAULT_UP_ERROR, 400, "invalid_request_error", "m" },
	{ 200,
	    SPAN(
		"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}"),
	    FAULT_UP_ERROR, 529, "overloaded_error", "m" },
	{ 400, SPAN("[]"), FAULT_UP_ERROR, 400, "invalid_request_error", NULL },
	{ 400, SPAN(""), FAULT_UP_ERROR, 400, "invalid_request_error", NULL },
};

static void
rows_errors(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(errors); i++) {
		struct refusal r = { 0 };
		struct complaint said = { .status = errors[i].status,
			.body = guard_put(g, errors[i].body) };

		check_row(c, "error: %d '%.*s'", errors[i].status, (int)errors[i].body.n,
		    errors[i].body.p);
		kind_vertex.refusal(&said, &r);
		check_that(c, r.fault == errors[i].fault, "%s", fault_row(r.fault)->name);
		check_that(c, refusal_status(&r) == errors[i].want, "%d", refusal_status(&r));
		check_same(c, span_of(refusal_type(&r)), span_of(errors[i].kind));
		if (errors[i].message)
			check_same(c, span_of(refusal_message(&r)), span_of(errors[i].message));
	}
}

int
main(void)
{
	struct check c = { .module = "vertex" };
	struct guard g = guard_make();

	rows_requests(&c);
	row_headers(&c);
	row_random(&c);
	rows_errors(&c, &g);
	guard_free(&g);
	return check_end(&c);
}
