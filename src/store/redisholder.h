/* redisholder: this process as one who holds leases in Redis: its name, the numbers of takes that
 * it waits for or holds, and those of takes that were given up, whose leases nobody else would give
 * back. Shared by all stores of a process over one state folder, so that the beats of one keep the
 * leases of all. */
#ifndef POSTERN_STORE_REDISHOLDER_H
#define POSTERN_STORE_REDISHOLDER_H

#include <stdint.h>

#include "base/check.h"
#include "store/limiter.h"
#include "store/redislink.h"

struct redisholder;

/* A new holder with one user. NULL when it cannot be made; logged. */
struct redisholder *redisholder_open(void);

/* One user more. One thread at a time may open, share or close. */
struct redisholder *redisholder_share(struct redisholder *h);

/* One user less; the last one frees it. NULL is fine. */
void redisholder_close(struct redisholder *h);

/* Its name, which grants carry in store_mark. */
uint64_t redisholder_mark(const struct redisholder *h);

/* A number for a take that is about to be asked for; it is known from now on. -1 when memory is
 * out; logged. */
MUST_CHECK int redisholder_begin(struct redisholder *h, uint64_t *number);

/* The take was refused, or its call is settled. */
void redisholder_end(struct redisholder *h, uint64_t number);

/* Remembers that nobody waits for the take of this number any more. */
void redisholder_give_up(struct redisholder *h, uint64_t number);

/* Tells the server of what was given up, if anything was; else asks nothing. Others need not wait:
 * they find nothing to tell. */
MUST_CHECK enum store_status redisholder_flush(
    struct redisholder *h, struct redislink *l, int64_t by_ms);

/* Tells the server that it lives, when it holds leases, which those are, and what was given up.
 * queue: where settlements wait that the server may not know. */
MUST_CHECK enum store_status redisholder_beat(
    struct redisholder *h, struct redislink *l, struct limiter *queue);

#endif
