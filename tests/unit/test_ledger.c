/* ledger: the line byte for byte, also when what comes from outside is hostile, and what is read
 * back from it and from the lines of older and newer versions. */
#include "policy/ledger.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"
#include "policy/quota.h"
#include "unit/check.h"
#include "wire/json.h"

#define TIME  "\"time\":\"2026-11-21T23:14:51.042Z\""
#define END   "\"end\":\"done\""
#define WHOLE TIME "," END

static const struct ledger_entry full = {
	.seq = 17,
	.time_ms = INT64_C(1795302891042),
	.day = 20778,
	.request_id = SPAN("req_1"),
	.upstream_request_id = SPAN("req_up"),
	.tried = SPAN("eu=503, us=up-connect"),
	.key = SPAN("7q2m9xwe"),
	.workspace = SPAN("default"),
	.surface = SPAN("messages"),
	.model = SPAN("claude-x"),
	.routed = true,
	.upstream = SPAN("anthropic"),
	.upstream_model = SPAN("claude-x-1"),
	.status = 200,
	.end = SPAN("up-cut"),
	.stream = true,
	.cut = true,
	.estimated = true,
	.usage = { 10, 20, 30, 4, 50 },
	.cost_nanousd = 1234567890,
	.reserved_tokens = 600,
	.reserved_nanousd = 7,
	.limit = SPAN("workspace tokens"),
	.requests_left = 0,
	.tokens_left = 59400,
	.first_ms = 12,
	.total_ms = 345,
};

#define FULL_LINE                                                                                                                   \
	"{\"seq\":17,\"time\":\"2026-11-21T23:14:51.042Z\",\"day\":\"2026-11-21\","                                                 \
	"\"request_id\":\"req_1\",\"key\":\"7q2m9xwe\",\"workspace\":\"default\","                                                  \
	"\"surface\":\"messages\",\"model\":\"claude-x\",\"routed\":true,"                                                          \
	"\"upstream\":\"anthropic\",\"upstream_model\":\"claude-x-1\","                                                             \
	"\"upstream_request_id\":\"req_up\",\"tried\":\"eu=503, us=up-connect\",\"stream\":true,\"status\":200,\"end\":\"up-cut\"," \
	"\"cut\":true,\"estimated\":true,\"input_tokens\":10,\"output_tokens\":20,"                                                 \
	"\"cache_creation_input_tokens\":30,\"cache_creation_1h_input_tokens\":4,"                                                  \
	"\"cache_read_input_tokens\":50,\"cost_usd\":1.234567890,\"reserved_tokens\":600,"                                          \
	"\"reserved_usd\":0.000000007,\"limit\":\"workspace tokens\",\"requests_left\":0,"                                          \
	"\"tokens_left\":59400,\"first_ms\":12,\"total_ms\":345}\n"

#define EMPTY_LINE                                                                                             \
	"{\"seq\":18446744073709551615,\"time\":\"1970-01-01T00:00:00.000Z\","                                 \
	"\"day\":\"1970-01-01\",\"request_id\":null,\"key\":null,\"workspace\":null,"                          \
	"\"surface\":null,\"model\":null,\"routed\":false,\"upstream\":null,"                                  \
	"\"upstream_model\":null,\"upstream_request_id\":null,\"tried\":null,\"stream\":false,\"status\":401," \
	"\"end\":\"no-key\",\"cut\":false,\"estimated\":false,\"input_tokens\":0,"                             \
	"\"output_tokens\":0,\"cache_creation_input_tokens\":0,"                                               \
	"\"cache_creation_1h_input_tokens\":0,\"cache_read_input_tokens\":0,"                                  \
	"\"cost_usd\":0.000000000,\"reserved_tokens\":0,\"reserved_usd\":0.000000000,"                         \
	"\"limit\":null,\"requests_left\":null,\"tokens_left\":null,\"first_ms\":null,"                        \
	"\"total_ms\":0}\n"

/* The whole line of an entry. */
static int
write_line(const struct ledger_entry *e, struct buf *out)
{
	out->len = 0;
	return ledger_begin(e->seq, out) < 0 || ledger_format(e, out) < 0 ? -1 : 0;
}

/* The line without its newline. */
static struct span
bare(const struct buf *line)
{
	return (struct span){ line->p, line->len > 0 ? line->len - 1 : 0 };
}

/* Fails unless the entry, written again, gives the same line. */
static void
check_again(struct check *c, struct span line)
{
	struct buf text = buf_make(LEDGER_LINE_MAX), again = buf_make(LEDGER_LINE_MAX);
	struct ledger_entry e;

	if (check_that(c, ledger_parse(line, &e, &text) == 0, "it is not read") &&
	    check_that(c, write_line(&e, &again) == 0, "it is not written again"))
		check_same(c, bare(&again), line);
	buf_free(&text);
	buf_free(&again);
}

static void
rows_written(struct check *c)
{
	static const struct ledger_entry empty = { .seq = UINT64_MAX,
		.end = SPAN("no-key"),
		.status = 401,
		.requests_left = -1,
		.tokens_left = -1,
		.first_ms = -1 };
	static const struct {
		const char *what;
		const struct ledger_entry *e;
		struct span want;
	} rows[] = {
		{ "a call with everything", &full, SPAN(FULL_LINE) },
		{ "a call that was refused at the door", &empty, SPAN(EMPTY_LINE) },
	};
	struct buf out = buf_make(LEDGER_LINE_MAX);

	for (size_t i = 0; i < ROWS(rows); i++) {
		check_row(c, "%s", rows[i].what);
		check_that(c, write_line(rows[i].e, &out) == 0, "does not fit");
		check_same(c, buf_span(&out), rows[i].want);
		check_again(c, bare(&out));
	}
	buf_free(&out);
}

static void
row_read(struct check *c)
{
	struct buf text = buf_make(LEDGER_LINE_MAX);
	struct ledger_entry e;

	check_row(c, "every member comes back");
	check_that(c, ledger_parse(SPAN(FULL_LINE), &e, &text) == 0, "it is not read");
	check_that(c, e.seq == full.seq && e.time_ms == full.time_ms && e.day == full.day,
	    "number, time or day");
	check_same(c, e.request_id, full.request_id);
	check_same(c, e.upstream_request_id, full.upstream_request_id);
	check_same(c, e.tried, full.tried);
	check_same(c, e.key, full.key);
	check_same(c, e.workspace, full.workspace);
	check_same(c, e.surface, full.surface);
	check_same(c, e.model, full.model);
	check_same(c, e.upstream, full.upstream);
	check_same(c, e.upstream_model, full.upstream_model);
	check_same(c, e.end, full.end);
	check_same(c, e.limit, full.limit);
	check_that(c, e.routed && e.stream && e.cut && e.estimated, "a flag");
	check_that(c, memcmp(&e.usage, &full.usage, sizeof(e.usage)) == 0, "usage");
	check_that(c, e.status == 200 && e.first_ms == 12 && e.total_ms == 345, "a number");
	check_that(c, e.cost_nanousd == full.cost_nanousd && e.reserved_nanousd == 7, "money");
	check_that(c, e.reserved_tokens == 600 && e.requests_left == 0 && e.tokens_left == 59400,
	    "what is left");
	buf_free(&text);
}

static void
rows_money(struct check *c)
{
	static const struct {
		uint64_t nanousd;
		const char *want;
	} rows[] = {
		{ 0, "0.000000000" },
		{ 1, "0.000000001" },
		{ 999999999, "0.999999999" },
		{ 1000000000, "1.000000000" },
		{ UINT64_C(3000075000), "3.000075000" },
		{ QUOTA_NANOUSD_MAX, "9000000.000000000" },
		{ UINT64_MAX, "18446744073.709551615" },
	};
	struct buf out = buf_make(LEDGER_LINE_MAX), text = buf_make(LEDGER_LINE_MAX);

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct ledger_entry e = { .end = SPAN("done"), .cost_nanousd = rows[i].nanousd };

		check_row(c, "%" PRIu64 " nano-dollars", e.cost_nanousd);
		check_that(c, write_line(&e, &out) == 0, "does not fit");
		check_same(c, json_find(bare(&out), SPAN("cost_usd")), span_of(rows[i].want));
		check_that(c, ledger_parse(bare(&out), &e, &text) == 0, "it is not read");
		check_that(c, e.cost_nanousd == rows[i].nanousd, "%" PRIu64, e.cost_nanousd);
	}
	buf_free(&out);
	buf_free(&text);
}

static void
row_hostile(struct check *c)
{
	static char big[HEADER_VALUE_MAX];
	const struct span s = { big, sizeof(big) };
	const struct ledger_entry e = {
		.seq = UINT64_MAX,
		.request_id = s,
		.upstream_request_id = s,
		.tried = s,
		.key = s,
		.workspace = s,
		.surface = s,
		.model = s,
		.upstream = s,
		.upstream_model = s,
		.end = s,
		.limit = s,
		.status = INT32_MAX,
		.usage = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
		.cost_nanousd = UINT64_MAX,
		.reserved_tokens = UINT64_MAX,
		.reserved_nanousd = UINT64_MAX,
		.requests_left = INT64_MAX,
		.tokens_left = INT64_MAX,
		.first_ms = INT64_MAX,
		.total_ms = INT64_MAX,
	};
	struct buf out = buf_make(LEDGER_LINE_MAX);
	struct json_fault fault = { .what = "none" };

	check_row(c, "the longest texts of the worst bytes fit, in one line");
	memset(big, 1, sizeof(big));
	check_that(c, write_line(&e, &out) == 0, "does not fit");
	check_that(c, out.len > 0 && memchr(out.p, '\n', out.len) == out.p + out.len - 1, "lines");
	check_that(c, json_scan(buf_span(&out), 2, NULL, 0, &fault) == 0, "%s", fault.what);
	check_again(c, bare(&out));
	buf_free(&out);
}

/* What does not fit leaves nothing behind, whatever the room. */
static void
row_no_room(struct check *c)
{
	struct buf line = buf_make(LEDGER_LINE_MAX);

	check_row(c, "a line that does not fit leaves nothing behind");
	check_that(c, ledger_format(&full, &line) == 0, "does not fit at all");
	for (size_t max = 0; max < line.len; max++) {
		struct buf small = buf_make(max);

		check_that(c, ledger_format(&full, &small) < 0 && small.len == 0,
		    "%zu bytes of %zu", small.len, max);
		check_that(
		    c, (ledger_begin(full.seq, &small) == 0) == (max >= 10), "begin in %zu", max);
		check_that(c, small.len == (max >= 10 ? 10 : 0), "%zu bytes of a begin", small.len);
		buf_free(&small);
	}
	buf_free(&line);
}

static void
rows_escaped(struct check *c)
{
	static const struct {
		const char *what;
		struct span model, want;
	} rows[] = {
		{ "quotes and backslashes", SPAN("a\"b\\c"), SPAN("a\"b\\c") },
		{ "control characters", SPAN("a\0\n\x1f"), SPAN("a\0\n\x1f") },
		{ "characters of any length", SPAN("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
		    SPAN("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") },
		{ "bytes that are no UTF-8",
		    SPAN("a\xff"
			 "b"),
		    SPAN("a\xef\xbf\xbd"
			 "b") },
	};
	struct buf out = buf_make(LEDGER_LINE_MAX), text = buf_make(LEDGER_LINE_MAX);

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct ledger_entry e = full;

		check_row(c, "%s there and back", rows[i].what);
		e.model = rows[i].model;
		check_that(c, write_line(&e, &out) == 0, "does not fit");
		check_that(c, ledger_parse(bare(&out), &e, &text) == 0, "it is not read");
		check_same(c, e.model, rows[i].want);
		check_same(c, e.end, full.end);
	}
	buf_free(&out);
	buf_free(&text);
}

/* The line of the version before numbers, as it was written. */
static void
rows_older(struct check *c)
{
	static const char old[] =
	    "{\"time\":\"2026-11-21T23:14:51.042Z\",\"request_id\":\"req_1\",\"key\":\"7q2m9xwe\","
	    "\"workspace\":\"default\",\"surface\":\"messages\",\"model\":\"claude-x\","
	    "\"upstream\":\"anthropic\",\"upstream_model\":\"claude-x-1\","
	    "\"upstream_request_id\":\"req_up\",\"stream\":true,\"status\":200,\"end\":\"done\","
	    "\"input_tokens\":10,\"output_tokens\":20,\"cache_creation_input_tokens\":30,"
	    "\"cache_creation_1h_input_tokens\":4,\"cache_read_input_tokens\":50,"
	    "\"first_ms\":null,\"total_ms\":345}";
	struct buf text = buf_make(LEDGER_LINE_MAX);
	struct ledger_entry e;

	check_row(c, "a line of an older version");
	check_that(c, ledger_parse(span_of(old), &e, &text) == 0, "it is not read");
	check_that(c, e.seq == 0 && e.day == 20778 && e.routed && !e.cut && !e.estimated,
	    "number, day or flags");
	check_that(
	    c, e.cost_nanousd == 0 && e.reserved_nanousd == 0 && e.reserved_tokens == 0, "money");
	check_that(c, e.requests_left == -1 && e.tokens_left == -1 && e.first_ms == -1, "not none");
	check_that(c, e.usage.input == 10 && e.total_ms == 345 && e.limit.n == 0, "the rest");

	check_row(c, "a line of an older version, refused before a model was found");
	check_that(
	    c, ledger_parse(SPAN("{" WHOLE ",\"upstream\":null}"), &e, &text) == 0, "not read");
	check_that(c, !e.routed && e.status == 0 && e.total_ms == -1, "routed");
	buf_free(&text);
}

static const struct {
	const char *what;
	struct span line;
	bool good;
} lines[] = {
	{ "the least", SPAN("{" WHOLE "}"), true },
	{ "blanks around", SPAN(" { " WHOLE " } "), true },
	{ "unknown members", SPAN("{\"new\":{\"a\":[1,{}]}," WHOLE ",\"more\":-1e9}"), true },
	{ "an escaped name", SPAN("{\"\\u0074ime\":\"2026-11-21T23:14:51.042Z\"," END "}"), true },
	{ "an escaped time", SPAN("{\"time\":\"2026-11-21T23:14:51.042\\u005a\"," END "}"), true },
	{ "the largest number", SPAN("{\"seq\":18446744073709551615," WHOLE "}"), true },
	{ "a whole dollar", SPAN("{" WHOLE ",\"cost_usd\":3}"), true },
	{ "no time", SPAN("{" END "}"), false },
	{ "no end", SPAN("{" TIME "}"), false },
	{ "an empty end", SPAN("{" TIME ",\"end\":\"\"}"), false },
	{ "a null end", SPAN("{" TIME ",\"end\":null}"), false },
	{ "a null time", SPAN("{\"time\":null," END "}"), false },
	{ "a time in seconds", SPAN("{\"time\":\"2026-11-21T23:14:51Z\"," END "}"), false },
	{ "a time that is none", SPAN("{\"time\":\"2026-11-31T23:14:51.042Z\"," END "}"), false },
	{ "half a second too much", SPAN("{\"time\":\"2026-11-21T23:14:51.-42Z\"," END "}"),
	    false },
	{ "a day that is none", SPAN("{" WHOLE ",\"day\":\"2026-02-30\"}"), false },
	{ "a number for a day", SPAN("{" WHOLE ",\"day\":20778}"), false },
	{ "a text for a number", SPAN("{\"seq\":\"1\"," WHOLE "}"), false },
	{ "null for a count", SPAN("{" WHOLE ",\"input_tokens\":null}"), false },
	{ "a negative count", SPAN("{" WHOLE ",\"input_tokens\":-1}"), false },
	{ "a count with a point", SPAN("{" WHOLE ",\"input_tokens\":1.0}"), false },
	{ "a number too large", SPAN("{\"seq\":18446744073709551616," WHOLE "}"), false },
	{ "a number for a text", SPAN("{" WHOLE ",\"model\":1}"), false },
	{ "a list for a text", SPAN("{" WHOLE ",\"model\":[\"a\"]}"), false },
	{ "a text for a flag", SPAN("{" WHOLE ",\"cut\":\"true\"}"), false },
	{ "a number for a flag", SPAN("{" WHOLE ",\"cut\":1}"), false },
	{ "a status too large", SPAN("{" WHOLE ",\"status\":2147483648}"), false },
	{ "ten places of a dollar", SPAN("{" WHOLE ",\"cost_usd\":0.0000000001}"), false },
	{ "a power of ten dollars", SPAN("{" WHOLE ",\"cost_usd\":1e1}"), false },
	{ "a debt", SPAN("{" WHOLE ",\"cost_usd\":-1}"), false },
	{ "twice the same", SPAN("{\"seq\":1,\"seq\":1," WHOLE "}"), false },
	{ "twice the same, once escaped", SPAN("{\"seq\":1,\"\\u0073eq\":1," WHOLE "}"), false },
	{ "more behind it", SPAN("{" WHOLE "}{"), false },
	{ "two lines in one", SPAN("{\"seq\":1,\"ti{\"seq\":1," WHOLE "}"), false },
	{ "a list", SPAN("[]"), false },
	{ "zeros", SPAN("\0\0\0\0"), false },
	{ "nothing", SPAN(""), false },
};

static void
rows_lines(struct check *c)
{
	struct buf text = buf_make(LEDGER_LINE_MAX);
	struct ledger_entry e;

	for (size_t i = 0; i < ROWS(lines); i++) {
		bool good = ledger_parse(lines[i].line, &e, &text) == 0;

		check_row(c, "read: %s", lines[i].what);
		check_that(c, good == lines[i].good, "it is %s", good ? "taken" : "refused");
	}
	buf_free(&text);
}

/* At each length the line lies at the end of its own memory, where the sanitizers watch. */
static void
row_parts(struct check *c)
{
	struct buf text = buf_make(LEDGER_LINE_MAX);
	struct ledger_entry e;

	check_row(c, "no part of a line is one");
	for (size_t n = 0; n + 2 < sizeof(FULL_LINE); n++) {
		char *part = malloc(n > 0 ? n : 1);

		if (!part)
			abort();
		memcpy(part, FULL_LINE, n);
		check_that(
		    c, ledger_parse((struct span){ part, n }, &e, &text) < 0, "%zu bytes", n);
		free(part);
	}
	buf_free(&text);

	check_row(c, "a line without room for its texts is refused");
	text = buf_make(sizeof(FULL_LINE) / 2);
	check_that(c, ledger_parse(SPAN(FULL_LINE), &e, &text) < 0, "it is taken");
	buf_free(&text);
}

static void
row_name(struct check *c)
{
	char name[LEDGER_NAME_LEN];

	check_row(c, "a file for each month, by UTC");
	ledger_name(INT64_C(1795302891042), name);
	check_same(c, span_of(name), SPAN("ledger-2026-11.jsonl"));
	ledger_name(INT64_C(1798761599999), name);
	check_same(c, span_of(name), SPAN("ledger-2026-12.jsonl"));
	ledger_name(INT64_C(1798761600000), name);
	check_same(c, span_of(name), SPAN("ledger-2027-01.jsonl"));
}

int
main(void)
{
	struct check c = { .module = "ledger" };

	rows_written(&c);
	row_read(&c);
	rows_money(&c);
	row_hostile(&c);
	row_no_room(&c);
	rows_escaped(&c);
	rows_older(&c);
	rows_lines(&c);
	row_parts(&c);
	row_name(&c);
	return check_end(&c);
}
