/* num: the one parser of numbers, dates and durations, and what writes them. Pure; whole spans
 * only, no leading or trailing blanks. */
#ifndef POSTERN_BASE_NUM_H
#define POSTERN_BASE_NUM_H

#include <stdint.h>

#include "base/check.h"
#include "base/span.h"

/* Decimal digits only. -1 when empty, not digits, or over max; *out is then unchanged. */
MUST_CHECK int num_u64(struct span s, uint64_t max, uint64_t *out);

#define NUM_U64_LEN 20 /* digits of the largest */

/* Writes the digits of v, at least `least` of them, so that they end before `end`; returns where
 * they begin. Before end there must be room for NUM_U64_LEN digits, or for `least` of them. */
static inline char *
num_digits(char *end, uint64_t v, size_t least)
{
	char *at = end;

	while (v > 0 || (size_t)(end - at) < least) {
		*--at = (char)('0' + v % 10);
		v /= 10;
	}
	return at;
}

/* The value of a hexadecimal digit of either case; -1 for any other character. */
int num_hex(char c);

/* A decimal number with at most `places` digits after the point, times 10^places: "3.75", 6 ->
 * 3750000. -1 when malformed, negative or over what fits. */
MUST_CHECK int num_fixed(struct span s, unsigned places, uint64_t *out);

/* A point in time as Unix seconds, UTC: "2027-01-01" (its first second) or RFC 3339
 * "2027-01-01T12:30:00Z". Days that do not exist are refused. */
MUST_CHECK int num_date(struct span s, int64_t *out);

/* A point in time as others' services write it, as Unix seconds: RFC 3339 5.6 with any fraction,
 * which is cut off, and any offset: "2027-01-01T12:30:00.25+01:00". */
MUST_CHECK int num_rfc3339(struct span s, int64_t *out);

/* A point in time as a header has it, as Unix seconds: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110
 * 5.6.7, the one form that is sent today). The day of the week is not compared with the date. */
MUST_CHECK int num_http_date(struct span s, int64_t *out);

/* A duration in seconds: "90s", "15m", "24h", "30d", or plain seconds. -1 when malformed or over
 * 100 years. */
MUST_CHECK int num_duration(struct span s, int64_t *out);

/* A day of the proleptic Gregorian calendar. */
struct num_day {
	int64_t year;
	int64_t month; /* 1 to 12 */
	int64_t day;   /* 1 to 31 */
};

/* Days since 1970-01-01, for years up to a hundred million either way. */
int64_t num_days(struct num_day d);

/* The day that is so many days after 1970-01-01; as num_days for its range. */
struct num_day num_day_of(int64_t days);

#define NUM_TIME_LEN 25

/* Writes RFC 3339, UTC, to seconds ("2026-11-21T23:14:51Z") with a terminating zero. */
void num_time(int64_t unix_s, char out[static NUM_TIME_LEN]);

/* As num_time with milliseconds ("2026-11-21T23:14:51.042Z"). */
void num_time_ms(int64_t unix_ms, char out[static NUM_TIME_LEN]);

#endif
