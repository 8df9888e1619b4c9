/* bedrockerror: what the errors of Bedrock mean in the Messages API (messages-api.md 7). Pure. */
#ifndef POSTERN_UPSTREAM_BEDROCKERROR_H
#define POSTERN_UPSTREAM_BEDROCKERROR_H

#include "upstream/kind.h"

struct bedrockerror; /* a row of the table */

/* The row of a name as it stands in x-amzn-errortype, in a frame or in a body: with or without a
 * place behind a colon or before a hash, its first letter in either case. A name that is not known
 * is judged by the status. Never NULL. */
const struct bedrockerror *bedrockerror_find(struct span name, int status);

/* The API's type of the error; api_error where it speaks of our own account. */
const char *bedrockerror_type(const struct bedrockerror *e);

/* Kinds' refusal. Of a bad request the words go on as they are, since clients repair themselves by
 * them; from others account numbers and ARNs are taken out. */
void bedrockerror_refusal(const struct complaint *c, struct refusal *out);

#endif
