/* chatrequest: a request of the Messages API as one for a chat completion
 * (https://platform.openai.com/docs/api-reference/chat/create). Pure. */
#ifndef POSTERN_UPSTREAM_CHATREQUEST_H
#define POSTERN_UPSTREAM_CHATREQUEST_H

#include "base/buf.h"
#include "base/check.h"
#include "upstream/kind.h"

/* Appends the body. What a chat completion cannot express, and the upstream's may_drop does not
 * name, is FAULT_BAD_REQUEST, and why names the member. FAULT_INTERNAL when out is full. */
MUST_CHECK enum fault chatrequest_put(const struct ask *ask, struct buf *out, struct refusal *why);

#endif
