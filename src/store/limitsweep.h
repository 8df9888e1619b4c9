/* limitsweep: goes over the accounts, meters and leases, some at a time, and drops what says
 * nothing any more. */
#ifndef POSTERN_STORE_LIMITSWEEP_H
#define POSTERN_STORE_LIMITSWEEP_H

#include "store/limitwork.h"

/* Goes on from a place, which starts as { 0 } and is moved on; from the end back to the beginning.
 * A lease whose holder has no record gets one, so that it will run out. *much: it has dropped as
 * many as it may in one transaction. */
MUST_CHECK enum kv_status limitsweep_some(
    struct limitwork *w, struct limitrecord_key *place, bool *much);

#endif
