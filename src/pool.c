/* pool: leader and followers. One idle thread, the leader, waits for connections; when it has one
 * it makes the thread that became idle last the new leader (its memory and its upstream connection
 * are the warmest), or grows a new one, and serves. Connections that have nothing to say yet wait
 * in the leader's epoll, not in a thread. */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "call.h"
#include "parking.h"

/* When descriptors are out, accept fails at once each time: do not spin. */
#define ACCEPT_PAUSE_MS 50
/* A host that has connected before a stop has so long to send its request. */
#define LATE_HOSTS_MS 250
/* More than a host takes to close, or a busy machine to start a thread; less than a client minds.
 */
#define COMING_WAIT_MS 1000

/* A thread. */
struct worker {
	struct pool *pool;
	struct call *call;
	pthread_t thread;
	pthread_cond_t wake;
	bool called;	       /* made leader */
	bool coming;	       /* about to be free: it starts, or its answer is out */
	struct worker *below;  /* in the stack of the idle */
	struct worker *before; /* started before it */
};

struct pool {
	struct gate *gate;
	const struct front *front;
	int listen_fd;
	int epoll_fd;
	int stop_fd;
	pthread_mutex_t lock;
	pthread_cond_t left;  /* a thread has left */
	pthread_cond_t freed; /* a thread that was coming leads, or took a call */
	struct worker *idle;  /* a stack: the last one in is the first one out */
	bool led;	      /* a thread is the leader */
	bool stopping;	      /* nothing more is accepted */
	bool over;	      /* nobody leads any more */
	int64_t over_by_ms;
	unsigned coming;    /* threads about to be free */
	unsigned accepting; /* threads beside the leader that look at the socket */
	unsigned threads, threads_max;
	struct worker *last_started; /* every thread there ever was, to be joined at the end */
	struct parking *parking;
};

enum taken { TAKEN_STOP, TAKEN_CALL, TAKEN_LAST };

/* The point in time wait_ms from now, for a condition. */
static struct timespec
deadline(int64_t wait_ms)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += wait_ms / 1000;
	at.tv_nsec += (wait_ms % 1000) * 1000000;
	at.tv_sec += at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	return at;
}

static int
watch(const struct pool *p, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

/* Descriptors are out: connections that say nothing have to go, or else nothing can come. */
static void
make_room(struct pool *p)
{
	struct timespec pause = { .tv_nsec = ACCEPT_PAUSE_MS * 1000000L };
	unsigned n = parking_make_room(p->parking);

	if (n > 0)
		log_warn("accept",
		    "closed=%u what=\"descriptors are out; silent connections closed\"", n);
	else
		(void)nanosleep(&pause, NULL);
}

/* Takes one connection from the listening socket; -1 when there is none that has spoken. */
static int
take_new(struct pool *p)
{
	int fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		return parking_sort(p->parking, fd);
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
		make_room(p);
	return -1;
}

/* Once nobody accepts any more, the socket is closed: new connections are refused at once, or go to
 * the other processes on it. What was accepted before is served, when its host sends a request in
 * time; then it is over, and the idle threads leave. Called with the lock held, by the leader or
 * when there is none. */
static void
wind_up(struct pool *p)
{
	if (!p->stopping || p->over || p->accepting > 0)
		return;
	if (p->listen_fd >= 0) {
		(void)close(p->listen_fd);
		p->listen_fd = -1;
		parking_end(p->parking);
	}
	if (parking_new(p->parking) > 0 && clock_mono_ms() < p->over_by_ms)
		return;
	p->over = true;
	parking_end_all(p->parking);
	for (struct worker *w = p->idle; w; w = w->below)
		pthread_cond_signal(&w->wake);
	p->idle = NULL;
	pthread_cond_signal(&p->freed);
}

/* How long the leader of a pool that stops may wait, in ms; 0: it is over. */
static int
last_wait(struct pool *p)
{
	int64_t left;

	pthread_mutex_lock(&p->lock);
	wind_up(p);
	left = p->accepting > 0 ? ACCEPT_PAUSE_MS : p->over_by_ms - clock_mono_ms();
	left = p->over ? 0 : left < 1 ? 1 : left;
	pthread_mutex_unlock(&p->lock);
	return (int)left;
}

/* The leader's wait: a connection with something to read, or -1 when it is over. */
static int
lead(struct pool *p, bool stopping)
{
	int wait_ms;

	while ((wait_ms = stopping ? last_wait(p) : parking_sweep(p->parking)) != 0) {
		struct epoll_event e;
		int n = epoll_wait(p->epoll_fd, &e, 1, wait_ms);
		int fd = -1;

		if (n < 0 && errno != EINTR) {
			log_error("pool", "what=\"waiting for calls failed: %m\"");
			return -1;
		}
		if (n <= 0)
			continue;
		if (e.data.fd == p->stop_fd) {
			(void)epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, p->stop_fd, NULL);
			stopping = true;
		} else if (e.data.fd == p->listen_fd) {
			fd = take_new(p);
		} else {
			fd = parking_ready(p->parking, e.data.fd);
		}
		if (fd >= 0)
			return fd;
	}
	return -1;
}

static void *thread_main(void *arg);

static void
worker_free(struct worker *w)
{
	call_close(w->call);
	pthread_cond_destroy(&w->wake);
	free(w);
}

static struct worker *
worker_make(struct pool *p)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	pthread_cond_init(&w->wake, NULL);
	w->pool = p;
	w->call = call_open(p->gate, p->front);
	if (!w->call) {
		worker_free(w);
		return NULL;
	}
	return w;
}

static int
start_thread(struct worker *w)
{
	pthread_attr_t attr;
	int error = pthread_attr_init(&attr);

	if (error)
		return error;
	(void)pthread_attr_setstacksize(&attr, POOL_STACK);
	error = pthread_create(&w->thread, &attr, thread_main, w);
	(void)pthread_attr_destroy(&attr);
	errno = error;
	return error;
}

/* Called with the lock held. */
static void
note_coming(struct pool *p, struct worker *w)
{
	w->coming = true;
	p->coming++;
}

/* Starts a thread. -1 when it cannot be. Called with the lock held. */
static int
grow(struct pool *p)
{
	struct worker *w = worker_make(p);

	if (!w || start_thread(w)) {
		log_error(
		    "pool", "threads=%u what=\"no further thread can be started: %m\"", p->threads);
		if (w)
			worker_free(w);
		return -1;
	}
	w->before = p->last_started;
	p->last_started = w;
	p->threads++;
	note_coming(p, w);
	return 0;
}

/* Hands the leadership on: to *next, whom the caller wakes once it has let go of the lock, or to a
 * new thread. False when there is nobody to take it: the caller is the last one. Called with the
 * lock held. */
static bool
hand_on(struct pool *p, struct worker **next)
{
	*next = p->over ? NULL : p->idle;
	if (p->over)
		return true;
	if (*next) {
		p->idle = (*next)->below;
		(*next)->called = true;
		p->led = true;
		return true;
	}
	return p->threads < p->threads_max && grow(p) == 0;
}

/* With nobody free, a thread that is still starting, or has sent its answer and only waits for the
 * host to close, is as good as free: it comes and leads. True when one has. Called with the lock
 * held. */
static bool
await_coming(struct pool *p)
{
	struct timespec until = deadline(COMING_WAIT_MS);
	int error = 0;

	while (!p->led && !p->over && p->coming > 0 && !error)
		error = pthread_cond_timedwait(&p->freed, &p->lock, &until);
	return p->led || p->over;
}

/* Waits until this thread is to lead. Called with the lock held. False: it is over. */
static bool
await_lead(struct pool *p, struct worker *self)
{
	if (p->led && !p->over) {
		self->called = false;
		self->below = p->idle;
		p->idle = self;
		while (!self->called && !p->over)
			pthread_cond_wait(&self->wake, &p->lock);
		p->led = p->led && !self->called;
	}
	if (!p->led)
		wind_up(p);
	return !p->over;
}

/* A thread that comes takes the next call itself when it is waiting already: nobody has to be woken
 * for it. Only beside a leader: somebody must be left to refuse. -1 when none is.
 */
static int
take_waiting(struct pool *p, struct worker *self)
{
	bool may;
	int fd = -1;

	pthread_mutex_lock(&p->lock);
	may = self->coming && p->led && !p->stopping;
	p->accepting += may ? 1 : 0;
	pthread_mutex_unlock(&p->lock);
	if (!may)
		return -1;
	fd = take_new(p);
	pthread_mutex_lock(&p->lock);
	p->accepting--;
	if (fd >= 0) {
		p->coming--;
		self->coming = false;
		pthread_cond_signal(&p->freed);
	}
	pthread_mutex_unlock(&p->lock);
	return fd;
}

/* Waits for a call. */
static enum taken
take(struct pool *p, struct worker *self, int *fd)
{
	enum taken what = TAKEN_STOP;
	struct worker *next = NULL;
	bool stopping;

	*fd = take_waiting(p, self);
	if (*fd >= 0)
		return TAKEN_CALL;
	pthread_mutex_lock(&p->lock);
	p->coming -= self->coming ? 1 : 0;
	if (await_lead(p, self)) {
		p->led = true;
		if (self->coming)
			pthread_cond_signal(&p->freed);
		self->coming = false;
		stopping = p->stopping;
		pthread_mutex_unlock(&p->lock);
		*fd = lead(p, stopping);
		pthread_mutex_lock(&p->lock);
		wind_up(p);
		p->led = false;
		if (*fd >= 0)
			what = hand_on(p, &next) || await_coming(p) ? TAKEN_CALL : TAKEN_LAST;
	}
	pthread_mutex_unlock(&p->lock);
	/* Woken with the lock held it would only wait for the lock. */
	if (next)
		pthread_cond_signal(&next->wake);
	return what;
}

/* A pool that has lost its last thread without being told to stop can serve nothing: the process
 * ends. */
static void
leave(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->threads--;
	if (p->threads == 0 && !p->stopping)
		(void)kill(getpid(), SIGTERM);
	pthread_cond_broadcast(&p->left);
	pthread_mutex_unlock(&p->lock);
}

static void *
thread_main(void *arg)
{
	struct worker *self = arg;
	struct pool *p = self->pool;
	enum taken what;
	int fd;

	while ((what = take(p, self, &fd)) != TAKEN_STOP) {
		enum front_rest rest;

		call_run(self->call, fd, what == TAKEN_LAST);
		pthread_mutex_lock(&p->lock);
		note_coming(p, self);
		pthread_mutex_unlock(&p->lock);
		rest = call_finish(self->call, &fd);
		if (rest != FRONT_CLOSED)
			parking_add(
			    p->parking, fd, rest == FRONT_KEPT ? PARKED_IDLE : PARKED_LINGERING);
		call_book(self->call);
	}
	leave(p);
	return NULL;
}

static int
open_descriptors(struct pool *p)
{
	int flags = fcntl(p->listen_fd, F_GETFL);
	int on = 1;

	/* Accepted connections inherit it; a unix socket has no such option and needs none. */
	(void)setsockopt(p->listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p->parking = parking_open(p->epoll_fd);
	/* Another process on the same socket may be faster: accept must not wait then. */
	return !p->parking || p->stop_fd < 0 || p->epoll_fd < 0 || flags < 0 ||
		fcntl(p->listen_fd, F_SETFL, flags | O_NONBLOCK) || watch(p, p->stop_fd, EPOLLIN) ||
		watch(p, p->listen_fd, EPOLLIN | EPOLLEXCLUSIVE)
	    ? -1
	    : 0;
}

struct pool *
pool_start(struct gate *g, const struct front *front, int listen_fd, unsigned threads)
{
	struct pool *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;
	struct worker *first;

	if (!p)
		return NULL;
	p->gate = g;
	p->front = front;
	p->listen_fd = listen_fd;
	p->stop_fd = p->epoll_fd = -1;
	p->threads_max = threads < POOL_THREADS_MIN ? POOL_THREADS_MIN : threads;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->left, &attr);
	pthread_cond_init(&p->freed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_lock(&p->lock);
	if (open_descriptors(p) || !hand_on(p, &first)) {
		log_error("pool", "what=\"cannot start: %m\"");
		pthread_mutex_unlock(&p->lock);
		pool_free(p);
		return NULL;
	}
	pthread_mutex_unlock(&p->lock);
	return p;
}

void
pool_stop(struct pool *p)
{
	uint64_t one = 1;

	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	p->over_by_ms = clock_mono_ms() + LATE_HOSTS_MS;
	if (!p->led)
		wind_up(p);
	pthread_mutex_unlock(&p->lock);
	if (write(p->stop_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_error("pool", "what=\"the leader cannot be woken: %m\"");
}

bool
pool_wait(struct pool *p, int64_t wait_ms)
{
	struct timespec until = deadline(wait_ms);
	bool all;
	int error = 0;

	pthread_mutex_lock(&p->lock);
	while (p->threads > 0 && !error)
		error = pthread_cond_timedwait(&p->left, &p->lock, &until);
	all = p->threads == 0;
	pthread_mutex_unlock(&p->lock);
	return all;
}

void
pool_free(struct pool *p)
{
	int fds[] = { p->listen_fd, p->epoll_fd, p->stop_fd };

	while (p->last_started) {
		struct worker *w = p->last_started;

		p->last_started = w->before;
		(void)pthread_join(w->thread, NULL);
		worker_free(w);
	}
	parking_close(p->parking);
	for (size_t i = 0; i < 3; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	pthread_cond_destroy(&p->left);
	pthread_cond_destroy(&p->freed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
