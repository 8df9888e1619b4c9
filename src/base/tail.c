/* tail: see the header. */
#include "base/tail.h"

int
tail_join(struct buf *tail, struct span piece, struct span *text)
{
	*text = piece;
	if (tail->len == 0)
		return 0;
	if (buf_add(tail, piece))
		return -1;
	*text = buf_span(tail);
	return 0;
}

int
tail_keep(struct buf *tail, struct span rest)
{
	if (tail->len == 0)
		return buf_add(tail, rest);
	buf_drop(tail, tail->len - rest.n);
	return 0;
}
