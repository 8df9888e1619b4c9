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

/* Fills `to` with what a client may read of an error: AWS's words, empty when there are none,
 * without account numbers and ARNs. Those of a bad request stay as they are, since clients repair
 * themselves by them; those that speak of our own credential are replaced. */
void bedrockerror_words(
    const struct bedrockerror *e, struct span message, char to[static MESSAGE_MAX]);

/* Kinds' refusal, with the words of bedrockerror_words. */
void bedrockerror_refusal(const struct complaint *c, struct refusal *out);

#endif
