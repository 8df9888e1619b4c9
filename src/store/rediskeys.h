/* rediskeys: the keys in Redis as a whole, for administrators: read as the text of a key file, and
 * changed the same way as one (store/keyfile.h). */
#ifndef POSTERN_STORE_REDISKEYS_H
#define POSTERN_STORE_REDISKEYS_H

#include "base/buf.h"
#include "base/check.h"
#include "policy/settings.h"
#include "store/keyfile.h"

/* Appends all lines, sorted by id. Lines that are damaged are left out, and told on standard error.
 * -1 on errors, reported there. */
MUST_CHECK int rediskeys_read(const struct conf *c, struct buf *text);

/* Changes the keys: what change makes of the text is written, in one transaction, line by line
 * where it differs; comments are dropped. When somebody else changes them meanwhile it begins
 * again, and change is called again. -1 on errors, reported on standard error. */
MUST_CHECK int rediskeys_edit(const struct conf *c, keyfile_change *change, void *arg);

#endif
