/* call: the life of one request, as a table of steps. A struct call belongs to one thread and is
 * used for one request after the other; everything of a request hangs from it. */
#ifndef POSTERN_CALL_H
#define POSTERN_CALL_H

#include "base/check.h"
#include "front/front.h"
#include "gate.h"

struct call;

/* Makes a thread's call. NULL when memory or descriptors are out. */
MUST_CHECK struct call *call_open(struct gate *g, const struct front *front);

/* Frees it; NULL is fine. */
void call_close(struct call *c);

/* Takes one request from the connection fd (owned by the call from now on) through all its steps,
 * to its ledger line. busy: no other thread is free, so the answer is 529 at once. */
void call_run(struct call *c, int fd, bool busy);

/* Ends what call_run began: the answer goes out whole and the connection is closed. Takes as long
 * as the host takes to close its side. Returns the connection when its host keeps it open for
 * further requests (the caller owns it again), else -1. */
int call_finish(struct call *c);

#endif
