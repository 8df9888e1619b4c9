/* limitqueue: the finished calls in the limiter's table that are on their way to the ledger. They
 * are numbered without a gap. */
#ifndef POSTERN_STORE_LIMITQUEUE_H
#define POSTERN_STORE_LIMITQUEUE_H

#include "store/limitwork.h"

/* Queues a line under the next number, which is w->meta.seq then. */
MUST_CHECK enum kv_status limitqueue_add(struct limitwork *w, const struct limitrecord_line *line);

/* A place in the queue; its spans are valid until the next change. */
struct limitqueue_at {
	uint64_t seq;
	size_t size; /* of the record */
	struct limitrecord_line record;
};

/* The first line with a number of at least from; KV_NOT_FOUND: there is none. */
MUST_CHECK enum kv_status limitqueue_seek(
    struct kv_txn *t, uint64_t from, struct limitqueue_at *at);

/* The line after it. */
MUST_CHECK enum kv_status limitqueue_next(struct kv_txn *t, struct limitqueue_at *at);

/* Removes some lines up to and including upto. *more: there may be others. */
MUST_CHECK enum kv_status limitqueue_forget(struct limitwork *w, uint64_t upto, bool *more);

#endif
