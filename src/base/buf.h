/* buf: owned, growing, bounded bytes. A buf is made with its maximum; nothing can make it larger.
 */
#ifndef POSTERN_BASE_BUF_H
#define POSTERN_BASE_BUF_H

#include <stdint.h>

#include "base/check.h"
#include "base/span.h"

struct buf {
	char *p; /* not zero-terminated unless buf_str was called */
	size_t len;
	size_t cap;
	size_t max;
};

/* An empty buf that may grow to max bytes. Allocates nothing. */
static inline struct buf
buf_make(size_t max)
{
	return (struct buf){ .max = max };
}

/* The bytes held now; valid until the next call that changes the buf. */
static inline struct span
buf_span(const struct buf *b)
{
	return (struct span){ b->p, b->len };
}

/* Appends the bytes. -1 when they do not fit under max (errno EMSGSIZE) or memory is out (errno
 * ENOMEM); the buf is then unchanged. */
MUST_CHECK int buf_add(struct buf *b, struct span s);

/* Appends the number in decimal. -1 as buf_add. */
MUST_CHECK int buf_add_u64(struct buf *b, uint64_t v);

/* Appends formatted text (printf's rules). -1 as buf_add. */
MUST_CHECK int buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Makes room for n more bytes and sets *at to it; the caller fills it and adds what it used to
 * b->len. -1 as buf_add. */
MUST_CHECK int buf_room(struct buf *b, size_t n, char **at);

/* The content as a zero-terminated string (the zero is not counted in len), or NULL when there is
 * no room. */
MUST_CHECK const char *buf_str(struct buf *b);

/* Removes the first n bytes (n <= len). */
void buf_drop(struct buf *b, size_t n);

/* Empties it and keeps the memory for the next use, unless more than keep bytes are held: then it
 * is freed. */
void buf_reset(struct buf *b, size_t keep);

/* Overwrites the content with zeros, then frees it: for secrets. */
void buf_wipe(struct buf *b);

/* Frees the memory; the buf is empty and usable again. */
void buf_free(struct buf *b);

#endif
