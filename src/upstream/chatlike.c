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
	size_t behind = noted.n - l->at - l->n; /* bytes behind the text */
	size_t end = chunk.n - behind;

	if (noted.n == 0 || chunk.n < l->at + behind ||
	    !span_starts(chunk, span_cut(noted, 0, l->at)) ||
	    !span_eq(span_cut(chunk, end, chunk.n), span_cut(noted, noted.n - behind, noted.n)) ||
	    !json_is_string(span_cut(chunk, l->at - 1, end + 1)))
		return none;
	return span_cut(chunk, l->at, end);
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
