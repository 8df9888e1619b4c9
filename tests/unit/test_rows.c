/* rows: rows of totals in memory, and their place among others. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "store/rows.h"
#include "unit/check.h"

/* "day workspace calls", one row after the other. */
static const struct {
	const char *what, *own, *others, *merged;
} merges[] = {
	{ "nothing", "", "", "" },
	{ "own rows alone come in order", "3 b 1,2 a 1,3 a 1,10 a 1", "",
	    "2 a 1,3 a 1,3 b 1,10 a 1," },
	{ "others alone", "", "1 a 1,2 a 5", "1 a 1,2 a 5," },
	{ "before, between and after", "1 a 1,3 a 1,5 a 1", "2 a 2,4 a 2",
	    "1 a 1,2 a 2,3 a 1,4 a 2,5 a 1," },
	{ "one row is added up", "2 a 1,2 a 1,2 b 1", "2 a 40,2 c 1", "2 a 42,2 b 1,2 c 1," },
	{ "a name that begins another", "2 ab 1", "2 a 1,2 abc 1", "2 a 1,2 ab 1,2 abc 1," },
};

typedef void each_row(void *arg, const struct tally_row *row, const struct tally *t);

static void
parse_rows(const char *text, each_row *fn, void *arg)
{
	while (*text) {
		char name[8] = "";
		struct tally t = { 0 };
		struct tally_row row = { .key = SPAN("k"), .model = SPAN("m") };
		size_t n = 0;

		while (*text != ' ')
			row.day = row.day * 10 + (*text++ - '0');
		for (text++; *text != ' '; text++)
			name[n++] = *text;
		row.workspace = span_of(name);
		for (text++; *text && *text != ','; text++)
			t.calls = t.calls * 10 + (uint64_t)(*text - '0');
		if (*text)
			text++;
		fn(arg, &row, &t);
	}
}

static void
add_own(void *arg, const struct tally_row *row, const struct tally *t)
{
	if (rows_add(arg, row, t) < 0)
		abort();
}

static void
add_other(void *arg, const struct tally_row *row, const struct tally *t)
{
	(void)rows_merge(arg, row, t);
}

static int
print(void *arg, const struct tally_row *row, const struct tally *t)
{
	if (buf_addf(arg, "%d %.*s %llu,", row->day, (int)row->workspace.n, row->workspace.p,
		(unsigned long long)t->calls) < 0)
		abort();
	return 0;
}

static void
test_merges(struct check *t)
{
	for (size_t i = 0; i < ROWS(merges); i++) {
		struct buf out = buf_make(MIB);
		struct rows own = { 0 };
		struct rows_merge m = { .rows = &own, .fn = print, .arg = &out };

		check_row(t, "%s", merges[i].what);
		parse_rows(merges[i].own, add_own, &own);
		parse_rows(merges[i].others, add_other, &m);
		rows_rest(&m);
		check_same(t, buf_span(&out), span_of(merges[i].merged));
		rows_free(&own);
		buf_free(&out);
	}
}

static int
count_two(void *arg, const struct tally_row *row, const struct tally *t)
{
	int *n = arg;

	(void)row;
	(void)t;
	return ++*n == 2;
}

static void
test_end(struct check *t)
{
	struct rows own = { 0 };
	int n = 0;
	struct rows_merge m = { .rows = &own, .fn = count_two, .arg = &n };
	const struct tally_row row = { 3, SPAN("a"), SPAN("k"), SPAN("m") };
	const struct tally one = { .calls = 1 };

	check_row(t, "whoever wants no more gets no more");
	parse_rows("1 a 1,2 a 1,4 a 1", add_own, &own);
	check_that(t, rows_merge(&m, &row, &one) != 0, "the walk over others goes on");
	rows_rest(&m);
	check_that(t, n == 2, "%d rows", n);
	rows_free(&own);
}

static void
test_many(struct check *t)
{
	struct rows own = { 0 };
	uint64_t random = 88172645463325252u;
	const struct tally one = { .calls = 1 };
	int32_t last = -1;
	bool ordered = true;

	check_row(t, "many rows in any order");
	for (int i = 0; i < 3000; i++) {
		struct tally_row row = { (int32_t)check_pick(&random, 1000), SPAN("a"), SPAN("k"),
			SPAN("m") };

		add_own(&own, &row, &one);
	}
	check_that(t, own.n > 900 && own.n <= 1000, "%zu rows", own.n);
	struct buf out = buf_make(MIB);
	struct rows_merge m = { .rows = &own, .fn = print, .arg = &out };
	struct span rest, part;

	rows_rest(&m);
	rest = buf_span(&out);
	while (rest.n > 0 && span_next(&rest, ',', &part)) {
		int32_t day = 0;

		for (size_t i = 0; i < part.n && part.p[i] != ' '; i++)
			day = day * 10 + (part.p[i] - '0');
		ordered = ordered && day > last;
		last = day;
	}
	check_that(t, ordered, "not in order");
	buf_free(&out);
	rows_free(&own);
}

int
main(void)
{
	struct check t = { .module = "rows" };

	test_merges(&t);
	test_end(&t);
	test_many(&t);
	return check_end(&t);
}
