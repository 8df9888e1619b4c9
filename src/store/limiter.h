/* limiter: what must be known at once, in a volatile kv of this boot: buckets, purses, leases, and
 * the finished calls that are on their way to the ledger. Every take and every settle is one
 * transaction under one lock, so that threads and processes cannot be admitted beyond a limit.
 *
 * A lease belongs to a holder, which is a process. A holder that has not been heard of for
 * LIMITER_HOLD_MS is dead: the next take or beat of anybody releases its leases, and books each of
 * those calls as "lost". How long ago that was is told by the monotonic clock,
 * which all processes of a boot share: setting the time of day kills nobody. */
#ifndef POSTERN_STORE_LIMITER_H
#define POSTERN_STORE_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "store/limitpurse.h"
#include "store/store.h"

#define LIMITER_HOLD_MS 45000 /* a killed process's slots are free after at most so long */
#define LIMITER_BEAT_MS 15000 /* how often a holder with leases is to be heard of */

struct limiter;

/* Opens over a path. first_seq is the number of the last line that was written before, for a file
 * that is new or has not come so far. seed (limitpurse.h) may be NULL: nothing was spent. NULL when
 * it cannot be; logged, but for a reader of a file that is not there, where errno is ENOENT. A
 * process opens a path once, and a child after fork(2) its own. */
struct limiter *limiter_open(
    const char *path, uint64_t first_seq, limiter_seed *seed, void *arg, bool reader);

/* Closes and frees. What is held stays held until it runs out; finished calls that could not be
 * settled up to now are lost. */
void limiter_close(struct limiter *l);

/* False when its file was removed or replaced: others have other limits. */
bool limiter_stands(const struct limiter *l);

/* As the store's take. The clock is read under the lock when ask->now_ms is 0. A purse of a scope
 * without a budget is not kept; a new one is seeded, together with what is pending. */
MUST_CHECK enum store_status limiter_take(
    struct limiter *l, const struct admission_ask *ask, struct admission_grant *out);

/* Settles and puts the line into the queue under the next number, in one transaction. due: the
 * settlement has to be repeated at another store, so what is needed for that is queued with it.
 * What fails for a call that was let in, here or in limiter_queue, is kept in memory, and every
 * beat tries again. */
MUST_CHECK enum store_status limiter_settle(
    struct limiter *l, const struct store_booking *b, bool due);

/* Notes a call that another store has let in, under grant->lease, which is below 2^63 and no other
 * call's of this process: should the process die, the call is booked as lost here, too. Nothing
 * else is held. Like a take it is refused where there is no room for its line. */
MUST_CHECK enum store_status limiter_note(
    struct limiter *l, const struct admission_ask *ask, const struct admission_grant *grant);

/* Queues the line of a call that was noted, or of one that was not let in. What it has spent is
 * spent in the purses that are in use here; else nothing is settled. *seq is its number; 0 on an
 * error. */
MUST_CHECK enum store_status limiter_queue(
    struct limiter *l, const struct store_booking *b, bool due, uint64_t *seq);

/* A queued line. due's spans and structs are filled when it is due, else ask.workspace.p is NULL.
 */
struct limiter_line {
	uint64_t seq;
	struct span line; /* as ledger_format left it */
	bool due;
	struct admission_ask ask; /* workspace, key, model, quota */
	struct admission_grant grant;
	struct admission_used used;
};

/* Called with each queued line in order; not 0 ends the walk. The spans are valid during the call,
 * which must be quick and do no I/O: what others free while the walk lasts cannot be used again,
 * and the file grows. */
typedef int limiter_each(void *arg, const struct limiter_line *line);

/* Walks over the queue from the line after `after`, in one snapshot. */
MUST_CHECK enum store_status limiter_lines(
    struct limiter *l, uint64_t after, limiter_each *fn, void *arg);

/* Removes queued lines up to and including upto. */
MUST_CHECK enum store_status limiter_forget(struct limiter *l, uint64_t upto);

/* The bytes of the lines that are queued. */
uint64_t limiter_waiting(struct limiter *l);

/* Numbers lines from here on beyond seq. */
MUST_CHECK enum store_status limiter_pass(struct limiter *l, uint64_t seq);

/* True while this process holds leases, or has noted calls. */
bool limiter_holds(const struct limiter *l);

/* Says that this process is alive, releases what dead ones held, books what was kept, and drops
 * records that say nothing any more (full buckets, idle accounts), some at a time. */
MUST_CHECK enum store_status limiter_beat(struct limiter *l);

#endif
