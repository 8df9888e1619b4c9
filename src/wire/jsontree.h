/* jsontree: what json-c reads of JSON. Its tokener takes a process-wide lock at every parse, so
 * nothing on the path of every call or event may come here; and it does not look whether there was
 * memory for an object's names, so that no object may come here either. Pure. */
#ifndef POSTERN_WIRE_JSONTREE_H
#define POSTERN_WIRE_JSONTREE_H

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

/* Appends the unescaped text of a JSON string. -1 when value is none, or out is full. */
MUST_CHECK int jsontree_string(struct span value, struct buf *out);

#endif
