/* chunking: see the header. Chunks that are whole in the bytes are read where they lie; only the
 * beginning of one is kept. */
#include "chunking.h"

#include "base/limits.h"
#include "base/tail.h"

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
	struct span data;

	if (sse_data(ev, &c->joined, &data))
		return -1;
	return !data.p ? 0 : chatstream_take(&c->chat, data, &c->events, why);
}

int
chunking_feed(struct chunking *c, struct span bytes, const char **why)
{
	struct sse_event ev;
	struct span text;

	*why = "The upstream sent an event that is too large.";
	c->events.len = 0;
	if (tail_join(&c->tail, bytes, &text))
		return -1;
	while (sse_next(&c->sse, text, &ev)) {
		if (take(c, &ev, why))
			return -1;
		text = span_cut(text, ev.raw.n, text.n);
	}
	return tail_keep(&c->tail, text);
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
