/* store_open: the configuration and its store for a subcommand that looks and changes nothing. */
#include <stdio.h>

#include "base/limits.h"
#include "cmd/cmd.h"
#include "conffile.h"
#include "registry.h"

struct conf *
cmd_conf_open(const char *given)
{
	struct buf path = buf_make(PATH_MAX_LEN);
	struct buf errors = buf_make(CONF_FILE_MAX);
	struct buf warnings = buf_make(CONF_FILE_MAX);
	struct conf *c = NULL;

	if (conffile_path(given, &path) == 0) {
		c = cmd_conf_load(buf_str(&path), &errors, &warnings);
		(void)fprintf(stderr, "%.*s", (int)errors.len, errors.len ? errors.p : "");
	}
	buf_free(&path);
	buf_free(&errors);
	buf_free(&warnings);
	return c;
}

struct store *
cmd_store_open(const struct conf *c)
{
	const struct store_kind *kind = parts_store(registry(), span_of(c->store.kind));

	if (!kind) {
		(void)fprintf(stderr, "postern: this program has no store \"%s\"\n", c->store.kind);
		return NULL;
	}
	return kind->open(c, NULL, true);
}
