/* span: borrowed bytes. A span owns nothing and is valid only as long as what it points into. */
#ifndef POSTERN_BASE_SPAN_H
#define POSTERN_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

struct span {
	const char *p;
	size_t n;
};

/* A span over a string literal, without its terminating zero. */
#define SPAN(lit) ((struct span){ "" lit, sizeof(lit) - 1 })

/* A span over a C string; NULL gives the empty span. */
static inline struct span
span_of(const char *s)
{
	return (struct span){ s, s ? strlen(s) : 0 };
}

/* The bytes from `from` up to but not including `to`; the caller keeps from <= to <= s.n. */
static inline struct span
span_cut(struct span s, size_t from, size_t to)
{
	return (struct span){ s.p + from, to - from };
}

/* True when both hold the same bytes; a prefix is not a match. */
static inline bool
span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* As span_eq, ASCII letters compared without case (header names, RFC 9110 5.1). */
static inline bool
span_eq_nocase(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

/* True when s begins with prefix. For grammars that are defined by a prefix, never for names. */
static inline bool
span_starts(struct span s, struct span prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* The span without leading and trailing spaces, tabs, CR and LF. */
struct span span_trim(struct span s);

/* FNV-1a of the bytes, never 0: to find a place in a table, not against anybody's will. */
uint64_t span_hash(struct span s);

/* A copy that ends in a zero, for free(); NULL when memory is out. */
MUST_CHECK char *span_dup(struct span s);

/* Cuts the part before the first `sep` off *rest and returns it trimmed; a missing sep gives all of
 * it. Returns false when *rest.p is NULL, that is after the last part. */
bool span_next(struct span *rest, char sep, struct span *part);

#endif
