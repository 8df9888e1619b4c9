/* pool: the threads of a process that take calls from one listening socket, and how they stop. */
#ifndef POSTERN_POOL_H
#define POSTERN_POOL_H

#include <stdint.h>

#include "base/check.h"
#include "front/front.h"
#include "gate.h"

#define POOL_THREADS_MIN 2u
#define POOL_THREADS_MAX 8192u
#define POOL_STACK	 (256ul * 1024)

struct pool;

/* Makes a pool over a listening socket (owned by the pool from now on) and starts its first thread.
 * threads: how many there may be, the last one free answers 529. NULL with a log when descriptors,
 * memory or threads are out. */
MUST_CHECK struct pool *pool_start(
    struct gate *g, const struct front *front, int listen_fd, unsigned threads);

/* Stops accepting: no thread takes another call, new connections are refused or go to other
 * processes. */
void pool_stop(struct pool *p);

/* Waits until every thread has ended its call and left, at most wait_ms. True when all have. */
bool pool_wait(struct pool *p, int64_t wait_ms);

/* Frees the pool; all threads must have left. */
void pool_free(struct pool *p);

#endif
