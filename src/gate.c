/* gate: loads and reloads. One lock guards the loading (the parser of the configuration is not
 * re-entrant) and another the pointer to the era, so that calls never wait for a parse. */
#include "gate.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/span.h"
#include "base/stamp.h"
#include "conffile.h"
#include "store/cooldowns.h"
#include "store/wrongkeys.h"
#include "stores.h"

#define STORE_RETRY_MS	  1000
#define STORE_RECHECK_MS  1000
#define PRICES_RECHECK_MS 1000

struct held_era {
	struct era era;		  /* first, so that an era is its held_era */
	struct conf *conf;	  /* the same as the era's, owned */
	struct stores_one *store; /* NULL: it cannot be opened */
	unsigned users;		  /* calls in it, and one for being in force */
};

struct gate {
	const struct parts *parts;
	const char *conf_path;
	int cut_fd;
	pthread_mutex_t load; /* held while loading */
	pthread_mutex_t lock; /* guards current, stamp and all counts of users */
	struct held_era *current;
	struct stores *stores;
	struct stamp stamp; /* of the file as it was last read, good or bad */
	struct buf text;    /* as it was last read */
	int64_t
	    store_tried_ms; /* when the store was last opened, for another try while it cannot be */
	int64_t store_seen_ms;	/* when it was last looked at whether its files stand */
	bool store_lost;	/* they do not */
	struct stamp prices;	/* of the list of prices as it was last read */
	int64_t prices_seen_ms; /* when it was last looked at */
	bool prices_moved;	/* it is another one */
	struct transfer_shared *shared;
};

static void
note_store_tried(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->store_tried_ms = clock_mono_ms();
	pthread_mutex_unlock(&g->lock);
}

/* Takes over c. NULL with errno set when memory is out. */
static struct held_era *
era_make(struct gate *g, struct conf *c)
{
	struct held_era *h = calloc(1, sizeof(*h));
	bool starved;

	if (!h) {
		conf_free(c);
		errno = ENOMEM;
		return NULL;
	}
	h->users = 1;
	h->conf = c;
	h->era.conf = c;
	h->era.credentials = credentials_open(c);
	errno = 0;
	h->store = stores_take(g->stores, c);
	/* For want of memory no store that is open is given up. */
	starved = !h->store && errno == ENOMEM && g->current && g->current->store;
	h->era.store = h->store ? stores_store(h->store) : NULL;
	/* Behind the store, which makes the folder. */
	h->era.cooldowns = c->cooldown_ms > 0 ? cooldowns_open(c->state) : NULL;
	h->era.wrongkeys = c->auth_failures > 0 ? wrongkeys_open(c->state) : NULL;
	if (!h->store && !g->store_lost)
		note_store_tried(g);
	if (!h->era.credentials || starved) {
		gate_leave(g, &h->era);
		errno = ENOMEM;
		return NULL;
	}
	return h;
}

static void
log_lines(enum log_level level, const char *event, struct span lines)
{
	struct span line;

	while (span_next(&lines, '\n', &line))
		if (line.n > 0)
			log_line(level, event, "what=\"%.*s\"", (int)line.n, line.p);
}

/* Parses what was read; NULL and a log when it is broken, with errno ENOMEM when memory was out. */
static struct held_era *
era_of_text(struct gate *g, struct buf *text)
{
	struct buf errors = buf_make(CONF_FILE_MAX);
	struct buf warnings = buf_make(CONF_FILE_MAX);
	struct conf *c =
	    conffile_parse(g->conf_path, text, g->parts->kind_names, &errors, &warnings);
	struct held_era *made = c ? era_make(g, c) : NULL;
	int error = made ? 0 : errno;

	log_lines(LOG_LEVEL_ERROR, "config", buf_span(&errors));
	log_lines(LOG_LEVEL_WARN, "config", buf_span(&warnings));
	buf_free(&errors);
	buf_free(&warnings);
	errno = error;
	return made;
}

static void
put_in_force(struct gate *g, struct held_era *made)
{
	struct held_era *old;

	pthread_mutex_lock(&g->lock);
	old = g->current;
	g->current = made;
	g->store_lost = false;
	pthread_mutex_unlock(&g->lock);
	gate_leave(g, old ? &old->era : NULL);
}

/* True when a store that could not be opened is worth another try: the administrator may have
 * mended the folder. */
static bool
lacks_store(const struct gate *g)
{
	return g->current && !g->current->era.store &&
	    clock_mono_ms() - g->store_tried_ms >= STORE_RETRY_MS;
}

/* True when the files of the state folder were removed or replaced, which is looked at once a
 * second: other processes have other limits then. Called with the lock held. */
static bool
has_lost_store(struct gate *g)
{
	char folder[LOG_VALUE_LEN];

	if (g->store_lost || !g->current || !g->current->store ||
	    clock_mono_ms() - g->store_seen_ms < STORE_RECHECK_MS)
		return g->store_lost;
	g->store_seen_ms = clock_mono_ms();
	g->store_lost = !stores_stand(g->current->store);
	if (g->store_lost)
		log_error("state",
		    "folder=%s what=\"its files were removed or replaced; it is opened anew when "
		    "the calls under way have ended\"",
		    log_value(span_of(g->current->conf->state), folder));
	return g->store_lost;
}

/* The stamp of the list of prices; all zero when there is none. */
static struct stamp
prices_stamp(const struct conf *c)
{
	struct stamp s;

	if (stamp_of(conffile_prices_path(c), &s))
		s = (struct stamp){ 0 };
	return s;
}

/* Notes which list of prices was read. A list that was changed while it was read has a stamp that
 * is not settled, and is read again. */
static void
take_prices(struct gate *g)
{
	if (!g->current)
		return;
	pthread_mutex_lock(&g->lock);
	g->prices = prices_stamp(g->current->conf);
	g->prices_seen_ms = clock_mono_ms();
	g->prices_moved = false;
	pthread_mutex_unlock(&g->lock);
}

/* True when the list of prices has changed; it is looked at once a second. Called with the lock
 * held. */
static bool
has_new_prices(struct gate *g)
{
	struct stamp now;

	if (!g->current || g->prices_moved ||
	    clock_mono_ms() - g->prices_seen_ms < PRICES_RECHECK_MS)
		return g->prices_moved;
	g->prices_seen_ms = clock_mono_ms();
	now = prices_stamp(g->current->conf);
	g->prices_moved = now.ino ? !stamp_settled(&g->prices, &now) : g->prices.ino != 0;
	return g->prices_moved;
}

/* Takes over a text that was read, unless it says what was in force already. -1 when memory was out
 * for that. */
static int
take_text(struct gate *g, struct buf *text)
{
	bool same = g->stamp.taken_ns && span_eq(buf_span(text), buf_span(&g->text));
	bool first = !g->current;
	bool starved;
	struct held_era *made;

	if (same && !lacks_store(g) && !g->store_lost && !g->prices_moved) {
		buf_free(text);
		return 0;
	}
	made = era_of_text(g, text);
	/* A store that was lost is let go of first, and opened anew at once when nobody has it. */
	if (made && g->store_lost && !made->store) {
		put_in_force(g, made);
		made = era_of_text(g, text);
	}
	starved = !made && errno == ENOMEM;
	if (made)
		put_in_force(g, made);
	if (starved) {
		log_error("config",
		    "file=%s what=\"out of memory; it is read again at the next call\"",
		    g->conf_path);
		buf_free(text);
		return -1;
	}
	if (!made)
		log_error("config", "file=%s what=\"refused; %s\"", g->conf_path,
		    first ? "every call is refused until it is mended"
			  : "the one before stays in force");
	else if (!first && !same)
		log_info("config", "file=%s what=\"the new one is in force\"", g->conf_path);
	buf_free(&g->text);
	g->text = *text;
	take_prices(g);
	return 0;
}

/* True for a failure that may be over at the next call: no descriptor, no memory. */
static bool
is_passing(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* Reads the file once more. Called with the load lock held. */
static void
load(struct gate *g, const struct stamp *now)
{
	struct buf text = buf_make(CONF_FILE_MAX);

	if (file_read(g->conf_path, &text)) {
		int error = errno;

		log_error(
		    "config", "file=%s error=%d what=\"cannot be read\"", g->conf_path, error);
		buf_free(&text);
		if (is_passing(error))
			return;
	} else if (take_text(g, &text)) {
		return;
	}
	pthread_mutex_lock(&g->lock);
	g->stamp = *now;
	pthread_mutex_unlock(&g->lock);
}

/* True when the file has to be looked at; *now is its stamp, zero when it is not there. */
static bool
is_stale(struct gate *g, struct stamp *now)
{
	bool stale;

	if (stamp_of(g->conf_path, now))
		*now = (struct stamp){ .taken_ns = 1 };
	pthread_mutex_lock(&g->lock);
	stale = lacks_store(g) || has_lost_store(g) || has_new_prices(g) ||
	    (now->ino ? !stamp_settled(&g->stamp, now)
		      : !stamp_same(&g->stamp, now) || !g->stamp.taken_ns);
	pthread_mutex_unlock(&g->lock);
	return stale;
}

static void
refresh(struct gate *g)
{
	struct stamp now;

	if (!is_stale(g, &now))
		return;
	pthread_mutex_lock(&g->load);
	if (is_stale(g, &now))
		load(g, &now);
	pthread_mutex_unlock(&g->load);
}

struct gate *
gate_open(const struct parts *parts, const char *conf_path, int cut_fd)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->stores = stores_open(parts);
	if (!g->stores) {
		free(g);
		return NULL;
	}
	g->parts = parts;
	g->conf_path = conf_path;
	g->cut_fd = cut_fd;
	g->text = buf_make(CONF_FILE_MAX);
	pthread_mutex_init(&g->load, NULL);
	pthread_mutex_init(&g->lock, NULL);
	refresh(g);
	return g;
}

void
gate_close(struct gate *g)
{
	if (!g)
		return;
	gate_leave(g, g->current ? &g->current->era : NULL);
	stores_close(g->stores);
	transfer_shared_close(g->shared);
	buf_free(&g->text);
	pthread_mutex_destroy(&g->load);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

struct era *
gate_enter(struct gate *g)
{
	struct held_era *h;

	refresh(g);
	pthread_mutex_lock(&g->lock);
	h = g->current;
	if (h)
		h->users++;
	pthread_mutex_unlock(&g->lock);
	return h ? &h->era : NULL;
}

void
gate_leave(struct gate *g, struct era *e)
{
	struct held_era *h = (struct held_era *)e; /* whose first member it is */
	bool over;

	if (!h)
		return;
	pthread_mutex_lock(&g->lock);
	over = --h->users == 0;
	pthread_mutex_unlock(&g->lock);
	if (!over)
		return;
	stores_give(g->stores, h->store);
	credentials_close(h->era.credentials);
	cooldowns_close(h->era.cooldowns);
	wrongkeys_close(h->era.wrongkeys);
	conf_free(h->conf);
	free(h);
}

const struct parts *
gate_parts(const struct gate *g)
{
	return g->parts;
}

int
gate_cut_fd(const struct gate *g)
{
	return g->cut_fd;
}

struct transfer_shared *
gate_shared(struct gate *g)
{
	struct transfer_shared *s;

	pthread_mutex_lock(&g->load);
	if (!g->shared)
		g->shared = transfer_shared_open();
	s = g->shared;
	pthread_mutex_unlock(&g->load);
	return s;
}
