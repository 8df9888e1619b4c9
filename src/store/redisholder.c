/* redisholder: see the header. */
#include "store/redisholder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "store/redisscript.h"

#define GONE_STEP 64u

struct redisholder {
	unsigned users;
	uint64_t mark;
	_Atomic uint64_t number;
	_Atomic int64_t held;
	_Atomic bool any_gone; /* gone_n > 0, to be looked at without the lock */
	pthread_mutex_t lock;  /* guards what follows */
	uint64_t *gone;
	size_t gone_n, gone_max;
};

struct redisholder *
redisholder_open(void)
{
	struct redisholder *h = calloc(1, sizeof(*h));

	if (!h || hash_random(&h->mark, sizeof(h->mark)) < 0) {
		log_error("redis", "what=\"out of memory or randomness\"");
		free(h);
		return NULL;
	}
	h->mark |= REDISSCRIPT_MARK;
	h->users = 1;
	(void)pthread_mutex_init(&h->lock, NULL);
	return h;
}

struct redisholder *
redisholder_share(struct redisholder *h)
{
	h->users++;
	return h;
}

void
redisholder_close(struct redisholder *h)
{
	if (!h || --h->users > 0)
		return;
	(void)pthread_mutex_destroy(&h->lock);
	free(h->gone);
	free(h);
}

uint64_t
redisholder_mark(const struct redisholder *h)
{
	return h->mark;
}

uint64_t
redisholder_number(struct redisholder *h)
{
	return atomic_fetch_add(&h->number, 1) + 1;
}

void
redisholder_took(struct redisholder *h)
{
	(void)atomic_fetch_add(&h->held, 1);
}

void
redisholder_gave(struct redisholder *h)
{
	(void)atomic_fetch_sub(&h->held, 1);
}

/* The lock is held. */
static void
add_gone(struct redisholder *h, uint64_t number)
{
	if (h->gone_n == h->gone_max) {
		uint64_t *more = reallocarray(h->gone, h->gone_max + GONE_STEP, sizeof(*h->gone));

		if (!more) {
			log_error("redis", "what=\"out of memory: a call stays counted\"");
			return;
		}
		h->gone = more;
		h->gone_max += GONE_STEP;
	}
	h->gone[h->gone_n++] = number;
	atomic_store(&h->any_gone, true);
}

void
redisholder_give_up(struct redisholder *h, uint64_t number)
{
	(void)pthread_mutex_lock(&h->lock);
	add_gone(h, number);
	(void)pthread_mutex_unlock(&h->lock);
}

/* Tells what was given up; it is put back when the server did not take it. */
static enum store_status
tell(struct redisholder *h, struct redislink *l, bool alive)
{
	struct redisscript_beat beat = { .mark = h->mark, .alive = alive };
	enum store_status status;
	uint64_t *gone;

	(void)pthread_mutex_lock(&h->lock);
	beat.gone = gone = h->gone;
	beat.gone_n = h->gone_n;
	h->gone = NULL;
	h->gone_n = h->gone_max = 0;
	atomic_store(&h->any_gone, false);
	(void)pthread_mutex_unlock(&h->lock);
	status = redisscript_beat(l, &beat);
	if (status != STORE_OK) {
		(void)pthread_mutex_lock(&h->lock);
		for (size_t i = 0; i < beat.gone_n; i++)
			add_gone(h, gone[i]);
		(void)pthread_mutex_unlock(&h->lock);
	}
	free(gone);
	return status;
}

enum store_status
redisholder_flush(struct redisholder *h, struct redislink *l)
{
	if (!atomic_load(&h->any_gone))
		return STORE_OK;
	return tell(h, l, atomic_load(&h->held) > 0);
}

enum store_status
redisholder_beat(struct redisholder *h, struct redislink *l)
{
	bool alive = atomic_load(&h->held) > 0;

	return alive || atomic_load(&h->any_gone) ? tell(h, l, alive) : STORE_OK;
}
