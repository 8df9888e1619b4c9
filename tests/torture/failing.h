/* failing: the allocator with failures on demand, for a whole program with its shared libraries:
 * the functions of this file take the place of the C library's, and hand on to it. Only the thread
 * that is armed counts and fails; what lives is counted over all threads. */
#ifndef POSTERN_TESTS_TORTURE_FAILING_H
#define POSTERN_TESTS_TORTURE_FAILING_H

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FAILING_STACK  32
#define FAILING_TRACED 65536u /* a power of two */
#define FAILING_NOTED  65536u /* allocations of which it is noted that they are excluded */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
extern void __libc_free(void *p);

struct failing_stack {
	void *at[FAILING_STACK];
	int n;
};

/* Allocations of a library's own that never fail here, since it does not outlive that: those that
 * it does below one of its functions. What our code allocates when it is called from there does
 * fail. */
struct failing_exclusion {
	const char *library; /* in the name of its file */
	const char *function;
};

/* An allocation of the armed thread that lives, while they are traced. */
struct failing_trace {
	void *p; /* NULL: an empty place */
	size_t number;
	struct failing_stack stack;
};

static struct {
	size_t count;	/* allocations that were asked for since it was armed */
	size_t fail_at; /* the number of the one that fails; 0: none does */
	bool all_after; /* and those after it, too */
	bool hit;	/* it has failed */
	const struct failing_exclusion *exclusion; /* NULL: every allocation may fail */
	struct failing_stack stack;		   /* where */
	atomic_long lives, bytes;		   /* what is allocated now */
	bool notes;				   /* it is noted which are excluded */
	bool excluded[FAILING_NOTED];
	struct failing_trace *traces; /* NULL: nothing is traced */
} failing;

static _Thread_local bool failing_armed;

/* Where we are, below the allocator. */
static inline void
failing_note(struct failing_stack *s)
{
	bool armed = failing_armed;

	failing_armed = false;
	s->n = backtrace(s->at, FAILING_STACK);
	failing_armed = armed;
}

/* Whether an allocation is one of those that never fail: whoever asked the C library, or the
 * allocator by itself, is the library, and the function is further up. */
static inline bool
failing_excluded(const struct failing_stack *s, const void *caller)
{
	Dl_info in;
	int i = 0;

	while (i < s->n && s->at[i] != caller)
		i++;
	while (i < s->n && dladdr(s->at[i], &in) && strstr(in.dli_fname, "libc.so"))
		i++;
	for (; i < s->n && dladdr(s->at[i], &in); i++) {
		if (!strstr(in.dli_fname, failing.exclusion->library))
			return false;
		if (in.dli_sname && strcmp(in.dli_sname, failing.exclusion->function) == 0)
			return true;
	}
	return false;
}

/* Counts an allocation. True when it is to fail. */
static inline bool
failing_refuses(const void *caller)
{
	if (!failing_armed)
		return false;
	failing.count++;
	if (failing.notes && failing.count < FAILING_NOTED) {
		struct failing_stack here;

		failing_note(&here);
		failing.excluded[failing.count] = failing_excluded(&here, caller);
	}
	if (failing.fail_at == 0 || failing.count < failing.fail_at ||
	    (failing.count > failing.fail_at && !failing.all_after))
		return false;
	if (!failing.hit || failing.exclusion) {
		struct failing_stack here;

		failing_note(&here);
		if (failing.exclusion && failing_excluded(&here, caller))
			return false;
		if (!failing.hit)
			failing.stack = here;
	}
	failing.hit = true;
	errno = ENOMEM;
	return true;
}

/* The place of p among the traces, or a free one; one that was left is no end of a search. */
static inline struct failing_trace *
failing_find(const void *p)
{
	size_t i = ((uintptr_t)p >> 4) * 0x9e3779b1u;

	for (size_t n = 0; n < FAILING_TRACED; n++, i++) {
		struct failing_trace *t = &failing.traces[i % FAILING_TRACED];

		if (t->p == p || !t->p)
			return t;
	}
	return NULL;
}

static inline void *
failing_keep(void *p)
{
	struct failing_trace *t;

	if (!p)
		return NULL;
	atomic_fetch_add(&failing.lives, 1);
	atomic_fetch_add(&failing.bytes, (long)malloc_usable_size(p));
	if (!failing.traces || !failing_armed)
		return p;
	t = failing_find(p);
	if (t) {
		t->p = p;
		t->number = failing.count;
		failing_note(&t->stack);
	}
	return p;
}

static inline void
failing_forget(void *p)
{
	struct failing_trace *t;

	if (!p)
		return;
	atomic_fetch_sub(&failing.lives, 1);
	atomic_fetch_sub(&failing.bytes, (long)malloc_usable_size(p));
	t = failing.traces ? failing_find(p) : NULL;
	if (t && t->p)
		t->number = 0; /* it has no number, and is none */
}

void *
malloc(size_t n)
{
	return failing_refuses(__builtin_return_address(0)) ? NULL : failing_keep(__libc_malloc(n));
}

void *
calloc(size_t n, size_t size)
{
	return failing_refuses(__builtin_return_address(0)) ? NULL
							    : failing_keep(__libc_calloc(n, size));
}

void *
realloc(void *p, size_t n)
{
	void *grown;

	if (failing_refuses(__builtin_return_address(0)))
		return NULL;
	failing_forget(p);
	grown = __libc_realloc(p, n);
	if (!grown && n > 0) {
		(void)failing_keep(p);
		return NULL;
	}
	return failing_keep(grown);
}

void *
memalign(size_t align, size_t n)
{
	return failing_refuses(__builtin_return_address(0))
	    ? NULL
	    : failing_keep(__libc_memalign(align, n));
}

void *
aligned_alloc(size_t align, size_t n)
{
	return memalign(align, n);
}

int
posix_memalign(void **out, size_t align, size_t n)
{
	void *p = memalign(align, n);

	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

void
free(void *p)
{
	failing_forget(p);
	__libc_free(p);
}

/* From here on this thread's allocation of that number fails; 0: they are counted alone. */
static inline void
failing_arm(size_t fail_at, bool all_after)
{
	failing.count = 0;
	failing.fail_at = fail_at;
	failing.all_after = all_after;
	failing.hit = false;
	failing_armed = true;
}

static inline void
failing_disarm(void)
{
	failing_armed = false;
}

/* Begins to keep the stacks of what is allocated, or ends it. */
static inline void
failing_trace(bool on)
{
	__libc_free(failing.traces);
	failing.traces = on ? __libc_calloc(FAILING_TRACED, sizeof(*failing.traces)) : NULL;
}

#endif
