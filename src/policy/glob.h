/* glob: model lists as patterns, `*` for any run of bytes and `?` for one. Pure; at worst the
 * product of both lengths, never more. */
#ifndef POSTERN_POLICY_GLOB_H
#define POSTERN_POLICY_GLOB_H

#include "base/span.h"

/* True when the whole name matches the pattern. */
bool glob_match(struct span pattern, struct span name);

/* True when the name matches one of the comma-separated patterns. An empty list or pattern matches
 * nothing. */
bool glob_match_any(struct span patterns, struct span name);

#endif
