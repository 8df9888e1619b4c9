/* num: see num.h. The calendar is the proleptic Gregorian one, counted by days since 1970-03-01's
 * era of 400 years, so that no time zone and no libc state is involved. */
#include "base/num.h"

#include <assert.h>

#define DAY_S	     86400
#define ERA_DAYS     146097 /* 400 years */
#define ERA_SHIFT    719468 /* days from 0000-03-01 to 1970-01-01 */
#define DURATION_MAX ((uint64_t)36525 * DAY_S)
#define TIME_MIN_S   INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define TIME_MAX_S   INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

int
num_u64(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;

		uint64_t digit = (uint64_t)(s.p[i] - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return -1;
		v = v * 10 + digit;
	}
	if (v > max)
		return -1;
	*out = v;
	return 0;
}

int
num_fixed(struct span s, unsigned places, uint64_t *out)
{
	const char *point = s.n > 0 ? memchr(s.p, '.', s.n) : NULL;
	size_t whole_n = point ? (size_t)(point - s.p) : s.n;
	uint64_t scale = 1, whole = 0, part = 0;

	assert(places <= 19);
	for (unsigned i = 0; i < places; i++)
		scale *= 10;
	if (num_u64(span_cut(s, 0, whole_n), UINT64_MAX / scale, &whole) < 0)
		return -1;
	if (point) {
		struct span digits = span_cut(s, whole_n + 1, s.n);

		if (digits.n > places || num_u64(digits, UINT64_MAX, &part) < 0)
			return -1;
		for (size_t i = digits.n; i < places; i++)
			part *= 10;
	}
	if (part > UINT64_MAX - whole * scale)
		return -1;
	*out = whole * scale + part;
	return 0;
}

int64_t
num_days(struct num_day d)
{
	int64_t year = d.month <= 2 ? d.year - 1 : d.year;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - ERA_SHIFT;
}

struct num_day
num_day_of(int64_t days)
{
	int64_t z = days + ERA_SHIFT;
	int64_t era = (z >= 0 ? z : z - (ERA_DAYS - 1)) / ERA_DAYS;
	int64_t of_era = z - era * ERA_DAYS;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / (ERA_DAYS - 1)) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t m = (5 * of_year + 2) / 153; /* counted from March */
	int64_t month = m < 10 ? m + 3 : m - 9;

	return (struct num_day){
		.year = year + era * 400 + (month <= 2),
		.month = month,
		.day = of_year - (153 * m + 2) / 5 + 1,
	};
}

/* A field of exactly these digits; the caller knows that they lie inside s. */
static int
num_field(struct span s, size_t from, size_t to, int64_t *out)
{
	uint64_t v;

	if (num_u64(span_cut(s, from, to), 9999, &v) < 0)
		return -1;
	*out = (int64_t)v;
	return 0;
}

/* "2027-01-01" as days since 1970. */
static int
num_date_days(struct span s, int64_t *days)
{
	struct num_day d;

	if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-')
		return -1;
	if (num_field(s, 0, 4, &d.year) < 0 || num_field(s, 5, 7, &d.month) < 0 ||
	    num_field(s, 8, 10, &d.day) < 0)
		return -1;
	if (d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31)
		return -1;
	*days = num_days(d);

	/* 30 February comes back as a day of March. */
	struct num_day back = num_day_of(*days);

	return back.day == d.day && back.month == d.month ? 0 : -1;
}

/* "12:30:00" as seconds. */
static int
num_clock_s(struct span s, int64_t *out)
{
	int64_t h, m, sec;

	if (s.n != 8 || s.p[2] != ':' || s.p[5] != ':')
		return -1;
	if (num_field(s, 0, 2, &h) < 0 || num_field(s, 3, 5, &m) < 0 ||
	    num_field(s, 6, 8, &sec) < 0)
		return -1;
	if (h > 23 || m > 59 || sec > 59)
		return -1;
	*out = h * 3600 + m * 60 + sec;
	return 0;
}

int
num_date(struct span s, int64_t *out)
{
	int64_t days, seconds = 0;

	if (s.n != 10 && s.n != 20)
		return -1;
	if (num_date_days(span_cut(s, 0, 10), &days) < 0)
		return -1;
	if (s.n == 20) {
		if (s.p[10] != 'T' || s.p[19] != 'Z')
			return -1;
		if (num_clock_s(span_cut(s, 11, 19), &seconds) < 0)
			return -1;
	}
	*out = days * DAY_S + seconds;
	return 0;
}

/* "Z", "z" or "+01:30" as seconds. */
static int
num_offset_s(struct span s, int64_t *out)
{
	int64_t h, m;

	if (span_eq_nocase(s, SPAN("Z"))) {
		*out = 0;
		return 0;
	}
	if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':')
		return -1;
	if (num_field(s, 1, 3, &h) < 0 || num_field(s, 4, 6, &m) < 0 || h > 23 || m > 59)
		return -1;
	*out = (h * 3600 + m * 60) * (s.p[0] == '-' ? -1 : 1);
	return 0;
}

int
num_rfc3339(struct span s, int64_t *out)
{
	int64_t days, clock, offset;
	size_t at = 19;

	if (s.n <= at || (s.p[10] != 'T' && s.p[10] != 't'))
		return -1;
	if (num_date_days(span_cut(s, 0, 10), &days) < 0 ||
	    num_clock_s(span_cut(s, 11, at), &clock) < 0)
		return -1;
	if (s.p[at] == '.') {
		while (++at < s.n && s.p[at] >= '0' && s.p[at] <= '9')
			;
		if (at == 20)
			return -1;
	}
	if (num_offset_s(span_cut(s, at, s.n), &offset) < 0)
		return -1;
	*out = days * DAY_S + clock - offset;
	return 0;
}

/* The number of a month by its name, 1 to 12; 0: none. */
static int
num_month(struct span s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++)
		if (span_eq(s, (struct span){ names + (ptrdiff_t)3 * i, 3 }))
			return i + 1;
	return 0;
}

int
num_http_date(struct span s, int64_t *out)
{
	int month = s.n == 29 ? num_month(span_cut(s, 8, 11)) : 0;
	int64_t days, clock;
	char date[10];

	/* "Sun, 06 Nov 1994 08:49:37 GMT" */
	if (month == 0 || s.p[3] != ',' || s.p[4] != ' ' || s.p[7] != ' ' || s.p[11] != ' ' ||
	    s.p[16] != ' ' || !span_eq(span_cut(s, 25, 29), SPAN(" GMT")))
		return -1;
	memcpy(date, s.p + 12, 4);
	date[4] = date[7] = '-';
	date[5] = (char)('0' + month / 10);
	date[6] = (char)('0' + month % 10);
	memcpy(date + 8, s.p + 5, 2);
	if (num_date_days((struct span){ date, sizeof(date) }, &days) < 0 ||
	    num_clock_s(span_cut(s, 17, 25), &clock) < 0)
		return -1;
	*out = days * DAY_S + clock;
	return 0;
}

int
num_duration(struct span s, int64_t *out)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', DAY_S } };
	uint64_t scale = 1, v;

	for (size_t i = 0; s.n > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (s.p[s.n - 1] == units[i].unit) {
			scale = units[i].seconds;
			s.n--;
			break;
		}
	}
	if (num_u64(s, DURATION_MAX / scale, &v) < 0)
		return -1;
	*out = (int64_t)(v * scale);
	return 0;
}

/* Writes v, which has no more digits, as exactly n digits and returns the place behind them. */
static char *
num_put(char *to, int64_t v, size_t n)
{
	(void)num_digits(to + n, (uint64_t)v, n);
	return to + n;
}

/* "2026-11-21T23:14:51"; returns the place behind it. Times outside years 0 to 9999 are set to the
 * nearest inside, because out has room for four digits only. */
static char *
num_stamp(int64_t unix_s, char *out)
{
	int64_t t = unix_s < TIME_MIN_S ? TIME_MIN_S : unix_s > TIME_MAX_S ? TIME_MAX_S : unix_s;
	int64_t days = (t >= 0 ? t : t - (DAY_S - 1)) / DAY_S;
	int64_t of_day = t - days * DAY_S;
	struct num_day d = num_day_of(days);
	const int64_t fields[] = { d.month, d.day, of_day / 3600, of_day / 60 % 60, of_day % 60 };
	static const char before[] = "--T::";

	out = num_put(out, d.year, 4);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		*out++ = before[i];
		out = num_put(out, fields[i], 2);
	}
	return out;
}

void
num_time(int64_t unix_s, char out[static NUM_TIME_LEN])
{
	char *end = num_stamp(unix_s, out);

	end[0] = 'Z';
	end[1] = '\0';
}

void
num_time_ms(int64_t unix_ms, char out[static NUM_TIME_LEN])
{
	int64_t seconds = unix_ms / 1000;
	int64_t ms = unix_ms % 1000;

	if (ms < 0) {
		ms += 1000;
		seconds--;
	}

	char *end = num_stamp(seconds, out);

	*end++ = '.';
	end = num_put(end, ms, 3);
	end[0] = 'Z';
	end[1] = '\0';
}

int
num_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}
