/* supervisor: keeps a number of worker processes alive on one listening socket. */
#ifndef POSTERN_SUPERVISOR_H
#define POSTERN_SUPERVISOR_H

#include "base/check.h"

typedef int supervisor_work(void *arg);
typedef void supervisor_stop(void *arg);

/* Forks workers that run work(arg) and exit with its result, and starts a new one for each that
 * ends, but a worker that ended soon after its start not before a second has passed. SIGTERM and
 * SIGINT go on to the workers and end the supervision once they have all ended. Every signal must
 * be blocked. stopping(arg) is called once, as soon as the supervision ends and before the workers
 * are told, to refuse further connections. Returns the exit status for the supervisor; in a worker
 * it does not return. */
int supervisor_run(unsigned workers, supervisor_work *work, supervisor_stop *stopping, void *arg);

#endif
