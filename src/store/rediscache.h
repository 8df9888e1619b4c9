/* rediscache: the lines of keys that were found lately, so that a burst of calls with one key asks
 * the server once. It keeps only what was found: whoever tries keys cannot push others out. */
#ifndef POSTERN_STORE_REDISCACHE_H
#define POSTERN_STORE_REDISCACHE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/hash.h"

struct rediscache;

/* NULL when memory is out. Safe for all threads. */
struct rediscache *rediscache_open(void);

/* NULL is fine. */
void rediscache_close(struct rediscache *c);

/* Appends the line of a key that was put in at or after since_ms. -1 when there is none. */
MUST_CHECK int rediscache_find(
    struct rediscache *c, const uint8_t hash[static HASH_LEN], int64_t since_ms, struct buf *line);

/* Keeps a line as it was at at_ms, in the place of the oldest of a few. */
void rediscache_put(
    struct rediscache *c, const uint8_t hash[static HASH_LEN], int64_t at_ms, struct span line);

/* Forgets a key. */
void rediscache_drop(struct rediscache *c, const uint8_t hash[static HASH_LEN]);

#endif
