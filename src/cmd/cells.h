/* cells: the columns of reports over sums, by name, and their values as text. Pure. */
#ifndef POSTERN_CMD_CELLS_H
#define POSTERN_CMD_CELLS_H

#include "base/buf.h"
#include "base/check.h"
#include "cmd/sums.h"
#include "policy/tally.h"

/* The names of the members of a row: "day", "workspace" … */
extern const char *const cells_members[SUMS_MEMBERS];

/* A column with a number. */
struct cells_sum {
	const char *name; /* in csv and json */
	const char *head; /* in a table */
	bool usd;	  /* nano-dollars; else a plain count */
	uint64_t (*of)(const struct tally *t);
};

#define CELLS_SUMS 9

extern const struct cells_sum cells_sums[CELLS_SUMS];

#define CELLS_USD_EXACT 9 /* decimals that lose nothing */

/* Appends the value of a column; dollars with so many decimals (at most 9), rounded to the nearest.
 * -1 when it does not fit. */
MUST_CHECK int cells_put_sum(
    struct buf *out, const struct cells_sum *sum, const struct tally *t, unsigned decimals);

/* The value of a member, a day as "2026-11-22" in `day`. */
struct span cells_member(
    const struct tally_row *row, enum sums_member member, char day[static PERIOD_DAY_LEN]);

#endif
