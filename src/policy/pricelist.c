/* pricelist: see pricelist.h. Every line stands for itself: what is damaged costs no other line. */
#include "policy/pricelist.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/num.h"
#include "policy/glob.h"

#define DECIMALS                                                                        \
	3 /* dollars per million tokens with three decimals are whole nano-dollars each \
	   */
#define RATE_MAX 1000000000u /* nano-dollars a token: dearer is a slip of the pen */

enum { RATE_INPUT, RATE_OUTPUT, RATE_WRITE_5M, RATE_WRITE_1H, RATE_READ, RATES };

/* A line in its words. */
struct line {
	int number;
	struct span pattern;
	struct span above; /* `>N`; n 0 when not given */
	struct span words[RATES];
	size_t n; /* how many prices there are, however many */
};

static void
refuse(struct findings *f, int line, struct span word, const char *right)
{
	finding_error(f, line, "\"%.*s\": %s", (int)(word.n < 64 ? word.n : 64), word.p, right);
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts the next word off rest; its n is 0 at the end, or where a comment begins. */
static struct span
next_word(struct span *rest)
{
	size_t from = 0;

	while (from < rest->n && blank(rest->p[from]))
		from++;

	size_t to = from;

	if (from < rest->n && rest->p[from] == '#')
		from = to = rest->n;
	while (to < rest->n && !blank(rest->p[to]))
		to++;

	struct span word = span_cut(*rest, from, to);

	*rest = span_cut(*rest, to, rest->n);
	return word;
}

static void
split(struct line *l, struct span rest)
{
	struct span word;

	l->pattern = next_word(&rest);
	word = next_word(&rest);
	if (word.n > 0 && *word.p == '>') {
		l->above = word;
		word = next_word(&rest);
	}
	for (; word.n > 0; word = next_word(&rest)) {
		if (l->n < RATES)
			l->words[l->n] = word;
		l->n++;
	}
}

static bool
pattern_fits(const struct line *l, struct findings *f)
{
	for (size_t i = 0; i < l->pattern.n; i++) {
		unsigned char c = (unsigned char)l->pattern.p[i];

		if (c < 0x20 || c == 0x7f) {
			refuse(f, l->number, l->pattern, "a pattern has no control characters");
			return false;
		}
	}
	if (l->pattern.n > MODEL_MAX) {
		refuse(f, l->number, l->pattern, "a pattern is at most 256 bytes long");
		return false;
	}
	return true;
}

/* Every price of the line is tried, so that all that is wrong is said at once. */
static bool
read_rates(const struct line *l, uint64_t rate[static RATES], struct findings *f)
{
	bool good = true;

	if (l->n != RATES) {
		refuse(f, l->number, l->pattern,
		    "give five prices in USD per million tokens: input, output, cache write 5m, cache write 1h, cache read");
		return false;
	}
	for (size_t i = 0; i < RATES; i++) {
		if (num_fixed(l->words[i], DECIMALS, &rate[i]) == 0 && rate[i] <= RATE_MAX)
			continue;
		refuse(f, l->number, l->words[i],
		    "give USD per million tokens from 0 to 1000000, with at most three decimals, such as 3.75");
		good = false;
	}
	return good;
}

static bool
read_above(const struct line *l, uint64_t *above, struct findings *f)
{
	if (num_u64(span_cut(l->above, 1, l->above.n), TOKENS_MAX, above) == 0 && *above > 0)
		return true;
	refuse(f, l->number, l->above,
	    "give the tokens of a prompt above which these prices hold, such as >100000");
	return false;
}

static struct pricelist_row *
row_of(const struct pricelist *list, struct span pattern)
{
	for (size_t i = 0; i < list->n; i++) {
		if (span_eq(span_of(list->rows[i].pattern), pattern))
			return &list->rows[i];
	}
	return NULL;
}

/* Gives the row of the same pattern its price of long prompts. */
static void
take_long(struct pricelist_row *row, const struct line *l, struct findings *f)
{
	uint64_t rate[RATES], above;

	if (!row) {
		refuse(f, l->number, l->pattern,
		    "prices of long prompts want a line of the same pattern before them, with the prices of others");
		return;
	}
	if (row->price.long_above > 0) {
		refuse(f, l->number, l->pattern, "its prices of long prompts are given twice");
		return;
	}
	if (!read_above(l, &above, f) || !read_rates(l, rate, f))
		return;
	row->price.long_above = above;
	row->price.long_input = rate[RATE_INPUT];
	row->price.long_output = rate[RATE_OUTPUT];
	row->price.long_cache_write_5m = rate[RATE_WRITE_5M];
	row->price.long_cache_write_1h = rate[RATE_WRITE_1H];
	row->price.long_cache_read = rate[RATE_READ];
}

static int
add_row(struct pricelist *list, const struct line *l, const uint64_t rate[static RATES])
{
	struct pricelist_row *rows = reallocarray(list->rows, list->n + 1, sizeof(*rows));
	char *pattern = span_dup(l->pattern);

	if (rows)
		list->rows = rows;
	if (!rows || !pattern) {
		free(pattern);
		return -1;
	}
	rows[list->n++] = (struct pricelist_row){
		.pattern = pattern,
		.price = {
			.input = rate[RATE_INPUT],
			.output = rate[RATE_OUTPUT],
			.cache_write_5m = rate[RATE_WRITE_5M],
			.cache_write_1h = rate[RATE_WRITE_1H],
			.cache_read = rate[RATE_READ],
		},
		.line = l->number,
	};
	return 0;
}

static int
take_line(struct pricelist *list, const struct line *l, struct findings *f)
{
	struct pricelist_row *row = row_of(list, l->pattern);
	uint64_t rate[RATES];

	if (!pattern_fits(l, f))
		return 0;
	if (l->above.n > 0) {
		take_long(row, l, f);
		return 0;
	}
	if (row) {
		finding_error(f, l->number, "a second \"%s\"; the first is on line %d",
		    row->pattern, row->line);
		return 0;
	}
	if (!read_rates(l, rate, f))
		return 0;
	if (list->n == PRICES_MAX) {
		finding_error(f, 0, "there are more than %u patterns", PRICES_MAX);
		return 0;
	}
	return add_row(list, l, rate);
}

int
pricelist_read(struct pricelist *out, struct span text, struct findings *f)
{
	struct span rest = text, words;
	int number = 1;

	*out = (struct pricelist){ 0 };
	if (text.n > CONF_FILE_MAX) {
		finding_error(f, 0, "the list of prices is larger than %lu bytes", CONF_FILE_MAX);
		return 0;
	}
	for (; span_next(&rest, '\n', &words); number++) {
		struct line l = { .number = number };

		split(&l, words);
		if (l.pattern.n == 0 || take_line(out, &l, f) == 0)
			continue;
		pricelist_free(out);
		return -1;
	}
	return 0;
}

const struct price *
pricelist_find(const struct pricelist *l, struct span model)
{
	for (size_t i = 0; i < l->n; i++) {
		if (glob_match(span_of(l->rows[i].pattern), model))
			return &l->rows[i].price;
	}
	return NULL;
}

void
pricelist_free(struct pricelist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->rows[i].pattern);
	free(l->rows);
	*l = (struct pricelist){ 0 };
}
