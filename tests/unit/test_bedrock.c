/* bedrock: where a request goes and what of it changes, frames in pieces of every size, and every
 * error that AWS knows. */
#include "upstream/bedrock.h"

#include <inttypes.h>

#include "base/file.h"
#include "framing.h"
#include "unit/asking.h"

#define VECTORS "tests/unit/vectors/"
#define BODY	"{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{}]}"
#define STREAM	"{\"stream\":true,\"model\":\"m\",\"max_tokens\":5,\"messages\":[{}]}"
#define VERSION "\"anthropic_version\":\"bedrock-2023-05-31\""
#define ARN	"arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a"

static char url[] = "https://h";

/* Where. */

static const struct {
	const char *what, *body, *model;
	enum op op;
	const char *want; /* NULL: refused */
} places[] = {
	{ "a model", BODY, "anthropic.claude-x", OP_MESSAGES,
	    "https://h/model/anthropic.claude-x/invoke" },
	{ "a stream", STREAM, "anthropic.claude-x-v1:0", OP_MESSAGES,
	    "https://h/model/anthropic.claude-x-v1%3A0/invoke-with-response-stream" },
	{ "a profile", BODY, "eu.anthropic.claude-x-v1:0", OP_MESSAGES,
	    "https://h/model/eu.anthropic.claude-x-v1%3A0/invoke" },
	{ "an ARN", BODY, ARN, OP_MESSAGES,
	    "https://h/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3A"
	    "application-inference-profile%2Fa/invoke" },
	{ "a name that would be another path", BODY, "../x", OP_MESSAGES,
	    "https://h/model/..%2Fx/invoke" },
	{ "a dot segment", BODY, "..", OP_MESSAGES, NULL },
	{ "counting", BODY, "anthropic.claude-x-v1:0", OP_COUNT_TOKENS,
	    "https://h/model/anthropic.claude-x-v1%3A0/count-tokens" },
	{ "counting for a profile", BODY, "us-gov.anthropic.claude-x", OP_COUNT_TOKENS,
	    "https://h/model/anthropic.claude-x/count-tokens" },
	{ "counting for an ARN", BODY, ARN, OP_COUNT_TOKENS, NULL },
	{ "counting for a model of others", BODY, "meta.llama", OP_COUNT_TOKENS, NULL },
};

static void
rows_places(struct check *c)
{
	for (size_t i = 0; i < ROWS(places); i++) {
		struct asking a;
		enum fault f;

		check_row(c, "where: %s", places[i].what);
		asking_open(&a, span_of(places[i].body), places[i].op, places[i].model);
		a.upstream.url = url;
		f = asking_make(&a, &kind_bedrock);
		check_that(
		    c, (f == FAULT_NONE) == (places[i].want != NULL), "%s", fault_row(f)->name);
		if (!f)
			check_same(c, buf_span(&a.request.url), span_of(places[i].want));
		asking_close(&a);
	}
}

/* What of the body changes. */

static char beta[] = "HTTP_ANTHROPIC_BETA=interleaved-thinking-1, x, tool-search-tool-\"",
	    profile[] = "HTTP_ANTHROPIC_USER_PROFILE_ID=up_\"1",
	    asks_new[] = "HTTP_ANTHROPIC_VERSION=2026-10-21", key[] = "HTTP_X_API_KEY=sk-client",
	    agent[] = "HTTP_USER_AGENT=sdk/1", bearer[] = "HTTP_AUTHORIZATION=Bearer sk-client";
static char *const params[] = { beta, profile, asks_new, key, agent, bearer, NULL };

static const struct {
	const char *what, *body, *model;
	char *const *params;
	enum op op;
	const char *want;
} bodies[] = {
	{ "nothing special", BODY, "m", asking_no_params, OP_MESSAGES,
	    "{" VERSION ",\"max_tokens\":5,\"messages\":[{}]}" },
	{ "stream before the model", STREAM, "m", asking_no_params, OP_MESSAGES,
	    "{" VERSION ",\"max_tokens\":5,\"messages\":[{}]}" },
	{ "both at the end",
	    "{ \"messages\":[{}], \"max_tokens\": 5 ,\"model\":\"m\", \"stream\":false }", "m",
	    asking_no_params, OP_MESSAGES,
	    "{" VERSION ", \"messages\":[{}], \"max_tokens\": 5  }" },
	{ "one at each end",
	    "{\"model\":\"m\",\"messages\":[{}],\"max_tokens\":5,\"stream\":false}", "m",
	    asking_no_params, OP_MESSAGES, "{" VERSION ",\"messages\":[{}],\"max_tokens\":5}" },
	{ "members of the same names inside",
	    "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"model\":1,\"stream\":2}]}", "m",
	    asking_no_params, OP_MESSAGES,
	    "{" VERSION ",\"max_tokens\":5,\"messages\":[{\"model\":1,\"stream\":2}]}" },
	{ "a name that is escaped", "{\"max_tokens\":5,\"\\u006dodel\":\"m\",\"messages\":[{}]}",
	    "m", asking_no_params, OP_MESSAGES,
	    "{" VERSION ",\"max_tokens\":5,\"messages\":[{}]}" },
	{ "a version of its own",
	    "{\"anthropic_version\":\"v\",\"model\":\"m\",\"max_tokens\":5,\"messages\":[{}]}", "m",
	    params, OP_MESSAGES,
	    "{\"anthropic_beta\":[\"interleaved-thinking-1\",\"tool-search-tool-\\\"\"],"
	    "\"user_profile_id\":\"up_\\\"1\",\"anthropic_version\":\"v\",\"max_tokens\":5,\"messages\":[{}]}" },
	{ "all of them its own",
	    "{\"anthropic_version\":\"v\",\"model\":\"m\",\"max_tokens\":5,\"messages\":[{}],\"anthropic_beta\":[],"
	    "\"user_profile_id\":null}",
	    "m", params, OP_MESSAGES,
	    "{\"anthropic_version\":\"v\",\"max_tokens\":5,\"messages\":[{}],\"anthropic_beta\":[],"
	    "\"user_profile_id\":null}" },
	{ "the model alone goes",
	    "{\"model\":\"m\",\"anthropic_version\":\"v\",\"max_tokens\":5,\"messages\":[{}]}", "m",
	    asking_no_params, OP_MESSAGES,
	    "{\"anthropic_version\":\"v\",\"max_tokens\":5,\"messages\":[{}]}" },
	{ "a new model and client", BODY, "anthropic.claude-opus-4-8", params, OP_MESSAGES,
	    "{\"anthropic_version\":\"2026-10-21\","
	    "\"anthropic_beta\":[\"interleaved-thinking-1\",\"tool-search-tool-\\\"\"],"
	    "\"user_profile_id\":\"up_\\\"1\",\"max_tokens\":5,\"messages\":[{}]}" },
	{ "counting", "{\"model\":\"m\",\"messages\":[{}],\"tools\":[ ]}", "anthropic.claude-x",
	    asking_no_params, OP_COUNT_TOKENS, "{" VERSION ",\"max_tokens\":1,\"messages\":[{}]}" },
	{ "counting with thoughts",
	    "{\"model\":\"m\",\"messages\":[{}],\"tools\":[{}],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048}}",
	    "anthropic.claude-x", asking_no_params, OP_COUNT_TOKENS,
	    "{" VERSION
	    ",\"max_tokens\":2049,\"messages\":[{}],\"tools\":[{}],\"thinking\":{\"type\":\"enabled\","
	    "\"budget_tokens\":2048}}" },
};

/* What of the body is in base64 in one that counts. */
static void
unwrap(struct buf *body)
{
	const struct span before = SPAN("{\"input\":{\"invokeModel\":{\"body\":\"");
	struct buf text = buf_make(REQUEST_BODY_MAX);
	struct span coded = buf_span(body);
	const char *why;
	int rc;

	assert(span_starts(coded, before));
	coded = span_cut(coded, before.n, coded.n - 4);
	rc = buf_add(&text, SPAN("{\"bytes\":\"")) || buf_add(&text, coded) ||
	    buf_add(&text, SPAN("\"}"));
	body->len = 0;
	rc = rc || eventstream_bytes(buf_span(&text), body, &why);
	assert(rc == 0);
	buf_free(&text);
}

static void
rows_bodies(struct check *c)
{
	for (size_t i = 0; i < ROWS(bodies); i++) {
		struct asking a;
		enum fault f;

		check_row(c, "body: %s", bodies[i].what);
		asking_open(&a, span_of(bodies[i].body), bodies[i].op, bodies[i].model);
		a.upstream.url = url;
		a.ask.params = bodies[i].params;
		f = asking_make(&a, &kind_bedrock);
		check_that(c, f == FAULT_NONE, "%s", fault_row(f)->name);
		if (bodies[i].op == OP_COUNT_TOKENS && !f)
			unwrap(&a.body);
		check_same(c, buf_span(&a.body), span_of(bodies[i].want));
		asking_close(&a);
	}
}

static void
row_random(struct check *c)
{
	static const char *const goes[] = { "model", "stream", NULL };
	const struct conf_upstream u = { .url = url };

	asking_row_random(c, &kind_bedrock, &u, VERSION, goes);
}

static void
row_headers(struct check *c)
{
	struct asking a;
	struct buf got = buf_make(16 * KIB);
	enum fault f;

	check_row(c, "headers");
	asking_open(&a, SPAN(STREAM), OP_MESSAGES, "m");
	a.upstream.url = url;
	a.ask.params = params;
	a.ask.secret = SPAN("ABSK");
	f = asking_make(&a, &kind_bedrock);
	check_that(c, f == FAULT_NONE, "%s", fault_row(f)->name);
	asking_headers(&a, &got);
	check_same(c, buf_span(&got),
	    SPAN("user-agent: sdk/1\nauthorization: Bearer ABSK\n"
		 "accept: application/vnd.amazon.eventstream\ncontent-type: application/json\n"));
	check_same(c, buf_span(&a.request.dropped), SPAN("x"));
	buf_free(&got);
	asking_close(&a);
}

/* What comes back. */

static const struct {
	const char *file;
	size_t events;	  /* of the expected ones, which come first */
	const char *then; /* and what follows them */
	const char *why;  /* how it breaks off; NULL when it does not */
} recorded[] = {
	{ "ok", 6, "", NULL },
	{ "cut", 3, "", NULL },
	{ "badcrc", 3, "", "the checksum of a frame is wrong" },
	{ "errorframe", 3,
	    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"oops\"}}\n\n",
	    NULL },
	{ "throttled-midstream", 3,
	    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":"
	    "\"Too many requests, please wait before trying again.\"}}\n\n",
	    NULL },
};

static void
read_vector(const char *name, const char *ending, struct buf *out)
{
	char path[128];
	int rc;

	(void)snprintf(path, sizeof(path), VECTORS "%s.%s", name, ending);
	rc = file_read(path, out);
	assert(rc == 0);
}

/* The first n events of the vendor's own reading of the good stream. */
static struct span
first_events(struct span all, size_t n)
{
	size_t at = 0;

	while (n > 0 && at + 1 < all.n) {
		n -= all.p[at] == '\n' && all.p[at + 1] == '\n';
		at++;
	}
	return span_cut(all, 0, at + (at < all.n));
}

/* Feeds the first `n` bytes of a stream in pieces of `step`. NULL, or why it is broken. */
static const char *
feed(const struct guard *g, struct span stream, size_t n, size_t step, struct buf *out)
{
	struct framing f;
	const char *why = NULL;
	int rc = 0;

	framing_init(&f);
	for (size_t at = 0; at < n && !rc; at += step) {
		struct span piece = span_cut(stream, at, at + step < n ? at + step : n);
		int full;

		rc = framing_feed(&f, &kind_bedrock, guard_put(g, piece), &why);
		full = buf_add(out, buf_span(&f.events));
		assert(full == 0);
	}
	framing_free(&f);
	return rc ? why : NULL;
}

static void
row_recorded(struct check *c, const struct guard *g, size_t i)
{
	struct buf stream = buf_make(MIB), all = buf_make(MIB), want = buf_make(MIB);
	int rc;

	read_vector(recorded[i].file, "eventstream", &stream);
	read_vector("ok", "expected.sse", &all);
	rc = buf_add(&want, first_events(buf_span(&all), recorded[i].events)) ||
	    buf_add(&want, span_of(recorded[i].then));
	assert(rc == 0);
	check_row(c, "frames: %s in pieces of every size", recorded[i].file);
	for (size_t step = 1; step <= stream.len; step++) {
		struct buf got = buf_make(MIB);
		const char *why = feed(g, buf_span(&stream), stream.len, step, &got);

		check_that(c, (why == NULL) == (recorded[i].why == NULL), "%s", why ? why : "fine");
		if (why)
			check_same(c, span_of(why), span_of(recorded[i].why));
		check_same(c, buf_span(&got), buf_span(&want));
		buf_free(&got);
	}
	check_row(c, "frames: %s cut at every byte", recorded[i].file);
	for (size_t n = 0; n < stream.len; n++) {
		struct buf got = buf_make(MIB);

		(void)feed(g, buf_span(&stream), n, n ? n : 1, &got);
		check_that(c, span_starts(buf_span(&want), buf_span(&got)), "at %zu: more", n);
		buf_free(&got);
	}
	buf_free(&stream);
	buf_free(&all);
	buf_free(&want);
}

#define CHUNK_OF(type, kind)                       \
	{                                          \
		SPAN("\r:message-type\7\0\5event"  \
		     "\13:event-type\7\0\5" kind), \
		    SPAN(type)                     \
	}
#define EXCEPTION(kind_len, kind, payload)                                                   \
	{                                                                                    \
		SPAN("\r:message-type\7\0\11exception\17:exception-type\7\0" kind_len kind), \
		    SPAN(payload)                                                            \
	}
#define SAYS(type, message)                                                   \
	"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"" type \
	"\",\"message\":\"" message "\"}}\n\n"

/* Frames that have been taken out of a stream. */
static const struct {
	const char *what;
	struct {
		struct span headers, payload;
	} frame;
	const char *want; /* NULL: broken, for the reason in why */
	const char *why;
} frames[] = {
	{ "an event", CHUNK_OF("{\"bytes\":\"eyJ0eXBlIjoicGluZyJ9\"}", "chunk"),
	    "event: ping\ndata: {\"type\":\"ping\"}\n\n", NULL },
	{ "line ends in an event", CHUNK_OF("{\"bytes\":\"ewoidHlwZSI6DSJwaW5nIn0=\"}", "chunk"),
	    "event: ping\ndata: { \"type\": \"ping\"}\n\n", NULL },
	{ "an event without a type", CHUNK_OF("{\"bytes\":\"e30=\"}", "chunk"), "", NULL },
	{ "an event of another sort", CHUNK_OF("{\"bytes\":\"e30=\"}", "other"), "", NULL },
	{ "no base64", CHUNK_OF("{\"bytes\":\"*\"}", "chunk"), NULL,
	    "what the payload holds is not base64" },
	{ "no payload", CHUNK_OF("", "chunk"), NULL, "the payload has no text `bytes`" },
	{ "throttled", EXCEPTION("\23", "throttlingException", "{\"message\":\"slow\"}"),
	    SAYS("rate_limit_error", "slow"), NULL },
	{ "in the stream",
	    EXCEPTION("\31", "modelStreamErrorException", "{\"message\":\"a \\\"b\\\"\"}"),
	    SAYS("api_error", "a \\\"b\\\""), NULL },
	{ "of an account",
	    EXCEPTION("\27", "internalServerException",
		"{\"message\":\"no arn:aws:x:1:y for 123456789012\"}"),
	    SAYS("api_error", "no (account) for (account)"), NULL },
	{ "of our own credential",
	    EXCEPTION("\25", "expiredTokenException", "{\"message\":\"arn:aws:x\"}"),
	    SAYS("api_error", "The upstream refused the gate's own credential or account."), NULL },
	{ "without words", EXCEPTION("\23", "validationException", "{}"),
	    SAYS("invalid_request_error", "validationException"), NULL },
	{ "of a new name", EXCEPTION("\14", "newException", "{\"message\":\"new\"}"),
	    SAYS("api_error", "new"), NULL },
};

static void
rows_frames(struct check *c)
{
	for (size_t i = 0; i < ROWS(frames); i++) {
		struct eventstream_frame f = { .headers = frames[i].frame.headers,
			.payload = frames[i].frame.payload };
		struct buf got = buf_make(KIB);
		const char *why = NULL;
		int rc;

		check_row(c, "frame: %s", frames[i].what);
		rc = kind_bedrock.frame(&f, &got, &why);
		check_that(c, (rc == 0) == (frames[i].want != NULL), "%d", rc);
		if (frames[i].want)
			check_same(c, buf_span(&got), span_of(frames[i].want));
		else
			check_same(c, span_of(why), span_of(frames[i].why));
		buf_free(&got);
	}
}

static void
rows_metrics(struct check *c)
{
	const struct span stop = SPAN(
	    "{\"type\":\"message_stop\",\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":3}}");
	struct event what;
	struct asking a;
	struct buf out = buf_make(KIB);

	asking_open(&a, SPAN(BODY), OP_MESSAGES, NULL);
	check_row(c, "metrics are read");
	kind_bedrock.event(SPAN("message_stop"), stop, &what);
	check_same(c, what.metrics, SPAN("{\"inputTokenCount\":3}"));
	check_row(c, "metrics are not passed on");
	check_that(c, kind_bedrock.edit(&a.ask, &what, stop, &out) == KIND_EDITED, "not");
	check_same(c, buf_span(&out), SPAN("{\"type\":\"message_stop\"}"));
	check_row(c, "without metrics");
	out.len = 0;
	kind_bedrock.event(SPAN("message_stop"), SPAN("{\"type\":\"message_stop\"}"), &what);
	check_that(c,
	    !what.metrics.p &&
		kind_bedrock.edit(&a.ask, &what, SPAN("{\"type\":\"message_stop\"}"), &out) ==
		    KIND_AS_IT_IS,
	    "edited");
	check_row(c, "counted tokens");
	a.ask.op = OP_COUNT_TOKENS;
	check_that(c, kind_bedrock.whole(&a.ask, SPAN("{\"inputTokens\":23}"), &out) == KIND_EDITED,
	    "not");
	check_same(c, buf_span(&out), SPAN("{\"input_tokens\":23}"));
	check_row(c, "no counted tokens");
	check_that(c, kind_bedrock.whole(&a.ask, SPAN("{}"), &out) == KIND_FAILED, "taken");
	buf_free(&out);
	asking_close(&a);
}

/* Errors by HTTP. */

static const struct asking_error errors[] = {
	{ 400, "ValidationException", SPAN("{\"message\":\"m: wrong\"}"), FAULT_UP_ERROR, 400,
	    "invalid_request_error", "m: wrong" },
	{ 400, "ValidationException:http://internal/", SPAN("{\"message\":\"x\"}"), FAULT_UP_ERROR,
	    400, "invalid_request_error", "x" },
	{ 400, "com.amazon.coral.service#ServiceQuotaExceededException",
	    SPAN("{\"Message\":\"q\"}"), FAULT_UP_ERROR, 429, "rate_limit_error", "q" },
	{ 400, "", SPAN("{\"__type\":\"a.b#ThrottlingException\",\"message\":\"t\"}"),
	    FAULT_UP_ERROR, 429, "rate_limit_error", "t" },
	{ 400, "ConflictException", SPAN("{\"message\":\"c\"}"), FAULT_UP_ERROR, 400,
	    "invalid_request_error", "c" },
	{ 403, "AccessDeniedException",
	    SPAN("{\"message\":\"User: arn:aws:iam::1:user/x may not\"}"), FAULT_UP_ERROR, 403,
	    "permission_error", "User: (account) may not" },
	{ 403, "ExpiredTokenException", SPAN("{\"message\":\"x\"}"), FAULT_UP_CREDENTIAL, 502,
	    "api_error", NULL },
	{ 403, "UnrecognizedClientException", SPAN("{}"), FAULT_UP_CREDENTIAL, 502, "api_error",
	    NULL },
	{ 403, "InvalidSignatureException", SPAN("{}"), FAULT_UP_CREDENTIAL, 502, "api_error",
	    NULL },
	{ 403, "", SPAN("<html>"), FAULT_UP_CREDENTIAL, 502, "api_error", NULL },
	{ 404, "ResourceNotFoundException",
	    SPAN("{\"message\":\"no arn:aws:bedrock:x:123456789012:y z\"}"), FAULT_UP_ERROR, 404,
	    "not_found_error", "no (account) z" },
	{ 404, "", SPAN("nginx"), FAULT_UP_ANSWER, 502, "api_error", NULL },
	{ 408, "ModelTimeoutException", SPAN("{\"message\":\"x\"}"), FAULT_UP_ERROR, 504,
	    "timeout_error", "x" },
	{ 424, "ModelErrorException", SPAN("{\"message\":\"x\"}"), FAULT_UP_ERROR, 500, "api_error",
	    "x" },
	{ 424, "ModelStreamErrorException", SPAN("{\"message\":\"x\"}"), FAULT_UP_ERROR, 500,
	    "api_error", "x" },
	{ 429, "ThrottlingException", SPAN("{\"message\":\"x\"}"), FAULT_UP_ERROR, 429,
	    "rate_limit_error", "x" },
	{ 429, "ModelNotReadyException", SPAN("{\"message\":\"x\"}"), FAULT_UP_ERROR, 529,
	    "overloaded_error", "x" },
	{ 500, "InternalServerException", SPAN("{\"message\":\"user 123456789012\"}"),
	    FAULT_UP_ERROR, 500, "api_error", "user (account)" },
	{ 503, "ServiceUnavailableException", SPAN("{\"message\":\"x\"}"), FAULT_UP_ERROR, 529,
	    "overloaded_error", "x" },
	{ 503, "", SPAN(""), FAULT_UP_ERROR, 529, "overloaded_error", NULL },
	{ 418, "", SPAN("{\"message\":\"tea\"}"), FAULT_UP_ERROR, 400, "invalid_request_error",
	    "tea" },
};

int
main(void)
{
	struct check c = { .module = "bedrock" };
	struct guard g = guard_make();

	rows_places(&c);
	rows_bodies(&c);
	row_random(&c);
	row_headers(&c);
	for (size_t i = 0; i < ROWS(recorded); i++)
		row_recorded(&c, &g, i);
	rows_frames(&c);
	rows_metrics(&c);
	asking_rows_errors(&c, &g, &kind_bedrock, errors, ROWS(errors));
	guard_free(&g);
	return check_end(&c);
}
