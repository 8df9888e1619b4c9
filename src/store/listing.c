/* listing: see the header. The queue is copied first, and quickly, since a read that lasts makes
 * the limits' file grow. The totals are looked at then: whatever has left the queue before is in
 * them, and what of the copy they count already is known by its number. */
#include "store/listing.h"

#include "base/limits.h"
#include "base/log.h"
#include "store/rows.h"

/* More than the queue can hold. */
#define COPY_MAX (2048 * MIB)

struct listing {
	const struct store_range *range;
	struct buf copy;    /* lines of the queue, whole */
	struct rows queued; /* of those beyond the totals */
	bool ready, failed; /* whether that is made; memory is out */
	uint64_t seq;	    /* how far the totals are */
	struct rows_merge merge;
};

static int
copy_line(void *arg, const struct limiter_line *line)
{
	struct listing *g = arg;

	g->failed = ledger_begin(line->seq, &g->copy) < 0 || buf_add(&g->copy, line->line) < 0;
	return g->failed;
}

static int
add_line(struct listing *g, struct span line, struct buf *words)
{
	struct ledger_entry e;
	struct tally_row row;
	struct tally t;

	if (ledger_parse(line, &e, words) < 0 || e.seq <= g->seq)
		return 0;
	tally_of(&e, &row, &t);
	if (row.day < g->range->first || row.day > g->range->last)
		return 0;
	return rows_add(&g->queued, &row, &t);
}

/* Adds up what is queued, as soon as it is known how far the totals are. */
static void
make_ready(struct listing *g)
{
	struct buf words = buf_make(2 * LEDGER_LINE_MAX);
	struct span rest = buf_span(&g->copy);
	struct span line;

	if (g->ready)
		return;
	g->ready = true;
	while (!g->failed && rest.n > 0 && span_next(&rest, '\n', &line))
		g->failed = line.n > 0 && add_line(g, line, &words) < 0;
	buf_free(&words);
}

static int
list_row(void *arg, const struct tally_row *row, const struct tally *t)
{
	struct listing *g = arg;

	make_ready(g);
	return g->failed ? 1 : rows_merge(&g->merge, row, t);
}

enum store_status
listing_each(
    struct totals *t, struct limiter *l, const struct store_range *range, store_row *fn, void *arg)
{
	struct listing g = {
		.range = range, .copy = buf_make(COPY_MAX), .merge = { .fn = fn, .arg = arg }
	};
	enum store_status status = STORE_OK;

	g.merge.rows = &g.queued;
	if (l)
		status = limiter_lines(l, 0, copy_line, &g);
	if (status == STORE_OK && t && !g.failed)
		status = totals_each(t, range, &g.seq, list_row, &g);
	if (status == STORE_OK)
		make_ready(&g);
	if (status == STORE_OK && !g.failed)
		rows_rest(&g.merge);
	if (g.failed)
		log_error("books", "what=\"out of memory\"");
	rows_free(&g.queued);
	buf_free(&g.copy);
	return g.failed ? STORE_BROKEN : status;
}
