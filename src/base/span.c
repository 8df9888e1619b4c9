/* span: see span.h. */
#include "base/span.h"

#include <stdlib.h>

static bool
span_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span
span_trim(struct span s)
{
	while (s.n > 0 && span_is_blank(s.p[s.n - 1]))
		s.n--;
	while (s.n > 0 && span_is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	return s;
}

uint64_t
span_hash(struct span s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	return h ? h : 1;
}

char *
span_dup(struct span s)
{
	char *copy = malloc(s.n + 1);

	if (!copy)
		return NULL;
	if (s.n > 0)
		memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return copy;
}

bool
span_next(struct span *rest, char sep, struct span *part)
{
	if (!rest->p)
		return false;

	const char *at = rest->n > 0 ? memchr(rest->p, sep, rest->n) : NULL;

	if (!at) {
		*part = span_trim(*rest);
		*rest = (struct span){ NULL, 0 };
		return true;
	}

	size_t n = (size_t)(at - rest->p);

	*part = span_trim(span_cut(*rest, 0, n));
	*rest = span_cut(*rest, n + 1, rest->n);
	return true;
}
