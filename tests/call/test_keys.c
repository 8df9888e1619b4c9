/* keys: where a client's key may stand, which keys are good, and what becomes of the call. */
#include "call/world.h"

#define BODY WORLD_BODY("plain", "")

static const struct replay plain = { .status = 200,
	.headers = JSON_HEADERS,
	.body = SPAN(MESSAGE) };

static const struct {
	const char *what;
	const char *x_api_key, *authorization, *redirected; /* NULL: the header is not there */
	int status;
	const char *type, *end;
	const char *key; /* the raw id in the ledger; NULL: no line */
} places[] = {
	{ "x-api-key", KEY_GOOD, NULL, NULL, 200, NULL, "done", "\"good1\"" },
	{ "x-api-key in blanks", "  " KEY_GOOD "\t", NULL, NULL, 200, NULL, "done", "\"good1\"" },
	{ "Bearer", NULL, "Bearer " KEY_GOOD, NULL, 200, NULL, "done", "\"good1\"" },
	{ "bearer", NULL, "bearer " KEY_GOOD, NULL, 200, NULL, "done", "\"good1\"" },
	{ "BEARER and blanks", NULL, " BEARER   " KEY_GOOD " ", NULL, 200, NULL, "done",
	    "\"good1\"" },
	{ "Bearer that the host has hidden", NULL, NULL, "Bearer " KEY_GOOD, 200, NULL, "done",
	    "\"good1\"" },
	{ "Authorization before its hidden twin", NULL, "Bearer " KEY_OTHER, "Bearer " KEY_GOOD,
	    200, NULL, "done", "\"other1\"" },
	{ "the hidden twin when Authorization is of another kind", NULL, "Basic eDp5",
	    "Bearer " KEY_GOOD, 200, NULL, "done", "\"good1\"" },
	{ "both the same", KEY_GOOD, "Bearer " KEY_GOOD, NULL, 200, NULL, "done", "\"good1\"" },
	{ "both, x-api-key counts", KEY_GOOD, "Bearer " KEY_OTHER, NULL, 200, NULL, "done",
	    "\"good1\"" },
	{ "both, x-api-key is bad", KEY_UNKNOWN, "Bearer " KEY_GOOD, NULL, 401,
	    "authentication_error", "bad-key", NULL },
	{ "both, x-api-key is empty", "", "Bearer " KEY_GOOD, NULL, 200, NULL, "done",
	    "\"good1\"" },
	{ "x-api-key beside Basic", KEY_GOOD, "Basic eDp5", NULL, 200, NULL, "done", "\"good1\"" },
	{ "none", NULL, NULL, NULL, 401, "authentication_error", "no-key", NULL },
	{ "empty", "", "", "", 401, "authentication_error", "no-key", NULL },
	{ "Basic alone", NULL, "Basic eDp5", NULL, 401, "authentication_error", "no-key", NULL },
	{ "Bearer without a token", NULL, "Bearer ", NULL, 401, "authentication_error", "no-key",
	    NULL },
	{ "Bearer in front without a blank", NULL, "Bearer" KEY_GOOD, NULL, 401,
	    "authentication_error", "no-key", NULL },
	{ "two tokens", NULL, "Bearer " KEY_GOOD " " KEY_GOOD, NULL, 401, "authentication_error",
	    "no-key", NULL },
	{ "a key alone in Authorization", NULL, KEY_GOOD, NULL, 401, "authentication_error",
	    "no-key", NULL },
	{ "unknown", KEY_UNKNOWN, NULL, NULL, 401, "authentication_error", "bad-key", NULL },
	{ "a prefix of a good one", "sk-postern-good", NULL, NULL, 401, "authentication_error",
	    "bad-key", NULL },
	{ "a good one and more", KEY_GOOD "x", NULL, NULL, 401, "authentication_error", "bad-key",
	    NULL },
	{ "expired", KEY_EXPIRED, NULL, NULL, 401, "authentication_error", "key-expired",
	    "\"expired1\"" },
	{ "revoked", KEY_REVOKED, NULL, NULL, 401, "authentication_error", "key-revoked",
	    "\"revoked1\"" },
	{ "of a workspace without a section", KEY_NOWHERE, NULL, NULL, 403, "permission_error",
	    "workspace", "\"nowhere1\"" },
};

static void
row_place(struct check *c, size_t i)
{
	check_row(c, "%s", places[i].what);
	world_begin("POST", "/v1/messages", BODY);
	front_mem_param("HTTP_X_API_KEY", places[i].x_api_key);
	front_mem_param("HTTP_AUTHORIZATION", places[i].authorization);
	front_mem_param("REDIRECT_HTTP_AUTHORIZATION", places[i].redirected);
	world_answers(&plain, 1);
	world_run();
	world_expect(places[i].status, places[i].type);
	world_expect_end(places[i].end);
	check_that(c, (replay.requests_n == 1) == (places[i].status == 200), "%zu requests",
	    replay.requests_n);
	check_that(c, (store_mem.appended == 1) == (places[i].key != NULL), "%u ledger lines",
	    store_mem.appended);
	if (places[i].key)
		world_expect_booked("key", places[i].key);
	if (places[i].status == 200)
		return;
	if (places[i].status == 401)
		check_same(c, world_header("x-should-retry"), SPAN("false"));
	check_that(c, front_mem.read == 0, "the body was read before the key was good");
	check_that(c, front_mem.drained, "the body was left with the host");
}

static void
row_differ(struct check *c)
{
	check_row(c, "the log says that both differ");
	world_begin("POST", "/v1/messages", BODY);
	front_mem_param("HTTP_AUTHORIZATION", "Bearer " KEY_OTHER);
	world_answers(&plain, 1);
	world_run();
	check_that(c, world_holds(world_log(), SPAN("x-api-key counts")), "it does not");
	check_row(c, "the log is silent when both are the same");
	world_begin("POST", "/v1/messages", BODY);
	front_mem_param("HTTP_AUTHORIZATION", "Bearer " KEY_GOOD);
	world_answers(&plain, 1);
	world_run();
	check_that(c, !world_holds(world_log(), SPAN("x-api-key counts")), "it is not");
}

static const struct {
	const char *what, *key, *model;
	int status;
	const char *type;
} models[] = {
	{ "the key's globs allow", KEY_LISTED, "plain", 200, NULL },
	{ "the key's globs do not", KEY_LISTED, "both", 403, "permission_error" },
	{ "the key's globs hide what is not there", KEY_LISTED, "ghost", 403, "permission_error" },
	{ "the workspace's globs allow", KEY_NARROW, "plain", 200, NULL },
	{ "the workspace's globs do not", KEY_NARROW, "renamed", 403, "permission_error" },
	{ "another region", KEY_GOOD, "far", 404, "not_found_error" },
	{ "no section: the upstream that takes any", KEY_GOOD, "ghost", 200, NULL },
};

static void
row_model(struct check *c, size_t i)
{
	char body[256];

	check_row(c, "model: %s", models[i].what);
	(void)snprintf(body, sizeof(body),
	    "{\"model\":\"%s\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"" PROMPT
	    "\"}]}",
	    models[i].model);
	world_begin("POST", "/v1/messages", span_of(body));
	front_mem_param("HTTP_X_API_KEY", models[i].key);
	world_answers(&plain, 1);
	world_run();
	world_expect(models[i].status, models[i].type);
	check_that(c, store_mem.appended == 1, "%u ledger lines", store_mem.appended);
	check_that(c, models[i].status == 200 || world_holds(world.body, span_of(models[i].model)),
	    "the model is not named");
}

static void
row_store(struct check *c)
{
	check_row(c, "the store is broken");
	world_begin("POST", "/v1/messages", BODY);
	store_mem.answers = STORE_BROKEN;
	world_answers(&plain, 1);
	world_run();
	world_expect(503, "api_error");
	check_that(c, replay.requests_n == 0, "it went on");
	check_row(c, "no credential for the upstream");
	world_begin("POST", "/v1/messages", WORLD_BODY("bare", ""));
	world_answers(&plain, 1);
	world_run();
	world_expect(500, "api_error");
	world_expect_end("config");
	check_that(c, span_eq(world_header("x-should-retry"), SPAN("false")), "it may retry");
	check_that(c, replay.requests_n == 0, "it was asked without");
	check_that(c, world_holds(world_log(), SPAN("WORLD_NONE")), "the log does not name it");
}

static void
row_reload(struct check *c)
{
	check_row(c, "a new configuration is in force at the next call");
	world_begin("POST", "/v1/messages", BODY);
	world_configure(
	    "keys = \"/nowhere/keys\"\nstate = \"%s\"\ncooldown_s = 0\nauth_failures_minute = 0\n"
	    "upstream \"echo\" { kind = \"echo\" }\nmodel \"new\" { target \"echo\" { } }\n");
	world_run();
	world_expect(404, "not_found_error");
	world_begin("POST", "/v1/messages", WORLD_BODY("new", ""));
	world_run();
	world_expect(200, NULL);
	check_row(c, "without any workspace section all workspaces are good");
	world_begin("POST", "/v1/messages", WORLD_BODY("new", ""));
	front_mem_param("HTTP_X_API_KEY", KEY_NOWHERE);
	world_run();
	world_expect(200, NULL);
	check_row(c, "a broken configuration leaves the old one in force");
	world_begin("POST", "/v1/messages", WORLD_BODY("new", ""));
	world_configure("keys = \"/nowhere/keys\"\nstate = \"%s\"\nnonsense = 1\n");
	world_run();
	world_expect(200, NULL);
	check_that(c, world_holds(world_log(), SPAN("postern.conf:3")), "the log does not say why");
	check_that(c, world_holds(world_log(), SPAN("stays in force")), "nor what holds");
	check_row(c, "and is complained of once");
	world_begin("POST", "/v1/messages", WORLD_BODY("new", ""));
	world_run();
	world_expect(200, NULL);
	check_that(c, !world_holds(world_log(), SPAN("postern.conf")), "again");
	check_row(c, "a configuration that is gone leaves the old one in force");
	world_begin("POST", "/v1/messages", WORLD_BODY("new", ""));
	(void)unlink(world.conf);
	world_run();
	world_expect(200, NULL);
	check_row(c, "a mended configuration is in force");
	world_configure(world_conf);
	world_begin("POST", "/v1/messages", BODY);
	world_answers(&plain, 1);
	world_run();
	world_expect(200, NULL);
}

/* Two a minute and address: who has no good key is told to wait, who has one is not. */
static void
row_wrong_keys(struct check *c)
{
	char counted[128];

	check_row(c, "wrong keys, more than an address may have");
	world_begin("POST", "/v1/messages", BODY);
	world_configure("keys = \"/nowhere/keys\"\nstate = \"%s\"\ncooldown_s = 0\n"
			"auth_failures_minute = 2\nupstream \"echo\" { kind = \"echo\" }\n"
			"model \"said\" { target \"echo\" { } }\n");
	for (unsigned i = 0; i < 2; i++) {
		world_begin("POST", "/v1/messages", WORLD_BODY("said", ""));
		front_mem_param("HTTP_X_API_KEY", i ? KEY_UNKNOWN : KEY_REVOKED);
		world_run();
		world_expect(401, "authentication_error");
	}
	world_begin("POST", "/v1/messages", WORLD_BODY("said", ""));
	front_mem_param("HTTP_X_API_KEY", KEY_UNKNOWN);
	world_run();
	world_expect(429, "rate_limit_error");
	world_expect_end("wrong-keys");
	check_that(c, span_eq(world_header("retry-after"), SPAN("30")), "no retry-after");
	check_that(c, span_eq(world_header("x-should-retry"), SPAN("false")), "it may retry");
	check_row(c, "a good key from there is served");
	world_begin("POST", "/v1/messages", WORLD_BODY("said", ""));
	world_run();
	world_expect(200, NULL);
	check_row(c, "another address has its own count");
	world_begin("POST", "/v1/messages", WORLD_BODY("said", ""));
	front_mem_param("HTTP_X_API_KEY", KEY_UNKNOWN);
	front_mem_param("REMOTE_ADDR", "192.0.2.99");
	world_run();
	world_expect(401, "authentication_error");
	world_configure(world_conf);
	(void)snprintf(counted, sizeof(counted), "%s/addresses", world.folder);
	check_that(c, unlink(counted) == 0, "it was not counted");
}

int
main(void)
{
	struct check c = { .module = "keys" };

	world_open(&c);
	for (size_t i = 0; i < ROWS(places); i++)
		row_place(&c, i);
	row_differ(&c);
	for (size_t i = 0; i < ROWS(models); i++)
		row_model(&c, i);
	row_store(&c);
	row_wrong_keys(&c);
	row_reload(&c);
	return world_close();
}
