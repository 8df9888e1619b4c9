/* fuzz_bedrock: however a stream of Bedrock's is cut into pieces, its events are the same and it
 * breaks at the same place; every event can be taken out again, read and edited. The first byte of
 * the input chooses the pieces; checksums are put right first. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "framing.h"
#include "fuzz/frames.h"
#include "upstream/bedrock.h"
#include "wire/sse.h"

#define OUT_MAX (1u << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feeds it in pieces. True when it broke. */
static bool
feed(struct span in, size_t step, struct buf *out)
{
	struct framing f;
	bool broken = false;

	framing_init(&f);
	for (size_t at = 0; at < in.n && !broken; at += step) {
		const char *why = NULL;
		size_t to = at + step < in.n ? at + step : in.n;
		int rc;

		broken = framing_feed(&f, &kind_bedrock, span_cut(in, at, to), &why) != 0;
		assert(!broken || why);
		rc = buf_add(out, buf_span(&f.events));
		assert(rc == 0);
	}
	framing_free(&f);
	return broken;
}

/* Takes the events out again as a stream's reader does; nothing may be left between them. */
static void
read_events(struct span text)
{
	struct target target = { .model = SPAN("m") };
	struct turn turn = { .model = "m" };
	struct ask ask = { .target = &target, .turn = &turn };
	struct sse cutter = { 0 };
	struct sse_event ev;

	while (sse_next(&cutter, text, &ev)) {
		struct buf edited = buf_make(OUT_MAX);
		struct event what;

		assert(ev.name.n > 0 && !ev.split);
		kind_bedrock.event(ev.name, ev.data, &what);
		if (kind_bedrock.edit(&ask, &what, ev.data, &edited) == KIND_EDITED)
			assert(edited.len > 0 && !memchr(edited.p, '\n', edited.len));
		buf_free(&edited);
		text = span_cut(text, ev.raw.n, text.n);
	}
	assert(text.n == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = buf_make(OUT_MAX), pieces = buf_make(OUT_MAX);
	struct span in;
	uint8_t *copy;
	bool broken;

	if (size == 0)
		return 0;
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	frames_repair(copy + 1, size - 1);
	in = (struct span){ (const char *)copy + 1, size - 1 };
	broken = feed(in, in.n + 1, &whole);
	assert(broken == feed(in, data[0] % 17 + 1u, &pieces));
	assert(span_eq(buf_span(&whole), buf_span(&pieces)));
	read_events(buf_span(&whole));
	free(copy);
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
