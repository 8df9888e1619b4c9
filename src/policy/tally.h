/* tally: sums over finished calls, and the row they are kept under. Pure. A tally is made of ledger
 * lines and of nothing else, so that re-adding the ledger must give the same. */
#ifndef POSTERN_POLICY_TALLY_H
#define POSTERN_POLICY_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/span.h"
#include "policy/ledger.h"

/* A row of the totals. */
struct tally_row {
	int32_t day; /* period_day of the call's admission */
	struct span workspace, key, model;
};

struct tally {
	uint64_t calls;
	uint64_t errors; /* those whose `end` is neither "done" nor "client-gone" */
	uint64_t cut;	 /* the answer had begun and was not finished */
	uint64_t input, output, cache_write, cache_write_1h, cache_read; /* tokens */
	uint64_t nanousd;
};

/* The tally of one line and the row it belongs to. A model that the gate did not find is "-" in the
 * totals, so that clients cannot make rows at will; so is a member that the line lacks. The spans
 * point into the entry. */
void tally_of(const struct ledger_entry *e, struct tally_row *row, struct tally *out);

/* Adds; saturates at UINT64_MAX. */
void tally_add(struct tally *to, const struct tally *more);

/* Whether all sums are the same. */
bool tally_same(const struct tally *a, const struct tally *b);

#define TALLY_KEY_MAX 480u /* bytes of a row's key; longer models are cut */

/* A row as a key: day (4 bytes, big-endian), workspace, 0, key, 0, model. Keys sort by day first.
 * A text ends at a zero in it, as it does in tally_of. */
size_t tally_key(const struct tally_row *row, char out[static TALLY_KEY_MAX]);

/* The row of such a key; the spans point into it. -1 when it is none. */
MUST_CHECK int tally_row(struct span key, struct tally_row *out);

#endif
