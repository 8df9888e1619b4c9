/* report: what `postern usage` prints: the totals of a range of days, summed up by some members of
 * their rows. */
#ifndef POSTERN_CMD_REPORT_H
#define POSTERN_CMD_REPORT_H

#include <stdio.h>

#include "base/check.h"
#include "cmd/sums.h"
#include "store/store.h"

struct report_format; /* opaque: a way to print it */

struct report_ask {
	struct store_range range;
	struct sums_by by;
	const struct report_format *format;
};

/* The same as words of a command line; NULL where nothing was said. */
struct report_words {
	const char *by, *since, *until, *format;
};

struct report {
	struct report_ask ask;
	struct sums sums;
	struct tally total;
};

/* Understands the words. -1 with the reason on standard error. */
MUST_CHECK int report_ask(const struct report_words *words, int32_t today, struct report_ask *out);

/* Adds the totals up. -1 when they cannot be read; the reason was logged. In every case the caller
 * calls report_clear. */
MUST_CHECK int report_gather(struct report *r, const struct report_ask *ask, struct store *s);

/* Prints it. -1 when it cannot be written. */
MUST_CHECK int report_print(const struct report *r, FILE *to);

/* The format of that name; NULL when there is none. */
const struct report_format *report_format(const char *name);

/* Frees what report_gather made. */
void report_clear(struct report *r);

#endif
