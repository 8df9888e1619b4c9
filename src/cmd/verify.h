/* verify: compares the ledger with the totals, and says everything that does not agree. */
#ifndef POSTERN_CMD_VERIFY_H
#define POSTERN_CMD_VERIFY_H

#include <stdint.h>
#include <stdio.h>

#include "base/check.h"
#include "store/store.h"

/* What is compared. */
struct verify {
	struct store *store;
	const char *folder; /* where the ledger is written */
	char **named;	    /* more of its files; NULL-ended */
	int32_t today;	    /* period_day */
	FILE *out;
};

/* Reads, compares, and prints what was read, what is wrong, and at last `ok` or how many findings
 * there are. Calls may run meanwhile. 0 when all is well, 1 with findings, -1 when it could not be
 * done; the reason is then on standard error. */
MUST_CHECK int verify(const struct verify *v);

#endif
