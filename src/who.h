/* who: whose call it is: the client's key as it came with the request, looked up and judged. */
#ifndef POSTERN_WHO_H
#define POSTERN_WHO_H

#include "base/buf.h"
#include "base/check.h"
#include "base/fault.h"
#include "front/front.h"
#include "gate.h"
#include "policy/key.h"

struct who {
	struct buf line; /* of the key file; what key says points into it */
	struct key key;
	const struct conf_workspace *workspace; /* NULL: no section */
	bool known;
	int64_t wait_ms; /* of FAULT_WRONG_KEYS: until the next one would not be */
};

/* Finds the client's key in the request (x-api-key first, then a bearer token, where a host hides
 * it too), looks it up and judges it. FAULT_NONE with all of *who set; FAULT_WRONG_KEYS where its
 * address has come without a good key too often. request_id is for the log.
 */
MUST_CHECK enum fault who_find(
    struct who *who, const struct era *era, struct front_seat *seat, const char *request_id);

/* Forgets whose call it was; the memory stays. */
void who_reset(struct who *who);

#endif
