/* drain: moves finished calls from the limiter's queue into the ledger and the totals, and on to
 * another store when there is one, by one process at a time. Whatever dies at whatever point, the
 * next drain goes on as if nothing had been:
 *
 *   lines to the ledger, synced > lines and the ledger's mark into the totals, in one transaction
 *   > the other store, which knows how far it is > out of the queue
 *
 * A line that is in the ledger but not in the totals is found behind the mark. */
#ifndef POSTERN_STORE_DRAIN_H
#define POSTERN_STORE_DRAIN_H

#include "base/check.h"
#include "store/books_sink.h"
#include "store/limiter.h"
#include "store/totals.h"

#define DRAIN_EVERY_MS 1000 /* how often all processes together drain by themselves */

struct drain; /* used by all threads at once, never carried over a fork */

/* Over a folder that exists. What is passed in is borrowed. NULL when it cannot be; logged.
 */
struct drain *drain_open(const char *folder, struct totals *totals);

/* NULL is fine. Nobody may have the lock. */
void drain_close(struct drain *d);

/* Takes the lock of the folder, for one thread of one process, waiting wait_ms at most; 0 waits for
 * nobody. -1 with errno EAGAIN when somebody else holds it; other reasons are logged. */
MUST_CHECK int drain_lock(struct drain *d, int64_t wait_ms);

/* False when the file of the lock was removed or replaced: others have another lock. */
bool drain_stands(const struct drain *d);

/* Gives the lock back. */
void drain_unlock(struct drain *d);

/* From now on every line goes on to this sink, too; NULL: to none. Waits for work under way in
 * this process; the one before is then not used any more. It is borrowed. */
void drain_aim(struct drain *d, const struct books_sink *sink);

/* The sink's beat, if there is one. Waits for no drain. */
void drain_beat(struct drain *d);

/* Under the lock: adds what is in the ledger and not in the totals. *mark says how far they are. */
MUST_CHECK enum store_status drain_catch_up(struct drain *d, struct totals_mark *mark);

/* Under the lock: moves all that is queued. STORE_AWAY: the other store does not answer; what is
 * not there yet stays queued, but is in the ledger. */
MUST_CHECK enum store_status drain_queue(struct drain *d, struct limiter *l);

/* The milliseconds until DRAIN_EVERY_MS will have passed since anybody's last drain_queue. */
int64_t drain_rest_ms(struct drain *d);

/* Whether the last attempt to write the ledger of this process failed. */
bool drain_fails(struct drain *d);

#endif
