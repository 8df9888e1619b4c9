/* tail: reads things that come in any pieces: whole ones where they lie, and of what is not whole
 * yet the beginning is kept. */
#ifndef POSTERN_BASE_TAIL_H
#define POSTERN_BASE_TAIL_H

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

/* What is to be read now that a piece has come: the piece itself, or what was kept with the piece
 * behind it. Valid until tail_keep. -1 when the tail is full. */
MUST_CHECK int tail_join(struct buf *tail, struct span piece, struct span *text);

/* Keeps the rest of that text, which is its end, and nothing else. -1 when the tail is full. */
MUST_CHECK int tail_keep(struct buf *tail, struct span rest);

#endif
