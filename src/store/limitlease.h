/* limitlease: who holds what. A lease says what a call under way has taken, and who serves it; a
 * holder's record says when that process was heard of last. */
#ifndef POSTERN_STORE_LIMITLEASE_H
#define POSTERN_STORE_LIMITLEASE_H

#include "store/limitwork.h"

#define LIMITLEASE_HOLD_MS 45000

/* Puts the lease of a call that was let in under grant->lease. */
MUST_CHECK enum kv_status limitlease_put(struct limitwork *w,
    const uint8_t holder[static LIMITRECORD_HOLDER_LEN], const struct admission_ask *ask,
    const struct admission_grant *grant);

/* Removes it; KV_NOT_FOUND when it was released before. */
MUST_CHECK enum kv_status limitlease_remove(
    struct limitwork *w, const uint8_t holder[static LIMITRECORD_HOLDER_LEN], uint64_t number);

/* Says that a holder is alive, at w->mono_ms. */
MUST_CHECK enum kv_status limitlease_hear(
    struct limitwork *w, const uint8_t holder[static LIMITRECORD_HOLDER_LEN]);

/* Says that a holder is gone for good and has left nothing. */
MUST_CHECK enum kv_status limitlease_unhear(
    struct limitwork *w, const uint8_t holder[static LIMITRECORD_HOLDER_LEN]);

/* Loses some leases of a holder that was not heard of for LIMITLEASE_HOLD_MS, if there is one: then
 * *again is true, and there may be more of it for the next transaction. Looks at nothing when
 * nobody can be dead yet. */
MUST_CHECK enum kv_status limitlease_expire(struct limitwork *w, bool *again);

#endif
