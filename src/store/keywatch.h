/* keywatch: look-ups in the key file as it is now. Watches the file, keeps the index in step with
 * it and refuses everything when it cannot. */
#ifndef POSTERN_STORE_KEYWATCH_H
#define POSTERN_STORE_KEYWATCH_H

#include "base/buf.h"
#include "base/check.h"
#include "base/hash.h"
#include "store/store.h"

struct keywatch; /* used by all threads at once, never carried over a fork */

/* Opens the index in a state folder that exists. NULL when it cannot be opened; the reason was
 * logged. The key file may be missing now and come later. */
struct keywatch *keywatch_open(const char *keys_path, const char *state_path);

/* Finds the line with this hash and puts it into line. A change of the file is seen by the first
 * look-up after it; while a large file is read again, look-ups of other threads and processes wait
 * a quarter of a second at most and then go on with what was true before. */
MUST_CHECK enum store_status keywatch_find(
    struct keywatch *w, const uint8_t hash[static HASH_LEN], struct buf *line);

/* Whether look-ups are possible now; when not, *why is a text without secrets. */
MUST_CHECK enum store_status keywatch_probe(struct keywatch *w, const char **why);

/* Closes the index; NULL is fine. No look-up may be under way. */
void keywatch_close(struct keywatch *w);

#endif
