/* supervisor: keeps a number of worker processes alive on one listening socket. */
#ifndef POSTERN_SUPERVISOR_H
#define POSTERN_SUPERVISOR_H

#include "base/check.h"

typedef int supervisor_work(void *arg);

/* Forks workers that run work(arg) and exit with its result, and starts a new one for each that
 * ends, but a worker that ended soon after its start not before a second has passed. SIGTERM and
 * SIGINT go on to the workers and end the supervision once they have all ended. Every signal must
 * be blocked. listen_fd is the socket that the workers serve: it is closed here as soon as the
 * supervision ends, so that nobody connects to a gate that is closing. Returns the exit status for
 * the supervisor; in a worker it does not return. */
int supervisor_run(unsigned workers, int listen_fd, supervisor_work *work, void *arg);

#endif
