/* links: see the header. */
#include "upstream/links.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static long
port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at = { .v6 = { 0 } };
	socklen_t n = sizeof(at);

	if (getsockname(fd, &at.any, &n))
		return 0;
	return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

/* The one that goes out from this port; NULL when it is not watched. */
static struct link *
find(struct links *l, long port)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].port == 0)
			l->v[i].port = port_of(l->v[i].fd);
		if (l->v[i].port == port)
			return &l->v[i];
	}
	return NULL;
}

void
links_opened(struct links *l, int fd)
{
	if (fd >= 0 && l->n < LINKS_MAX)
		l->v[l->n++] = (struct link){ .fd = fd };
}

void
links_closed(struct links *l, int fd)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].fd == fd) {
			l->v[i] = l->v[--l->n];
			return;
		}
	}
}

bool
links_ask(struct links *l, long port)
{
	struct link *link = find(l, port);
	char byte;
	bool spoilt;

	if (!link)
		return true;
	spoilt =
	    link->used && !link->mixed && recv(link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
	link->used = true;
	return !spoilt;
}

void
links_mixed(struct links *l, long port)
{
	struct link *link = find(l, port);

	if (link)
		link->mixed = true;
}
