/* pricelist: the file of prices that is shipped, one model pattern on a line:
 *     # pattern   input  output  cache-write-5m  cache-write-1h  cache-read   (USD per million
 * tokens) claude-sonnet-4-5*  3.00 15.00 3.75 6.00 0.30 Pure. The first pattern that matches
 * counts. */
#ifndef POSTERN_POLICY_PRICELIST_H
#define POSTERN_POLICY_PRICELIST_H

#include <stddef.h>

#include "base/check.h"
#include "base/span.h"
#include "policy/finding.h"
#include "policy/price.h"

struct pricelist_row {
	char *pattern; /* a glob */
	struct price price;
};

struct pricelist {
	struct pricelist_row *rows;
	size_t n;
};

/* Reads the text; every damaged line is an error in f with its number, and is passed over. -1 when
 * memory is out. */
MUST_CHECK int pricelist_read(struct pricelist *out, struct span text, struct findings *f);

/* The price of a model; NULL when no pattern matches. */
const struct price *pricelist_find(const struct pricelist *l, struct span model);

void pricelist_free(struct pricelist *l);

#endif
