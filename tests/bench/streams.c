/* streams: opens many event streams at once and reads them to their ends: one thread, one epoll. A
 * stream counts as done only when its message_stop and the end of its chunked body have come. From
 * the moment all are open, the delay of every delta is measured against the CLOCK_MONOTONIC time
 * that the upstream wrote into it.
 *
 *   streams PORT KEY STREAMS EVENTS INTERVAL_US RAMP_US LIMIT_S
 *
 * Prints `open` when every stream has had its first delta, `ending` when the first one is over, and
 * at the end `done N lost N refused N deltas N median_ns N p90_ns N p99_ns N max_ns N`. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN 2048
#define READ_MAX     (64ul * 1024)
#define EVENTS	     256

/* Where in the answer a stream is. */
enum place { IN_HEAD, IN_SIZE, IN_DATA, IN_DATA_END, IN_TRAILER, AT_END };

struct stream {
	int fd;
	enum place place;
	size_t left;		 /* of the chunk */
	char line[LINE_MAX_LEN]; /* the line that is being read, of the framing */
	size_t line_n;
	char text[LINE_MAX_LEN]; /* the line that is being read, of the events */
	size_t text_n;
	bool refused, opened, stopped;
};

static struct {
	const char *key;
	unsigned short port;
	unsigned streams, events, interval_us, ramp_us, limit_s;
} want;

static struct stream *streams;
static unsigned started, opened, done, lost, refused;
static int64_t *delays;
static size_t delays_n, delays_max;
static int epoll_fd;

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
say(const char *what)
{
	puts(what);
	fflush(stdout);
}

static void
start(struct stream *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(want.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };
	char body[512], out[1024];
	int on = 1, n;

	n = snprintf(body, sizeof(body),
	    "{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":256,\"stream\":true,\"messages\":"
	    "[{\"role\":\"user\",\"content\":\"events=%u interval_us=%u\"}]}",
	    want.events, want.interval_us);
	n = snprintf(out, sizeof(out),
	    "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: %s\r\nanthropic-version: 2023-06-01\r\n"
	    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
	    want.key, n, body);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&a, sizeof(a)) ||
	    send(s->fd, out, (size_t)n, MSG_NOSIGNAL) != n ||
	    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &e)) {
		die("streams: cannot start a stream");
	}
}

static void
finish(struct stream *s, unsigned *count)
{
	if (done + lost + refused == 0) {
		say("ending");
	}
	++*count;
	close(s->fd);
	s->fd = -1;
}

static void
take_delta(struct stream *s, const char *at, int64_t came_ns)
{
	if (!s->opened) {
		s->opened = true;
		if (++opened == want.streams) {
			say("open");
		}
	}
	if (opened == want.streams && delays_n < delays_max) {
		delays[delays_n++] = came_ns - strtoll(at, NULL, 10);
	}
}

/* A line of the event stream. */
static void
take_line(struct stream *s, int64_t came_ns)
{
	const char *at;

	s->text[s->text_n] = '\0';
	if (strncmp(s->text, "event: message_stop", 19) == 0) {
		s->stopped = true;
	} else if (strncmp(s->text, "data: ", 6) == 0 && (at = strstr(s->text, "\"at="))) {
		take_delta(s, at + 4, came_ns);
	}
	s->text_n = 0;
}

static void
take_data(struct stream *s, const char *p, size_t n, int64_t came_ns)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n') {
			take_line(s, came_ns);
		} else if (s->text_n < LINE_MAX_LEN - 1) {
			s->text[s->text_n++] = p[i];
		}
	}
}

/* A line of HTTP's framing. */
static void
take_framing(struct stream *s)
{
	s->line[s->line_n] = '\0';
	switch (s->place) {
	case IN_HEAD:
		if (strncmp(s->line, "HTTP/", 5) == 0) {
			s->refused = strncmp(s->line + 8, " 200", 4) != 0;
		}
		s->place = s->line_n == 0 ? IN_SIZE : IN_HEAD;
		break;
	case IN_SIZE:
		s->left = strtoul(s->line, NULL, 16);
		s->place = s->left > 0 ? IN_DATA : IN_TRAILER;
		break;
	case IN_DATA_END:
		s->place = IN_SIZE;
		break;
	default:
		s->place = s->line_n == 0 ? AT_END : IN_TRAILER;
	}
	s->line_n = 0;
}

static void
take_bytes(struct stream *s, const char *p, size_t n, int64_t came_ns)
{
	while (n > 0 && s->place != AT_END && !s->refused) {
		size_t used = 1;

		if (s->place == IN_DATA) {
			used = n < s->left ? n : s->left;
			take_data(s, p, used, came_ns);
			s->left -= used;
			s->place = s->left > 0 ? IN_DATA : IN_DATA_END;
		} else if (*p == '\n') {
			take_framing(s);
		} else if (*p != '\r' && s->line_n < LINE_MAX_LEN - 1) {
			s->line[s->line_n++] = *p;
		}
		p += used;
		n -= used;
	}
}

static void
stream_read(struct stream *s)
{
	static char in[READ_MAX];
	ssize_t n = recv(s->fd, in, sizeof(in), MSG_DONTWAIT);
	int64_t came_ns = now_ns();

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n > 0) {
		take_bytes(s, in, (size_t)n, came_ns);
	}
	if (s->refused) {
		finish(s, &refused);
	} else if (s->place == AT_END) {
		finish(s, s->stopped ? &done : &lost);
	} else if (n <= 0) {
		finish(s, &lost);
	}
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static long long
quantile(double q)
{
	return delays_n ? (long long)delays[(size_t)((double)(delays_n - 1) * q)] : -1;
}

/* Starts what is due; returns the time until the next start in ms, or until the limit. */
static int
start_due(int64_t begun_ns)
{
	int64_t now = now_ns();

	while (started < want.streams && now >= begun_ns + (int64_t)started * want.ramp_us * 1000) {
		start(&streams[started++]);
	}
	if (started < want.streams) {
		int64_t wait_ns = begun_ns + (int64_t)started * want.ramp_us * 1000 - now_ns();

		return wait_ns <= 0 ? 0 : (int)(wait_ns / 1000000);
	}
	return (int)((begun_ns + want.limit_s * 1000000000LL - now) / 1000000);
}

static void
run(void)
{
	int64_t begun_ns = now_ns();

	while (done + lost + refused < want.streams) {
		struct epoll_event seen[EVENTS];
		int wait_ms = start_due(begun_ns);
		int n;

		if (wait_ms < 0) {
			break;
		}
		n = epoll_wait(epoll_fd, seen, EVENTS, wait_ms);
		for (int i = 0; i < n; i++) {
			stream_read(seen[i].data.ptr);
		}
	}
	lost += want.streams - done - lost - refused;
}

int
main(int argc, char **argv)
{
	struct rlimit limit;

	if (argc != 8) {
		fputs(
		    "usage: streams PORT KEY STREAMS EVENTS INTERVAL_US RAMP_US LIMIT_S\n", stderr);
		return 2;
	}
	want.port = (unsigned short)strtoul(argv[1], NULL, 10);
	want.key = argv[2];
	want.streams = (unsigned)strtoul(argv[3], NULL, 10);
	want.events = (unsigned)strtoul(argv[4], NULL, 10);
	want.interval_us = (unsigned)strtoul(argv[5], NULL, 10);
	want.ramp_us = (unsigned)strtoul(argv[6], NULL, 10);
	want.limit_s = (unsigned)strtoul(argv[7], NULL, 10);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	delays_max = (size_t)want.streams * want.events;
	streams = calloc(want.streams, sizeof(*streams));
	delays = calloc(delays_max + 1, sizeof(*delays));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!streams || !delays || epoll_fd < 0) {
		die("streams");
	}
	run();
	qsort(delays, delays_n, sizeof(*delays), compare);
	printf(
	    "done %u lost %u refused %u deltas %zu median_ns %lld p90_ns %lld p99_ns %lld max_ns %lld\n",
	    done, lost, refused, delays_n, quantile(0.5), quantile(0.9), quantile(0.99),
	    quantile(1));
	return 0;
}
