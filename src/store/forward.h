/* forward: carries what is in the ledger on to another store. */
#ifndef POSTERN_STORE_FORWARD_H
#define POSTERN_STORE_FORWARD_H

#include "base/check.h"
#include "store/books_sink.h"
#include "store/limiter.h"
#include "store/totals.h"

/* Gives the sink all lines up to the mark's that it lacks, from the queue; or from the files of the
 * ledger in the folder, when they are not queued any more: after a power cut here, a loss of data
 * there, or a long time without it. What neither has is left out. Lines that the sink has then are
 * forgotten in the queue. The caller holds the lock of the drain. STORE_AWAY: not now, or not
 * all of it yet. */
MUST_CHECK enum store_status forward_lines(const struct books_sink *sink, struct limiter *l,
    const char *folder, const struct totals_mark *mark);

#endif
