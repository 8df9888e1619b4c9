/* conf_load: the configuration for a subcommand. */
#include <errno.h>
#include <stdio.h>

#include "base/limits.h"
#include "cmd/cmd.h"
#include "registry.h"
#include "store/keyfile.h"

struct conf *
cmd_conf_load(const char *path, struct buf *errors, struct buf *warnings)
{
	struct buf text = buf_make(CONF_FILE_MAX);
	struct conf *c = NULL;
	const char *zero_ended = NULL;
	int rc = keyfile_read(path, &text);

	if (rc < 0)
		rc = buf_addf(errors, "%s: cannot be read: %m\n", path);
	else
		zero_ended = buf_str(&text);
	if (zero_ended && strlen(zero_ended) == text.len)
		c = conf_parse(zero_ended, path, registry_kind_names(), errors, warnings);
	else if (zero_ended)
		rc = buf_addf(errors, "%s: this is not a text file\n", path);
	buf_free(&text);
	return c;
}
