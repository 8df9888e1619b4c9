/* limitkept: see the header. */
#include "store/limitkept.h"

#include <stdlib.h>

#define PLACES	   32u
#define PLACE_SIZE (2 * KIB)

static void
put_spare(struct limitkept *k, struct limitkept_one *one)
{
	one->next = k->spare;
	k->spare = one;
}

int
limitkept_init(struct limitkept *k)
{
	*k = (struct limitkept){ .end = &k->first, .reserve = calloc(PLACES, PLACE_SIZE) };
	(void)pthread_mutex_init(&k->mutex, NULL);
	for (size_t i = 0; k->reserve && i < PLACES; i++)
		put_spare(k, (struct limitkept_one *)(void *)(k->reserve + i * PLACE_SIZE));
	return k->reserve ? 0 : -1;
}

static bool
is_reserved(const struct limitkept *k, const struct limitkept_one *one)
{
	const char *p = (const char *)one;

	return k->reserve && p >= k->reserve && p < k->reserve + PLACES * PLACE_SIZE;
}

void
limitkept_give(struct limitkept *k, struct limitkept_one *one)
{
	if (!is_reserved(k, one)) {
		free(one);
		return;
	}
	(void)pthread_mutex_lock(&k->mutex);
	put_spare(k, one);
	(void)pthread_mutex_unlock(&k->mutex);
}

/* Memory for one of this size, the reserve's where there is no other; NULL when that is used up. */
static struct limitkept_one *
make_one(struct limitkept *k, size_t size)
{
	struct limitkept_one *one = malloc(size);

	if (one || size > PLACE_SIZE)
		return one;
	(void)pthread_mutex_lock(&k->mutex);
	one = k->spare;
	if (one)
		k->spare = one->next;
	(void)pthread_mutex_unlock(&k->mutex);
	return one;
}

size_t
limitkept_free(struct limitkept *k)
{
	struct limitkept_one *one;
	size_t n = 0;

	for (; (one = limitkept_take(k)); n++)
		limitkept_give(k, one);
	free(k->reserve);
	(void)pthread_mutex_destroy(&k->mutex);
	return n;
}

/* Copies the bytes that a span points to. */
static void
own(struct span *s, char **to)
{
	if (s->n > 0)
		memcpy(*to, s->p, s->n);
	s->p = *to;
	*to += s->n;
}

static struct limitkept_one *
copy_of(struct limitkept *k, const struct store_booking *b)
{
	const struct admission_ask *ask = b->ask;
	struct limitkept_one *one = make_one(k,
	    sizeof(*one) + ask->workspace.n + ask->key.n + ask->model.n + ask->request_id.n +
		b->line.n);
	char *to;

	if (!one)
		return NULL;
	*one = (struct limitkept_one){ .booking = *b, .ask = *ask, .grant = *b->grant };
	one->booking.ask = &one->ask;
	one->booking.grant = &one->grant;
	to = one->bytes;
	own(&one->ask.workspace, &to);
	own(&one->ask.key, &to);
	own(&one->ask.model, &to);
	own(&one->ask.request_id, &to);
	own(&one->booking.line, &to);
	return one;
}

int
limitkept_add(struct limitkept *k, const struct store_booking *b, bool settles, bool due)
{
	struct limitkept_one *one = copy_of(k, b);

	if (!one)
		return -1;
	one->settles = settles;
	one->due = due;
	(void)pthread_mutex_lock(&k->mutex);
	*k->end = one;
	k->end = &one->next;
	(void)pthread_mutex_unlock(&k->mutex);
	return 0;
}

struct limitkept_one *
limitkept_take(struct limitkept *k)
{
	struct limitkept_one *one;

	(void)pthread_mutex_lock(&k->mutex);
	one = k->first;
	if (one)
		k->first = one->next;
	if (!k->first)
		k->end = &k->first;
	(void)pthread_mutex_unlock(&k->mutex);
	return one;
}

void
limitkept_put_back(struct limitkept *k, struct limitkept_one *one)
{
	(void)pthread_mutex_lock(&k->mutex);
	one->next = k->first;
	k->first = one;
	if (!one->next)
		k->end = &one->next;
	(void)pthread_mutex_unlock(&k->mutex);
}
