/* attempts: what a call has tried so far, and how long to wait before it tries its targets again.
 * Pure. */
#ifndef POSTERN_POLICY_ATTEMPTS_H
#define POSTERN_POLICY_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

struct attempts {
	int64_t until_ms; /* monotonic; nothing is begun anew after it */
	unsigned rounds;  /* of all targets, that have failed */

	/* Of the round under way. */
	bool again;		/* a target of it may do better later */
	int64_t retry_after_ms; /* the shortest that a server asked for; -1: none did */

	char tried[LEDGER_TEXT_MAX + 1]; /* "eu=503, us=up-connect": what failed, in its order */
};

/* Begins a call at now (monotonic). */
void attempts_begin(struct attempts *a, int64_t now_ms, int64_t budget_ms);

/* Notes that a target failed: how, in a word; whether it may do better later; and what it asked for
 * by retry-after, -1: nothing. */
void attempts_failed(
    struct attempts *a, const char *upstream, const char *how, bool again, int64_t retry_after_ms);

/* Ends a round in which all targets failed. How long to wait before the next: a quarter of a second
 * at first, twice as long each time, less up to half of it by chance (random: any number), and no
 * shorter than what the servers asked for. -1: there is none, since no target may do better (again
 * is false), or the time is used up. */
int64_t attempts_wait(struct attempts *a, int64_t now_ms, uint64_t random);

#endif
