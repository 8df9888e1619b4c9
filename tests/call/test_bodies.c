/* bodies: what is refused and in which words, and that everything else goes on byte for byte. */
#include "call/world.h"

static const struct replay plain = { .status = 200,
	.headers = JSON_HEADERS,
	.body = SPAN(MESSAGE) };
static const struct replay counted = { .status = 200,
	.headers = JSON_HEADERS,
	.body = SPAN("{\"input_tokens\":12}") };

#define MSGS   "\"messages\":[{\"role\":\"user\",\"content\":\"" PROMPT "\"}]"
#define MODEL  "\"model\":\"plain\""
#define MAX    "\"max_tokens\":1"
#define BOTH   "/v1/messages", "/v1/messages/count_tokens"
#define ASK    "/v1/messages", NULL
#define TOKENS NULL, "/v1/messages/count_tokens"

static const struct {
	const char *what;
	const char *ask, *count; /* on which paths */
	struct span body;
	int status;
	const char *says; /* in the message */
} rows[] = {
	{ "empty", BOTH, SPAN(""), 400, "none came" },
	{ "blanks", BOTH, SPAN(" \r\n"), 400, "none came" },
	{ "no JSON", BOTH, SPAN("model=plain"), 400, "at byte 0:" },
	{ "a byte order mark", BOTH, SPAN("\xef\xbb\xbf{" MODEL "," MSGS "," MAX "}"), 400,
	    "at byte 0:" },
	{ "an array", BOTH, SPAN("[1]"), 400, "at byte 0:" },
	{ "a comma too many", BOTH, SPAN("{" MODEL ",}"), 400, "at byte 17:" },
	{ "a comma too few", BOTH, SPAN("{" MODEL " " MAX "}"), 400, "at byte 17:" },
	{ "cut off", BOTH, SPAN("{" MODEL ","), 400, "at byte 17:" },
	{ "something behind it", BOTH, SPAN("{" MODEL "," MSGS "," MAX "}}"), 400,
	    "not valid JSON" },
	{ "not UTF-8", BOTH, SPAN("{\"x\":\"\xff\"}"), 400, "at byte 6:" },
	{ "a zero byte", BOTH, SPAN("{\"x\":\"\0\"}"), 400, "at byte 6:" },
	{ "no model", BOTH, SPAN("{" MSGS "," MAX "}"), 400, "model: field required" },
	{ "no messages", BOTH, SPAN("{" MODEL "," MAX "}"), 400, "messages: field required" },
	{ "no max_tokens", ASK, SPAN("{" MODEL "," MSGS "}"), 400, "max_tokens: field required" },
	{ "no max_tokens to count", TOKENS, SPAN("{" MODEL "," MSGS "}"), 200, NULL },
	{ "model is a number", BOTH, SPAN("{\"model\":1," MSGS "," MAX "}"), 400, "model: " },
	{ "model is null", BOTH, SPAN("{\"model\":null," MSGS "," MAX "}"), 400, "model: " },
	{ "model is empty", BOTH, SPAN("{\"model\":\"\"," MSGS "," MAX "}"), 400, "model: " },
	{ "model holds a zero", BOTH, SPAN("{\"model\":\"a\\u0000b\"," MSGS "," MAX "}"), 400,
	    "model: " },
	{ "messages is an object", BOTH, SPAN("{" MODEL ",\"messages\":{}," MAX "}"), 400,
	    "messages: " },
	{ "messages is a string", BOTH, SPAN("{" MODEL ",\"messages\":\"x\"," MAX "}"), 400,
	    "messages: " },
	{ "messages is empty", BOTH, SPAN("{" MODEL ",\"messages\":[ ]," MAX "}"), 400,
	    "messages: " },
	{ "max_tokens is a string", ASK, SPAN("{" MODEL "," MSGS ",\"max_tokens\":\"1\"}"), 400,
	    "max_tokens: " },
	{ "max_tokens is a fraction", ASK, SPAN("{" MODEL "," MSGS ",\"max_tokens\":1.5}"), 400,
	    "max_tokens: " },
	{ "max_tokens is negative", ASK, SPAN("{" MODEL "," MSGS ",\"max_tokens\":-1}"), 400,
	    "max_tokens: " },
	{ "max_tokens is 0", ASK, SPAN("{" MODEL "," MSGS ",\"max_tokens\":0}"), 200, NULL },
	{ "stream is a string", ASK, SPAN("{" MODEL "," MSGS "," MAX ",\"stream\":\"true\"}"), 400,
	    "stream: " },
	{ "stream is null", ASK, SPAN("{" MODEL "," MSGS "," MAX ",\"stream\":null}"), 400,
	    "stream: " },
	{ "stream is false", ASK, SPAN("{" MODEL "," MSGS "," MAX ",\"stream\":false}"), 200,
	    NULL },
	{ "stream means nothing to counting", TOKENS, SPAN("{" MODEL "," MSGS ",\"stream\":true}"),
	    200, NULL },
	{ "model twice", BOTH, SPAN("{" MODEL "," MODEL "," MSGS "," MAX "}"), 400,
	    "model: given more than once" },
	{ "model twice, once in escapes", BOTH,
	    SPAN("{" MODEL ",\"mod\\u0065l\":\"x\"," MSGS "," MAX "}"), 400,
	    "model: given more than once" },
	{ "messages twice", BOTH, SPAN("{" MODEL "," MSGS "," MSGS "," MAX "}"), 400,
	    "messages: given more than once" },
	{ "max_tokens twice", BOTH, SPAN("{" MODEL "," MSGS "," MAX "," MAX "}"), 400,
	    "max_tokens: given more than once" },
	{ "stream twice", ASK,
	    SPAN("{" MODEL "," MSGS "," MAX ",\"stream\":true,\"stream\":false}"), 400,
	    "stream: given more than once" },
	{ "members that are inside others", BOTH,
	    SPAN("{\"x\":{\"model\":1,\"stream\":2}," MODEL "," MSGS "," MAX "}"), 200, NULL },
	{ "members that nobody knows", BOTH,
	    SPAN("{\"\":[ ],\"tags\":{\"a\":1e-3}," MODEL "," MSGS "," MAX ",\"thread\":null}"),
	    200, NULL },
	{ "members that are twice and nobody's business", BOTH,
	    SPAN("{\"x\":1,\"x\":2," MODEL "," MSGS "," MAX "}"), 200, NULL },
	{ "blanks around it", BOTH, SPAN("\n {" MODEL " ,\t" MSGS "\r\n, " MAX " } \n"), 200,
	    NULL },
	{ "model in escapes", BOTH, SPAN("{\"model\":\"pl\\u0061in\"," MSGS "," MAX "}"), 200,
	    NULL },
};

static void
row_body(struct check *c, size_t i, const char *uri)
{
	bool ask = rows[i].ask && uri == rows[i].ask;

	check_row(c, "%s %s", ask ? "ask:" : "count:", rows[i].what);
	world_begin("POST", uri, rows[i].body);
	world_answers(ask ? &plain : &counted, 1);
	world_run();
	world_expect(rows[i].status, rows[i].status == 200 ? NULL : "invalid_request_error");
	check_that(c, store_mem.appended == 1, "%u ledger lines", store_mem.appended);
	if (rows[i].status == 200) {
		check_same(c, buf_span(&replay.requests[0].body), rows[i].body);
		return;
	}
	world_expect_end("bad-request");
	check_that(c, replay.requests_n == 0, "an upstream was asked");
	check_that(c, world_holds(world.body, span_of(rows[i].says)), "'%.*s' for '%s'",
	    (int)world.body.n, world.body.p, rows[i].says);
}

/* A body of n bytes: a good one with a long member. */
static void
make_body(struct buf *b, size_t n)
{
	char *at = NULL;

	b->len = 0;

	int rc = buf_add(b, SPAN("{" MODEL "," MSGS "," MAX ",\"pad\":\""));
	size_t pad = n - b->len - 2;

	rc |= buf_room(b, pad, &at);
	assert(rc == 0);
	for (size_t i = 0; i < pad; i++)
		at[i] = (char)('a' + (i * 31 + i / 4096) % 26);
	b->len += pad;
	rc = buf_add(b, SPAN("\"}"));
	assert(rc == 0 && b->len == n);
	(void)rc;
}

static const struct {
	const char *what;
	size_t n;
	const char *announced;
	size_t piece;
	int status;
} sizes[] = {
	{ "small, announced", 200, "200", 0, 200 },
	{ "small, not announced", 200, NULL, 0, 200 },
	{ "small, announced as empty", 200, "0", 0, 200 },
	{ "small, announced as too short", 200, "10", 7, 200 },
	{ "small, announced in nonsense", 200, "x", 1, 200 },
	{ "1 MiB", 1048576, "1048576", 0, 200 },
	{ "1 MiB and a byte", 1048577, "1048577", 0, 200 },
	{ "1 MiB and a byte, not announced", 1048577, NULL, 1000, 200 },
	{ "5 MiB in small pieces", 5242880, NULL, 333, 200 },
	{ "as large as may be", 8388608, "8388608", 0, 200 },
	{ "too large by a byte, announced", 8388609, "8388609", 0, 413 },
	{ "too large by a byte, not announced", 8388609, NULL, 0, 413 },
	{ "too large by a byte, announced as small", 8388609, "100", 0, 413 },
	{ "small, announced as far too large", 200, "18446744073709551615", 0, 413 },
	{ "small, announced as larger than any number", 200, "18446744073709551616", 0, 200 },
};

static const struct {
	const char *what;
	size_t n, piece;
	int64_t read_ms;
	int status;
} paces[] = {
	{ "a byte at a time, and over soon", 150, 1, 400, 200 },
	{ "a byte a second, and much to come", 1000, 1, 900, 408 },
	{ "a byte a minute", 150, 1, 59000, 408 },
	{ "2,000 bytes a second, for two minutes", 250000, 200, 100, 200 },
	{ "800 bytes a second, for six minutes", 290000, 80, 100, 408 },
};

static int64_t read_ms; /* time that each read takes */

static void
take_time(void)
{
	(void)clock_mem_wait(read_ms);
}

static void
row_pace(struct check *c, size_t i)
{
	struct buf body = buf_make(MIB);

	make_body(&body, paces[i].n);
	memcpy(body.p + 10, "plain", 5);
	check_row(c, "pace: %s", paces[i].what);
	world_begin("POST", "/v1/messages", buf_span(&body));
	front_mem.piece = paces[i].piece;
	front_mem.before_read = take_time;
	read_ms = paces[i].read_ms;
	world_answers(&plain, 1);
	world_run();
	world_expect(paces[i].status, paces[i].status == 200 ? NULL : "timeout_error");
	check_that(c, replay.requests_n == (paces[i].status == 200 ? 1 : 0),
	    "an upstream was %sasked", paces[i].status == 200 ? "not " : "");
	buf_free(&body);
}

static void
row_size(struct check *c, size_t i, const char *model)
{
	struct buf body = buf_make(16 * MIB);

	make_body(&body, sizes[i].n);
	memcpy(body.p + 10, model, 5);
	check_row(c, "size %s: %s", model, sizes[i].what);
	world_begin("POST", "/v1/messages", buf_span(&body));
	front_mem_param("CONTENT_LENGTH", sizes[i].announced);
	front_mem.piece = sizes[i].piece;
	world_answers(&plain, 1);
	world_run();
	world_expect(sizes[i].status, sizes[i].status == 200 ? NULL : "request_too_large");
	if (sizes[i].status == 200) {
		check_that(c, span_eq(buf_span(&replay.requests[0].body), buf_span(&body)),
		    "the body came to the upstream with %zu of %zu bytes or changed",
		    replay.requests[0].body.len, body.len);
	} else {
		check_that(
		    c, world_holds(world.body, SPAN(WORLD_MAX_BODY)), "the limit is not named");
		check_that(c, front_mem.drained, "the rest was left with the host");
		check_that(c, replay.requests_n == 0, "an upstream was asked");
	}
	buf_free(&body);
}

static void
row_breaks(struct check *c, size_t n)
{
	struct buf body = buf_make(4 * MIB);

	make_body(&body, 2 * MIB);
	check_row(c, "the client goes away after %zu bytes of the body", n);
	world_begin("POST", "/v1/messages", span_cut(buf_span(&body), 0, n));
	front_mem.body_breaks = true;
	world_answers(&plain, 1);
	world_run();
	check_that(c, replay.requests_n == 0, "an upstream was asked");
	world_expect_end("client-gone");
	check_that(c, front_mem.out.len == 0, "somebody was answered");
	buf_free(&body);
}

static void
row_depth(struct check *c, size_t depth, int status)
{
	struct buf body = buf_make(MIB);
	int rc = buf_add(&body, SPAN("{" MODEL "," MSGS "," MAX ",\"x\":"));

	check_row(c, "%zu deep", depth);
	for (size_t i = 1; i < depth; i++)
		rc |= buf_add(&body, SPAN("["));
	for (size_t i = 1; i < depth; i++)
		rc |= buf_add(&body, SPAN("]"));
	rc |= buf_add(&body, SPAN("}"));
	world_begin("POST", "/v1/messages", buf_span(&body));
	world_answers(&plain, 1);
	world_run();
	check_that(c, rc == 0, "full");
	world_expect(status, status == 200 ? NULL : "invalid_request_error");
	buf_free(&body);
}

static const struct {
	const char *encoding;
	int status;
} encodings[] = {
	{ "identity", 200 },
	{ "Identity", 200 },
	{ "", 200 },
	{ "gzip", 400 },
	{ "zstd", 400 },
	{ "identity, gzip", 400 },
};

static void
row_encoding(struct check *c, size_t i)
{
	check_row(c, "content-encoding '%s'", encodings[i].encoding);
	world_begin("POST", "/v1/messages", WORLD_BODY("plain", ""));
	front_mem_param("HTTP_CONTENT_ENCODING", encodings[i].encoding);
	world_answers(&plain, 1);
	world_run();
	world_expect(
	    encodings[i].status, encodings[i].status == 200 ? NULL : "invalid_request_error");
	if (encodings[i].status == 400)
		check_same(c, json_find_in(world.body, "error", "details", "error_code", NULL),
		    SPAN("\"request_body_encoding_unsupported\""));
}

static void
row_model_length(struct check *c, size_t n, int status)
{
	struct buf body = buf_make(4096);
	char model[300] = { 0 };

	memset(model, 'm', n);
	check_row(c, "a model of %zu bytes", n);

	int rc = buf_addf(&body, "{\"model\":\"%s\"," MSGS "," MAX "}", model);

	world_begin("POST", "/v1/messages", buf_span(&body));
	world_answers(&plain, 1);
	world_run();
	check_that(c, rc == 0, "full");
	world_expect(status, NULL);
	buf_free(&body);
}

static int
put_leaf(struct buf *b, uint64_t *seed)
{
	static const char *const leaves[] = { "null", "true", "-0", "1e+02", "0.10", "\"\"",
		"\"\\u00e9\\\\\\\"\"", "\"model\"", "\"\xf0\x9f\x98\x80\"", "12345678901234567890",
		"[ ]", "{ }" };

	return buf_add(b, span_of(leaves[check_pick(seed, ROWS(leaves))]));
}

/* A value of any kind, as odd as JSON allows. */
static int
put_any(struct buf *b, uint64_t *seed)
{
	bool lists[4] = { false };
	size_t depth = check_pick(seed, ROWS(lists) + 1);
	int rc = 0;

	for (size_t d = 0; d < depth; d++) {
		lists[d] = check_pick(seed, 2);
		rc |= buf_add(b, lists[d] ? SPAN("[\t") : SPAN("{\"model\" : "));
	}
	rc |= put_leaf(b, seed);
	while (depth-- > 0) {
		for (size_t n = check_pick(seed, 3); n > 0; n--)
			rc |= buf_add(b, lists[depth] ? SPAN(" ,") : SPAN(",\n\"k\":")) |
			    put_leaf(b, seed);
		rc |= buf_add(b, lists[depth] ? SPAN("]") : SPAN("\r}"));
	}
	return rc;
}

/* A body whose members stand in any order among any others; *at is where the model's value is. */
static int
put_body(struct buf *b, uint64_t *seed, struct span model, size_t *at)
{
	static const char *const known[] = { "\"max_tokens\" : 5", MSGS, "\"stream\":false" };
	size_t order[] = { 0, 1, 2, 3 };
	int rc = buf_add(b, SPAN("{ "));

	for (size_t i = 4; i > 1; i--) {
		size_t j = check_pick(seed, i);
		size_t other = order[i - 1];

		order[i - 1] = order[j];
		order[j] = other;
	}
	for (size_t i = 0; i < 4; i++) {
		for (size_t n = check_pick(seed, 3); n > 0; n--)
			rc |= buf_addf(b, "\"any%zu\":", n) | put_any(b, seed) |
			    buf_add(b, SPAN(" , "));
		if (order[i] < 3) {
			rc |= buf_add(b, span_of(known[order[i]]));
		} else {
			rc |= buf_add(b, SPAN("\"mod\\u0065l\"\t:  "));
			*at = b->len;
			rc |= buf_add(b, model);
		}
		rc |= buf_add(b, i < 3 ? SPAN("\r\n,") : SPAN("}\n"));
	}
	return rc;
}

/* The model is renamed: its value changes and nothing else does. */
static void
row_renamed(struct check *c)
{
	static const struct span spelt[] = { { "\"renamed\"", 9 }, { "\"ren\\u0061med\"", 14 } };
	uint64_t seed = 20261121;
	struct buf body = buf_make(MIB);
	struct buf want = buf_make(MIB);

	check_row(c, "500 bodies with a model that is renamed");
	for (size_t i = 0; i < 500; i++) {
		struct span model = spelt[i % 2];
		size_t at = 0;

		body.len = want.len = 0;

		int rc = put_body(&body, &seed, model, &at);

		rc |= buf_add(&want, span_cut(buf_span(&body), 0, at)) |
		    buf_add(&want, SPAN("\"real-model-id\"")) |
		    buf_add(&want, span_cut(buf_span(&body), at + model.n, body.len));
		world_begin("POST", "/v1/messages", buf_span(&body));
		front_mem.piece = 1 + check_pick(&seed, 100);
		world_answers(&plain, 1);
		world_run();
		check_that(c, rc == 0, "full");
		world_expect(200, NULL);
		check_same(c, buf_span(&replay.requests[0].body), buf_span(&want));
	}
	buf_free(&body);
	buf_free(&want);
}

/* The edit at both sides of a body that is kept in a file. */
static void
row_renamed_large(struct check *c, bool last)
{
	struct buf body = buf_make(4 * MIB);
	char *at = NULL;
	int rc =
	    buf_add(&body, last ? SPAN("{\"pad\":\"") : SPAN("{\"model\":\"renamed\",\"pad\":\""));

	check_row(c, "renamed at the %s of 3 MiB", last ? "end" : "beginning");
	rc |= buf_room(&body, 3 * MIB, &at);
	assert(rc == 0);
	memset(at, 'x', 3 * MIB);
	body.len += 3 * MIB;
	rc |= buf_add(&body, SPAN("\"," MSGS "," MAX)) |
	    buf_add(&body, last ? SPAN(",\"model\":\"renamed\"}") : SPAN("}"));
	world_begin("POST", "/v1/messages", buf_span(&body));
	world_answers(&plain, 1);
	world_run();
	check_that(c, rc == 0, "full");
	world_expect(200, NULL);

	struct span got = buf_span(&replay.requests[0].body);

	check_that(c, got.n == body.len + 6, "%zu bytes of %zu", got.n, body.len + 6);
	check_that(c, world_holds(got, SPAN("\"model\":\"real-model-id\"")), "not renamed");
	buf_free(&body);
}

int
main(void)
{
	struct check c = { .module = "bodies" };

	world_open(&c);
	for (size_t i = 0; i < ROWS(rows); i++) {
		if (rows[i].ask)
			row_body(&c, i, rows[i].ask);
		if (rows[i].count)
			row_body(&c, i, rows[i].count);
	}
	for (size_t i = 0; i < ROWS(sizes); i++)
		row_size(&c, i, "plain");
	for (size_t i = 0; i < ROWS(paces); i++)
		row_pace(&c, i);
	row_breaks(&c, 0);
	row_breaks(&c, 100);
	row_breaks(&c, MIB + 5);
	row_depth(&c, 511, 200);
	row_depth(&c, 512, 200);
	row_depth(&c, 514, 400);
	row_depth(&c, 100000, 400);
	for (size_t i = 0; i < ROWS(encodings); i++)
		row_encoding(&c, i);
	row_model_length(&c, 256, 200);
	row_model_length(&c, 257, 400);
	row_renamed(&c);
	row_renamed_large(&c, false);
	row_renamed_large(&c, true);
	return world_close();
}
