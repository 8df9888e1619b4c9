/* period: see period.h. */
#include "policy/period.h"

#include <string.h>

#include "base/num.h"

#define DAY_S  86400
#define DAY_MS (INT64_C(1000) * DAY_S)

/* v, or the nearest from 0 to max. */
static int32_t
period_inside(int64_t v, int32_t max)
{
	return v < 0 ? 0 : v > max ? max : (int32_t)v;
}

int32_t
period_day(int64_t unix_ms)
{
	return period_inside(unix_ms / DAY_MS, PERIOD_DAY_MAX);
}

int32_t
period_month(int32_t day)
{
	struct num_day d = num_day_of(period_inside(day, PERIOD_DAY_MAX));

	return (int32_t)((d.year - 1970) * 12 + d.month - 1);
}

int64_t
period_day_end_ms(int32_t day)
{
	return (period_inside(day, PERIOD_DAY_MAX) + 1) * DAY_MS;
}

int64_t
period_month_end_ms(int32_t month)
{
	int32_t next = period_inside(month, PERIOD_MONTH_MAX) + 1;
	struct num_day first = { .year = 1970 + next / 12, .month = next % 12 + 1, .day = 1 };

	return num_days(first) * DAY_MS;
}

void
period_day_text(int32_t day, char out[static PERIOD_DAY_LEN])
{
	char text[NUM_TIME_LEN];

	num_time((int64_t)period_inside(day, PERIOD_DAY_MAX) * DAY_S, text);
	memcpy(out, text, PERIOD_DAY_LEN - 1);
	out[PERIOD_DAY_LEN - 1] = '\0';
}

int
period_day_parse(struct span s, int32_t *out)
{
	int64_t seconds;

	if (s.n != PERIOD_DAY_LEN - 1 || num_date(s, &seconds) < 0 || seconds < 0)
		return -1;
	*out = (int32_t)(seconds / DAY_S);
	return 0;
}
