/* chatlike: see the header. */
#include "upstream/chatlike.h"

#include "base/limits.h"
#include "wire/json.h"

void
chatlike_note(struct chatlike *l, struct span chunk, struct span text, enum chat_piece kind)
{
	l->chunk.max = CHAT_KEEP;
	l->chunk.len = 0;
	if (chunk.n > CHAT_KEEP || buf_add(&l->chunk, chunk))
		return;
	l->at = (size_t)(text.p - chunk.p);
	l->n = text.n;
	l->kind = kind;
}

struct span
chatlike_text(const struct chatlike *l, struct span chunk)
{
	const struct span none = { NULL, 0 };
	struct span noted = buf_span(&l->chunk);
	struct span before = span_cut(noted, 0, l->at);
	struct span after = span_cut(noted, l->at + l->n, noted.n);
	size_t end = chunk.n - after.n;

	if (noted.n == 0 || chunk.n < before.n + after.n || !span_starts(chunk, before) ||
	    !span_eq(span_cut(chunk, end, chunk.n), after) ||
	    !json_is_string(span_cut(chunk, before.n - 1, end + 1)))
		return none;
	return span_cut(chunk, before.n, end);
}

void
chatlike_forget(struct chatlike *l)
{
	l->chunk.len = 0;
}

void
chatlike_free(struct chatlike *l)
{
	buf_free(&l->chunk);
}
