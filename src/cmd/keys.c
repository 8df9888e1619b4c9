/* keys: where a configuration keeps its keys, the flat file or Redis, for the subcommands that look
 * at them or change them. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cmd/cmd.h"
#include "store/rediskeys.h"

static bool
in_redis(const struct conf *c)
{
	return strcmp(c->store.kind, "redis") == 0;
}

const char *
cmd_keys_name(const struct conf *c)
{
	return in_redis(c) ? "keys in Redis" : c->keys;
}

int
cmd_keys_read(const struct conf *c, struct buf *text)
{
	if (in_redis(c))
		return rediskeys_read(c, text);
	if (file_read(c->keys, text) == 0)
		return 0;
	(void)fprintf(stderr, "%s: cannot be read: %m\n", c->keys);
	return -1;
}

int
cmd_keys_edit(const struct conf *c, keyfile_change *change, void *arg)
{
	return in_redis(c) ? rediskeys_edit(c, change, arg) : keyfile_edit(c->keys, change, arg);
}
