/* chatmessages: what was said, as the messages of a chat completion
 * (https://platform.openai.com/docs/api-reference/chat/create). Pure. */
#ifndef POSTERN_UPSTREAM_CHATMESSAGES_H
#define POSTERN_UPSTREAM_CHATMESSAGES_H

#include "base/buf.h"
#include "base/check.h"
#include "upstream/chatpath.h"

/* Appends the elements of `messages` for a body of the Messages API, its system prompt first. What
 * a tool gave comes before what the user says in the same turn, as a chat completion wants it; the
 * images that it gave come behind it, from the user. What a model thought is left out: servers of
 * chat completions do not take it back. -1 with the path's why filled for what has no counterpart
 * there; -1 without it when out is full. */
MUST_CHECK int chatmessages_put(struct chatpath *path, struct span body, struct buf *out);

#endif
