/* rows: see the header. */
#include "store/rows.h"

#include <assert.h>
#include <stdlib.h>

#define ROWS_FIRST 16u

struct rows_one {
	char key[TALLY_KEY_MAX];
	size_t key_n;
	struct tally tally;
};

/* As the bytes of keys sort in the totals. */
static int
compare(struct span a, struct span b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	if (order == 0)
		order = (a.n > b.n) - (a.n < b.n);
	return order;
}

static struct span
key_of(const struct rows_one *one)
{
	return (struct span){ one->key, one->key_n };
}

/* The index of the first row that is not below the key. */
static size_t
place_of(const struct rows *r, struct span key)
{
	size_t from = 0, to = r->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (compare(key_of(r->at[middle]), key) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static int
grow(struct rows *r)
{
	size_t max = r->max ? r->max * 2 : ROWS_FIRST;
	struct rows_one **at = reallocarray(r->at, max, sizeof(*at));

	if (!at)
		return -1;
	r->at = at;
	r->max = max;
	return 0;
}

static int
insert(struct rows *r, size_t place, struct span key, const struct tally *t)
{
	struct rows_one *one;

	if (r->n == r->max && grow(r) < 0)
		return -1;
	one = malloc(sizeof(*one));
	if (!one)
		return -1;
	memcpy(one->key, key.p, key.n);
	one->key_n = key.n;
	one->tally = *t;
	memmove(r->at + place + 1, r->at + place, (r->n - place) * sizeof(*r->at));
	r->at[place] = one;
	r->n++;
	return 0;
}

int
rows_add(struct rows *r, const struct tally_row *row, const struct tally *t)
{
	char bytes[TALLY_KEY_MAX];
	struct span key = { bytes, tally_key(row, bytes) };
	size_t place = place_of(r, key);

	if (place == r->n || compare(key_of(r->at[place]), key) != 0)
		return insert(r, place, key, t);
	tally_add(&r->at[place]->tally, t);
	return 0;
}

void
rows_free(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->at[i]);
	free(r->at);
	*r = (struct rows){ 0 };
}

static int
give(struct rows_merge *m, const struct tally_row *row, const struct tally *t)
{
	m->ended = m->fn(m->arg, row, t) != 0;
	return m->ended;
}

/* Gives the next of the rows here. */
static int
give_own(struct rows_merge *m)
{
	const struct rows_one *one = m->rows->at[m->next++];
	struct tally_row row;
	int rc = tally_row(key_of(one), &row);

	assert(rc == 0);
	return give(m, &row, &one->tally);
}

int
rows_merge(void *merge, const struct tally_row *row, const struct tally *t)
{
	struct rows_merge *m = merge;
	char bytes[TALLY_KEY_MAX];
	struct span key = { bytes, tally_key(row, bytes) };
	struct tally sum = *t;

	while (m->next < m->rows->n && compare(key_of(m->rows->at[m->next]), key) < 0)
		if (give_own(m))
			return 1;
	if (m->next < m->rows->n && compare(key_of(m->rows->at[m->next]), key) == 0)
		tally_add(&sum, &m->rows->at[m->next++]->tally);
	return give(m, row, &sum);
}

void
rows_rest(struct rows_merge *m)
{
	while (!m->ended && m->next < m->rows->n)
		(void)give_own(m);
}
