/* redistotals: the sums over finished calls as they stand in Redis, put together from all nodes,
 * or of one node alone. Changes nothing. */
#ifndef POSTERN_STORE_REDISTOTALS_H
#define POSTERN_STORE_REDISTOTALS_H

#include "base/check.h"
#include "store/limiter.h"
#include "store/redislink.h"
#include "store/rows.h"

/* Whose totals are asked for, and by whom. */
struct redistotals {
	struct redislink *link;
	const char *node;      /* this state folder's name */
	struct limiter *queue; /* its queue; NULL: there is none */
};

/* Walks over the rows of a range, over all nodes, with what this node's queue still holds; every
 * call is counted once however the queue is drained meanwhile. */
MUST_CHECK enum store_status redistotals_each(
    const struct redistotals *t, const struct store_range *range, store_row *fn, void *arg);

/* Walks over this node's rows as they are after its line mark->seq, all of them at that one moment.
 * STORE_AWAY when lines came faster than the rows could be read. */
MUST_CHECK enum store_status redistotals_booked(
    const struct redistotals *t, struct store_mark *mark, store_row *fn, void *arg);

#endif
