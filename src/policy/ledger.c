/* ledger: see ledger.h. The line is put together by hand, because it is written for every call. */
#include "policy/ledger.h"

#include <assert.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/num.h"
#include "wire/json.h"

#define DIGITS_MAX 20 /* of a uint64_t */

/* Appends `"name":` with what stands before it. */
static int
put_name(struct buf *out, const char *name)
{
	if (buf_add(out, SPAN(",\"")) < 0 || buf_add(out, span_of(name)) < 0)
		return -1;
	return buf_add(out, SPAN("\":"));
}

/* Text from outside is cut, so that no client can make a line that does not fit. */
static int
put_text(struct buf *out, const char *name, struct span s)
{
	if (put_name(out, name) < 0)
		return -1;
	if (s.n == 0)
		return buf_add(out, SPAN("null"));
	return json_put_string(out, span_cut(s, 0, s.n < LEDGER_TEXT_MAX ? s.n : LEDGER_TEXT_MAX));
}

static int
put_count(struct buf *out, const char *name, uint64_t v)
{
	char digits[DIGITS_MAX];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	if (put_name(out, name) < 0)
		return -1;
	return buf_add(out, (struct span){ digits + at, sizeof(digits) - at });
}

/* As put_count; a negative number stands for none. */
static int
put_maybe(struct buf *out, const char *name, int64_t v)
{
	if (v >= 0)
		return put_count(out, name, (uint64_t)v);
	if (put_name(out, name) < 0)
		return -1;
	return buf_add(out, SPAN("null"));
}

static int
put_bool(struct buf *out, const char *name, bool v)
{
	if (put_name(out, name) < 0)
		return -1;
	return buf_add(out, v ? SPAN("true") : SPAN("false"));
}

static int
put_time(struct buf *out, int64_t time_ms)
{
	char time[NUM_TIME_LEN];

	num_time_ms(time_ms, time);
	if (buf_add(out, SPAN("{\"time\":\"")) < 0 || buf_add(out, span_of(time)) < 0)
		return -1;
	return buf_add(out, SPAN("\""));
}

static int
put_usage(struct buf *out, const struct usage *u)
{
	if (put_count(out, "input_tokens", u->input) < 0 ||
	    put_count(out, "output_tokens", u->output) < 0 ||
	    put_count(out, "cache_creation_input_tokens", u->cache_write) < 0 ||
	    put_count(out, "cache_creation_1h_input_tokens", u->cache_write_1h) < 0 ||
	    put_count(out, "cache_read_input_tokens", u->cache_read) < 0)
		return -1;
	return 0;
}

static int
put_entry(struct buf *out, const struct ledger_entry *e)
{
	if (put_time(out, e->time_ms) < 0 || put_text(out, "request_id", e->request_id) < 0 ||
	    put_text(out, "key", e->key) < 0 || put_text(out, "workspace", e->workspace) < 0 ||
	    put_text(out, "surface", e->surface) < 0 || put_text(out, "model", e->model) < 0 ||
	    put_text(out, "upstream", e->upstream) < 0 ||
	    put_text(out, "upstream_model", e->upstream_model) < 0 ||
	    put_text(out, "upstream_request_id", e->upstream_request_id) < 0 ||
	    put_bool(out, "stream", e->stream) < 0 || put_maybe(out, "status", e->status) < 0 ||
	    put_text(out, "end", span_of(e->end)) < 0 || put_usage(out, &e->usage) < 0 ||
	    put_maybe(out, "first_ms", e->first_ms) < 0 ||
	    put_maybe(out, "total_ms", e->total_ms) < 0)
		return -1;
	return buf_add(out, SPAN("}\n"));
}

int
ledger_format(const struct ledger_entry *e, struct buf *out)
{
	size_t before = out->len;

	if (put_entry(out, e) == 0)
		return 0;
	out->len = before;
	return -1;
}

void
ledger_name(int64_t time_ms, char out[static LEDGER_NAME_LEN])
{
	char time[NUM_TIME_LEN];

	num_time_ms(time_ms, time);

	int n = snprintf(out, LEDGER_NAME_LEN, "ledger-%.7s.jsonl", time);

	assert(n > 0 && n < LEDGER_NAME_LEN);
}
