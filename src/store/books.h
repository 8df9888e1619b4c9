/* books: a state folder's bookkeeping, put together: the limiter, the totals, the ledger's files,
 * and the drain that moves finished calls from the first to the others.
 *
 * A call that is settled stands in the limiter's queue. A drain, by one process at a time, writes
 * the queued lines to the ledger, syncs it, adds them to the totals in one durable transaction, and
 * then forgets them. Whatever dies in between, no line is lost and none is added twice: the totals
 * know how far the ledger was written. A thread of each process drains soon after a line was
 * queued, at most once a second; another keeps the process's leases alive, however long a disk may
 * take.
 *
 * The limiter's file belongs to one boot of the machine, since a volatile kv is not to be trusted
 * after a power cut; what it held longer than a second is in the totals by then. */
#ifndef POSTERN_STORE_BOOKS_H
#define POSTERN_STORE_BOOKS_H

#include "base/check.h"
#include "store/books_sink.h"
#include "store/limiter.h"
#include "store/totals.h"

struct books;

/* Makes the folder, with mode 0700, when it is missing. -1 when it cannot be; logged. */
int books_folder(const char *path);

/* Opens the folder (made with mode 0700 when missing). sink: another store that books every line,
 * too; NULL: there is none. reader: nothing is made or changed, and no keeper runs; a folder
 * without books is then empty books. NULL when it cannot be; logged. The path is copied; what sink
 * points to must outlive the books. A process opens a folder once, and further users by
 * books_beside. */
struct books *books_open(const char *folder, const struct books_sink *sink, bool reader);

/* The same folder for one user more of this process, which closes it for itself. Lines go to the
 * sink of the user that came last, of those that have not closed. NULL when memory is out; logged.
 * One thread at a time may open or close. */
struct books *books_beside(struct books *b, const struct books_sink *sink);

/* The limiter, for takes; settlements go through books_settle. NULL for a reader of empty books. */
struct limiter *books_limiter(struct books *b);

/* To be called when a take gave a lease, here or at another store: the beats begin. Cheap. */
void books_hold(struct books *b);

/* This folder's name among those that share a store. */
const char *books_node(const struct books *b);

/* limiter_settle, and the drain is told. */
MUST_CHECK enum store_status books_settle(struct books *b, const struct store_booking *k, bool due);

/* limiter_queue, for a take of another store or none, and the drain is told. */
MUST_CHECK enum store_status books_queue(
    struct books *b, const struct store_booking *k, bool due, uint64_t *seq);

/* Moves what is queued now; waits for a drain that is under way elsewhere. */
MUST_CHECK enum store_status books_drain(struct books *b);

/* Walks over the totals with what is queued (store.h). A row is given while a transaction is open:
 * fn must not come back here. */
MUST_CHECK enum store_status books_totals(
    struct books *b, const struct store_range *range, store_row *fn, void *arg);

/* Walks over the totals alone, likewise. */
MUST_CHECK enum store_status books_booked(
    struct books *b, struct store_mark *mark, store_row *fn, void *arg);

/* False when the folder's files were removed or replaced while they were open. Nothing is written
 * there any more then, not even by books_close, and the folder may be opened anew when the last
 * user has closed it. */
bool books_stand(const struct books *b);

/* Whether the folder can be used now; when not, *why is a text without secrets. */
MUST_CHECK enum store_status books_probe(struct books *b, const char **why);

/* Drains a last time to this user's sink; for the last user stops the keeper and frees the folder.
 * NULL is fine. */
void books_close(struct books *b);

#endif
