/* sigv4: AWS Signature Version 4, as the services of Bedrock and their like want it: the path is
 * escaped once more for the signature than it was for the wire, and dot segments do not count.
 * Not for S3, which wants neither. Pure. */
#ifndef POSTERN_WIRE_SIGV4_H
#define POSTERN_WIRE_SIGV4_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/span.h"

struct sigv4_header {
	struct span name; /* in any case */
	struct span value;
};

/* Where a signature is good. */
struct sigv4_scope {
	struct span region;  /* "eu-central-1" */
	struct span service; /* "bedrock" */
};

/* What signs: it is made of the secret, a scope and a day, and may be kept for as long as these
 * stay the same. As secret as the secret itself. */
struct sigv4_key {
	uint8_t bytes[HASH_LEN];
	int64_t day; /* since 1970, UTC */
};

struct sigv4_request {
	struct span method;
	struct span path;		    /* as it is sent, escaped; empty: "/" */
	struct span query;		    /* as it is sent, without the question mark */
	const struct sigv4_header *headers; /* to sign: `host` must be there, and what AWS sends in
					       x-amz-*; never what a proxy may change */
	size_t headers_n;		    /* at most SIGV4_HEADERS_MAX */
	const uint8_t *body_hash;	    /* SHA-256, HASH_LEN bytes */
	struct span access_key_id;
	struct span session_token; /* n 0: the credentials are no temporary ones */
	struct sigv4_scope scope;
	int64_t now; /* Unix seconds; the services take five minutes of difference */
	bool plain;  /* x-amz-content-sha256 is not sent, as STS and older services have it */
};

/* Makes the key for all requests of the scope on the day of `now`. -1 when the secret is empty or
 * over SIGV4_SECRET_MAX, or the library fails; out is wiped then. */
MUST_CHECK int sigv4_derive(
    struct span secret, const struct sigv4_scope *scope, int64_t now, struct sigv4_key *out);

/* True when a kept key is one of the day of `now`. */
bool sigv4_key_good(const struct sigv4_key *key, int64_t now);

/* Overwrites the key in a way the compiler keeps. */
void sigv4_key_wipe(struct sigv4_key *key);

/* Appends the header lines that the request needs beside those that are signed: x-amz-date,
 * x-amz-content-sha256, x-amz-security-token and authorization, each "name: value" with its
 * terminating zero. -1 with `lines` as it was when the key is of another day, a name is no header's
 * or one of these, `host` is missing, the access key id, token or scope could break out of its
 * line, or something is over its bounds. */
MUST_CHECK int sigv4_sign(
    const struct sigv4_request *r, const struct sigv4_key *key, struct buf *lines);

/* Appends what is signed, the canonical request of AWS's documentation. -1 as sigv4_sign; out may
 * then hold a part of it. It holds the session token. */
MUST_CHECK int sigv4_canonical(const struct sigv4_request *r, struct buf *out);

/* Appends the path of the canonical request: without empty and dot segments, every byte but
 * letters, digits, `-._~` and the slashes as %XX, that of an escape too. -1 when out is full. */
MUST_CHECK int sigv4_canonical_path(struct span path, struct buf *out);

/* Appends the query of the canonical request: unescaped, escaped as the path is, sorted by name,
 * then value, each with its `=`; a `+` is a plus. -1 when there are more than
 * SIGV4_PARAMETERS_MAX or out is full. */
MUST_CHECK int sigv4_canonical_query(struct span query, struct buf *out);

/* Appends a model's id or ARN as one segment of a path, `:` as %3A and `/` as %2F as AWS's own
 * clients write it (Bedrock takes a raw `:` too). -1 when it is empty or a dot segment, which would
 * name another path, or out is full. */
MUST_CHECK int sigv4_segment(struct span id, struct buf *out);

#endif
