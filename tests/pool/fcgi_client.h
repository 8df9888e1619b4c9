/* fcgi_client: the web server's side of FastCGI, made by hand (FastCGI 1.0, sections 3 and 5). */
#ifndef POSTERN_TESTS_POOL_FCGI_CLIENT_H
#define POSTERN_TESTS_POOL_FCGI_CLIENT_H

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/num.h"

enum { FCGI_BEGIN = 1, FCGI_END = 3, FCGI_PARAMS = 4, FCGI_STDIN = 5, FCGI_STDOUT = 6 };

#define FCGI_RECORD_MAX 65535u
/* A pool that does not answer must fail the test, not hang it. */
#define FCGI_PATIENCE_S 30

/* What a call got. */
struct fcgi_answer {
	struct buf out; /* head and body */
	bool ended;	/* by an END_REQUEST */
	int status;	/* 0: none */
};

static inline int
fcgi_connect(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = FCGI_PATIENCE_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert(fd >= 0 && strlen(path) < sizeof(to.sun_path));
	memcpy(to.sun_path, path, strlen(path) + 1);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static inline int
fcgi_put_record(struct buf *b, int type, struct span content)
{
	unsigned n = (unsigned)content.n;
	char head[8] = { 1, (char)type, 0, 1, (char)(n >> 8), (char)n, 0, 0 };

	assert(content.n <= FCGI_RECORD_MAX);
	return buf_add(b, (struct span){ head, sizeof(head) }) | buf_add(b, content);
}

/* Appends a request: variables "NAME=value", NULL-ended, and the body. */
static inline int
fcgi_put_request(struct buf *b, const char *const *params, struct span body, bool keep)
{
	char begin[8] = { 0, 1, (char)keep };
	struct buf pairs = buf_make(FCGI_RECORD_MAX);
	int rc = fcgi_put_record(b, FCGI_BEGIN, (struct span){ begin, sizeof(begin) });

	for (; *params; params++) {
		const char *eq = strchr(*params, '=');
		size_t name_n = (size_t)(eq - *params);
		size_t value_n = strlen(eq + 1);
		char sizes[2] = { (char)name_n, (char)value_n };

		assert(name_n < 128 && value_n < 128);
		rc |= buf_add(&pairs, (struct span){ sizes, 2 }) |
		    buf_add(&pairs, (struct span){ *params, name_n }) |
		    buf_add(&pairs, (struct span){ eq + 1, value_n });
	}
	rc |= fcgi_put_record(b, FCGI_PARAMS, buf_span(&pairs)) |
	    fcgi_put_record(b, FCGI_PARAMS, SPAN(""));
	while (body.n > 0) {
		size_t n = body.n < FCGI_RECORD_MAX ? body.n : FCGI_RECORD_MAX;

		rc |= fcgi_put_record(b, FCGI_STDIN, span_cut(body, 0, n));
		body = span_cut(body, n, body.n);
	}
	rc |= fcgi_put_record(b, FCGI_STDIN, SPAN(""));
	buf_free(&pairs);
	return rc;
}

/* Writes all; a server that answers and closes before it has read all is no failure. */
static inline void
fcgi_send(int fd, struct span s)
{
	while (s.n > 0) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		s = span_cut(s, (size_t)n, s.n);
	}
}

static inline bool
fcgi_read(int fd, char *to, size_t n)
{
	while (n > 0) {
		ssize_t got = recv(fd, to, n, 0);

		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
	}
	return true;
}

/* Reads one record of an answer. False at its end or when the connection is closed. */
static inline bool
fcgi_receive_record(int fd, struct fcgi_answer *a)
{
	unsigned char head[8];
	char content[FCGI_RECORD_MAX + 255];
	size_t n;

	if (!fcgi_read(fd, (char *)head, sizeof(head)))
		return false;
	n = (size_t)head[4] << 8 | head[5];
	if (!fcgi_read(fd, content, n + head[6]))
		return false;
	if (head[1] == FCGI_STDOUT) {
		int rc = buf_add(&a->out, (struct span){ content, n });

		assert(rc == 0);
		(void)rc;
	}
	a->ended = head[1] == FCGI_END;
	return !a->ended;
}

static inline void
fcgi_receive(int fd, struct fcgi_answer *a)
{
	uint64_t status;

	buf_free(&a->out);
	*a = (struct fcgi_answer){ .out = buf_make(16u * 1024 * 1024) };
	while (fcgi_receive_record(fd, a))
		;
	if (a->out.len > 11 && strncmp(a->out.p, "Status: ", 8) == 0 &&
	    num_u64(span_cut(buf_span(&a->out), 8, 11), 999, &status) == 0)
		a->status = (int)status;
}

#endif
