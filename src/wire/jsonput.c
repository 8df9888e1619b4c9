/* jsonput: strings that are written, and texts that are changed; see json.h. */
#include <assert.h>

#include "base/limits.h"
#include "wire/json.h"
#include "wire/jsontext.h"

/* Strings. */

/* The end of the run from p on that goes into a string as it is, whole characters included. */
static const char *
put_run_end(const char *p, const char *end)
{
	for (;;) {
		p = jsontext_plain_end(p, end);
		if (p == end || (unsigned char)*p < 0x80)
			return p;

		size_t n = jsontext_utf8_len(p, end);

		if (n == 0)
			return p;
		p += n;
	}
}

/* One byte that cannot stand for itself. */
static int
put_special(struct buf *out, char c)
{
	static const char digits[] = "0123456789abcdef";
	static const char letters[] = "\"\\bfnrt";
	static const char values[] = "\"\\\b\f\n\r\t";
	unsigned char u = (unsigned char)c;
	const char *at = memchr(values, c, sizeof(values) - 1);

	if (u >= 0x80)
		return buf_add(out, SPAN("\xef\xbf\xbd"));
	if (at) {
		char two[2] = { '\\', letters[at - values] };

		return buf_add(out, (struct span){ two, sizeof(two) });
	}

	char six[6] = { '\\', 'u', '0', '0', digits[u >> 4], digits[u & 15] };

	return buf_add(out, (struct span){ six, sizeof(six) });
}

static int
put_inside(struct buf *out, struct span s)
{
	const char *p = s.p, *end = s.p + s.n;

	while (p < end) {
		const char *run = put_run_end(p, end);

		if (buf_add(out, (struct span){ p, (size_t)(run - p) }) < 0)
			return -1;
		if (run < end && put_special(out, *run++) < 0)
			return -1;
		p = run;
	}
	return 0;
}

int
json_put_string(struct buf *out, struct span s)
{
	size_t before = out->len;

	if (buf_add(out, SPAN("\"")) == 0 && (s.n == 0 || put_inside(out, s) == 0) &&
	    buf_add(out, SPAN("\"")) == 0)
		return 0;
	out->len = before;
	return -1;
}

/* Edits. */

/* The edits must be in order and inside the text: asserts, because it is our code that makes them.
 */
int
json_splice(struct span text, const struct json_edit *edits, size_t n, struct buf *out)
{
	size_t size = text.n, from = 0;
	char *to;

	for (size_t i = 0; i < n; i++) {
		assert(edits[i].at >= from && edits[i].at <= text.n);
		assert(edits[i].cut <= text.n - edits[i].at);
		if (edits[i].put.n > SIZE_MAX - size)
			return -1;
		size = size - edits[i].cut + edits[i].put.n;
		from = edits[i].at + edits[i].cut;
	}
	if (buf_room(out, size, &to) < 0)
		return -1;
	from = 0;
	for (size_t i = 0; i < n; i++) {
		int rc = buf_add(out, span_cut(text, from, edits[i].at));

		rc |= buf_add(out, edits[i].put);
		assert(rc == 0); /* there is room */
		from = edits[i].at + edits[i].cut;
	}
	return buf_add(out, span_cut(text, from, text.n));
}

/* What to cut so that a member is gone: it and the comma before it, or else the one behind. */
static struct json_edit
edit_without(struct span object, const struct json_member *m)
{
	size_t from = (size_t)(m->at - object.p);
	size_t to = (size_t)(m->value.p - object.p) + m->value.n;
	size_t before = from - 1;

	while (object.p[before] != ',' && object.p[before] != '{')
		before--;
	if (object.p[before] == ',') {
		from = before;
	} else {
		while (object.p[to] != ',' && object.p[to] != '}')
			to++;
		to += object.p[to] == ',';
	}
	return (struct json_edit){ from, to - from, { 0 } };
}

int
json_without(struct span object, struct span name, struct buf *out)
{
	struct json_member m = { .name = name };
	struct json_fault fault;
	struct json_edit edit;

	if (json_scan(object, JSON_DEPTH_MAX, &m, 1, &fault))
		return -1;
	if (m.seen != 1) /* twice is none that a server of ours sends */
		return m.seen == 0 ? 0 : -1;
	edit = edit_without(object, &m);
	return json_splice(object, &edit, 1, out) ? -1 : 1;
}
