/* keyindex: see the header. There are two sets of keys, and a note says which of them is in force.
 * A new index is written into the other set, some thousand lines at a time, so that neither the
 * memory of this process nor the log of LMDB grows with the file; then the note is changed. A
 * process that dies in the middle leaves half a set that nobody looks at.
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

#define FORMAT	    1u /* of what is written below */
#define SETS	    2u
#define BATCH	    16384u /* lines in one commit */
#define CHANGES_MAX 4096u  /* more differences than this are not applied one by one */

#define MAP_MAX (UINT64_C(4) * 1024 * MIB)
#define MAP_MIN (UINT64_C(64) * MIB)

#define READERS_MAX 8192u

static const char *const set_names[SETS] = { "keys0", "keys1" };

/* The note. */
struct note {
	uint32_t format;
	uint32_t set;
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
	return out->format == FORMAT && out->set < SETS ? 0 : MDB_NOTFOUND;
}

static int
write_note(struct keyindex *x, MDB_txn *txn, uint32_t set, const struct keyindex_source *source)
{
	struct note note;
	MDB_val name = val("note", 4);
	MDB_val v = val(&note, sizeof(note));

	/* Padding goes to the disk, too. */
	memset(&note, 0, sizeof(note));
	note.format = FORMAT;
	note.set = set;
	note.source = *source;
	return mdb_put(txn, x->notes, &name, &v, 0);
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

enum keyindex_status
keyindex_find(struct keyindex *x, const uint8_t hash[static HASH_LEN], struct buf *line)
{
	MDB_val name = val(hash, HASH_LEN);
	MDB_txn *txn = NULL;
	struct note note;
	MDB_val v;
	int rc = begin_reading(x, &txn);

	if (rc != 0)
		return status_of("read", rc);
	rc = read_note(x, txn, &note);
	if (rc == 0)
		rc = mdb_get(txn, x->sets[note.set], &name, &v);
	if (rc == 0) {
		buf_reset(line, KEY_LINE_MAX);
		if (buf_add(line, (struct span){ v.mv_data, v.mv_size }) < 0)
			rc = ENOMEM;
	}
	mdb_txn_abort(txn);
	return status_of("find", rc);
}

static int
put_row(const struct keyindex *x, MDB_txn *txn, uint32_t set, const struct keytable *t,
    const struct keytable_row *row)
{
	struct span line = keytable_line(t, row);
	MDB_val v = val(line.p, line.n);
	uint8_t hash[HASH_LEN];
	MDB_val name = val(hash, sizeof(hash));

	keytable_hash(t, row, hash);
	return mdb_put(txn, x->sets[set], &name, &v, 0);
}

/* What differs between the set in force and a table. */
struct change {
	const struct keytable_row *row; /* the line to write, or NULL: the hash is to go */
	uint8_t hash[HASH_LEN];
};

struct changes {
	struct change v[CHANGES_MAX];
	size_t n;
};

/* Walks over a set and a table side by side, both in the order of the hashes. */
struct walk {
	MDB_cursor *cursor;
	MDB_val name, line; /* of the set */
	int rc;		    /* MDB_NOTFOUND: the set is at its end */
	const struct keytable *t;
	size_t at;
};

static void
walk_set(struct walk *w)
{
	w->rc = mdb_cursor_get(w->cursor, &w->name, &w->line, MDB_NEXT);
	if (w->rc == 0 && w->name.mv_size != HASH_LEN)
		w->rc = MDB_CORRUPTED;
}

static void
add_change(struct changes *out, const struct keytable_row *row, const void *hash)
{
	struct change *c = &out->v[out->n++];

	c->row = row;
	if (hash)
		memcpy(c->hash, hash, HASH_LEN);
}

/* How the hash of a row stands to that of the set. Most rows are told by their first bytes, or have
 * the very same line. */
static int
order(const struct walk *w, const struct keytable_row *row)
{
	uint8_t hash[HASH_LEN];
	uint64_t first = 0;

	for (size_t i = 0; i < 8; i++)
		first = first << 8 | ((const uint8_t *)w->name.mv_data)[i];
	if (row->hash != first)
		return row->hash < first ? -1 : 1;
	if (span_eq(keytable_line(w->t, row), (struct span){ w->line.mv_data, w->line.mv_size }))
		return 0;
	keytable_hash(w->t, row, hash);
	return memcmp(hash, w->name.mv_data, HASH_LEN);
}

/* One step: returns false at the end of both, or when there are too many changes. */
static bool
walk_step(struct walk *w, struct changes *out)
{
	const struct keytable_row *row = w->at < w->t->rows_n ? &w->t->rows[w->at] : NULL;
	int which;

	if ((!row && w->rc != 0) || (w->rc != 0 && w->rc != MDB_NOTFOUND) || out->n == CHANGES_MAX)
		return false;
	keytable_prefetch(w->t, w->at);
	which = !row ? 1 : w->rc != 0 ? -1 : order(w, row);
	if (which > 0)
		add_change(out, NULL, w->name.mv_data);
	else if (which < 0 ||
	    !span_eq(keytable_line(w->t, row), (struct span){ w->line.mv_data, w->line.mv_size }))
		add_change(out, row, NULL);
	if (which <= 0)
		w->at++;
	if (which >= 0)
		walk_set(w);
	return true;
}

/* Collects the differences; out->n is CHANGES_MAX when there are too many. */
static int
compare(
    struct keyindex *x, MDB_txn *txn, uint32_t set, const struct keytable *t, struct changes *out)
{
	struct walk w = { .t = t };
	int rc = mdb_cursor_open(txn, x->sets[set], &w.cursor);

	if (rc != 0)
		return rc;
	walk_set(&w);
	while (walk_step(&w, out))
		;
	mdb_cursor_close(w.cursor);
	return w.rc == MDB_NOTFOUND ? 0 : w.rc;
}

static int
apply(struct keyindex *x, MDB_txn *txn, uint32_t set, const struct keytable *t,
    const struct changes *changes)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < changes->n; i++) {
		const struct change *c = &changes->v[i];
		MDB_val name = val(c->hash, HASH_LEN);

		rc = c->row ? put_row(x, txn, set, t, c->row)
			    : mdb_del(txn, x->sets[set], &name, NULL);
	}
	return rc;
}

/* Brings the set in force up to date in one step. MDB_TXN_FULL when there is none, or too much
 * differs. */
static int
fill_by_changes(struct keyindex *x, const struct keytable *t, const struct keyindex_source *source)
{
	struct changes *changes = calloc(1, sizeof(*changes));
	MDB_txn *txn = NULL;
	struct note note;
	int rc = changes ? mdb_txn_begin(x->env, NULL, 0, &txn) : ENOMEM;

	if (rc != 0)
		goto out;
	rc = read_note(x, txn, &note);
	if (rc == 0)
		rc = compare(x, txn, note.set, t, changes);
	if (rc == MDB_NOTFOUND || (rc == 0 && changes->n == CHANGES_MAX))
		rc = MDB_TXN_FULL;
	if (rc == 0)
		rc = apply(x, txn, note.set, t, changes);
	if (rc == 0)
		rc = write_note(x, txn, note.set, source);
	if (rc == 0) {
		rc = mdb_txn_commit(txn);
		txn = NULL;
	}
out:
	if (txn)
		mdb_txn_abort(txn);
	free(changes);
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

/* Empties a set and, with a source, puts the other one in force. */
static int
drop_set(struct keyindex *x, uint32_t set, const struct keyindex_source *source)
{
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(x->env, NULL, 0, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_drop(txn, x->sets[set], 0);
	if (rc == 0 && source)
		rc = write_note(x, txn, 1 - set, source);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* Appends the rows from `from` up to `to`; they are in order. */
static int
append_rows(struct keyindex *x, uint32_t set, const struct keytable *t, size_t from, size_t to)
{
	MDB_cursor *cursor = NULL;
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(x->env, NULL, 0, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_open(txn, x->sets[set], &cursor);
	for (size_t i = from; rc == 0 && i < to; i++) {
		struct span line = keytable_line(t, &t->rows[i]);
		MDB_val v = val(line.p, line.n);
		uint8_t hash[HASH_LEN];
		MDB_val name = val(hash, sizeof(hash));

		keytable_prefetch(t, i);
		keytable_hash(t, &t->rows[i], hash);
		rc = mdb_cursor_put(cursor, &name, &v, MDB_APPEND);
	}
	if (cursor)
		mdb_cursor_close(cursor);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static int
fill_anew(struct keyindex *x, const struct keytable *t, const struct keyindex_source *source)
{
	uint32_t set = 0;
	int dead = 0;
	int rc = spare_set(x, &set);

	/* Readers that died would keep the pages of the old set from being used again. */
	if (rc == 0)
		rc = mdb_reader_check(x->env, &dead);
	if (rc == 0)
		rc = drop_set(x, set, NULL);
	for (size_t i = 0; rc == 0 && i < t->rows_n; i += BATCH)
		rc = append_rows(x, set, t, i, t->rows_n - i < BATCH ? t->rows_n : i + BATCH);
	return rc == 0 ? drop_set(x, 1 - set, source) : rc;
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
	if (rc == 0)
		rc = write_note(x, txn, note.set, source);
	if (rc == 0)
		rc = mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
	if (rc == 0)
		rc = fill_up(x);
	return status_of("write", rc);
}
