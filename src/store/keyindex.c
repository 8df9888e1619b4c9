/* keyindex: see the header. The lines stand in segments, neighbouring hashes together, and a
 * segment is one value of LMDB; what changes in a file changes few of them. There are two sets of
 * segments, and a note says which of them is in force. When much changes, the new index is written
 * into the other set, some segments at a time, so that the memory of this process does not grow
 * with the file; then the note is changed. A process that dies in the middle leaves half a set that
 * nobody looks at.
 *
 * Every commit writes its data through to the disk before it counts (MDB_NOMETASYNC leaves out only
 * the second write): an index that a power failure has torn could bring a revoked key back. */
#include "store/keyindex.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>

#include "base/limits.h"
#include "base/log.h"
#include "store/keysegment.h"

#define FORMAT	    3u /* of what is written below */
#define SETS	    2u
#define BATCH_BYTES (4 * MIB)  /* of segments in one commit */
#define CHANGES_MAX (16 * MIB) /* bytes of changed segments that are written in one commit */

#define MAP_MAX (UINT64_C(4) * 1024 * MIB)
#define MAP_MIN (UINT64_C(64) * MIB)

#define READERS_MAX 8192u

static const char *const set_names[SETS] = { "keys0", "keys1" };

/* The note. */
struct note {
	uint32_t format;
	uint32_t set;
	uint32_t bits; /* there are 2^bits segments */
	struct keyindex_source source;
};

struct keyindex {
	MDB_env *env;
	MDB_dbi notes;
	MDB_dbi sets[SETS];
	struct keyindex_place place;
	struct stat data, lock; /* the files that are open */
};

static enum keyindex_status
status_of(const char *what, int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return KEYINDEX_OK;
	case MDB_NOTFOUND:
		return KEYINDEX_NOT_FOUND;
	case MDB_INVALID:
	case MDB_CORRUPTED:
	case MDB_VERSION_MISMATCH:
	case MDB_PAGE_NOTFOUND:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_DBI:
	case MDB_PANIC:
		log_warn("keys", "what=\"the index is damaged\" step=%s why=\"%s\"", what,
		    mdb_strerror(rc));
		return KEYINDEX_DAMAGED;
	default:
		log_error("keys", "what=\"the index cannot be used\" step=%s why=\"%s\"", what,
		    mdb_strerror(rc));
		return KEYINDEX_BROKEN;
	}
}

int
keyindex_place(const char *keys_path, const char *state_path, struct keyindex_place *out)
{
	uint8_t hash[HASH_LEN];
	char hex[HASH_HEX_LEN + 1];
	int n, m, g;

	if (hash_sha256(span_of(keys_path), hash) < 0)
		return -1;
	hash_to_hex(hash, hex);
	n = snprintf(out->data, sizeof(out->data), "%s/keys-%.8s.mdb", state_path, hex);
	m = snprintf(out->lock, sizeof(out->lock), "%s-lock", out->data);
	g = snprintf(out->guard, sizeof(out->guard), "%s/keys-%.8s.lock", state_path, hex);
	return n > 0 && m > 0 && g > 0 && (size_t)g < sizeof(out->guard) ? 0 : -1;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool
keyindex_moved(const struct keyindex *x)
{
	struct stat data;
	struct stat lock;

	if (stat(x->place.data, &data) < 0 || stat(x->place.lock, &lock) < 0)
		return true;
	return !same_file(&data, &x->data) || !same_file(&lock, &x->lock);
}

void
keyindex_remove(const struct keyindex_place *place)
{
	(void)unlink(place->data);
	(void)unlink(place->lock);
}

/* Opens the environment with the largest map that the address space has room for: the map is
 * address space, not memory. */
static int
open_environment(struct keyindex *x)
{
	int rc = ENOMEM;

	for (uint64_t size = sizeof(void *) > 4 ? MAP_MAX : MAP_MIN * 4;
	     rc == ENOMEM && size >= MAP_MIN; size /= 2) {
		rc = mdb_env_create(&x->env);
		if (rc != 0)
			return rc;
		if ((rc = mdb_env_set_mapsize(x->env, (size_t)size)) == 0 &&
		    (rc = mdb_env_set_maxdbs(x->env, SETS + 1)) == 0 &&
		    (rc = mdb_env_set_maxreaders(x->env, READERS_MAX)) == 0)
			rc = mdb_env_open(
			    x->env, x->place.data, MDB_NOSUBDIR | MDB_NOTLS | MDB_NOMETASYNC, 0600);
		if (rc != 0) {
			mdb_env_close(x->env);
			x->env = NULL;
		}
	}
	return rc;
}

static int
open_handles(struct keyindex *x, unsigned txn_flags, unsigned dbi_flags)
{
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(x->env, NULL, txn_flags, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, "note", dbi_flags, &x->notes);
	for (size_t i = 0; rc == 0 && i < SETS; i++)
		rc = mdb_dbi_open(txn, set_names[i], dbi_flags, &x->sets[i]);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* What the file must hold to be whole: a page that is missing at its end would end the process. */
static off_t
size_needed(struct keyindex *x)
{
	MDB_envinfo info;
	MDB_stat st;

	if (mdb_env_info(x->env, &info) != 0 || mdb_env_stat(x->env, &st) != 0)
		return 0;
	return (off_t)((info.me_last_pgno + 1) * st.ms_psize);
}

/* LMDB may leave out unused pages at the end of the file; fills them up, so that a shorter file is
 * known to be a damaged one. */
static int
fill_up(struct keyindex *x)
{
	mdb_filehandle_t fd = -1;
	struct stat st;
	int rc = mdb_env_get_fd(x->env, &fd);

	if (rc != 0)
		return rc;
	if (fstat(fd, &st) < 0 ||
	    (st.st_size < size_needed(x) && ftruncate(fd, size_needed(x)) < 0))
		return errno;
	return 0;
}

/* Opens the databases inside and, with the lock, makes those that are missing. */
static enum keyindex_status
open_databases(struct keyindex *x, bool locked)
{
	struct stat st;
	int rc;

	if (stat(x->place.data, &st) < 0 || st.st_size < size_needed(x))
		return KEYINDEX_DAMAGED;
	rc = open_handles(x, MDB_RDONLY, 0);
	if (rc == MDB_NOTFOUND && !locked)
		return KEYINDEX_DAMAGED;
	if (rc == MDB_NOTFOUND && (rc = open_handles(x, 0, MDB_CREATE)) == 0)
		rc = fill_up(x);
	return status_of("databases", rc);
}

static enum keyindex_status
open_files(struct keyindex *x, bool locked)
{
	enum keyindex_status status;

	if (!locked && (stat(x->place.data, &x->data) < 0 || stat(x->place.lock, &x->lock) < 0))
		return KEYINDEX_DAMAGED;
	status = status_of("open", open_environment(x));
	if (status == KEYINDEX_OK)
		status = open_databases(x, locked);
	if (status == KEYINDEX_OK && locked &&
	    (stat(x->place.data, &x->data) < 0 || stat(x->place.lock, &x->lock) < 0))
		return KEYINDEX_DAMAGED;
	return status == KEYINDEX_OK && keyindex_moved(x) ? KEYINDEX_DAMAGED : status;
}

enum keyindex_status
keyindex_open(const struct keyindex_place *place, bool locked, struct keyindex **out)
{
	struct keyindex *x = calloc(1, sizeof(*x));
	enum keyindex_status status;

	*out = NULL;
	if (!x) {
		log_error("keys", "what=\"out of memory\"");
		return KEYINDEX_BROKEN;
	}
	x->place = *place;
	status = open_files(x, locked);
	if (status == KEYINDEX_OK)
		*out = x;
	else
		keyindex_close(x);
	return status;
}

void
keyindex_close(struct keyindex *x)
{
	if (!x)
		return;
	if (x->env)
		mdb_env_close(x->env);
	free(x);
}

static MDB_val
val(const void *p, size_t n)
{
	return (MDB_val){ .mv_size = n, .mv_data = (void *)(uintptr_t)p };
}

/* Begins reading. Places of processes that died are given back when there is none left. */
static int
begin_reading(struct keyindex *x, MDB_txn **txn)
{
	int rc = mdb_txn_begin(x->env, NULL, MDB_RDONLY, txn);
	int dead = 0;

	if (rc == MDB_READERS_FULL && (rc = mdb_reader_check(x->env, &dead)) == 0)
		rc = mdb_txn_begin(x->env, NULL, MDB_RDONLY, txn);
	return rc;
}

/* The note as it stands; MDB_NOTFOUND when there is none that this program can use. */
static int
read_note(struct keyindex *x, MDB_txn *txn, struct note *out)
{
	MDB_val name = val("note", 4);
	MDB_val v;
	int rc = mdb_get(txn, x->notes, &name, &v);

	if (rc != 0)
		return rc;
	if (v.mv_size != sizeof(*out))
		return MDB_NOTFOUND;
	memcpy(out, v.mv_data, sizeof(*out));
	return out->format == FORMAT && out->set < SETS && out->bits <= KEYSEGMENT_BITS_MAX
	    ? 0
	    : MDB_NOTFOUND;
}

static int
write_note(struct keyindex *x, MDB_txn *txn, const struct note *given)
{
	struct note note;
	MDB_val name = val("note", 4);
	MDB_val v = val(&note, sizeof(note));

	/* Padding goes to the disk, too. */
	memset(&note, 0, sizeof(note));
	note.format = FORMAT;
	note.set = given->set;
	note.bits = given->bits;
	note.source = given->source;
	return mdb_put(txn, x->notes, &name, &v, 0);
}

/* The name of a segment: its number, so that the order of the names is that of the hashes. */
struct name {
	uint8_t bytes[4];
};

static struct name
name_of(uint32_t segment)
{
	return (struct name){ { (uint8_t)(segment >> 24), (uint8_t)(segment >> 16),
	    (uint8_t)(segment >> 8), (uint8_t)segment } };
}

enum keyindex_status
keyindex_source(struct keyindex *x, struct keyindex_source *out)
{
	MDB_txn *txn = NULL;
	struct note note;
	int rc = begin_reading(x, &txn);

	if (rc != 0)
		return status_of("read", rc);
	rc = read_note(x, txn, &note);
	mdb_txn_abort(txn);
	if (rc == 0)
		*out = note.source;
	return status_of("note", rc);
}

/* Copies the line with this hash out of its segment. */
static int
find_line(struct keyindex *x, MDB_txn *txn, const uint8_t hash[static HASH_LEN], struct buf *line)
{
	struct note note;
	struct span found;
	MDB_val v;
	int rc = read_note(x, txn, &note);

	if (rc != 0)
		return rc;
	struct name name = name_of(keysegment_of(hash, note.bits));
	MDB_val key = val(&name, sizeof(name));

	rc = mdb_get(txn, x->sets[note.set], &key, &v);
	if (rc != 0)
		return rc;
	switch (keysegment_find((struct span){ v.mv_data, v.mv_size }, note.bits, hash, &found)) {
	case KEYSEGMENT_OK:
		buf_reset(line, KEY_LINE_MAX);
		return buf_add(line, found) < 0 ? ENOMEM : 0;
	case KEYSEGMENT_NOT_FOUND:
		return MDB_NOTFOUND;
	default:
		return MDB_CORRUPTED;
	}
}

enum keyindex_status
keyindex_find(struct keyindex *x, const uint8_t hash[static HASH_LEN], struct buf *line)
{
	MDB_txn *txn = NULL;
	int rc = begin_reading(x, &txn);

	if (rc != 0)
		return status_of("read", rc);
	rc = find_line(x, txn, hash, line);
	mdb_txn_abort(txn);
	return status_of("find", rc);
}

/* Walks over the segments of a table. */
struct walk {
	const struct keytable *t;
	unsigned bits;
	uint32_t segment; /* the next one */
	size_t row;	  /* where its rows begin */
	struct buf bytes; /* of the last one; empty when it has no rows */
};

static struct walk
walk_begin(const struct keytable *t, unsigned bits)
{
	return (struct walk){ .t = t, .bits = bits, .bytes = buf_make(KEY_FILE_MAX) };
}

/* Makes the bytes of the next segment: 1 when there is one, 0 after the last, -1 when memory is
 * out. */
static int
walk_next(struct walk *w)
{
	size_t end;
	int rc = 1;

	if (w->segment >> w->bits != 0)
		return 0;
	buf_reset(&w->bytes, KEY_FILE_MAX);
	end = keysegment_end(w->t, w->row, w->segment, w->bits);
	if (end > w->row && keysegment_write(w->t, w->row, end, &w->bytes) < 0)
		rc = -1;
	w->row = end;
	w->segment++;
	return rc;
}

/* Writes the segment that was made last, unless it is in the set already. Adds the bytes that had
 * to be written. */
static int
update_segment(
    struct keyindex *x, MDB_txn *txn, uint32_t set, const struct walk *w, size_t *written)
{
	struct name name = name_of(w->segment - 1);
	MDB_val key = val(&name, sizeof(name));
	MDB_val fresh = val(w->bytes.p, w->bytes.len);
	MDB_val old;
	int rc = mdb_get(txn, x->sets[set], &key, &old);

	if (rc == MDB_NOTFOUND && fresh.mv_size == 0)
		return 0;
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (rc == 0 && span_eq((struct span){ old.mv_data, old.mv_size }, buf_span(&w->bytes)))
		return 0;
	*written += fresh.mv_size;
	return fresh.mv_size ? mdb_put(txn, x->sets[set], &key, &fresh, 0)
			     : mdb_del(txn, x->sets[set], &key, NULL);
}

/* Writes the segments of the set in force that changed. MDB_TXN_FULL when it has too many, or too
 * few for so many rows. */
static int
update_segments(struct keyindex *x, MDB_txn *txn, const struct keytable *t, struct note *note)
{
	int rc = read_note(x, txn, note);
	size_t written = 0;
	int more = 1;

	if (rc != 0)
		return rc == MDB_NOTFOUND ? MDB_TXN_FULL : rc;
	if (keysegment_bits(t->rows_n, (int)note->bits) != note->bits)
		return MDB_TXN_FULL;
	struct walk w = walk_begin(t, note->bits);

	while (rc == 0 && (more = walk_next(&w)) > 0) {
		rc = update_segment(x, txn, note->set, &w, &written);
		if (rc == 0 && written > CHANGES_MAX)
			rc = MDB_TXN_FULL;
	}
	buf_free(&w.bytes);
	return rc == 0 && more < 0 ? ENOMEM : rc;
}

/* Brings the set in force up to date in one step. MDB_TXN_FULL when there is none, or too much
 * differs. */
static int
fill_by_changes(struct keyindex *x, const struct keytable *t, const struct keyindex_source *source)
{
	MDB_txn *txn = NULL;
	struct note note;
	int rc = mdb_txn_begin(x->env, NULL, 0, &txn);

	if (rc != 0)
		return rc;
	rc = update_segments(x, txn, t, &note);
	note.source = *source;
	if (rc == 0)
		rc = write_note(x, txn, &note);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* The set that is not in force. */
static int
spare_set(struct keyindex *x, uint32_t *out)
{
	MDB_txn *txn = NULL;
	struct note note = { .set = 1 };
	int rc = begin_reading(x, &txn);

	if (rc != 0)
		return rc;
	rc = read_note(x, txn, &note);
	mdb_txn_abort(txn);
	*out = rc == 0 ? 1 - note.set : 0;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Empties a set and, with a note, puts the one of the note in force. */
static int
drop_set(struct keyindex *x, uint32_t set, const struct note *note)
{
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(x->env, NULL, 0, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_drop(txn, x->sets[set], 0);
	if (rc == 0 && note)
		rc = write_note(x, txn, note);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* Writes some more segments to an empty set and commits them. *more as walk_next has it. */
static int
append_segments(struct keyindex *x, uint32_t set, struct walk *w, int *more)
{
	MDB_txn *txn = NULL;
	size_t written = 0;
	int rc = mdb_txn_begin(x->env, NULL, 0, &txn);

	if (rc != 0)
		return rc;
	while (rc == 0 && written < BATCH_BYTES && (*more = walk_next(w)) > 0)
		rc = update_segment(x, txn, set, w, &written);
	if (rc == 0 && *more >= 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc == 0 ? ENOMEM : rc;
}

static int
fill_anew(struct keyindex *x, const struct keytable *t, const struct keyindex_source *source)
{
	struct note note = { .bits = keysegment_bits(t->rows_n, -1), .source = *source };
	struct walk w = walk_begin(t, note.bits);
	int dead = 0;
	int more = 1;
	int rc = spare_set(x, &note.set);

	/* Readers that died would keep the pages of the old set from being used again. */
	if (rc == 0)
		rc = mdb_reader_check(x->env, &dead);
	if (rc == 0)
		rc = drop_set(x, note.set, NULL);
	while (rc == 0 && more > 0)
		rc = append_segments(x, note.set, &w, &more);
	buf_free(&w.bytes);
	return rc == 0 ? drop_set(x, 1 - note.set, &note) : rc;
}

enum keyindex_status
keyindex_fill(struct keyindex *x, const struct keytable *t, const struct keyindex_source *source)
{
	int rc = fill_by_changes(x, t, source);

	if (rc == MDB_TXN_FULL)
		rc = fill_anew(x, t, source);
	if (rc == 0)
		rc = fill_up(x);
	return status_of("write", rc);
}

enum keyindex_status
keyindex_restamp(struct keyindex *x, const struct keyindex_source *source)
{
	MDB_txn *txn = NULL;
	struct note note;
	int rc = mdb_txn_begin(x->env, NULL, 0, &txn);

	if (rc != 0)
		return status_of("write", rc);
	rc = read_note(x, txn, &note);
	note.source = *source;
	if (rc == 0)
		rc = write_note(x, txn, &note);
	if (rc == 0)
		rc = mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
	if (rc == 0)
		rc = fill_up(x);
	return status_of("write", rc);
}
