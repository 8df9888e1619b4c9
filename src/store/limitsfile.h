/* limitsfile: which file of a state folder the limiter is in, and how it comes to be. It belongs to
 * one boot of the machine and bears its name; that of another boot is never opened, since a
 * volatile kv is not to be trusted after a power cut. */
#ifndef POSTERN_STORE_LIMITSFILE_H
#define POSTERN_STORE_LIMITSFILE_H

#include "base/check.h"
#include "base/limits.h"
#include "store/drain.h"

/* The file of this boot. -1 when the path is too long; logged. */
MUST_CHECK int limitsfile_path(const char *folder, char out[static PATH_MAX_LEN]);

/* Makes the file when it is not there: whole, with the number of the ledger's last line in it, by
 * one process at a time; and removes those of other boots. -1 when it cannot be; logged. */
MUST_CHECK int limitsfile_need(const char *folder, const char *path, struct drain *d);

#endif
