/* front_mem: a front without a host. The request and the client's behaviour are a script; the
 * answer and where it was flushed are recorded. */
#ifndef POSTERN_TESTS_CALL_FRONT_MEM_H
#define POSTERN_TESTS_CALL_FRONT_MEM_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "front/front.h"

#define FRONT_MEM_PARAMS  64
#define FRONT_MEM_FLUSHES 4096
#define FRONT_MEM_OUT_MAX (64u * 1024 * 1024)

/* How a client that leaves shows itself. */
enum leave {
	LEAVE_NEVER,
	LEAVE_SEEN,  /* at once, on the descriptor that is watched, and by writes that fail */
	LEAVE_WRITES /* only by writes: what goes out at the first flush after it still seems to
			work */
};

static struct {
	/* The script. */
	char *params[FRONT_MEM_PARAMS + 1];
	size_t params_n;
	struct span body;
	size_t piece; /* bytes a read gives at most; 0: as many as it is asked for */
	void (*before_read)(void);
	bool body_breaks; /* the client goes away behind the body instead of ending it */
	enum leave leave;
	size_t leave_at; /* it leaves when so many bytes of the answer are out */

	/* What came of it. */
	struct buf out;
	size_t flushes[FRONT_MEM_FLUSHES]; /* how much was out at each flush that had news */
	size_t flushes_n;
	size_t read;	/* bytes of the body that were read */
	bool drained;	/* the rest of it was asked for */
	bool left;	/* the client is gone */
	unsigned after; /* flushes that seemed to work since */
	unsigned finished;
	int fds[2]; /* ours, the client's; -1 when closed */
} front_mem = { .out = { .max = FRONT_MEM_OUT_MAX }, .fds = { -1, -1 } };

static inline void
front_mem_close(int side)
{
	if (front_mem.fds[side] >= 0)
		(void)close(front_mem.fds[side]);
	front_mem.fds[side] = -1;
}

/* Forgets script and record. */
static inline void
front_mem_reset(void)
{
	for (size_t i = 0; i < front_mem.params_n; i++) {
		free(front_mem.params[i]);
		front_mem.params[i] = NULL;
	}
	front_mem_close(0);
	front_mem_close(1);

	struct buf out = front_mem.out;

	buf_reset(&out, 1024 * 1024);
	memset(&front_mem, 0, sizeof(front_mem));
	front_mem.out = out;

	int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, front_mem.fds);

	assert(rc == 0);
	(void)rc;
}

static inline void
front_mem_free(void)
{
	front_mem_reset();
	front_mem_close(0);
	front_mem_close(1);
	buf_free(&front_mem.out);
}

/* Sets a CGI variable; NULL takes it away. */
static inline void
front_mem_param(const char *name, const char *value)
{
	size_t n = strlen(name);
	size_t i = 0;
	char *text = NULL;

	while (i < front_mem.params_n &&
	    (strncmp(front_mem.params[i], name, n) != 0 || front_mem.params[i][n] != '='))
		i++;
	if (i < front_mem.params_n)
		free(front_mem.params[i]);
	if (!value) {
		if (i == front_mem.params_n)
			return;
		front_mem.params[i] = front_mem.params[--front_mem.params_n];
		front_mem.params[front_mem.params_n] = NULL;
		return;
	}
	assert(i < FRONT_MEM_PARAMS);

	int rc = asprintf(&text, "%s=%s", name, value);

	assert(rc > 0);
	(void)rc;
	front_mem.params[i] = text;
	if (i == front_mem.params_n)
		front_mem.params_n++;
}

/* The client leaves now. */
static inline void
front_mem_leave(void)
{
	front_mem.left = true;
	if (front_mem.leave == LEAVE_SEEN)
		front_mem_close(1);
}

static const struct front front_mem_front;

static struct front_seat *
front_mem_open(void)
{
	static struct front_seat seat = { &front_mem_front };

	return &seat;
}

static int
front_mem_accept(struct front_seat *seat, int fd)
{
	(void)seat;
	(void)fd;
	return 0;
}

static const char *
front_mem_get(struct front_seat *seat, const char *name)
{
	size_t n = strlen(name);

	(void)seat;
	for (size_t i = 0; i < front_mem.params_n; i++)
		if (strncmp(front_mem.params[i], name, n) == 0 && front_mem.params[i][n] == '=')
			return front_mem.params[i] + n + 1;
	return NULL;
}

static char *const *
front_mem_params(struct front_seat *seat)
{
	(void)seat;
	return front_mem.params;
}

static ssize_t
front_mem_read(struct front_seat *seat, char *to, size_t n)
{
	size_t left = front_mem.body.n - front_mem.read;

	(void)seat;
	if (left == 0)
		return front_mem.body_breaks ? -1 : 0;
	if (front_mem.before_read)
		front_mem.before_read();
	n = n < left ? n : left;
	if (front_mem.piece > 0 && n > front_mem.piece)
		n = front_mem.piece;
	memcpy(to, front_mem.body.p + front_mem.read, n);
	front_mem.read += n;
	return (ssize_t)n;
}

/* Whether somebody is there to take bytes. */
static bool
front_mem_takes(void)
{
	if (!front_mem.left)
		return true;
	return front_mem.leave == LEAVE_WRITES && front_mem.after == 0;
}

static int
front_mem_write(struct front_seat *seat, struct span s)
{
	(void)seat;
	if (!front_mem_takes() || buf_add(&front_mem.out, s))
		return -1;
	if (front_mem.leave != LEAVE_NEVER && !front_mem.left && front_mem.leave_at > 0 &&
	    front_mem.out.len >= front_mem.leave_at)
		front_mem_leave();
	return 0;
}

static int
front_mem_flush(struct front_seat *seat)
{
	size_t n = front_mem.flushes_n;

	(void)seat;
	if (!front_mem_takes())
		return -1;
	front_mem.after += front_mem.left;
	if ((n == 0 || front_mem.flushes[n - 1] < front_mem.out.len) && n < FRONT_MEM_FLUSHES)
		front_mem.flushes[front_mem.flushes_n++] = front_mem.out.len;
	return 0;
}

static int
front_mem_watch_fd(struct front_seat *seat, uint32_t *events)
{
	(void)seat;
	*events = EPOLLRDHUP;
	return front_mem.fds[0];
}

static void
front_mem_drain(struct front_seat *seat)
{
	(void)seat;
	front_mem.drained = true;
}

static enum front_rest
front_mem_finish(struct front_seat *seat, int *fd)
{
	(void)seat;
	front_mem.finished++;
	*fd = -1;
	return FRONT_CLOSED;
}

static void
front_mem_shut(struct front_seat *seat)
{
	(void)seat;
}

static const struct front front_mem_front = {
	.name = "mem",
	.open = front_mem_open,
	.accept = front_mem_accept,
	.param = front_mem_get,
	.params = front_mem_params,
	.read = front_mem_read,
	.write = front_mem_write,
	.flush = front_mem_flush,
	.watch_fd = front_mem_watch_fd,
	.drain = front_mem_drain,
	.finish = front_mem_finish,
	.close = front_mem_shut,
};

#endif
