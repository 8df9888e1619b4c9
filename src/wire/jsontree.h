/* jsontree: what json-c reads of JSON. Its tokener takes a process-wide lock at every parse, so
 * nothing on the path of every call or event may come here. Pure. */
#ifndef POSTERN_WIRE_JSONTREE_H
#define POSTERN_WIRE_JSONTREE_H

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

/* Appends the unescaped text of a JSON string. -1 when value is none, or out is full. */
MUST_CHECK int jsontree_string(struct span value, struct buf *out);

/* The text of all "text" of the last message of role "user" in a Messages API `messages` value (a
 * string, or its text blocks joined by newlines), through json-c. -1 when there is none. For the
 * echo kind. */
MUST_CHECK int jsontree_last_user_text(struct span messages, struct buf *out);

#endif
