/* pricelist: what a list of prices means, every fault that is found in one, and the list that is
 * shipped. Runs in the top folder of the project. */
#include "policy/pricelist.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/limits.h"
#include "unit/check.h"
#include "unit/guard.h"

#define FIVE \
	"give five prices in USD per million tokens: input, output, cache write 5m, cache write 1h, cache read\n"
#define PRICE \
	"give USD per million tokens from 0 to 1000000, with at most three decimals, such as 3.75\n"
#define ABOVE "give the tokens of a prompt above which these prices hold, such as >100000\n"

static const struct {
	const char *what, *text;
	size_t n;	  /* patterns that are good */
	const char *said; /* errors */
} rows[] = {
	{ "nothing at all", "", 0, "" },
	{ "blank lines and comments", "\n \t\n# a 1 2 3 4 5\n\t # b\r\n", 0, "" },
	{ "a line", "a 1 2 3 4 5", 1, "" },
	{ "blanks, tabs and a carriage return", " \ta\t1  2 3 4\t5 \r\n", 1, "" },
	{ "a comment behind the prices", "a 1 2 3 4 5 # old\nb 1 2 3 4 5 #", 2, "" },
	{ "a # inside a pattern is part of it", "a#b 1 2 3 4 5", 1, "" },
	{ "the largest and the smallest price", "a 1000000 0.001 0 0.0 1000000.000", 1, "" },
	{ "too few prices", "a 1 2 3 4\nb 1 2 3 4 5\nc", 1,
	    "f:1: \"a\": " FIVE "f:3: \"c\": " FIVE },
	{ "too many prices", "a 1 2 3 4 5 6 7 8 9", 0, "f:1: \"a\": " FIVE },
	{ "a comment that swallows a price", "a 1 2 3 4 #5", 0, "f:1: \"a\": " FIVE },
	{ "no pattern", "1 2 3 4 5", 0, "f:1: \"1\": " FIVE },
	{ "numbers that are none", "a 1,5 $2 -3 1e3 .5", 0,
	    "f:1: \"1,5\": " PRICE "f:1: \"$2\": " PRICE "f:1: \"-3\": " PRICE
	    "f:1: \"1e3\": " PRICE "f:1: \".5\": " PRICE },
	{ "too many decimals", "a 1 2 3 4 0.0001", 0, "f:1: \"0.0001\": " PRICE },
	{ "a price too dear", "a 1000000.001 2 3 4 99999999999999999999", 0,
	    "f:1: \"1000000.001\": " PRICE "f:1: \"99999999999999999999\": " PRICE },
	{ "a pattern twice", "# one\na 1 2 3 4 5\nb 1 2 3 4 5\na 1 2 3 4 6", 2,
	    "f:4: a second \"a\"; the first is on line 2\n" },
	{ "patterns that overlap", "a* 1 2 3 4 5\na 1 2 3 4 5\n* 1 2 3 4 5", 3, "" },
	{ "a damaged line does not take its pattern", "a x 2 3 4 5\na 1 2 3 4 5", 1,
	    "f:1: \"x\": " PRICE },
	{ "prices of long prompts", "a 1 2 3 4 5\nb 1 2 3 4 5\na >100000 2 3 4 5 6", 2, "" },
	{ "prices of long prompts alone", "a >100000 2 3 4 5 6\na 1 2 3 4 5", 1,
	    "f:1: \"a\": prices of long prompts want a line of the same pattern before them, with the prices of others\n" },
	{ "prices of long prompts twice", "a 1 2 3 4 5\na >9 2 3 4 5 6\na >10 2 3 4 5 6", 1,
	    "f:3: \"a\": its prices of long prompts are given twice\n" },
	{ "lengths that are none",
	    "a 1 2 3 4 5\na >0 2 3 4 5 6\na > 2 3 4 5 6\na >1e5 2 3 4 5 6\na >1000000000001 2 3 4 5 6",
	    1,
	    "f:2: \">0\": " ABOVE "f:3: \">\": " ABOVE "f:4: \">1e5\": " ABOVE
	    "f:5: \">1000000000001\": " ABOVE },
	{ "prices of long prompts are too few", "a 1 2 3 4 5\na >9 2 3 4 5", 1,
	    "f:2: \"a\": " FIVE },
	{ "a length behind the prices", "a 1 2 3 4 5 >9", 0, "f:1: \"a\": " FIVE },
	{ "a control character", "a\x01z 1 2 3 4 5\n\x7f 1 2 3 4 5", 0,
	    "f:1: \"a?z\": a pattern has no control characters\nf:2: \"?\": a pattern has no control characters\n" },
};

static void
row_text(struct check *c, const struct guard *g, size_t i)
{
	struct buf errors = buf_make(64 * KIB), warnings = buf_make(64 * KIB);
	struct findings f = { 0 };
	struct pricelist l;

	check_row(c, "%s", rows[i].what);
	check_that(
	    c, pricelist_read(&l, guard_put(g, span_of(rows[i].text)), &f) == 0, "no memory");
	finding_print(&f, "f", &errors, &warnings);
	check_same(c, buf_span(&errors), span_of(rows[i].said));
	check_that(c, warnings.len == 0, "there are warnings");
	check_that(c, l.n == rows[i].n, "%zu patterns", l.n);
	pricelist_free(&l);
	check_that(c, l.n == 0 && !l.rows, "it is not empty afterwards");
	finding_free(&f);
	buf_free(&errors);
	buf_free(&warnings);
}

/* A text that has one error, or none (""). */
static void
row_long(struct check *c, const char *what, struct span text, const char *said)
{
	struct findings f = { 0 };
	struct pricelist l;

	check_row(c, "%s", what);
	check_that(c, pricelist_read(&l, text, &f) == 0, "no memory");
	check_that(c, f.errors == (*said ? 1 : 0), "%zu errors", f.errors);
	check_same(c, span_of(f.n > 0 ? f.v[0].text : ""), span_of(said));
	pricelist_free(&l);
	finding_free(&f);
}

/* Adds so many characters a and the rest. */
static bool
add_name(struct buf *text, size_t n, struct span rest)
{
	for (size_t i = 0; i < n; i++) {
		if (buf_add(text, SPAN("a")) < 0)
			return false;
	}
	return buf_add(text, rest) == 0;
}

static void
rows_bounds(struct check *c)
{
	struct buf text = buf_make(CONF_FILE_MAX + 1);
	bool good = true;

	for (unsigned i = 0; i < PRICES_MAX; i++)
		good = good && buf_addf(&text, "m%u 1 2 3 4 5\n", i) == 0;
	row_long(c, "as many patterns as there may be", buf_span(&text), "");
	good = good && buf_add(&text, SPAN("x 1 2 3 4 5\ny 1 2 3 4 5\n")) == 0;
	row_long(c, "more patterns", buf_span(&text), "there are more than 4096 patterns");
	text.len = 0;
	good = good && add_name(&text, MODEL_MAX, SPAN(" 1 2 3 4 5\n"));
	row_long(c, "a pattern as long as one may be", buf_span(&text), "");
	text.len = 0;
	good = good && add_name(&text, MODEL_MAX + 1, SPAN(" 1 2 3 4 5\n"));
	row_long(c, "a longer pattern", buf_span(&text),
	    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": "
	    "a pattern is at most 256 bytes long");
	text.len = 0;
	good =
	    good && buf_add(&text, SPAN("#")) == 0 && add_name(&text, CONF_FILE_MAX - 1, SPAN(""));
	row_long(c, "a text as large as one may be", buf_span(&text), "");
	good = good && buf_add(&text, SPAN("a")) == 0;
	row_long(
	    c, "a larger text", buf_span(&text), "the list of prices is larger than 1048576 bytes");
	check_row(c, "the texts of these rows are whole");
	check_that(c, good, "they are not");
	buf_free(&text);
}

#define NONE UINT64_MAX

static const struct {
	const char *model;
	uint64_t input; /* of the line that counts; NONE: there is none */
} finds[] = {
	{ "claude-opus-5-5", 4000 },
	{ "claude-opus-5", 5000 },
	{ "us.anthropic.claude-opus-5-5-v1:0", 4000 },
	{ "claude-opus-5-6", NONE },
	{ "claude-x", 1 },
	{ "Claude-x", NONE },
	{ "", NONE },
};

/* The first pattern counts, also where a later one says more. */
static void
rows_find(struct check *c, const struct guard *g)
{
	struct findings f = { 0 };
	struct pricelist l;
	bool good = pricelist_read(&l,
			SPAN("*claude-opus-5-5* 4 5 6 7 8\n*claude-opus-5 5 6 7 8 9\n"
			     "claude-? 0.001 0.002 0.003 0.004 0.005\nclaude-x 9 9 9 9 9\n"),
			&f) == 0;

	for (size_t i = 0; i < ROWS(finds); i++) {
		const struct price *p = pricelist_find(&l, guard_put(g, span_of(finds[i].model)));

		check_row(c, "the price of '%s'", finds[i].model);
		check_that(c, good && f.n == 0, "the list is not good");
		check_that(c, (p ? p->input : NONE) == finds[i].input, "it is another one");
	}
	pricelist_free(&l);
	finding_free(&f);
}

static void
row_fields(struct check *c)
{
	struct findings f = { 0 };
	struct pricelist l;
	bool good =
	    pricelist_read(&l, SPAN("a 1 2.5 3.75 4 0.003\na >7 11 12 13 14 15\n"), &f) == 0;
	const struct price *p = pricelist_find(&l, SPAN("a"));

	check_row(c, "every price stands in its place");
	if (check_that(c, good && p, "there is none")) {
		check_that(c, p->input == 1000 && p->output == 2500, "input or output");
		check_that(c, p->cache_write_5m == 3750 && p->cache_write_1h == 4000, "writes");
		check_that(c, p->cache_read == 3, "reads");
		check_that(c, p->long_above == 7 && p->long_input == 11000, "length or input");
		check_that(c, p->long_output == 12000 && p->long_cache_write_5m == 13000, "long");
		check_that(
		    c, p->long_cache_write_1h == 14000 && p->long_cache_read == 15000, "long");
	}
	pricelist_free(&l);
	finding_free(&f);
}

static const struct {
	const char *model;
	uint64_t rate[5]; /* input, output, writes, read; NONE: no price */
} shipped[] = {
	{ "claude-fable-5-2", { 8000, 40000, 10000, 16000, 200 } },
	{ "claude-fable-5-1", { 10000, 50000, 12500, 20000, 250 } },
	{ "global.anthropic.claude-fable-5", { 10000, 50000, 12500, 20000, 1000 } },
	{ "claude-mythos-5", { 10000, 50000, 12500, 20000, 1000 } },
	{ "claude-opus-5-5", { 4000, 20000, 5000, 8000, 200 } },
	{ "claude-opus-5", { 5000, 25000, 6250, 10000, 500 } },
	{ "claude-opus-5@default", { 5000, 25000, 6250, 10000, 500 } },
	{ "anthropic.claude-opus-4-6-v1", { 5000, 25000, 6250, 10000, 500 } },
	{ "claude-opus-4-1-20250805", { 15000, 75000, 18750, 30000, 1500 } },
	{ "us.anthropic.claude-opus-4-20250514-v1:0", { 15000, 75000, 18750, 30000, 1500 } },
	{ "claude-sonnet-5-5", { 2000, 10000, 2500, 4000, 100 } },
	{ "claude-sonnet-5", { 2000, 10000, 2500, 4000, 200 } },
	{ "claude-sonnet-4-5", { 3000, 15000, 3750, 6000, 300 } },
	{ "claude-sonnet-4-5@20250929", { 3000, 15000, 3750, 6000, 300 } },
	{ "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", { 3000, 15000, 3750, 6000, 300 } },
	{ "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-4-6",
	    { 3000, 15000, 3750, 6000, 300 } },
	{ "claude-sonnet-4@20250514", { 3000, 15000, 3750, 6000, 300 } },
	{ "claude-haiku-5-5", { 100, 500, 125, 200, 10 } },
	{ "claude-haiku-4-5-20251001", { 1000, 5000, 1250, 2000, 100 } },
	{ "anthropic.claude-3-5-haiku-20241022-v1:0", { 800, 4000, 1000, 1600, 80 } },
	{ "claude-mythos-5-2", { NONE } },
	{ "claude-fable-5-3", { NONE } },
	{ "claude-opus-5-6", { NONE } },
	{ "claude-sonnet-6", { NONE } },
	{ "claude-opus-4-9", { NONE } },
	{ "gpt-6-sol", { NONE } },
};

static void
row_shipped(struct check *c, const struct pricelist *l, size_t i)
{
	const struct price *p = pricelist_find(l, span_of(shipped[i].model));
	const uint64_t *want = shipped[i].rate;

	check_row(c, "shipped: %s", shipped[i].model);
	if (!check_that(c, !p == (want[0] == NONE), p ? "has a price" : "has no price") || !p)
		return;
	check_that(c, p->input == want[0], "input is %" PRIu64, p->input);
	check_that(c, p->output == want[1], "output is %" PRIu64, p->output);
	check_that(c, p->cache_write_5m == want[2], "5m is %" PRIu64, p->cache_write_5m);
	check_that(c, p->cache_write_1h == want[3], "1h is %" PRIu64, p->cache_write_1h);
	check_that(c, p->cache_read == want[4], "read is %" PRIu64, p->cache_read);
}

/* A slip of the pen would most likely break one of these; the vendor's prices never have. */
static void
row_plausible(struct check *c, const struct pricelist *l)
{
	check_row(c, "shipped: output is dearer than all input, and reads are the cheapest");
	for (size_t i = 0; i < l->n; i++) {
		const struct price *p = &l->rows[i].price;

		check_that(c,
		    p->cache_read < p->input && p->input < p->cache_write_5m &&
			p->cache_write_5m < p->cache_write_1h && p->cache_write_1h < p->output,
		    "line %d", l->rows[i].line);
		check_that(
		    c, p->cache_write_5m * 4 == p->input * 5, "line %d: 5m", l->rows[i].line);
		check_that(c, p->cache_write_1h == p->input * 2, "line %d: 1h", l->rows[i].line);
	}
}

static void
rows_shipped(struct check *c)
{
	struct buf text = buf_make(CONF_FILE_MAX);
	struct findings f = { 0 };
	struct pricelist l = { 0 };

	check_row(c, "shipped: the list is read without a fault");
	check_that(c, file_read("deploy/prices", &text) == 0, "it is not there");
	check_that(c, pricelist_read(&l, buf_span(&text), &f) == 0, "no memory");
	if (f.n > 0)
		check_that(c, false, "line %d: %s", f.v[0].line, f.v[0].text);
	for (size_t i = 0; i < ROWS(shipped); i++)
		row_shipped(c, &l, i);

	const struct price *haiku = pricelist_find(&l, SPAN("claude-haiku-5-5"));

	check_row(c, "shipped: long prompts to Haiku 5.5");
	check_that(c,
	    haiku && haiku->long_above == 100000 && haiku->long_input == 500 &&
		haiku->long_output == 2500 && haiku->long_cache_write_5m == 625 &&
		haiku->long_cache_write_1h == 1000 && haiku->long_cache_read == 50,
	    "cost something else");
	row_plausible(c, &l);
	pricelist_free(&l);
	finding_free(&f);
	buf_free(&text);
}

int
main(void)
{
	struct check c = { .module = "pricelist" };
	struct guard g = guard_make();

	for (size_t i = 0; i < ROWS(rows); i++)
		row_text(&c, &g, i);
	rows_bounds(&c);
	rows_find(&c, &g);
	row_fields(&c);
	rows_shipped(&c);
	guard_free(&g);
	return check_end(&c);
}
