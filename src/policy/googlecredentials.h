/* googlecredentials: the forms in which credentials for Google Cloud come: the JSON key file of a
 * service account, what it asks a token server for, and what that or a metadata server answers.
 * Pure: whoever has the text gives it, and wipes it. */
#ifndef POSTERN_POLICY_GOOGLECREDENTIALS_H
#define POSTERN_POLICY_GOOGLECREDENTIALS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

/* A service account's key
 * (https://developers.google.com/identity/protocols/oauth2/service-account).
 */
struct googlecredentials {
	struct buf email;
	struct buf private_key; /* PEM */
	struct buf key_id;	/* empty: it has none */
	struct buf token_url;
};

/* Fills out, empty before, from a key file. -1 when it is none: out is empty then and *why says
 * what is wrong, a fixed text without any part of it. */
MUST_CHECK int googlecredentials_read(
    struct googlecredentials *out, struct span text, const char **why);

/* Wipes and frees; it is empty then. */
void googlecredentials_clear(struct googlecredentials *g);

/* Appends the form that asks g's token server for a token with the scope cloud-platform: a JWT that
 * is good for an hour from now (Unix seconds), as RFC 7523 2.1 has it. -1 with *why, a fixed text.
 */
MUST_CHECK int googlecredentials_ask(
    const struct googlecredentials *g, int64_t now, struct buf *form, const char **why);

/* Reads the answer of a token server or a metadata server that came at now: appends the token and
 * sets *expires, Unix seconds. -1 with *why, a fixed text. */
MUST_CHECK int googlecredentials_token(
    struct span text, int64_t now, struct buf *token, int64_t *expires, const char **why);

/* Copies what a token server says of its refusal (error_description, else error; RFC 6749 5.2) into
 * a field of that size; it stays as it was when there is nothing. */
void googlecredentials_refusal(struct span text, char *to, size_t size);

#endif
