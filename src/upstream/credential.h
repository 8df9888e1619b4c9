/* credential: the upstreams' own secrets, read from files or the environment and read again when a
 * file changes. */
#ifndef POSTERN_UPSTREAM_CREDENTIAL_H
#define POSTERN_UPSTREAM_CREDENTIAL_H

#include "base/buf.h"
#include "base/check.h"
#include "policy/conf.h"
#include "wire/sigv4.h"

struct credentials;

/* What lets one request in. All empty: its upstream wants none. */
struct credential {
	struct buf secret;	  /* a key or token to be sent */
	struct buf access_key_id; /* of AWS: the request is signed with the rest of these */
	struct buf session_token; /* empty: it has none */
	struct sigv4_key key;
};

/* All bounds set, all empty. */
void credential_init(struct credential *c);

/* Wipes and frees; usable again. */
void credential_clear(struct credential *c);

/* One place per upstream of the conf, which must outlive it. Reads nothing yet. NULL when memory is
 * out. */
struct credentials *credentials_open(const struct conf *c);

/* Wipes and frees; NULL is fine. */
void credentials_close(struct credentials *cr);

/* Fills out (empty before) with what lets a request in at an upstream (one of the conf's) now.
 * Where that must be fetched from another server, the caller waits for it, and other threads with
 * him, unless what was fetched before is still good. -1 when it cannot be had: the reason was
 * logged, without the secret; with errno EMFILE when it is only that no descriptor or no memory was
 * left, and it may be had at the next call. now: Unix seconds. Safe for all threads. */
MUST_CHECK int credentials_get(
    struct credentials *cr, const struct conf_upstream *u, int64_t now, struct credential *out);

#endif
