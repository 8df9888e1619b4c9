/* googlesource: access tokens for Google Cloud. */
#ifndef POSTERN_UPSTREAM_GOOGLESOURCE_H
#define POSTERN_UPSTREAM_GOOGLESOURCE_H

#include "base/check.h"
#include "base/limits.h"
#include "policy/settings.h"
#include "upstream/sourced.h"

/* These are rows of source.c and keep source_read's promise. */

/* The key file of a service account, or the one that GOOGLE_APPLICATION_CREDENTIALS names, which is
 * exchanged for a token at the server that it names. */
MUST_CHECK enum source_end googlesource_file(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX]);

/* The metadata server of a machine of Google's, at GCE_METADATA_HOST or its well-known name. */
MUST_CHECK enum source_end googlesource_metadata(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX]);

/* The file that googlesource_file reads; NULL when none is named. */
const char *googlesource_path(const struct conf_upstream *u);

#endif
