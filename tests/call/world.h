/* world: a whole gate in memory, one call at a time. Everything around the call is a script: the
 * client (front_mem), the keys (store_mem), the upstreams (transfer_replay), the time (clock_mem).
 * What must hold for every call, however it ends, is checked after each one. */
#ifndef POSTERN_TESTS_CALL_WORLD_H
#define POSTERN_TESTS_CALL_WORLD_H

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call.h"
#include "call/clock_mem.h"
#include "call/front_mem.h"
#include "call/store_mem.h"
#include "call/transfer_replay.h"
#include "registry.h"
#include "unit/check.h"
#include "wire/json.h"
#include "wire/sse.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

/* The keys of clients, none of which may be seen anywhere but in a request. */
#define KEY_GOOD    "sk-postern-good0000000000000000000000000000000000000000"
#define KEY_OTHER   "sk-postern-other000000000000000000000000000000000000000"
#define KEY_NARROW  "sk-postern-narrow00000000000000000000000000000000000000"
#define KEY_LISTED  "sk-postern-listed00000000000000000000000000000000000000"
#define KEY_EXPIRED "sk-postern-expired0000000000000000000000000000000000000"
#define KEY_REVOKED "sk-postern-revoked0000000000000000000000000000000000000"
#define KEY_NOWHERE "sk-postern-nowhere0000000000000000000000000000000000000"
#define KEY_UNKNOWN "sk-postern-unknown0000000000000000000000000000000000000"
/* The secrets of the upstreams. */
#define SECRET_ONE "sk-upstream-secret-one"
#define SECRET_TWO "sk-upstream-secret-two"
/* Stands in every prompt and in every answer. */
#define PROMPT "tell-nobody-this-prompt"

#define WORLD_MAX_BODY "8388608"

static const char world_conf[] =
    "keys = \"/nowhere/keys\"\nstate = \"%s\"\nmax_body = " WORLD_MAX_BODY "\n"
    "retry_s = 0\ncooldown_s = 0\nauth_failures_minute = 0\ncommit_s = 5\nping_s = 10\nupstream_first_s = 60\nupstream_idle_s = 35\n"
    "upstream \"one\" { kind = \"anthropic\" url = \"https://one.test\" api_key_env = \"WORLD_ONE\" }\n"
    "upstream \"two\" { kind = \"anthropic\" url = \"https://two.test/base\" api_key_env = \"WORLD_TWO\""
    " auth = \"bearer\" }\n"
    "upstream \"any\" { kind = \"anthropic\" url = \"https://any.test\" api_key_env = \"WORLD_TWO\" any_model = true }\n"
    "upstream \"bare\" { kind = \"anthropic\" url = \"https://bare.test\" api_key_env = \"WORLD_NONE\" }\n"
    "upstream \"echo\" { kind = \"echo\" }\n"
    "upstream \"slow\" { kind = \"echo\" pace_ms = 4000 }\n"
    "upstream \"far\" { kind = \"echo\" regions = { \"eu\" } }\n"
    "model \"plain\" { target \"one\" { } display_name = \"Plain \\\"1\\\"\" created = \"2026-01-02\" }\n"
    "model \"renamed\" { target \"one\" { id = \"real-model-id\" } }\n"
    "model \"bearer\" { target \"two\" { } }\n"
    "model \"both\" { target \"one\" { id = \"first-id\" } target \"two\" { id = \"second-id\" } }\n"
    "model \"bare\" { target \"bare\" { } }\n"
    "model \"said\" { target \"echo\" { } }\n"
    "model \"slow\" { target \"slow\" { } }\n"
    "model \"far\" { target \"far\" { } }\n"
    "model \"colon:0\" { target \"echo\" { } }\n"
    "workspace \"default\" { }\n"
    "workspace \"narrow\" { models = { \"pl*\", \"sa?d\" } }\n";

static struct {
	struct check *check;
	struct parts parts;
	struct gate *gate;
	struct call *call;
	char folder[64];
	char conf[80];
	int log_fd; /* what is standard error to the gate */
	int cut_fd;

	/* Of the last call. */
	struct buf log;
	int status; /* 0: nothing came */
	struct span head, body;
} world = { .log = { .max = 4 * 1024 * 1024 } };

/* Whether a text holds another one. */
static inline bool
world_holds(struct span text, struct span part)
{
	return part.n == 0 || (text.n > 0 && memmem(text.p, text.n, part.p, part.n));
}

static inline struct span
world_log(void)
{
	return buf_span(&world.log);
}

static inline struct span
world_ledger(void)
{
	return buf_span(&store_mem.ledger);
}

/* Writes the configuration; what replaces the usual one may hold a %s for the state folder. */
static inline void
world_configure(const char *text)
{
	struct buf b = buf_make(64 * 1024);
	const char *at = strstr(text, "%s");
	int fd = open(world.conf, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -1 : 0;

	if (at) {
		rc |= buf_add(&b, (struct span){ text, (size_t)(at - text) }) |
		    buf_add(&b, span_of(world.folder));
		text = at + 2;
	}
	rc |= buf_add(&b, span_of(text));
	rc |= write(fd, b.p, b.len) == (ssize_t)b.len ? 0 : -1;
	rc |= close(fd);
	buf_free(&b);
	assert(rc == 0);
}

static inline void
world_reset_log(void)
{
	int rc = ftruncate(world.log_fd, 0);

	buf_reset(&world.log, 64 * 1024);
	assert(rc == 0);
	(void)rc;
}

static inline void
world_capture(void)
{
	int old = dup(STDERR_FILENO);

	world.log_fd = memfd_create("log", MFD_CLOEXEC);
	assert(old >= 0 && world.log_fd >= 0);

	int rc = fcntl(world.log_fd, F_SETFL, O_APPEND);

	rc |= dup2(world.log_fd, STDERR_FILENO) < 0;
	assert(rc == 0);
	(void)rc;
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_set_report_fd((void *)(intptr_t)old);
#endif
}

/* Reads what was logged since the last call began. */
static inline void
world_read_log(void)
{
	struct stat st;
	char *at = NULL;
	int rc = fstat(world.log_fd, &st);

	assert(rc == 0);
	rc = buf_room(&world.log, (size_t)st.st_size + 1, &at);
	assert(rc == 0);
	(void)rc;

	ssize_t n = pread(world.log_fd, at, (size_t)st.st_size, 0);

	world.log.len = n > 0 ? (size_t)n : 0;
}

/* Everything but the gate, with this configuration. */
static inline void
world_make(struct check *c, const char *conf)
{
	static const struct store_kind *const stores[] = { &store_mem_kind, NULL };

	world.check = c;
	world.parts = *registry();
	world.parts.stores = stores;
	(void)snprintf(world.folder, sizeof(world.folder), "/tmp/postern-call-XXXXXX");

	const char *made = mkdtemp(world.folder);
	int rc = setenv("WORLD_ONE", SECRET_ONE, 1) | setenv("WORLD_TWO", SECRET_TWO, 1) |
	    unsetenv("WORLD_NONE");

	assert(made && rc == 0);
	(void)made;
	(void)rc;
	(void)snprintf(world.conf, sizeof(world.conf), "%s/postern.conf", world.folder);
	world_configure(conf);
	world_capture();
	store_mem_add(KEY_GOOD, "good1", "workspace=default name=\"the good one\"");
	store_mem_add(KEY_OTHER, "other1", "workspace=default");
	store_mem_add(KEY_NARROW, "narrow1", "workspace=narrow");
	store_mem_add(KEY_LISTED, "listed1", "workspace=default models=pl*,renamed");
	store_mem_add(KEY_EXPIRED, "expired1", "workspace=default expires=2026-11-21");
	store_mem_add(KEY_REVOKED, "revoked1", "workspace=default revoked=2026-11-20T10:00:00Z");
	store_mem_add(KEY_NOWHERE, "nowhere1", "workspace=nowhere");
	world.cut_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(world.cut_fd >= 0);
}

static inline void
world_start(void)
{
	world.gate = gate_open(&world.parts, world.conf, world.cut_fd);
	assert(world.gate);
	world.call = call_open(world.gate, &front_mem_front);
	assert(world.call);
}

static inline void
world_stop(void)
{
	call_close(world.call);
	gate_close(world.gate);
}

static inline void
world_open(struct check *c)
{
	world_make(c, world_conf);
	world_start();
	world_read_log();
	check_row(c, "the configuration is good");
	check_that(c, world.log.len == 0, "%.*s", (int)world.log.len, world.log.p);
}

/* Frees everything and ends the test: what main returns. */
static inline int
world_close(void)
{
	assert(world.check); /* world_open went before */
	world_stop();
	(void)unlink(world.conf);
	check_row(world.check, "nothing is left behind");
	check_that(world.check, rmdir(world.folder) == 0, "files are left in the state folder");
	check_that(world.check, replay.opened == 0, "%d transfers are left open", replay.opened);
	replay_reset();
	front_mem_free();
	store_mem_free();
	buf_free(&world.log);
	(void)close(world.cut_fd);
	(void)close(world.log_fd);
	return check_end(world.check);
}

/* Calls must end now, as when the process stops. */
static inline void
world_cut(void)
{
	uint64_t one = 1;
	ssize_t n = write(world.cut_fd, &one, sizeof(one));

	assert(n == (ssize_t)sizeof(one));
	(void)n;
}

/* Begins a call: all scripts as they are in a plain call. */
static inline void
world_begin(const char *method, const char *uri, struct span body)
{
	uint64_t ignored;

	(void)!read(world.cut_fd, &ignored, sizeof(ignored));
	front_mem_reset();
	store_mem_reset();
	replay_reset();
	clock_mem.act = NULL;
	world_reset_log();
	front_mem_param("REQUEST_METHOD", method);
	front_mem_param("REQUEST_URI", uri);
	front_mem_param("SCRIPT_NAME", "");
	front_mem_param("REMOTE_ADDR", "192.0.2.7");
	front_mem_param("HTTP_HOST", "gate.test");
	front_mem_param("HTTP_X_API_KEY", KEY_GOOD);
	front_mem_param("HTTP_ANTHROPIC_VERSION", "2023-06-01");
	front_mem_param("CONTENT_TYPE", "application/json");
	front_mem.body = body;
}

/* A Messages call on a model, streaming or not. */
#define WORLD_BODY(model, more)                                                             \
	SPAN("{\"model\":\"" model                                                          \
	     "\",\"max_tokens\":100,\"messages\":[{\"role\":\"user\",\"content\":\"" PROMPT \
	     "\"}]" more "}")
#define WORLD_STREAM ",\"stream\":true"

/* The upstreams' answers, one per request. */
static inline void
world_answers(const struct replay *answers, size_t n)
{
	replay.answers = answers;
	replay.answers_n = n;
}

/* The value of an answer's header; p NULL when it is not there. */
static inline struct span
world_header(const char *name)
{
	struct span rest = world.head;
	struct span line;

	while (span_next(&rest, '\n', &line)) {
		struct span value = line;
		struct span found;

		if (span_next(&value, ':', &found) && span_eq_nocase(found, span_of(name)))
			return value.p ? span_trim(value) : SPAN("");
	}
	return (struct span){ 0 };
}

/* How often a header stands in the answer. */
static inline unsigned
world_header_count(const char *name)
{
	struct span rest = world.head;
	struct span line;
	unsigned n = 0;

	while (span_next(&rest, '\n', &line)) {
		struct span value = line;
		struct span found;

		n += span_next(&value, ':', &found) && span_eq_nocase(found, span_of(name));
	}
	return n;
}

static inline bool
world_is_stream(void)
{
	return span_starts(world_header("content-type"), SPAN("text/event-stream"));
}

/* Reads the status and parts head from body. */
static inline void
world_split(void)
{
	struct span out = buf_span(&front_mem.out);
	const char *end = out.n > 0 ? memmem(out.p, out.n, "\r\n\r\n", 4) : NULL;
	struct span status;

	world.status = 0;
	world.head = world.body = (struct span){ 0 };
	if (!end)
		return;
	world.head = (struct span){ out.p, (size_t)(end - out.p) + 2 };
	world.body = span_cut(out, world.head.n + 2, out.n);
	status = world_header("status");
	if (status.n == 3)
		world.status =
		    (status.p[0] - '0') * 100 + (status.p[1] - '0') * 10 + status.p[2] - '0';
}

/* A head that a web server takes: lines of a name and a value, none twice. */
static inline void
world_check_head(void)
{
	struct check *c = world.check;
	static const char *const once[] = { "status", "content-type", "request-id",
		"content-length", "retry-after", "x-should-retry",
		"anthropic-ratelimit-requests-limit" };
	struct span id = world_header("request-id");

	check_that(c, world.status >= 200, "no status in '%.*s'", (int)world.head.n,
	    world.head.n ? world.head.p : "");
	for (size_t i = 0; i < sizeof(once) / sizeof(*once); i++)
		check_that(c, world_header_count(once[i]) <= 1, "%s stands twice", once[i]);
	check_that(c, id.n == 28 && span_starts(id, SPAN("req_")), "request-id '%.*s'", (int)id.n,
	    id.n ? id.p : "");
	check_that(c, world_holds(world_log(), id), "the log does not name the request");
}

/* An answer that is no stream has its length; an error has its envelope and our request id. */
static inline void
world_check_whole(void)
{
	struct check *c = world.check;
	struct span length = world_header("content-length");
	const char *method = front_mem_get(NULL, "REQUEST_METHOD");
	char want[24];
	struct json_fault fault;

	if (method && strcmp(method, "HEAD") == 0) {
		check_that(c, world.body.n == 0, "a body for HEAD");
		return;
	}
	(void)snprintf(want, sizeof(want), "%zu", world.body.n);
	check_that(c, span_eq(length, span_of(want)), "content-length %.*s of %s", (int)length.n,
	    length.n ? length.p : "", want);
	if (world.status < 400 ||
	    !span_starts(world_header("content-type"), SPAN("application/json")))
		return;
	check_that(c, json_scan(world.body, 64, NULL, 0, &fault) == 0, "the error is not JSON");

	struct span raw = json_find(world.body, SPAN("request_id"));

	check_that(c, raw.n > 2 && span_eq(span_cut(raw, 1, raw.n - 1), world_header("request-id")),
	    "the error has another request id");
	check_that(c,
	    span_eq(json_find(world.body, SPAN("type")), SPAN("\"error\"")) &&
		json_find_in(world.body, "error", "type", NULL).n > 2 &&
		json_find_in(world.body, "error", "message", NULL).n > 2,
	    "the error has no type or message");
}

/* A stream is made of whole, named events and ends in message_stop or error, once. */
static inline void
world_check_stream(void)
{
	struct check *c = world.check;
	struct span rest = world.body;
	struct sse s = { 0 };
	struct sse_event ev;
	unsigned ends = 0;

	check_that(c, world_header("content-length").p == NULL, "a stream with a length");
	check_that(c, span_eq(world_header("cache-control"), SPAN("no-cache")), "no cache-control");
	check_that(c, span_eq(world_header("x-accel-buffering"), SPAN("no")), "may be buffered");
	while (sse_next(&s, rest, &ev) == 1) {
		check_that(c, ends == 0, "'%.*s' after the end", (int)ev.raw.n, ev.raw.p);
		rest = span_cut(rest, ev.raw.n, rest.n);
		if (!ev.data.p)
			continue;
		check_that(
		    c, ev.name.n > 0, "an event without a name: '%.*s'", (int)ev.raw.n, ev.raw.p);
		check_that(c, !world_holds(ev.data, SPAN("[DONE]")), "[DONE]");
		if (span_eq(ev.name, SPAN("message_stop")) || span_eq(ev.name, SPAN("error")))
			ends++;
	}
	if (front_mem.left)
		return;
	check_that(
	    c, rest.n == 0, "ends within an event: '%.*s'", (int)rest.n, rest.n ? rest.p : "");
	check_that(c, ends == 1, "%u ends", ends);
	check_that(c,
	    front_mem.flushes_n > 0 &&
		front_mem.flushes[front_mem.flushes_n - 1] == front_mem.out.len,
	    "the end was not flushed");
}

/* No secret and no prompt in what is logged and booked, no key of a client at an upstream. */
static inline void
world_check_secrets(void)
{
	static const char *const secrets[] = { "sk-", "good000", SECRET_ONE, SECRET_TWO, PROMPT };
	struct check *c = world.check;

	for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++) {
		struct span secret = span_of(secrets[i]);

		check_that(
		    c, !world_holds(world_log(), secret), "'%s' stands in the log", secrets[i]);
		check_that(c, !world_holds(world_ledger(), secret), "'%s' stands in the ledger",
		    secrets[i]);
		check_that(c, i == 4 || !world_holds(world.body, secret),
		    "'%s' stands in the answer", secrets[i]);
		check_that(
		    c, !world_holds(world.head, secret), "'%s' stands in the head", secrets[i]);
	}
	for (size_t i = 0; i < replay.requests_n; i++) {
		struct span headers = buf_span(&replay.requests[i].headers);

		check_that(c, !world_holds(headers, SPAN("sk-postern")),
		    "a client's key went to the upstream");
		check_that(c, !world_holds(span_of(replay.requests[i].url), SPAN("sk-")),
		    "a key in a URL");
	}
}

/* One access line; at most one ledger line, of the same call, in the file of its month. */
static inline void
world_check_books(void)
{
	struct check *c = world.check;
	struct span rest = world_log();
	struct span line;
	unsigned lines = 0;
	struct span id = world_header("request-id");

	while (span_next(&rest, '\n', &line)) {
		lines += world_holds(line, SPAN(" event=call "));
		check_that(c, line.n == 0 || span_starts(line, SPAN("time=2026-11-21T12:")),
		    "log line '%.*s'", (int)line.n, line.p);
	}
	check_that(c, lines == 1, "%u access lines", lines);
	check_that(c, store_mem.appended <= 1, "%u ledger lines", store_mem.appended);
	check_that(c, store_mem.taken == store_mem.settled, "%u let in, %u settled",
	    store_mem.taken, store_mem.settled);
	check_that(c, store_mem.state.account[SCOPE_WORKSPACE].running == store_mem.running_before,
	    "a slot is stuck");
	check_that(c, front_mem.finished == 1, "finished %u times", front_mem.finished);
	if (store_mem.appended == 0)
		return;
	check_that(c, span_starts(world_ledger(), SPAN("{\"seq\":")), "a line without its number");
	check_that(c, world_holds(world_ledger(), id), "the ledger has another request id");
}

/* Runs the call that was begun. */
static inline void
world_serve(bool busy)
{
	int fd;

	call_run(world.call, -1, busy);
	check_that(
	    world.check, call_finish(world.call, &fd) == FRONT_CLOSED, "a connection is kept");
	call_book(world.call);
}

/* Runs the call that was begun and checks what holds for every call. */
static inline void
world_run_as(bool busy)
{
	world_serve(busy);
	world_read_log();
	world_split();
	world_check_secrets();
	world_check_books();
	if (front_mem.out.len == 0)
		return;
	if (!front_mem.left || world.head.n > 0)
		world_check_head();
	if (world_is_stream())
		world_check_stream();
	else if (!front_mem.left)
		world_check_whole();
}

static inline void
world_run(void)
{
	world_run_as(false);
}

/* The answer has this status and this type of error (NULL: it is none). */
static inline void
world_expect(int status, const char *type)
{
	struct check *c = world.check;
	struct span got = json_find_in(world.body, "error", "type", NULL);

	check_that(c, world.status == status, "status %d, not %d; body '%.*s' log '%.*s'",
	    world.status, status, (int)world.body.n, world.body.n ? world.body.p : "",
	    (int)world.log.len, world.log.len ? world.log.p : "");
	if (type && got.n >= 2)
		got = span_cut(got, 1, got.n - 1);
	if (type && !(world.body.n == 0 && world.status))
		check_same(c, got, span_of(type));
}

/* The raw value of a member of the ledger line. */
static inline struct span
world_booked(const char *name)
{
	return json_find(span_trim(world_ledger()), span_of(name));
}

/* A member of the ledger line has this raw value. */
static inline void
world_expect_booked(const char *name, const char *value)
{
	struct span got = world_booked(name);

	check_that(world.check, span_eq(got, span_of(value)), "ledger: %s is %.*s, not %s", name,
	    (int)got.n, got.n ? got.p : "", value);
}

/* What the call ended as, in the access line. */
static inline void
world_expect_end(const char *end)
{
	char want[64];

	(void)snprintf(want, sizeof(want), " end=%s ", end);
	check_that(world.check, world_holds(world_log(), span_of(want)), "not%sin '%.*s'", want,
	    (int)world.log.len, world.log.len ? world.log.p : "");
}

/* A header that went to the upstream with request i, "name: value". */
static inline bool
world_asked_with(size_t i, const char *line)
{
	struct buf want = buf_make(64 * 1024);
	struct buf text = buf_make(256 * 1024);
	int rc = buf_addf(&want, "\n%s\n", line) | buf_add(&text, SPAN("\n")) |
	    buf_add(&text, buf_span(&replay.requests[i].headers));
	bool holds = rc == 0 && world_holds(buf_span(&text), buf_span(&want));

	buf_free(&want);
	buf_free(&text);
	return holds;
}

/* Answers of an upstream. */
#define JSON_HEADERS   "content-type: application/json\nrequest-id: req_upstream\n"
#define STREAM_HEADERS "content-type: text/event-stream; charset=utf-8\nrequest-id: req_upstream\n"
#define MESSAGE                                                                                 \
	"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":" \
	"\"text\",\"text\":\"" PROMPT "\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_"   \
	"tokens\":11,\"output_tokens\":7,\"cache_creation_input_tokens\":5,\"cache_read_input_" \
	"tokens\":3,\"cache_creation\":{\"ephemeral_1h_input_tokens\":2}}}"
#define EV(name, data) "event: " name "\ndata: " data "\n\n"
#define EV_START                                                                            \
	EV("message_start",                                                                 \
	    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_" \
	    "tokens\":11,\"output_tokens\":1,\"cache_read_input_tokens\":3}}}")
#define EV_BLOCK                                                                                  \
	EV("content_block_start",                                                                 \
	    "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\"," \
	    "\"text\":\"\"}}")
#define EV_TEXT                                                                                 \
	EV("content_block_delta",                                                               \
	    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\"," \
	    "\"text\":\"" PROMPT "\"}}")
#define EV_BLOCK_STOP EV("content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}")
#define EV_DELTA(count)                                                                        \
	EV("message_delta",                                                                    \
	    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{" \
	    "\"output_tokens\":" count "}}")
#define EV_STOP EV("message_stop", "{\"type\":\"message_stop\"}")
#define EV_PING EV("ping", "{\"type\":\"ping\"}")
#define EV_ALL	EV_START EV_BLOCK EV_TEXT EV_BLOCK_STOP EV_DELTA("5") EV_DELTA("7") EV_STOP
#define EV_ERROR(type)                                                                        \
	EV("error",                                                                           \
	    "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"said by the " \
	    "upstream\"},\"request_id\":\"req_upstream\"}")
#define ERROR(type)                                                                             \
	"{\"type\": \"error\", \"error\": {\"type\": \"" type "\", \"message\": \"said by the " \
	"upstream\", \"details\": {\"error_code\": \"kept\"}}, \"request_id\": \"req_upstream\"}"

#endif
