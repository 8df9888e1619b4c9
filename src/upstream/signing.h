/* signing: puts AWS's signature under a request that is complete. */
#ifndef POSTERN_UPSTREAM_SIGNING_H
#define POSTERN_UPSTREAM_SIGNING_H

#include <stdint.h>

#include "base/check.h"
#include "base/spool.h"
#include "policy/settings.h"
#include "upstream/credential.h"
#include "upstream/hreq.h"

/* Appends the header lines of the signature for an upstream of AWS, made at now (Unix seconds). -1
 * when the body cannot be read, or there is no room. */
MUST_CHECK int signing_add(struct hreq *r, const struct spool *body, const struct conf_upstream *u,
    const struct credential *c, int64_t now);

#endif
