/* listener: see the header. */
#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/num.h"
#include "base/span.h"

#define BACKLOG	    1024
#define UNIX_PREFIX "unix:"

static int
complain(const char *where, const char *what)
{
	(void)fprintf(stderr, "postern: cannot listen on %s: %s\n", where, what);
	return -1;
}

static const char *
unix_path(const char *where)
{
	return span_starts(span_of(where), SPAN(UNIX_PREFIX)) ? where + sizeof(UNIX_PREFIX) - 1
							      : NULL;
}

/* True unless it is certain that nobody serves there: a socket that we may not connect to is
 * served. */
static bool
is_served(const struct sockaddr_un *to)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 &&
	    errno == ECONNREFUSED;

	if (fd >= 0)
		(void)close(fd);
	return !refused;
}

/* Makes room for a socket file: one that nobody serves goes, anything else stays. */
static int
clear_path(const char *where, const struct sockaddr_un *to)
{
	struct stat st;

	if (lstat(to->sun_path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return complain(where, "a file that is no socket is there");
	if (is_served(to))
		return complain(where, "another process serves there");
	return unlink(to->sun_path) ? complain(where, strerror(errno)) : 0;
}

static int
open_unix(const char *where, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, rc;

	if (*path == '\0' || strlen(path) >= sizeof(to.sun_path))
		return complain(where, "the path is missing or too long for a socket");
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (clear_path(where, &to))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return complain(where, strerror(errno));
	mask = umask(0117);
	rc = bind(fd, (const struct sockaddr *)&to, sizeof(to));
	(void)umask(mask);
	if (rc || listen(fd, BACKLOG)) {
		(void)close(fd);
		return complain(where, strerror(errno));
	}
	return fd;
}

static int
open_address(const char *where, const struct addrinfo *a)
{
	int one = 1;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return complain(where, strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG)) {
		(void)complain(where, strerror(errno));
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int
open_tcp(const char *where)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE
	};
	struct addrinfo *found = NULL;
	const char *colon = strrchr(where, ':');
	char host[256];
	size_t n = colon ? (size_t)(colon - where) : 0;
	uint64_t port;
	int fd, error;

	if (!colon || n == 0 || n >= sizeof(host) || num_u64(span_of(colon + 1), UINT16_MAX, &port))
		return complain(where, "must be unix:/path or host:port");
	if (where[0] == '[' && n > 2 && where[n - 1] == ']') {
		memcpy(host, where + 1, n - 2);
		host[n - 2] = '\0';
	} else {
		memcpy(host, where, n);
		host[n] = '\0';
	}
	error = getaddrinfo(host, colon + 1, &hints, &found);
	if (error)
		return complain(where, gai_strerror(error));
	fd = open_address(where, found);
	freeaddrinfo(found);
	return fd;
}

int
listener_open(const char *where, struct listener_file *made)
{
	const char *path = unix_path(where);
	int fd = path ? open_unix(where, path) : open_tcp(where);
	struct stat st;

	*made = (struct listener_file){ 0 };
	if (fd >= 0 && path && lstat(path, &st) == 0)
		*made = (struct listener_file){ (uint64_t)st.st_dev, (uint64_t)st.st_ino };
	return fd;
}

void
listener_remove(const char *where, const struct listener_file *made)
{
	const char *path = unix_path(where);
	struct stat st;

	if (path && lstat(path, &st) == 0 && (uint64_t)st.st_dev == made->dev &&
	    (uint64_t)st.st_ino == made->ino)
		(void)unlink(path);
}
