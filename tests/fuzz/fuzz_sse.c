/* fuzz_sse: however a stream is cut into pieces, its events are the same and no byte is lost. The
 * first byte of the input chooses the pieces. */
#include <assert.h>
#include <stdint.h>

#include "wire/sse.h"

#define OUT_MAX (1u << 22)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
	struct sse sse;
	size_t start; /* of the first event that is not whole yet */
	struct buf events;
};

static void
reading_add(struct reading *r, struct span s)
{
	int rc = buf_add(&r->events, s);

	assert(rc == 0);
}

static bool
span_inside(struct span inner, struct span outer)
{
	return !inner.p || (inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n);
}

static void
reading_event(struct reading *r, const struct sse_event *ev)
{
	struct buf joined = buf_make(OUT_MAX);
	int rc = sse_join(ev->raw, &joined);

	assert(rc == 0);
	assert(span_inside(ev->name, ev->raw) && span_inside(ev->data, ev->raw));
	assert(ev->split || span_eq(ev->data, buf_span(&joined)));
	assert(ev->data.p || joined.len == 0);
	if (ev->data.p || ev->name.n > 0) {
		reading_add(r, ev->name);
		reading_add(r, ev->data.p ? SPAN("\n:") : SPAN("\n~"));
		reading_add(r, buf_span(&joined));
		reading_add(r, SPAN("\n\n"));
	}
	buf_free(&joined);
}

/* Takes all whole events out of the first n bytes of in. */
static void
reading_feed(struct reading *r, struct span in, size_t n)
{
	struct sse_event ev;

	for (;;) {
		struct span text = span_cut(in, r->start, n);

		if (sse_next(&r->sse, text, &ev) == 0)
			return;
		assert(ev.raw.p == text.p && ev.raw.n > 0 && ev.raw.n <= text.n);
		reading_event(r, &ev);
		r->start += ev.raw.n;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;

	struct span in = { (const char *)data + 1, size - 1 };
	struct reading whole = { .events = buf_make(OUT_MAX) };
	struct reading pieces = { .events = buf_make(OUT_MAX) };
	size_t step = data[0] % 17 + 1u;

	reading_feed(&whole, in, in.n);
	for (size_t n = 0; n < in.n; n += step)
		reading_feed(&pieces, in, n);
	reading_feed(&pieces, in, in.n);
	assert(span_eq(buf_span(&whole.events), buf_span(&pieces.events)));
	assert(whole.start == pieces.start);
	buf_free(&whole.events);
	buf_free(&pieces.events);
	return 0;
}
