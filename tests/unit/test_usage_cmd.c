/* usage: what `postern usage` makes of its words, and of the totals of a store: groups, order and
 * the three formats, byte for byte. */
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "cmd/cells.h"
#include "cmd/cmd.h"
#include "cmd/report.h"
#include "cmd/shown.h"
#include "policy/period.h"
#include "unit/check.h"
#include "unit/command.h"
#include "unit/store_rows.h"

static int32_t
day(const char *text)
{
	int32_t d;

	if (period_day_parse(span_of(text), &d) < 0)
		abort();
	return d;
}

/* Words and the range they mean, on 2026-11-22. */
static const struct {
	const char *what, *since, *until;
	const char *first, *last; /* NULL: refused */
} ranges[] = {
	{ "this month up to today", NULL, NULL, "2026-11-01", "2026-11-22" },
	{ "both days are in it", "2026-10-05", "2026-10-06", "2026-10-05", "2026-10-06" },
	{ "one day", "2026-10-05", "2026-10-05", "2026-10-05", "2026-10-05" },
	{ "since alone goes up to today", "2026-10-05", NULL, "2026-10-05", "2026-11-22" },
	{ "until alone begins with its month", NULL, "2026-10-06", "2026-10-01", "2026-10-06" },
	{ "the last of a month", NULL, "2026-10-31", "2026-10-01", "2026-10-31" },
	{ "the first of a month", NULL, "2026-11-01", "2026-11-01", "2026-11-01" },
	{ "a leap day", "2028-02-29", "2028-02-29", "2028-02-29", "2028-02-29" },
	{ "days back", "7d", NULL, "2026-11-15", "2026-11-22" },
	{ "days back, over a month's end", "30d", "22d", "2026-10-23", "2026-10-31" },
	{ "no day back", "0d", "0d", "2026-11-22", "2026-11-22" },
	{ "more days back than there are", "36500d", NULL, "1970-01-01", "2026-11-22" },
	{ "days to come", "2026-11-22", "2027-01-01", "2026-11-22", "2027-01-01" },
	{ "the first month of all", NULL, "1970-01-31", "1970-01-01", "1970-01-31" },
	{ "the wrong way round", "2026-10-06", "2026-10-05", NULL, NULL },
	{ "since tomorrow", "2026-11-23", NULL, NULL, NULL },
	{ "no such day", "2026-02-29", NULL, NULL, NULL },
	{ "a day with a time", "2026-11-01T00:00:00Z", NULL, NULL, NULL },
	{ "a month", "2026-11", NULL, NULL, NULL },
	{ "an unknown unit", "7w", NULL, NULL, NULL },
	{ "no number", "d", NULL, NULL, NULL },
	{ "a sign", "-7d", NULL, NULL, NULL },
	{ "far too many days", NULL, "99999999999999999999d", NULL, NULL },
	{ "nothing", "", NULL, NULL, NULL },
};

static void
test_ranges(struct check *t)
{
	for (size_t i = 0; i < ROWS(ranges); i++) {
		struct report_words words = { .since = ranges[i].since, .until = ranges[i].until };
		struct report_ask ask;
		int rc = report_ask(&words, day("2026-11-22"), &ask);

		check_row(t, "range: %s", ranges[i].what);
		if (!check_that(t, rc == (ranges[i].first ? 0 : -1), "%d", rc) || rc < 0)
			continue;
		check_that(t, ask.range.first == day(ranges[i].first), "first %d", ask.range.first);
		check_that(t, ask.range.last == day(ranges[i].last), "last %d", ask.range.last);
	}
}

static const struct {
	const char *what, *by, *format;
} refused[] = {
	{ "an unknown member", "workspace,color", NULL },
	{ "a member twice", "day,model,day", NULL },
	{ "no member", "", NULL },
	{ "an empty member", "day,", NULL },
	{ "the beginning of a member", "work", NULL },
	{ "an unknown format", NULL, "xml" },
	{ "the beginning of a format", NULL, "js" },
};

static void
test_refused(struct check *t)
{
	for (size_t i = 0; i < ROWS(refused); i++) {
		struct report_words words = { .by = refused[i].by, .format = refused[i].format };
		struct report_ask ask;

		check_row(t, "refused: %s", refused[i].what);
		check_that(t, report_ask(&words, 20000, &ask) < 0, "it was taken");
	}
}

/* Prints a report of the store; -1 when it cannot be made. */
static int
print(struct store_rows *s, const struct report_words *words, struct buf *out)
{
	struct report_ask ask;
	struct report r;
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);
	int rc;

	if (!to || report_ask(words, day("2026-11-22"), &ask) < 0)
		abort();
	rc = report_gather(&r, &ask, &s->store);
	if (rc == 0)
		rc = report_print(&r, to);
	report_clear(&r);
	(void)fclose(to);
	buf_reset(out, MIB);
	if (buf_add(out, (struct span){ text, n }) < 0)
		abort();
	free(text);
	return rc;
}

#define DAY_1  20758 /* 2026-11-01 */
#define DAY_21 20778
#define DAY_22 20779

static const struct store_rows_row some[] = {
	{ 20757, "before", "k", "m", { .calls = 9 } },
	{ DAY_1, "web", "k1", "claude-haiku-4-5",
	    { 3, 1, 1, 100, 20, 50, 20, 7, UINT64_C(1234567891) } },
	{ DAY_22, "web", "k2", "claude-haiku-4-5", { 1, 0, 0, 11, 2, 0, 0, 0, 50000 } },
	{ DAY_22, "api", "k9", "-", { 2, 2, 0, 0, 0, 0, 0, 0, 0 } },
	{ DAY_21, "web", "k1", "claude-opus-4-1", { 1, 0, 0, 5, 6, 0, 0, 0, UINT64_C(49999) } },
	{ 20780, "after", "k", "m", { .calls = 9 } },
};

static const struct {
	const char *what, *by, *format, *printed;
} printed[] = {
	{ "a table by workspace and model, when nothing is said", NULL, NULL,
	    "WORKSPACE  MODEL             CALLS  ERRORS  CUT  INPUT  OUTPUT  WRITE-5M  WRITE-1H  READ  COST-USD\n"
	    "api        -                     2       2    0      0       0         0         0     0    0.0000\n"
	    "web        claude-haiku-4-5      4       1    1    111      22        30        20     7    1.2346\n"
	    "web        claude-opus-4-1       1       0    0      5       6         0         0     0    0.0000\n"
	    "total                            7       3    1    116      28        30        20     7    1.2347\n" },
	{ "a table by day", "day", "table",
	    "DAY         CALLS  ERRORS  CUT  INPUT  OUTPUT  WRITE-5M  WRITE-1H  READ  COST-USD\n"
	    "2026-11-01      3       1    1    100      20        30        20     7    1.2346\n"
	    "2026-11-21      1       0    0      5       6         0         0     0    0.0000\n"
	    "2026-11-22      3       2    0     11       2         0         0     0    0.0001\n"
	    "total           7       3    1    116      28        30        20     7    1.2347\n" },
	{ "csv, exact and without a total", "model,workspace", "csv",
	    "model,workspace,calls,errors,cut,input_tokens,output_tokens,cache_write_5m_tokens,"
	    "cache_write_1h_tokens,cache_read_tokens,cost_usd\n"
	    "-,api,2,2,0,0,0,0,0,0,0.000000000\n"
	    "claude-haiku-4-5,web,4,1,1,111,22,30,20,7,1.234617891\n"
	    "claude-opus-4-1,web,1,0,0,5,6,0,0,0,0.000049999\n" },
	{ "json", "key,day", "json",
	    "{\"since\":\"2026-11-01\",\"until\":\"2026-11-22\",\"by\":[\"key\",\"day\"],\"rows\":[\n"
	    "{\"key\":\"k1\",\"day\":\"2026-11-01\",\"calls\":3,\"errors\":1,\"cut\":1,\"input_tokens\":100,"
	    "\"output_tokens\":20,\"cache_write_5m_tokens\":30,\"cache_write_1h_tokens\":20,"
	    "\"cache_read_tokens\":7,\"cost_usd\":1.234567891},\n"
	    "{\"key\":\"k1\",\"day\":\"2026-11-21\",\"calls\":1,\"errors\":0,\"cut\":0,\"input_tokens\":5,"
	    "\"output_tokens\":6,\"cache_write_5m_tokens\":0,\"cache_write_1h_tokens\":0,"
	    "\"cache_read_tokens\":0,\"cost_usd\":0.000049999},\n"
	    "{\"key\":\"k2\",\"day\":\"2026-11-22\",\"calls\":1,\"errors\":0,\"cut\":0,\"input_tokens\":11,"
	    "\"output_tokens\":2,\"cache_write_5m_tokens\":0,\"cache_write_1h_tokens\":0,"
	    "\"cache_read_tokens\":0,\"cost_usd\":0.000050000},\n"
	    "{\"key\":\"k9\",\"day\":\"2026-11-22\",\"calls\":2,\"errors\":2,\"cut\":0,\"input_tokens\":0,"
	    "\"output_tokens\":0,\"cache_write_5m_tokens\":0,\"cache_write_1h_tokens\":0,"
	    "\"cache_read_tokens\":0,\"cost_usd\":0.000000000}\n"
	    "],\"total\":{\"calls\":7,\"errors\":3,\"cut\":1,\"input_tokens\":116,\"output_tokens\":28,"
	    "\"cache_write_5m_tokens\":30,\"cache_write_1h_tokens\":20,\"cache_read_tokens\":7,"
	    "\"cost_usd\":1.234667890}}\n" },
};

/* The same with nothing in the totals. */
static const struct {
	const char *format, *printed;
} nothing[] = {
	{ "table",
	    "KEY    CALLS  ERRORS  CUT  INPUT  OUTPUT  WRITE-5M  WRITE-1H  READ  COST-USD\n"
	    "total      0       0    0      0       0         0         0     0    0.0000\n" },
	{ "csv",
	    "key,calls,errors,cut,input_tokens,output_tokens,cache_write_5m_tokens,"
	    "cache_write_1h_tokens,cache_read_tokens,cost_usd\n" },
	{ "json",
	    "{\"since\":\"2026-11-01\",\"until\":\"2026-11-22\",\"by\":[\"key\"],\"rows\":[],\"total\":{"
	    "\"calls\":0,\"errors\":0,\"cut\":0,\"input_tokens\":0,\"output_tokens\":0,"
	    "\"cache_write_5m_tokens\":0,\"cache_write_1h_tokens\":0,\"cache_read_tokens\":0,"
	    "\"cost_usd\":0.000000000}}\n" },
};

static void
test_printed(struct check *t, struct buf *out)
{
	struct store_rows s = store_rows_make(some, ROWS(some), 0);

	for (size_t i = 0; i < ROWS(printed); i++) {
		struct report_words words = { .by = printed[i].by, .format = printed[i].format };

		check_row(t, "print: %s", printed[i].what);
		check_that(t, print(&s, &words, out) == 0, "it failed");
		check_same(t, buf_span(out), span_of(printed[i].printed));
	}
	s.n = 0;
	for (size_t i = 0; i < ROWS(nothing); i++) {
		struct report_words words = { .by = "key", .format = nothing[i].format };

		check_row(t, "print: nothing as %s", nothing[i].format);
		check_that(t, print(&s, &words, out) == 0, "it failed");
		check_same(t, buf_span(out), span_of(nothing[i].printed));
	}
	s.answers = STORE_BROKEN;
	check_row(t, "print: nothing of a store that cannot be read");
	check_that(t, print(&s, &(struct report_words){ 0 }, out) < 0 && out->len == 0, "%.*s",
	    (int)out->len, out->len ? out->p : "");
}

/* Names as a client could make them up, and what stands for each in a table, in csv, in json. */
static const struct {
	const char *what, *model, *table, *csv, *json;
} names[] = {
	{ "a plain name", "claude-3", "claude-3", "claude-3", "\"claude-3\"" },
	{ "other alphabets", "m\xc3\xbcller-\xe6\xa8\xa1", "m\xc3\xbcller-\xe6\xa8\xa1",
	    "m\xc3\xbcller-\xe6\xa8\xa1", "\"m\xc3\xbcller-\xe6\xa8\xa1\"" },
	{ "an escape sequence", "a\x1b[2Jb", "a\\x1b[2Jb", "a\\x1b[2Jb", "\"a\\u001b[2Jb\"" },
	{ "a line end", "a\nb\r", "a\\x0ab\\x0d", "a\\x0ab\\x0d", "\"a\\nb\\r\"" },
	{ "delete", "a\x7f", "a\\x7f", "a\\x7f", "\"a\\u007f\"" },
	{ "a control character of two bytes", "\xc2\x9b", "\\xc2\\x9b", "\\xc2\\x9b",
	    "\"\\u009b\"" },
	{ "a mark of direction", "a\xe2\x80\x8f", "a\\xe2\\x80\\x8f", "a\\xe2\\x80\\x8f",
	    "\"a\\u200f\"" },
	{ "an invisible tag", "a\xf3\xa0\x81\x81", "a\\xf3\\xa0\\x81\\x81", "a\\xf3\\xa0\\x81\\x81",
	    "\"a\\udb40\\udc41\"" },
	{ "no UTF-8", "a\xff", "a\\xff", "a\\xff", "\"a\xef\xbf\xbd\"" },
	{ "a character cut short", "a\xe2\x80", "a\\xe2\\x80", "a\\xe2\\x80", NULL },
	{ "an overlong line end", "\xc0\x8a", "\\xc0\\x8a", "\\xc0\\x8a", NULL },
	{ "a comma", "a,b", "a,b", "\"a,b\"", "\"a,b\"" },
	{ "a quote", "a\"b", "a\"b", "\"a\"\"b\"", "\"a\\\"b\"" },
	{ "a formula", "=1+1", "=1+1", "'=1+1", "\"=1+1\"" },
	{ "a formula with a comma", "@SUM(1,\"2\")", "@SUM(1,\"2\")", "\"'@SUM(1,\"\"2\"\")\"",
	    "\"@SUM(1,\\\"2\\\")\"" },
	{ "a plus", "+1", "+1", "'+1", "\"+1\"" },
	{ "a minus", "-1", "-1", "'-1", "\"-1\"" },
	{ "no model", "-", "-", "-", "\"-\"" },
};

/* The text between the first newline and what follows the cell. */
static struct span
cell(const struct buf *out, const char *before, const char *after)
{
	const char *from = strstr(out->p, before);
	const char *to = from ? strstr(from + strlen(before), after) : NULL;

	if (!to)
		return SPAN("(no cell)");
	from += strlen(before);
	return (struct span){ from, (size_t)(to - from) };
}

static void
print_name(struct check *t, size_t i, const char *format, struct buf *out)
{
	struct store_rows_row row = { DAY_22, "w", "k", names[i].model, { .calls = 77 } };
	struct store_rows s = store_rows_make(&row, 1, 0);
	struct report_words words = { .by = "model", .format = format };

	check_row(t, "name: %s as %s", names[i].what, format);
	check_that(t, print(&s, &words, out) == 0, "it failed");
	if (!buf_str(out))
		abort();
}

static void
test_names(struct check *t, struct buf *out)
{
	for (size_t i = 0; i < ROWS(names); i++) {
		print_name(t, i, "table", out);
		check_same(t, span_trim(cell(out, "\n", "   77 ")), span_of(names[i].table));
		print_name(t, i, "csv", out);
		check_same(t, cell(out, "\n", ",77,"), span_of(names[i].csv));
		print_name(t, i, "json", out);
		if (names[i].json)
			check_same(
			    t, cell(out, "\"model\":", ",\"calls\""), span_of(names[i].json));
		else
			check_that(t, strstr(out->p, "\xef\xbf\xbd"), "%s", out->p);
	}
}

static const struct {
	const char *what;
	uint64_t nanousd;
	const char *rounded, *exact;
} costs[] = {
	{ "nothing", 0, "0.0000", "0.000000000" },
	{ "less than half of the last place", 49999, "0.0000", "0.000049999" },
	{ "half of it", 50000, "0.0001", "0.000050000" },
	{ "up to the next dollar", 999950000, "1.0000", "0.999950000" },
	{ "all there is", UINT64_MAX, "18446744073.7096", "18446744073.709551615" },
};

static void
test_costs(struct check *t, struct buf *out)
{
	for (size_t i = 0; i < ROWS(costs); i++) {
		struct tally one = { .nanousd = costs[i].nanousd };
		const struct cells_sum *cost = &cells_sums[CELLS_SUMS - 1];

		check_row(t, "cost: %s", costs[i].what);
		buf_reset(out, MIB);
		check_that(t, cells_put_sum(out, cost, &one, 4) == 0, "no room");
		check_same(t, buf_span(out), span_of(costs[i].rounded));
		buf_reset(out, MIB);
		check_that(t, cells_put_sum(out, cost, &one, 9) == 0, "no room");
		check_same(t, buf_span(out), span_of(costs[i].exact));
	}
	check_row(t, "cost: more writes for an hour than writes at all");
	buf_reset(out, MIB);
	check_that(t,
	    cells_put_sum(out, &cells_sums[5], &(struct tally){ .cache_write_1h = 5 }, 4) == 0,
	    "no room");
	check_same(t, buf_span(out), SPAN("0"));
}

#define MANY 2048
#define FEW  4 /* of the texts, so that combinations come again */

/* Rows in no order, each combination of members several times. */
static struct store_rows_row *
make_many(void)
{
	static const char *const texts[] = { "a", "ab", "b", "", "B", "\xc3\xa4", "a-" };
	struct store_rows_row *rows = calloc(MANY, sizeof(*rows));
	uint64_t random = 20261122;

	for (size_t i = 0; rows && i < MANY; i++)
		rows[i] = (struct store_rows_row){ DAY_1 + (int32_t)check_pick(&random, 5),
			texts[check_pick(&random, ROWS(texts))], texts[check_pick(&random, FEW)],
			texts[check_pick(&random, FEW)], { .calls = i } };
	return rows;
}

/* Whether the row is one of the group's. */
static bool
belongs(const struct store_rows_row *r, const struct tally_row *group, const struct sums_by *by)
{
	struct tally_row row = { r->day, span_of(r->workspace), span_of(r->key),
		span_of(r->model) };

	return sums_compare(&row, group, by) == 0;
}

static void
check_groups(struct check *t, const struct report *r, const struct store_rows_row *rows)
{
	uint64_t all = 0;

	for (size_t i = 0; i < r->sums.n; i++) {
		const struct sums_row *group = r->sums.slots[i];
		uint64_t calls = 0;

		for (size_t k = 0; k < MANY; k++)
			calls +=
			    belongs(&rows[k], &group->row, &r->ask.by) ? rows[k].tally.calls : 0;
		all += calls;
		check_that(t, group->tally.calls == calls, "group %zu is wrong", i);
		if (i > 0)
			check_that(t,
			    sums_compare(&r->sums.slots[i - 1]->row, &group->row, &r->ask.by) < 0,
			    "group %zu is not above the one before it", i);
	}
	check_that(t, r->total.calls == all && all == (uint64_t)MANY * (MANY - 1) / 2, "%llu calls",
	    (unsigned long long)all);
}

/* The n-th list of members, counted in base 5 with 0 for none; false when it is none. */
static bool
nth_by(unsigned n, char by[static 64])
{
	unsigned used = 0;
	size_t len = 0;

	for (; n > 0; n /= 5) {
		unsigned member = n % 5;

		if (member == 0 || (used & 1u << member))
			return false;
		used |= 1u << member;
		len += (size_t)snprintf(
		    by + len, 64 - len, "%s%s", len ? "," : "", cells_members[member - 1]);
	}
	return len > 0;
}

static void
test_groups(struct check *t)
{
	struct store_rows_row *rows = make_many();
	struct store_rows s = store_rows_make(rows, MANY, 0);
	unsigned lists = 0;
	char by[64];

	if (!rows)
		abort();
	for (unsigned n = 0; n < 5 * 5 * 5 * 5; n++) {
		struct report_words words = { .by = by };
		struct report_ask ask;
		struct report r;

		if (!nth_by(n, by))
			continue;
		lists++;
		check_row(t, "group: by %s", by);
		if (!check_that(t, report_ask(&words, DAY_22, &ask) == 0, "refused"))
			continue;
		check_that(t, report_gather(&r, &ask, &s.store) == 0, "it failed");
		check_groups(t, &r, rows);
		report_clear(&r);
	}
	check_row(t, "group: by every list of members");
	check_that(t, lists == 64, "%u lists", lists);
	free(rows);
}

/* So many groups that the table grows over and over. */
static void
test_growth(struct check *t)
{
	struct sums s = sums_make(&(struct sums_by){ { SUMS_MODEL, SUMS_DAY }, 2 }, 1);
	bool good = true;
	char model[16];

	for (uint64_t i = 0; i < 200000; i++) {
		struct tally_row row = { (int32_t)(i % 7), SPAN("w"), SPAN("k"), SPAN("") };
		struct tally *sum;

		(void)snprintf(model, sizeof(model), "m%llu", (unsigned long long)(i % 50000));
		row.model = span_of(model);
		sum = sums_at(&s, &row);
		if (!sum)
			abort();
		sum->calls++;
	}
	sums_sort(&s);
	for (size_t i = 0; i < s.n; i++)
		good &= s.slots[i]->tally.calls == 1;
	check_row(t, "group: hundreds of thousands of rows");
	check_that(t, s.n == 200000 && good, "%zu rows", s.n);
	sums_free(&s);
}

static const struct {
	const char *what;
	const char *line;
	int status;
	const char *said;
} commands[] = {
	{ "an unknown option", "usage --color red", 2, "usage: postern usage" },
	{ "a word too many", "usage all", 2, "usage: postern usage" },
	{ "an option without its value", "usage --since", 2, "usage: postern usage" },
	{ "a day that is none", "usage --since soon", 2,
	    "postern usage: --since soon: takes a day such as 2026-11-01, or 7d for seven days ago" },
	{ "an unknown member", "usage --by color", 2,
	    "postern usage: --by color: takes key, workspace, model and day" },
	{ "an unknown format", "usage --format=xml", 2,
	    "postern usage: --format xml: takes table, csv or json" },
	{ "days the wrong way round", "usage --since=2026-11-02 --until=2026-11-01", 2,
	    "postern usage: 2026-11-02 lies after 2026-11-01" },
	{ "no configuration", "usage --config /nowhere/postern.conf", 1,
	    "/nowhere/postern.conf: cannot be read: No such file" },
};

static void
test_commands(struct check *t, struct buf *err)
{
	char path[] = "/tmp/test_usage_cmd.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		abort();
	for (size_t i = 0; i < ROWS(commands); i++) {
		int status = command_run(cmd_usage, commands[i].line, "/dev/null", path);

		buf_reset(err, MIB);
		if (file_read(path, err) < 0 || !buf_str(err))
			abort();
		check_row(t, "command: %s", commands[i].what);
		check_that(t, status == commands[i].status, "status %d", status);
		check_that(t, strstr(err->p, commands[i].said), "it said %s", err->p);
	}
	(void)close(fd);
	(void)unlink(path);
}

int
main(void)
{
	struct check t = { .module = "usage_cmd" };
	struct buf out = buf_make(MIB);

	test_ranges(&t);
	test_refused(&t);
	test_printed(&t, &out);
	test_names(&t, &out);
	test_costs(&t, &out);
	test_groups(&t);
	test_growth(&t);
	test_commands(&t, &out);
	buf_free(&out);
	return check_end(&t);
}
