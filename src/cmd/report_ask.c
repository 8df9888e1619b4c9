/* report_ask: the words of `postern usage` and what they mean. */
#include <string.h>

#include "base/num.h"
#include "cmd/cells.h"
#include "cmd/report.h"
#include "policy/period.h"

#define BY_DEFAULT     "workspace,model"
#define FORMAT_DEFAULT "table"
#define DAYS_MAX       36500u

static int
complain(const char *option, const char *word, const char *why)
{
	(void)fprintf(stderr, "postern usage: --%s %s: %s\n", option, word, why);
	return -1;
}

static enum sums_member
member_of(struct span name)
{
	size_t i = 0;

	while (i < SUMS_MEMBERS && !span_eq(name, span_of(cells_members[i])))
		i++;
	return (enum sums_member)i;
}

static bool
has(const struct sums_by *by, enum sums_member member)
{
	for (size_t i = 0; i < by->n; i++) {
		if (by->member[i] == member)
			return true;
	}
	return false;
}

static int
read_by(const char *word, struct sums_by *out)
{
	struct span rest = span_of(word);
	struct span name;

	out->n = 0;
	while (span_next(&rest, ',', &name)) {
		enum sums_member member = member_of(name);

		if (member == SUMS_MEMBERS)
			return complain("by", word,
			    "takes key, workspace, model and day, with commas between them");
		if (has(out, member))
			return complain("by", word, "names the same twice");
		out->member[out->n++] = member;
	}
	return 0;
}

/* A date, or so many days back from today. */
static int
read_day(const char *option, const char *word, int32_t today, int32_t *out)
{
	struct span s = span_of(word);
	uint64_t back;

	if (s.n > 1 && s.p[s.n - 1] == 'd' &&
	    num_u64(span_cut(s, 0, s.n - 1), DAYS_MAX, &back) == 0) {
		*out = back < (uint64_t)today ? today - (int32_t)back : 0;
		return 0;
	}
	if (period_day_parse(s, out) < 0)
		return complain(
		    option, word, "takes a day such as 2026-11-01, or 7d for seven days ago");
	return 0;
}

static int32_t
month_begin(int32_t day)
{
	int32_t month = period_month(day);

	return month > 0 ? period_day(period_month_end_ms(month - 1)) : 0;
}

static int
read_range(const struct report_words *w, int32_t today, struct store_range *out)
{
	char first[PERIOD_DAY_LEN], last[PERIOD_DAY_LEN];

	out->last = today;
	if (w->until && read_day("until", w->until, today, &out->last) < 0)
		return -1;
	out->first = month_begin(out->last);
	if (w->since && read_day("since", w->since, today, &out->first) < 0)
		return -1;
	if (out->first <= out->last)
		return 0;
	period_day_text(out->first, first);
	period_day_text(out->last, last);
	(void)fprintf(
	    stderr, "postern usage: %s lies after %s: no day is in that range\n", first, last);
	return -1;
}

int
report_ask(const struct report_words *words, int32_t today, struct report_ask *out)
{
	const char *format = words->format ? words->format : FORMAT_DEFAULT;

	if (read_by(words->by ? words->by : BY_DEFAULT, &out->by) < 0 ||
	    read_range(words, today, &out->range) < 0)
		return -1;
	out->format = report_format(format);
	if (!out->format)
		return complain("format", format, "takes table, csv or json");
	return 0;
}
