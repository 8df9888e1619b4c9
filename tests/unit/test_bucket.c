/* bucket: refills to the millisecond, takes that are all or nothing, settlements, clocks that step,
 * and numbers at the ends of their types. */
#include "policy/bucket.h"

#include <inttypes.h>
#include <string.h>

#include "policy/quota.h"
#include "unit/check.h"

#define UNIT INT64_C(60000)
#define NOW  INT64_C(1795302891042)

static const struct {
	const char *what;
	struct bucket in;
	uint64_t limit;
	int64_t now_ms;
	struct bucket want;
} refills[] = {
	{ "a bucket that was never used is full", { 0, 0 }, 3, NOW, { 3 * UNIT, NOW } },
	{ "no limit leaves it alone", { 7, 9 }, 0, NOW, { 7, 9 } },
	{ "the same millisecond", { 5, NOW }, 3, NOW, { 5, NOW } },
	{ "a millisecond lets in as many parts as the limit", { 5, NOW }, 3, NOW + 1,
	    { 8, NOW + 1 } },
	{ "one part short of full", { 0, NOW }, 1, NOW + 59999, { 59999, NOW + 59999 } },
	{ "full", { 0, NOW }, 1, NOW + 60000, { UNIT, NOW + 60000 } },
	{ "no fuller", { 1, NOW }, 1, NOW + 60000, { UNIT, NOW + 60000 } },
	{ "the last parts are not a whole millisecond", { 3 * UNIT - 1, NOW }, 3, NOW + 1,
	    { 3 * UNIT, NOW + 1 } },
	{ "a debt is paid off", { -2 * UNIT, NOW }, 1, NOW + 60000, { -UNIT, NOW + 60000 } },
	{ "a lower limit cuts", { 9 * UNIT, NOW }, 2, NOW, { 2 * UNIT, NOW } },
	{ "a lower limit cuts behind the time", { 9 * UNIT, NOW }, 2, NOW - 1, { 2 * UNIT, NOW } },
	{ "a higher limit refills faster", { UNIT, NOW }, 60, NOW + 1000,
	    { 2 * UNIT, NOW + 1000 } },
	{ "a minute back: it waits", { 5, NOW }, 3, NOW - 60000, { 5, NOW } },
	{ "further back: it begins anew", { 5, NOW }, 3, NOW - 60001, { 5, NOW - 60001 } },
	{ "all of time at the largest limit", { BUCKET_LEVEL_MIN, 1 }, QUOTA_RATE_MAX, INT64_MAX,
	    { QUOTA_RATE_MAX * INT64_C(60000), INT64_MAX } },
	{ "all of time back", { 5, INT64_MAX }, QUOTA_RATE_MAX, INT64_MIN, { 5, 1 } },
	{ "no time is before 1", { 0, 0 }, 1, -5, { UNIT, 1 } },
};

static const struct {
	const char *what;
	int64_t level;
	uint64_t limit, given, taken;
	int64_t after_ms;
	int64_t want;
} settlements[] = {
	{ "gives back", 2 * UNIT, 9, 5, 2, 0, 5 * UNIT },
	{ "takes", 5 * UNIT, 9, 2, 4, 0, 3 * UNIT },
	{ "takes on credit", 5 * UNIT, 9, 0, 8, 0, -3 * UNIT },
	{ "the same changes nothing in a full one", 9 * UNIT, 9, 4, 4, 0, 9 * UNIT },
	{ "no fuller than full", 7 * UNIT + 1, 9, 2, 0, 0, 9 * UNIT },
	{ "exactly full", 7 * UNIT, 9, 2, 0, 0, 9 * UNIT },
	{ "refills before it gives", 5 * UNIT, 9, 2, 0, 60000, 9 * UNIT },
	{ "refills before it takes", 5 * UNIT, 9, 0, 2, 60000, 7 * UNIT },
	{ "a level above full stays", 20 * UNIT, 9, 5, 0, 60000, 20 * UNIT },
	{ "a level above full is taken from", 20 * UNIT, 9, 0, 5, 60000, 15 * UNIT },
	{ "no limit leaves it alone", 5 * UNIT, 0, 5, 1, 60000, 5 * UNIT },
	{ "all there is back", 0, QUOTA_RATE_MAX, UINT64_MAX, 0, 0,
	    QUOTA_RATE_MAX *INT64_C(60000) },
	{ "all there is taken", 0, QUOTA_RATE_MAX, 0, UINT64_MAX, 0, BUCKET_LEVEL_MIN },
	{ "no deeper than the deepest", BUCKET_LEVEL_MIN + 1, 1, 0, 1, 0, BUCKET_LEVEL_MIN },
	{ "out of the deepest debt", BUCKET_LEVEL_MIN, 1, UINT64_MAX, 0, 0, UNIT },
	{ "the largest of both", UNIT, 1, UINT64_MAX, UINT64_MAX, 0, UNIT },
};

static const struct {
	const char *what;
	struct bucket in;
	uint64_t limit;
	uint64_t left;
	int64_t full_ms;
} readings[] = {
	{ "never used", { 0, 0 }, 5, 5, 0 },
	{ "full", { 5 * UNIT, NOW }, 5, 5, NOW },
	{ "above full", { 9 * UNIT, NOW }, 5, 5, NOW },
	{ "almost full", { 5 * UNIT - 1, NOW }, 5, 4, NOW + 1 },
	{ "empty", { 0, NOW }, 5, 0, NOW + 60000 },
	{ "not a whole unit", { UNIT - 1, NOW }, 5, 0, NOW + 48001 },
	{ "in debt", { -5 * UNIT, NOW }, 5, 0, NOW + 120000 },
	{ "in the deepest debt at the smallest limit", { BUCKET_LEVEL_MIN, NOW }, 1, 0,
	    NOW + UNIT - BUCKET_LEVEL_MIN },
	{ "without a limit", { 5, NOW }, 0, 0, NOW },
	{ "at the end of time", { 0, INT64_MAX - 1 }, 5, 0, INT64_MAX },
};

static void
rows_refills(struct check *c)
{
	for (size_t i = 0; i < ROWS(refills); i++) {
		struct bucket b = refills[i].in;

		check_row(c, "refill: %s", refills[i].what);
		bucket_refill(&b, refills[i].limit, refills[i].now_ms);
		check_that(c, b.level == refills[i].want.level, "level %" PRId64, b.level);
		check_that(c, b.at_ms == refills[i].want.at_ms, "at %" PRId64, b.at_ms);
	}
}

static void
rows_settlements(struct check *c)
{
	for (size_t i = 0; i < ROWS(settlements); i++) {
		struct bucket b = { settlements[i].level, NOW };

		check_row(c, "settlement: %s", settlements[i].what);
		bucket_settle(&b, settlements[i].limit, settlements[i].given, settlements[i].taken,
		    NOW + settlements[i].after_ms);
		check_that(c, b.level == settlements[i].want, "level %" PRId64, b.level);
	}
}

static void
rows_readings(struct check *c)
{
	for (size_t i = 0; i < ROWS(readings); i++) {
		uint64_t left = bucket_left(&readings[i].in, readings[i].limit);
		int64_t full_ms = bucket_full_ms(&readings[i].in, readings[i].limit);

		check_row(c, "reading: %s", readings[i].what);
		check_that(c, left == readings[i].left, "left %" PRIu64, left);
		check_that(c, full_ms == readings[i].full_ms, "full at %" PRId64, full_ms);
	}
}

static void
row_all_or_nothing(struct check *c)
{
	struct bucket a = { 0 }, b = { 2 * UNIT, NOW }, unused = { 3, 4 };
	struct bucket_draw draws[] = { { &a, 5, 3 }, { &unused, 0, 9 }, { &b, 4, 3 } };
	size_t which = 77;

	check_row(c, "all draws or none");
	check_that(c, bucket_take(draws, ROWS(draws), NOW, &which) == 15000, "not the wait");
	check_that(c, which == 2, "draw %zu", which);
	check_that(
	    c, a.level == 5 * UNIT && a.at_ms == NOW, "taken from the first, or not refilled");
	check_that(c, bucket_take(draws, ROWS(draws), NOW + 15000, &which) == 0, "not let in");
	check_that(c, a.level == 2 * UNIT && b.level == 0, "not taken from both");
	check_that(c, unused.level == 3 && unused.at_ms == 4, "touched without a limit");
	check_that(c, bucket_take(draws, 0, NOW, &which) == 0, "nothing cannot be had");
}

static void
row_longest(struct check *c)
{
	struct bucket a = { 0, NOW }, b = { 0, NOW }, d = { 0, NOW };
	struct bucket_draw draws[] = { { &a, 4, 1 }, { &b, 2, 1 }, { &d, 2, 1 } };
	size_t which = 77;

	check_row(c, "the longest wait is told, of two alike the first");
	check_that(c, bucket_take(draws, ROWS(draws), NOW, &which) == 30000, "not the wait");
	check_that(c, which == 1, "draw %zu", which);
	draws[1].cost = 0;
	check_that(c, bucket_take(draws, ROWS(draws), NOW, &which) == 30000, "not the wait");
	check_that(c, which == 2, "draw %zu", which);
}

static void
row_cost(struct check *c)
{
	struct bucket b = { -1, NOW };
	struct bucket_draw draw = { &b, 5, 0 };
	size_t which;

	check_row(c, "a cost of nothing passes a debt, a cost above the limit counts as the limit");
	check_that(c, bucket_take(&draw, 1, NOW, &which) == 0 && b.level == -1, "nothing costs");
	draw.cost = UINT64_MAX;
	check_that(c, bucket_take(&draw, 1, NOW, &which) == 60001, "not the wait");
	check_that(c, bucket_take(&draw, 1, NOW + 60000, &which) == 1, "let in early");
	check_that(
	    c, bucket_take(&draw, 1, NOW + 60001, &which) == 0 && b.level == 0, "not let in");
}

/* Numbers of all sizes: a level stays in its bounds, a wait is exact. */
static void
row_random(struct check *c)
{
	static const uint64_t limits[] = { 1, 2, 7, 59999, 60001, 99999999, QUOTA_RATE_MAX };
	uint64_t random = 88172645463325252u;
	struct bucket b = { 0 };
	size_t which;

	check_row(c, "random takes and settlements: levels in their bounds, waits exact");
	for (size_t i = 0; i < 200000 && !c->why[0]; i++) {
		uint64_t limit = limits[check_pick(&random, ROWS(limits))];
		int64_t now =
		    NOW + (int64_t)(check_random(&random) >> (24 + check_pick(&random, 40)));
		uint64_t cost = check_random(&random) >> check_pick(&random, 64);
		struct bucket_draw draw = { &b, limit, cost };
		int64_t wait = bucket_take(&draw, 1, now, &which);
		struct bucket early = b, due = b;

		if (wait > 0) {
			draw.bucket = &early;
			check_that(c, bucket_take(&draw, 1, now + wait - 1, &which) == 1,
			    "early at %zu", i);
			draw.bucket = &due;
			check_that(
			    c, bucket_take(&draw, 1, now + wait, &which) == 0, "not due at %zu", i);
		}
		if (check_pick(&random, 3) == 0)
			bucket_settle(
			    &b, limit, cost, check_random(&random) >> check_pick(&random, 64), now);
		check_that(c, b.level >= BUCKET_LEVEL_MIN, "below the deepest debt at %zu", i);
		check_that(c, b.level <= (int64_t)QUOTA_RATE_MAX * UNIT, "too full at %zu", i);
	}
}

int
main(void)
{
	struct check c = { .module = "bucket" };

	rows_refills(&c);
	rows_settlements(&c);
	rows_readings(&c);
	row_all_or_nothing(&c);
	row_longest(&c);
	row_cost(&c);
	row_random(&c);
	return check_end(&c);
}
