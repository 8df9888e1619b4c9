/* front: how a call reaches the program. Every thread that takes calls holds one struct front_seat
 * of its own. */
#ifndef POSTERN_FRONT_FRONT_H
#define POSTERN_FRONT_FRONT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/check.h"
#include "base/span.h"

struct front;

struct front_seat {
	const struct front *front; /* first member of every implementation's own struct */
};

/* How a connection stands when its call has ended. */
enum front_rest {
	FRONT_CLOSED,	 /* it is gone */
	FRONT_KEPT,	 /* its host may begin another request on it */
	FRONT_LINGERING, /* its host still sends what nobody wants: it is to be closed, but not
			    before the host has read the answer and closed, or the rest would
			    destroy it */
};

/* How long a host may take nothing of an answer, unless patience says otherwise. */
#define FRONT_WRITE_MS 300000

struct front {
	const char *name;
	bool cut_means_gone; /* its host stops a call only after its client's connection is gone */
	/* Makes a seat; NULL when memory is out. */
	struct front_seat *(*open)(void);
	/* Reads the head of the next call on the connection fd, which the seat owns from now on.
	 * -1: no call came out of it and the connection is closed. */
	int (*accept)(struct front_seat *seat, int fd);
	/* A CGI variable (RFC 3875 4.1), valid until finish; NULL when it is not there. */
	const char *(*param)(struct front_seat *seat, const char *name);
	/* All of them, "NAME=value", NULL-ended, valid until finish. */
	char *const *(*params)(struct front_seat *seat);
	/* Reads the body: how many bytes, 0 at its end, -1 when the client or the host went away
	 * before it. */
	ssize_t (*read)(struct front_seat *seat, char *to, size_t n);
	/* Sends bytes of the answer, beginning with its CGI head; buffered until flush or finish.
	 * -1: nobody is there. */
	int (*write)(struct front_seat *seat, struct span s);
	int (*flush)(struct front_seat *seat);
	/* How long a write of this call may wait for a host that takes nothing, before nobody is
	 * there. NULL: this front waits as long as its host lives. */
	void (*patience)(struct front_seat *seat, int64_t write_ms);
	/* The descriptor on which a client that leaves shows up, and the epoll(7) events that say
	 * so (EPOLLHUP and EPOLLERR always do). -1: this front cannot know. */
	int (*watch_fd)(struct front_seat *seat, uint32_t *events);
	/* Reads and throws away what is left of the body, for hosts that want it read before they
	 * pass the answer on. */
	void (*drain)(struct front_seat *seat);
	/* Ends the call; the answer goes out whole. *fd is the connection where it is the caller's
	 * again. */
	enum front_rest (*finish)(struct front_seat *seat, int *fd);
	void (*close)(struct front_seat *seat);
};

#endif
