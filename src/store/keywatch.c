/* keywatch: see the header. The stamp of the file is taken at every look-up. While it is the one
 * that the index was checked against, nothing else is looked at. Else one thread of one process,
 * under a lock, finds out what changed: nothing, when another process has done the work; the stamp
 * only, when the content is the same; else the lines are read and indexed. */
#include "store/keywatch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/stamp.h"
#include "store/filelock.h"
#include "store/keyindex.h"
#include "store/keytable.h"

#define WAIT_MS	      250   /* for somebody else's work, while there is an index to go on with */
#define WAIT_FIRST_MS 10000 /* while there is none */
#define STALE_MAX_MS \
	30000 /* an index that could not be renewed for so long is no longer believed */
#define RETRY_MS      1000 /* between attempts that fail */
#define YOUNG_NS      INT64_C(25000000)
#define DAMAGE_LOGGED 20u
#define LARGE                                                                                     \
	(1 * MIB) /* a file over this is not read again at every look-up while its stamp is young \
		   */
#define LARGE_MS 200
#define ATTEMPTS 3

enum trouble {
	TROUBLE_NONE,
	TROUBLE_STAT,
	TROUBLE_READ,
	TROUBLE_MODE,
	TROUBLE_INDEX,
	TROUBLE_LOCK,
	TROUBLE_STALE,
	TROUBLE_MEMORY,
};

static const char *const troubles[] = {
	[TROUBLE_NONE] = "",
	[TROUBLE_STAT] = "the key file is not there or cannot be looked at",
	[TROUBLE_READ] = "the key file cannot be read",
	[TROUBLE_MODE] = "others than its owner may write the key file: chmod go-w",
	[TROUBLE_INDEX] = "the index of the keys in the state folder cannot be used",
	[TROUBLE_LOCK] = "the lock in the state folder cannot be taken",
	[TROUBLE_STALE] = "the index of the keys is held by another process and is out of date",
	[TROUBLE_MEMORY] = "out of memory",
};

/* An index that look-ups are going on in; closed by the last of them. */
struct held {
	struct keyindex *index;
	unsigned users;
};

struct keywatch {
	char *keys_path;
	struct keyindex_place place;
	int lock_fd;	      /* the guard, for one process at a time */
	pthread_mutex_t work; /* for one thread of this process at a time; taken before the lock */

	pthread_mutex_t mutex; /* guards what follows; held for a few instructions */
	struct held *held;
	struct stamp checked;  /* what the index is known to be right for */
	bool usable;	       /* the index was right once */
	bool damaged;	       /* a look-up met damage in it */
	int64_t look_again_ms; /* when a large file with a young stamp is read again */
	int64_t wait_until_ms; /* until when look-ups wait for work under way; 0: none was seen */
	int64_t retry_ms;      /* when to try again after a failure */
	enum trouble trouble;  /* of the last attempt */
	enum trouble said;     /* what the log was told last */
};

/* The state between threads. */

static struct held *
take_held(struct keywatch *w)
{
	struct held *h;

	(void)pthread_mutex_lock(&w->mutex);
	h = w->held;
	if (h)
		h->users++;
	(void)pthread_mutex_unlock(&w->mutex);
	return h;
}

static void
give_held(struct keywatch *w, struct held *h)
{
	bool last;

	if (!h)
		return;
	(void)pthread_mutex_lock(&w->mutex);
	last = --h->users == 0;
	(void)pthread_mutex_unlock(&w->mutex);
	if (last) {
		keyindex_close(h->index);
		free(h);
	}
}

static bool
found_damaged(struct keywatch *w)
{
	bool answer;

	(void)pthread_mutex_lock(&w->mutex);
	answer = w->damaged;
	(void)pthread_mutex_unlock(&w->mutex);
	return answer;
}

/* Puts an index, which may be NULL, in the place of the one that is used now. */
static int
put_held(struct keywatch *w, struct keyindex *index)
{
	struct held *h = index ? calloc(1, sizeof(*h)) : NULL;
	struct held *old;

	if (index && !h) {
		keyindex_close(index);
		return -1;
	}
	if (h)
		*h = (struct held){ .index = index, .users = 1 };
	(void)pthread_mutex_lock(&w->mutex);
	old = w->held;
	w->held = h;
	w->usable = false;
	w->damaged = false;
	w->checked = (struct stamp){ 0 };
	(void)pthread_mutex_unlock(&w->mutex);
	give_held(w, old);
	return 0;
}

/* Tells the log when the state changes, and only then. */
static void
tell(struct keywatch *w, enum trouble trouble, int error)
{
	char file[LOG_VALUE_LEN];
	bool news;

	(void)pthread_mutex_lock(&w->mutex);
	news = w->said != trouble;
	w->said = trouble;
	(void)pthread_mutex_unlock(&w->mutex);
	if (!news)
		return;
	(void)log_value(span_of(w->keys_path), file);
	errno = error;
	if (trouble == TROUBLE_NONE)
		log_info("keys", "file=%s what=\"usable again\"", file);
	else if (error)
		log_error("keys", "file=%s what=\"%s; every key is refused\" why=\"%m\"", file,
		    troubles[trouble]);
	else
		log_error(
		    "keys", "file=%s what=\"%s; every key is refused\"", file, troubles[trouble]);
}

/* The outcome of an attempt. A failure is tried again after a while, or as soon as the file
 * changes; one for want of memory at the next look-up. */
static void
conclude(struct keywatch *w, enum trouble trouble, const struct stamp *stamp)
{
	int64_t now_ms = clock_mono_ms();

	(void)pthread_mutex_lock(&w->mutex);
	w->trouble = trouble;
	w->checked = *stamp;
	w->wait_until_ms = 0;
	w->retry_ms = trouble == TROUBLE_NONE || trouble == TROUBLE_MEMORY ? 0 : now_ms + RETRY_MS;
	w->look_again_ms = stamp->size > LARGE ? now_ms + LARGE_MS : 0;
	w->usable = trouble == TROUBLE_NONE;
	(void)pthread_mutex_unlock(&w->mutex);
}

/* Whether nothing has to be done for this stamp. */
static bool
up_to_date(struct keywatch *w, const struct stamp *now)
{
	int64_t now_ms = clock_mono_ms();
	bool answer;

	(void)pthread_mutex_lock(&w->mutex);
	if (w->trouble != TROUBLE_NONE)
		answer = stamp_same(&w->checked, now) && now_ms < w->retry_ms;
	else
		answer = stamp_settled(&w->checked, now) ||
		    (stamp_same(&w->checked, now) && now_ms < w->look_again_ms);
	(void)pthread_mutex_unlock(&w->mutex);
	return answer;
}

/* Whether look-ups may go on. When the index is not fresh, somebody else is at work on it, and it
 * is believed for a while. */
static enum trouble
verdict(struct keywatch *w, bool fresh)
{
	enum trouble trouble;

	(void)pthread_mutex_lock(&w->mutex);
	trouble = w->trouble;
	if (fresh)
		w->wait_until_ms = 0;
	if (trouble == TROUBLE_NONE && w->wait_until_ms != 0 &&
	    (!w->usable || clock_mono_ms() > w->wait_until_ms + STALE_MAX_MS))
		trouble = TROUBLE_STALE;
	(void)pthread_mutex_unlock(&w->mutex);
	return trouble;
}

/* Until when this look-up waits for others. The first that finds work under way sets the time for
 * all. */
static int64_t
patience(struct keywatch *w)
{
	int64_t until;

	(void)pthread_mutex_lock(&w->mutex);
	if (w->wait_until_ms == 0)
		w->wait_until_ms = clock_mono_ms() + (w->usable ? WAIT_MS : WAIT_FIRST_MS);
	until = w->wait_until_ms;
	(void)pthread_mutex_unlock(&w->mutex);
	return until;
}

/* Opening. */

/* Opens the index; with the lock held, what is damaged is removed and made anew. */
static enum keyindex_status
open_index(const struct keyindex_place *place, bool locked, struct keyindex **out)
{
	enum keyindex_status status = keyindex_open(place, locked, out);

	if (status != KEYINDEX_DAMAGED || !locked)
		return status;
	log_warn("keys", "what=\"the index is made anew\"");
	keyindex_remove(place);
	return keyindex_open(place, true, out);
}

/* Puts a fresh index in place of a damaged or removed one; the lock is held. Look-ups go on in the
 * old one until then. */
static enum trouble
renew(struct keywatch *w, bool damaged)
{
	struct keyindex *index = NULL;

	if (damaged)
		keyindex_remove(&w->place);
	if (open_index(&w->place, true, &index) != KEYINDEX_OK)
		return TROUBLE_INDEX;
	return put_held(w, index) < 0 ? TROUBLE_MEMORY : TROUBLE_NONE;
}

/* Bringing the index up to date; work and lock are held. */

static void
log_damage(const struct keywatch *w, const struct keytable *t)
{
	char file[LOG_VALUE_LEN];
	size_t shown = 0;

	(void)log_value(span_of(w->keys_path), file);
	for (; shown < t->damage_n && shown < DAMAGE_LOGGED; shown++)
		log_warn("keys", "file=%s line=%zu what=\"the line is refused\" why=\"%s\"", file,
		    t->damage[shown].line, t->damage[shown].why);
	if (t->damaged > shown)
		log_warn("keys", "file=%s what=\"%zu more lines are refused\"", file,
		    t->damaged - shown);
}

static enum keyindex_status
index_text(
    struct keywatch *w, struct keyindex *x, struct span text, const struct keyindex_source *source)
{
	int64_t from_ms = clock_mono_ms();
	enum keyindex_status status = KEYINDEX_BROKEN;
	struct keytable t;

	if (keytable_read(&t, text) == 0)
		status = keyindex_fill(x, &t, source);
	else
		log_error("keys", "what=\"out of memory\"");
	if (status == KEYINDEX_OK) {
		log_damage(w, &t);
		log_info("keys", "what=indexed keys=%zu refused=%zu ms=%lld", t.rows_n, t.damaged,
		    (long long)(clock_mono_ms() - from_ms));
	}
	keytable_free(&t);
	return status;
}

/* A stamp this young may hide a change within the same tick of the clock; outlasts it rather than
 * read the file twice. */
static void
outlast(const struct stamp *s)
{
	int64_t age_ns = s->taken_ns - (s->mtime_ns > s->ctime_ns ? s->mtime_ns : s->ctime_ns);
	struct timespec wait = { 0 };

	if (age_ns < 0 || age_ns > YOUNG_NS)
		return;
	wait.tv_nsec = (long)(YOUNG_NS - age_ns);
	(void)nanosleep(&wait, NULL);
}

/* Reads the file so that the stamp and the content belong together, unless it changes all the time:
 * then the stamp is that of before, and the next look-up will find it changed. */
static enum trouble
read_file(const struct keywatch *w, struct stamp *stamp, struct buf *text, int *error)
{
	struct stamp after;

	for (int i = 0; i < ATTEMPTS; i++) {
		if (stamp_of(w->keys_path, stamp) < 0) {
			*error = errno;
			return TROUBLE_STAT;
		}
		outlast(stamp);
		buf_reset(text, SIZE_MAX);
		if (stamp_of(w->keys_path, stamp) < 0 || file_read_kept(w->keys_path, text) < 0) {
			*error = errno == EPERM ? 0 : errno;
			return errno == EPERM ? TROUBLE_MODE : TROUBLE_READ;
		}
		if (stamp_of(w->keys_path, &after) == 0 && stamp_same(stamp, &after))
			break;
	}
	return TROUBLE_NONE;
}

static enum keyindex_status
index_file(struct keywatch *w, struct keyindex *x, struct span text, struct keyindex_source *source)
{
	struct keyindex_source old;
	enum keyindex_status status;

	if (hash_sha256(text, source->sha256) < 0)
		return KEYINDEX_BROKEN;
	status = keyindex_source(x, &old);
	if (status == KEYINDEX_OK && hash_same(old.sha256, source->sha256))
		return keyindex_restamp(x, source);
	if (status == KEYINDEX_OK || status == KEYINDEX_NOT_FOUND)
		return index_text(w, x, text, source);
	return status;
}

/* Reads the file and indexes what is new in it. */
static enum keyindex_status
catch_up(
    struct keywatch *w, struct keyindex *x, struct stamp *stamp, enum trouble *trouble, int *error)
{
	struct buf text = buf_make(KEY_FILE_MAX);
	struct keyindex_source source = { 0 };
	enum keyindex_status status = KEYINDEX_OK;

	*trouble = read_file(w, stamp, &text, error);
	if (*trouble == TROUBLE_NONE) {
		source.stamp = *stamp;
		status = index_file(w, x, buf_span(&text), &source);
	}
	buf_free(&text);
	return status;
}

/* Whether the index was made from the very file that has this stamp; the stamp then becomes the one
 * of its making. */
static enum keyindex_status
adopt(struct keyindex *x, struct stamp *stamp)
{
	struct keyindex_source source;
	enum keyindex_status status = keyindex_source(x, &source);

	if (status != KEYINDEX_OK)
		return status;
	if (!stamp_settled(&source.stamp, stamp))
		return KEYINDEX_NOT_FOUND;
	*stamp = source.stamp;
	return KEYINDEX_OK;
}

/* Takes over what another process has indexed, without any lock. */
static bool
adopted(struct keywatch *w, struct stamp *stamp)
{
	struct held *h = take_held(w);
	bool done = h && !found_damaged(w) && adopt(h->index, stamp) == KEYINDEX_OK;

	give_held(w, h);
	if (done)
		conclude(w, TROUBLE_NONE, stamp);
	return done;
}

/* One attempt with the index that is open. */
static enum keyindex_status
attempt(struct keywatch *w, struct stamp *stamp, enum trouble *trouble, int *error)
{
	struct held *h = take_held(w);
	enum keyindex_status status = KEYINDEX_DAMAGED;

	if (h && !found_damaged(w) && !keyindex_moved(h->index)) {
		status = adopt(h->index, stamp);
		if (status == KEYINDEX_NOT_FOUND)
			status = catch_up(w, h->index, stamp, trouble, error);
	}
	give_held(w, h);
	return status;
}

/* Whether the files in the folder are those of the index that is open, so that its damage is
 * theirs. */
static bool
ours(struct keywatch *w)
{
	struct held *h = take_held(w);
	bool answer = h && !keyindex_moved(h->index);

	give_held(w, h);
	return answer;
}

/* Brings the index up to date, and makes it anew once when it is damaged. */
static void
work_locked(struct keywatch *w, struct stamp *stamp)
{
	enum trouble trouble = TROUBLE_NONE;
	int error = 0;
	enum keyindex_status status;

	errno = 0;
	status = attempt(w, stamp, &trouble, &error);

	if (status == KEYINDEX_DAMAGED) {
		trouble = renew(w, ours(w));
		status =
		    trouble == TROUBLE_NONE ? attempt(w, stamp, &trouble, &error) : KEYINDEX_OK;
	}
	if (status != KEYINDEX_OK)
		trouble = TROUBLE_INDEX;
	if (trouble != TROUBLE_NONE && (errno == ENOMEM || error == ENOMEM))
		trouble = TROUBLE_MEMORY;
	conclude(w, trouble, stamp);
	if (trouble != TROUBLE_NONE)
		tell(w, trouble, error);
}

/* Waits for a mutex until a time on clock_mono_ms's clock; one that is free is taken at once. */
static int
lock_until(pthread_mutex_t *mutex, int64_t until_ms)
{
	int64_t left_ms = until_ms - clock_mono_ms();
	struct timespec at;

	if (left_ms <= 0)
		return pthread_mutex_trylock(mutex);
	(void)clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += left_ms / 1000;
	at.tv_nsec += left_ms % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return pthread_mutex_timedlock(mutex, &at);
}

static void
refresh_alone(struct keywatch *w, int64_t until_ms)
{
	struct stamp stamp;

	/* While this thread waited, another may have done the work, and the file may have changed
	 * again. */
	if (stamp_of(w->keys_path, &stamp) < 0 || up_to_date(w, &stamp)) {
		(void)verdict(w, true);
	} else if (filelock_take(w->lock_fd, until_ms) == 0) {
		work_locked(w, &stamp);
		filelock_give(w->lock_fd);
	} else if (errno != EAGAIN) {
		int error = errno;

		conclude(w, TROUBLE_LOCK, &stamp);
		tell(w, TROUBLE_LOCK, error);
	}
}

/* Does the work, or waits for it to be done. When it takes too long, the look-up goes on with the
 * index as it is. */
static void
refresh(struct keywatch *w)
{
	int64_t until_ms = patience(w);

	if (lock_until(&w->work, until_ms) != 0)
		return;
	refresh_alone(w, until_ms);
	(void)pthread_mutex_unlock(&w->work);
}

/* Makes the index fit the file as it is now. */
static enum trouble
prepare(struct keywatch *w)
{
	enum trouble trouble;
	struct stamp now;
	bool fresh;

	if (stamp_of(w->keys_path, &now) < 0) {
		tell(w, TROUBLE_STAT, errno);
		return TROUBLE_STAT;
	}
	fresh = up_to_date(w, &now) || adopted(w, &now);
	if (!fresh)
		refresh(w);
	trouble = verdict(w, fresh);
	if (trouble == TROUBLE_NONE || trouble == TROUBLE_STALE)
		tell(w, trouble, 0);
	return trouble;
}

enum store_status
keywatch_probe(struct keywatch *w, const char **why)
{
	enum trouble trouble = prepare(w);

	*why = troubles[trouble];
	return trouble == TROUBLE_NONE ? STORE_OK : STORE_BROKEN;
}

/* A look-up met damage: the next one makes the index anew. */
static void
give_up(struct keywatch *w, const struct held *h)
{
	(void)pthread_mutex_lock(&w->mutex);
	if (w->held == h) {
		w->damaged = true;
		w->usable = false;
		w->checked = (struct stamp){ 0 };
	}
	(void)pthread_mutex_unlock(&w->mutex);
}

static enum keyindex_status
find_once(struct keywatch *w, const uint8_t hash[static HASH_LEN], struct buf *line)
{
	struct held *h;
	enum keyindex_status status;

	if (prepare(w) != TROUBLE_NONE)
		return KEYINDEX_BROKEN;
	h = take_held(w);
	status = h ? keyindex_find(h->index, hash, line) : KEYINDEX_BROKEN;
	if (status == KEYINDEX_DAMAGED)
		give_up(w, h);
	give_held(w, h);
	return status;
}

enum store_status
keywatch_find(struct keywatch *w, const uint8_t hash[static HASH_LEN], struct buf *line)
{
	enum keyindex_status status = find_once(w, hash, line);

	if (status == KEYINDEX_DAMAGED)
		status = find_once(w, hash, line);
	if (status == KEYINDEX_OK)
		return STORE_OK;
	return status == KEYINDEX_NOT_FOUND ? STORE_NOT_FOUND : STORE_BROKEN;
}

static int
open_lock(struct keywatch *w)
{
	char file[LOG_VALUE_LEN];
	int error;

	w->lock_fd = filelock_open(w->place.guard);
	if (w->lock_fd >= 0)
		return 0;
	error = errno;
	(void)log_value(span_of(w->place.guard), file);
	errno = error;
	log_error("keys", "file=%s what=\"the lock cannot be opened\" why=\"%m\"", file);
	return -1;
}

/* Opens the index without the lock, which another process may hold for seconds while it indexes;
 * with it only when that fails. */
static int
open_first(struct keywatch *w)
{
	struct keyindex *index = NULL;
	enum keyindex_status status = open_index(&w->place, false, &index);

	if (status == KEYINDEX_DAMAGED) {
		if (filelock_take(w->lock_fd, clock_mono_ms() + WAIT_FIRST_MS) < 0) {
			log_error("keys", "what=\"the lock cannot be taken\" why=\"%m\"");
			return -1;
		}
		status = open_index(&w->place, true, &index);
		filelock_give(w->lock_fd);
	}
	if (status != KEYINDEX_OK)
		return -1;
	return put_held(w, index);
}

struct keywatch *
keywatch_open(const char *keys_path, const char *state_path)
{
	struct keywatch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->lock_fd = -1;
	(void)pthread_mutex_init(&w->work, NULL);
	(void)pthread_mutex_init(&w->mutex, NULL);
	w->keys_path = strdup(keys_path);
	if (!w->keys_path || keyindex_place(keys_path, state_path, &w->place) < 0 ||
	    open_lock(w) < 0 || open_first(w) < 0) {
		keywatch_close(w);
		return NULL;
	}
	return w;
}

void
keywatch_close(struct keywatch *w)
{
	if (!w)
		return;
	(void)put_held(w, NULL);
	if (w->lock_fd >= 0)
		(void)close(w->lock_fd);
	(void)pthread_mutex_destroy(&w->work);
	(void)pthread_mutex_destroy(&w->mutex);
	free(w->keys_path);
	free(w);
}
