/* store_rows: a store that is nothing but a table of totals, for what only looks at them. */
#ifndef POSTERN_TESTS_UNIT_STORE_ROWS_H
#define POSTERN_TESTS_UNIT_STORE_ROWS_H

#include "store/store.h"

struct store_rows_row {
	int32_t day;
	const char *workspace, *key, *model;
	struct tally tally;
};

struct store_rows {
	struct store store;
	const struct store_rows_row *rows;
	size_t n;
	uint64_t seq; /* up to which number of the ledger */
	enum store_status answers;
};

static inline int
store_rows_each(
    const struct store_rows *s, const struct store_range *range, store_row *fn, void *arg)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n; i++) {
		const struct store_rows_row *r = &s->rows[i];
		struct tally_row row = { r->day, span_of(r->workspace), span_of(r->key),
			span_of(r->model) };

		if (r->day >= range->first && r->day <= range->last)
			rc = fn(arg, &row, &r->tally);
	}
	return rc;
}

static enum store_status
store_rows_totals(struct store *s, const struct store_range *range, store_row *fn, void *arg)
{
	const struct store_rows *rows = (const struct store_rows *)s;

	if (rows->answers == STORE_OK)
		(void)store_rows_each(rows, range, fn, arg);
	return rows->answers;
}

static enum store_status
store_rows_booked(struct store *s, struct store_mark *mark, store_row *fn, void *arg)
{
	const struct store_rows *rows = (const struct store_rows *)s;
	const struct store_range all = { 0, INT32_MAX };

	mark->seq = rows->seq;
	if (rows->answers == STORE_OK)
		(void)store_rows_each(rows, &all, fn, arg);
	return rows->answers;
}

static const struct store_kind store_rows_kind = {
	.name = "rows",
	.totals = store_rows_totals,
	.booked = store_rows_booked,
};

static inline struct store_rows
store_rows_make(const struct store_rows_row *rows, size_t n, uint64_t seq)
{
	return (struct store_rows){
		.store = { .kind = &store_rows_kind }, .rows = rows, .n = n, .seq = seq
	};
}

#endif
