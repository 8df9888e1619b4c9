/* stores: one lock is held while a store is opened or closed, so that a folder is never opened
 * while it is being closed. */
#include "stores.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "store/books.h"

struct stores_one {
	struct store *store;
	struct buf identity;
	char *state, *keys;
	unsigned users;
	struct stores_one *next;
};

struct stores {
	const struct parts *parts;
	pthread_mutex_t doors; /* guards what follows */
	struct stores_one *first;
};

/* Everything that a store is opened with, as text. */
static int
identify(const struct conf *c, struct buf *out)
{
	const struct conf_store *s = &c->store;
	const char *const texts[] = { c->keys, c->state, s->kind, s->host, s->path, s->user,
		s->password_file, s->password_env, s->ca_file };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (buf_addf(out, "%s\n", texts[i] ? texts[i] : ""))
			return -1;
	return buf_addf(out, "%" PRIu64 " %" PRIu64 " %d %d %" PRId64, s->port, s->db, s->tls,
	    s->away_local, s->timeout_ms);
}

static struct stores_one *
find_same(const struct stores *s, struct span identity)
{
	struct stores_one *one = s->first;

	while (one && !span_eq(buf_span(&one->identity), identity))
		one = one->next;
	return one;
}

static bool
same_folder(const char *a, const char *b)
{
	struct stat x, y;

	return strcmp(a, b) == 0 ||
	    (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* A store over the state folder of this configuration, if there is one with the same keys, since
 * their index must not be opened twice either. */
static const struct stores_one *
find_beside(const struct stores *s, const struct conf *c)
{
	const struct stores_one *found = NULL;

	for (const struct stores_one *one = s->first; one; one = one->next) {
		if (!same_folder(one->state, c->state))
			continue;
		if (one->store->kind == parts_store(s->parts, span_of(c->store.kind)) &&
		    strcmp(one->keys, c->keys) == 0)
			return one;
		found = found ? found : one;
	}
	return found;
}

static void
free_one(struct stores_one *one)
{
	if (one->store)
		one->store->kind->close(one->store);
	buf_free(&one->identity);
	free(one->state);
	free(one->keys);
	free(one);
}

/* Beside one that does not stand nothing is opened: some of its files may still be in place. */
static int
open_store(const struct stores *s, const struct conf *c, struct stores_one *one)
{
	const struct stores_one *beside = find_beside(s, c);

	if (beside && !stores_stand(beside))
		return -1;
	one->store = parts_store(s->parts, span_of(c->store.kind))
			 ->open(c, beside ? beside->store : NULL, false);
	return one->store ? 0 : -1;
}

static struct stores_one *
open_one(struct stores *s, const struct conf *c)
{
	struct stores_one *one = calloc(1, sizeof(*one));

	if (!one)
		return NULL;
	one->users = 1;
	one->identity = buf_make(CONF_FILE_MAX);
	one->state = strdup(c->state);
	one->keys = strdup(c->keys);
	if (!one->state || !one->keys || identify(c, &one->identity) < 0 ||
	    open_store(s, c, one) < 0) {
		free_one(one);
		return NULL;
	}
	one->next = s->first;
	s->first = one;
	return one;
}

struct stores *
stores_open(const struct parts *parts)
{
	struct stores *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->parts = parts;
	pthread_mutex_init(&s->doors, NULL);
	return s;
}

void
stores_close(struct stores *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->doors);
	free(s);
}

struct stores_one *
stores_take(struct stores *s, const struct conf *c)
{
	struct buf identity = buf_make(CONF_FILE_MAX);
	struct stores_one *one = NULL;

	pthread_mutex_lock(&s->doors);
	if (identify(c, &identity) == 0)
		one = find_same(s, buf_span(&identity));
	if (one && stores_stand(one))
		one->users++;
	else
		one = open_one(s, c);
	pthread_mutex_unlock(&s->doors);
	buf_free(&identity);
	return one;
}

bool
stores_stand(const struct stores_one *one)
{
	return !one->store->books || books_stand(one->store->books);
}

struct store *
stores_store(const struct stores_one *one)
{
	return one->store;
}

void
stores_give(struct stores *s, struct stores_one *one)
{
	struct stores_one **at = &s->first;

	if (!one)
		return;
	pthread_mutex_lock(&s->doors);
	if (--one->users == 0) {
		while (*at != one)
			at = &(*at)->next;
		*at = one->next;
		free_one(one);
	}
	pthread_mutex_unlock(&s->doors);
}
