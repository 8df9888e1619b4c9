/* span: whole spans are compared, lists are cut without losing their last part. */
#include "base/span.h"

#include <stdlib.h>

#include "unit/check.h"

static const struct {
	const char *what, *in, *want;
} trims[] = {
	{ "nothing to trim", "a b", "a b" },
	{ "blanks on both ends", " \t a b\r\n", "a b" },
	{ "only blanks", " \r\n\t", "" },
	{ "empty", "", "" },
};

static const struct {
	const char *what, *in;
	char sep;
	const char *want; /* each part in brackets */
} lists[] = {
	{ "one part", "a", ',', "[a]" },
	{ "three parts", "a, b ,c", ',', "[a][b][c]" },
	{ "empty parts", ",a,,", ',', "[][a][][]" },
	{ "an empty list is one empty part", "", ',', "[]" },
	{ "another separator", "text/html; charset=x", ';', "[text/html][charset=x]" },
};

static void
row_list(struct check *c, size_t i)
{
	struct span rest = span_of(lists[i].in), part;
	char got[64] = "";
	size_t n = 0;

	check_row(c, "%s", lists[i].what);
	while (n < sizeof(got) && span_next(&rest, lists[i].sep, &part))
		n += (size_t)snprintf(got + n, sizeof(got) - n, "[%.*s]", (int)part.n, part.p);
	check_same(c, span_of(got), span_of(lists[i].want));
}

static void
row_compare(struct check *c)
{
	check_row(c, "a prefix is not a match");
	check_that(c, !span_eq(SPAN("a"), SPAN("as")), "a is as");
	check_that(c, !span_eq(SPAN("as"), SPAN("a")), "as is a");
	check_that(c, span_eq(SPAN("as"), SPAN("as")), "as is not as");
	check_that(c, span_eq(span_of(NULL), SPAN("")), "NULL is not empty");
	check_that(c, span_eq_nocase(SPAN("X-Api-Key"), SPAN("x-api-key")), "case counts");
	check_that(c, !span_eq_nocase(SPAN("x-api"), SPAN("x-api-key")), "a prefix without case");
	check_that(c, span_starts(SPAN("abc"), SPAN("ab")), "abc does not start with ab");
	check_that(c, !span_starts(SPAN("ab"), SPAN("abc")), "ab starts with abc");
}

static void
row_copy(struct check *c)
{
	char *copy = span_dup((struct span){ "abc", 2 });
	char *empty = span_dup((struct span){ 0 });

	check_row(c, "a copy ends in a zero");
	check_same(c, span_of(copy), SPAN("ab"));
	check_same(c, span_of(empty), SPAN(""));
	free(copy);
	free(empty);
}

/* http://www.isthe.com/chongo/tech/comp/fnv/ has these. */
static void
row_hash(struct check *c)
{
	check_row(c, "FNV-1a");
	check_that(c, span_hash(SPAN("")) == UINT64_C(0xcbf29ce484222325), "of nothing");
	check_that(c, span_hash(SPAN("a")) == UINT64_C(0xaf63dc4c8601ec8c), "of a");
	check_that(c, span_hash(SPAN("foobar")) == UINT64_C(0x85944171f73967e8), "of foobar");
}

int
main(void)
{
	struct check c = { .module = "span" };

	for (size_t i = 0; i < ROWS(trims); i++) {
		check_row(&c, "%s", trims[i].what);
		check_same(&c, span_trim(span_of(trims[i].in)), span_of(trims[i].want));
	}
	for (size_t i = 0; i < ROWS(lists); i++)
		row_list(&c, i);
	row_compare(&c);
	row_copy(&c);
	row_hash(&c);
	return check_end(&c);
}
