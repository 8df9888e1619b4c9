/* house: the same with nothing made up but the client: the local store with its limits and books,
 * libcurl before a server on this machine, credentials that a server gives out, and the files that
 * change while the gate runs. */
#include "torture/torture.h"
#include "torture/upstream.h"

#include <dirent.h>
#include <openssl/err.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/limits.h"
#include "call.h"
#include "call/front_mem.h"
#include "front/cgi.h"
#include "registry.h"
#include "wire/json.h"
#include "wire/sse.h"

#define KEY_ONE "sk-postern-one00000000000000000000000000000000000000000"
#define KEY_TWO "sk-postern-two00000000000000000000000000000000000000000"

#define BODY(model, more)                                                                    \
	SPAN("{\"model\":\"" model "\",\"max_tokens\":100,\"messages\":[{\"role\":\"user\"," \
	     "\"content\":\"hello\"}]" more "}")
#define STREAM ",\"stream\":true"

enum change {
	CHANGE_NOTHING,
	CHANGE_NEW_KEY, /* the key file has got the second key */
	CHANGE_REVOKED, /* the first key has been revoked */
	CHANGE_CONF,	/* the configuration */
};

/* A call, and what has changed since the one before it. */
struct errand {
	struct span body;
	enum change change;
	bool cold;    /* nothing is open when it begins: the gate is opened, and closed behind it */
	bool fresh;   /* nor is there a state folder */
	bool cgi;     /* it comes as one to a CGI */
	int status;   /* when nothing fails */
	size_t every; /* of the allocations fails; 0: each */
};

static struct {
	struct check check;
	char top[64], state[96], keys[96], conf[96], prices[96], account[96];
	int cut_fd;
	int host_fd; /* where a CGI's host reads the answer; -1: there is none */
	struct gate *gate;
	struct call *call;
	bool served;	   /* there was memory for a call at all */
	struct buf golden; /* the body when nothing fails */
	struct span head, body;
	int status;
	char request_id[64];
} house = { .check = { .module = "torture house" }, .cut_fd = -1, .host_fd = -1 };

static const char conf_format[] =
    "keys = \"%s\"\nstate = \"%s\"\nprices = \"%s\"\n"
    "retry_s = 0\ncooldown_s = 30\nupstream_first_s = 3\nupstream_idle_s = 3\n"
    "upstream \"near\" { kind = \"anthropic\" url = \"http://127.0.0.1:%u\" api_key_env = \"HOUSE\" }\n"
    "upstream \"google\" { kind = \"vertex\" url = \"http://127.0.0.1:%u/v1\" google_project = \"p\" "
    "google_location = \"eu\" credentials = \"metadata\" }\n"
    "upstream \"service\" { kind = \"vertex\" url = \"http://127.0.0.1:%u/v1\" google_project = \"p\" "
    "google_location = \"eu\" credentials = \"file:%s\" }\n"
    "upstream \"echo\" { kind = \"echo\" }\n"
    "model \"near\" { target \"near\" { } }\n"
    "model \"claude\" { target \"google\" { id = \"claude@1\" } }\n"
    "model \"served\" { target \"service\" { id = \"claude@1\" } }\n"
    "model \"said\" { target \"echo\" { } price = { 3, 15, 3.75, 6, 0.3 } }\n"
    "workspace \"default\" { rpm = 100000 tpm = 100000000 concurrent = %u budget_day = 1000 "
    "upstreams = { \"near\", \"google\", \"service\", \"echo\" } }\n%s";

static const struct errand *
errand(void)
{
	return torture.scenario->data;
}

static void
write_conf(const char *more)
{
	char text[4096];
	int n = snprintf(text, sizeof(text), conf_format, house.keys, house.state, house.prices,
	    upstream.port, upstream.port, upstream.port, house.account, errand()->cold ? 1000u : 3u,
	    more);

	if (n < 0 || (size_t)n >= sizeof(text))
		abort();
	torture_write(house.conf, text);
}

static void
put_key(char *to, size_t size, const char *id, const char *key, const char *more)
{
	uint8_t hash[HASH_LEN];
	char hex[HASH_HEX_LEN + 1];
	size_t n = strlen(to);

	if (hash_sha256(span_of(key), hash))
		abort();
	hash_to_hex(hash, hex);
	(void)snprintf(to + n, size - n, "%s %s workspace=default%s\n", id, hex, more);
}

static void
write_keys(bool second, bool revoked)
{
	char text[1024] = "";

	put_key(
	    text, sizeof(text), "one1", KEY_ONE, revoked ? " revoked=2026-01-01T00:00:00Z" : "");
	if (second)
		put_key(text, sizeof(text), "two1", KEY_TWO, "");
	torture_write(house.keys, text);
}

/* Standard input holds the body, and the host waits at standard output. */
static void
prepare_cgi(struct span body, const char *key)
{
	int ends[2];
	int in = memfd_create("body", MFD_CLOEXEC);

	if (setenv("REQUEST_METHOD", "POST", 1) || setenv("REQUEST_URI", "/v1/messages", 1) ||
	    setenv("HTTP_X_API_KEY", key, 1) || in < 0 ||
	    write(in, body.p, body.n) != (ssize_t)body.n || lseek(in, 0, SEEK_SET) != 0 ||
	    pipe2(ends, O_CLOEXEC) < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(ends[1], STDOUT_FILENO) < 0)
		abort();
	(void)close(in);
	(void)close(ends[1]);
	house.host_fd = ends[0];
}

static void
prepare(struct span body, const char *key)
{
	char *at;

	front_mem_reset();
	front_mem_param("REQUEST_METHOD", "POST");
	front_mem_param("REQUEST_URI", "/v1/messages");
	front_mem_param("SCRIPT_NAME", "");
	front_mem_param("REMOTE_ADDR", "192.0.2.7");
	front_mem_param("HTTP_X_API_KEY", key);
	front_mem.body = body;
	if (buf_room(&front_mem.out, 256 * KIB, &at))
		abort();
	if (errand()->cgi)
		prepare_cgi(body, key);
}

/* Reads what the host has been given; it has seen the end of it. */
static void
read_host(void)
{
	char *at;
	ssize_t n;

	if (house.host_fd < 0)
		return;
	if (dup2(house.cut_fd, STDOUT_FILENO) < 0) /* a call that never was has left it open */
		abort();
	while (buf_room(&front_mem.out, 4096, &at) == 0 && (n = read(house.host_fd, at, 4096)) > 0)
		front_mem.out.len += (size_t)n;
	(void)close(house.host_fd);
	house.host_fd = -1;
}

static void
open_gate(void)
{
	const struct front *front = errand()->cgi ? &front_cgi : &front_mem_front;

	house.gate = gate_open(registry(), house.conf, house.cut_fd);
	house.call = house.gate ? call_open(house.gate, front) : NULL;
}

static void
close_gate(void)
{
	call_close(house.call);
	gate_close(house.gate);
	house.call = NULL;
	house.gate = NULL;
}

static void
serve(void)
{
	int fd;

	call_run(house.call, -1, false);
	(void)call_finish(house.call, &fd);
	call_book(house.call);
}

static struct span
header(const char *name)
{
	struct span rest = house.head;
	struct span line, found;

	while (span_next(&rest, '\n', &line))
		if (span_next(&line, ':', &found) && span_eq_nocase(found, span_of(name)))
			return line.p ? span_trim(line) : SPAN("");
	return (struct span){ 0 };
}

/* Reads what came of a call. */
static void
look(void)
{
	struct span out = buf_span(&front_mem.out);
	const char *end = out.n > 0 ? memmem(out.p, out.n, "\r\n\r\n", 4) : NULL;
	struct span text, id;

	house.status = 0;
	house.head = house.body = (struct span){ 0 };
	if (!end)
		return;
	house.head = (struct span){ out.p, (size_t)(end - out.p) + 2 };
	house.body = span_cut(out, house.head.n + 2, out.n);
	text = header("status");
	if (text.n == 3)
		house.status = (text.p[0] - '0') * 100 + (text.p[1] - '0') * 10 + text.p[2] - '0';
	id = header("request-id");
	(void)snprintf(house.request_id, sizeof(house.request_id), "%.*s", (int)id.n, id.p);
}

static bool
is_golden(void)
{
	return house.status == errand()->status &&
	    (house.status >= 400 || span_eq(house.body, buf_span(&house.golden)));
}

/* How often a call stands in a file of the ledger. */
static unsigned
count_in(const char *name)
{
	struct buf text = buf_make(64 * MIB);
	struct span rest, line;
	char path[512];
	unsigned n = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", house.state, name);
	if (file_read(path, &text))
		abort();
	rest = buf_span(&text);
	while (rest.n > 0 && span_next(&rest, '\n', &line))
		n += line.n > 0 &&
		    memmem(line.p, line.n, house.request_id, strlen(house.request_id)) != NULL;
	buf_free(&text);
	return n;
}

static unsigned
ledger_lines(void)
{
	struct dirent **names;
	int files = scandir(house.state, &names, NULL, alphasort);
	unsigned n = 0;

	for (int i = 0; i < files; i++) {
		if (strncmp(names[i]->d_name, "ledger-", 7) == 0)
			n += count_in(names[i]->d_name);
		free(names[i]);
	}
	if (files >= 0)
		free(names);
	return n;
}

/* A beginning of the stream, and the error behind it if there is one. */
static void
check_stream(void)
{
	struct check *c = &house.check;
	struct span rest = house.body, body = house.body;
	struct sse s = { 0 };
	struct sse_event ev;

	while (sse_next(&s, rest, &ev) == 1) {
		if (span_eq(ev.name, SPAN("error")))
			body = span_cut(house.body, 0, house.body.n - rest.n);
		rest = span_cut(rest, ev.raw.n, rest.n);
	}
	check_that(c, body.n < house.golden.len && span_starts(buf_span(&house.golden), body),
	    "the stream is no beginning of what it is otherwise: '%.*s'", (int)house.body.n,
	    house.body.n ? house.body.p : "");
}

static void
check_refusal(void)
{
	struct check *c = &house.check;

	torture_check_status(&house.check, house.status, house.body);
	check_that(c,
	    span_eq(json_find(house.body, SPAN("type")), SPAN("\"error\"")) &&
		json_find_in(house.body, "error", "type", NULL).n > 2 &&
		json_find_in(house.body, "error", "message", NULL).n > 2,
	    "no error of the API: '%.*s'", (int)house.body.n, house.body.n ? house.body.p : "");
}

/* What came of the call in which memory ran out. */
static void
expect_sound(void)
{
	struct check *c = &house.check;

	read_host();
	if (!house.served || !check_that(c, front_mem.out.len > 0, "nothing was sent at all"))
		return;
	look();
	if (is_golden())
		return;
	if (house.status == 200 && span_starts(header("content-type"), SPAN("text/event-stream")))
		check_stream();
	else
		check_refusal();
}

/* The call as it is when nothing fails. */
static void
expect_golden(void)
{
	struct check *c = &house.check;

	read_host();
	look();
	if (house.golden.len == 0 && buf_add(&house.golden, house.body))
		abort();
	check_that(c, is_golden(), "'%.*s', not %d '%.*s'", (int)front_mem.out.len,
	    front_mem.out.len ? front_mem.out.p : "", errand()->status, (int)house.golden.len,
	    house.golden.p);
}

static const char *
key_of(const struct errand *e)
{
	return e->change == CHANGE_NEW_KEY ? KEY_TWO : KEY_ONE;
}

static void
before(void)
{
	const struct errand *e = errand();

	if (e->change == CHANGE_CONF)
		write_conf("");
	else if (e->change != CHANGE_NOTHING)
		write_keys(false, false);
	house.status = 0;
	if (e->fresh)
		torture_remove(house.state);
	if (!e->cold)
		open_gate();
	if (e->change != CHANGE_NOTHING) {
		prepare(e->body, KEY_ONE);
		serve();
	}
	if (e->change == CHANGE_CONF)
		write_conf("model \"more\" { target \"echo\" { } }\n");
	else if (e->change != CHANGE_NOTHING)
		write_keys(e->change == CHANGE_NEW_KEY, e->change == CHANGE_REVOKED);
	prepare(e->body, key_of(e));
}

static void
during(void)
{
	if (errand()->cold)
		open_gate();
	house.served = house.call != NULL;
	if (house.served)
		serve();
	if (errand()->cold)
		close_gate();
}

static void
again(void)
{
	struct check *c = &house.check;
	char why[sizeof(c->why)];

	prepare(errand()->body, key_of(errand()));
	serve();
	expect_golden();
	if (!c->why[0])
		return;
	memcpy(why, c->why, sizeof(why));
	(void)snprintf(c->why, sizeof(c->why), "the next call: %.400s", why);
}

/* A call that its client has whole stands in the ledger once, and no call twice. Where there was no
 * memory for it until the gate was closed, it is as if the process had died: it is booked as lost
 * when its lease has run out. */
static void
check_ledger(const char *request_id, bool whole)
{
	bool lost = errand()->cold && failing.all_after;
	unsigned n;

	(void)snprintf(house.request_id, sizeof(house.request_id), "%s", request_id);
	n = ledger_lines();
	/* One that is queued is carried there by whoever opens the folder next. */
	if (n == 0) {
		open_gate();
		close_gate();
		n = ledger_lines();
	}
	check_that(
	    &house.check, n == 1 || ((!whole || lost) && n == 0), "%u lines in the ledger", n);
}

static void
after(void)
{
	struct check *c = &house.check;
	char request_id[sizeof(house.request_id)] = "";
	bool whole = false;

	if (torture.unfailed)
		expect_golden();
	else
		expect_sound();
	if (house.status > 0) {
		memcpy(request_id, house.request_id, sizeof(request_id));
		whole = house.status == 200 && is_golden();
	}
	if (!torture.unfailed || errand()->cold) {
		if (errand()->cold)
			open_gate();
		if (!c->why[0])
			again();
	}
	close_gate();
	if (request_id[0] && !c->why[0])
		check_ledger(request_id, whole);
	front_mem_free();
	ERR_clear_error(); /* its words are kept until a thread's next error */
}

/* A service account, whose tokens the server on this machine gives out. */
static void
write_account(void)
{
	struct buf pem = buf_make(SECRET_FILE_MAX), text = buf_make(SECRET_FILE_MAX);

	if (file_read("tests/unit/vectors/rsa_2048.pem", &pem) ||
	    buf_addf(&text,
		"{\"type\":\"service_account\",\"client_email\":\"a@p.test\",\"private_key_id\":\"k\","
		"\"token_uri\":\"http://127.0.0.1:%u/token\",\"private_key\":",
		upstream.port) ||
	    json_put_string(&text, buf_span(&pem)) || buf_add(&text, SPAN("}")) || !buf_str(&text))
		abort();
	torture_write(house.account, text.p);
	buf_free(&pem);
	buf_free(&text);
}

static void
open_house(void)
{
	char server[32];

	torture_folder(house.top, sizeof(house.top));
	(void)torture_capture(STDERR_FILENO);
	(void)snprintf(house.state, sizeof(house.state), "%s/state", house.top);
	(void)snprintf(house.keys, sizeof(house.keys), "%s/keys", house.top);
	(void)snprintf(house.conf, sizeof(house.conf), "%s/conf", house.top);
	(void)snprintf(house.prices, sizeof(house.prices), "%s/prices", house.top);
	(void)snprintf(house.account, sizeof(house.account), "%s/account", house.top);
	write_account();
	(void)snprintf(server, sizeof(server), "127.0.0.1:%u", upstream.port);
	if (setenv("HOUSE", "sk-upstream", 1) || setenv("GCE_METADATA_HOST", server, 1))
		abort();
	torture_write(house.prices, "* 3 15 3.75 6 0.3\n");
	write_keys(false, false);
	write_conf("");
	house.cut_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	house.golden.len = 0;
}

static void
close_house(void)
{
	torture_remove(house.top);
}

static const struct {
	const char *name;
	struct errand errand;
} rows[] = {
	{ "a call", { .body = BODY("said", ""), .status = 200 } },
	{ "a stream", { .body = BODY("said", STREAM), .status = 200 } },
	{ "a call through libcurl", { .body = BODY("near", ""), .status = 200 } },
	{ "a stream through libcurl", { .body = BODY("near", STREAM), .status = 200 } },
	{ "a token of a server", { .body = BODY("claude", ""), .status = 200 } },
	/* Nine of ten are those of OpenSSL's decoder of keys. */
	{ "a token for a signature", { .body = BODY("served", ""), .status = 200, .every = 13 } },
	{ "a new key", { .body = BODY("said", ""), .change = CHANGE_NEW_KEY, .status = 200 } },
	{ "a revoked key", { .body = BODY("said", ""), .change = CHANGE_REVOKED, .status = 401 } },
	{ "a new configuration",
	    { .body = BODY("said", ""), .change = CHANGE_CONF, .status = 200 } },
	{ "a stream of a CGI",
	    { .body = BODY("near", STREAM),
		.cold = true,
		.cgi = true,
		.status = 200,
		.every = 3 } },
	{ "a gate from opening to closing",
	    { .body = BODY("said", ""), .cold = true, .status = 200 } },
	{ "a gate over a new state folder",
	    { .body = BODY("said", ""), .cold = true, .fresh = true, .status = 200, .every = 3 } },
};

int
main(int argc, char **argv)
{
	upstream_open();
	house.golden = buf_make(64 * KIB);
	if (buf_add(&house.golden, SPAN(" ")))
		return 1;
	torture_open(&house.check);
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct torture_scenario s = { .name = rows[i].name,
			.open = open_house,
			.begin = before,
			.act = during,
			.end = after,
			.close = close_house,
			.data = &rows[i].errand,
			.exclusion = &torture_confuse,
			.every = rows[i].errand.every };

		if (argc < 2 || strstr(rows[i].name, argv[1]))
			torture_run(&s);
	}
	buf_free(&house.golden);
	upstream_close();
	return torture.failed > 0;
}
