/* parking: see parking.h. */
#include "parking.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* Descriptors above this are served but not kept. */
#define FD_MAX 65536
/* A host that never closes a connection whose call is over is not waited for any longer. */
#define LINGER_MS 30000
#define SWEEP_MS  1000
/* When descriptors are out, a connection may have been silent for so long and no longer. */
#define ROOM_AFTER_MS 1000

struct place {
	enum parked as;
	int64_t since_ms;
};

struct parking {
	int epoll_fd;
	pthread_mutex_t lock;			/* guards all below */
	struct place *places;			/* by descriptor */
	int top;				/* no descriptor above it waits */
	unsigned waiting[PARKED_LINGERING + 1]; /* how many, by how they do */
	int64_t swept_ms;
	bool ended;	/* only new ones may come */
	bool ended_all; /* nor they */
};

struct parking *
parking_open(int epoll_fd)
{
	struct parking *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->places = calloc(FD_MAX, sizeof(*p->places));
	if (!p->places) {
		free(p);
		return NULL;
	}
	p->epoll_fd = epoll_fd;
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void
parking_close(struct parking *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p->places);
	free(p);
}

/* Whether a connection has something to say: 1, it has not: 0, it is over: -1. */
static int
has_spoken(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0)
		return 1;
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

void
parking_add(struct parking *p, int fd, enum parked as)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP, .data.fd = fd };
	bool waits;

	if (as == PARKED_LINGERING)
		(void)shutdown(fd, SHUT_WR);
	pthread_mutex_lock(&p->lock);
	waits = !(as == PARKED_NEW ? p->ended_all : p->ended) && fd < FD_MAX &&
	    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
	if (waits) {
		p->places[fd] = (struct place){ as, clock_mono_ms() };
		p->top = fd > p->top ? fd : p->top;
		p->waiting[as]++;
	}
	pthread_mutex_unlock(&p->lock);
	if (!waits)
		(void)close(fd);
}

/* Takes a connection out of those that wait. Called with the lock held. */
static void
take_out(struct parking *p, int fd)
{
	p->waiting[p->places[fd].as]--;
	p->places[fd].as = PARKED_NOT;
	(void)epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* Closes the connections that have waited as `as` (PARKED_NOT: in any way) since before a point in
 * time. How many these were. Called with the lock held. */
static unsigned
close_since(struct parking *p, enum parked as, int64_t before_ms)
{
	unsigned n = 0;

	for (int fd = 0; fd <= p->top; fd++) {
		const struct place *at = &p->places[fd];

		if (at->as == PARKED_NOT || (as != PARKED_NOT && at->as != as) ||
		    at->since_ms >= before_ms)
			continue;
		take_out(p, fd);
		(void)close(fd);
		n++;
	}
	return n;
}

/* A connection itself when its host has said something; else it waits as `as`, or is closed. */
static int
sort(struct parking *p, int fd, enum parked as)
{
	int spoken = has_spoken(fd);

	if (spoken > 0)
		return fd;
	if (spoken == 0)
		parking_add(p, fd, as);
	else
		(void)close(fd);
	return -1;
}

int
parking_sort(struct parking *p, int fd)
{
	return sort(p, fd, PARKED_NEW);
}

/* Reads and throws away what has come on a lingering connection. True when its host has closed. */
static bool
swallow(int fd)
{
	char sink[16 * 1024];
	ssize_t n = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

int
parking_ready(struct parking *p, int fd)
{
	enum parked as;

	/* What is no longer waiting was closed for want of descriptors after its event was taken.
	 */
	pthread_mutex_lock(&p->lock);
	as = p->places[fd].as;
	if (as == PARKED_NEW || as == PARKED_IDLE) {
		take_out(p, fd);
	} else if (as == PARKED_LINGERING && swallow(fd)) {
		take_out(p, fd);
		(void)close(fd);
	}
	pthread_mutex_unlock(&p->lock);
	return as == PARKED_NEW || as == PARKED_IDLE ? sort(p, fd, as) : -1;
}

int
parking_sweep(struct parking *p)
{
	int64_t now = clock_mono_ms();
	int wait_ms;

	pthread_mutex_lock(&p->lock);
	if (p->waiting[PARKED_LINGERING] > 0 && now - p->swept_ms >= SWEEP_MS) {
		(void)close_since(p, PARKED_LINGERING, now - LINGER_MS);
		p->swept_ms = now;
	}
	wait_ms = p->waiting[PARKED_LINGERING] > 0 ? SWEEP_MS : -1;
	pthread_mutex_unlock(&p->lock);
	return wait_ms;
}

unsigned
parking_make_room(struct parking *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = close_since(p, PARKED_NOT, clock_mono_ms() - ROOM_AFTER_MS);
	pthread_mutex_unlock(&p->lock);
	return n;
}

unsigned
parking_new(struct parking *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = p->waiting[PARKED_NEW];
	pthread_mutex_unlock(&p->lock);
	return n;
}

void
parking_end(struct parking *p)
{
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	(void)close_since(p, PARKED_IDLE, INT64_MAX);
	(void)close_since(p, PARKED_LINGERING, INT64_MAX);
	pthread_mutex_unlock(&p->lock);
}

void
parking_end_all(struct parking *p)
{
	pthread_mutex_lock(&p->lock);
	p->ended = p->ended_all = true;
	(void)close_since(p, PARKED_NOT, INT64_MAX);
	pthread_mutex_unlock(&p->lock);
}
