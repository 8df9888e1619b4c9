/* conf_load: the configuration for a subcommand. */
#include <stdio.h>

#include "base/file.h"
#include "base/limits.h"
#include "cmd/cmd.h"
#include "conffile.h"
#include "registry.h"

struct conf *
cmd_conf_load(const char *path, struct buf *errors, struct buf *warnings)
{
	struct buf text = buf_make(CONF_FILE_MAX);
	struct conf *c = NULL;

	if (file_read(path, &text))
		(void)!buf_addf(errors, "%s: cannot be read: %m\n", path);
	else
		c = conffile_parse(path, &text, registry()->kind_names, errors, warnings);
	buf_free(&text);
	if (!c && errors->len == 0)
		(void)fprintf(stderr, "%s: out of memory\n", path);
	return c;
}
