/* confcheck: what must hold between the sections of a configuration. Pure. */
#ifndef POSTERN_POLICY_CONFCHECK_H
#define POSTERN_POLICY_CONFCHECK_H

#include "policy/finding.h"
#include "policy/settings.h"

/* Fills in what follows from other sections (a target's upstream, regions that were not given) and
 * notes what does not fit together. -1 when memory is out. */
MUST_CHECK int confcheck(struct conf *c, struct findings *f);

#endif
