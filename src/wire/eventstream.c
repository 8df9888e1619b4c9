/* eventstream: see eventstream.h. A frame is, big-endian:
 *
 *   u32 total, u32 headers, u32 CRC-32 of these eight bytes, headers, payload, u32 CRC-32 of all
 *   before it
 *
 * and a header u8 length, name, u8 type, value. The checksum of the frame goes on from that of its
 * first eight bytes, so that no byte is summed twice. The only home of zlib, for its CRC-32. */
#include "wire/eventstream.h"

#include <assert.h>
#include <stdint.h>
#include <zlib.h>

#include "base/limits.h"
#include "wire/json.h"

#define LENGTHS_LEN  8u
#define PRELUDE_LEN  12u
#define CHECKSUM_LEN 4u

static_assert(EVENTSTREAM_FRAME_MAX ==
	PRELUDE_LEN + EVENTSTREAM_HEADERS_MAX + EVENTSTREAM_PAYLOAD_MAX + CHECKSUM_LEN,
    "a frame is as large as its parts");

enum header_type {
	HEADER_TRUE,
	HEADER_FALSE,
	HEADER_I8,
	HEADER_I16,
	HEADER_I32,
	HEADER_I64,
	HEADER_BYTES,
	HEADER_STRING,
	HEADER_TIMESTAMP,
	HEADER_UUID,
	HEADER_TYPES
};

struct header {
	struct span name;
	struct span value;
	unsigned type;
};

/* How long a value is; bytes and strings have two more in front that tell. */
#define COUNTED	    0xffu
#define COUNTED_LEN 2u

static const uint8_t value_len[] = {
	[HEADER_TRUE] = 0,
	[HEADER_FALSE] = 0,
	[HEADER_I8] = 1,
	[HEADER_I16] = 2,
	[HEADER_I32] = 4,
	[HEADER_I64] = 8,
	[HEADER_BYTES] = COUNTED,
	[HEADER_STRING] = COUNTED,
	[HEADER_TIMESTAMP] = 8,
	[HEADER_UUID] = 16,
};
static_assert(sizeof(value_len) == HEADER_TYPES, "every type has its length");

/* The characters of base64, 64 more than what they stand for, so that no other has that bit. */
#define LETTER 64u

/* clang-format off */
static const uint8_t letters[256] = {
	['A'] = 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76,
		77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89,
	['a'] = 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102,
		103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115,
	['0'] = 116, 117, 118, 119, 120, 121, 122, 123, 124, 125,
	['+'] = 126,
	['/'] = 127,
};
/* clang-format on */

static const char not_base64[] = "what the payload holds is not base64";
static const char no_room[] = "there is no room for what the payload holds";

static int
fail(const char **why, const char *text)
{
	*why = text;
	return -1;
}

static uint32_t
big_endian(const char *p, size_t n)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | (unsigned char)p[i];
	return value;
}

static uint32_t
checksum_add(uint32_t sum, struct span s)
{
	return (uint32_t)crc32_z(sum, (const Bytef *)s.p, s.n);
}

/* Cuts the first n bytes off rest; false when it has less. */
static bool
take(struct span *rest, size_t n, struct span *out)
{
	if (n > rest->n)
		return false;
	*out = span_cut(*rest, 0, n);
	*rest = span_cut(*rest, n, rest->n);
	return true;
}

/* The same for a length of size bytes and as many bytes as it says. */
static bool
take_counted(struct span *rest, size_t size, struct span *out)
{
	struct span length;

	return take(rest, size, &length) && take(rest, big_endian(length.p, size), out);
}

/* Cuts the next header off rest. */
static int
header_take(struct span *rest, struct header *h, const char **why)
{
	struct span type;
	bool whole;

	if (!take_counted(rest, 1, &h->name) || !take(rest, 1, &type))
		return fail(why, "a header is cut short");
	h->type = (unsigned char)type.p[0];
	if (h->type >= HEADER_TYPES)
		return fail(why, "a header has an unknown type");
	if (value_len[h->type] == COUNTED)
		whole = take_counted(rest, COUNTED_LEN, &h->value);
	else
		whole = take(rest, value_len[h->type], &h->value);
	return whole ? 0 : fail(why, "a header is cut short");
}

static int
headers_check(struct span headers, const char **why)
{
	struct header h;

	while (headers.n > 0)
		if (header_take(&headers, &h, why) < 0)
			return -1;
	return 0;
}

struct prelude {
	size_t total;
	size_t headers;
	uint32_t sum; /* of the two lengths */
};

/* Reads the first PRELUDE_LEN bytes of text. */
static int
prelude_read(struct span text, struct prelude *out, const char **why)
{
	size_t total = big_endian(text.p, 4), headers = big_endian(text.p + 4, 4);

	out->total = total;
	out->headers = headers;
	out->sum = checksum_add(0, span_cut(text, 0, LENGTHS_LEN));
	if (out->sum != big_endian(text.p + LENGTHS_LEN, CHECKSUM_LEN))
		return fail(why, "the checksum of a frame's lengths is wrong");
	if (total < PRELUDE_LEN + CHECKSUM_LEN || headers > total - PRELUDE_LEN - CHECKSUM_LEN)
		return fail(why, "a frame's lengths contradict each other");
	if (headers > EVENTSTREAM_HEADERS_MAX)
		return fail(why, "the headers of a frame are too long");
	if (total - PRELUDE_LEN - headers - CHECKSUM_LEN > EVENTSTREAM_PAYLOAD_MAX)
		return fail(why, "the payload of a frame is too long");
	return 0;
}

int
eventstream_next(struct span text, struct eventstream_frame *frame, const char **why)
{
	struct prelude prelude;

	if (text.n < PRELUDE_LEN)
		return 0;
	if (prelude_read(text, &prelude, why) < 0)
		return -1;
	if (text.n < prelude.total)
		return 0;

	size_t end = prelude.total - CHECKSUM_LEN;
	struct span summed = span_cut(text, LENGTHS_LEN, end);

	if (checksum_add(prelude.sum, summed) != big_endian(text.p + end, CHECKSUM_LEN))
		return fail(why, "the checksum of a frame is wrong");
	*frame = (struct eventstream_frame){
		.raw = span_cut(text, 0, prelude.total),
		.headers = span_cut(text, PRELUDE_LEN, PRELUDE_LEN + prelude.headers),
		.payload = span_cut(text, PRELUDE_LEN + prelude.headers, end),
	};
	return headers_check(frame->headers, why) < 0 ? -1 : 1;
}

struct span
eventstream_string(const struct eventstream_frame *frame, struct span name)
{
	const struct span none = { NULL, 0 };
	struct span rest = frame->headers;
	const char *why;
	struct header h;

	while (rest.n > 0 && header_take(&rest, &h, &why) == 0)
		if (span_eq(h.name, name))
			return h.type == HEADER_STRING ? h.value : none;
	return none;
}

/* Base64. */

/* Four characters as 24 bits; *all keeps the bit LETTER only when each of them is one. */
static inline uint32_t
quad_value(const char *p, uint32_t *all)
{
	uint32_t a = letters[(unsigned char)p[0]], b = letters[(unsigned char)p[1]];
	uint32_t c = letters[(unsigned char)p[2]], d = letters[(unsigned char)p[3]];

	*all &= a & b & c & d;
	return (a - LETTER) << 18 | (b - LETTER) << 12 | (c - LETTER) << 6 | (d - LETTER);
}

static size_t
base64_padding(struct span text)
{
	size_t n = 0;

	while (n < 2 && n < text.n && text.p[text.n - 1 - n] == '=')
		n++;
	return n;
}

/* The last four characters, `padding` of which are only there to make them four. */
static int
base64_last(const char *p, size_t padding, char *to)
{
	char four[4] = { p[0], p[1], padding > 1 ? 'A' : p[2], padding > 0 ? 'A' : p[3] };
	uint32_t all = LETTER;
	uint32_t value = quad_value(four, &all);
	uint32_t unused = (1u << 8 * padding) - 1;

	if (!(all & LETTER) || (value & unused) != 0)
		return -1;
	for (size_t i = 0; i < 3 - padding; i++)
		to[i] = (char)(value >> (16 - 8 * i));
	return 0;
}

/* Decodes text, whose length is a multiple of four, to where there is room for it; that may be its
 * own place. */
static int
base64_decode(struct span text, size_t padding, char *to)
{
	uint32_t all = LETTER;
	size_t i = 0;

	for (; i + 4 < text.n; i += 4, to += 3) {
		uint32_t value = quad_value(text.p + i, &all);

		to[0] = (char)(value >> 16);
		to[1] = (char)(value >> 8);
		to[2] = (char)value;
	}
	if (!(all & LETTER))
		return -1;
	return i < text.n ? base64_last(text.p + i, padding, to) : 0;
}

/* Appends what text stands for; it may lie where out has its first free byte. */
static int
base64_add(struct span text, struct buf *out, const char **why)
{
	size_t padding = base64_padding(text);
	char *to;

	if (text.n % 4 != 0)
		return fail(why, not_base64);

	size_t size = text.n / 4 * 3 - padding;

	if (buf_room(out, size, &to) < 0)
		return fail(why, no_room);
	if (base64_decode(text, padding, to) < 0)
		return fail(why, not_base64);
	out->len += size;
	return 0;
}

/* The same of a JSON string with escapes (there are writers that escape `/` or `=`), which are
 * undone in out first; what they leave is then decoded in its own place. */
static int
base64_add_escaped(struct span value, struct buf *out, const char **why)
{
	size_t before = out->len;

	if (json_string(value, out) < 0)
		return fail(why, no_room);

	struct span text = span_cut(buf_span(out), before, out->len);

	out->len = before;
	return base64_add(text, out, why);
}

int
eventstream_bytes(struct span payload, struct buf *out, const char **why)
{
	struct span value = json_find(payload, SPAN("bytes"));

	if (json_type(value) != 's')
		return fail(why, "the payload has no text `bytes`");
	if (memchr(value.p, '\\', value.n))
		return base64_add_escaped(value, out, why);
	return base64_add(span_cut(value, 1, value.n - 1), out, why);
}
