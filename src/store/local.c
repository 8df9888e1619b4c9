/* store_local: see the header. Puts the two halves together: keys by keywatch, everything else by
 * books. */
#include "store/local.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/books.h"
#include "store/keywatch.h"

/* Look-ups in one key file, for all stores over it. */
struct local_keys {
	struct keywatch *watch;
	char *keys_path;
	unsigned users;
};

struct local {
	struct store store;
	struct local_keys *keys; /* NULL: a reader */
};

static struct local *
local_of(struct store *s)
{
	return (struct local *)(void *)s;
}

static enum store_status
local_find_key(struct store *s, const uint8_t hash[static HASH_LEN], struct buf *line)
{
	const struct local *l = local_of(s);

	return l->keys ? keywatch_find(l->keys->watch, hash, line) : STORE_BROKEN;
}

static enum store_status
local_take(struct store *s, const struct admission_ask *ask, struct admission_grant *out)
{
	struct limiter *limiter = books_limiter(s->books);
	enum store_status status = limiter ? limiter_take(limiter, ask, out) : STORE_BROKEN;

	if (status == STORE_OK && out->held)
		books_hold(s->books);
	return status;
}

static enum store_status
local_settle(struct store *s, struct store_booking *b)
{
	uint64_t seq;

	if (b->grant->held)
		return books_settle(s->books, b, false);
	return books_queue(s->books, b, false, &seq);
}

static enum store_status
local_totals(struct store *s, const struct store_range *range, store_row *fn, void *arg)
{
	return books_totals(s->books, range, fn, arg);
}

static enum store_status
local_booked(struct store *s, struct store_mark *mark, store_row *fn, void *arg)
{
	return books_booked(s->books, mark, fn, arg);
}

static enum store_status
local_probe(struct store *s, const char **why)
{
	const struct local *l = local_of(s);
	enum store_status status = books_probe(s->books, why);

	return status == STORE_OK && l->keys ? keywatch_probe(l->keys->watch, why) : status;
}

static void
give_keys(struct local_keys *k)
{
	if (!k || --k->users > 0)
		return;
	keywatch_close(k->watch);
	free(k->keys_path);
	free(k);
}

static struct local_keys *
open_keys(const struct conf *c)
{
	struct local_keys *k = calloc(1, sizeof(*k));

	if (!k) {
		log_error("state", "what=\"out of memory\"");
		return NULL;
	}
	k->users = 1;
	k->keys_path = strdup(c->keys);
	if (k->keys_path)
		k->watch = keywatch_open(c->keys, c->state);
	if (k->watch)
		return k;
	give_keys(k);
	return NULL;
}

/* Those of the other store when it is one of this kind over the same file: an index must not be
 * open twice. */
static struct local_keys *
take_keys(const struct conf *c, struct store *beside)
{
	struct local_keys *k = NULL;

	if (beside && beside->kind == &store_local)
		k = local_of(beside)->keys;
	if (!k || strcmp(k->keys_path, c->keys) != 0)
		return open_keys(c);
	k->users++;
	return k;
}

static void
local_close(struct store *s)
{
	struct local *l = local_of(s);

	books_close(s->books);
	give_keys(l->keys);
	free(l);
}

static struct store *
local_open(const struct conf *c, struct store *beside, bool reader)
{
	struct local *l = calloc(1, sizeof(*l));

	if (!l) {
		log_error("state", "what=\"out of memory\"");
		return NULL;
	}
	l->store.kind = &store_local;
	l->store.books = beside && beside->books ? books_beside(beside->books, NULL)
						 : books_open(c->state, NULL, reader);
	if (l->store.books && !reader)
		l->keys = take_keys(c, beside);
	if (l->store.books && (l->keys || reader))
		return &l->store;
	local_close(&l->store);
	return NULL;
}

const struct store_kind store_local = {
	.name = "local",
	.open = local_open,
	.find_key = local_find_key,
	.take = local_take,
	.settle = local_settle,
	.totals = local_totals,
	.booked = local_booked,
	.probe = local_probe,
	.close = local_close,
};
