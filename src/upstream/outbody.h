/* outbody: the body of a request as it goes to an upstream: the client's, wherever it is kept, with
 * the edits of the request made on the way, or one that a kind has made. */
#ifndef POSTERN_UPSTREAM_OUTBODY_H
#define POSTERN_UPSTREAM_OUTBODY_H

#include <stdint.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/spool.h"
#include "upstream/hreq.h"

/* Its size in bytes. */
uint64_t outbody_len(const struct hreq *r, const struct spool *body);

/* Copies up to n bytes from offset `at` into to; returns how many, 0 at the end, -1 when the
 * client's body cannot be read. */
MUST_CHECK long outbody_read(
    const struct hreq *r, const struct spool *body, uint64_t at, char *to, size_t n);

/* The SHA-256 of all of it. -1 when it cannot be read or the library fails. */
MUST_CHECK int outbody_hash(
    const struct hreq *r, const struct spool *body, uint8_t out[static HASH_LEN]);

#endif
