/* source: where an upstream's own credentials come from. Each row of a table in source.c is a way
 * to get them; credential keeps what came. */
#ifndef POSTERN_UPSTREAM_SOURCE_H
#define POSTERN_UPSTREAM_SOURCE_H

#include <stdint.h>

#include "base/check.h"
#include "base/limits.h"
#include "policy/settings.h"
#include "upstream/sourced.h"

/* The file that the credentials stand in, whose change makes those that were read before void; NULL
 * when there is none. */
const char *source_file(const struct conf_upstream *u);

/* Gets the credentials of an upstream at now (Unix seconds) into out, empty before and, unless it
 * gives, after. Waits for other servers at most 10 s. why: the reason when it does not give,
 * without any part of a secret. */
MUST_CHECK enum source_end source_read(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX]);

#endif
