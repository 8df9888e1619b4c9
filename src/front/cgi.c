/* cgi: plain descriptors, no stdio: an event must leave in the write that carries it. */
#include "front/cgi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"

#define OUT_MAX (64 * KIB)

struct cgi_seat {
	struct front_seat seat;
	struct buf out;
	bool read_all;
};

static struct cgi_seat *
of(struct front_seat *seat)
{
	return (struct cgi_seat *)seat;
}

static struct front_seat *
cgi_open(void)
{
	struct cgi_seat *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->seat.front = &front_cgi;
	s->out = buf_make(OUT_MAX);
	return &s->seat;
}

static int
cgi_accept(struct front_seat *seat, int fd)
{
	(void)seat;
	(void)fd;
	return 0;
}

static const char *
cgi_param(struct front_seat *seat, const char *name)
{
	(void)seat;
	return getenv(name);
}

static char *const *
cgi_params(struct front_seat *seat)
{
	(void)seat;
	return environ;
}

static ssize_t
cgi_read(struct front_seat *seat, char *to, size_t n)
{
	ssize_t got;

	if (of(seat)->read_all)
		return 0;
	do {
		got = read(STDIN_FILENO, to, n);
	} while (got < 0 && errno == EINTR);
	of(seat)->read_all = got <= 0;
	return got;
}

static int
write_all(struct span s)
{
	while (s.n > 0) {
		ssize_t n = write(STDOUT_FILENO, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		s = span_cut(s, (size_t)n, s.n);
	}
	return 0;
}

static int
cgi_flush(struct front_seat *seat)
{
	struct buf *out = &of(seat)->out;
	int rc = write_all(buf_span(out));

	out->len = 0;
	return rc;
}

/* What finds no place in the buffer goes out at once. */
static int
cgi_write(struct front_seat *seat, struct span s)
{
	if (buf_add(&of(seat)->out, s) == 0)
		return 0;
	return cgi_flush(seat) || write_all(s) ? -1 : 0;
}

/* The end of standard output shows up as an error or a hang-up without being asked for; anything
 * else on it would be a false alarm, since some hosts use one socket for both directions and
 * half-close it from the start. */
static int
cgi_watch_fd(struct front_seat *seat, uint32_t *events)
{
	(void)seat;
	*events = 0;
	return STDOUT_FILENO;
}

/* A host that is still writing the body when the program ends gives its client an empty answer. */
static void
cgi_drain(struct front_seat *seat)
{
	char sink[16 * KIB];
	size_t left = BODY_DRAIN_MAX;

	while (left > 0) {
		ssize_t n = cgi_read(seat, sink, sizeof(sink));

		if (n <= 0)
			return;
		left = (size_t)n < left ? left - (size_t)n : 0;
	}
}

static enum front_rest
cgi_finish(struct front_seat *seat, int *fd)
{
	int nowhere;

	(void)cgi_flush(seat);
	/* The host sees the end now, and its client does not wait for what is still to be booked.
	 */
	nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (nowhere >= 0) {
		(void)dup2(nowhere, STDOUT_FILENO);
		(void)close(nowhere);
	}
	*fd = -1;
	return FRONT_CLOSED;
}

static void
cgi_close(struct front_seat *seat)
{
	buf_free(&of(seat)->out);
	free(seat);
}

const struct front front_cgi = {
	.name = "cgi",
	.cut_means_gone = true,
	.open = cgi_open,
	.accept = cgi_accept,
	.param = cgi_param,
	.params = cgi_params,
	.read = cgi_read,
	.write = cgi_write,
	.flush = cgi_flush,
	.watch_fd = cgi_watch_fd,
	.drain = cgi_drain,
	.finish = cgi_finish,
	.close = cgi_close,
};
