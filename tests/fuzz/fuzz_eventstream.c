/* fuzz_eventstream: however a stream is cut into pieces, its frames are the same and its end is the
 * same; what a frame gives lies in it; what base64 gives can only have come from that text. The
 * first byte of the input chooses the pieces and whether checksums are put right first, without
 * which hardly any input would come further than to the first. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "fuzz/frames.h"
#include "wire/eventstream.h"
#include "wire/json.h"

#define OUT_MAX	   (1u << 22)
#define REPAIR_BIT 0x80u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool
span_inside(struct span inner, struct span outer)
{
	return inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n;
}

/* The only way to write these bytes. */
static void
base64_write(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t x = 0;
		char four[4];

		for (size_t k = 0; k < 3; k++)
			x = x << 8 | (i + k < s.n ? (unsigned char)s.p[i + k] : 0u);
		for (size_t k = 0; k < 4; k++)
			four[k] = i + k > s.n ? '=' : letters[x >> (18 - 6 * k) & 63];

		int rc = buf_add(out, (struct span){ four, sizeof(four) });

		assert(rc == 0);
	}
}

static void
try_bytes(struct span payload)
{
	struct buf bytes = buf_make(OUT_MAX), again = buf_make(OUT_MAX), text = buf_make(OUT_MAX);
	const char *why = NULL;

	if (eventstream_bytes(payload, &bytes, &why) == 0) {
		int rc = json_string(json_find(payload, SPAN("bytes")), &text);

		assert(rc == 0 && !why);
		base64_write(buf_span(&bytes), &again);
		assert(span_eq(buf_span(&text), buf_span(&again)));
	} else {
		assert(why && bytes.len == 0);
	}
	buf_free(&bytes);
	buf_free(&again);
	buf_free(&text);
}

static void
try_frame(struct span text, const struct eventstream_frame *f)
{
	static const struct span names[] = { SPAN(":message-type"), SPAN(":event-type"), SPAN("") };

	assert(f->raw.p == text.p && f->raw.n >= FRAMES_MIN && f->raw.n <= text.n);
	assert(span_inside(f->headers, f->raw) && span_inside(f->payload, f->raw));
	assert(f->headers.n + f->payload.n + FRAMES_MIN == f->raw.n);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct span value = eventstream_string(f, names[i]);

		assert(!value.p || span_inside(value, f->headers));
	}
	try_bytes(f->payload);
}

struct reading {
	size_t start; /* of the first frame that is not whole yet */
	size_t frames;
	const char *why; /* NULL: not broken */
};

/* Takes all whole frames out of the first n bytes of in. */
static void
reading_feed(struct reading *r, struct span in, size_t n)
{
	struct eventstream_frame f;
	int rc = 1;

	while (!r->why && rc == 1) {
		struct span text = span_cut(in, r->start, n);

		rc = eventstream_next(text, &f, &r->why);
		assert((rc == -1) == (r->why != NULL));
		if (rc == 1) {
			try_frame(text, &f);
			r->start += f.raw.n;
			r->frames++;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;

	uint8_t *copy = malloc(size);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (data[0] & REPAIR_BIT)
		frames_repair(copy + 1, size - 1);

	struct span in = { (const char *)copy + 1, size - 1 };
	struct reading whole = { 0 }, pieces = { 0 };
	size_t step = data[0] % 17 + 1u;

	reading_feed(&whole, in, in.n);
	for (size_t n = 0; n < in.n; n += step)
		reading_feed(&pieces, in, n);
	reading_feed(&pieces, in, in.n);
	assert(whole.start == pieces.start && whole.frames == pieces.frames);
	assert(whole.why == pieces.why);
	free(copy);
	return 0;
}
