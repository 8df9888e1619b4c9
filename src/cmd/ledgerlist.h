/* ledgerlist: which files hold a ledger. */
#ifndef POSTERN_CMD_LEDGERLIST_H
#define POSTERN_CMD_LEDGERLIST_H

#include <stddef.h>

#include "base/check.h"

/* Begins as {0}. */
struct ledgerlist {
	char **paths;
	size_t n;
};

/* Adds the files ledger-*.jsonl of a folder, by name. A folder that is not there has none. -1 with
 * errno set. */
MUST_CHECK int ledgerlist_folder(struct ledgerlist *l, const char *folder);

/* Adds a file, unless the same is in the list, whatever its name is there; one that cannot be
 * looked at is added, so that reading it says why. -1 with errno set. */
MUST_CHECK int ledgerlist_file(struct ledgerlist *l, const char *path);

/* Frees the list, which is then empty. */
void ledgerlist_free(struct ledgerlist *l);

#endif
