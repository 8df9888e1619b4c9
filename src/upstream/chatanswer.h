/* chatanswer: a whole chat completion as a message of the Messages API
 * (https://platform.openai.com/docs/api-reference/chat/object). Pure. */
#ifndef POSTERN_UPSTREAM_CHATANSWER_H
#define POSTERN_UPSTREAM_CHATANSWER_H

#include "upstream/kind.h"

/* Appends the message. KIND_EDITED, or KIND_RECKONED when the server counted no tokens, so that
 * the message's usage is an estimate; KIND_FAILED when body is no chat completion, its model called
 * a tool with what is no JSON object, or it broke off. body's JSON is known to be good. */
enum kind_edit chatanswer_put(const struct ask *ask, struct span body, struct buf *out);

#endif
