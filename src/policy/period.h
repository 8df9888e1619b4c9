/* period: days and months of UTC as numbers. Pure. Every function takes any number: what lies
 * before 1970 counts as its first day or month, what lies after the year 9999 as its last. */
#ifndef POSTERN_POLICY_PERIOD_H
#define POSTERN_POLICY_PERIOD_H

#include <stdint.h>

#include "base/check.h"
#include "base/span.h"

#define PERIOD_DAY_MAX	 2932896 /* 9999-12-31 */
#define PERIOD_MONTH_MAX 96359

/* The day of a time: days since 1970-01-01. */
int32_t period_day(int64_t unix_ms);

/* The month of a day: months since January 1970. */
int32_t period_month(int32_t day);

/* The first millisecond of the day after. */
int64_t period_day_end_ms(int32_t day);

/* The first millisecond of the month after. */
int64_t period_month_end_ms(int32_t month);

#define PERIOD_DAY_LEN 11

/* Writes "2026-11-22" with a terminating zero. */
void period_day_text(int32_t day, char out[static PERIOD_DAY_LEN]);

/* Reads "2026-11-22". -1 when it is no date from 1970 on; *out is then unchanged. */
MUST_CHECK int period_day_parse(struct span s, int32_t *out);

#endif
