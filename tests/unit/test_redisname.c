/* redisname: addresses while the name server answers, says no, and says nothing. This program's own
 * getaddrinfo stands in for it, and answers when it is told to. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "store/redisname.h"
#include "unit/check.h"

#define BOUND_MS 20000 /* longer than anything takes that is not broken */
#define SHORT_MS 100

struct server {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool silent;
	int asked;	     /* look-ups of names */
	const char *address; /* NULL: there is no such name */
};

static struct server server = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER };

/* Answers as the server is told to. */
static const char *
serve(void)
{
	const char *address;

	(void)pthread_mutex_lock(&server.lock);
	server.asked++;
	(void)pthread_cond_broadcast(&server.changed);
	while (server.silent)
		(void)pthread_cond_wait(&server.changed, &server.lock);
	address = server.address;
	(void)pthread_mutex_unlock(&server.lock);
	return address;
}

static void
server_is(bool silent, const char *address)
{
	(void)pthread_mutex_lock(&server.lock);
	server.silent = silent;
	server.address = address;
	(void)pthread_cond_broadcast(&server.changed);
	(void)pthread_mutex_unlock(&server.lock);
}

static int
server_asked(void)
{
	int n;

	(void)pthread_mutex_lock(&server.lock);
	n = server.asked;
	(void)pthread_mutex_unlock(&server.lock);
	return n;
}

struct answer {
	struct addrinfo info;
	struct sockaddr_in at;
};

int
getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
	struct answer *a;
	struct in_addr in;
	const char *address = name;

	if (inet_pton(AF_INET, name, &in) != 1) {
		address = (hints->ai_flags & AI_NUMERICHOST) ? NULL : serve();
		if (!address)
			return EAI_NONAME;
	}
	a = calloc(1, sizeof(*a));
	if (!a || inet_pton(AF_INET, address, &a->at.sin_addr) != 1)
		abort();
	a->at.sin_family = AF_INET;
	a->at.sin_port = htons((uint16_t)strtoul(service, NULL, 10));
	a->info = (struct addrinfo){ .ai_family = AF_INET,
		.ai_addr = (struct sockaddr *)(void *)&a->at,
		.ai_addrlen = sizeof(a->at) };
	*out = &a->info;
	return 0;
}

void
freeaddrinfo(struct addrinfo *a)
{
	free(a);
}

/* What is found: the last number of the address, or -1. */
static int
found_once(struct redisname *n, int64_t wait_ms)
{
	struct redisname_list list;
	const struct sockaddr_in *at;

	if (redisname_find(n, clock_mono_ms() + wait_ms, &list) < 0)
		return -1;
	at = (const struct sockaddr_in *)(const void *)&list.at[0].address;
	if (list.n != 1 || list.at[0].len != sizeof(*at) || ntohs(at->sin_port) != 6379)
		return -2;
	return (int)(ntohl(at->sin_addr.s_addr) & 0xff);
}

/* The same, asked for twice. */
static int
found(struct redisname *n, int64_t wait_ms)
{
	int first = found_once(n, wait_ms);

	return found_once(n, wait_ms) == first ? first : -3;
}

static void
test_figures(struct check *t)
{
	struct redisname *n = redisname_open("192.0.2.7", 6379);

	check_row(t, "an address in figures is not looked up");
	server_is(true, NULL);
	check_that(t, found(n, BOUND_MS) == 7 && server_asked() == 0, "asked");
	redisname_close(n);
}

static void
test_names(struct check *t)
{
	struct redisname *n = redisname_open("redis.example", 6379);
	int asked;

	check_row(t, "a name is looked up once");
	server_is(false, "192.0.2.1");
	check_that(t, found(n, BOUND_MS) == 1, "not found");
	check_that(t, server_asked() == 1, "%d times", server_asked());
	check_row(t, "and again when the address did not do");
	server_is(false, "192.0.2.2");
	check_that(t, found(n, BOUND_MS) == 1, "without need");
	redisname_doubt(n);
	check_that(t, found(n, BOUND_MS) == 2, "the old one");
	check_row(t, "a name that is gone leaves the last address");
	server_is(false, NULL);
	redisname_doubt(n);
	check_that(t, found(n, BOUND_MS) == 2, "none");
	check_row(t, "a server that says nothing, too, and is asked once");
	server_is(true, NULL);
	asked = server_asked();
	redisname_doubt(n);
	check_that(t, found(n, SHORT_MS) == 2, "none");
	check_that(t, server_asked() == asked + 1, "%d times", server_asked() - asked);
	check_row(t, "its answer is taken when it comes");
	server_is(false, "192.0.2.3");
	check_that(t, found(n, BOUND_MS) == 3, "not found");
	redisname_close(n);
}

static void
test_silent(struct check *t)
{
	struct redisname *n = redisname_open("redis.example", 6379);
	int asked = server_asked();

	check_row(t, "nobody waits for an answer that does not come");
	server_is(true, NULL);
	check_that(t, found(n, SHORT_MS) == -1, "found");
	check_that(t, server_asked() == asked + 1, "%d times", server_asked() - asked);
	check_row(t, "a name that is closed meanwhile does not matter");
	redisname_close(n);
	(void)pthread_mutex_lock(&server.lock);
	server.silent = false;
	(void)pthread_cond_broadcast(&server.changed);
	(void)pthread_mutex_unlock(&server.lock);
	n = redisname_open("redis.example", 6379);
	check_row(t, "a name that is not there");
	check_that(t, found(n, BOUND_MS) == -1, "found");
	redisname_close(n);
}

/* Until all threads but this one are gone: what a checker of memory sees of them is by chance. */
static void
wait_for_threads(void)
{
	const struct timespec pause = { 0, 1000000 };
	int64_t until_ms = clock_mono_ms() + BOUND_MS;
	struct dirent **names;
	int n;

	do {
		(void)nanosleep(&pause, NULL);
		n = scandir("/proc/self/task", &names, NULL, NULL);
		for (int i = 0; i < n; i++)
			free(names[i]);
		if (n >= 0)
			free(names);
	} while (n > 3 && clock_mono_ms() < until_ms);
}

int
main(void)
{
	struct check t = { .module = "redisname" };

	test_figures(&t);
	test_names(&t);
	test_silent(&t);
	wait_for_threads();
	return check_end(&t);
}
