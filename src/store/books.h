/* books: a state folder's bookkeeping, put together: the limiter, the totals, the ledger's files,
 * and the drain that moves finished calls from the first to the others.
 *
 * A call that is settled stands in the limiter's queue. A drain, by one process at a time, writes
 * the queued lines to the ledger, syncs it, adds them to the totals in one durable transaction, and
 * then forgets them. Whatever dies in between, no line is lost and none is added twice: the totals
 * know how far the ledger was written. A thread of each process, the keeper, drains soon after a
 * line was queued, at most once a second, and keeps the process's leases alive.
 *
 * The limiter's file belongs to one boot of the machine, since a volatile kv is not to be trusted
 * after a power cut; what it held longer than a second is in the totals by then. */
#ifndef POSTERN_STORE_BOOKS_H
#define POSTERN_STORE_BOOKS_H

#include "base/check.h"
#include "store/limiter.h"
#include "store/totals.h"

struct books;

/* Another store that the totals and due settlements go to in place of the local totals, in order
 * and without a gap. A line stays queued until book has taken it. */
struct books_sink {
	/* Books lines of this node; those it has booked before are passed over. upto: set to the
	 * last number that is booked now. STORE_AWAY: try again later. */
	enum store_status (*book)(void *arg, const char *node, const struct limiter_line *lines,
	    size_t n, uint64_t *upto);
	/* Called with every beat, about LIMITER_BEAT_MS apart, while the process lives. */
	void (*beat)(void *arg);
	void *arg;
};

/* Opens the folder (made with mode 0700 when missing). sink NULL: the totals are kept here. reader:
 * nothing is made or changed, and no keeper runs; a folder without books is then empty books. NULL
 * when it cannot be; logged. The path is copied; one process opens a folder once. */
struct books *books_open(const char *folder, const struct books_sink *sink, bool reader);

/* The limiter, for takes; settlements go through books_settle. */
struct limiter *books_limiter(struct books *b);

/* This folder's name among those that share a store. */
const char *books_node(const struct books *b);

/* limiter_settle or, for a take of another store, limiter_queue; and the drain is told. */
MUST_CHECK enum store_status books_settle(struct books *b, const struct store_booking *k, bool due);
MUST_CHECK enum store_status books_queue(
    struct books *b, const struct store_booking *k, bool due, uint64_t *seq);

/* Moves what is queued now; waits for a drain that is under way elsewhere. */
MUST_CHECK enum store_status books_drain(struct books *b);

/* The totals with what is queued; and the totals alone (store.h). */
MUST_CHECK enum store_status books_totals(
    struct books *b, const struct store_range *range, store_row *fn, void *arg);
MUST_CHECK enum store_status books_booked(
    struct books *b, struct store_mark *mark, store_row *fn, void *arg);

/* Whether the folder can be used now; when not, *why is a text without secrets. */
MUST_CHECK enum store_status books_probe(struct books *b, const char **why);

/* Stops the keeper, drains a last time, frees. NULL is fine. */
void books_close(struct books *b);

#endif
