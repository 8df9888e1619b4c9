/* buf: see buf.h. One byte more than cap is always allocated, so that a terminating zero finds room
 * even in a full buf. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"

#define BUF_FIRST 256u

/* The next capacity that holds need bytes: doubling, so that n appends cost n copies in all. */
static size_t
buf_capacity(const struct buf *b, size_t need)
{
	size_t size = b->cap < BUF_FIRST ? BUF_FIRST : b->cap + 1;

	while (size - 1 < need && size <= SIZE_MAX / 2)
		size *= 2;
	if (size - 1 < need)
		size = need + 1;
	return size - 1 < b->max ? size - 1 : b->max;
}

static int
buf_grow(struct buf *b, size_t n)
{
	if (n > b->max - b->len || b->len + n == SIZE_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (b->p && n <= b->cap - b->len)
		return 0;

	size_t cap = buf_capacity(b, b->len + n);
	char *p = realloc(b->p, cap + 1);

	if (!p)
		return -1;
	b->p = p;
	b->cap = cap;
	return 0;
}

int
buf_add(struct buf *b, struct span s)
{
	if (s.n == 0)
		return 0;
	if (buf_grow(b, s.n) < 0)
		return -1;
	memcpy(b->p + b->len, s.p, s.n);
	b->len += s.n;
	return 0;
}

int
buf_add_u64(struct buf *b, uint64_t v)
{
	size_t n = 1;

	for (uint64_t least = 10; v >= least && n < NUM_U64_LEN; least *= 10)
		n++;
	if (buf_grow(b, n) < 0)
		return -1;
	b->len += n;
	(void)num_digits(b->p + b->len, v, n);
	return 0;
}

int
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	if (buf_grow(b, 0) < 0)
		return -1;
	va_start(ap, fmt);
	int n = vsnprintf(b->p + b->len, b->cap - b->len + 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	if ((size_t)n > b->cap - b->len) {
		if (buf_grow(b, (size_t)n) < 0)
			return -1;
		va_start(ap, fmt);
		n = vsnprintf(b->p + b->len, b->cap - b->len + 1, fmt, ap);
		va_end(ap);
		if (n < 0 || (size_t)n > b->cap - b->len)
			return -1;
	}
	b->len += (size_t)n;
	return 0;
}

int
buf_room(struct buf *b, size_t n, char **at)
{
	if (buf_grow(b, n) < 0)
		return -1;
	*at = b->p + b->len;
	return 0;
}

const char *
buf_str(struct buf *b)
{
	if (buf_grow(b, 0) < 0)
		return NULL;
	b->p[b->len] = '\0';
	return b->p;
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	if (n < b->len)
		memmove(b->p, b->p + n, b->len - n);
	b->len -= n;
}

void
buf_reset(struct buf *b, size_t keep)
{
	b->len = 0;
	if (b->cap > keep)
		buf_free(b);
}

void
buf_wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap + 1);
	buf_free(b);
}

void
buf_free(struct buf *b)
{
	free(b->p);
	*b = buf_make(b->max);
}
