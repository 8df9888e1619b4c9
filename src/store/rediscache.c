/* rediscache: see the header. A table of sets of places; a key's hash says its set. */
#include "store/rediscache.h"

#include <pthread.h>
#include <stdlib.h>

#define SETS   1024u
#define PLACES 4u /* of one set */

struct place {
	uint8_t hash[HASH_LEN];
	int64_t at_ms;
	char *line; /* NULL: the place is free */
	size_t n;
};

struct rediscache {
	pthread_mutex_t lock; /* guards what follows */
	struct place places[SETS][PLACES];
};

struct rediscache *
rediscache_open(void)
{
	struct rediscache *c = calloc(1, sizeof(*c));

	if (c)
		(void)pthread_mutex_init(&c->lock, NULL);
	return c;
}

void
rediscache_close(struct rediscache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SETS; i++)
		for (size_t k = 0; k < PLACES; k++)
			free(c->places[i][k].line);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct place *
set_of(struct rediscache *c, const uint8_t hash[static HASH_LEN])
{
	return c->places[(hash[0] | (unsigned)hash[1] << 8) % SETS];
}

/* The place of a key; NULL when it has none. The lock is held. */
static struct place *
find(struct rediscache *c, const uint8_t hash[static HASH_LEN])
{
	struct place *set = set_of(c, hash);

	for (size_t k = 0; k < PLACES; k++)
		if (set[k].line && hash_same(set[k].hash, hash))
			return &set[k];
	return NULL;
}

/* A free place of the key's set, else its oldest. The lock is held. */
static struct place *
room(struct rediscache *c, const uint8_t hash[static HASH_LEN])
{
	struct place *set = set_of(c, hash);
	struct place *best = set;

	for (size_t k = 0; k < PLACES; k++) {
		if (!set[k].line)
			return &set[k];
		if (set[k].at_ms < best->at_ms)
			best = &set[k];
	}
	return best;
}

int
rediscache_find(
    struct rediscache *c, const uint8_t hash[static HASH_LEN], int64_t since_ms, struct buf *line)
{
	const struct place *p;
	int rc = -1;

	(void)pthread_mutex_lock(&c->lock);
	p = find(c, hash);
	if (p && p->at_ms >= since_ms)
		rc = buf_add(line, (struct span){ p->line, p->n });
	(void)pthread_mutex_unlock(&c->lock);
	return rc;
}

void
rediscache_put(
    struct rediscache *c, const uint8_t hash[static HASH_LEN], int64_t at_ms, struct span line)
{
	char *copy = line.n > 0 ? malloc(line.n) : NULL;
	struct place *p;

	if (!copy)
		return;
	(void)memcpy(copy, line.p, line.n);
	(void)pthread_mutex_lock(&c->lock);
	p = find(c, hash);
	if (!p)
		p = room(c, hash);
	if (!p->line || p->at_ms <= at_ms) {
		free(p->line);
		*p = (struct place){ .at_ms = at_ms, .line = copy, .n = line.n };
		(void)memcpy(p->hash, hash, HASH_LEN);
		copy = NULL;
	}
	(void)pthread_mutex_unlock(&c->lock);
	free(copy);
}

void
rediscache_drop(struct rediscache *c, const uint8_t hash[static HASH_LEN])
{
	struct place *p;

	(void)pthread_mutex_lock(&c->lock);
	p = find(c, hash);
	if (p) {
		free(p->line);
		*p = (struct place){ 0 };
	}
	(void)pthread_mutex_unlock(&c->lock);
}
