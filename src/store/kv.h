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

/* A transaction; lives on the caller's stack, belongs to its thread. */
struct kv_txn {
	struct kv *kv;
	void *txn, *cursor; /* LMDB's own */
	bool write;
};

/* Opens the file (made with mode 0600 when missing, unless reader). A process may have a path open
 * only once. NULL when it cannot be; logged, but for a reader of a file that is not there, where
 * errno is ENOENT. */
struct kv *kv_open(const char *path, enum kv_mode mode, bool reader);

void kv_close(struct kv *kv);

/* Begins; a write waits for other writers. */
MUST_CHECK enum kv_status kv_begin(struct kv *kv, bool write, struct kv_txn *t);

/* Ends, either way; t is not to be used again. A read is only ever aborted. */
MUST_CHECK enum kv_status kv_commit(struct kv_txn *t);
void kv_abort(struct kv_txn *t);

/* The value, valid until the next change in this transaction or its end; not aligned. */
MUST_CHECK enum kv_status kv_get(struct kv_txn *t, struct span key, struct span *value);

/* Puts or replaces. */
MUST_CHECK enum kv_status kv_put(struct kv_txn *t, struct span key, struct span value);

/* As kv_put for a value that the caller fills in: *at points to n bytes in the map, valid until the
 * next change. */
MUST_CHECK enum kv_status kv_room(struct kv_txn *t, struct span key, size_t n, char **at);

/* Removes; KV_NOT_FOUND when there was none. */
MUST_CHECK enum kv_status kv_del(struct kv_txn *t, struct span key);

/* The first entry whose key is not below `from`; then, by kv_next, those after it. Spans as
 * kv_get's. After a kv_del of the entry that the walk stands on, kv_next gives the one that
 * followed it. */
MUST_CHECK enum kv_status kv_seek(
    struct kv_txn *t, struct span from, struct span *key, struct span *value);
MUST_CHECK enum kv_status kv_next(struct kv_txn *t, struct span *key, struct span *value);

/* Frees what dead processes left behind (slots of readers). Cheap; for every few seconds. */
void kv_tidy(struct kv *kv);

#endif
