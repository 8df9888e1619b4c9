/* jwt: JSON Web Tokens that we sign (RFC 7519), by RS256 alone. Pure. */
#ifndef POSTERN_WIRE_JWT_H
#define POSTERN_WIRE_JWT_H

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

/* Appends the token that claims (a JSON object, at most JWT_CLAIMS_MAX) make: signed by RS256 (RFC
 * 7518 3.3) with a private key in PEM, PKCS #8 or #1 without a passphrase, which the header names
 * key_id unless that is empty. -1 with out as it was when the key is none of RSA, one under 2048
 * bits, which RFC 7518 forbids, or one over 8192; when something is too long, or the library
 * fails: *why says which, a fixed text. */
MUST_CHECK int jwt_sign(struct span claims, struct span key_id, struct span private_key,
    struct buf *out, const char **why);

#endif
