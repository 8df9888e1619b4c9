/* source: see the header. */
#include "upstream/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "upstream/awssource.h"
#include "upstream/googlesource.h"
#include "upstream/secretfile.h"
#include "wire/header.h"

enum cloud { AWS, GOOGLE };

static enum cloud
cloud_of(const struct conf_upstream *u)
{
	return strcmp(u->kind, "vertex") == 0 ? GOOGLE : AWS;
}

static enum source_end
read_line(const char *path, struct sourced *out, char why[static MESSAGE_MAX])
{
	buf_wipe(&out->secret);
	if (secretfile_line(path, &out->secret, why) == 0)
		return SOURCE_GIVES;
	return errno == EMFILE || errno == ENFILE ? SOURCE_SCARCE : SOURCE_WRONG;
}

static enum source_end
read_key(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX])
{
	struct span value;

	(void)now;
	if (u->api_key_file)
		return read_line(u->api_key_file, out, why);
	if (!u->api_key_env)
		return SOURCE_GIVES;
	value = span_trim(span_of(getenv(u->api_key_env)));
	if (value.n > 0 && header_value_ok(value) && buf_add(&out->secret, value) == 0)
		return SOURCE_GIVES;
	(void)snprintf(why, MESSAGE_MAX,
	    value.n == 0 ? "the variable %s is not set here; the server needs it in its environment"
			 : "the variable %s holds no secret that could stand in a header",
	    u->api_key_env);
	return SOURCE_WRONG;
}

static enum source_end
read_bearer(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX])
{
	(void)now;
	return read_line(u->credentials_file, out, why);
}

typedef enum source_end read_function(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX]);

static read_function *const ways[][2] = {
	[CONF_CREDENTIALS_NONE] = { read_key, read_key },
	[CONF_CREDENTIALS_ENV] = { awssource_env, googlesource_file },
	[CONF_CREDENTIALS_FILE] = { awssource_file, googlesource_file },
	[CONF_CREDENTIALS_METADATA] = { awssource_metadata, googlesource_metadata },
	[CONF_CREDENTIALS_BEARER] = { read_bearer, read_bearer },
};

_Static_assert(sizeof(ways) / sizeof(*ways) == CONF_CREDENTIALS_BEARER + 1, "one for each");

const char *
source_file(const struct conf_upstream *u)
{
	if (u->credentials == CONF_CREDENTIALS_ENV)
		return cloud_of(u) == GOOGLE ? googlesource_path(u) : NULL;
	return u->credentials_file ? u->credentials_file : u->api_key_file;
}

enum source_end
source_read(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX])
{
	enum source_end end = ways[u->credentials][cloud_of(u)](u, now, out, why);

	if (end != SOURCE_GIVES)
		sourced_clear(out);
	return end;
}
