/* confupstream: what an upstream of a kind needs, and what follows from what was given. Pure. */
#ifndef POSTERN_POLICY_CONFUPSTREAM_H
#define POSTERN_POLICY_CONFUPSTREAM_H

#include "base/check.h"
#include "policy/finding.h"
#include "policy/settings.h"

/* Completes an upstream (its url where the kind and its place tell it, its service, its region) and
 * notes what is missing or of no use. -1 when memory is out. */
MUST_CHECK int confupstream_check(
    const struct conf *c, struct conf_upstream *u, struct findings *f);

#endif
