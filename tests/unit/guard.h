/* guard: memory that ends at a page nobody may touch, so that a decoder that reads one byte too far
 * dies on the spot, with and without a sanitizer. */
#ifndef POSTERN_TESTS_UNIT_GUARD_H
#define POSTERN_TESTS_UNIT_GUARD_H

#include <assert.h>
#include <sys/mman.h>

#include "base/span.h"

#define GUARD_PAGE 4096u
#define GUARD_MAX  (64u * GUARD_PAGE)

struct guard {
	char *end; /* where the forbidden page begins */
};

static inline struct guard
guard_make(void)
{
	char *p = mmap(NULL, GUARD_MAX + GUARD_PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert(p != MAP_FAILED);

	int rc = mprotect(p + GUARD_MAX, GUARD_PAGE, PROT_NONE);

	assert(rc == 0);
	(void)rc;
	return (struct guard){ p + GUARD_MAX };
}

/* A copy of s that ends at the forbidden page; valid until the next one. s may lie in the guard. */
static inline struct span
guard_put(const struct guard *g, struct span s)
{
	assert(s.n <= GUARD_MAX);
	if (s.n > 0)
		memmove(g->end - s.n, s.p, s.n);
	return (struct span){ g->end - s.n, s.n };
}

static inline void
guard_free(struct guard *g)
{
	(void)munmap(g->end - GUARD_MAX, GUARD_MAX + GUARD_PAGE);
}

#endif
