/* keyfile: changes to the flat key file: read whole, changed, written to a
 * temporary file beside it, synced and renamed, all under a lock on `<file>.lock`, so that two
 * administrators lose nothing. Everything that is not changed, comments and damaged lines included,
 * stays byte for byte. Mode and owner of the file are kept. */
#ifndef POSTERN_STORE_KEYFILE_H
#define POSTERN_STORE_KEYFILE_H

#include "base/buf.h"
#include "base/check.h"
#include "policy/key.h"

/* Called with the whole text; appends the new text to out. Returns 0 to write it, 1 to leave the
 * file as it is, -1 on an error that it has reported itself. */
typedef int keyfile_change(void *arg, struct span text, struct buf *out);

/* Changes the file; a missing one counts as empty and is made with mode 0640. -1 on errors,
 * reported on standard error. */
MUST_CHECK int keyfile_edit(const char *path, keyfile_change *change, void *arg);

#endif
