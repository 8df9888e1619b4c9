/* pool: a real pool with the real FastCGI front and the local store, under many clients at once,
 * with configuration and keys that change meanwhile. Built with the thread sanitizer. */
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include "base/hash.h"
#include "base/limits.h"
#include "front/fcgi.h"
#include "listener.h"
#include "pool.h"
#include "pool/fcgi_client.h"
#include "registry.h"
#include "unit/check.h"

#define CLIENTS	   8
#define CALLS	   60
#define PATIENT_MS 30000
#define LATE_MS	   60
#define KEY_GOOD   "sk-postern-good"
#define KEY_NEW	   "sk-postern-new"

#define ECHO "upstream \"echo\" { kind = \"echo\" }\nmodel \"said\" { target \"echo\" { } }\n"
#define SLOW                                                      \
	"upstream \"slow\" { kind = \"echo\" pace_ms = 60000 }\n" \
	"model \"slow\" { target \"slow\" { } }\n"

struct place {
	struct check *check;
	char folder[64], keys[96], conf[96], listen[96], state[96];
	const char *socket;
	struct gate *gate;
	struct pool *pool;
	int cut_fd;
};

struct client {
	struct place *place;
	pthread_t thread;
	uint64_t seed;
	unsigned good;
	char why[256];
};

static const char turn[] = "{\"model\":\"said\",\"max_tokens\":50,\"messages\":[{\"role\":"
			   "\"user\",\"content\":\"one two three\"}]}";
static const char stream_turn[] =
    "{\"model\":\"said\",\"stream\":true,\"max_tokens\":50,\"messages\":[{\"role\":\"user\","
    "\"content\":\"one two three\"}]}";
static const char slow_turn[] =
    "{\"model\":\"slow\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";

/* Replaces a file as an editor does. */
static void
write_file(const char *path, const char *text)
{
	char new[128];
	int fd, rc;

	(void)snprintf(new, sizeof(new), "%s.new", path);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert(fd >= 0);
	rc = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	rc |= close(fd) | rename(new, path);
	assert(rc == 0);
	(void)rc;
}

static void
write_conf(const struct place *p, const char *more)
{
	char text[4096];

	(void)snprintf(text, sizeof(text),
	    "keys = \"%s\"\nstate = \"%s\"\nretry_s = 0\ncooldown_s = 0\nauth_failures_minute = 0\ncommit_s = 1\nrpm = 0\ntpm = 0\n" ECHO
		SLOW "%s",
	    p->keys, p->state, more);
	write_file(p->conf, text);
}

static void
write_keys(const struct place *p, bool new)
{
	static const char *const keys[] = { KEY_GOOD, KEY_NEW };
	char text[1024];
	size_t at = 0;

	for (size_t i = 0; i < (new ? 2 : 1); i++) {
		uint8_t hash[HASH_LEN];
		char hex[HASH_HEX_LEN + 1];
		int rc = hash_sha256(span_of(keys[i]), hash);

		assert(rc == 0);
		(void)rc;
		hash_to_hex(hash, hex);
		at += (size_t)snprintf(
		    text + at, sizeof(text) - at, "key%zu %s workspace=default\n", i, hex);
	}
	write_file(p->keys, text);
}

static void
start(struct place *p, unsigned threads)
{
	uint64_t ignored;
	struct listener_file file;
	int fd = listener_open(p->listen, &file);

	(void)!read(p->cut_fd, &ignored, sizeof(ignored));
	assert(fd >= 0);
	p->pool = pool_start(p->gate, &front_fcgi, fd, threads);
	assert(p->pool);
}

static void
stop(struct place *p)
{
	pool_stop(p->pool);
	check_that(p->check, pool_wait(p->pool, PATIENT_MS), "threads are left");
	pool_free(p->pool);
	p->pool = NULL;
}

static int
reach(const struct place *p)
{
	return fcgi_connect(p->socket);
}

struct request {
	const char *method, *uri, *key;
	struct span body;
	bool keep; /* the connection */
};

/* Sends a request on a connection. */
static void
ask(int fd, struct request r)
{
	char m[64], u[96], k[96];
	const char *params[] = { m, u, k, "SCRIPT_NAME=", "REMOTE_ADDR=192.0.2.7", NULL };
	struct buf b = buf_make(4 * MIB);
	int rc;

	(void)snprintf(m, sizeof(m), "REQUEST_METHOD=%s", r.method);
	(void)snprintf(u, sizeof(u), "REQUEST_URI=%s", r.uri);
	(void)snprintf(k, sizeof(k), "HTTP_X_API_KEY=%s", r.key);
	rc = fcgi_put_request(&b, params, r.body, r.keep);
	assert(rc == 0);
	(void)rc;
	fcgi_send(fd, buf_span(&b));
	buf_free(&b);
}

static struct request
messages_request(const char *key, const char *body, bool keep)
{
	return (struct request){ "POST", "/v1/messages", key, span_of(body), keep };
}

/* A whole call on a connection of its own; the status. */
static int
call_once(const struct place *p, const char *key, const char *body)
{
	struct fcgi_answer a = { 0 };
	int fd = reach(p);

	if (fd < 0)
		return -1;
	ask(fd, messages_request(key, body, false));
	fcgi_receive(fd, &a);
	(void)close(fd);
	buf_free(&a.out);
	return a.ended ? a.status : 0;
}

/* As call_once, but tries again when it is told to: a thread that has just answered is not free at
 * once. */
static int
call_patiently(const struct place *p, const char *key, const char *body)
{
	int got = 529;

	for (unsigned i = 0; i < 100 && got == 529; i++)
		got = call_once(p, key, body);
	return got;
}

/* What a client asks, and what it must get. */
static const struct {
	const char *method, *uri, *key, *body;
	int status;
	const char *holds;
} calls[] = {
	{ "POST", "/v1/messages", KEY_GOOD, turn, 200, "You said: one two three" },
	{ "POST", "/v1/messages", KEY_GOOD, stream_turn, 200, "event: message_stop" },
	{ "POST", "/messages/count_tokens", KEY_GOOD, turn, 200, "{\"input_tokens\":" },
	{ "GET", "/v1/models?limit=1", KEY_GOOD, "", 200, "\"said\"" },
	{ "POST", "/v1/messages", "sk-postern-bad", turn, 401, "authentication_error" },
	{ "POST", "/v1/messages", KEY_GOOD, "{", 400, "invalid_request_error" },
	{ "GET", "/nowhere", KEY_GOOD, "", 404, "not_found_error" },
	{ "GET", "/healthz", "", "", 200, "ok\n" },
};

static void *
client_main(void *arg)
{
	struct client *c = arg;
	struct fcgi_answer a = { 0 };
	int fd = -1;

	for (unsigned i = 0; i < CALLS && !c->why[0]; i++) {
		size_t n = check_pick(&c->seed, ROWS(calls));
		bool keep = check_pick(&c->seed, 2);

		fd = fd < 0 ? reach(c->place) : fd;
		ask(fd,
		    (struct request){ calls[n].method, calls[n].uri, calls[n].key,
			span_of(calls[n].body), keep });
		fcgi_receive(fd, &a);
		if (!a.ended || a.status != calls[n].status ||
		    !strstr(buf_str(&a.out), calls[n].holds))
			(void)snprintf(c->why, sizeof(c->why), "call %u (%zu): '%.150s'", i, n,
			    a.out.len ? buf_str(&a.out) : "");
		else
			c->good++;
		if (!keep) {
			(void)close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		(void)close(fd);
	buf_free(&a.out);
	return NULL;
}

/* Configuration and keys change, and each change is in force at the next call. */
static void
change(struct place *p, unsigned i)
{
	struct check *c = p->check;
	bool on = i % 2 == 0;
	static const char more[] = "model \"more\" { target \"echo\" { } }\n";
	static const char body[] = "{\"model\":\"more\",\"max_tokens\":50,\"messages\":[{\"role\":"
				   "\"user\",\"content\":\"x\"}]}";
	int got;

	write_keys(p, on);
	got = call_once(p, KEY_NEW, turn);
	check_that(
	    c, got == (on ? 200 : 401), "a key that was %s: %d", on ? "added" : "taken away", got);
	write_conf(p, on ? more : "");
	got = call_once(p, KEY_GOOD, body);
	check_that(c, got == (on ? 200 : 404), "a model that was %s: %d",
	    on ? "added" : "taken away", got);
}

static void
row_many(struct place *p)
{
	struct client clients[CLIENTS];
	unsigned good = 0;

	check_row(p->check, "%d clients, %d calls, keys and configuration change", CLIENTS,
	    CLIENTS * CALLS);
	start(p, 4 * CLIENTS);
	for (unsigned i = 0; i < CLIENTS; i++) {
		int rc;

		clients[i] = (struct client){ .place = p, .seed = 1000 + i };
		rc = pthread_create(&clients[i].thread, NULL, client_main, &clients[i]);
		assert(rc == 0);
		(void)rc;
	}
	for (unsigned i = 0; i < 20; i++)
		change(p, i);
	for (unsigned i = 0; i < CLIENTS; i++) {
		(void)pthread_join(clients[i].thread, NULL);
		good += clients[i].good;
		check_that(p->check, !clients[i].why[0], "%s", clients[i].why);
	}
	check_that(p->check, good == CLIENTS * CALLS, "%u good calls", good);
	stop(p);
}

/* A thread that comes to itself late, as on a busy machine. */
struct late {
	void *(*main)(void *);
	void *arg;
};

static atomic_bool threads_late;

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static void *
late_main(void *arg)
{
	struct late l = *(struct late *)arg;
	struct timespec late = { .tv_nsec = LATE_MS * 1000000L };

	free(arg);
	(void)nanosleep(&late, NULL);
	return l.main(l.arg);
}

/* Stands in for pthread_create in the whole program. */
int
__wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*thread_main)(void *), void *arg)
{
	struct late *l;

	if (!threads_late)
		return __real_pthread_create(thread, attr, thread_main, arg);
	l = malloc(sizeof(*l));
	assert(l);
	*l = (struct late){ thread_main, arg };
	return __real_pthread_create(thread, attr, late_main, l);
}

static void
row_late(struct place *p)
{
	check_row(p->check, "threads that are still starting are as good as free");
	threads_late = true;
	for (unsigned threads = 2; threads <= 4; threads++) {
		start(p, threads);
		for (unsigned i = 0; i < 2 * threads; i++) {
			int got = call_once(p, KEY_GOOD, turn);

			check_that(
			    p->check, got == 200, "%u threads, call %u: %d", threads, i, got);
		}
		stop(p);
	}
	threads_late = false;
}

static void
row_silent(struct place *p)
{
	int silent[50];

	check_row(p->check, "50 silent connections hold none of 4 threads");
	start(p, 4);
	for (size_t i = 0; i < ROWS(silent); i++) {
		silent[i] = reach(p);
		assert(silent[i] >= 0);
	}
	for (unsigned i = 0; i < 20; i++) {
		int got = call_patiently(p, KEY_GOOD, turn);

		check_that(p->check, got == 200, "call %u: %d", i, got);
	}
	check_row(p->check, "one of them speaks at last");
	ask(silent[7], messages_request(KEY_GOOD, turn, false));

	struct fcgi_answer a = { 0 };

	fcgi_receive(silent[7], &a);
	check_that(p->check, a.status == 200, "status %d", a.status);
	buf_free(&a.out);
	for (size_t i = 0; i < ROWS(silent); i++)
		(void)close(silent[i]);
	check_that(
	    p->check, call_patiently(p, KEY_GOOD, turn) == 200, "no answer when they have left");
	stop(p);
}

/* A host that lets go of all its idle connections must not take the threads from its callers. */
static void
row_hang_up(struct place *p)
{
	int silent[50];

	check_row(p->check, "50 connections that hang up at once take no thread, 20 times");
	start(p, 3);
	for (unsigned round = 0; round < 20; round++) {
		for (size_t i = 0; i < ROWS(silent); i++)
			silent[i] = reach(p);
		check_that(p->check, call_patiently(p, KEY_GOOD, turn) == 200, "no call before");
		for (size_t i = 0; i < ROWS(silent); i++)
			(void)close(silent[i]);

		int got = call_once(p, KEY_GOOD, turn);

		check_that(p->check, got == 200, "round %u: %d", round, got);
	}
	stop(p);
}

static void
row_kept(struct place *p)
{
	struct fcgi_answer a = { 0 };
	int kept[12];

	check_row(p->check, "12 kept connections on 3 threads, used in turn");
	start(p, 3);
	for (size_t i = 0; i < ROWS(kept); i++)
		kept[i] = reach(p);
	for (unsigned round = 0; round < 5; round++)
		for (size_t i = 0; i < ROWS(kept); i++) {
			ask(kept[i], messages_request(KEY_GOOD, stream_turn, true));
			fcgi_receive(kept[i], &a);
			check_that(p->check, a.ended && a.status == 200,
			    "round %u, connection %zu: %d", round, i, a.status);
		}
	check_that(p->check, call_patiently(p, KEY_GOOD, turn) == 200, "no thread for another");
	for (size_t i = 0; i < ROWS(kept); i++)
		(void)close(kept[i]);
	buf_free(&a.out);
	stop(p);
}

/* A body that nobody has read must not hold a thread, nor spoil the next call. */
static void
row_unread(struct place *p)
{
	struct fcgi_answer a = { 0 };
	char body[100000];
	int kept[8];

	memset(body, ' ', sizeof(body));
	check_row(p->check, "kept connections whose bodies were refused unread");
	start(p, 3);
	for (size_t i = 0; i < ROWS(kept); i++) {
		kept[i] = reach(p);
		ask(kept[i],
		    (struct request){
			"POST", "/v1/messages", "sk-postern-bad", { body, sizeof(body) }, true });
		fcgi_receive(kept[i], &a);
		check_that(p->check, a.ended && a.status == 401, "connection %zu: %d", i, a.status);
	}
	for (unsigned i = 0; i < 10; i++) {
		int got = call_once(p, KEY_GOOD, turn);

		check_that(p->check, got == 200, "a call beside them: %d", got);
	}
	check_row(p->check, "and the next call on each is answered");
	for (size_t i = 0; i < ROWS(kept); i++) {
		ask(kept[i], messages_request(KEY_GOOD, turn, true));
		fcgi_receive(kept[i], &a);
		check_that(p->check, a.ended && a.status == 200, "connection %zu: %d", i, a.status);
		(void)close(kept[i]);
	}
	buf_free(&a.out);
	stop(p);
}

/* Begins n slow calls and waits until they hold their threads: the next call is refused. */
static bool
hold(struct place *p, int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fds[i] = reach(p);
		ask(fds[i], messages_request(KEY_GOOD, slow_turn, false));
	}
	for (unsigned i = 0; i < 2000; i++)
		if (call_once(p, KEY_GOOD, turn) == 529)
			return true;
	return false;
}

static void
row_busy(struct place *p)
{
	int slow[3];
	int got = 0;

	check_row(p->check, "529 when all threads are busy");
	start(p, 4);
	check_that(p->check, hold(p, slow, ROWS(slow)), "never");
	got = call_once(p, KEY_GOOD, turn);
	check_that(p->check, got == 529, "then %d", got);
	check_row(p->check, "clients that leave make room");
	for (size_t i = 0; i < ROWS(slow); i++)
		(void)close(slow[i]);
	got = 529;
	for (unsigned i = 0; i < 2000 && got == 529; i++)
		got = call_once(p, KEY_GOOD, turn);
	check_that(p->check, got == 200, "still %d", got);
	stop(p);
}

static void
cut(const struct place *p)
{
	uint64_t one = 1;
	ssize_t n = write(p->cut_fd, &one, sizeof(one));

	assert(n == (ssize_t)sizeof(one));
	(void)n;
}

static void
row_stop(struct place *p)
{
	struct fcgi_answer a = { 0 };
	int slow[3];
	int kept, fd;

	check_row(p->check, "stopped with calls running: they go on");
	start(p, 4);
	kept = reach(p);
	ask(kept, messages_request(KEY_GOOD, turn, true));
	fcgi_receive(kept, &a);
	check_that(p->check, a.ended && a.status == 200, "kept: %d", a.status);
	check_that(p->check, hold(p, slow, ROWS(slow)), "never busy");
	pool_stop(p->pool);
	check_that(p->check, !pool_wait(p->pool, 300), "a running call was dropped");
	check_row(p->check, "stopped: new connections are refused");
	fd = reach(p);
	check_that(p->check, fd < 0, "one was taken");
	if (fd >= 0)
		(void)close(fd);
	check_row(p->check, "stopped: a connection that is kept and idle is closed");

	struct timeval patience = { .tv_sec = 2 };
	char byte;

	(void)setsockopt(kept, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	check_that(p->check, recv(kept, &byte, 1, 0) == 0,
	    "it stays open: the next call on it would hang until the process ends");
	(void)close(kept);
	check_row(p->check, "stopped: calls that are cut are told so");
	cut(p);
	for (size_t i = 0; i < ROWS(slow); i++) {
		fcgi_receive(slow[i], &a);
		check_that(p->check, a.ended && a.status == 529, "call %zu: %d", i, a.status);
		(void)close(slow[i]);
	}
	check_that(p->check, pool_wait(p->pool, PATIENT_MS), "threads are left");
	pool_free(p->pool);
	buf_free(&a.out);
	check_row(p->check, "stopped while idle, many times");
	for (unsigned i = 0; i < 30; i++) {
		start(p, 4);
		if (i % 3 == 1)
			(void)call_once(p, KEY_GOOD, turn);
		stop(p);
	}
}

/* A host that has connected before the stop, and sends its request only then, is served. */
static void
row_stop_late_hosts(struct place *p)
{
	int late[6];

	check_row(p->check, "stopped: hosts that had connected are served");
	for (unsigned round = 0; round < 10; round++) {
		struct fcgi_answer a = { 0 };

		start(p, 4);
		check_that(p->check, call_once(p, KEY_GOOD, turn) == 200, "no call before");
		for (size_t i = 0; i < ROWS(late); i++)
			late[i] = reach(p);
		/* Those are accepted before this one is. */
		check_that(p->check, call_once(p, KEY_GOOD, turn) == 200, "no call beside");
		pool_stop(p->pool);
		for (size_t i = 0; i < ROWS(late) - 1; i++) {
			ask(late[i], messages_request(KEY_GOOD, turn, false));
			fcgi_receive(late[i], &a);
			check_that(p->check, a.ended && a.status == 200, "round %u, host %zu: %d",
			    round, i, a.status);
			(void)close(late[i]);
		}
		check_that(p->check, pool_wait(p->pool, 5000), "a silent one is waited for");
		(void)close(late[ROWS(late) - 1]);
		pool_free(p->pool);
		buf_free(&a.out);
	}
}

/* Connections that break off in every part of a request. */
static void
row_broken(struct place *p)
{
	static const char *const params[] = { "REQUEST_METHOD=POST", "REQUEST_URI=/v1/messages",
		"HTTP_X_API_KEY=" KEY_GOOD, NULL };
	struct buf b = buf_make(64 * KIB);
	int rc = fcgi_put_request(&b, params, span_of(turn), false);

	check_row(p->check, "requests that break off anywhere");
	assert(rc == 0);
	(void)rc;
	start(p, 4);
	for (size_t n = 0; n < b.len; n += 3) {
		int fd = reach(p);

		fcgi_send(fd, span_cut(buf_span(&b), 0, n));
		(void)close(fd);
	}
	for (unsigned i = 0; i < 200; i++) {
		int got = call_once(p, KEY_GOOD, turn);

		check_that(p->check, got == 200 || (got == 529 && i < 150), "call %u: %d", i, got);
	}
	buf_free(&b);
	stop(p);
}

/* Standard error is not for the lines of some thousand calls. */
static int
hush(const struct place *p)
{
	char path[96];
	int fd, saved = dup(STDERR_FILENO);

	(void)snprintf(path, sizeof(path), "%s/log", p->folder);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert(fd >= 0 && saved >= 0);
	(void)dup2(fd, STDERR_FILENO);
	(void)close(fd);
	return saved;
}

static void
make_place(struct place *p, struct check *c)
{
	*p = (struct place){ .check = c, .folder = "/tmp/postern-pool-XXXXXX" };

	const char *made = mkdtemp(p->folder);

	assert(made);
	(void)made;
	(void)snprintf(p->keys, sizeof(p->keys), "%s/keys", p->folder);
	(void)snprintf(p->conf, sizeof(p->conf), "%s/postern.conf", p->folder);
	(void)snprintf(p->state, sizeof(p->state), "%s/state", p->folder);
	(void)snprintf(p->listen, sizeof(p->listen), "unix:%s/socket", p->folder);
	p->socket = p->listen + strlen("unix:");
	write_keys(p, false);
	write_conf(p, "");
	p->cut_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(p->cut_fd >= 0);
}

static int
drop_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void
drop_place(struct place *p)
{
	gate_close(p->gate);
	(void)close(p->cut_fd);
	check_row(p->check, "the folder goes away");
	check_that(
	    p->check, nftw(p->folder, drop_file, 8, FTW_DEPTH | FTW_PHYS) == 0, "it does not");
}

int
main(void)
{
	struct check c = { .module = "pool" };
	struct place p;
	sigset_t all;
	int saved;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL);
	make_place(&p, &c);
	saved = hush(&p);
	p.gate = gate_open(registry(), p.conf, p.cut_fd);
	if (!p.gate || front_fcgi_init())
		return 1;
	row_many(&p);
	row_late(&p);
	row_silent(&p);
	row_hang_up(&p);
	row_kept(&p);
	row_unread(&p);
	row_busy(&p);
	row_broken(&p);
	row_stop(&p);
	row_stop_late_hosts(&p);
	drop_place(&p);
	(void)dup2(saved, STDERR_FILENO);
	return check_end(&c);
}
