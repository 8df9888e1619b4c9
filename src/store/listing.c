/* listing: see the header. How far the totals are is read first, then what is queued beyond, then
 * the totals. When they have moved meanwhile, lines that were read from the queue may be in them,
 * or lines may be missing from it; all of it is then read again. */
#include "store/listing.h"

#include "base/limits.h"
#include "base/log.h"
#include "store/rows.h"

#define TRIES 100u

/* One attempt. */
struct listing {
	const struct store_range *range;
	struct rows queued;
	struct buf line, words;
	struct rows_merge merge;
	uint64_t want; /* how far the totals were */
	uint64_t seq;  /* how far they are */
	bool stale, failed;
};

static int
gather(void *arg, const struct limiter_line *line)
{
	struct listing *g = arg;
	struct ledger_entry e;
	struct tally_row row;
	struct tally t;

	g->line.len = 0;
	if (ledger_begin(line->seq, &g->line) < 0 || buf_add(&g->line, line->line) < 0) {
		g->failed = true;
		return 1;
	}
	if (ledger_parse(span_trim(buf_span(&g->line)), &e, &g->words) < 0)
		return 0;
	tally_of(&e, &row, &t);
	if (row.day < g->range->first || row.day > g->range->last)
		return 0;
	g->failed = rows_add(&g->queued, &row, &t) < 0;
	return g->failed;
}

static int
list_row(void *arg, const struct tally_row *row, const struct tally *t)
{
	struct listing *g = arg;

	g->stale = g->seq != g->want;
	return g->stale ? 1 : rows_merge(&g->merge, row, t);
}

static enum store_status
attempt(struct listing *g, struct totals *t, struct limiter *l)
{
	enum store_status status = STORE_OK;
	struct totals_mark mark = { 0 };

	if (t)
		status = totals_mark(t, &mark);
	g->want = g->seq = mark.seq;
	if (status == STORE_OK && l)
		status = limiter_lines(l, mark.seq, gather, g);
	if (g->failed) {
		log_error("books", "what=\"out of memory\"");
		return STORE_BROKEN;
	}
	if (status == STORE_OK && t)
		status = totals_each(t, g->range, &g->seq, list_row, g);
	g->stale = g->stale || g->seq != g->want;
	if (status == STORE_OK && !g->stale)
		rows_rest(&g->merge);
	return status;
}

enum store_status
listing_each(
    struct totals *t, struct limiter *l, const struct store_range *range, store_row *fn, void *arg)
{
	struct listing g = { .range = range,
		.line = buf_make(2 * LEDGER_LINE_MAX),
		.words = buf_make(2 * LEDGER_LINE_MAX),
		.merge = { .fn = fn, .arg = arg } };
	enum store_status status = STORE_OK;
	unsigned tries = 0;

	g.merge.rows = &g.queued;
	do {
		g.stale = false;
		status = attempt(&g, t, l);
		rows_free(&g.queued);
	} while (status == STORE_OK && g.stale && ++tries < TRIES);
	buf_free(&g.line);
	buf_free(&g.words);
	if (status == STORE_OK && g.stale) {
		log_error("books", "what=\"the totals move too fast to be read\"");
		return STORE_BROKEN;
	}
	return status;
}
