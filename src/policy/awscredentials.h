/* awscredentials: the forms in which credentials for AWS come: the shared credentials file, and the
 * JSON of the metadata end points of containers and instances. Pure: whoever has the text gives it,
 * and wipes it. */
#ifndef POSTERN_POLICY_AWSCREDENTIALS_H
#define POSTERN_POLICY_AWSCREDENTIALS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

#define AWSCREDENTIALS_NEVER INT64_MAX

struct awscredentials {
	struct buf access_key_id;
	struct buf secret;
	struct buf session_token; /* empty: long-lived credentials have none */
	int64_t expires;	  /* Unix seconds; AWSCREDENTIALS_NEVER: nobody said */
};

/* Each of these fills out, whatever it held before. -1 when there are no whole credentials that
 * could stand in a header, or memory is out: out is empty then and *why says what is wrong, a fixed
 * text without any part of them. */

/* Takes parts as they are, of environment variables for example; an empty session_token is none. */
MUST_CHECK int awscredentials_set(struct awscredentials *out, struct span access_key_id,
    struct span secret, struct span session_token, const char **why);

/* Reads one profile of a shared credentials file: `[name]`, or `[profile name]` where there is no
 * such section. Of a setting that stands there twice the last one counts, as with AWS's tools;
 * names of settings are without case; a comment begins with # or ; at the start of a line or after
 * a blank; a line that is indented deeper than the setting above it belongs to that one's value. */
MUST_CHECK int awscredentials_profile(
    struct awscredentials *out, struct span text, struct span profile, const char **why);

/* Reads the answer of a metadata end point: AccessKeyId and SecretAccessKey, with Token and
 * Expiration (RFC 3339) where the credentials are temporary, and Code, which says "Success" if it
 * is there. */
MUST_CHECK int awscredentials_json(struct awscredentials *out, struct span text, const char **why);

/* Wipes and frees; the credentials are empty and may be filled again. */
void awscredentials_clear(struct awscredentials *c);

#endif
