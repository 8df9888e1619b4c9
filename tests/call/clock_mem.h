/* clock_mem: the clock of a test. It stands still until a wait lets it go on; one thing can be set
 * to happen at a time, and waits end there. Takes the place of base/clock.c and of poll(2). */
#ifndef POSTERN_TESTS_CALL_CLOCK_MEM_H
#define POSTERN_TESTS_CALL_CLOCK_MEM_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/clock.h"

#define CLOCK_MEM_WALL_MS 1795262400000 /* 2026-11-21T12:00:00Z */

static struct {
	int64_t now_ms;
	int64_t due_ms;	   /* when act is to happen; 0: nothing is */
	void (*act)(void); /* done once */
} clock_mem = { .now_ms = 1000000 };

int64_t
clock_mono_ms(void)
{
	return clock_mem.now_ms;
}

int64_t
clock_wall_ms(void)
{
	return CLOCK_MEM_WALL_MS + clock_mem.now_ms;
}

/* Lets at most ms go by and returns how much it was: less when something happened on the way. */
static inline int64_t
clock_mem_wait(int64_t ms)
{
	int64_t left = clock_mem.due_ms - clock_mem.now_ms;

	if (!clock_mem.act || left > ms) {
		clock_mem.now_ms += ms;
		return ms;
	}
	left = left > 0 ? left : 0;
	clock_mem.now_ms += left;

	void (*act)(void) = clock_mem.act;

	clock_mem.act = NULL;
	act();
	return left;
}

/* Sets what is to happen ms from now. */
static inline void
clock_mem_plan(int64_t ms, void (*act)(void))
{
	clock_mem.due_ms = clock_mem.now_ms + ms;
	clock_mem.act = act;
}

/* What the descriptors have to say, without waiting. */
static inline int
clock_mem_look(struct pollfd *fds, nfds_t n)
{
	struct timespec none = { 0 };

	return ppoll(fds, n, &none, NULL);
}

int
poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int seen = clock_mem_look(fds, n);

	while (seen == 0 && timeout > 0) {
		timeout -= (int)clock_mem_wait(timeout);
		seen = clock_mem_look(fds, n);
	}
	return seen;
}

#endif
