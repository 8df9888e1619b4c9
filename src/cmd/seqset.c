/* seqset: see seqset.h. */
#include "cmd/seqset.h"

#include <stdlib.h>
#include <string.h>

#define RANGES_MIN 64u

/* The first range that does not end before seq; n when there is none. The one that took the last
 * number is tried first, with the one after it. */
static size_t
find(const struct seqset *s, uint64_t seq)
{
	size_t from = 0, to = s->n;

	if (s->last < s->n && s->ranges[s->last].from <= seq) {
		from = s->last;
		if (seq <= s->ranges[from].to)
			return from;
		if (++from == s->n || seq <= s->ranges[from].to)
			return from;
	}
	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (s->ranges[middle].to < seq)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

bool
seqset_has(const struct seqset *s, uint64_t seq)
{
	size_t at = find(s, seq);

	return at < s->n && s->ranges[at].from <= seq;
}

static int
insert(struct seqset *s, size_t at, uint64_t seq)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : RANGES_MIN;
		struct seqset_range *more = reallocarray(s->ranges, cap, sizeof(*more));

		if (!more)
			return -1;
		s->ranges = more;
		s->cap = cap;
	}
	memmove(s->ranges + at + 1, s->ranges + at, (s->n - at) * sizeof(*s->ranges));
	s->ranges[at] = (struct seqset_range){ seq, seq };
	s->n++;
	return 0;
}

/* Joins the range before `at` with the one at it. */
static void
join(struct seqset *s, size_t at)
{
	s->ranges[at - 1].to = s->ranges[at].to;
	s->n--;
	memmove(s->ranges + at, s->ranges + at + 1, (s->n - at) * sizeof(*s->ranges));
}

int
seqset_add(struct seqset *s, uint64_t seq)
{
	size_t at = find(s, seq);
	bool follows = at > 0 && s->ranges[at - 1].to == seq - 1;
	bool precedes = at < s->n && s->ranges[at].from - 1 == seq;

	if (at < s->n && s->ranges[at].from <= seq)
		return 1;
	s->last = follows ? at - 1 : at;
	if (!follows && !precedes)
		return insert(s, at, seq);
	if (follows)
		s->ranges[at - 1].to = seq;
	else
		s->ranges[at].from = seq;
	if (follows && precedes)
		join(s, at);
	return 0;
}

void
seqset_free(struct seqset *s)
{
	free(s->ranges);
	*s = (struct seqset){ 0 };
}
