/* pricelist: the file of prices that is shipped, one model pattern on a line, in USD per million
 * tokens; # begins a comment:
 *     # pattern           input  output  cache-write-5m  cache-write-1h  cache-read
 *     claude-sonnet-4-5*  3.00   15.00   3.75            6.00            0.30
 * A pattern whose long prompts cost more has a second line, with the tokens above which it holds:
 *     claude-haiku-5-5*   0.10   0.50    0.125           0.20            0.01
 *     claude-haiku-5-5*   >100000  0.50  2.50  0.625  1.00  0.05
 * Pure. The first pattern that matches counts. */
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
	int line;
};

struct pricelist {
	struct pricelist_row *rows;
	size_t n;
};

/* Reads the text; every damaged line is an error in f with its number, and is passed over. -1 when
 * memory is out; the list is then empty. */
MUST_CHECK int pricelist_read(struct pricelist *out, struct span text, struct findings *f);

/* The price of a model; NULL when no pattern matches. */
const struct price *pricelist_find(const struct pricelist *l, struct span model);

/* Frees what the list holds; it is empty then. */
void pricelist_free(struct pricelist *l);

#endif
