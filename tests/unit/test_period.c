/* period: where days and months begin and end, and what a date looks like. */
#include "policy/period.h"

#include <inttypes.h>

#include "unit/check.h"

#define DAY_MS INT64_C(86400000)

static const struct {
	const char *what;
	int64_t ms;
	int32_t day, month;
	const char *text;
} times[] = {
	{ "the first millisecond", 0, 0, 0, "1970-01-01" },
	{ "the last of the first day", DAY_MS - 1, 0, 0, "1970-01-01" },
	{ "the second day", DAY_MS, 1, 0, "1970-01-02" },
	{ "the second month", 31 * DAY_MS, 31, 1, "1970-02-01" },
	{ "before 1970", -1, 0, 0, "1970-01-01" },
	{ "the smallest number", INT64_MIN, 0, 0, "1970-01-01" },
	{ "a day of November", INT64_C(1795302891042), 20778, 682, "2026-11-21" },
	{ "the end of September", 20726 * DAY_MS + DAY_MS - 1, 20726, 680, "2026-09-30" },
	{ "the end of a year", 20818 * DAY_MS + DAY_MS - 1, 20818, 683, "2026-12-31" },
	{ "the beginning of a year", 20819 * DAY_MS, 20819, 684, "2027-01-01" },
	{ "29 February", 21243 * DAY_MS, 21243, 697, "2028-02-29" },
	{ "the last day", 2932896 * DAY_MS, PERIOD_DAY_MAX, PERIOD_MONTH_MAX, "9999-12-31" },
	{ "after the last day", 2932897 * DAY_MS, PERIOD_DAY_MAX, PERIOD_MONTH_MAX, "9999-12-31" },
	{ "the largest number", INT64_MAX, PERIOD_DAY_MAX, PERIOD_MONTH_MAX, "9999-12-31" },
};

static const struct {
	const char *in;
	int32_t want; /* -1: refused */
} dates[] = {
	{ "1970-01-01", 0 },
	{ "2026-11-22", 20779 },
	{ "2028-02-29", 21243 },
	{ "9999-12-31", PERIOD_DAY_MAX },
	{ "1969-12-31", -1 },
	{ "0000-01-01", -1 },
	{ "2027-02-29", -1 },
	{ "2026-13-01", -1 },
	{ "2026-11-00", -1 },
	{ "2026-11-22T00:00:00Z", -1 },
	{ "2026-11-2", -1 },
	{ " 2026-11-22", -1 },
	{ "2026/11/22", -1 },
	{ "", -1 },
};

static void
rows_times(struct check *c)
{
	for (size_t i = 0; i < ROWS(times); i++) {
		int32_t day = period_day(times[i].ms);
		char text[PERIOD_DAY_LEN];

		check_row(c, "%s", times[i].what);
		check_that(c, day == times[i].day, "day %" PRId32, day);
		check_that(
		    c, period_month(day) == times[i].month, "month %" PRId32, period_month(day));
		period_day_text(day, text);
		check_same(c, span_of(text), span_of(times[i].text));
	}
}

static void
rows_dates(struct check *c)
{
	for (size_t i = 0; i < ROWS(dates); i++) {
		int32_t day = -7;
		int done = period_day_parse(span_of(dates[i].in), &day);

		check_row(c, "date '%s'", dates[i].in);
		check_that(
		    c, (done == 0) == (dates[i].want >= 0), "is %s", done ? "refused" : "taken");
		check_that(c, day == (done ? -7 : dates[i].want), "day %" PRId32, day);
	}
}

/* Each day ends where the next begins, a month at the first day that is of another month. */
static void
row_ends(struct check *c)
{
	check_row(c, "every day from 1970 to 2370 ends where the next begins, and so do months");
	for (int32_t day = 0; day < 146097; day++) {
		int64_t end = period_day_end_ms(day);
		int32_t month = period_month(day), next = period_month(day + 1);
		int32_t back = -1;
		char text[PERIOD_DAY_LEN];

		check_that(c, end == (day + INT64_C(1)) * DAY_MS, "end of day %" PRId32, day);
		check_that(
		    c, period_day(end - 1) == day && period_day(end) == day + 1, "at the end");
		check_that(c, next == month || next == month + 1, "after month %" PRId32, month);
		check_that(c, (next > month) == (period_month_end_ms(month) == end),
		    "end of month %" PRId32, month);
		period_day_text(day, text);
		if (!check_that(
			c, period_day_parse(span_of(text), &back) == 0 && back == day, "%s", text))
			break;
	}
}

static void
row_outside(struct check *c)
{
	char text[PERIOD_DAY_LEN];

	check_row(c, "numbers that are no day or month count as the nearest");
	check_that(c, period_month(INT32_MIN) == 0, "month of the smallest");
	check_that(c, period_month(INT32_MAX) == PERIOD_MONTH_MAX, "month of the largest");
	check_that(c, period_day_end_ms(INT32_MIN) == DAY_MS, "end of the smallest day");
	check_that(c, period_day_end_ms(INT32_MAX) == 2932897 * DAY_MS, "end of the largest day");
	check_that(c, period_month_end_ms(INT32_MIN) == 31 * DAY_MS, "end of the smallest month");
	check_that(c, period_month_end_ms(INT32_MAX) == 2932897 * DAY_MS, "end of the largest");
	period_day_text(INT32_MIN, text);
	check_same(c, span_of(text), span_of("1970-01-01"));
	period_day_text(INT32_MAX, text);
	check_same(c, span_of(text), span_of("9999-12-31"));
}

int
main(void)
{
	struct check c = { .module = "period" };

	rows_times(&c);
	rows_dates(&c);
	row_ends(&c);
	row_outside(&c);
	return check_end(&c);
}
