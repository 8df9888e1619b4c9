/* sums: see sums.h. Open addressing with linear probing, at most half full. */
#include "cmd/sums.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 1024u

struct sums
sums_make(const struct sums_by *by, uint64_t seed)
{
	return (struct sums){ .by = *by, .seed = seed };
}

/* The row without the members that do not tell rows apart. */
static struct tally_row
reduce(const struct tally_row *row, const struct sums_by *by)
{
	struct tally_row out = { .workspace = SPAN(""), .key = SPAN(""), .model = SPAN("") };

	for (size_t i = 0; i < by->n; i++) {
		switch (by->member[i]) {
		case SUMS_DAY:
			out.day = row->day;
			break;
		case SUMS_WORKSPACE:
			out.workspace = row->workspace;
			break;
		case SUMS_KEY:
			out.key = row->key;
			break;
		case SUMS_MODEL:
			out.model = row->model;
			break;
		case SUMS_MEMBERS:
			break;
		}
	}
	return out;
}

/* FNV-1a, then mixed, since the table looks at the low bits alone. */
static uint64_t
hash_of(const char *p, size_t n, uint64_t seed)
{
	uint64_t h = seed ^ UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
	h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return h ^ (h >> 32);
}

/* The slot of the key, or the empty one where it belongs. */
static size_t
find(const struct sums *s, uint64_t hash, const char *key, size_t n)
{
	size_t at = (size_t)hash & (s->slots_n - 1);

	for (; s->slots[at]; at = (at + 1) & (s->slots_n - 1)) {
		const struct sums_row *r = s->slots[at];

		if (r->hash == hash && r->key_n == n && memcmp(r->key, key, n) == 0)
			break;
	}
	return at;
}

static int
grow(struct sums *s)
{
	struct sums_row **old = s->slots;
	size_t old_n = s->slots_n;
	size_t slots_n = old_n ? old_n * 2 : SLOTS_MIN;
	struct sums_row **slots = calloc(slots_n, sizeof(*slots));

	if (!slots)
		return -1;
	s->slots = slots;
	s->slots_n = slots_n;
	for (size_t i = 0; i < old_n; i++) {
		struct sums_row *r = old[i];

		if (r)
			slots[find(s, r->hash, r->key, r->key_n)] = r;
	}
	free(old);
	return 0;
}

static struct sums_row *
row_make(uint64_t hash, const char *key, size_t n)
{
	struct sums_row *r = calloc(1, sizeof(*r) + n);

	if (!r)
		return NULL;
	r->hash = hash;
	r->key_n = n;
	memcpy(r->key, key, n);

	int rc = tally_row((struct span){ r->key, n }, &r->row);

	assert(rc == 0); /* tally_key made it */
	(void)rc;
	return r;
}

struct tally *
sums_at(struct sums *s, const struct tally_row *row)
{
	struct tally_row reduced = reduce(row, &s->by);
	char key[TALLY_KEY_MAX];
	size_t n = tally_key(&reduced, key);
	uint64_t hash = hash_of(key, n, s->seed);

	if (s->n >= s->slots_n / 2 && grow(s) < 0)
		return NULL;

	size_t at = find(s, hash, key, n);

	if (!s->slots[at]) {
		s->slots[at] = row_make(hash, key, n);
		if (!s->slots[at])
			return NULL;
		s->n++;
	}
	return &s->slots[at]->tally;
}

static int
compare_spans(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int
compare_member(const struct tally_row *a, const struct tally_row *b, enum sums_member member)
{
	switch (member) {
	case SUMS_DAY:
		return (a->day > b->day) - (a->day < b->day);
	case SUMS_WORKSPACE:
		return compare_spans(a->workspace, b->workspace);
	case SUMS_KEY:
		return compare_spans(a->key, b->key);
	case SUMS_MODEL:
		return compare_spans(a->model, b->model);
	case SUMS_MEMBERS:
		break;
	}
	return 0;
}

int
sums_compare(const struct tally_row *a, const struct tally_row *b, const struct sums_by *by)
{
	int order = 0;

	for (size_t i = 0; order == 0 && i < by->n; i++)
		order = compare_member(a, b, by->member[i]);
	return order;
}

static int
compare_rows(const void *a, const void *b, void *by)
{
	const struct sums_row *const *one = a;
	const struct sums_row *const *two = b;

	return sums_compare(&(*one)->row, &(*two)->row, by);
}

void
sums_sort(struct sums *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->slots_n; i++) {
		struct sums_row *r = s->slots[i];

		s->slots[i] = NULL;
		if (r)
			s->slots[n++] = r;
	}
	if (n > 1)
		qsort_r(s->slots, n, sizeof(*s->slots), compare_rows, &s->by);
}

void
sums_free(struct sums *s)
{
	for (size_t i = 0; i < s->slots_n; i++)
		free(s->slots[i]);
	free(s->slots);
	*s = sums_make(&s->by, s->seed);
}
