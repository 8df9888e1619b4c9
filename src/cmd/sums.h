/* sums: tallies by rows of the totals, in a hash table, and then in order: what GROUP BY and ORDER
 * BY are elsewhere. Pure. */
#ifndef POSTERN_CMD_SUMS_H
#define POSTERN_CMD_SUMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "policy/tally.h"

/* The members of a row. */
enum sums_member { SUMS_DAY, SUMS_WORKSPACE, SUMS_KEY, SUMS_MODEL, SUMS_MEMBERS };

/* Which of them rows are told apart by, and which they are sorted by first. */
struct sums_by {
	enum sums_member member[SUMS_MEMBERS];
	size_t n;
};

/* Members that rows are not told apart by are 0 or empty. */
struct sums_row {
	struct tally_row row;
	struct tally tally;
	uint64_t hash;
	size_t key_n;
	char key[]; /* by tally_key; row points into it */
};

struct sums {
	struct sums_by by;
	uint64_t seed;
	struct sums_row **slots; /* sorted: the first n are the rows in order */
	size_t n, slots_n;
};

/* An empty table; allocates nothing. The seed keeps who names the rows from making them collide. */
struct sums sums_make(const struct sums_by *by, uint64_t seed);

/* The tally of the row, zero when it is new; valid until sums_free. NULL when out of memory. Not to
 * be called after sums_sort. */
struct tally *sums_at(struct sums *s, const struct tally_row *row);

/* Puts the rows in order: days by number, texts by their bytes. */
void sums_sort(struct sums *s);

/* Below, at or above zero, as a comes before, with or after b. */
int sums_compare(const struct tally_row *a, const struct tally_row *b, const struct sums_by *by);

/* Frees all rows; the table is then as sums_make's. */
void sums_free(struct sums *s);

#endif
