/* drain: see the header. The lines of a batch are added to the totals before they are written to
 * the ledger, in a transaction that is committed after: so each line is read once only. */
#include "store/drain.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/filelock.h"
#include "store/forward.h"
#include "store/ledgerfile.h"

#define BATCH_LINES 1000u
#define BATCH_BYTES (256 * KIB)
#define BATCH_MAX   (BATCH_BYTES + 2 * LEDGER_LINE_MAX)
#define KEEP_BYTES  (64 * KIB) /* of a batch, between drains */

struct drain {
	const char *folder;
	char path[PATH_MAX_LEN]; /* of the lock */
	struct totals *totals;

	/* The lock: one thread at a time, and then one process. */
	pthread_mutex_t mutex;
	int lock_fd;

	/* Used by whoever has the mutex. */
	pthread_mutex_t beat;	       /* held too while the sink is set, or alone while it beats */
	const struct books_sink *sink; /* or NULL */
	struct buf text;	       /* a batch's */
	struct buf words;	       /* of the line that is read */

	pthread_mutex_t said; /* guards what follows */
	bool fails;	      /* the ledger cannot be written, and the log knows it */
};

/* The next lines of the queue, as they will stand in the ledger. */
struct batch {
	struct buf *text;
	size_t lines;
	uint64_t last; /* the number of the last one */
	bool more;     /* the queue may hold further ones */
	char name[LEDGER_NAME_LEN];
};

struct drain *
drain_open(const char *folder, struct totals *totals)
{
	struct drain *d = calloc(1, sizeof(*d));
	int n = d ? snprintf(d->path, sizeof(d->path), "%s/drain.lock", folder) : -1;

	if (n < 0 || (size_t)n >= sizeof(d->path)) {
		log_error("books", "what=\"out of memory, or the path is too long\"");
		free(d);
		return NULL;
	}
	d->lock_fd = filelock_open(d->path);
	if (d->lock_fd < 0) {
		log_error("books", "what=\"drain.lock in the state folder cannot be opened: %m\"");
		free(d);
		return NULL;
	}
	d->folder = folder;
	d->totals = totals;
	d->text = buf_make(BATCH_MAX);
	d->words = buf_make(2 * LEDGER_LINE_MAX);
	(void)pthread_mutex_init(&d->mutex, NULL);
	(void)pthread_mutex_init(&d->beat, NULL);
	(void)pthread_mutex_init(&d->said, NULL);
	return d;
}

void
drain_close(struct drain *d)
{
	if (!d)
		return;
	(void)close(d->lock_fd);
	(void)pthread_mutex_destroy(&d->mutex);
	(void)pthread_mutex_destroy(&d->beat);
	(void)pthread_mutex_destroy(&d->said);
	buf_free(&d->text);
	buf_free(&d->words);
	free(d);
}

/* A thread of this process has the lock for as long as its disk takes; only for other processes
 * the wait has a limit. */
int
drain_lock(struct drain *d, int64_t wait_ms)
{
	int error = 0;

	if (wait_ms > 0)
		error = pthread_mutex_lock(&d->mutex);
	else if (pthread_mutex_trylock(&d->mutex) != 0)
		error = EAGAIN;
	if (error == 0 && filelock_take(d->lock_fd, clock_mono_ms() + wait_ms) < 0) {
		error = errno;
		(void)pthread_mutex_unlock(&d->mutex);
	}
	if (error == 0)
		return 0;
	if (error != EAGAIN) {
		errno = error;
		log_error("books", "what=\"drain.lock in the state folder cannot be taken: %m\"");
	}
	errno = error;
	return -1;
}

void
drain_unlock(struct drain *d)
{
	filelock_give(d->lock_fd);
	(void)pthread_mutex_unlock(&d->mutex);
}

bool
drain_stands(const struct drain *d)
{
	return file_stands(d->lock_fd, d->path);
}

void
drain_aim(struct drain *d, const struct books_sink *sink)
{
	(void)pthread_mutex_lock(&d->mutex);
	(void)pthread_mutex_lock(&d->beat);
	d->sink = sink;
	(void)pthread_mutex_unlock(&d->beat);
	(void)pthread_mutex_unlock(&d->mutex);
}

void
drain_beat(struct drain *d)
{
	(void)pthread_mutex_lock(&d->beat);
	if (d->sink && d->sink->beat)
		d->sink->beat(d->sink->arg);
	(void)pthread_mutex_unlock(&d->beat);
}

/* The time of the lock's file says when the last drain was, to all processes. A clock that went
 * back makes that time one to come, which counts for nothing. */
int64_t
drain_rest_ms(struct drain *d)
{
	struct stat st;
	int64_t passed_ms;

	if (fstat(d->lock_fd, &st) < 0)
		return 0;
	passed_ms =
	    clock_wall_ms() - ((int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
	return passed_ms >= 0 && passed_ms < DRAIN_EVERY_MS ? DRAIN_EVERY_MS - passed_ms : 0;
}

bool
drain_fails(struct drain *d)
{
	bool answer;

	(void)pthread_mutex_lock(&d->said);
	answer = d->fails;
	(void)pthread_mutex_unlock(&d->said);
	return answer;
}

/* Notes whether the ledger can be written; true when that has changed. */
static bool
note(struct drain *d, bool fails)
{
	bool changed;

	(void)pthread_mutex_lock(&d->said);
	changed = d->fails != fails;
	d->fails = fails;
	(void)pthread_mutex_unlock(&d->said);
	return changed;
}

/* Tells the log when it begins to fail and when it works again, not at every attempt. */
static void
tell(struct drain *d, bool fails)
{
	int error = errno;
	char folder[LOG_VALUE_LEN];

	if (!note(d, fails))
		return;
	(void)log_value(span_of(d->folder), folder);
	errno = error;
	if (fails)
		log_error("ledger", "folder=%s what=\"cannot be written\" why=\"%m\"", folder);
	else
		log_info("ledger", "folder=%s what=\"is written again\"", folder);
}

static bool
same_mark(const struct totals_mark *a, const struct totals_mark *b)
{
	return a->seq == b->seq && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	    strcmp(a->file, b->file) == 0;
}

/* A transaction of the totals that begins when it is needed. */
struct found {
	struct drain *d;
	bool begun;
	enum store_status status;
};

static void
begin_once(struct found *f)
{
	if (f->begun || f->status != STORE_OK)
		return;
	f->status = totals_begin(f->d->totals);
	f->begun = f->status == STORE_OK;
}

static int
add_found(void *arg, const struct ledger_entry *e)
{
	struct found *f = arg;

	begin_once(f);
	if (f->status == STORE_OK)
		f->status = totals_add(f->d->totals, e);
	return f->status != STORE_OK;
}

/* The mark as it was last written. A process that is killed as it commits may leave those who read
 * with the mark before, until somebody begins to write. */
static enum store_status
last_mark(struct drain *d, struct totals_mark *mark)
{
	enum store_status status = totals_begin(d->totals);

	if (status != STORE_OK)
		return status;
	totals_cancel(d->totals);
	return totals_mark(d->totals, mark);
}

enum store_status
drain_catch_up(struct drain *d, struct totals_mark *mark)
{
	struct found f = { .d = d };
	struct totals_mark was;

	f.status = last_mark(d, mark);
	if (f.status != STORE_OK)
		return f.status;
	was = *mark;
	if (ledgerfile_catch_up(d->folder, mark, add_found, &f) < 0 && f.status == STORE_OK)
		f.status = STORE_BROKEN;
	if (!same_mark(&was, mark))
		begin_once(&f);
	if (f.begun && f.status == STORE_OK)
		return totals_end(d->totals, mark);
	if (f.begun)
		totals_cancel(d->totals);
	return f.status;
}

static int
take_line(void *arg, const struct limiter_line *line)
{
	struct batch *b = arg;
	size_t before = b->text->len;

	if (ledger_begin(line->seq, b->text) < 0 || buf_add(b->text, line->line) < 0) {
		b->text->len = before;
		b->more = true;
		return 1;
	}
	b->lines++;
	b->last = line->seq;
	b->more = b->lines == BATCH_LINES || b->text->len >= BATCH_BYTES;
	return b->more;
}

/* Reads a line. One that no version of the program can have written is kept in the ledger for a
 * human's eyes and counts for nothing. */
static bool
read_line(struct drain *d, struct span line, struct ledger_entry *e)
{
	char text[LOG_VALUE_LEN];

	if (ledger_parse(line, e, &d->words) == 0)
		return true;
	log_error("ledger", "line=%s what=\"a finished call cannot be read and is not counted\"",
	    log_value(line, text));
	return false;
}

/* Adds the lines of a batch to the totals. The batch ends before a line of a later month: that one
 * belongs in another file. */
static enum store_status
add_batch(struct drain *d, struct batch *b)
{
	enum store_status status = STORE_OK;
	struct span rest = buf_span(b->text);
	struct span line;

	while (status == STORE_OK && rest.n > 0 && span_next(&rest, '\n', &line)) {
		char name[LEDGER_NAME_LEN];
		struct ledger_entry e;

		if (!read_line(d, line, &e))
			continue;
		ledger_name(e.time_ms, name);
		if (b->name[0] && strcmp(name, b->name) > 0) {
			b->text->len = (size_t)(line.p - b->text->p);
			b->last = e.seq - 1;
			b->more = true;
			break;
		}
		if (!b->name[0])
			memcpy(b->name, name, sizeof(name));
		status = totals_add(d->totals, &e);
	}
	if (!b->name[0])
		ledger_name(clock_wall_ms(), b->name);
	return status;
}

static enum store_status
write_batch(struct drain *d, struct batch *b, struct totals_mark *mark)
{
	enum store_status status = totals_begin(d->totals);
	int rc;

	if (status != STORE_OK)
		return status;
	status = add_batch(d, b);
	if (status == STORE_OK) {
		rc = ledgerfile_append(d->folder, b->name, buf_span(b->text), b->last, mark);
		tell(d, rc < 0);
		status = rc < 0 ? STORE_BROKEN : STORE_OK;
	}
	if (status == STORE_OK)
		return totals_end(d->totals, mark);
	totals_cancel(d->totals);
	return status;
}

/* Moves one batch into the ledger and the totals. */
static enum store_status
move_batch(struct drain *d, struct limiter *l, struct totals_mark *mark, bool *more)
{
	struct batch b = { .text = &d->text };
	enum store_status status;

	d->text.len = 0;
	status = limiter_lines(l, mark->seq, take_line, &b);
	*more = false;
	if (status != STORE_OK || (b.lines == 0 && !b.more))
		return status;
	if (b.lines == 0) {
		log_error("books", "what=\"out of memory\"");
		return STORE_BROKEN;
	}
	status = write_batch(d, &b, mark);
	*more = b.more;
	return status;
}

/* What is in the totals need not be queued any more, unless another store wants it, too. */
static enum store_status
move_all(struct drain *d, struct limiter *l, struct totals_mark *mark)
{
	enum store_status status;
	bool more;

	do {
		status = move_batch(d, l, mark, &more);
		if (status == STORE_OK && !d->sink)
			status = limiter_forget(l, mark->seq);
	} while (status == STORE_OK && more);
	return status;
}

/* A ledger that cannot be written keeps what is in it already from nobody. */
enum store_status
drain_queue(struct drain *d, struct limiter *l)
{
	struct totals_mark mark;
	enum store_status status = drain_catch_up(d, &mark);
	enum store_status forwarded = STORE_OK;

	if (status != STORE_OK) {
		(void)note(d, true);
		return status;
	}
	status = move_all(d, l, &mark);
	if (d->sink)
		forwarded = forward_lines(d->sink, l, d->folder, &mark);
	(void)futimens(d->lock_fd, NULL);
	buf_reset(&d->text, KEEP_BYTES);
	return status == STORE_OK ? forwarded : status;
}
