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

struct totals;

/* Opens over a path. NULL when it cannot be; logged. */
struct totals *totals_open(const char *path, bool reader);

void totals_close(struct totals *t);

MUST_CHECK enum store_status totals_mark(struct totals *t, struct totals_mark *out);

/* One durable transaction: begin, add lines, end with the new mark. Between them only this thread
 * may use t for writing. sums false: only the mark is kept here, the sums are another store's. */
MUST_CHECK enum store_status totals_begin(struct totals *t);
MUST_CHECK enum store_status totals_add(struct totals *t, const struct ledger_entry *e);
MUST_CHECK enum store_status totals_end(struct totals *t, const struct totals_mark *mark);
void totals_cancel(struct totals *t);

/* What a workspace or key has spent in a day or month, whether or not it has a budget. */
MUST_CHECK enum store_status totals_spent(struct totals *t, enum scope scope, struct span name,
    int32_t period, bool is_month, uint64_t *nanousd, uint64_t *seq);

/* Walks over the rows of a range in one snapshot; *seq is how far it reaches. */
MUST_CHECK enum store_status totals_each(
    struct totals *t, const struct store_range *range, uint64_t *seq, store_row *fn, void *arg);

#endif
