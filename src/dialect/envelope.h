/* envelope: the Messages API's requests, answered in {success, code, message, data}, whose data and
 * stream are those of a chat completion
 * (https://platform.openai.com/docs/api-reference/chat). Pure. */
#ifndef POSTERN_DIALECT_ENVELOPE_H
#define POSTERN_DIALECT_ENVELOPE_H

#include "dialect/dialect.h"

extern const struct dialect dialect_envelope;

#endif
