/* books_sink: another store that books forward finished calls to. */
#ifndef POSTERN_STORE_BOOKS_SINK_H
#define POSTERN_STORE_BOOKS_SINK_H

#include "store/limiter.h"

/* Finished calls and due settlements go to it as well as to the local totals, in order and without
 * a gap. A line stays queued until book has taken it, or can be found in the ledger when it is away
 * for long. */
struct books_sink {
	/* Books lines of this node; those it has booked before are passed over. upto: set to the
	 * last number that is booked now. n is 0 when only that is asked for. STORE_AWAY: try again
	 * later. */
	enum store_status (*book)(void *arg, const char *node, const struct limiter_line *lines,
	    size_t n, uint64_t *upto);
	/* Called with every beat, about LIMITER_BEAT_MS apart, while the process lives. */
	void (*beat)(void *arg);
	void *arg;
};

#endif
