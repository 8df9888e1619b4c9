/* supervisor: keeps a number of worker processes alive on one listening socket. */
#ifndef POSTERN_SUPERVISOR_H
#define POSTERN_SUPERVISOR_H

#include <stdint.h>
#include <sys/types.h>

#include "base/check.h"
#include "handover.h"

/* What the supervisor is told to do, each with arg. */
struct supervisor_hooks {
	int (*work)(void *arg);	     /* in a worker; its exit status */
	void (*ready)(void *arg);    /* once, when all workers serve for the first time */
	void (*tick)(void *arg);     /* every tick_ms */
	int64_t tick_ms;	     /* -1: never */
	void (*stopping)(void *arg); /* once, as soon as the supervision ends and before the workers
					are told, to refuse further connections */
	/* SIGHUP or SIGUSR2 has come, and a new image of the program could start: it is to take
	 * this one's place. Returns when that cannot be. */
	void (*renew)(void *arg, const struct handover_worker *workers, size_t n);
	void *arg;
};

/* Forks workers, and starts a new one for each that ends. A worker that ended within a second of
 * its start is waited for: a second at first, twice as long each time, half a minute at most.
 * SIGTERM and SIGINT go on to the workers, a further one as SIGINT, and end the supervision once
 * they have all ended. With `former` there are workers of the image before: they are told to end
 * when all new ones serve. Every signal must be blocked. Returns the exit status for the
 * supervisor; in a worker it does not return. */
int supervisor_run(
    unsigned workers, const struct handover *former, const struct supervisor_hooks *hooks);

/* In a worker: tells its supervisor, whose process id that is, that it serves. */
void supervisor_serves(pid_t supervisor);

#endif
