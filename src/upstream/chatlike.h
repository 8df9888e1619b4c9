/* chatlike: the chunks of a stream are like each other, but for a text. One that differs from an
 * earlier one in nothing else says the same thing with that text, without being taken apart. Pure.
 */
#ifndef POSTERN_UPSTREAM_CHATLIKE_H
#define POSTERN_UPSTREAM_CHATLIKE_H

#include "base/buf.h"
#include "upstream/chatwords.h"

/* Zero-initialise once. */
struct chatlike {
	struct buf chunk; /* empty: none was noted */
	size_t at, n;	  /* of the text in it, between its quotes */
	enum chat_piece kind;
};

/* Notes a chunk that said a text, which is a part of it, and nothing else. One that is large is
 * not noted. */
void chatlike_note(struct chatlike *l, struct span chunk, struct span text, enum chat_piece kind);

/* The text of a chunk that is like the one noted: the inside of a good JSON string; p NULL when it
 * is like none. */
struct span chatlike_text(const struct chatlike *l, struct span chunk);

/* Forgets it, and keeps its memory. */
void chatlike_forget(struct chatlike *l);

/* Frees it. */
void chatlike_free(struct chatlike *l);

#endif
