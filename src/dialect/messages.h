/* dialect_messages: the Messages API as its own SDKs speak it (messages-api.md 2, 4, 5). */
#ifndef POSTERN_DIALECT_MESSAGES_H
#define POSTERN_DIALECT_MESSAGES_H

#include "dialect/dialect.h"
#include "wire/json.h"

/* Where a member that json_scan found stands in a body; all zero when it did not. */
struct turn_place messages_place(struct span body, const struct json_member *m);

/* dialect.parse, which looks for one member more on its way, for a dialect that has another; NULL:
 * none. */
MUST_CHECK enum fault messages_read(
    struct span body, enum op op, struct json_member *more, struct turn *out, struct refusal *why);

extern const struct dialect dialect_messages;

#endif
