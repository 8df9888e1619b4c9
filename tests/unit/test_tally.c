/* tally: what a ledger line adds to which row, and rows as keys. */
#include "policy/tally.h"

#include <stdlib.h>

#include "base/limits.h"
#include "unit/check.h"

#define NAME_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
	const char *what;
	struct ledger_entry e;
	struct tally_row row;
	struct tally want;
} rows[] = {
	{ "a call that went well",
	    { .day = 20778,
		.workspace = SPAN("w"),
		.key = SPAN("k"),
		.model = SPAN("m"),
		.routed = true,
		.status = 200,
		.end = SPAN("done"),
		.usage = { 1, 2, 3, 4, 5 },
		.cost_nanousd = 6,
		.reserved_nanousd = 77,
		.reserved_tokens = 88 },
	    { 20778, SPAN("w"), SPAN("k"), SPAN("m") }, { 1, 0, 0, 1, 2, 3, 4, 5, 6 } },
	{ "a call that its client left",
	    { .day = 1,
		.workspace = SPAN("w"),
		.key = SPAN("k"),
		.model = SPAN("m"),
		.routed = true,
		.end = SPAN("client-gone"),
		.cut = true },
	    { 1, SPAN("w"), SPAN("k"), SPAN("m") }, { .calls = 1, .cut = 1 } },
	{ "a stream that the upstream cut",
	    { .model = SPAN("m"),
		.routed = true,
		.status = 200,
		.end = SPAN("up-cut"),
		.cut = true },
	    { 0, SPAN("-"), SPAN("-"), SPAN("m") }, { .calls = 1, .errors = 1, .cut = 1 } },
	{ "a call over a limit",
	    { .workspace = SPAN("w"), .key = SPAN("k"), .status = 429, .end = SPAN("limit") },
	    { 0, SPAN("w"), SPAN("k"), SPAN("-") }, { .calls = 1, .errors = 1 } },
	{ "a model that the gate did not find",
	    { .workspace = SPAN("w"),
		.key = SPAN("k"),
		.model = SPAN("invented"),
		.end = SPAN("model-unknown") },
	    { 0, SPAN("w"), SPAN("k"), SPAN("-") }, { .calls = 1, .errors = 1 } },
	{ "an end that only begins like a good one", { .end = SPAN("done-for"), .day = -5 },
	    { 0, SPAN("-"), SPAN("-"), SPAN("-") }, { .calls = 1, .errors = 1 } },
	{ "texts with zeros in them",
	    { .end = SPAN("done"),
		.workspace = SPAN("w\0x"),
		.key = SPAN("\0k"),
		.model = SPAN("m\0"),
		.routed = true },
	    { 0, SPAN("w"), SPAN("-"), SPAN("m") }, { .calls = 1 } },
	{ "texts that are too long",
	    { .end = SPAN("done"), .workspace = SPAN(NAME_64 "x"), .key = SPAN(NAME_64 "y") },
	    { 0, SPAN(NAME_64), SPAN(NAME_64), SPAN("-") }, { .calls = 1 } },
};

static void
check_rows(struct check *c, const struct tally_row *got, const struct tally_row *want)
{
	check_that(c, got->day == want->day, "day %d, not %d", got->day, want->day);
	check_same(c, got->workspace, want->workspace);
	check_same(c, got->key, want->key);
	check_same(c, got->model, want->model);
}

static void
rows_of(struct check *c)
{
	char key[TALLY_KEY_MAX];

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tally_row row, back;
		struct tally t;

		check_row(c, "%s", rows[i].what);
		tally_of(&rows[i].e, &row, &t);
		check_rows(c, &row, &rows[i].row);
		check_that(c, tally_same(&t, &rows[i].want), "other sums");

		size_t n = tally_key(&row, key);

		check_that(c, tally_row((struct span){ key, n }, &back) == 0, "its key is none");
		check_rows(c, &back, &row);
	}
}

#define SUMS (sizeof(struct tally) / sizeof(uint64_t))

static void
rows_sums(struct check *c)
{
	for (size_t i = 0; i < SUMS; i++) {
		uint64_t one[SUMS] = { 0 }, most[SUMS] = { 0 };
		struct tally a, b, sum = { 0 };

		check_row(c, "sum %zu is added by itself and never turns over", i);
		one[i] = 1;
		most[i] = UINT64_MAX;
		memcpy(&a, one, sizeof(a));
		memcpy(&b, most, sizeof(b));
		tally_add(&sum, &a);
		check_that(c, tally_same(&sum, &a), "not what was added");
		check_that(c, !tally_same(&a, &b), "a difference is not seen");
		tally_add(&sum, &b);
		check_that(c, tally_same(&sum, &b), "more than the most");
	}
}

static void
row_order(struct check *c)
{
	static const struct tally_row sorted[] = {
		{ 0, SPAN("b"), SPAN("k"), SPAN("m") },
		{ 1, SPAN("a"), SPAN("k"), SPAN("m") },
		{ 1, SPAN("a"), SPAN("k"), SPAN("m2") },
		{ 1, SPAN("a"), SPAN("l"), SPAN("a") },
		{ 1, SPAN("ab"), SPAN(""), SPAN("") },
		{ 255, SPAN(""), SPAN(""), SPAN("") },
		{ 256, SPAN(""), SPAN(""), SPAN("") },
		{ 65536, SPAN(""), SPAN(""), SPAN("") },
		{ INT32_MAX, SPAN(""), SPAN(""), SPAN("") },
	};
	char last[TALLY_KEY_MAX] = { 0 };

	check_row(c, "keys sort by day, workspace, key, model");
	for (size_t i = 0; i < ROWS(sorted); i++) {
		char key[TALLY_KEY_MAX] = { 0 };
		struct tally_row back;
		size_t n = tally_key(&sorted[i], key);

		check_that(c, i == 0 || memcmp(last, key, sizeof(key)) < 0, "row %zu", i);
		check_that(c, tally_row((struct span){ key, n }, &back) == 0, "row %zu is none", i);
		check_rows(c, &back, &sorted[i]);
		memcpy(last, key, sizeof(key));
	}
}

static void
row_longest(struct check *c)
{
	static char big[1000];
	struct span s = { big, sizeof(big) };
	char *key = malloc(TALLY_KEY_MAX);
	struct tally_row back;

	check_row(c, "the longest texts fill a key, and a model is never cut for them");
	memset(big, 'x', sizeof(big));
	if (!key)
		abort();

	size_t n = tally_key(&(struct tally_row){ 1, s, s, s }, key);

	check_that(c, n == TALLY_KEY_MAX, "%zu bytes", n);
	check_that(c, tally_row((struct span){ key, n }, &back) == 0, "it is none");
	check_that(c, back.workspace.n == 64 && back.key.n == 64 && back.model.n >= MODEL_MAX,
	    "%zu, %zu and %zu bytes", back.workspace.n, back.key.n, back.model.n);
	free(key);
}

static void
rows_no_key(struct check *c)
{
	static const struct {
		const char *what;
		struct span key;
	} bad[] = {
		{ "nothing", SPAN("") },
		{ "half a day", SPAN("\0\0\1") },
		{ "a day alone", SPAN("\0\0\1\1") },
		{ "a workspace alone", SPAN("\0\0\1\1w\0k") },
		{ "a day beyond the last", SPAN("\x80\0\0\0w\0k\0m") },
		{ "a part too many", SPAN("\0\0\0\0w\0k\0m\0") },
	};
	struct tally_row row;

	for (size_t i = 0; i < ROWS(bad); i++) {
		check_row(c, "no key: %s", bad[i].what);
		check_that(c, tally_row(bad[i].key, &row) < 0, "it is taken");
	}
}

int
main(void)
{
	struct check c = { .module = "tally" };

	rows_of(&c);
	rows_sums(&c);
	row_order(&c);
	row_longest(&c);
	rows_no_key(&c);
	return check_end(&c);
}
