/* listing: the totals together with what is still queued. */
#ifndef POSTERN_STORE_LISTING_H
#define POSTERN_STORE_LISTING_H

#include "base/check.h"
#include "store/limiter.h"
#include "store/totals.h"

/* Walks over the rows of a range, each call counted once however the queue is drained meanwhile. t
 * or l NULL: there is nothing of it. */
MUST_CHECK enum store_status listing_each(
    struct totals *t, struct limiter *l, const struct store_range *range, store_row *fn, void *arg);

#endif
