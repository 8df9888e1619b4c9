/* handover: a new image of the program takes a supervisor's place, in the same process. The socket
 * and the workers stay; what the new image must know of them is a word in the environment. */
#ifndef POSTERN_HANDOVER_H
#define POSTERN_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/check.h"
#include "listener.h"

/* Those of the last image and those that still end their calls from before. */
#define HANDOVER_WORKERS_MAX 1024

struct handover_worker {
	pid_t pid;
	bool told; /* to end */
};

struct handover {
	int listen_fd;
	struct listener_file made;
	size_t n;
	struct handover_worker workers[HANDOVER_WORKERS_MAX];
};

/* How the program was started. */
enum handover_way {
	HANDOVER_NONE,	/* by somebody else */
	HANDOVER_TRIAL, /* by handover_try: it is to see whether it could start, and no more */
	HANDOVER_TAKEN	/* by handover_go */
};

/* Which way it was; for HANDOVER_TAKEN *h says what there is, and its listen_fd is -1 where the
 * word is damaged. The word is taken out of the environment. */
enum handover_way handover_take(struct handover *h);

/* Starts the program once more, as this one was started, as HANDOVER_TRIAL. The child's process id,
 * or -1 with errno; it exits with 0 when it could have started. */
MUST_CHECK pid_t handover_try(void);

/* Becomes the new image, started as this one was. Returns only when that cannot be, with errno.
 * Every thread but the caller's is gone afterwards. */
void handover_go(const struct handover *h);

#endif
