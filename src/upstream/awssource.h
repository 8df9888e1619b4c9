/* awssource: credentials for AWS, from the places where AWS's own clients look for them. */
#ifndef POSTERN_UPSTREAM_AWSSOURCE_H
#define POSTERN_UPSTREAM_AWSSOURCE_H

#include "base/check.h"
#include "base/limits.h"
#include "policy/settings.h"
#include "upstream/sourced.h"

/* These are rows of source.c and keep source_read's promise. */

/* The variables AWS_BEARER_TOKEN_BEDROCK (kind bedrock only, unless auth is sigv4), and
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. */
MUST_CHECK enum source_end awssource_env(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX]);

/* A profile of a shared credentials file. */
MUST_CHECK enum source_end awssource_file(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX]);

/* A container's end point, where AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI names one
 * (ECS, EKS Pod Identity), else the instance's (IMDSv2, at AWS_EC2_METADATA_SERVICE_ENDPOINT or its
 * well-known address). */
MUST_CHECK enum source_end awssource_metadata(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX]);

#endif
