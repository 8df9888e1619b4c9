/* ledger: the line byte for byte, also when what comes from outside is hostile. */
#include "policy/ledger.h"

#include "base/limits.h"
#include "unit/check.h"
#include "wire/json.h"

static void
row_full(struct check *c)
{
	struct buf out = buf_make(LEDGER_LINE_MAX);
	const struct ledger_entry e = {
		.time_ms = INT64_C(1795302891042),
		.request_id = SPAN("req_1"),
		.upstream_request_id = SPAN("req_up"),
		.key = SPAN("7q2m9xwe"),
		.workspace = SPAN("default"),
		.surface = SPAN("messages"),
		.model = SPAN("claude-x"),
		.upstream = SPAN("anthropic"),
		.upstream_model = SPAN("claude-x-1"),
		.status = 200,
		.end = "done",
		.stream = true,
		.usage = { 10, 20, 30, 4, 50 },
		.first_ms = 12,
		.total_ms = 345,
	};

	check_row(c, "a call that went well");
	check_that(c, ledger_format(&e, &out) == 0, "does not fit");
	check_same(c, buf_span(&out),
	    SPAN("{\"time\":\"2026-11-21T23:14:51.042Z\",\"request_id\":\"req_1\","
		 "\"key\":\"7q2m9xwe\",\"workspace\":\"default\",\"surface\":\"messages\","
		 "\"model\":\"claude-x\",\"upstream\":\"anthropic\","
		 "\"upstream_model\":\"claude-x-1\",\"upstream_request_id\":\"req_up\","
		 "\"stream\":true,\"status\":200,\"end\":\"done\",\"input_tokens\":10,"
		 "\"output_tokens\":20,\"cache_creation_input_tokens\":30,"
		 "\"cache_creation_1h_input_tokens\":4,\"cache_read_input_tokens\":50,"
		 "\"first_ms\":12,\"total_ms\":345}\n"));
	buf_free(&out);
}

static void
row_empty(struct check *c)
{
	struct buf out = buf_make(LEDGER_LINE_MAX);
	const struct ledger_entry e = { .end = "no-key", .status = 401, .first_ms = -1 };

	check_row(c, "a call that was refused at the door");
	check_that(c, ledger_format(&e, &out) == 0, "does not fit");
	check_same(c, buf_span(&out),
	    SPAN("{\"time\":\"1970-01-01T00:00:00.000Z\",\"request_id\":null,\"key\":null,"
		 "\"workspace\":null,\"surface\":null,\"model\":null,\"upstream\":null,"
		 "\"upstream_model\":null,\"upstream_request_id\":null,\"stream\":false,"
		 "\"status\":401,\"end\":\"no-key\",\"input_tokens\":0,\"output_tokens\":0,"
		 "\"cache_creation_input_tokens\":0,\"cache_creation_1h_input_tokens\":0,"
		 "\"cache_read_input_tokens\":0,\"first_ms\":null,\"total_ms\":0}\n"));
	buf_free(&out);
}

static void
row_hostile(struct check *c)
{
	static char big[HEADER_VALUE_MAX];
	const struct span s = { big, sizeof(big) };
	const struct ledger_entry e = {
		.request_id = s,
		.upstream_request_id = s,
		.key = s,
		.workspace = s,
		.surface = s,
		.model = s,
		.upstream = s,
		.upstream_model = s,
		.end = "client-gone",
		.usage = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
		.first_ms = INT64_MAX,
		.total_ms = INT64_MAX,
	};
	struct buf out = buf_make(LEDGER_LINE_MAX), small = buf_make(100);
	struct json_fault fault = { .what = "none" };

	check_row(c, "the longest texts of the worst bytes fit, in one line");
	memset(big, 1, sizeof(big));
	check_that(c, ledger_format(&e, &out) == 0, "does not fit");
	check_that(c, out.len > 0 && memchr(out.p, '\n', out.len) == out.p + out.len - 1, "lines");
	check_that(c, json_scan(buf_span(&out), 2, NULL, 0, &fault) == 0, "%s", fault.what);

	check_row(c, "a line that does not fit leaves nothing behind");
	check_that(c, ledger_format(&e, &small) < 0 && small.len == 0, "%zu bytes", small.len);
	buf_free(&out);
	buf_free(&small);
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

	row_full(&c);
	row_empty(&c);
	row_hostile(&c);
	row_name(&c);
	return check_end(&c);
}
