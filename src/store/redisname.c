/* redisname: see the header. A look-up is a detached thread, one at a time. It shares the object
 * with its owner, and whoever is last frees it. */
#include "store/redisname.h"

#include <inttypes.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#define AGAIN_MS  10000 /* so old addresses are looked up again while they are used */
#define STACK	  (256 * KIB)
#define PORT_TEXT 16

struct redisname {
	char *host;
	char service[PORT_TEXT];
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t found;
	unsigned users;
	bool busy;     /* a look-up is under way */
	bool doubtful; /* the list did not do */
	int64_t at_ms; /* when the list was found */
	struct redisname_list list;
};

static void
free_name(struct redisname *n)
{
	(void)pthread_cond_destroy(&n->found);
	(void)pthread_mutex_destroy(&n->lock);
	free(n->host);
	free(n);
}

struct redisname *
redisname_open(const char *host, uint64_t port)
{
	struct redisname *n = calloc(1, sizeof(*n));
	pthread_condattr_t attributes;

	if (!n)
		return NULL;
	n->users = 1;
	(void)snprintf(n->service, sizeof(n->service), "%" PRIu16, (uint16_t)port);
	(void)pthread_mutex_init(&n->lock, NULL);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&n->found, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	n->host = strdup(host);
	if (n->host)
		return n;
	free_name(n);
	return NULL;
}

/* Gives the lock back, and up one use. */
static void
leave(struct redisname *n)
{
	bool last = --n->users == 0;

	(void)pthread_mutex_unlock(&n->lock);
	if (last)
		free_name(n);
}

void
redisname_close(struct redisname *n)
{
	if (!n)
		return;
	(void)pthread_mutex_lock(&n->lock);
	leave(n);
}

static void
copy_list(const struct addrinfo *from, struct redisname_list *to)
{
	*to = (struct redisname_list){ 0 };
	for (; from && to->n < REDISNAME_MAX; from = from->ai_next) {
		if (from->ai_addrlen > sizeof(to->at->address))
			continue;
		(void)memcpy(&to->at[to->n].address, from->ai_addr, from->ai_addrlen);
		to->at[to->n++].len = from->ai_addrlen;
	}
}

/* -1 when there is no such host, or nobody says. */
static int
look_up(const struct redisname *n, int flags, struct redisname_list *out)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	struct addrinfo *list = NULL;

	*out = (struct redisname_list){ 0 };
	if (getaddrinfo(n->host, n->service, &hints, &list) != 0)
		return -1;
	copy_list(list, out);
	freeaddrinfo(list);
	return out->n > 0 ? 0 : -1;
}

static void *
run(void *arg)
{
	struct redisname *n = arg;
	struct redisname_list list;
	int rc = look_up(n, 0, &list);

	(void)pthread_mutex_lock(&n->lock);
	if (rc == 0) {
		n->list = list;
		n->at_ms = clock_mono_ms();
	}
	n->busy = n->doubtful = false;
	(void)pthread_cond_broadcast(&n->found);
	leave(n);
	return NULL;
}

/* Signals are for the thread that waits for them. The lock is held. */
static void
start(struct redisname *n)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int error;

	(void)sigfillset(&all);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, run, n);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	if (error == 0) {
		n->users++;
		n->busy = true;
	} else {
		log_error("redis", "what=\"no thread can be started to look up its name\"");
	}
}

/* The lock is held. */
static void
find_name(struct redisname *n, int64_t by_ms)
{
	int64_t now_ms = clock_mono_ms();
	int64_t until_ms = n->list.n > 0 ? now_ms + (by_ms - now_ms) / 2 : by_ms;
	const struct timespec until = { until_ms / 1000, until_ms % 1000 * 1000000 };

	if (!n->busy && (n->list.n == 0 || n->doubtful || now_ms - n->at_ms >= AGAIN_MS))
		start(n);
	while (n->busy && (n->list.n == 0 || n->doubtful) &&
	    pthread_cond_timedwait(&n->found, &n->lock, &until) == 0)
		;
}

int
redisname_find(struct redisname *n, int64_t by_ms, struct redisname_list *out)
{
	if (look_up(n, AI_NUMERICHOST, out) == 0)
		return 0;
	(void)pthread_mutex_lock(&n->lock);
	find_name(n, by_ms);
	*out = n->list;
	(void)pthread_mutex_unlock(&n->lock);
	return out->n > 0 ? 0 : -1;
}

void
redisname_doubt(struct redisname *n)
{
	(void)pthread_mutex_lock(&n->lock);
	n->doubtful = true;
	(void)pthread_mutex_unlock(&n->lock);
}
