/* fuzz_json: what the scanner takes json-c takes, too; what it finds lies where it says; a splice
 * changes nothing but what it was asked to; strings survive being written and read again. */
#include <assert.h>
#include <stdint.h>

#define json_bool json_c_bool
#define json_type json_c_type
#include <json-c/json.h>
#undef json_bool
#undef json_type

#include "base/limits.h"
#include "upstream/lastuser.h"
#include "wire/json.h"

#define OUT_MAX (1u << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every value that stands for itself: read, written, read again. */
static void
try_string(struct span value)
{
	struct buf text = buf_make(OUT_MAX), json = buf_make(OUT_MAX), back = buf_make(OUT_MAX);
	int rc = json_string(value, &text);

	assert((rc == 0) == (json_type(value) == 's'));
	if (rc == 0) {
		rc = json_put_string(&json, buf_span(&text));
		assert(rc == 0);
		rc = json_string(buf_span(&json), &back);
		assert(rc == 0 && span_eq(buf_span(&text), buf_span(&back)));
	}
	buf_free(&text);
	buf_free(&json);
	buf_free(&back);
}

/* Puts another value in the place of the member's last one. */
static void
try_splice(struct span text, const struct json_member *m)
{
	const struct span put = SPAN("[\"put\",{}]");
	struct json_edit edit = { (size_t)(m->value.p - text.p), m->value.n, put };
	struct json_member again = { .name = m->name };
	struct buf out = buf_make(OUT_MAX);
	struct json_fault fault;
	int rc = json_splice(text, &edit, 1, &out);
	struct span got = buf_span(&out);
	size_t end = edit.at + edit.cut;

	assert(rc == 0 && got.n == text.n - edit.cut + put.n);
	assert(span_eq(span_cut(got, 0, edit.at), span_cut(text, 0, edit.at)));
	assert(span_eq(span_cut(got, edit.at + put.n, got.n), span_cut(text, end, text.n)));
	rc = json_scan(got, JSON_DEPTH_MAX, &again, 1, &fault);
	assert(rc == 0 && again.seen == m->seen && span_eq(again.value, put));
	buf_free(&out);
}

static void
try_member(struct span text, const struct json_member *m)
{
	struct span first = json_find(text, m->name);

	assert(!first.p == (m->seen == 0));
	assert(!m->value.p == (m->seen == 0));
	if (m->seen == 0)
		return;
	assert(first.p <= m->value.p && (m->seen > 1) == (first.p < m->value.p));
	assert(json_type(m->value) != 0);
	try_string(m->value);
	try_splice(text, m);
}

/* json-c must take a good object. */
static void
try_json_c(struct span text)
{
	struct json_tokener *t = json_tokener_new_ex((int)JSON_DEPTH_MAX);

	json_tokener_set_flags(t, JSON_TOKENER_STRICT);

	struct json_object *tree = json_tokener_parse_ex(t, text.p, (int)text.n);

	assert(tree && json_tokener_get_parse_end(t) == text.n);
	json_object_put(tree);
	json_tokener_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	struct json_member m[] = {
		{ .name = SPAN("model") },
		{ .name = SPAN("stream") },
		{ .name = SPAN("messages") },
		{ .name = SPAN("") },
		{ .name = SPAN("\xf0\x9f\x98\x80") },
	};
	const size_t n = sizeof(m) / sizeof(m[0]);
	struct json_fault fault = { 0 };
	struct buf out = buf_make(OUT_MAX);

	if (json_scan(text, JSON_DEPTH_MAX, m, n, &fault) < 0) {
		assert(fault.at <= size && fault.what);
		(void)json_find(text, m[0].name);

		int rc = lastuser_text(text, &out);

		assert(rc == 0 || out.len == 0);
	} else {
		for (size_t i = 0; i < n; i++)
			try_member(text, &m[i]);
		if (json_scan(text, JSON_DEPTH_MAX - 8, NULL, 0, &fault) == 0)
			try_json_c(text);
	}
	buf_free(&out);
	return 0;
}
