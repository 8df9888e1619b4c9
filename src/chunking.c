/* chunking: see the header. Chunks that are whole in the bytes are read where they lie; only the
 * beginning of one is kept. */
#include "chunking.h"

#include "base/limits.h"

void
chunking_init(struct chunking *c)
{
	*c = (struct chunking){ .tail = buf_make(EVENT_MAX + HOLD_KEEP),
		.joined = buf_make(EVENT_MAX),
		.events = buf_make(2 * EVENT_MAX) };
}

void
chunking_begin(struct chunking *c, const struct ask *ask)
{
	chunking_reset(c);
	c->sse = (struct sse){ 0 };
	chatstream_begin(&c->chat, ask);
}

static int
take(struct chunking *c, const struct sse_event *ev, const char **why)
{
	struct span data = ev->data;

	if (!data.p)
		return 0;
	if (ev->split) {
		c->joined.len = 0;
		if (sse_join(ev->raw, &c->joined))
			return -1;
		data = buf_span(&c->joined);
	}
	return chatstream_take(&c->chat, data, &c->events, why);
}

int
chunking_feed(struct chunking *c, struct span bytes, const char **why)
{
	bool kept = c->tail.len > 0;
	struct span text = bytes;
	struct sse_event ev;

	*why = "The upstream sent an event that is too large.";
	c->events.len = 0;
	if (kept && buf_add(&c->tail, bytes))
		return -1;
	if (kept)
		text = buf_span(&c->tail);
	while (sse_next(&c->sse, text, &ev)) {
		if (take(c, &ev, why))
			return -1;
		text = span_cut(text, ev.raw.n, text.n);
	}
	if (kept)
		buf_drop(&c->tail, c->tail.len - text.n);
	else if (buf_add(&c->tail, text))
		return -1;
	return 0;
}

/* The blank line behind the last chunk may be missing. */
int
chunking_end(struct chunking *c, const char **why)
{
	struct span tail = span_trim(buf_span(&c->tail));

	c->events.len = 0;
	if (span_eq(tail, SPAN("data: [DONE]")) || span_eq(tail, SPAN("data:[DONE]")))
		return chatstream_take(&c->chat, SPAN("[DONE]"), &c->events, why);
	return chatstream_end(&c->chat, &c->events, why);
}

void
chunking_reset(struct chunking *c)
{
	buf_reset(&c->tail, HOLD_KEEP);
	buf_reset(&c->joined, HOLD_KEEP);
	buf_reset(&c->events, HOLD_KEEP);
	chatstream_rest(&c->chat);
}

void
chunking_free(struct chunking *c)
{
	buf_free(&c->tail);
	buf_free(&c->joined);
	buf_free(&c->events);
	chatstream_free(&c->chat);
}
