/* credential: the upstreams' own secrets, read from files or the environment and read again when a
 * file changes. */
#ifndef POSTERN_UPSTREAM_CREDENTIAL_H
#define POSTERN_UPSTREAM_CREDENTIAL_H

#include "base/buf.h"
#include "base/check.h"
#include "policy/conf.h"

struct credentials;

/* One place per upstream of the conf, which must outlive it. Reads nothing yet. NULL when memory is
 * out. */
struct credentials *credentials_open(const struct conf *c);

/* Wipes and frees; NULL is fine. */
void credentials_close(struct credentials *cr);

/* Appends the secret of an upstream (one of the conf's) to out; empty when it has none. -1 when its
 * file or variable cannot be read or is empty: the reason was logged, without the secret. Safe for
 * all threads. */
MUST_CHECK int credentials_secret(
    struct credentials *cr, const struct conf_upstream *u, struct buf *out);

#endif
