/* stores: the stores that a process has open. Eras that are opened with the same things share one,
 * and what a state folder has open only once is shared by all stores over it. */
#ifndef POSTERN_STORES_H
#define POSTERN_STORES_H

#include "parts.h"

struct stores;
struct stores_one;

/* NULL when memory is out. parts is borrowed. */
struct stores *stores_open(const struct parts *parts);

/* Frees; every one must have been given back. NULL is fine. */
void stores_close(struct stores *s);

/* The store for a configuration: one that is open already, or a new one. NULL when it cannot be
 * opened; the reason was logged. Safe for all threads; waits while another is opened or closed. */
struct stores_one *stores_take(struct stores *s, const struct conf *c);

/* False when what it has open of its state folder was removed or replaced: it is to be given back,
 * and can be had anew when all have done so. */
bool stores_stand(const struct stores_one *one);

/* The store itself. */
struct store *stores_store(const struct stores_one *one);

/* Gives it back; the last one closes it. NULL is fine. */
void stores_give(struct stores *s, struct stores_one *one);

#endif
