/* ledger: see ledger.h. One table says what stands in a line and in which order; a line is written
 * and read by it. It is put together by hand, because it is written for every call. */
#include "policy/ledger.h"

#include <assert.h>
#include <limits.h>
#include <stddef.h>

#include "base/limits.h"
#include "base/num.h"
#include "wire/json.h"

#define USD_PLACES  9u
#define NANOUSD	    1000000000u /* in a dollar */
#define MONTH_LEN   7u		/* "2026-11" */
#define TIME_S_LEN  19u		/* "2026-11-21T23:14:51" */
#define TIME_MS_LEN 24u		/* "2026-11-21T23:14:51.042Z" */

/* How a member is written, and the type that it has in the entry. */
enum form {
	FORM_TIME,  /* int64_t: a text, in milliseconds */
	FORM_DAY,   /* int32_t: a text */
	FORM_TEXT,  /* struct span; null when empty */
	FORM_BOOL,  /* bool */
	FORM_INT,   /* int; a negative one is written as 0 */
	FORM_COUNT, /* uint64_t */
	FORM_USD,   /* uint64_t of nano-dollars: a number with nine places */
	FORM_MAYBE, /* int64_t; null when negative */
};

/* The rows that are needed one by one, and how many there are. */
enum { AT_SEQ, AT_TIME, AT_DAY, AT_ROUTED = 8, AT_END = 15, FIELDS = 31 };

#define FIELD(name, form, member)                                                   \
	{                                                                           \
		SPAN(",\"" name "\":"), form, offsetof(struct ledger_entry, member) \
	}

static const struct field {
	struct span lead; /* the member's name with what stands around it */
	enum form form;
	size_t at; /* in the entry */
} fields[] = {
	[AT_SEQ] = FIELD("seq", FORM_COUNT, seq),
	[AT_TIME] = FIELD("time", FORM_TIME, time_ms),
	[AT_DAY] = FIELD("day", FORM_DAY, day),
	FIELD("request_id", FORM_TEXT, request_id),
	FIELD("key", FORM_TEXT, key),
	FIELD("workspace", FORM_TEXT, workspace),
	FIELD("surface", FORM_TEXT, surface),
	FIELD("model", FORM_TEXT, model),
	[AT_ROUTED] = FIELD("routed", FORM_BOOL, routed),
	FIELD("upstream", FORM_TEXT, upstream),
	FIELD("upstream_model", FORM_TEXT, upstream_model),
	FIELD("upstream_request_id", FORM_TEXT, upstream_request_id),
	FIELD("tried", FORM_TEXT, tried),
	FIELD("stream", FORM_BOOL, stream),
	FIELD("status", FORM_INT, status),
	[AT_END] = FIELD("end", FORM_TEXT, end),
	FIELD("cut", FORM_BOOL, cut),
	FIELD("estimated", FORM_BOOL, estimated),
	FIELD("input_tokens", FORM_COUNT, usage.input),
	FIELD("output_tokens", FORM_COUNT, usage.output),
	FIELD("cache_creation_input_tokens", FORM_COUNT, usage.cache_write),
	FIELD("cache_creation_1h_input_tokens", FORM_COUNT, usage.cache_write_1h),
	FIELD("cache_read_input_tokens", FORM_COUNT, usage.cache_read),
	FIELD("cost_usd", FORM_USD, cost_nanousd),
	FIELD("reserved_tokens", FORM_COUNT, reserved_tokens),
	FIELD("reserved_usd", FORM_USD, reserved_nanousd),
	FIELD("limit", FORM_TEXT, limit),
	FIELD("requests_left", FORM_MAYBE, requests_left),
	FIELD("tokens_left", FORM_MAYBE, tokens_left),
	FIELD("first_ms", FORM_MAYBE, first_ms),
	FIELD("total_ms", FORM_MAYBE, total_ms),
};
static_assert(sizeof(fields) / sizeof(fields[0]) == FIELDS, "every member has its row");

/* Writing. */

static int
put_usd(struct buf *out, uint64_t nanousd)
{
	char text[NUM_U64_LEN + 1];
	char *end = text + sizeof(text);
	char *at = num_digits(end, nanousd % NANOUSD, USD_PLACES);

	*--at = '.';
	at = num_digits(at, nanousd / NANOUSD, 1);
	return buf_add(out, (struct span){ at, (size_t)(end - at) });
}

/* Text from outside is cut, so that no client can make a line that does not fit. */
static int
put_text(struct buf *out, struct span s)
{
	if (s.n == 0)
		return buf_add(out, SPAN("null"));
	return json_put_string(out, span_cut(s, 0, s.n < LEDGER_TEXT_MAX ? s.n : LEDGER_TEXT_MAX));
}

/* A text of ours, in which nothing is to be escaped. */
static int
put_quoted(struct buf *out, const char *text)
{
	if (buf_add(out, SPAN("\"")) < 0 || buf_add(out, span_of(text)) < 0)
		return -1;
	return buf_add(out, SPAN("\""));
}

static int
put_time(struct buf *out, int64_t time_ms)
{
	char text[NUM_TIME_LEN];

	num_time_ms(time_ms, text);
	return put_quoted(out, text);
}

static int
put_day(struct buf *out, int32_t day)
{
	char text[PERIOD_DAY_LEN];

	period_day_text(day, text);
	return put_quoted(out, text);
}

/* One value; at is where it stands in the entry. */
static int
put_value(struct buf *out, enum form form, const void *at)
{
	int64_t maybe;
	int number;

	switch (form) {
	case FORM_TIME:
		return put_time(out, *(const int64_t *)at);
	case FORM_DAY:
		return put_day(out, *(const int32_t *)at);
	case FORM_TEXT:
		return put_text(out, *(const struct span *)at);
	case FORM_BOOL:
		return buf_add(out, *(const bool *)at ? SPAN("true") : SPAN("false"));
	case FORM_INT:
		number = *(const int *)at;
		return buf_add_u64(out, number > 0 ? (uint64_t)number : 0);
	case FORM_COUNT:
		return buf_add_u64(out, *(const uint64_t *)at);
	case FORM_USD:
		return put_usd(out, *(const uint64_t *)at);
	case FORM_MAYBE:
		break;
	}
	maybe = *(const int64_t *)at;
	return maybe >= 0 ? buf_add_u64(out, (uint64_t)maybe) : buf_add(out, SPAN("null"));
}

static int
put_entry(struct buf *out, const struct ledger_entry *e)
{
	for (size_t i = AT_TIME; i < FIELDS; i++) {
		const struct field *f = &fields[i];
		struct span lead = span_cut(f->lead, i == AT_TIME ? 1 : 0, f->lead.n);

		if (buf_add(out, lead) < 0 || put_value(out, f->form, (const char *)e + f->at) < 0)
			return -1;
	}
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

int
ledger_begin(uint64_t seq, struct buf *out)
{
	size_t before = out->len;

	if (buf_add(out, SPAN("{\"seq\":")) == 0 && buf_add_u64(out, seq) == 0 &&
	    buf_add(out, SPAN(",")) == 0)
		return 0;
	out->len = before;
	return -1;
}

/* Reading. */

/* Unescapes a text; null is the empty one. There is room for all texts of the line, so that what
 * was read before stays where it is. */
static int
read_text(struct span value, struct buf *text, struct span *out)
{
	size_t before = text->len;

	*out = (struct span){ NULL, 0 };
	if (json_type(value) == 'z')
		return 0;
	if (json_string(value, text) < 0)
		return -1;
	*out = (struct span){ text->p + before, text->len - before };
	return 0;
}

/* "2026-11-21T23:14:51.042Z". */
static int
read_time(struct span s, int64_t *time_ms)
{
	char whole[TIME_S_LEN + 1];
	int64_t seconds;
	uint64_t ms;

	if (s.n != TIME_MS_LEN || s.p[TIME_S_LEN] != '.' || s.p[TIME_MS_LEN - 1] != 'Z')
		return -1;
	memcpy(whole, s.p, TIME_S_LEN);
	whole[TIME_S_LEN] = 'Z';
	if (num_date((struct span){ whole, sizeof(whole) }, &seconds) < 0 ||
	    num_u64(span_cut(s, TIME_S_LEN + 1, TIME_MS_LEN - 1), 999, &ms) < 0)
		return -1;
	*time_ms = seconds * 1000 + (int64_t)ms;
	return 0;
}

static int
read_int(struct span value, int *out)
{
	uint64_t v;

	if (json_u64(value, INT_MAX, &v) < 0)
		return -1;
	*out = (int)v;
	return 0;
}

static int
read_maybe(struct span value, int64_t *out)
{
	uint64_t v;

	*out = -1;
	if (json_type(value) == 'z')
		return 0;
	if (json_u64(value, INT64_MAX, &v) < 0)
		return -1;
	*out = (int64_t)v;
	return 0;
}

/* One value that is there; at is where it goes in the entry. */
static int
read_value(struct span value, enum form form, void *at, struct buf *text)
{
	struct span s;

	switch (form) {
	case FORM_TIME:
		return read_text(value, text, &s) < 0 ? -1 : read_time(s, at);
	case FORM_DAY:
		return read_text(value, text, &s) < 0 ? -1 : period_day_parse(s, at);
	case FORM_TEXT:
		return read_text(value, text, at);
	case FORM_BOOL:
		return json_bool(value, at);
	case FORM_INT:
		return read_int(value, at);
	case FORM_COUNT:
		return json_u64(value, UINT64_MAX, at);
	case FORM_USD:
		return num_fixed(value, USD_PLACES, at);
	case FORM_MAYBE:
		break;
	}
	return read_maybe(value, at);
}

static int
read_members(struct span line, struct json_member m[static FIELDS])
{
	struct json_fault fault;

	for (size_t i = 0; i < FIELDS; i++) {
		struct span lead = fields[i].lead;

		m[i] = (struct json_member){ .name = span_cut(lead, 2, lead.n - 2) };
	}
	if (json_scan(line, JSON_DEPTH_MAX, m, FIELDS, &fault) < 0)
		return -1;
	for (size_t i = 0; i < FIELDS; i++) {
		if (m[i].seen > 1)
			return -1;
	}
	return m[AT_TIME].value.p && m[AT_END].value.p ? 0 : -1;
}

int
ledger_parse(struct span line, struct ledger_entry *out, struct buf *text)
{
	struct json_member m[FIELDS];
	char *room;

	*out = (struct ledger_entry){ 0 };
	out->requests_left = out->tokens_left = out->first_ms = out->total_ms = -1;
	text->len = 0;
	if (read_members(line, m) < 0 || buf_room(text, line.n, &room) < 0)
		return -1;
	for (size_t i = 0; i < FIELDS; i++) {
		if (m[i].value.p &&
		    read_value(m[i].value, fields[i].form, (char *)out + fields[i].at, text) < 0)
			return -1;
	}
	assert(text->p == room && text->len <= line.n);
	if (!m[AT_DAY].value.p)
		out->day = period_day(out->time_ms);
	if (!m[AT_ROUTED].value.p)
		out->routed = out->upstream.n > 0;
	return out->end.n > 0 ? 0 : -1;
}

void
ledger_name(int64_t time_ms, char out[static LEDGER_NAME_LEN])
{
	static const char before[] = "ledger-", after[] = ".jsonl";
	char time[NUM_TIME_LEN];
	char *at = out;

	static_assert(sizeof(before) - 1 + MONTH_LEN + sizeof(after) <= LEDGER_NAME_LEN,
	    "the name of a file fits");
	num_time_ms(time_ms, time);
	memcpy(at, before, sizeof(before) - 1);
	at += sizeof(before) - 1;
	memcpy(at, time, MONTH_LEN);
	memcpy(at + MONTH_LEN, after, sizeof(after));
}
