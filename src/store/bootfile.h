/* bootfile: files of a state folder that belong to one boot of the machine: what is in them was
 * never synced, and is not to be trusted after a power cut. */
#ifndef POSTERN_STORE_BOOTFILE_H
#define POSTERN_STORE_BOOTFILE_H

#include <stddef.h>

#include "base/check.h"

#define BOOTFILE_BOOT_LEN 8u /* of the name of a boot */

/* The name of this boot of the machine: two never have the same, unless /proc is not there. */
void bootfile_boot(char out[static BOOTFILE_BOOT_LEN + 1]);

/* Maps a table of `size` bytes that all processes of the folder share, all zero when it is new. A
 * file of another boot or another size is replaced by a new one; who has mapped it keeps it. NULL
 * with errno when it cannot be had. For bootfile_unmap. */
MUST_CHECK void *bootfile_map(const char *folder, const char *name, size_t size);

/* Ends what bootfile_map began. NULL is fine. */
void bootfile_unmap(void *table, size_t size);

#endif
