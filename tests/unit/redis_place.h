/* redis_place: folders with a Redis server of their own, for tests of what talks to one. */
#ifndef POSTERN_TESTS_UNIT_REDIS_PLACE_H
#define POSTERN_TESTS_UNIT_REDIS_PLACE_H

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/redis.h"
#include "store/redislink.h"
#include "unit/check.h"

#define PATH_LEN   160
#define BOUND_MS   20000 /* longer than anything takes that is not broken */
#define TIMEOUT_MS 5000
#define WORDS_MAX  24

struct place {
	char top[64];
	char socket[PATH_LEN], state[PATH_LEN], other[PATH_LEN];
	pid_t server;
	const char *more[WORDS_MAX]; /* options of the server, NULL-ended */
	struct conf conf;
};

static inline int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static inline void
pause_ms(int ms)
{
	const struct timespec pause = { 0, ms * 1000000L };

	(void)nanosleep(&pause, NULL);
}

static inline pid_t
fork_flushed(void)
{
	(void)fflush(stdout);
	return fork();
}

/* Starts a program in a folder, silent and as a group of its own; it dies with the test. */
static inline pid_t
start(const char *folder, const char *const argv[])
{
	pid_t parent = getpid();
	pid_t pid = fork_flushed();
	char *copy[2 * WORDS_MAX] = { 0 };

	if (pid != 0)
		return pid;
	for (size_t i = 0; argv[i] && i + 1 < ROWS(copy); i++)
		copy[i] = strdup(argv[i]);
	if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
	    chdir(folder) != 0 || !freopen("/dev/null", "w", stdout) ||
	    !freopen("/dev/null", "w", stderr))
		_exit(1);
	(void)execvp(copy[0], copy);
	_exit(1);
}

static inline int
wait_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Whether the server answers a PING. */
static inline bool
answers(const struct place *p)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char got[8] = { 0 };
	bool good;

	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s", p->socket) >= (int)sizeof(a.sun_path))
		abort();
	good = fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) == 0 &&
	    send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && recv(fd, got, 7, MSG_WAITALL) == 7 &&
	    memcmp(got, "+PONG\r\n", 7) == 0;
	if (fd >= 0)
		(void)close(fd);
	return good;
}

static inline void
server_start(struct place *p)
{
	const char *argv[2 * WORDS_MAX] = { "redis-server", "--unixsocket", p->socket,
		"--daemonize", "no", "--appendonly", "yes", "--appendfsync", "always", "--save",
		"" };
	int64_t until_ms = clock_mono_ms() + BOUND_MS;
	size_t n = 0;

	while (argv[n])
		n++;
	if (!p->more[0]) {
		argv[n++] = "--port";
		argv[n++] = "0";
	}
	for (size_t i = 0; p->more[i]; i++)
		argv[n++] = p->more[i];
	p->server = start(p->top, argv);
	while (!answers(p)) {
		if (clock_mono_ms() > until_ms || waitpid(p->server, NULL, WNOHANG) != 0) {
			printf("not ok redis: the server does not start\n");
			(void)fflush(stdout);
			abort();
		}
		pause_ms(5);
	}
}

/* Kills the server, with the child that it may have to write its files anew. */
static inline void
server_end(struct place *p)
{
	if (p->server <= 0)
		return;
	(void)kill(-p->server, SIGKILL);
	(void)wait_for(p->server);
	p->server = 0;
}

/* A folder with a server in it; more: its further options. */
static inline void
place_open(struct place *p, const char *const *more)
{
	*p = (struct place){ .top = "/tmp/test_redis.XXXXXX" };
	if (!mkdtemp(p->top))
		abort();
	for (size_t i = 0; more && more[i]; i++)
		p->more[i] = more[i];
	(void)snprintf(p->socket, sizeof(p->socket), "%s/redis.sock", p->top);
	(void)snprintf(p->state, sizeof(p->state), "%s/state", p->top);
	(void)snprintf(p->other, sizeof(p->other), "%s/other", p->top);
	p->conf.keys = p->top; /* not looked at */
	p->conf.state = p->state;
	p->conf.store.path = p->socket;
	p->conf.store.timeout_ms = TIMEOUT_MS;
	server_start(p);
}

static inline void
place_close(struct place *p)
{
	int64_t until_ms = clock_mono_ms() + BOUND_MS;

	server_end(p);
	/* That child may have made one more file before it died. */
	while (nftw(p->top, remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0 && clock_mono_ms() < until_ms)
		pause_ms(5);
}

static inline void
put_file(const struct place *p, const char *name, const char *text, char path[static PATH_LEN])
{
	FILE *f;

	(void)snprintf(path, PATH_LEN, "%s/%s", p->top, name);
	f = fopen(path, "w");
	if (!f || fchmod(fileno(f), 0600) || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

/* No test makes sense without one. */
static inline struct store *
open_store(const struct conf *c)
{
	struct store *s = store_redis.open(c, NULL, false);

	if (!s)
		abort();
	return s;
}

/* A question whose words are parted by blanks; an equals sign stands for one in a word, or for
 * nothing. The number that was answered, or -1. */
static inline int64_t
tell_over(struct redislink *l, struct span question)
{
	struct redislink_words w = redislink_words();
	struct redislink_answer a = { 0 };
	struct span word;
	int64_t number = -1;

	while (question.n > 0 && span_next(&question, ' ', &word)) {
		char text[160];

		if (word.n > sizeof(text))
			abort();
		for (size_t i = 0; i < word.n; i++)
			text[i] = word.p[i] == '=' ? ' ' : word.p[i];
		redislink_word(&w, (struct span){ text, word.n == 1 && *text == ' ' ? 0 : word.n });
	}
	if (!l || redislink_ask(l, &w, redislink_by_ms(l), &a) != STORE_OK)
		abort();
	if (redislink_answer_number(&a, &number) < 0)
		number = -1;
	redislink_answer_free(&a);
	redislink_words_free(&w);
	return number;
}

/* The same over a connection of its own, as the server's default user. */
static inline int64_t
tell_server(const struct place *p, const char *question)
{
	struct redislink *l = redislink_open(&p->conf.store);
	int64_t number = tell_over(l, span_of(question));

	redislink_close(l);
	return number;
}

/* A test with a server of its own. */
static inline void
with_place(struct check *t, void (*test)(struct check *t, struct place *p))
{
	struct place p;

	place_open(&p, NULL);
	test(t, &p);
	check_close(t);
	place_close(&p);
}

#endif
