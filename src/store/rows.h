/* rows: some rows of totals in memory, in the order of their keys, and how they are put into a walk
 * over others that has the same order. Reads and writes no file. */
#ifndef POSTERN_STORE_ROWS_H
#define POSTERN_STORE_ROWS_H

#include <stddef.h>

#include "base/check.h"
#include "policy/tally.h"
#include "store/store.h"

struct rows_one;

/* Starts as zeros. */
struct rows {
	struct rows_one **at;
	size_t n, max;
};

/* Adds to the row, which is made when it is not there. -1 when memory is out. */
MUST_CHECK int rows_add(struct rows *r, const struct tally_row *row, const struct tally *t);

/* Frees the rows; they are then none. */
void rows_free(struct rows *r);

/* A walk over rows of elsewhere, in the order of their keys, and these. */
struct rows_merge {
	const struct rows *rows;
	store_row *fn; /* gets each row once, in order */
	void *arg;
	size_t next; /* of rows; starts as 0 */
	bool ended;  /* fn wants no more */
};

/* Takes the next row of elsewhere: a store_row, whose arg is the struct rows_merge. */
int rows_merge(void *merge, const struct tally_row *row, const struct tally *t);

/* Gives what is left when those of elsewhere have come to their end. */
void rows_rest(struct rows_merge *m);

#endif
