/* checks: the parts of `postern check` that are about upstreams. */
#ifndef POSTERN_CMD_CHECKS_H
#define POSTERN_CMD_CHECKS_H

#include "base/buf.h"
#include "base/check.h"
#include "policy/conf.h"
#include "policy/finding.h"

/* Gets every upstream's credentials as a server would, and looks at the certificates that it names.
 * What is wrong here is an error; another server that does not give them is a warning, since it may
 * answer where the program is to run. Waits for such servers, at most 10 s each. */
void checks_upstreams(const struct conf *c, struct findings *f);

/* Appends a line per workspace and region that tells which models are reachable there through which
 * upstreams. Nothing where all can reach the same: with one region and no upstream of a
 * workspace's own. -1 when out is full. */
MUST_CHECK int checks_reach(const struct conf *c, struct buf *out);

#endif
