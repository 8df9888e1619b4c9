/* shown: see shown.h. */
#include "cmd/shown.h"

#include <stdint.h>

#include "base/limits.h"
#include "wire/json.h"

#define NOT_UTF8 UINT32_MAX

/* The first character of a text that is not empty: how many bytes it has, and its number (RFC 3629
 * 3; a form longer than need be is none). */
static size_t
first(struct span s, uint32_t *code)
{
	static const struct {
		unsigned char mask, mark, value;
		uint32_t least;
	} kinds[] = { { 0x80, 0x00, 0x7f, 0 }, { 0xe0, 0xc0, 0x1f, 0x80 },
		{ 0xf0, 0xe0, 0x0f, 0x800 }, { 0xf8, 0xf0, 0x07, 0x10000 } };
	unsigned char lead = (unsigned char)s.p[0];

	*code = NOT_UTF8;
	for (size_t n = 1; n <= sizeof(kinds) / sizeof(*kinds); n++) {
		uint32_t v = lead & kinds[n - 1].value;

		if ((lead & kinds[n - 1].mask) != kinds[n - 1].mark || n > s.n)
			continue;
		for (size_t i = 1; i < n; i++) {
			if (((unsigned char)s.p[i] & 0xc0) != 0x80)
				return 1;
			v = v << 6 | ((unsigned char)s.p[i] & 0x3f);
		}
		if (v < kinds[n - 1].least)
			return 1;
		*code = v;
		return n;
	}
	return 1;
}

static bool
harmless(uint32_t code)
{
	static const struct {
		uint32_t from, to;
	} harmful[] = {
		{ 0x00, 0x1f },
		{ 0x7f, 0x9f }, /* control characters */
		{ 0xad, 0xad },
		{ 0x61c, 0x61c },
		{ 0x200b, 0x200f },
		{ 0x2028, 0x202e },
		{ 0x2060, 0x206f }, /* direction, and what is not seen */
		{ 0xd800, 0xdfff },
		{ 0xfeff, 0xfeff }, /* surrogates, byte order mark */
		{ 0xfff9, 0xfffb },
		{ 0xe0000, 0xe0fff },
		{ 0x110000, NOT_UTF8 },
	};

	for (size_t i = 0; i < sizeof(harmful) / sizeof(*harmful); i++) {
		if (code >= harmful[i].from && code <= harmful[i].to)
			return false;
	}
	return true;
}

static int
put_bytes(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (buf_addf(out, "\\x%02x", (unsigned)(unsigned char)s.p[i]) < 0)
			return -1;
	}
	return 0;
}

int
shown_put(struct buf *out, struct span s)
{
	size_t before = out->len;
	uint32_t code;

	for (size_t at = 0, n; at < s.n; at += n) {
		n = first(span_cut(s, at, s.n), &code);

		struct span one = span_cut(s, at, at + n);

		if (harmless(code) ? buf_add(out, one) == 0 : put_bytes(out, one) == 0)
			continue;
		out->len = before;
		return -1;
	}
	return 0;
}

/* As JSON writes a character beyond the first 65,536, in two halves (RFC 8259 7). */
static int
put_unit(struct buf *out, uint32_t code)
{
	if (code < 0x10000)
		return buf_addf(out, "\\u%04x", code);
	code -= 0x10000;
	return buf_addf(out, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
}

int
shown_put_json(struct buf *out, struct span s)
{
	struct buf quoted = buf_make(LEDGER_LINE_MAX);
	size_t before = out->len;
	int rc = json_put_string(&quoted, s);
	uint32_t code;

	for (size_t at = 0, n; rc == 0 && at < quoted.len; at += n) {
		struct span rest = span_cut(buf_span(&quoted), at, quoted.len);

		n = first(rest, &code);
		rc = harmless(code) ? buf_add(out, span_cut(rest, 0, n)) : put_unit(out, code);
	}
	if (rc < 0)
		out->len = before;
	buf_free(&quoted);
	return rc;
}

size_t
shown_width(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}
