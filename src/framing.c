/* framing: see the header. Frames that are whole in a chunk are read where they lie; only the
 * beginning of one is kept. */
#include "framing.h"

#include "base/limits.h"
#include "base/tail.h"

void
framing_init(struct framing *f)
{
	f->tail = buf_make(EVENTSTREAM_FRAME_MAX + HOLD_KEEP);
	f->events = buf_make(EVENT_MAX);
}

void
framing_reset(struct framing *f)
{
	buf_reset(&f->tail, HOLD_KEEP);
	buf_reset(&f->events, HOLD_KEEP);
}

void
framing_free(struct framing *f)
{
	buf_free(&f->tail);
	buf_free(&f->events);
}

int
framing_feed(struct framing *f, const struct kind *kind, struct span chunk, const char **why)
{
	struct eventstream_frame frame;
	struct span text;
	int more;

	*why = "The upstream sent a frame that is too large.";
	f->events.len = 0;
	if (tail_join(&f->tail, chunk, &text))
		return -1;
	while ((more = eventstream_next(text, &frame, why)) == 1) {
		if (kind->frame(&frame, &f->events, why))
			return -1;
		text = span_cut(text, frame.raw.n, text.n);
	}
	return more < 0 ? -1 : tail_keep(&f->tail, text);
}
