/* keyindex: the lines of the key file by their hashes, in LMDB, in two files of the state folder.
 * Everything in it can be made again from the key file. The home of lmdb.h.
 *
 * Whoever changes the index holds the lock on its guard; look-ups hold nothing, and go on in the
 * index as it was while it is made anew. */
#ifndef POSTERN_STORE_KEYINDEX_H
#define POSTERN_STORE_KEYINDEX_H

#include "base/buf.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/stamp.h"
#include "store/keytable.h"

struct keyindex; /* opaque; used by all threads at once, never carried over a fork */

enum keyindex_status {
	KEYINDEX_OK = 0,
	KEYINDEX_NOT_FOUND = -1,
	KEYINDEX_DAMAGED = -2, /* the files must be made anew */
	KEYINDEX_BROKEN = -3,  /* memory, disk, permissions; the reason was logged */
};

/* Which key file the index was made from. */
struct keyindex_source {
	struct stamp stamp;
	uint8_t sha256[HASH_LEN];
};

/* Where the index of a key file lies. The name follows from the path of the key file, because LMDB
 * must not open the same files twice in a process, and a reload that moves the key file keeps the
 * old store open while calls go on in it. */
struct keyindex_place {
	char data[PATH_MAX_LEN];
	char lock[PATH_MAX_LEN];  /* LMDB's own, of its readers */
	char guard[PATH_MAX_LEN]; /* the lock of whoever changes the index */
};

/* -1 when the path is too long. */
MUST_CHECK int keyindex_place(
    const char *keys_path, const char *state_path, struct keyindex_place *out);

/* Opens the files of a place. Without the lock they must be there and whole:
 * KEYINDEX_DAMAGED asks the caller to try again with the lock. With the lock missing files are
 * made; KEYINDEX_DAMAGED then says that they are no index. */
MUST_CHECK enum keyindex_status keyindex_open(
    const struct keyindex_place *place, bool locked, struct keyindex **out);

/* True when the files of the place are no longer the ones that were opened. */
bool keyindex_moved(const struct keyindex *x);

/* Removes the files; the caller holds the lock. */
void keyindex_remove(const struct keyindex_place *place);

/* Finds the line with this hash and puts it into line. */
MUST_CHECK enum keyindex_status keyindex_find(
    struct keyindex *x, const uint8_t hash[static HASH_LEN], struct buf *line);

/* What the index was made from; KEYINDEX_NOT_FOUND when it was not made yet. */
MUST_CHECK enum keyindex_status keyindex_source(struct keyindex *x, struct keyindex_source *out);

/* Writes down that the same content now has another stamp. */
MUST_CHECK enum keyindex_status keyindex_restamp(
    struct keyindex *x, const struct keyindex_source *source);

/* Makes the index hold exactly the rows of the table: by the differences when they are few, else
 * anew. */
MUST_CHECK enum keyindex_status keyindex_fill(
    struct keyindex *x, const struct keytable *t, const struct keyindex_source *source);

/* Closes the files; NULL is fine. No look-up may be under way. */
void keyindex_close(struct keyindex *x);

#endif
