/* little_server: an HTTP server on this machine that answers from a table and counts. */
#ifndef POSTERN_TESTS_UNIT_LITTLE_SERVER_H
#define POSTERN_TESTS_UNIT_LITTLE_SERVER_H

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/http_request.h"

struct little_answer {
	const char *line; /* how the request's first line begins */
	const char
	    *needs; /* what its head must hold, in lower case, else it is a 403; NULL: nothing */
	int status;
	const char *body;
};

struct little_server {
	int fd;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const struct little_answer *answers; /* the last one has no line */
	int asked;
	bool held; /* it answers nothing until this is false */
	bool over;
	char request[16384]; /* the last one */
};

/* Reads a request with its body into s->request. */
static inline void
little_read(struct little_server *s, int fd)
{
	size_t n = 0, whole = 0;

	s->request[0] = '\0';
	while (n + 1 < sizeof(s->request) && (whole == 0 || n < whole)) {
		ssize_t got = read(fd, s->request + n, sizeof(s->request) - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
		s->request[n] = '\0';
		whole = http_request_length(s->request);
	}
}

static inline const struct little_answer *
little_find(const struct little_server *s)
{
	static const struct little_answer not_here = { "", NULL, 404, "not here" };
	static const struct little_answer not_you = { "", NULL, 403, "not you" };

	for (const struct little_answer *a = s->answers; a && a->line; a++)
		if (strncmp(s->request, a->line, strlen(a->line)) == 0)
			return a->needs && !strcasestr(s->request, a->needs) ? &not_you : a;
	return &not_here;
}

static inline void *
little_serve(void *arg)
{
	struct little_server *s = arg;

	for (;;) {
		const struct little_answer *a;
		char head[256];
		int fd = accept(s->fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		little_read(s, fd);
		pthread_mutex_lock(&s->lock);
		s->asked++;
		pthread_cond_broadcast(&s->changed);
		while (s->held && !s->over)
			pthread_cond_wait(&s->changed, &s->lock);
		a = little_find(s);
		pthread_mutex_unlock(&s->lock);
		(void)snprintf(head, sizeof(head),
		    "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", a->status,
		    strlen(a->body));
		(void)!write(fd, head, strlen(head));
		(void)!write(fd, a->body, strlen(a->body));
		(void)close(fd);
	}
}

static inline void
little_open(struct little_server *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);

	*s = (struct little_server){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	assert(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&at, n) == 0 &&
	    listen(s->fd, 16) == 0 && getsockname(s->fd, (struct sockaddr *)&at, &n) == 0);
	s->port = ntohs(at.sin_port);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	assert(pthread_create(&s->thread, NULL, little_serve, s) == 0);
}

static inline void
little_hold(struct little_server *s, bool held)
{
	pthread_mutex_lock(&s->lock);
	s->held = held;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* Waits until so many requests have come. */
static inline void
little_wait(struct little_server *s, int asked)
{
	pthread_mutex_lock(&s->lock);
	while (s->asked < asked)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

/* How many requests came since it was asked this last. */
static inline int
little_asked(struct little_server *s)
{
	int n;

	pthread_mutex_lock(&s->lock);
	n = s->asked;
	s->asked = 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static inline void
little_answers(struct little_server *s, const struct little_answer *answers)
{
	pthread_mutex_lock(&s->lock);
	s->answers = answers;
	pthread_mutex_unlock(&s->lock);
}

static inline void
little_close(struct little_server *s)
{
	pthread_mutex_lock(&s->lock);
	s->over = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	(void)shutdown(s->fd, SHUT_RDWR);
	(void)pthread_join(s->thread, NULL);
	(void)close(s->fd);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
}

#endif
