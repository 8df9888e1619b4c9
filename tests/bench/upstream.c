/* upstream: a stand-in for the Messages API that is fast enough not to be measured itself: one
 * thread, one epoll. A body with `"stream":true` gets an event stream, any other a whole message.
 * How many deltas a stream has, and how far apart, stands in the prompt as `events=N
 * interval_us=N`; each delta carries the CLOCK_MONOTONIC time at which it left. Prints `port N` and
 * serves until it is killed. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define IN_MAX	  (64ul * 1024)
#define OUT_MAX	  4096
#define CONNS_MAX 8192
#define BACKLOG	  4096
#define EVENTS	  256

struct conn {
	int fd;
	size_t in_len;
	char *in;
	bool closes;   /* the client wants the connection closed after this answer */
	unsigned left; /* deltas of the running stream that are still to come */
	bool streaming;
	int64_t interval_ns, due_ns;
	size_t place; /* in the heap */
};

/* The streams by the time of their next delta, the earliest first. */
static struct conn *heap[CONNS_MAX];
static size_t heap_n;
static int epoll_fd, timer_fd;

static const char whole[] =
    "{\"id\":\"msg_01BenchBenchBenchBench\",\"type\":\"message\",\"role\":\"assistant\","
    "\"model\":\"claude-sonnet-4-5\",\"content\":[{\"type\":\"text\",\"text\":\"The gate stands open by day, and by "
    "night a lamp burns beside it, so that whoever comes late still finds the way in and whoever leaves is seen. "
    "Nothing passes uncounted.\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":25,"
    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":40}}";

static const char opening[] =
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_01BenchBenchBenchBench\","
    "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[],\"stop_reason\":null,"
    "\"stop_sequence\":null,\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":0,"
    "\"cache_read_input_tokens\":0,\"output_tokens\":1}}}\n\n"
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
    "{\"type\":\"text\",\"text\":\"\"}}\n\n";

static const char closing[] =
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
    "\"stop_sequence\":null},\"usage\":{\"output_tokens\":40}}\n\n"
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

static const char stream_head[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    "request-id: req_bench\r\nTransfer-Encoding: chunked\r\n\r\n";

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static _Noreturn void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
heap_put(size_t i, struct conn *c)
{
	heap[i] = c;
	c->place = i;
}

/* Puts c where it belongs, at i or below it. */
static void
heap_sink(size_t i, struct conn *c)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < heap_n && heap[child + 1]->due_ns < heap[child]->due_ns) {
			child++;
		}
		if (child >= heap_n || heap[child]->due_ns >= c->due_ns) {
			break;
		}
		heap_put(i, heap[child]);
		i = child;
	}
	heap_put(i, c);
}

/* Puts c where it belongs, at i or above it. */
static void
heap_rise(size_t i, struct conn *c)
{
	while (i > 0 && heap[(i - 1) / 2]->due_ns > c->due_ns) {
		heap_put(i, heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(i, c);
}

static void
heap_remove(const struct conn *c)
{
	size_t i = c->place;
	struct conn *last = heap[--heap_n];

	if (last != c) {
		heap_rise(i, last);
		heap_sink(last->place, last);
	}
}

static void
arm(void)
{
	struct itimerspec at = { 0 };

	if (heap_n > 0) {
		at.it_value.tv_sec = heap[0]->due_ns / 1000000000;
		at.it_value.tv_nsec = heap[0]->due_ns % 1000000000;
	}
	if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, NULL)) {
		die("upstream: timerfd_settime");
	}
}

static void
conn_close(struct conn *c)
{
	if (c->streaming) {
		heap_remove(c);
	}
	close(c->fd);
	free(c->in);
	free(c);
}

/* The answers are small: a socket that does not take one at once belongs to a client that is lost
 * anyway. */
static bool
conn_send(const struct conn *c, const char *p, size_t n)
{
	return send(c->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool
send_chunk(const struct conn *c, const char *head, const char *data, const char *tail)
{
	char out[OUT_MAX];
	int n = snprintf(out, sizeof(out), "%s%zx\r\n%s\r\n%s", head, strlen(data), data, tail);

	return n > 0 && (size_t)n < sizeof(out) && conn_send(c, out, (size_t)n);
}

static bool
send_delta(const struct conn *c)
{
	char data[256];

	snprintf(data, sizeof(data),
	    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
	    "{\"type\":\"text_delta\",\"text\":\"at=%lld\"}}\n\n",
	    (long long)now_ns());
	return send_chunk(c, "", data, "");
}

static unsigned long
number_in(const char *text, const char *name, unsigned long otherwise)
{
	const char *at = strstr(text, name);

	return at ? strtoul(at + strlen(name), NULL, 10) : otherwise;
}

static bool
begin_stream(struct conn *c, const char *body)
{
	c->left = (unsigned)number_in(body, "events=", 10);
	c->interval_ns = (int64_t)number_in(body, "interval_us=", 100000) * 1000;
	c->due_ns = now_ns() + c->interval_ns;
	if (heap_n == CONNS_MAX || !send_chunk(c, stream_head, opening, "")) {
		return false;
	}
	c->streaming = true;
	heap_rise(heap_n++, c);
	arm();
	return true;
}

static bool
send_whole(const struct conn *c)
{
	char out[OUT_MAX];
	int n = snprintf(out, sizeof(out),
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nrequest-id: req_bench\r\n"
	    "Content-Length: %zu\r\n%s\r\n%s",
	    sizeof(whole) - 1, c->closes ? "Connection: close\r\n" : "", whole);

	return conn_send(c, out, (size_t)n) && !c->closes;
}

/* Answers the requests that have come whole. False when the connection is at its end. */
static bool
answer(struct conn *c)
{
	while (!c->streaming) {
		char *body, *length, *end;
		size_t used;

		c->in[c->in_len] = '\0';
		end = strstr(c->in, "\r\n\r\n");
		if (!end) {
			return c->in_len < IN_MAX;
		}
		*end = '\0';
		body = end + 4;
		length = strcasestr(c->in, "\r\ncontent-length:");
		c->closes =
		    strcasestr(c->in, "\r\nconnection: close") || strstr(c->in, " HTTP/1.0\r\n");
		*end = '\r';
		used = (size_t)(body - c->in) + (length ? strtoul(length + 17, NULL, 10) : 0);
		if (used > c->in_len) {
			return used <= IN_MAX;
		}
		if (strstr(body, "\"stream\":true") ? !begin_stream(c, body) : !send_whole(c)) {
			return false;
		}
		memmove(c->in, c->in + used, c->in_len - used);
		c->in_len -= used;
	}
	return true;
}

static void
conn_read(struct conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, IN_MAX - c->in_len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n > 0) {
		c->in_len += (size_t)n;
	}
	if (n <= 0 || !answer(c)) {
		conn_close(c);
	}
}

static void
conn_open(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c = fd < 0 ? NULL : calloc(1, sizeof(*c));
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int on = 1;

	if (fd < 0) {
		return;
	}
	if (!c || !(c->in = malloc(IN_MAX + 1))) {
		die("upstream: memory");
	}
	c->fd = fd;
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the epoll holds it until conn_close. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e)) {
		die("upstream: epoll_ctl");
	}
}

static void
tick(void)
{
	uint64_t times;

	if (read(timer_fd, &times, sizeof(times)) < 0 && errno != EAGAIN) {
		die("upstream: timer");
	}
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): one that is closed has left the heap. */
	while (heap_n > 0 && heap[0]->due_ns <= now_ns()) {
		struct conn *c = heap[0];
		bool good;

		if (c->left > 0) {
			good = send_delta(c);
			c->left--;
			c->due_ns += c->interval_ns;
			heap_sink(0, c);
		} else {
			good = send_chunk(c, "", closing, "0\r\n\r\n");
			heap_remove(c);
			c->streaming = false;
			good = good && !c->closes && answer(c);
		}
		if (!good) {
			conn_close(c);
		}
	}
	arm();
}

static int
listen_on(unsigned short *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, BACKLOG) ||
	    getsockname(fd, (struct sockaddr *)&a, &n)) {
		die("upstream: listen");
	}
	*port = ntohs(a.sin_port);
	return fd;
}

int
main(void)
{
	struct rlimit limit;
	unsigned short port;
	int listen_fd = listen_on(&port);
	struct epoll_event e = { .events = EPOLLIN };
	char listening,
	    ticking; /* their addresses stand for the two descriptors that are no conn */

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	e.data.ptr = &listening;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &e);
	e.data.ptr = &ticking;
	if (timer_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &e)) {
		die("upstream: epoll");
	}
	printf("port %u\n", port);
	fflush(stdout);
	for (;;) {
		struct epoll_event seen[EVENTS];
		int n = epoll_wait(epoll_fd, seen, EVENTS, -1);
		bool due = false;

		for (int i = 0; i < n; i++) {
			if (seen[i].data.ptr == &listening) {
				conn_open(listen_fd);
			} else if (seen[i].data.ptr == &ticking) {
				due = true;
			} else {
				conn_read(seen[i].data.ptr);
			}
		}
		/* Last, because it may close connections that this round has seen. */
		if (due) {
			tick();
		}
	}
}
