/* seqset: which numbers were seen, as ranges in order. Pure. Costs as much memory as there are
 * holes, and hardly any time for numbers that go up or down one by one. */
#ifndef POSTERN_CMD_SEQSET_H
#define POSTERN_CMD_SEQSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct seqset_range {
	uint64_t from, to; /* both are in it */
};

/* Begins as {0}. */
struct seqset {
	struct seqset_range *ranges; /* in order; none touches the next */
	size_t n, cap;
	size_t last; /* where the last number went */
};

/* Adds a number above 0. 1 when it was there before, -1 when out of memory. */
MUST_CHECK int seqset_add(struct seqset *s, uint64_t seq);

/* Whether the number is there. */
bool seqset_has(const struct seqset *s, uint64_t seq);

/* Frees the ranges; the set is empty and usable again. */
void seqset_free(struct seqset *s);

#endif
