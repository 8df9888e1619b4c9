/* lastuser: what the last message of role "user" says. For the echo kind. Pure. */
#ifndef POSTERN_UPSTREAM_LASTUSER_H
#define POSTERN_UPSTREAM_LASTUSER_H

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

/* Appends the text of the last message of role "user" in a Messages API `messages` value whose
 * syntax is good: a string, or its text blocks joined by newlines. 1: there is none, and nothing
 * was appended; -1 when out is full. */
MUST_CHECK int lastuser_text(struct span messages, struct buf *out);

#endif
