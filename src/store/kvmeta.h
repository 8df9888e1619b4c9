/* kvmeta: guards the heads of an LMDB file that is written through the map, the two pages of which
 * the one with the higher number of a transaction is in force.
 *
 * LMDB stores a head's fields and then, as the last, the number that puts it in force. Compilers
 * may store otherwise: the liblmdb of Debian 12 for amd64 stores the root of the table after the
 * number. A process that is killed between these two instructions leaves a head in force whose root
 * is that of the transaction two before, and the next writer overwrites pages that are in use. So
 * whoever commits notes beside the first head what is to be there no longer, and whoever writes
 * next takes a head that was torn back: nobody has seen it, since LMDB tells readers of a
 * transaction after its head is written.
 *
 * The layout is LMDB's file format 1, that of all its releases 0.9. */
#ifndef POSTERN_STORE_KVMETA_H
#define POSTERN_STORE_KVMETA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

struct kvmeta {
	void *heads; /* a shared mapping of both; NULL: not open */
	size_t page; /* size of either, in bytes */
};

/* Maps the heads of the file, which need not be there yet. An errno when that cannot be. */
MUST_CHECK int kvmeta_open(struct kvmeta *m, int fd, bool writable);

/* Unmaps. All zero is fine. */
void kvmeta_close(struct kvmeta *m);

/* Whether the head that was written last is torn. The heads must be there; with a writer at work
 * the answer may be a wrong yes. */
bool kvmeta_torn(const struct kvmeta *m);

/* Makes a torn head one of a transaction that changed nothing. The caller has the lock of writers
 * and has not begun yet. May itself be killed at any instant. */
void kvmeta_mend(struct kvmeta *m);

/* Notes that the transaction of this number is about to be committed, by who has the lock of
 * writers. */
void kvmeta_commit_begins(struct kvmeta *m, size_t txnid);

/* Notes that its commit has returned, whatever came of it. */
void kvmeta_commit_ends(struct kvmeta *m);

#endif
