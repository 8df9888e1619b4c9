/* links: the sockets that a transfer has open to upstreams. Tells which of those that were kept may
 * not be asked again, since something has come on it unasked: a 408 for the wait, or what stood
 * behind an answer's end. It would be taken for the answer to the next request. */
#ifndef POSTERN_UPSTREAM_LINKS_H
#define POSTERN_UPSTREAM_LINKS_H

#include <stdbool.h>
#include <stddef.h>

/* Those kept, and those tried side by side for one connection; more are not watched. */
#define LINKS_MAX 16u

struct link {
	int fd;
	long port;  /* it goes out from; 0: not known yet */
	bool used;  /* a request has gone out on it */
	bool mixed; /* what comes on it need not be an answer */
};

struct links {
	struct link v[LINKS_MAX];
	size_t n;
};

/* A socket was opened; -1 is none. */
void links_opened(struct links *l, int fd);

/* A socket is about to be closed. */
void links_closed(struct links *l, int fd);

/* A request is about to go out from this port. False when it must not. */
bool links_ask(struct links *l, long port);

/* What is spoken on this port says by itself which answer is whose (HTTP/2). */
void links_mixed(struct links *l, long port);

#endif
