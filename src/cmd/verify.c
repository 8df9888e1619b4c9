/* verify: see verify.h. The totals are read before the files are looked for: whatever they count
 * stands in the ledger by then, and what the files have beyond the mark is not counted yet. */
#include "cmd/verify.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"
#include "cmd/cells.h"
#include "cmd/ledgerlist.h"
#include "cmd/ledgerscan.h"
#include "cmd/shown.h"
#include "policy/period.h"

/* Calls are numbered in the order in which they are settled, which is not quite that of the times
 * at which they ended. */
#define DISORDER_MS INT64_C(3600000)

#define ROW_MAX (8 * KIB) /* of a line about a row */

static const struct sums_by by_all = { { SUMS_DAY, SUMS_WORKSPACE, SUMS_KEY, SUMS_MODEL },
	SUMS_MEMBERS };

/* Totals as the store has them. */
struct booked {
	struct sums sums;
	int32_t last_day;
	bool failed;
};

static int
out_of_memory(void)
{
	(void)fputs("postern ledger: out of memory\n", stderr);
	return -1;
}

static int
add_booked(void *arg, const struct tally_row *row, const struct tally *t)
{
	struct booked *b = arg;
	struct tally *sum = sums_at(&b->sums, row);

	if (!sum) {
		b->failed = true;
		return out_of_memory();
	}
	tally_add(sum, t);
	b->last_day = row->day > b->last_day ? row->day : b->last_day;
	return 0;
}

/* Up to which day lines may be missing at the ledger's beginning; -1: it is there from its first
 * line on. A call that is missing ended before the first one that is there, and was admitted before
 * that. */
static int32_t
unsure_day(const struct ledgerscan *s)
{
	if (s->first == 0)
		return INT32_MAX;
	return s->first == 1 ? -1 : period_day(s->first_ms + DISORDER_MS);
}

/* Whether what is left of a ledger can be part of what was counted. */
static bool
is_part(const struct tally *part, const struct tally *whole)
{
	return part->calls <= whole->calls && part->errors <= whole->errors &&
	    part->cut <= whole->cut && part->input <= whole->input &&
	    part->output <= whole->output && part->cache_write <= whole->cache_write &&
	    part->cache_write_1h <= whole->cache_write_1h &&
	    part->cache_read <= whole->cache_read && part->nanousd <= whole->nanousd;
}

/* Appends those sums of t in which it is not the same as the other. */
static int
put_sums(struct buf *out, const struct tally *t, const struct tally *other)
{
	for (size_t i = 0; i < CELLS_SUMS; i++) {
		const struct cells_sum *c = &cells_sums[i];

		if (c->of(t) == c->of(other))
			continue;
		if (buf_addf(out, " %s=", c->name) < 0 ||
		    cells_put_sum(out, c, t, CELLS_USD_EXACT) < 0)
			return -1;
	}
	return 0;
}

static int
put_row(struct buf *out, const struct tally_row *row)
{
	char day[PERIOD_DAY_LEN];

	for (size_t i = 0; i < by_all.n; i++) {
		if ((i > 0 && buf_add(out, SPAN(" ")) < 0) ||
		    shown_put(out, cells_member(row, by_all.member[i], day)) < 0)
			return -1;
	}
	return 0;
}

/* Tells one row that differs. -1 when out of memory. */
static int
tell_row(struct ledgerscan *s, const struct tally_row *row, const struct tally *booked,
    const struct tally *ledger)
{
	struct buf text = buf_make(ROW_MAX);
	int rc = 0;

	if (put_row(&text, row) < 0 || buf_add(&text, SPAN(": totals say")) < 0 ||
	    put_sums(&text, booked, ledger) < 0 || buf_add(&text, SPAN(", ledger says")) < 0 ||
	    put_sums(&text, ledger, booked) < 0)
		rc = out_of_memory();
	else
		ledgerscan_find(s, "%.*s", (int)text.len, text.p);
	buf_free(&text);
	return rc;
}

static int
compare_row(struct ledgerscan *s, const struct sums_row *booked, const struct sums_row *ledger)
{
	static const struct tally none;
	assert(booked || ledger);

	const struct tally_row *row = booked ? &booked->row : &ledger->row;
	const struct tally *b = booked ? &booked->tally : &none;
	const struct tally *l = ledger ? &ledger->tally : &none;

	if (row->day <= unsure_day(s) ? is_part(l, b) : tally_same(b, l))
		return 0;
	return tell_row(s, row, b, l);
}

/* Walks over both, row by row. */
static int
compare(struct ledgerscan *s, struct sums *booked)
{
	struct sums *ledger = &s->sums;
	size_t i = 0, k = 0;
	int rc = 0;

	sums_sort(booked);
	sums_sort(ledger);
	while (rc == 0 && (i < booked->n || k < ledger->n)) {
		const struct sums_row *b = i < booked->n ? booked->slots[i] : NULL;
		const struct sums_row *l = k < ledger->n ? ledger->slots[k] : NULL;
		int order = !l ? -1 : !b ? 1 : sums_compare(&b->row, &l->row, &by_all);

		rc = compare_row(s, order <= 0 ? b : NULL, order >= 0 ? l : NULL);
		i += order <= 0;
		k += order >= 0;
	}
	return rc;
}

/* Where the ledger begins behind its first line. That there is none at all is fine when all that
 * was counted is of months past, whose files were put away. */
static void
tell_beginning(struct ledgerscan *s, const struct booked *b, int32_t today)
{
	char day[PERIOD_DAY_LEN];

	if (s->first == 0) {
		if (s->upto == 0)
			return;
		if (period_month(b->last_day) < period_month(today))
			(void)fputs(
			    "no line to compare: all that was counted is of months past\n", s->out);
		else
			ledgerscan_find(
			    s, "no line is there: numbers 1 to %" PRIu64 " are missing", s->upto);
	} else if (s->first > 1) {
		period_day_text(unsure_day(s), day);
		(void)fprintf(s->out,
		    "numbers 1 to %" PRIu64
		    " are not here: up to %s the totals may be more than the ledger\n",
		    s->first - 1, day);
	}
}

static void
tell_counts(const struct ledgerscan *s)
{
	if (s->old > 0)
		(void)fprintf(s->out,
		    "%" PRIu64 " %s of an older version without a number: not compared\n", s->old,
		    s->old == 1 ? "line is" : "lines are");
	if (s->ahead > 0)
		(void)fprintf(s->out, "%" PRIu64 " %s not counted yet\n", s->ahead,
		    s->ahead == 1 ? "line is" : "lines are");
	if (s->empty > 0)
		(void)fprintf(s->out,
		    "%" PRIu64 " %s without a token counted, the first at %s:%" PRIu64 "\n",
		    s->empty, s->empty == 1 ? "answer" : "answers", s->empty_at.path,
		    s->empty_at.line);
}

static int
list(struct ledgerlist *l, const struct verify *v)
{
	if (ledgerlist_folder(l, v->folder) < 0) {
		(void)fprintf(stderr, "postern ledger: %s: cannot be read: %m\n", v->folder);
		return -1;
	}
	for (char **path = v->named; *path; path++) {
		if (ledgerlist_file(l, *path) < 0) {
			(void)fprintf(stderr, "postern ledger: %s: %m\n", *path);
			return -1;
		}
	}
	return 0;
}

/* What is found when everything is read. */
static int
tell_all(const struct verify *v, struct ledgerscan *s, struct booked *b)
{
	(void)fprintf(v->out, "totals: %zu %s, up to number %" PRIu64 "\n", b->sums.n,
	    b->sums.n == 1 ? "row" : "rows", s->upto);
	tell_counts(s);
	tell_beginning(s, b, v->today);
	ledgerscan_finish(s);
	if (compare(s, &b->sums) < 0)
		return -1;
	if (s->findings == 0)
		(void)fputs("ok\n", v->out);
	else
		(void)fprintf(
		    v->out, "%zu %s\n", s->findings, s->findings == 1 ? "finding" : "findings");
	if (fflush(v->out) == 0)
		return s->findings > 0;
	(void)fprintf(stderr, "postern ledger: the result cannot be written: %m\n");
	return -1;
}

static int
scan_and_tell(const struct verify *v, struct ledgerscan *s, struct booked *b)
{
	struct ledgerlist files = { 0 };
	int rc = list(&files, v);

	for (size_t i = 0; rc == 0 && i < files.n; i++) {
		if (ledgerscan_file(s, files.paths[i]) < 0)
			rc = out_of_memory();
	}
	if (rc == 0)
		rc = tell_all(v, s, b);
	ledgerlist_free(&files);
	return rc;
}

int
verify(const struct verify *v)
{
	struct store_mark mark = { 0 };
	struct ledgerscan *s = malloc(sizeof(*s));
	struct booked b = { 0 };
	uint64_t seed;
	int rc = -1;

	if (!s)
		return out_of_memory();
	if (hash_random(&seed, sizeof(seed)) < 0)
		seed = 0;
	b.sums = sums_make(&by_all, seed);
	if (v->store->kind->booked(v->store, &mark, add_booked, &b) == STORE_OK && !b.failed) {
		ledgerscan_start(s, v->out, mark.seq, sums_make(&by_all, seed));
		rc = scan_and_tell(v, s, &b);
		ledgerscan_free(s);
	}
	sums_free(&b.sums);
	free(s);
	return rc;
}
