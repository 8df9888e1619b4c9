/* upstream: a server on this machine in a process of its own, so that neither its memory nor its
 * descriptors are those of the program under torture. It keeps connections, tells messages whole
 * and in chunks, and gives out a token. */
#ifndef POSTERN_TESTS_TORTURE_UPSTREAM_H
#define POSTERN_TESTS_TORTURE_UPSTREAM_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/http_request.h"

#define UPSTREAM_CONNECTIONS 16
#define UPSTREAM_REQUEST_MAX 65536

#define UPSTREAM_MESSAGE                                                                             \
	"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":"      \
	"\"text\",\"text\":\"hello\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":11," \
	"\"output_tokens\":7}}"
#define UPSTREAM_FIRST                                                                           \
	"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\"," \
	"\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\n"                              \
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"       \
	"\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
#define UPSTREAM_LAST                                                                         \
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"  \
	"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":" \
	"\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\n"                                  \
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
#define UPSTREAM_TOKEN \
	"{\"access_token\":\"ya29.a-token\",\"expires_in\":3599,\"token_type\":\"Bearer\"}"

struct upstream_connection {
	int fd; /* 0: none */
	size_t n;
	char request[UPSTREAM_REQUEST_MAX + 1];
};

static struct {
	pid_t pid;
	unsigned port;
	int fd;
	struct upstream_connection connections[UPSTREAM_CONNECTIONS];
} upstream;

static inline void
upstream_say(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static inline void
upstream_tell(int fd, const char *type, const char *body)
{
	char head[256];

	(void)snprintf(head, sizeof(head),
	    "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nrequest-id: req_up\r\nContent-Length: %zu\r\n\r\n",
	    type, strlen(body));
	upstream_say(fd, head);
	upstream_say(fd, body);
}

static inline void
upstream_chunk(int fd, const char *text)
{
	char head[16];

	(void)snprintf(head, sizeof(head), "%zx\r\n", strlen(text));
	upstream_say(fd, head);
	upstream_say(fd, text);
	upstream_say(fd, "\r\n");
}

static inline void
upstream_answer(const struct upstream_connection *c)
{
	if (strncmp(c->request, "GET ", 4) == 0 || strncmp(c->request, "POST /token", 11) == 0) {
		upstream_tell(c->fd, "application/json", UPSTREAM_TOKEN);
	} else if (!strstr(c->request, "\"stream\":true")) {
		upstream_tell(c->fd, "application/json", UPSTREAM_MESSAGE);
	} else {
		upstream_say(c->fd,
		    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n");
		upstream_chunk(c->fd, UPSTREAM_FIRST);
		upstream_chunk(c->fd, UPSTREAM_LAST);
		upstream_say(c->fd, "0\r\n\r\n");
	}
}

static inline void
upstream_read(struct upstream_connection *c)
{
	ssize_t got = read(c->fd, c->request + c->n, UPSTREAM_REQUEST_MAX - c->n);
	size_t whole;

	if (got <= 0) {
		(void)close(c->fd);
		c->fd = 0;
		return;
	}
	c->n += (size_t)got;
	c->request[c->n] = '\0';
	whole = http_request_length(c->request);
	if (whole == 0 || c->n < whole)
		return;
	upstream_answer(c);
	c->n = 0;
}

static inline void
upstream_accept(void)
{
	int fd = accept(upstream.fd, NULL, NULL);
	int one = 1;

	/* A head and a body go out at once, however small. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (size_t i = 0; fd > 0 && i < UPSTREAM_CONNECTIONS; i++) {
		if (upstream.connections[i].fd != 0)
			continue;
		upstream.connections[i].fd = fd;
		upstream.connections[i].n = 0;
		return;
	}
	(void)close(fd);
}

static inline void
upstream_serve(void)
{
	for (;;) {
		struct pollfd fds[UPSTREAM_CONNECTIONS + 1];

		for (size_t i = 0; i < UPSTREAM_CONNECTIONS; i++)
			fds[i] = (struct pollfd){
				.fd = upstream.connections[i].fd ? upstream.connections[i].fd : -1,
				.events = POLLIN
			};
		fds[UPSTREAM_CONNECTIONS] = (struct pollfd){ .fd = upstream.fd, .events = POLLIN };
		(void)poll(fds, UPSTREAM_CONNECTIONS + 1, -1);
		for (size_t i = 0; i < UPSTREAM_CONNECTIONS; i++)
			if (fds[i].revents)
				upstream_read(&upstream.connections[i]);
		if (fds[UPSTREAM_CONNECTIONS].revents)
			upstream_accept();
	}
}

static inline void
upstream_open(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);

	upstream.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (upstream.fd < 0 || bind(upstream.fd, (struct sockaddr *)&at, n) < 0 ||
	    listen(upstream.fd, 64) < 0 || getsockname(upstream.fd, (struct sockaddr *)&at, &n) < 0)
		abort();
	upstream.port = ntohs(at.sin_port);
	upstream.pid = fork();
	if (upstream.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		upstream_serve();
	}
	if (upstream.pid < 0)
		abort();
	(void)close(upstream.fd);
}

static inline void
upstream_close(void)
{
	(void)kill(upstream.pid, SIGKILL);
	(void)waitpid(upstream.pid, NULL, 0);
}

#endif
