/* price: every class of tokens at its own rate, to the last nano-dollar, and never beyond the
 * largest sum. */
#include "policy/price.h"

#include <inttypes.h>

#include "base/limits.h"
#include "policy/quota.h"
#include "unit/check.h"

/* As Sonnet 4.5: dollars per million tokens times 1000. */
static const struct price plain = {
	.input = 3000,
	.output = 15000,
	.cache_write_5m = 3750,
	.cache_write_1h = 6000,
	.cache_read = 300,
};

/* As Haiku 5.5. */
static const struct price tiered = {
	.input = 100,
	.output = 500,
	.cache_write_5m = 125,
	.cache_write_1h = 200,
	.cache_read = 10,
	.long_above = 100000,
	.long_input = 500,
	.long_output = 2500,
	.long_cache_write_5m = 625,
	.long_cache_write_1h = 1000,
	.long_cache_read = 50,
};

static const struct price none = { 0 };

static const struct price dearest = {
	.input = UINT64_MAX,
	.output = UINT64_MAX,
	.cache_write_5m = UINT64_MAX,
	.cache_write_1h = UINT64_MAX,
	.cache_read = UINT64_MAX,
};

static const struct {
	const char *what;
	const struct price *price;
	struct usage usage;
	uint64_t want;
} costs[] = {
	{ "nothing costs nothing", &plain, { 0, 0, 0, 0, 0 }, 0 },
	{ "one token of input", &plain, { 1, 0, 0, 0, 0 }, 3000 },
	{ "one token of output", &plain, { 0, 1, 0, 0, 0 }, 15000 },
	{ "a cache write of five minutes", &plain, { 0, 0, 1, 0, 0 }, 3750 },
	{ "a cache write of an hour", &plain, { 0, 0, 1, 1, 0 }, 6000 },
	{ "a cache read", &plain, { 0, 0, 0, 0, 1 }, 300 },
	{ "cache writes of both kinds", &plain, { 0, 0, 10, 4, 0 }, 6ul * 3750 + 4ul * 6000 },
	{ "more at one hour than was written", &plain, { 0, 0, 10, 11, 0 }, 10ul * 6000 },
	{ "all classes", &plain, { 25, 15, 100, 40, 1000 },
	    25ul * 3000 + 15ul * 15000 + 60ul * 3750 + 40ul * 6000 + 1000ul * 300 },
	{ "a million of each is the list price", &plain, { 1000000, 1000000, 0, 0, 0 },
	    UINT64_C(18000000000) },
	{ "a price of zero", &none, { 25, 15, 100, 40, 1000 }, 0 },
	{ "a prompt as long as a short one may be", &tiered, { 40000, 10, 30000, 10000, 30000 },
	    40000ul * 100 + 10ul * 500 + 20000ul * 125 + 10000ul * 200 + 30000ul * 10 },
	{ "a prompt that is a token longer", &tiered, { 40001, 10, 30000, 10000, 30000 },
	    40001ul * 500 + 10ul * 2500 + 20000ul * 625 + 10000ul * 1000 + 30000ul * 50 },
	{ "output does not make a prompt long", &tiered, { 1, 100001, 0, 0, 0 },
	    100 + 100001ul * 500 },
	{ "as many tokens as can be", &plain, { TOKENS_MAX, TOKENS_MAX, TOKENS_MAX, 0, TOKENS_MAX },
	    QUOTA_NANOUSD_MAX },
	{ "just below the largest sum", &plain, { UINT64_C(2999999999999), 0, 0, 0, 9 },
	    QUOTA_NANOUSD_MAX - 300 },
	{ "just the largest sum", &plain, { UINT64_C(2999999999999), 0, 0, 0, 10 },
	    QUOTA_NANOUSD_MAX },
	{ "just above the largest sum", &plain, { UINT64_C(2999999999999), 0, 0, 0, 11 },
	    QUOTA_NANOUSD_MAX },
	{ "rates beyond all reason", &dearest, { 1, 1, 1, 1, 1 }, QUOTA_NANOUSD_MAX },
	{ "rates beyond all reason, unused", &dearest, { 0, 0, 0, 0, 0 }, 0 },
};

static const struct {
	const char *what;
	const struct price *price;
	uint64_t input, output, want;
} mosts[] = {
	{ "nothing", &plain, 0, 0, 0 },
	{ "input as if all were kept for an hour", &plain, 10, 0, 10ul * 6000 },
	{ "input and output", &plain, 10, 20, 10ul * 6000 + 20ul * 15000 },
	{ "a price of zero", &none, 10, 20, 0 },
	{ "input may be dearer than all caches", &(const struct price){ .input = 9, .output = 1 },
	    10, 20, 110 },
	{ "and so may a read", &(const struct price){ .cache_read = 9 }, 10, 20, 90 },
	{ "and a write of five minutes", &(const struct price){ .cache_write_5m = 9 }, 10, 20, 90 },
	{ "a prompt that is short for certain", &tiered, 100000, 7, 100000ul * 200 + 7ul * 500 },
	{ "a prompt that may be long", &tiered, 100001, 7, 100001ul * 1000 + 7ul * 2500 },
	{ "a prompt that is cheaper when it is long",
	    &(const struct price){ .input = 10, .output = 10, .long_above = 5, .long_input = 1 }, 6,
	    3, 5ul * 10 + 3ul * 10 },
	{ "as many tokens as can be", &plain, TOKENS_MAX, TOKENS_MAX, QUOTA_NANOUSD_MAX },
	{ "more tokens than there are", &plain, UINT64_MAX, UINT64_MAX, QUOTA_NANOUSD_MAX },
	{ "rates beyond all reason", &dearest, 1, 1, QUOTA_NANOUSD_MAX },
};

/* Whatever a call used, it cost no more than was said before. */
static void
row_bound(struct check *c)
{
	const struct price *prices[] = { &plain, &tiered, &none };
	uint64_t seed = 20261122;

	check_row(c, "no call costs more than the most that it may cost");
	for (int i = 0; i < 100000; i++) {
		const struct price *p = prices[check_pick(&seed, ROWS(prices))];
		struct usage u = {
			.input = check_pick(&seed, 60000),
			.output = check_pick(&seed, 60000),
			.cache_write = check_pick(&seed, 60000),
			.cache_write_1h = check_pick(&seed, 60000),
			.cache_read = check_pick(&seed, 60000),
		};
		uint64_t input = u.input + u.cache_write + u.cache_read;
		uint64_t spare = check_pick(&seed, 3);

		if (!check_that(c,
			price_cost(p, &u) <= price_most(p, input + spare, u.output + spare),
			"call %d does", i))
			break;
	}
}

int
main(void)
{
	struct check c = { .module = "price" };

	for (size_t i = 0; i < ROWS(costs); i++) {
		uint64_t got = price_cost(costs[i].price, &costs[i].usage);

		check_row(&c, "cost: %s", costs[i].what);
		check_that(
		    &c, got == costs[i].want, "got %" PRIu64 ", not %" PRIu64, got, costs[i].want);
	}
	for (size_t i = 0; i < ROWS(mosts); i++) {
		uint64_t got = price_most(mosts[i].price, mosts[i].input, mosts[i].output);

		check_row(&c, "most: %s", mosts[i].what);
		check_that(
		    &c, got == mosts[i].want, "got %" PRIu64 ", not %" PRIu64, got, mosts[i].want);
	}
	row_bound(&c);
	return check_end(&c);
}
