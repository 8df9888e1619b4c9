/* stores: one lock is held while a store is opened or closed, so that a folder is never opened
 * while it is being closed. */
#include "stores.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

struct stores_one {
	struct store *store;
	struct buf identity;
	char *state;
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

/* A store of any kind over this state folder. */
static struct store *
find_beside(const struct stores *s, const char *state)
{
	const struct stores_one *one = s->first;

	while (one && strcmp(one->state, state) != 0)
		one = one->next;
	return one ? one->store : NULL;
}

static void
free_one(struct stores_one *one)
{
	if (one->store)
		one->store->kind->close(one->store);
	buf_free(&one->identity);
	free(one->state);
	free(one);
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
	if (one->state && identify(c, &one->identity) == 0)
		one->store = parts_store(s->parts, span_of(c->store.kind))
				 ->open(c, find_beside(s, c->state), false);
	if (!one->store) {
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
	if (one)
		one->users++;
	else
		one = open_one(s, c);
	pthread_mutex_unlock(&s->doors);
	buf_free(&identity);
	return one;
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
