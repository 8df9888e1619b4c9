/* dialect_messages: the Messages API as its own SDKs speak it (messages-api.md 2, 4, 5). */
#ifndef POSTERN_DIALECT_MESSAGES_H
#define POSTERN_DIALECT_MESSAGES_H

#include "dialect/dialect.h"

extern const struct dialect dialect_messages;

#endif
