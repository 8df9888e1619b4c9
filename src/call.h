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
 * to the end of its answer, and settles and books it: an answer that a client has whole is booked.
 * busy: no other thread is free, so the answer is 529 at once. */
void call_run(struct call *c, int fd, bool busy);

/* Ends what call_run began: the answer goes out whole. How the connection stands is the front's
 * finish (front.h); *fd is the connection where it is the caller's again. */
enum front_rest call_finish(struct call *c, int *fd);

/* Does what can wait until the client has its answer: what a settlement has to do at another
 * machine, and the log; and makes ready for the next. */
void call_book(struct call *c);

#endif
