/* keeper: a thread of a process that does one thing apart from calls: soon after it was told to, or
 * at fixed intervals. */
#ifndef POSTERN_STORE_KEEPER_H
#define POSTERN_STORE_KEEPER_H

#include <stdint.h>

#include "base/check.h"

struct keeper;

/* What is to be done; called by the keeper's thread, without any lock. */
struct keeper_work {
	/* 0: all is done; else the milliseconds after which it wants to be called again. */
	int64_t (*run)(void *arg);
	int64_t every_ms; /* how often, from the start of the thread on; 0: only when it is told */
	void *arg;
};

/* Makes it, without its thread. NULL when memory is out; logged. */
struct keeper *keeper_open(const struct keeper_work *work);

/* Starts the thread when it does not run yet. Cheap when it does. */
void keeper_start(struct keeper *k);

/* There is something to do, in a moment. Cheap; starts the thread, too. */
void keeper_tell(struct keeper *k);

/* Ends the thread, at once but for work under way, and frees. NULL is fine. */
void keeper_close(struct keeper *k);

#endif
