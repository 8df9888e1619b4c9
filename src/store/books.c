/* books: see the header. What a process has open of a state folder is a struct folder; each user of
 * it has a struct books. How lines are moved is drain's. */
#include "store/books.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "store/drain.h"
#include "store/keeper.h"
#include "store/limitsfile.h"
#include "store/listing.h"

#define DRAIN_WAIT_MS 10000 /* for another process that drains */
#define CLOSE_WAIT_MS 2000
#define RETRY_MAX_MS  10000 /* between attempts of the keeper that fail */

struct folder {
	char *path;
	bool reader;
	struct totals_mark mark; /* as it was at the start */
	struct totals *totals;	 /* NULL: a reader of a folder without */
	struct limiter *limiter; /* likewise */
	struct drain *drain;	 /* NULL for readers */
	struct keeper *drains;	 /* likewise */
	struct keeper *beats;	 /* apart, since a drain may wait for its disk for long */
	struct books *users;	 /* the one that came last first: its sink is in force */
	int64_t retry_ms;	 /* the keeper's; 0: the last drain did not fail */
	_Atomic bool told;	 /* that it does not stand; the log knows */
};

struct books {
	struct folder *folder;
	struct books_sink sink; /* book NULL: there is none */
	struct books *next;
};

int
books_folder(const char *path)
{
	char folder[LOG_VALUE_LEN];
	struct stat st;

	if (mkdir(path, 0700) == 0 ||
	    (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	int error = errno;
	(void)log_value(span_of(path), folder);
	errno = error;
	log_error("state", "folder=%s what=\"cannot be made\" why=\"%m\"", folder);
	return -1;
}

static int
seed(void *arg, struct limiter_purse *p)
{
	struct folder *f = arg;
	const struct totals_purse purse = { p->scope, p->name, p->period, p->is_month };
	enum store_status status = totals_spent(f->totals, &purse, &p->spent, &p->seq);

	return status == STORE_OK ? 0 : -1;
}

/* When to try again. A disk that fails is given more time with each failure; a server that is away
 * answers at once when it is back. */
static int64_t
retry_after(struct folder *f, enum store_status status)
{
	if (status != STORE_BROKEN)
		f->retry_ms = 0;
	if (status == STORE_OK)
		return 0;
	if (status != STORE_BROKEN)
		return DRAIN_EVERY_MS;
	f->retry_ms = f->retry_ms ? 2 * f->retry_ms : DRAIN_EVERY_MS;
	if (f->retry_ms > RETRY_MAX_MS)
		f->retry_ms = RETRY_MAX_MS;
	return f->retry_ms;
}

static bool
stands(const struct folder *f)
{
	return (!f->drain || drain_stands(f->drain)) && (!f->totals || totals_stands(f->totals)) &&
	    (!f->limiter || limiter_stands(f->limiter));
}

/* Called with the lock of the drain. Lines of a folder that was removed have numbers that mean
 * others in the one that stands in its place. */
static enum store_status
move(struct folder *f)
{
	char folder[LOG_VALUE_LEN];

	if (!limiter_waiting(f->limiter))
		return STORE_OK;
	if (stands(f))
		return drain_queue(f->drain, f->limiter);
	if (!atomic_exchange(&f->told, true))
		log_error("state",
		    "folder=%s what=\"its files were removed or replaced; calls that were not in the ledger yet are lost\"",
		    log_value(span_of(f->path), folder));
	return STORE_BROKEN;
}

static int64_t
keep_drain(void *arg)
{
	struct folder *f = arg;
	int64_t rest_ms = drain_rest_ms(f->drain);
	enum store_status status;

	if (rest_ms > 0)
		return rest_ms;
	if (drain_lock(f->drain, 0) < 0)
		return DRAIN_EVERY_MS;
	status = move(f);
	drain_unlock(f->drain);
	return retry_after(f, status);
}

/* It may find calls of others that ended, and so something to drain. */
static int64_t
keep_beat(void *arg)
{
	struct folder *f = arg;

	if (limiter_beat(f->limiter) != STORE_OK)
		log_warn("books", "what=\"calls under way cannot be confirmed\"");
	drain_beat(f->drain);
	keeper_tell(f->drains);
	return 0;
}

/* To a reader a file that is not there, or is just being made, has nothing in it yet. */

static int
open_totals(struct folder *f)
{
	char path[PATH_MAX_LEN];
	int n = snprintf(path, sizeof(path), "%s/totals.mdb", f->path);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		log_error("books", "what=\"the path of the state folder is too long\"");
		return -1;
	}
	f->totals = totals_open(path, f->reader);
	if (!f->totals)
		return f->reader && errno == ENOENT ? 0 : -1;
	return totals_mark(f->totals, &f->mark) == STORE_OK ? 0 : -1;
}

static int
open_limiter(struct folder *f)
{
	char path[PATH_MAX_LEN];

	if (limitsfile_path(f->path, path) < 0)
		return -1;
	if (!f->reader && limitsfile_need(f->path, path, f->drain) < 0)
		return -1;
	f->limiter = limiter_open(path, f->mark.seq, f->totals ? seed : NULL, f, f->reader);
	return f->limiter || (f->reader && errno == ENOENT) ? 0 : -1;
}

static int
open_keepers(struct folder *f)
{
	const struct keeper_work drains = { .run = keep_drain, .arg = f };
	const struct keeper_work beats = {
		.run = keep_beat, .every_ms = LIMITER_BEAT_MS, .arg = f
	};

	f->drains = keeper_open(&drains);
	f->beats = keeper_open(&beats);
	return f->drains && f->beats ? 0 : -1;
}

/* Beats tell the drains. */
static void
close_keepers(struct folder *f)
{
	keeper_close(f->beats);
	keeper_close(f->drains);
	f->beats = f->drains = NULL;
}

static int
open_parts(struct folder *f)
{
	if (f->reader)
		return open_totals(f) < 0 || open_limiter(f) < 0 ? -1 : 0;
	if (books_folder(f->path) < 0 || open_totals(f) < 0)
		return -1;
	f->drain = drain_open(f->path, f->totals);
	if (!f->drain || open_limiter(f) < 0)
		return -1;
	return open_keepers(f);
}

static void
close_folder(struct folder *f)
{
	close_keepers(f);
	drain_close(f->drain);
	if (f->limiter)
		limiter_close(f->limiter);
	if (f->totals)
		totals_close(f->totals);
	free(f->path);
	free(f);
}

static struct folder *
open_folder(const char *path, bool reader)
{
	struct folder *f = calloc(1, sizeof(*f));

	if (!f) {
		log_error("books", "what=\"out of memory\"");
		return NULL;
	}
	f->reader = reader;
	f->path = strdup(path);
	if (!f->path)
		log_error("books", "what=\"out of memory\"");
	else if (open_parts(f) == 0)
		return f;
	close_folder(f);
	return NULL;
}

/* What is queued was to go to the sink that is in force now. */
static enum store_status
drain_now(struct folder *f, int64_t wait_ms)
{
	enum store_status status;

	if (!limiter_waiting(f->limiter))
		return STORE_OK;
	if (drain_lock(f->drain, wait_ms) < 0) {
		if (errno == EAGAIN)
			log_warn("books", "what=\"another process holds drain.lock for long\"");
		return STORE_BROKEN;
	}
	status = move(f);
	drain_unlock(f->drain);
	return status;
}

/* The last user's sink is in force. Whoever comes or goes moves first what is queued for the one
 * before; what cannot be moved stays queued. */
static void
aim(struct folder *f)
{
	if (!f->reader)
		drain_aim(f->drain, f->users && f->users->sink.book ? &f->users->sink : NULL);
}

static struct books *
add_user(struct folder *f, const struct books_sink *sink)
{
	struct books *b = calloc(1, sizeof(*b));

	if (!b) {
		log_error("books", "what=\"out of memory\"");
		return NULL;
	}
	if (sink)
		b->sink = *sink;
	b->folder = f;
	b->next = f->users;
	f->users = b;
	aim(f);
	return b;
}

struct books *
books_open(const char *folder, const struct books_sink *sink, bool reader)
{
	struct folder *f = open_folder(folder, reader);
	struct books *b = f ? add_user(f, sink) : NULL;

	if (f && !b)
		close_folder(f);
	return b;
}

struct books *
books_beside(struct books *b, const struct books_sink *sink)
{
	struct folder *f = b->folder;

	if (!f->reader && (sink || f->users->sink.book))
		(void)!drain_now(f, CLOSE_WAIT_MS);
	return add_user(f, sink);
}

void
books_close(struct books *b)
{
	struct folder *f = b ? b->folder : NULL;
	struct books **at;

	if (!f)
		return;
	if (!b->next && f->users == b)
		close_keepers(f);
	if (!f->reader && f->users == b)
		(void)!drain_now(f, CLOSE_WAIT_MS);
	for (at = &f->users; *at != b; at = &(*at)->next)
		;
	*at = b->next;
	aim(f);
	free(b);
	if (!f->users)
		close_folder(f);
}

struct limiter *
books_limiter(struct books *b)
{
	return b->folder->limiter;
}

const char *
books_node(const struct books *b)
{
	return b->folder->mark.node;
}

void
books_hold(struct books *b)
{
	if (b->folder->beats)
		keeper_start(b->folder->beats);
}

enum store_status
books_settle(struct books *b, const struct store_booking *k, bool due)
{
	struct folder *f = b->folder;
	enum store_status status = f->reader ? STORE_BROKEN : limiter_settle(f->limiter, k, due);

	if (status == STORE_OK)
		keeper_tell(f->drains);
	return status;
}

enum store_status
books_queue(struct books *b, const struct store_booking *k, bool due, uint64_t *seq)
{
	struct folder *f = b->folder;
	enum store_status status =
	    f->reader ? STORE_BROKEN : limiter_queue(f->limiter, k, due, seq);

	if (status == STORE_OK)
		keeper_tell(f->drains);
	return status;
}

enum store_status
books_drain(struct books *b)
{
	return b->folder->reader ? STORE_BROKEN : drain_now(b->folder, DRAIN_WAIT_MS);
}

enum store_status
books_totals(struct books *b, const struct store_range *range, store_row *fn, void *arg)
{
	return listing_each(b->folder->totals, b->folder->limiter, range, fn, arg);
}

enum store_status
books_booked(struct books *b, struct store_mark *mark, store_row *fn, void *arg)
{
	const struct store_range all = { 0, INT32_MAX };
	struct totals *t = b->folder->totals;

	*mark = (struct store_mark){ 0 };
	return t ? totals_each(t, &all, &mark->seq, fn, arg) : STORE_OK;
}

bool
books_stand(const struct books *b)
{
	return stands(b->folder);
}

enum store_status
books_probe(struct books *b, const char **why)
{
	struct folder *f = b->folder;

	if (f->reader)
		return STORE_OK;
	if (!stands(f))
		*why = "the files of the state folder were removed or replaced";
	else if (access(f->path, W_OK | X_OK) < 0)
		*why = "the state folder cannot be written";
	else if (drain_fails(f->drain))
		*why = "the ledger in the state folder cannot be written";
	else if (limiter_beat(f->limiter) != STORE_OK)
		*why = "the limits in the state folder cannot be used";
	else
		return STORE_OK;
	return STORE_BROKEN;
}
