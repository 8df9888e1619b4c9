/* fcgi: the only libfcgi. The connection is accepted outside (serve.c) and handed over, so that no
 * thread ever sits in the library's accept: it could only be woken by a signal, and a connection
 * that sends nothing would hold it. */
#include "front/fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"

/* A host that stops in mid-request, or stops reading, must not hold a thread for ever: heads come
 * in one piece, bodies as fast as a slow client sends them. */
#define HOST_HEAD_MS 1000
#define HOST_READ_MS 60000
/* How long a thread reads what is left of a body that nobody wants. */
#define REST_MS 200

struct fcgi_seat {
	struct front_seat seat;
	FCGX_Request request;
	bool reading;  /* the head is read, the body has begun */
	bool read_all; /* the host has nothing more to send */
};

int
front_fcgi_init(void)
{
	return FCGX_Init() ? -1 : 0;
}

static struct fcgi_seat *
of(struct front_seat *seat)
{
	return (struct fcgi_seat *)seat;
}

static struct front_seat *
fcgi_open(void)
{
	struct fcgi_seat *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->seat.front = &front_fcgi;
	/* No listening socket: when a connection turns out to be no good, the library has none to
	 * accept from and returns. */
	if (FCGX_InitRequest(&s->request, -1, FCGI_FAIL_ACCEPT_ON_INTR)) {
		free(s);
		return NULL;
	}
	return &s->seat;
}

static void
set_limit(struct front_seat *seat, int which, int64_t ms)
{
	struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	(void)setsockopt(of(seat)->request.ipcFd, SOL_SOCKET, which, &limit, sizeof(limit));
}

static int
fcgi_accept(struct front_seat *seat, int fd)
{
	FCGX_Request *r = &of(seat)->request;

	/* As the library itself leaves a connection that a host keeps open for the next call. */
	r->ipcFd = fd;
	r->keepConnection = 1;
	/* The library would linger on every close, for as long as the host sends anything. */
	FCGX_Detach(r);
	of(seat)->read_all = of(seat)->reading = false;
	set_limit(seat, SO_RCVTIMEO, HOST_HEAD_MS);
	set_limit(seat, SO_SNDTIMEO, FRONT_WRITE_MS);
	return FCGX_Accept_r(r) < 0 ? -1 : 0;
}

static const char *
fcgi_param(struct front_seat *seat, const char *name)
{
	return FCGX_GetParam(name, of(seat)->request.envp);
}

static char *const *
fcgi_params(struct front_seat *seat)
{
	return of(seat)->request.envp;
}

static void
fcgi_patience(struct front_seat *seat, int64_t write_ms)
{
	set_limit(seat, SO_SNDTIMEO, write_ms);
}

static ssize_t
fcgi_read(struct front_seat *seat, char *to, size_t n)
{
	FCGX_Stream *in = of(seat)->request.in;
	int first;
	size_t there;

	if (!of(seat)->reading)
		set_limit(seat, SO_RCVTIMEO, HOST_READ_MS);
	of(seat)->reading = true;
	/* This alone may wait: the library's FCGX_GetStr would do so until all of n is there. */
	first = FCGX_GetChar(in);
	if (first < 0) {
		of(seat)->read_all = FCGX_GetError(in) == 0;
		return of(seat)->read_all ? 0 : -1;
	}
	to[0] = (char)first;
	there = (size_t)(in->stop - in->rdNext);
	return 1 + FCGX_GetStr(to + 1, (int)(there < n - 1 ? there : n - 1), in);
}

/* After a failed write the library's own return values are no longer to be trusted; its error
 * number is. */
static int
fcgi_write(struct front_seat *seat, struct span s)
{
	FCGX_Stream *out = of(seat)->request.out;

	if (s.n > 0 && FCGX_PutStr(s.p, (int)s.n, out) != (int)s.n)
		return -1;
	return FCGX_GetError(out) ? -1 : 0;
}

static int
fcgi_flush(struct front_seat *seat)
{
	FCGX_Stream *out = of(seat)->request.out;

	return FCGX_FFlush(out) || FCGX_GetError(out) ? -1 : 0;
}

static int
fcgi_watch_fd(struct front_seat *seat, uint32_t *events)
{
	*events = EPOLLRDHUP;
	return of(seat)->request.ipcFd;
}

/* The library reads what is left of a body itself. */
static void
fcgi_drain(struct front_seat *seat)
{
	(void)seat;
}

/* True when the host has sent its whole request. One without a body still ends it by an empty
 * record, which has to be read. */
static bool
request_is_over(struct front_seat *seat)
{
	const char *length = fcgi_param(seat, "CONTENT_LENGTH");
	char byte;

	if (!of(seat)->read_all && (!length || !*length || strcmp(length, "0") == 0)) {
		of(seat)->reading = true;
		set_limit(seat, SO_RCVTIMEO, REST_MS);
		(void)fcgi_read(seat, &byte, 1);
	}
	return of(seat)->read_all;
}

/* What is left of a body that nobody wanted stands between the host and its next request on a kept
 * connection: it is read when it comes at once, and no thread waits for more. */
static void
read_rest(struct front_seat *seat)
{
	int64_t until = clock_mono_ms() + REST_MS;
	char sink[4096];

	(void)fcgi_flush(seat);
	set_limit(seat, SO_RCVTIMEO, REST_MS);
	while (!of(seat)->read_all && clock_mono_ms() < until &&
	    fcgi_read(seat, sink, sizeof(sink)) >= 0)
		;
}

/* A connection that has to linger is handed out: no thread waits for its host. */
static enum front_rest
fcgi_finish(struct front_seat *seat, int *fd)
{
	FCGX_Request *r = &of(seat)->request;
	bool kept = r->keepConnection;
	bool over = request_is_over(seat);

	if (!over && kept) {
		read_rest(seat);
		over = of(seat)->read_all;
	}
	r->keepConnection = kept || !over;
	FCGX_Finish_r(r);
	*fd = r->ipcFd;
	r->ipcFd = -1;
	if (*fd < 0)
		return FRONT_CLOSED;
	return over ? FRONT_KEPT : FRONT_LINGERING;
}

static void
fcgi_close(struct front_seat *seat)
{
	FCGX_Free(&of(seat)->request, 1);
	free(seat);
}

const struct front front_fcgi = {
	.name = "fcgi",
	.open = fcgi_open,
	.accept = fcgi_accept,
	.param = fcgi_param,
	.params = fcgi_params,
	.read = fcgi_read,
	.write = fcgi_write,
	.flush = fcgi_flush,
	.patience = fcgi_patience,
	.watch_fd = fcgi_watch_fd,
	.drain = fcgi_drain,
	.finish = fcgi_finish,
	.close = fcgi_close,
};
