/* kv: one LMDB environment with one table of keys and values, ordered by bytes. Safe for all
 * threads and processes; survives the death of any of them at any instant. The home of lmdb.h for
 * everything but the index of keys. Reasons are logged here. Keys have 1 to 511 bytes. */
#ifndef POSTERN_STORE_KV_H
#define POSTERN_STORE_KV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/span.h"

struct kv;

enum kv_mode {
	KV_DURABLE,  /* a commit is on the disk when it returns */
	KV_VOLATILE, /* a commit costs no write: it survives processes, not the machine. The file is
		      * made without holes ahead of its use, so that a full disk fails a begin and
		      * never a store into the map. */
};

enum kv_status {
	KV_OK = 0,
	KV_NOT_FOUND = -1,
	KV_FULL = -2,	/* no room in the map or on the disk */
	KV_BROKEN = -3, /* logged */
};

/* A transaction; lives on the caller's stack, belongs to its thread, which may have one at a time.
 */
struct kv_txn {
	struct kv *kv;
	void *txn, *cursor; /* LMDB's own */
	bool write;
	bool low;    /* set by a begin of a write in a volatile kv: the disk or the map has no room
		      * left but a reserve, which is for those who cannot wait */
	size_t room; /* pages that one in a volatile kv may still use: see kv_put */
};

/* Opens the file (made with mode 0600 when missing, unless reader). A process may have a path open
 * only once, and a child after fork(2) may not use what its parent opened. NULL when it cannot be;
 * logged, but for a reader of a file that is not there, where errno is ENOENT. */
struct kv *kv_open(const char *path, enum kv_mode mode, bool reader);

/* Closes and frees. NULL is fine. */
void kv_close(struct kv *kv);

/* False when the file was removed, or another one stands in its place. */
bool kv_stands(const struct kv *kv);

/* Begins; a write waits for other writers. While a read lasts, no page that is freed can be used
 * again and the file grows with every write: it must be short. */
MUST_CHECK enum kv_status kv_begin(struct kv *kv, bool write, struct kv_txn *t);

/* Ends a write with all that was changed in it, or, on an error, with nothing. t is not to be used
 * again. */
MUST_CHECK enum kv_status kv_commit(struct kv_txn *t);

/* Ends without a change: a read, or a write that is given up. As kv_commit else. */
void kv_abort(struct kv_txn *t);

/* The value, valid until the next change in this transaction or its end; not aligned. */
MUST_CHECK enum kv_status kv_get(struct kv_txn *t, struct span key, struct span *value);

#define KV_CHANGES 64u

/* Puts or replaces. One transaction of a volatile kv makes at most KV_CHANGES changes, puts and
 * removals, fewer with values of many kilobytes: then KV_FULL. */
MUST_CHECK enum kv_status kv_put(struct kv_txn *t, struct span key, struct span value);

/* As kv_put for a value that the caller fills in: *at points to n bytes in the map, valid until the
 * next change. */
MUST_CHECK enum kv_status kv_room(struct kv_txn *t, struct span key, size_t n, char **at);

/* Removes; KV_NOT_FOUND when there was none. */
MUST_CHECK enum kv_status kv_del(struct kv_txn *t, struct span key);

/* The first entry whose key is not below `from`; then, by kv_next, those after it. Spans as
 * kv_get's. After a kv_del of the entry that the walk stands on, kv_next gives the one that
 * followed it. One walk at a time. */
MUST_CHECK enum kv_status kv_seek(
    struct kv_txn *t, struct span from, struct span *key, struct span *value);

/* The entry after the one of the last kv_seek or kv_next; KV_NOT_FOUND behind the last. */
MUST_CHECK enum kv_status kv_next(struct kv_txn *t, struct span *key, struct span *value);

/* Frees what dead processes left behind (slots of readers). Cheap; for every few seconds. */
void kv_tidy(struct kv *kv);

#endif
