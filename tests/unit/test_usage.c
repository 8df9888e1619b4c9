/* usage: what is there is set, what is absent or null stays, nothing is ever added. */
#include "policy/usage.h"

#include "unit/check.h"
#include "unit/guard.h"

static const struct {
	const char *what, *in;
	struct usage want; /* after it came over { 1, 2, 3, 4, 5 } */
} rows[] = {
	{ "all classes",
	    "{\"input_tokens\":10,\"output_tokens\":20,\"cache_creation_input_tokens\":30,"
	    "\"cache_read_input_tokens\":50,\"cache_creation\":{\"ephemeral_5m_input_tokens\":26,"
	    "\"ephemeral_1h_input_tokens\":4},\"server_tool_use\":{\"output_tokens\":99}}",
	    { 10, 20, 30, 4, 50 } },
	{ "message_delta: output only", "{\"output_tokens\":15}", { 1, 15, 3, 4, 5 } },
	{ "null stays", "{\"input_tokens\":null,\"output_tokens\":7,\"cache_creation\":null}",
	    { 1, 7, 3, 4, 5 } },
	{ "zero is set", "{\"input_tokens\":0,\"cache_read_input_tokens\":0}", { 0, 2, 3, 4, 0 } },
	{ "empty", "{}", { 1, 2, 3, 4, 5 } },
	{ "blanks", " { \"output_tokens\" : 15 } ", { 1, 15, 3, 4, 5 } },
	{ "no counts",
	    "{\"input_tokens\":-1,\"output_tokens\":\"9\",\"cache_read_input_tokens\":1.5,"
	    "\"cache_creation_input_tokens\":99999999999999999999,\"cache_creation\":7}",
	    { 1, 2, 3, 4, 5 } },
	{ "more than can be", "{\"output_tokens\":1000000000001}", { 1, 2, 3, 4, 5 } },
	{ "no object", "[1]", { 1, 2, 3, 4, 5 } },
	{ "broken", "{\"output_tokens\":15", { 1, 2, 3, 4, 5 } },
	{ "nothing", "", { 1, 2, 3, 4, 5 } },
};

/* What Bedrock counted fills in what the events did not tell. */
static const struct {
	const char *what, *in;
	struct usage before, want;
} metrics[] = {
	{ "nothing was told",
	    "{\"inputTokenCount\":3,\"outputTokenCount\":4,\"invocationLatency\":9,"
	    "\"cacheReadInputTokenCount\":5,\"cacheWriteInputTokenCount\":6}",
	    { 0 }, { 3, 4, 6, 0, 5 } },
	{ "all was told",
	    "{\"inputTokenCount\":3,\"outputTokenCount\":4,\"cacheReadInputTokenCount\":5,"
	    "\"cacheWriteInputTokenCount\":6}",
	    { 1, 2, 3, 4, 5 }, { 1, 2, 3, 4, 5 } },
	{ "the output was not", "{\"inputTokenCount\":3,\"outputTokenCount\":4}", { 1, 0, 0, 0, 0 },
	    { 1, 4, 0, 0, 0 } },
	{ "no counts", "{\"inputTokenCount\":\"3\",\"outputTokenCount\":-4}", { 0 }, { 0 } },
	{ "no object", "null", { 0 }, { 0 } },
	{ "nothing", "", { 0 }, { 0 } },
};

static void
rows_metrics(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(metrics); i++) {
		struct usage got = metrics[i].before;

		check_row(c, "metrics: %s", metrics[i].what);
		usage_metrics(&got, guard_put(g, span_of(metrics[i].in)));
		check_that(c, memcmp(&got, &metrics[i].want, sizeof(got)) == 0, "other counts");
	}
}

int
main(void)
{
	struct check c = { .module = "usage" };
	struct guard g = guard_make();
	struct usage none = { 0 };

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct usage got = { 1, 2, 3, 4, 5 };

		check_row(&c, "%s", rows[i].what);
		usage_set(&got, guard_put(&g, span_of(rows[i].in)));
		check_that(&c, got.input == rows[i].want.input, "input");
		check_that(&c, got.output == rows[i].want.output, "output");
		check_that(&c, got.cache_write == rows[i].want.cache_write, "cache write");
		check_that(&c, got.cache_write_1h == rows[i].want.cache_write_1h, "one-hour part");
		check_that(&c, got.cache_read == rows[i].want.cache_read, "cache read");
	}
	check_row(&c, "no usage at all");
	usage_set(&none, (struct span){ NULL, 0 });
	check_that(&c, usage_none(&none), "something was counted");
	none.cache_read = 1;
	check_that(&c, !usage_none(&none), "a cache read is nothing");
	rows_metrics(&c, &g);
	guard_free(&g);
	return check_end(&c);
}
