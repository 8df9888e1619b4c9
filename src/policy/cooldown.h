/* cooldown: how long an upstream that fails is asked last. Pure. */
#ifndef POSTERN_POLICY_COOLDOWN_H
#define POSTERN_POLICY_COOLDOWN_H

#include <stdint.h>

/* So many failures in a row, none of them longer than COOLDOWN_APART_MS behind the one before. */
#define COOLDOWN_FAILURES 5u
#define COOLDOWN_APART_MS 60000

/* How long it is to rest after so many failures in a row; 0: not yet. A second at first, twice as
 * long after each further one, max_ms at most; as long as it asked for by retry-after (-1: it did
 * not), where that is longer, within max_ms as well. */
int64_t cooldown_ms(uint32_t failures, int64_t retry_after_ms, int64_t max_ms);

#endif
