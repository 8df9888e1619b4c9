/* uri: bytes as they stand in URIs. Pure. */
#ifndef POSTERN_WIRE_URI_H
#define POSTERN_WIRE_URI_H

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

/* Appends s with every byte but the unreserved ones (RFC 3986 2.3) and those of `also` as %XX. -1
 * when out is full. */
MUST_CHECK int uri_escape(struct span s, const char *also, struct buf *out);

#endif
