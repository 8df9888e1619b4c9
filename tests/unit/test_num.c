/* num: what is a number, a date, a duration, and what only looks like one. */
#include "base/num.h"

#include <inttypes.h>

#include "unit/check.h"
#include "unit/guard.h"

#define BAD INT64_MIN

static const struct {
	const char *in;
	uint64_t max;
	bool good;
	uint64_t want;
} numbers[] = {
	{ "0", 9, true, 0 },
	{ "42", 42, true, 42 },
	{ "43", 42, false, 0 },
	{ "007", 9, true, 7 },
	{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
	{ "18446744073709551616", UINT64_MAX, false, 0 },
	{ "99999999999999999999999", UINT64_MAX, false, 0 },
	{ "", 9, false, 0 },
	{ "-1", 9, false, 0 },
	{ "+1", 9, false, 0 },
	{ " 1", 9, false, 0 },
	{ "1 ", 9, false, 0 },
	{ "1.0", 9, false, 0 },
	{ "0x1", 9, false, 0 },
	{ "1e1", 99, false, 0 },
};

static const struct {
	const char *in;
	unsigned places;
	bool good;
	uint64_t want;
} fixed[] = {
	{ "3.75", 6, true, 3750000 },
	{ "3", 6, true, 3000000 },
	{ "0.000001", 6, true, 1 },
	{ "0.0000001", 6, false, 0 },
	{ "200.00", 9, true, UINT64_C(200000000000) },
	{ "18446744073709551615", 0, true, UINT64_MAX },
	{ "18446744073.709551615", 9, true, UINT64_MAX },
	{ "18446744073.709551616", 9, false, 0 },
	{ "18446744074", 9, false, 0 },
	{ "3.", 6, false, 0 },
	{ ".5", 6, false, 0 },
	{ ".", 6, false, 0 },
	{ "-1", 6, false, 0 },
	{ "1.2.3", 6, false, 0 },
	{ "1,5", 6, false, 0 },
	{ "", 6, false, 0 },
};

static const struct {
	const char *in;
	int64_t want; /* BAD: refused */
} dates[] =
    {
	{"1970-01-01", 0},
	{"2027-01-01", 1798761600},
	{"2026-11-21T23:14:51Z", 1795302891},
	{"2000-02-29", 951782400},
	{"2024-02-29T00:00:00Z", 1709164800},
	{"2023-02-29", BAD},
	{"1900-02-29", BAD},
	{"2026-04-31", BAD},
	{"2026-13-01", BAD},
	{"2026-00-10", BAD},
	{"2026-01-00", BAD},
	{"2026-1-1", BAD},
	{"2026-01-01T24:00:00Z", BAD},
	{"2026-01-01T23:60:00Z", BAD},
	{"2026-01-01T23:59:60Z", BAD},
	{"2026-01-01T23:59:59", BAD},
	{"2026-01-01T23:59:59+00:00", BAD},
	{"2026-01-01 23:59:59Z", BAD},
	{"2026/01/01", BAD},
	{"+026-01-01", BAD},
	{"", BAD},
},
  durations[] = {
      {"90s", 90},
      {"15m", 900},
      {"24h", 86400},
      {"30d", 2592000},
      {"3600", 3600},
      {"0", 0},
      {"36525d", INT64_C(3155760000)},
      {"36526d", BAD},
      {"9999999999999999999d", BAD},
      {"s", BAD},
      {"1w", BAD},
      {"1h30m", BAD},
      {"-1h", BAD},
      {" 1h", BAD},
      {"", BAD},
};

static const struct {
	int64_t ms;
	const char *want;
} times[] = {
	{ 0, "1970-01-01T00:00:00.000Z" },
	{ INT64_C(1795302891042), "2026-11-21T23:14:51.042Z" },
	{ -1, "1969-12-31T23:59:59.999Z" },
	{ INT64_C(951868799999), "2000-02-29T23:59:59.999Z" },
	{ INT64_MAX, "9999-12-31T23:59:59.807Z" },
	{ INT64_MIN, "0000-01-01T00:00:00.192Z" },
};

static void
rows_numbers(struct check *c)
{
	for (size_t i = 0; i < ROWS(numbers); i++) {
		uint64_t got = 77;
		bool good = num_u64(span_of(numbers[i].in), numbers[i].max, &got) == 0;

		check_row(c, "number '%s'", numbers[i].in);
		check_that(c, good == numbers[i].good, "number is %s", good ? "taken" : "refused");
		check_that(c, got == (good ? numbers[i].want : 77), "got %" PRIu64, got);
	}
	for (size_t i = 0; i < ROWS(fixed); i++) {
		uint64_t got = 0;
		bool good = num_fixed(span_of(fixed[i].in), fixed[i].places, &got) == 0;

		check_row(c, "'%s' with %u places", fixed[i].in, fixed[i].places);
		check_that(c, good == fixed[i].good, "number is %s", good ? "taken" : "refused");
		check_that(c, !good || got == fixed[i].want, "got %" PRIu64, got);
	}
}

static void
rows_dates(struct check *c)
{
	for (size_t i = 0; i < ROWS(dates); i++) {
		int64_t got;

		check_row(c, "date '%s'", dates[i].in);
		if (num_date(span_of(dates[i].in), &got) < 0)
			got = BAD;
		check_that(c, got == dates[i].want, "got %" PRId64, got);
	}
	for (size_t i = 0; i < ROWS(durations); i++) {
		int64_t got;

		check_row(c, "duration '%s'", durations[i].in);
		if (num_duration(span_of(durations[i].in), &got) < 0)
			got = BAD;
		check_that(c, got == durations[i].want, "got %" PRId64, got);
	}
}

static const struct {
	const char *in;
	int64_t want;
} moments[] = {
	{ "1970-01-01T00:00:00Z", 0 },
	{ "2026-11-21T18:00:00Z", 1795284000 },
	{ "2026-11-21t18:00:00z", 1795284000 },
	{ "2026-11-21T18:00:00.9Z", 1795284000 },
	{ "2026-11-21T18:00:00.123456789Z", 1795284000 },
	{ "2026-11-21T18:00:00+00:00", 1795284000 },
	{ "2026-11-21T18:00:00-00:00", 1795284000 },
	{ "2026-11-21T19:30:00.5+01:30", 1795284000 },
	{ "2026-11-21T10:00:00-08:00", 1795284000 },
	{ "2026-11-22T17:59:00+23:59", 1795284000 },
	{ "2026-11-21T18:00:00", BAD },
	{ "2026-11-21T18:00:00.", BAD },
	{ "2026-11-21T18:00:00.Z", BAD },
	{ "2026-11-21T18:00:00.1", BAD },
	{ "2026-11-21T18:00:00,1Z", BAD },
	{ "2026-11-21T18:00:00ZZ", BAD },
	{ "2026-11-21T18:00:00Z ", BAD },
	{ "2026-11-21 18:00:00Z", BAD },
	{ "2026-11-21T18:00Z", BAD },
	{ "2026-11-21T24:00:00Z", BAD },
	{ "2026-02-29T18:00:00Z", BAD },
	{ "2026-11-21T18:00:00+1:00", BAD },
	{ "2026-11-21T18:00:00+01", BAD },
	{ "2026-11-21T18:00:00+0100", BAD },
	{ "2026-11-21T18:00:00+24:00", BAD },
	{ "2026-11-21T18:00:00+01:60", BAD },
	{ "2026-11-21T18:00:00 01:00", BAD },
	{ "20261121T180000Z", BAD },
	{ "2026-11-21", BAD },
	{ "", BAD },
};

static void
rows_moments(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(moments); i++) {
		int64_t got;

		check_row(c, "moment '%s'", moments[i].in);
		if (num_rfc3339(guard_put(g, span_of(moments[i].in)), &got) < 0)
			got = BAD;
		check_that(c, got == moments[i].want, "got %" PRId64, got);
	}
}

/* The first is RFC 9110's own. */
static const struct {
	const char *in;
	int64_t want;
} headers[] = {
	{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
	{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
	{ "Sat, 21 Nov 2026 18:00:00 GMT", 1795284000 },
	{ "Sat, 29 Feb 2028 00:00:00 GMT", 1835395200 },
	{ "Sun, 29 Feb 2026 00:00:00 GMT", BAD },
	{ "Sun, 06 nov 1994 08:49:37 GMT", BAD },
	{ "Sun, 06 Now 1994 08:49:37 GMT", BAD },
	{ "Sun, 06 Nov 1994 24:49:37 GMT", BAD },
	{ "Sun, 06 Nov 1994 08:49:37 UTC", BAD },
	{ "Sun, 06 Nov 1994 08:49:37", BAD },
	{ "Sunday, 06-Nov-94 08:49:37 GMT", BAD },
	{ "Sun Nov  6 08:49:37 1994", BAD },
	{ "", BAD },
};

static void
rows_headers(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(headers); i++) {
		int64_t got;

		check_row(c, "date of a header '%s'", headers[i].in);
		if (num_http_date(guard_put(g, span_of(headers[i].in)), &got) < 0)
			got = BAD;
		check_that(c, got == headers[i].want, "got %" PRId64, got);
	}
}

static void
rows_times(struct check *c)
{
	char text[NUM_TIME_LEN];

	for (size_t i = 0; i < ROWS(times); i++) {
		check_row(c, "time %s", times[i].want);
		num_time_ms(times[i].ms, text);
		check_same(c, span_of(text), span_of(times[i].want));
	}
}

/* Each day of four centuries, written and read again. */
static void
row_round_trip(struct check *c)
{
	char text[NUM_TIME_LEN];
	int64_t back = 0;

	check_row(c, "every day from 1900 to 2300 there and back");
	for (int64_t day = -25567; day < 120530; day++) {
		int64_t t = day * 86400 + (day & 0xffff);

		num_time(t, text);
		if (!check_that(c, num_date(span_of(text), &back) == 0 && back == t, "%s", text))
			break;
	}
}

static void
row_hex(struct check *c)
{
	static const char digits[] = "0123456789abcdef";
	static const char capitals[] = "0123456789ABCDEF";
	unsigned good = 0;

	check_row(c, "digits of a hexadecimal number, and nothing else");
	for (int i = 0; i < 16; i++) {
		check_that(c, num_hex(digits[i]) == i, "'%c' is not %d", digits[i], i);
		check_that(c, num_hex(capitals[i]) == i, "'%c' is not %d", capitals[i], i);
	}
	for (int i = -128; i < 128; i++)
		good += num_hex((char)i) >= 0 ? 1 : 0;
	check_that(c, good == 22, "%u characters are digits", good);
}

int
main(void)
{
	struct check c = { .module = "num" };
	struct guard g = guard_make();

	rows_numbers(&c);
	rows_dates(&c);
	rows_moments(&c, &g);
	rows_headers(&c, &g);
	rows_times(&c);
	row_round_trip(&c);
	row_hex(&c);
	guard_free(&g);
	return check_end(&c);
}
