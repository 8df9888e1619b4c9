/* kv: see the header.
 *
 * A durable file syncs data and head at each commit. Leaving out the second (MDB_NOMETASYNC), as
 * the index of keys does, could undo the last commit at a power cut; who uses this counts on it.
 *
 * A volatile file is written through the map where that is safe: a page of the map that has no
 * block on a full disk would end the process. So the blocks are there before the pages are used,
 * on file systems that keep a block where it was promised; elsewhere pages are written by pwrite(2)
 * into the page cache, which costs some microseconds more. A transaction is kept smaller than what
 * is reserved ahead of it.
 *
 * Who writes a volatile file locks it with flock(2) before LMDB's own lock, for which nobody then
 * waits. That one is a robust futex: one who waits for it, and is killed just when he is woken,
 * takes along the waking of all others, and they may sleep for ever. A durable file has one writer
 * at a time by what is above it, which holds its transaction while it waits for the disk. */
#include "store/kv.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <lmdb.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/kvmeta.h"

/* Address space, of which a file takes as much of the disk as it has use for. */
#define MAP_DURABLE (sizeof(void *) > 4 ? 16384 * MIB : 1024 * MIB)
#define MAP_MIN	    (16 * MIB)

/* Opening a file to be written through the map cuts or stretches it to this size, so it has to be
 * the same for all who use the file: another size wants another name of the file. */
#define MAP_VOLATILE (1024 * MIB)

/* Reads at once, of all processes together: they are short, and a call seldom makes one. Every
 * place for one costs memory in each process. */
#define READERS_MAX 1022u

/* Of a volatile file, in pages. What a transaction needs beyond its own changes (the list of free
 * pages) is small against the difference. A change may use the pages from the root to a leaf, and
 * one for a leaf that is split. */
#define PAGES_PER_CHANGE ((size_t)4)
#define CHANGES_MAX	 (KV_CHANGES * PAGES_PER_CHANGE)
#define RESERVE		 512u  /* without so many ahead nothing can be written */
#define AHEAD		 1024u /* with fewer, kv_txn.low is set */
#define STEP		 256u

/* The last part of the map is for those who cannot wait. While it is being used up the file counts
 * as low; that it is reached says nothing, since a file does not shrink. */
#define KEPT_PART 8u
#define LOW_MS	  1000

#define HEADS	   2u /* pages that a file begins with */
#define KINDS	   64u
#define TELL_AGAIN INT64_C(60000) /* ms, before the same trouble is logged again */

struct kv {
	MDB_env *env;
	MDB_dbi dbi;
	char *path;
	bool reader, is_volatile, mapped; /* mapped: written through the map */
	size_t page, map;		  /* sizes, in bytes */
	int fd;				  /* LMDB's own */
	pthread_mutex_t writer;		  /* had by the thread that writes, which then takes ... */
	int lock_fd;			  /* ... the lock of this; -1 in a file that needs none */
	struct kvmeta meta;		  /* open in a volatile file */

	/* These belong to who writes. */
	size_t sure;	      /* pages that have their blocks */
	size_t used;	      /* at the last look; 0: there was none */
	int64_t low_until_ms; /* the map counts as low */

	_Atomic int64_t told_ms[KINDS];
};

static size_t
kind_of(int rc)
{
	return rc < 0 ? (size_t)(rc - MDB_KEYEXIST) % (KINDS / 2)
		      : KINDS / 2 + (size_t)rc % (KINDS / 2);
}

/* Each kind of trouble is logged once a minute, not at each call. */
static void
tell(struct kv *kv, const char *step, int rc)
{
	_Atomic int64_t *told_ms = &kv->told_ms[kind_of(rc)];
	int64_t now_ms = clock_mono_ms();
	int64_t last_ms = atomic_load(told_ms);

	if (last_ms != 0 && now_ms - last_ms < TELL_AGAIN)
		return;
	if (atomic_compare_exchange_strong(told_ms, &last_ms, now_ms))
		log_error("state",
		    "what=\"the file cannot be used\" file=\"%s\" step=%s why=\"%s\"", kv->path,
		    step, mdb_strerror(rc));
}

static enum kv_status
status_of(struct kv *kv, const char *step, int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return KV_OK;
	case MDB_NOTFOUND:
		return KV_NOT_FOUND;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return KV_FULL;
	case MDB_MAP_RESIZED:
		/* Another process had room for a larger map and has filled it. */
		tell(kv, step, rc);
		return KV_FULL;
	default:
		tell(kv, step, rc);
		return KV_BROKEN;
	}
}

/* Whether the file system keeps blocks where they were once promised. One that writes changed pages
 * to another place (btrfs, ZFS), or that hands on to one we cannot see, may run out of them. */
static bool
keeps_blocks(int fd)
{
	static const uint32_t good[] = {
		0xEF53,	    /* ext2, ext3, ext4 */
		0x58465342, /* XFS */
		0x01021994, /* tmpfs */
	};
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if ((uint32_t)st.f_type == good[i])
			return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0,
				   HEADS * sysconf(_SC_PAGESIZE)) == 0 ||
			    errno == ENOSPC || errno == EDQUOT;
	}
	return false;
}

/* A process that may not make a file of the map's size cannot stretch it. */
static bool
may_be_large(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur >= MAP_VOLATILE;
}

static int
open_with(struct kv *kv, size_t map, unsigned flags)
{
	int rc = mdb_env_create(&kv->env);

	if (rc != 0)
		return rc;
	if ((rc = mdb_env_set_mapsize(kv->env, map)) == 0 &&
	    (rc = mdb_env_set_maxreaders(kv->env, READERS_MAX)) == 0)
		rc = mdb_env_open(
		    kv->env, kv->path, flags | MDB_NOSUBDIR | MDB_NOTLS, S_IRUSR | S_IWUSR);
	if (rc == 0) {
		kv->map = map;
		return 0;
	}
	mdb_env_close(kv->env);
	kv->env = NULL;
	return rc;
}

/* Opens with the largest map that the address space has room for: it is address space, not memory.
 */
static int
open_environment(struct kv *kv)
{
	unsigned flags = (kv->reader ? MDB_RDONLY : 0) | (kv->is_volatile ? MDB_NOSYNC : 0);
	int rc = ENOMEM;

	if (kv->mapped)
		rc = open_with(kv, MAP_VOLATILE, flags | MDB_WRITEMAP);
	if (rc == ENOMEM)
		kv->mapped = false;
	for (size_t map = kv->is_volatile ? MAP_VOLATILE : MAP_DURABLE;
	     rc == ENOMEM && map >= MAP_MIN; map /= 2)
		rc = open_with(kv, map, flags);
	return rc;
}

/* Pages of the file that are in use. */
static size_t
used_of(const struct kv *kv)
{
	MDB_envinfo info;

	return mdb_env_info(kv->env, &info) == 0 ? info.me_last_pgno + 1 : kv->map / kv->page;
}

static bool
lacks_end(const struct kv *kv, size_t *size)
{
	struct stat st;

	*size = used_of(kv) * kv->page;
	return fstat(kv->fd, &st) == 0 && (size_t)st.st_size < *size;
}

/* LMDB may leave out unused pages at the end of the file. In a file that was damaged they may be
 * used ones, and touching them would end the process: they are filled with zeros, which LMDB takes
 * for damage. */
static int
fill_up(struct kv *kv)
{
	MDB_txn *txn = NULL;
	size_t size;
	int rc;

	if (kv->reader || kv->mapped || !lacks_end(kv, &size))
		return 0;
	rc = mdb_txn_begin(kv->env, NULL, 0, &txn);
	if (rc != 0)
		return rc;
	if (lacks_end(kv, &size) && ftruncate(kv->fd, (off_t)size) < 0)
		rc = errno;
	mdb_txn_abort(txn);
	return rc;
}

/* A transaction that reads is enough, and waits for nobody. */
static int
open_table(struct kv *kv)
{
	MDB_txn *txn = NULL;
	MDB_stat st;
	int rc = mdb_env_stat(kv->env, &st);

	if (rc == 0)
		rc = mdb_env_get_fd(kv->env, &kv->fd);
	if (rc != 0)
		return rc;
	kv->page = st.ms_psize;
	rc = fill_up(kv);
	if (rc == 0)
		rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, NULL, 0, &kv->dbi);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* A process that was killed while it made the file leaves a part of the pages that it begins with.
 * Nobody has such a file open: whoever opens holds the lock of the caller. */
static int
prepare(const struct kv *kv, int fd)
{
	size_t heads = HEADS * (size_t)sysconf(_SC_PAGESIZE);
	struct stat st;

	if (!kv->reader && flock(fd, LOCK_EX) < 0)
		return errno;
	if (fstat(fd, &st) < 0)
		return errno;
	if ((size_t)st.st_size >= heads)
		return 0;
	if (kv->reader)
		return ENOENT;
	return st.st_size > 0 && ftruncate(fd, 0) < 0 ? errno : 0;
}

/* A head of the file that is torn is mended before LMDB looks at it, by one who may write; to
 * others it is an error for as long as nobody has begun to. */
static int
look_at_heads(struct kv *kv, int fd)
{
	size_t heads = HEADS * (size_t)sysconf(_SC_PAGESIZE);
	struct stat st;
	int rc = kvmeta_open(&kv->meta, fd, !kv->reader);

	if (rc != 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return errno;
	if ((size_t)st.st_size < heads)
		return 0;
	if (!kv->reader)
		kvmeta_mend(&kv->meta);
	else if (kvmeta_torn(&kv->meta) && flock(fd, LOCK_SH | LOCK_NB) == 0)
		rc = kvmeta_torn(&kv->meta) ? EUCLEAN : 0;
	return rc;
}

/* The file of locks, which LMDB makes beside it when it is missing, has to be the owner's also when
 * root looks first. What goes wrong here is LMDB's to say. */
static void
make_lock(const struct kv *kv, int fd)
{
	char path[PATH_MAX_LEN];
	int n = snprintf(path, sizeof(path), "%s-lock", kv->path);
	struct stat st;
	int lock_fd;

	if (n < 0 || (size_t)n >= sizeof(path) || fstat(fd, &st) < 0 || st.st_uid == geteuid())
		return;
	lock_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (lock_fd < 0)
		return;
	(void)!fchown(lock_fd, st.st_uid, st.st_gid);
	(void)close(lock_fd);
}

static int
open_file(struct kv *kv)
{
	int fd = open(
	    kv->path, (kv->reader ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, S_IRUSR | S_IWUSR);
	int rc;

	if (fd < 0)
		return errno;
	rc = prepare(kv, fd);
	kv->mapped = kv->is_volatile && !kv->reader && may_be_large() && keeps_blocks(fd);
	if (rc == 0 && kv->is_volatile)
		rc = look_at_heads(kv, fd);
	if (rc == 0 && kv->reader)
		make_lock(kv, fd);
	if (rc == 0)
		rc = open_environment(kv);
	if (rc == 0)
		rc = open_table(kv);
	if (rc == 0 && kv->is_volatile && !kv->reader) {
		(void)flock(fd, LOCK_UN);
		kv->lock_fd = fd;
		return 0;
	}
	(void)close(fd);
	return rc;
}

struct kv *
kv_open(const char *path, enum kv_mode mode, bool reader)
{
	struct kv *kv = calloc(1, sizeof(*kv));
	int rc;

	if (!kv || !(kv->path = strdup(path))) {
		log_error("state", "what=\"out of memory\"");
		free(kv);
		return NULL;
	}
	kv->reader = reader;
	kv->is_volatile = mode == KV_VOLATILE;
	kv->lock_fd = -1;
	(void)pthread_mutex_init(&kv->writer, NULL);
	rc = open_file(kv);
	if (rc == 0)
		return kv;
	if (!reader || rc != ENOENT)
		tell(kv, "open", rc);
	kv_close(kv);
	errno = rc;
	return NULL;
}

void
kv_close(struct kv *kv)
{
	if (!kv)
		return;
	if (kv->env)
		mdb_env_close(kv->env);
	kvmeta_close(&kv->meta);
	if (kv->lock_fd >= 0)
		(void)close(kv->lock_fd);
	(void)pthread_mutex_destroy(&kv->writer);
	free(kv->path);
	free(kv);
}

bool
kv_stands(const struct kv *kv)
{
	return file_stands(kv->fd, kv->path);
}

void
kv_tidy(struct kv *kv)
{
	int dead = 0;
	int rc = mdb_reader_check(kv->env, &dead);

	if (rc != 0)
		tell(kv, "tidy", rc);
}

/* Sees to it that so many pages have their blocks, or all of the map. */
static int
allocate(struct kv *kv, size_t pages)
{
	size_t to = pages < kv->map / kv->page ? pages : kv->map / kv->page;
	int rc;

	if (kv->sure >= to)
		return 0;
	do
		rc = fallocate(
		    kv->fd, 0, (off_t)(kv->sure * kv->page), (off_t)((to - kv->sure) * kv->page));
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return errno;
	kv->sure = to;
	return 0;
}

/* Whether the kept part of the map is being used up. */
static bool
map_is_low(struct kv *kv, size_t used)
{
	size_t all = kv->map / kv->page;
	bool grown = kv->used > 0 && used > kv->used;
	int64_t now_ms;

	kv->used = used;
	if (used <= all - all / KEPT_PART)
		return false;
	now_ms = clock_mono_ms();
	if (grown)
		kv->low_until_ms = now_ms + LOW_MS;
	return now_ms < kv->low_until_ms;
}

/* Sees to the room ahead of a transaction that has begun. That the file grows is how the place of a
 * reader that died shows, which keeps pages from being used again. */
static int
reserve(struct kv_txn *t)
{
	struct kv *kv = t->kv;
	size_t used = used_of(kv);
	int rc;

	t->room = CHANGES_MAX;
	t->low = map_is_low(kv, used);
	if (t->low)
		kv_tidy(kv);
	if (kv->sure >= used + AHEAD || kv->sure >= kv->map / kv->page)
		return 0;
	kv_tidy(kv);
	if (!kv->mapped) {
		kv->sure = used + AHEAD + STEP;
		return 0;
	}
	rc = allocate(kv, used + AHEAD + STEP);
	if (rc == 0)
		return 0;
	t->low = true;
	return allocate(kv, used + RESERVE) == 0 ? 0 : rc;
}

static int
lock(struct kv *kv)
{
	int rc = 0;

	(void)pthread_mutex_lock(&kv->writer);
	while (kv->lock_fd >= 0 && (rc = flock(kv->lock_fd, LOCK_EX)) < 0 && errno == EINTR)
		;
	if (rc == 0)
		return 0;
	rc = errno;
	(void)pthread_mutex_unlock(&kv->writer);
	return rc;
}

static void
unlock(struct kv *kv)
{
	if (kv->lock_fd >= 0)
		(void)flock(kv->lock_fd, LOCK_UN);
	(void)pthread_mutex_unlock(&kv->writer);
}

/* What LMDB orders by its table of readers and the numbers in its heads the thread sanitizer cannot
 * see: a page is written anew when no reader is left that could look at it, and a reader begins
 * behind the commit whose pages it looks at. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ORDERED_FOR_TSAN
#endif
#endif

#ifdef ORDERED_FOR_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define AFTER_OTHERS(kv)  __tsan_acquire(kv)
#define BEFORE_OTHERS(kv) __tsan_release(kv)
#else
#define AFTER_OTHERS(kv)  ((void)(kv))
#define BEFORE_OTHERS(kv) ((void)(kv))
#endif

static int
begin_read(struct kv *kv, MDB_txn **txn)
{
	int dead = 0;
	int rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, txn);

	/* Places of processes that died are given back when there is none left. */
	if (rc == MDB_READERS_FULL && (rc = mdb_reader_check(kv->env, &dead)) == 0)
		rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, txn);
	return rc;
}

static int
begin_write(struct kv *kv, MDB_txn **txn)
{
	int rc = lock(kv);

	if (rc != 0)
		return rc;
	if (kv->is_volatile)
		kvmeta_mend(&kv->meta);
	rc = mdb_txn_begin(kv->env, NULL, 0, txn);
	if (rc != 0)
		unlock(kv);
	return rc;
}

enum kv_status
kv_begin(struct kv *kv, bool write, struct kv_txn *t)
{
	MDB_txn *txn = NULL;
	int rc = write ? begin_write(kv, &txn) : begin_read(kv, &txn);

	*t = (struct kv_txn){ .kv = kv, .txn = txn, .write = write };
	if (rc != 0)
		return status_of(kv, "begin", rc);
	AFTER_OTHERS(kv);
	rc = write && kv->is_volatile ? reserve(t) : 0;
	if (rc != 0)
		kv_abort(t);
	return status_of(kv, "reserve", rc);
}

static void
end_walk(struct kv_txn *t)
{
	if (t->cursor)
		mdb_cursor_close(t->cursor);
	t->cursor = NULL;
}

static int
commit(struct kv_txn *t)
{
	struct kvmeta *meta = t->write && t->kv->mapped ? &t->kv->meta : NULL;
	int rc;

	if (meta)
		kvmeta_commit_begins(meta, mdb_txn_id(t->txn));
	rc = mdb_txn_commit(t->txn);
	if (meta)
		kvmeta_commit_ends(meta);
	return rc;
}

enum kv_status
kv_commit(struct kv_txn *t)
{
	int rc;

	end_walk(t);
	BEFORE_OTHERS(t->kv);
	rc = commit(t);
	t->txn = NULL;
	if (t->write)
		unlock(t->kv);
	return status_of(t->kv, "commit", rc);
}

void
kv_abort(struct kv_txn *t)
{
	end_walk(t);
	BEFORE_OTHERS(t->kv);
	mdb_txn_abort(t->txn);
	t->txn = NULL;
	if (t->write)
		unlock(t->kv);
}

static MDB_val
val(struct span s)
{
	return (MDB_val){ .mv_size = s.n, .mv_data = (void *)(uintptr_t)s.p };
}

static struct span
span_from(MDB_val v)
{
	return (struct span){ v.mv_data, v.mv_size };
}

enum kv_status
kv_get(struct kv_txn *t, struct span key, struct span *value)
{
	MDB_val k = val(key);
	MDB_val v = { 0 };
	int rc = mdb_get(t->txn, t->kv->dbi, &k, &v);

	*value = span_from(v);
	return status_of(t->kv, "get", rc);
}

/* Counts a change of n bytes. Values over half a page get pages of their own. */
static enum kv_status
spend(struct kv_txn *t, size_t n)
{
	size_t page = t->kv->page;
	size_t cost = PAGES_PER_CHANGE + (n >= page / 2 ? n / page + 2 : 0);

	if (!t->kv->is_volatile)
		return KV_OK;
	if (cost > t->room)
		return KV_FULL;
	t->room -= cost;
	return KV_OK;
}

enum kv_status
kv_put(struct kv_txn *t, struct span key, struct span value)
{
	MDB_val k = val(key);
	MDB_val v = val(value);

	if (spend(t, value.n) != KV_OK)
		return KV_FULL;
	return status_of(t->kv, "put", mdb_put(t->txn, t->kv->dbi, &k, &v, 0));
}

enum kv_status
kv_room(struct kv_txn *t, struct span key, size_t n, char **at)
{
	MDB_val k = val(key);
	MDB_val v = { .mv_size = n };
	int rc;

	if (spend(t, n) != KV_OK)
		return KV_FULL;
	rc = mdb_put(t->txn, t->kv->dbi, &k, &v, MDB_RESERVE);
	*at = v.mv_data;
	return status_of(t->kv, "put", rc);
}

enum kv_status
kv_del(struct kv_txn *t, struct span key)
{
	MDB_val k = val(key);

	if (spend(t, 0) != KV_OK)
		return KV_FULL;
	return status_of(t->kv, "del", mdb_del(t->txn, t->kv->dbi, &k, NULL));
}

static enum kv_status
walk(struct kv_txn *t, MDB_val k, MDB_cursor_op op, struct span *at[2])
{
	MDB_val v = { 0 };
	int rc = mdb_cursor_get(t->cursor, &k, &v, op);

	if (rc == 0) {
		*at[0] = span_from(k);
		*at[1] = span_from(v);
	}
	return status_of(t->kv, "walk", rc);
}

enum kv_status
kv_seek(struct kv_txn *t, struct span from, struct span *key, struct span *value)
{
	MDB_cursor *cursor = t->cursor;
	int rc = cursor ? 0 : mdb_cursor_open(t->txn, t->kv->dbi, &cursor);

	if (rc != 0)
		return status_of(t->kv, "walk", rc);
	t->cursor = cursor;
	return walk(
	    t, val(from), from.n > 0 ? MDB_SET_RANGE : MDB_FIRST, (struct span *[]){ key, value });
}

enum kv_status
kv_next(struct kv_txn *t, struct span *key, struct span *value)
{
	return walk(t, (MDB_val){ 0 }, MDB_NEXT, (struct span *[]){ key, value });
}
