/* report: see report.h. The walk over the totals. */
#include "cmd/report.h"

#include "base/hash.h"

struct walk {
	struct report *report;
	bool failed;
};

static int
add_row(void *arg, const struct tally_row *row, const struct tally *t)
{
	struct walk *w = arg;
	struct tally *sum = sums_at(&w->report->sums, row);

	if (!sum) {
		(void)fputs("postern usage: out of memory\n", stderr);
		w->failed = true;
		return -1;
	}
	tally_add(sum, t);
	tally_add(&w->report->total, t);
	return 0;
}

int
report_gather(struct report *r, const struct report_ask *ask, struct store *s)
{
	struct walk w = { .report = r };
	uint64_t seed;

	if (hash_random(&seed, sizeof(seed)) < 0)
		seed = 0;
	*r = (struct report){ .ask = *ask, .sums = sums_make(&ask->by, seed) };
	if (s->kind->totals(s, &ask->range, add_row, &w) != STORE_OK || w.failed)
		return -1;
	sums_sort(&r->sums);
	return 0;
}

void
report_clear(struct report *r)
{
	sums_free(&r->sums);
}
