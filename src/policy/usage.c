/* usage: see usage.h. */
#include "policy/usage.h"

#include "base/limits.h"
#include "wire/json.h"

enum { AT_INPUT, AT_OUTPUT, AT_WRITE, AT_READ, AT_WRITE_SPLIT, AT_COUNT };

/* Sets *count when value is one. */
static void
usage_take(uint64_t *count, struct span value)
{
	uint64_t v;

	if (json_u64(value, TOKENS_MAX, &v) == 0)
		*count = v;
}

void
usage_set(struct usage *u, struct span usage_object)
{
	struct json_member m[AT_COUNT] = {
		[AT_INPUT] = { .name = SPAN("input_tokens") },
		[AT_OUTPUT] = { .name = SPAN("output_tokens") },
		[AT_WRITE] = { .name = SPAN("cache_creation_input_tokens") },
		[AT_READ] = { .name = SPAN("cache_read_input_tokens") },
		[AT_WRITE_SPLIT] = { .name = SPAN("cache_creation") },
	};
	struct json_fault fault;

	if (json_scan(usage_object, JSON_DEPTH_MAX, m, AT_COUNT, &fault) < 0)
		return;
	usage_take(&u->input, m[AT_INPUT].value);
	usage_take(&u->output, m[AT_OUTPUT].value);
	usage_take(&u->cache_write, m[AT_WRITE].value);
	usage_take(&u->cache_read, m[AT_READ].value);
	usage_take(&u->cache_write_1h,
	    json_find(m[AT_WRITE_SPLIT].value, SPAN("ephemeral_1h_input_tokens")));
}

void
usage_metrics(struct usage *u, struct span metrics_object)
{
	const struct {
		struct span name;
		uint64_t *count;
	} rows[] = {
		{ SPAN("inputTokenCount"), &u->input },
		{ SPAN("outputTokenCount"), &u->output },
		{ SPAN("cacheWriteInputTokenCount"), &u->cache_write },
		{ SPAN("cacheReadInputTokenCount"), &u->cache_read },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (*rows[i].count == 0)
			usage_take(rows[i].count, json_find(metrics_object, rows[i].name));
}

bool
usage_none(const struct usage *u)
{
	return u->input == 0 && u->output == 0 && u->cache_write == 0 && u->cache_write_1h == 0 &&
	    u->cache_read == 0;
}
