/* totals: the sums over finished calls, durable, and how far the ledger was written. What is in it
 * was written out by one drain, together with its position in the ledger, in one transaction. */
#ifndef POSTERN_STORE_TOTALS_H
#define POSTERN_STORE_TOTALS_H

#include "base/check.h"
#include "policy/admission.h"
#include "store/kv.h"
#include "store/store.h"

#define TOTALS_NODE_LEN 16

/* How far lines were written. */
struct totals_mark {
	char node[TOTALS_NODE_LEN + 1]; /* names this state folder, for stores that many share */
	uint64_t seq;			/* the last line that is in the ledger and in the totals */
	char file[LEDGER_NAME_LEN];	/* where it stands; empty: there is none yet */
	uint64_t dev, ino, size;	/* that file, as it was then */
};

struct totals; /* used by all threads at once, never carried over a fork */

/* Opens over a path; made, with a name for the folder, when missing. reader: nothing is made or
 * changed. NULL when it cannot be, also for a file that is damaged or of another format: it is
 * precious and never made anew by itself. Logged, but for a reader of a file that is not there,
 * where errno is ENOENT. */
struct totals *totals_open(const char *path, bool reader);

/* NULL is fine. */
void totals_close(struct totals *t);

/* False when the file was removed or replaced. */
bool totals_stands(const struct totals *t);

/* How far they reach; all zero for a reader of a file that was just made. */
MUST_CHECK enum store_status totals_mark(struct totals *t, struct totals_mark *out);

/* Begins one durable transaction; until its end this thread may not read t, and no other may write
 * it. Waits for that of another process. */
MUST_CHECK enum store_status totals_begin(struct totals *t);

/* Adds a line in it. */
MUST_CHECK enum store_status totals_add(struct totals *t, const struct ledger_entry *e);

/* Ends it with the new mark, whose node is ignored; on failure nothing of it counts. */
MUST_CHECK enum store_status totals_end(struct totals *t, const struct totals_mark *mark);

/* Ends it as if nothing had been; in the place of totals_end, not after it. */
void totals_cancel(struct totals *t);

/* A day's or a month's money of a workspace or a key. */
struct totals_purse {
	enum scope scope;
	struct span name;
	int32_t period;
	bool is_month;
};

/* What was spent of it, whether or not it has a budget; *seq is how far that reaches. */
MUST_CHECK enum store_status totals_spent(
    struct totals *t, const struct totals_purse *purse, uint64_t *nanousd, uint64_t *seq);

/* Walks over the rows of a range in one snapshot, in the order of their keys; *seq is how far it
 * reaches, set before the first row. fn should be quick: the file grows while it lasts. */
MUST_CHECK enum store_status totals_each(
    struct totals *t, const struct store_range *range, uint64_t *seq, store_row *fn, void *arg);

#endif
