/* totals: see the header. A record's key begins with the kind of the record; its value is a fixed
 * struct in the numbers of the machine, which the file does not leave. The note says in which
 * format all of them are; on a machine of other numbers its own number is another, too. */
#include "store/totals.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"

#define FORMAT 1u /* of what is written below */

/* Kinds of records, as the first byte of a key. */
#define KIND_NOTE  'n'
#define KIND_ROW   'r' /* a tally_key: struct tally */
#define KIND_DAY   'd' /* the scope, the day, the name: uint64_t, nano-dollars */
#define KIND_MONTH 'm' /* the same of a month */

#define DAY_LEN	  4u /* bytes of a day in a key, most significant first */
#define KEY_MAX	  (1 + TALLY_KEY_MAX)
#define NAME_LEN  256u /* of a workspace or a key's id in a key */
#define SPENT_LEN (2 + DAY_LEN + NAME_LEN)
static_assert(SPENT_LEN <= KEY_MAX, "all keys have room");

struct note {
	uint32_t format;
	struct totals_mark mark;
};
static_assert(
    sizeof(struct tally) == 72 && sizeof(struct note) == 88, "other records have another format");

#define REMEDY                                                                                  \
	"if the file is damaged, restore it from a backup or move it away: what is missing in " \
	"it is then added up again from the ledger's files in the folder; see what "            \
	"`postern ledger verify` says of them"

struct totals {
	struct kv *kv;
	char *path;
	struct note note;     /* as it was at the opening */
	struct kv_txn txn;    /* between begin and end */
	_Atomic bool damaged; /* the log knows */
	bool full;	      /* the log knows; belongs to who writes */
};

/* A key that is being put together. */
struct record_key {
	size_t n;
	char p[KEY_MAX];
};

static struct span
span_from(const struct record_key *k)
{
	return (struct span){ k->p, k->n };
}

/* Says it once: a file that is asked at every call must not fill the log. */
static enum store_status
damaged(struct totals *t, const char *what)
{
	char file[LOG_VALUE_LEN];

	if (!atomic_exchange(&t->damaged, true))
		log_error("totals", "file=%s what=\"%s\" remedy=\"" REMEDY "\"",
		    log_value(span_of(t->path), file), what);
	return STORE_BROKEN;
}

static enum store_status
status_of(struct totals *t, enum kv_status status)
{
	char file[LOG_VALUE_LEN];

	if (status == KV_FULL && !t->full) {
		t->full = true;
		log_error("totals", "file=%s what=\"no room is left on the disk, or in the file\"",
		    log_value(span_of(t->path), file));
	}
	return status == KV_OK ? STORE_OK : status == KV_NOT_FOUND ? STORE_NOT_FOUND : STORE_BROKEN;
}

/* The note and its format. */

static struct record_key
note_key(void)
{
	return (struct record_key){ .n = 1, .p = { KIND_NOTE } };
}

static enum store_status
refuse_format(struct totals *t, uint32_t format)
{
	char file[LOG_VALUE_LEN];

	if (!atomic_exchange(&t->damaged, true))
		log_error("totals",
		    "file=%s format=%u what=\"it is of another version of the program, or of "
		    "another kind of machine: this one reads format %u\"",
		    log_value(span_of(t->path), file), format, FORMAT);
	return STORE_BROKEN;
}

/* STORE_NOT_FOUND in a file that has nothing in it yet. */
static enum store_status
read_note(struct totals *t, struct kv_txn *txn, struct note *out)
{
	const struct record_key key = note_key();
	struct span value, first;
	enum store_status status = status_of(t, kv_get(txn, span_from(&key), &value));

	if (status == STORE_NOT_FOUND &&
	    status_of(t, kv_seek(txn, SPAN(""), &first, &value)) == STORE_OK)
		return damaged(t, "its note is missing");
	if (status != STORE_OK)
		return status;
	if (value.n < sizeof(out->format))
		return damaged(t, "its note is damaged");
	memcpy(&out->format, value.p, sizeof(out->format));
	if (out->format != FORMAT)
		return refuse_format(t, out->format);
	if (value.n != sizeof(*out))
		return damaged(t, "its note is damaged");
	memcpy(out, value.p, sizeof(*out));
	if (out->mark.node[TOTALS_NODE_LEN] != '\0' || out->mark.file[LEDGER_NAME_LEN - 1] != '\0')
		return damaged(t, "its note is damaged");
	return STORE_OK;
}

static enum store_status
write_note(struct totals *t, struct kv_txn *txn, const struct note *note)
{
	const struct record_key key = note_key();
	const struct span value = { (const char *)note, sizeof(*note) };

	return status_of(t, kv_put(txn, span_from(&key), value));
}

/* Of two processes that come to a new file at once, the second finds what the first has made. */
static enum store_status
make_note(struct totals *t)
{
	struct kv_txn txn;
	enum store_status status = status_of(t, kv_begin(t->kv, true, &txn));

	if (status != STORE_OK)
		return status;
	status = read_note(t, &txn, &t->note);
	if (status == STORE_NOT_FOUND) {
		memset(&t->note, 0, sizeof(t->note));
		t->note.format = FORMAT;
		if (hash_random_id(t->note.mark.node, TOTALS_NODE_LEN) < 0) {
			log_error("totals", "what=\"no random numbers are to be had\"");
			status = STORE_BROKEN;
		} else {
			status = write_note(t, &txn, &t->note);
		}
	}
	if (status == STORE_OK)
		return status_of(t, kv_commit(&txn));
	kv_abort(&txn);
	return status;
}

/* Begins a snapshot and reads its note, which is empty in a file that has nothing in it yet. */
static enum store_status
begin_look(struct totals *t, struct kv_txn *txn, struct note *note)
{
	enum store_status status = status_of(t, kv_begin(t->kv, false, txn));

	if (status != STORE_OK)
		return status;
	status = read_note(t, txn, note);
	if (status == STORE_NOT_FOUND) {
		memset(note, 0, sizeof(*note));
		status = STORE_OK;
	}
	if (status != STORE_OK)
		kv_abort(txn);
	return status;
}

static enum store_status
look_at_note(struct totals *t, struct note *out)
{
	struct kv_txn txn;
	enum store_status status = begin_look(t, &txn, out);

	if (status == STORE_OK)
		kv_abort(&txn);
	return status;
}

struct totals *
totals_open(const char *path, bool reader)
{
	struct totals *t = calloc(1, sizeof(*t));
	enum store_status status = STORE_BROKEN;
	int error = 0;

	if (!t || !(t->path = strdup(path))) {
		log_error("totals", "what=\"out of memory\"");
		free(t);
		errno = ENOMEM;
		return NULL;
	}
	t->kv = kv_open(path, KV_DURABLE, reader);
	error = t->kv ? EIO : errno;
	if (t->kv)
		status = look_at_note(t, &t->note);
	else if (!reader || error != ENOENT)
		(void)damaged(t, "it cannot be opened");
	if (status == STORE_OK && !reader && t->note.format == 0)
		status = make_note(t);
	if (status == STORE_OK)
		return t;
	totals_close(t);
	errno = error;
	return NULL;
}

void
totals_close(struct totals *t)
{
	if (!t)
		return;
	kv_close(t->kv);
	free(t->path);
	free(t);
}

bool
totals_stands(const struct totals *t)
{
	return kv_stands(t->kv);
}

enum store_status
totals_mark(struct totals *t, struct totals_mark *out)
{
	struct note note = { .format = 0 };
	enum store_status status = look_at_note(t, &note);

	*out = note.mark;
	return status;
}

/* Sums of money. */

static struct record_key
spent_key(bool is_month, enum scope scope, int32_t period, struct span name)
{
	struct record_key k = { .n = 0 };
	uint32_t v = (uint32_t)period;

	k.p[k.n++] = is_month ? KIND_MONTH : KIND_DAY;
	k.p[k.n++] = scope == SCOPE_KEY ? 'k' : 'w';
	for (int shift = 24; shift >= 0; shift -= 8)
		k.p[k.n++] = (char)(unsigned char)(v >> shift & 0xff);
	if (name.n > NAME_LEN)
		name.n = NAME_LEN;
	if (name.n > 0)
		memcpy(k.p + k.n, name.p, name.n);
	k.n += name.n;
	return k;
}

static enum store_status
read_spent(struct totals *t, struct kv_txn *txn, const struct record_key *k, uint64_t *nanousd)
{
	struct span value;
	enum store_status status = status_of(t, kv_get(txn, span_from(k), &value));

	*nanousd = 0;
	if (status == STORE_NOT_FOUND)
		return STORE_OK;
	if (status != STORE_OK)
		return status;
	if (value.n != sizeof(*nanousd))
		return damaged(t, "a sum of money is damaged");
	memcpy(nanousd, value.p, sizeof(*nanousd));
	return STORE_OK;
}

static enum store_status
add_spent(struct totals *t, const struct record_key *k, uint64_t more)
{
	uint64_t sum;
	enum store_status status = read_spent(t, &t->txn, k, &sum);

	if (status != STORE_OK)
		return status;
	sum = more > UINT64_MAX - sum ? UINT64_MAX : sum + more;
	return status_of(
	    t, kv_put(&t->txn, span_from(k), (struct span){ (const char *)&sum, sizeof(sum) }));
}

/* Adds what a call cost to the day and the month of its workspace and its key, whether or not they
 * have a budget: one may be configured later. */
static enum store_status
add_cost(struct totals *t, const struct ledger_entry *e)
{
	const struct span names[SCOPES] = {
		[SCOPE_WORKSPACE] = e->workspace, [SCOPE_KEY] = e->key
	};
	const int32_t periods[] = { e->day, period_month(e->day) };
	enum store_status status = STORE_OK;

	for (unsigned i = 0; status == STORE_OK && e->cost_nanousd > 0 && i < 2 * SCOPES; i++) {
		enum scope scope = i / 2;
		bool is_month = i % 2 != 0;
		struct record_key k = spent_key(is_month, scope, periods[is_month], names[scope]);

		if (names[scope].n > 0)
			status = add_spent(t, &k, e->cost_nanousd);
	}
	return status;
}

enum store_status
totals_spent(struct totals *t, const struct totals_purse *purse, uint64_t *nanousd, uint64_t *seq)
{
	const struct record_key k =
	    spent_key(purse->is_month, purse->scope, purse->period, purse->name);
	struct kv_txn txn;
	struct note note;
	enum store_status status = begin_look(t, &txn, &note);

	if (status != STORE_OK)
		return status;
	*seq = note.mark.seq;
	status = read_spent(t, &txn, &k, nanousd);
	kv_abort(&txn);
	return status;
}

/* Rows. */

static struct record_key
row_key(const struct tally_row *row)
{
	struct record_key k = { .p = { KIND_ROW } };

	k.n = 1 + tally_key(row, k.p + 1);
	return k;
}

static enum store_status
read_tally(struct totals *t, struct span value, struct tally *out)
{
	if (value.n != sizeof(*out))
		return damaged(t, "a row is damaged");
	memcpy(out, value.p, sizeof(*out));
	return STORE_OK;
}

static enum store_status
add_row(struct totals *t, const struct ledger_entry *e)
{
	struct record_key k;
	struct tally_row row;
	struct tally sum, more;
	struct span value;
	enum store_status status;

	tally_of(e, &row, &more);
	k = row_key(&row);
	sum = (struct tally){ 0 };
	status = status_of(t, kv_get(&t->txn, span_from(&k), &value));
	if (status == STORE_OK)
		status = read_tally(t, value, &sum);
	else if (status == STORE_NOT_FOUND)
		status = STORE_OK;
	if (status != STORE_OK)
		return status;
	tally_add(&sum, &more);
	return status_of(
	    t, kv_put(&t->txn, span_from(&k), (struct span){ (const char *)&sum, sizeof(sum) }));
}

/* One step of a walk: the row at hand, when it is one and no later than `last`. STORE_NOT_FOUND
 * ends the walk. */
static enum store_status
read_row(struct totals *t, struct span key, int32_t last, struct tally_row *row)
{
	if (key.n < 1 || key.p[0] != KIND_ROW)
		return STORE_NOT_FOUND;
	if (tally_row(span_cut(key, 1, key.n), row) < 0)
		return damaged(t, "the key of a row is damaged");
	return row->day <= last ? STORE_OK : STORE_NOT_FOUND;
}

static enum store_status
walk_rows(
    struct totals *t, struct kv_txn *txn, const struct store_range *range, store_row *fn, void *arg)
{
	const struct tally_row first = { .day = range->first };
	struct record_key k = row_key(&first);
	struct span key, value;
	enum store_status status;
	bool more = true;

	/* All rows of a day begin with the day alone. */
	k.n = 1 + DAY_LEN;
	status = status_of(t, kv_seek(txn, span_from(&k), &key, &value));
	while (status == STORE_OK && more) {
		struct tally_row row;
		struct tally sum;

		status = read_row(t, key, range->last, &row);
		if (status == STORE_OK)
			status = read_tally(t, value, &sum);
		if (status == STORE_OK && fn(arg, &row, &sum) != 0)
			more = false;
		else if (status == STORE_OK)
			status = status_of(t, kv_next(txn, &key, &value));
	}
	return status == STORE_NOT_FOUND ? STORE_OK : status;
}

enum store_status
totals_each(
    struct totals *t, const struct store_range *range, uint64_t *seq, store_row *fn, void *arg)
{
	struct kv_txn txn;
	struct note note;
	enum store_status status = begin_look(t, &txn, &note);

	if (status != STORE_OK)
		return status;
	*seq = note.mark.seq;
	status = walk_rows(t, &txn, range, fn, arg);
	kv_abort(&txn);
	return status;
}

/* Writing. */

enum store_status
totals_begin(struct totals *t)
{
	enum store_status status = status_of(t, kv_begin(t->kv, true, &t->txn));

	if (status == STORE_OK)
		t->full = false;
	return status;
}

enum store_status
totals_add(struct totals *t, const struct ledger_entry *e)
{
	enum store_status status = add_row(t, e);

	return status == STORE_OK ? add_cost(t, e) : status;
}

enum store_status
totals_end(struct totals *t, const struct totals_mark *mark)
{
	struct note note;
	enum store_status status;

	/* Member by member, so that no bytes between them go into the file. */
	memset(&note, 0, sizeof(note));
	note.format = FORMAT;
	memcpy(note.mark.node, t->note.mark.node, sizeof(note.mark.node));
	memcpy(note.mark.file, mark->file, strnlen(mark->file, sizeof(note.mark.file) - 1));
	note.mark.seq = mark->seq;
	note.mark.dev = mark->dev;
	note.mark.ino = mark->ino;
	note.mark.size = mark->size;
	status = write_note(t, &t->txn, &note);
	if (status == STORE_OK)
		return status_of(t, kv_commit(&t->txn));
	kv_abort(&t->txn);
	return status;
}

void
totals_cancel(struct totals *t)
{
	kv_abort(&t->txn);
}
