/* redisholder: see the header. */
#include "store/redisholder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "store/redisscript.h"

#define STEP 64u

/* Numbers begin somewhere, so that those of two holders of one process differ, and stay small
 * enough for the script's doubles. */
#define FIRST_MAX (UINT64_C(1) << 52)

struct numbers {
	uint64_t *at;
	size_t n, max;
};

struct redisholder {
	unsigned users;
	uint64_t mark;
	_Atomic bool any_gone; /* gone.n > 0, to be looked at without the lock */
	pthread_mutex_t lock;  /* guards what follows */
	uint64_t last;	       /* the last number that was given */
	struct numbers known, gone;
};

struct redisholder *
redisholder_open(void)
{
	struct redisholder *h = calloc(1, sizeof(*h));

	if (!h || hash_random(&h->mark, sizeof(h->mark)) < 0 ||
	    hash_random(&h->last, sizeof(h->last)) < 0) {
		log_error("redis", "what=\"out of memory or randomness\"");
		free(h);
		return NULL;
	}
	h->mark |= REDISSCRIPT_MARK;
	h->last %= FIRST_MAX;
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
	free(h->known.at);
	free(h->gone.at);
	free(h);
}

uint64_t
redisholder_mark(const struct redisholder *h)
{
	return h->mark;
}

static int
need_room(struct numbers *of)
{
	uint64_t *more;

	if (of->n < of->max)
		return 0;
	more = reallocarray(of->at, of->max + STEP, sizeof(*of->at));
	if (!more)
		return -1;
	of->at = more;
	of->max += STEP;
	return 0;
}

static void
drop(struct numbers *of, uint64_t number)
{
	for (size_t i = of->n; i-- > 0;) {
		if (of->at[i] != number)
			continue;
		of->at[i] = of->at[--of->n];
		return;
	}
}

int
redisholder_begin(struct redisholder *h, uint64_t *number)
{
	int rc;

	(void)pthread_mutex_lock(&h->lock);
	rc = need_room(&h->known);
	if (rc == 0)
		*number = h->known.at[h->known.n++] = ++h->last;
	(void)pthread_mutex_unlock(&h->lock);
	if (rc < 0)
		log_error("redis", "what=\"out of memory\"");
	return rc;
}

void
redisholder_end(struct redisholder *h, uint64_t number)
{
	(void)pthread_mutex_lock(&h->lock);
	drop(&h->known, number);
	(void)pthread_mutex_unlock(&h->lock);
}

/* Without memory for it the next beat finds the lease, but not the take that comes after it. */
void
redisholder_give_up(struct redisholder *h, uint64_t number)
{
	(void)pthread_mutex_lock(&h->lock);
	drop(&h->known, number);
	if (need_room(&h->gone) == 0)
		h->gone.at[h->gone.n++] = number;
	atomic_store(&h->any_gone, true);
	(void)pthread_mutex_unlock(&h->lock);
}

/* Tells what was given up, and with a whole beat what is not; it is given up again when the server
 * did not take it. */
static enum store_status
tell(struct redisholder *h, struct redislink *l, struct redisscript_beat *b, int64_t by_ms)
{
	struct numbers gone;
	enum store_status status;

	(void)pthread_mutex_lock(&h->lock);
	gone = h->gone;
	h->gone = (struct numbers){ 0 };
	atomic_store(&h->any_gone, false);
	b->mark = h->mark;
	b->alive = h->known.n > 0;
	(void)pthread_mutex_unlock(&h->lock);
	b->gone = gone.at;
	b->gone_n = gone.n;
	status = redisscript_beat(l, b, by_ms);
	for (size_t i = 0; status != STORE_OK && i < gone.n; i++)
		redisholder_give_up(h, gone.at[i]);
	free(gone.at);
	return status;
}

enum store_status
redisholder_flush(struct redisholder *h, struct redislink *l, int64_t by_ms)
{
	struct redisscript_beat b = { 0 };

	return atomic_load(&h->any_gone) ? tell(h, l, &b, by_ms) : STORE_OK;
}

/* All that is not at its end. */
struct known {
	uint64_t mark;
	struct numbers numbers;
	bool broken;
};

static void
add_known(struct known *k, uint64_t number)
{
	if (need_room(&k->numbers) == 0)
		k->numbers.at[k->numbers.n++] = number;
	else
		k->broken = true;
}

/* A call that is settled here and may not be there. */
static int
add_queued(void *arg, const struct limiter_line *line)
{
	struct known *k = arg;

	if (line->due && line->grant.held && line->grant.store_mark == k->mark)
		add_known(k, line->grant.lease);
	return k->broken;
}

/* The queue is looked at after the numbers: a call leaves them when it is queued. */
static uint64_t
gather(struct redisholder *h, struct limiter *queue, struct known *k)
{
	uint64_t last;

	k->mark = h->mark;
	(void)pthread_mutex_lock(&h->lock);
	last = h->last;
	for (size_t i = 0; i < h->known.n; i++)
		add_known(k, h->known.at[i]);
	(void)pthread_mutex_unlock(&h->lock);
	if (limiter_lines(queue, 0, add_queued, k) != STORE_OK || k->broken)
		return 0;
	return last;
}

enum store_status
redisholder_beat(struct redisholder *h, struct redislink *l, struct limiter *queue)
{
	struct known k = { 0 };
	struct redisscript_beat b = { .last = gather(h, queue, &k) };
	enum store_status status = STORE_OK;

	b.known = k.numbers.at;
	b.known_n = b.last > 0 ? k.numbers.n : 0;
	if (k.numbers.n > 0 || atomic_load(&h->any_gone))
		status = tell(h, l, &b, redislink_by_ms(l));
	free(k.numbers.at);
	return status;
}
