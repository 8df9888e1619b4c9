/* paths: every path with every method, mounts, queries, and the lists of models. */
#include "call/world.h"

#define BODY WORLD_BODY("plain", "")

static const struct replay plain = { .status = 200,
	.headers = JSON_HEADERS,
	.body = SPAN(MESSAGE) };
static const struct replay counted = { .status = 200,
	.headers = JSON_HEADERS,
	.body = SPAN("{\"input_tokens\":12}") };

enum { MESSAGES, COUNT, MODELS, MODEL, HEALTH, KNOCK, NOTHING };

static const struct {
	const char *path;
	int what;
} paths[] = {
	{ "/v1/messages", MESSAGES },
	{ "/messages", MESSAGES },
	{ "/api/anthropic/v1/messages", MESSAGES },
	{ "/v1/messages/count_tokens", COUNT },
	{ "/messages/count_tokens", COUNT },
	{ "/api/anthropic/v1/messages/count_tokens", COUNT },
	{ "/v1/models", MODELS },
	{ "/api/anthropic/v1/models", MODELS },
	{ "/v1/models/plain", MODEL },
	{ "/api/anthropic/v1/models/plain", MODEL },
	{ "/healthz", HEALTH },
	{ "/", KNOCK },
	{ "/api/hello", KNOCK },
	{ "/v1", NOTHING },
	{ "/v1/", NOTHING },
	{ "/v1/message", NOTHING },
	{ "/v1/messages/", NOTHING },
	{ "/v1/messages/x", NOTHING },
	{ "/v1/messagess", NOTHING },
	{ "/V1/messages", NOTHING },
	{ "//v1/messages", NOTHING },
	{ "/v1/models/", NOTHING },
	{ "/v1/models/a/b", NOTHING },
	{ "/v1/complete", NOTHING },
	{ "/healthz/x", NOTHING },
	{ "*", NOTHING },
	{ "", NOTHING },
};

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH",
	"get", "" };

static const char *
allowed(int what)
{
	return what == MESSAGES || what == COUNT ? "POST" : "GET, HEAD";
}

static bool
takes(int what, const char *method)
{
	if (what == MESSAGES || what == COUNT)
		return strcmp(method, "POST") == 0;
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static void
row_method(struct check *c, size_t i, const char *method)
{
	int what = paths[i].what;
	const char *marks[] = { "\"type\":\"message\"", "\"input_tokens\":12",
		"\"has_more\":", "\"display_name\":", "ok\n", "postern\n" };

	check_row(c, "%s '%s'", method, paths[i].path);
	world_begin(method, paths[i].path, BODY);
	world_answers(what == COUNT ? &counted : &plain, 1);
	world_run();
	if (what == NOTHING) {
		world_expect(404, "not_found_error");
		world_expect_end("not-found");
	} else if (!takes(what, method)) {
		world_expect(405, "invalid_request_error");
		check_same(c, world_header("allow"), span_of(allowed(what)));
		world_expect_end("method");
	} else {
		world_expect(200, NULL);
		check_that(c,
		    strcmp(method, "HEAD") == 0 || world_holds(world.body, span_of(marks[what])),
		    "'%.*s'", (int)world.body.n, world.body.p);
		check_that(c, strcmp(method, "HEAD") != 0 || world_header("content-length").n > 0,
		    "no length for HEAD");
		world_expect_end("done");
	}
	if (what == NOTHING || !takes(what, method)) {
		check_that(c, front_mem.drained, "the body was left with the host");
		check_that(c, store_mem.asked == 0, "a key was looked up");
	}
	check_that(c, (store_mem.appended == 1) == (what <= COUNT && takes(what, method)),
	    "%u ledger lines", store_mem.appended);
}

static const struct {
	const char *what, *uri, *script;
	int status;
} uris[] = {
	{ "a query", "/v1/messages?beta=true", "", 200 },
	{ "an empty query", "/v1/messages?", "", 200 },
	{ "a query with a path", "/v1/messages?x=/y?z", "", 200 },
	{ "a path in the query alone", "/x?/v1/messages", "", 404 },
	{ "an absolute URI", "http://gate.test/v1/messages", "", 200 },
	{ "with TLS and a port", "https://gate.test:8443/v1/messages?x", "", 200 },
	{ "an absolute URI without a path", "http://gate.test?x=1", "", 404 },
	{ "FastCGI at the root", "/v1/messages", "/v1/messages", 200 },
	{ "a program in the path", "/cgi-bin/postern.cgi/v1/messages", "/cgi-bin/postern.cgi",
	    200 },
	{ "an fcgi program in the path", "/portal/postern.fcgi/messages?x", "/portal/postern.fcgi",
	    200 },
	{ "below a rewritten folder", "/portal/v1/messages", "/portal/postern.cgi", 200 },
	{ "a rewritten folder at the root", "/v1/messages", "/postern.cgi", 200 },
	{ "the program's own name", "/cgi-bin/postern.cgi", "/cgi-bin/postern.cgi", 404 },
	{ "the program and a slash", "/cgi-bin/postern.cgi/", "/cgi-bin/postern.cgi", 405 },
	{ "a longer name than the program's", "/cgi-bin/postern.cgix/v1/messages",
	    "/cgi-bin/postern.cgi", 404 },
	{ "a folder that only begins like the mount", "/portals/v1/messages", "/portal/postern.cgi",
	    404 },
	{ "two folders up is no mount", "/v1/messages", "/a/b/postern.cgi", 200 },
};

static void
row_uri(struct check *c, size_t i)
{
	check_row(c, "%s", uris[i].what);
	world_begin("POST", uris[i].uri, BODY);
	front_mem_param("SCRIPT_NAME", uris[i].script);
	world_answers(&plain, 1);
	world_run();
	world_expect(uris[i].status, NULL);
}

static void
row_bare(struct check *c)
{
	check_row(c, "no variables at all");
	world_begin("POST", "/v1/messages", BODY);
	front_mem_param("REQUEST_METHOD", NULL);
	front_mem_param("REQUEST_URI", NULL);
	front_mem_param("SCRIPT_NAME", NULL);
	front_mem_param("REMOTE_ADDR", NULL);
	world_run();
	world_expect(404, "not_found_error");
}

static void
row_long_uri(struct check *c)
{
	char uri[64 * 1024] = "/v1/models/";

	memset(uri + 11, 'a', sizeof(uri) - 12);
	check_row(c, "a path of 64 KiB");
	world_begin("GET", uri, SPAN(""));
	world_run();
	world_expect(404, "not_found_error");
	check_row(c, "a path that forges log lines");
	world_begin("GET", "/x\nlevel=error event=forged\" \\", SPAN(""));
	world_run();
	world_expect(404, "not_found_error");
	check_that(c, !world_holds(world_log(), SPAN("\nlevel")), "forged");
}

#define M(id)                                                          \
	"{\"type\":\"model\",\"id\":\"" id "\",\"display_name\":\"" id \
	"\",\"created_at\":\"1970-01-01T00:00:00Z\"}"
#define M_PLAIN                                                                                     \
	"{\"type\":\"model\",\"id\":\"plain\",\"display_name\":\"Plain \\\"1\\\"\",\"created_at\":" \
	"\"2026-01-02T00:00:00Z\"}"
#define PAGE(data, more, first, last) \
	"{\"data\":[" data "],\"has_more\":" more ",\"first_id\":" first ",\"last_id\":" last "}"

static const struct {
	const char *what, *key, *uri;
	int status;
	const char *body; /* NULL: any */
} lists[] = {
	{ "all that are in the region", KEY_GOOD, "/v1/models", 200,
	    PAGE(M_PLAIN "," M("renamed") "," M("bearer") "," M("both") "," M("bare") "," M(
		     "said") "," M("slow") "," M("colon:0"),
		"false", "\"plain\"", "\"colon:0\"") },
	{ "what the workspace's globs allow", KEY_NARROW, "/v1/models", 200,
	    PAGE(M_PLAIN "," M("said"), "false", "\"plain\"", "\"said\"") },
	{ "what the key's globs allow", KEY_LISTED, "/v1/models", 200,
	    PAGE(M_PLAIN "," M("renamed"), "false", "\"plain\"", "\"renamed\"") },
	{ "a first page", KEY_GOOD, "/v1/models?limit=2", 200,
	    PAGE(M_PLAIN "," M("renamed"), "true", "\"plain\"", "\"renamed\"") },
	{ "the page behind it", KEY_GOOD, "/v1/models?limit=2&after_id=renamed", 200,
	    PAGE(M("bearer") "," M("both"), "true", "\"bearer\"", "\"both\"") },
	{ "the last page", KEY_GOOD, "/v1/models?after_id=said&limit=2", 200,
	    PAGE(M("slow") "," M("colon:0"), "false", "\"slow\"", "\"colon:0\"") },
	{ "a page before", KEY_GOOD, "/v1/models?before_id=both&limit=2", 200,
	    PAGE(M("renamed") "," M("bearer"), "true", "\"renamed\"", "\"bearer\"") },
	{ "the first page from behind", KEY_GOOD, "/v1/models?before_id=bearer&limit=2", 200,
	    PAGE(M_PLAIN "," M("renamed"), "false", "\"plain\"", "\"renamed\"") },
	{ "behind the last", KEY_GOOD, "/v1/models?after_id=colon:0", 200,
	    PAGE("", "false", "null", "null") },
	{ "behind a model that is written in escapes", KEY_GOOD, "/v1/models?after_id=%73low", 200,
	    PAGE(M("colon:0"), "false", "\"colon:0\"", "\"colon:0\"") },
	{ "before a model that is written in escapes", KEY_GOOD,
	    "/v1/models?before_id=colon%3A0&limit=1", 200,
	    PAGE(M("slow"), "true", "\"slow\"", "\"slow\"") },
	{ "behind a model that is not there", KEY_GOOD, "/v1/models?after_id=x", 200,
	    PAGE("", "false", "null", "null") },
	{ "a page skips what is not allowed", KEY_NARROW, "/v1/models?limit=1&after_id=plain", 200,
	    PAGE(M("said"), "false", "\"said\"", "\"said\"") },
	{ "other members of the query", KEY_NARROW, "/v1/models?x=1&limits=0&&beta=true", 200,
	    PAGE(M_PLAIN "," M("said"), "false", "\"plain\"", "\"said\"") },
	{ "limit 0", KEY_GOOD, "/v1/models?limit=0", 400, NULL },
	{ "limit 1000", KEY_GOOD, "/v1/models?limit=1000", 200, NULL },
	{ "limit 1001", KEY_GOOD, "/v1/models?limit=1001", 400, NULL },
	{ "limit of letters", KEY_GOOD, "/v1/models?limit=2x", 400, NULL },
	{ "limit without a value", KEY_GOOD, "/v1/models?limit", 400, NULL },
	{ "no key", "", "/v1/models", 401, NULL },
	{ "a bad key", KEY_UNKNOWN, "/v1/models/plain", 401, NULL },
	{ "one model", KEY_GOOD, "/v1/models/plain", 200, M_PLAIN },
	{ "one model with a query", KEY_GOOD, "/v1/models/said?x=y", 200, M("said") },
	{ "one model in escapes", KEY_GOOD, "/v1/models/colon%3A0", 200, M("colon:0") },
	{ "one model in broken escapes", KEY_GOOD, "/v1/models/colon%3", 404, NULL },
	{ "one model with a zero byte", KEY_GOOD, "/v1/models/plain%00", 404, NULL },
	{ "one model that is not there", KEY_GOOD, "/v1/models/x", 404, NULL },
	{ "one model of another region", KEY_GOOD, "/v1/models/far", 404, NULL },
	{ "one model that the key may not use", KEY_LISTED, "/v1/models/said", 404, NULL },
	{ "one model that the workspace may not use", KEY_NARROW, "/v1/models/both", 404, NULL },
};

static void
row_list(struct check *c, size_t i)
{
	check_row(c, "models: %s", lists[i].what);
	world_begin("GET", lists[i].uri, SPAN(""));
	front_mem_param("HTTP_X_API_KEY", lists[i].key);
	world_run();
	world_expect(lists[i].status, NULL);
	if (lists[i].body)
		check_same(c, world.body, span_of(lists[i].body));
	check_that(c, store_mem.appended == 0, "a list is no call of a model");
	check_that(c, replay.requests_n == 0, "an upstream was asked");
}

static void
row_health(struct check *c)
{
	check_row(c, "health: the store is broken");
	world_begin("GET", "/healthz", SPAN(""));
	store_mem.answers = STORE_BROKEN;
	world_run();
	world_expect(503, NULL);
	check_same(c, world.body, SPAN("the table of keys is broken\n"));
	check_row(c, "health: no key is asked for");
	world_begin("GET", "/healthz", SPAN(""));
	front_mem_param("HTTP_X_API_KEY", NULL);
	world_run();
	world_expect(200, NULL);
}

static void
row_busy(struct check *c)
{
	check_row(c, "busy");
	world_begin("POST", "/v1/messages", BODY);
	world_answers(&plain, 1);
	world_run_as(true);
	world_expect(529, "overloaded_error");
	check_same(c, world_header("retry-after"), SPAN("1"));
	check_that(c, replay.requests_n == 0 && store_mem.asked == 0, "it went on");
	check_row(c, "busy at a path that is not there");
	world_begin("POST", "/v2/messages", BODY);
	world_run_as(true);
	world_expect(404, "not_found_error");
}

int
main(void)
{
	struct check c = { .module = "paths" };

	world_open(&c);
	for (size_t i = 0; i < ROWS(paths); i++)
		for (size_t m = 0; m < ROWS(methods); m++)
			row_method(&c, i, methods[m]);
	for (size_t i = 0; i < ROWS(uris); i++)
		row_uri(&c, i);
	row_bare(&c);
	row_long_uri(&c);
	for (size_t i = 0; i < ROWS(lists); i++)
		row_list(&c, i);
	row_health(&c);
	row_busy(&c);
	return world_close();
}
