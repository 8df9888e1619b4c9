/* keytable: reads the lines of a key file by key_parse and puts them in the order of their hashes.
 * A million lines take about a second, so that no line has an allocation of its own and the sort is
 * by digits. */
#include "store/keytable.h"

#include <stdlib.h>

#include "policy/key.h"

#define REFUSED (UINT64_C(1) << 63) /* in `at`, until the row is taken out */

static uint64_t
row_at(const struct keytable_row *row)
{
	return row->at & ~REFUSED;
}

/* The line that begins at a place, without its newline. */
static struct span
line_at(struct span text, size_t at)
{
	const char *end = memchr(text.p + at, '\n', text.n - at);

	return span_cut(text, at, end ? (size_t)(end - text.p) : text.n);
}

struct span
keytable_line(const struct keytable *t, const struct keytable_row *row)
{
	return span_trim(line_at(t->text, row_at(row)));
}

/* The first word of a line that key_parse found good. */
static struct span
id_of(const struct keytable *t, const struct keytable_row *row)
{
	struct span line = { t->text.p + row_at(row), 0 };

	while (line.p[line.n] != ' ' && line.p[line.n] != '\t')
		line.n++;
	return line;
}

int
keytable_line_hash(struct span line, uint8_t out[static HASH_LEN])
{
	size_t at = 0;

	while (at < line.n && line.p[at] != ' ' && line.p[at] != '\t')
		at++;
	while (at < line.n && (line.p[at] == ' ' || line.p[at] == '\t'))
		at++;
	if (line.n - at < HASH_HEX_LEN)
		return -1;
	return hash_from_hex(span_cut(line, at, at + HASH_HEX_LEN), out);
}

void
keytable_hash(
    const struct keytable *t, const struct keytable_row *row, uint8_t out[static HASH_LEN])
{
	/* The line was good when it was read, and the text is still the same. */
	if (keytable_line_hash(keytable_line(t, row), out) < 0)
		memset(out, 0, HASH_LEN);
}

#define AHEAD	   16u
#define CACHE_LINE 64u
#define LINE_USUAL 256u

void
keytable_prefetch(const struct keytable *t, size_t row)
{
	if (row + AHEAD >= t->rows_n)
		return;
	const char *p = t->text.p + row_at(&t->rows[row + AHEAD]);
	const char *end = t->text.p + t->text.n;

	for (size_t i = 0; i < LINE_USUAL && i < (size_t)(end - p); i += CACHE_LINE)
		__builtin_prefetch(p + i);
}

static void
note_damage(struct keytable *t, size_t at, const char *why)
{
	if (t->damage_n < KEY_DAMAGE_MAX)
		t->damage[t->damage_n++] = (struct keytable_damage){ .at = at, .why = why };
	t->damaged++;
}

/* FNV-1a: spreads ids; equal digests are compared in full. */
static uint64_t
digest(struct span s)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
	return h;
}

static uint64_t
first_bytes(const uint8_t hash[static HASH_LEN])
{
	uint64_t v = 0;

	for (size_t i = 0; i < 8; i++)
		v = v << 8 | hash[i];
	return v;
}

static int
add_row(struct keytable *t, size_t at, const struct key *k)
{
	if (t->rows_n == t->rows_max) {
		size_t max = t->rows_max ? t->rows_max * 2 : t->text.n / 128 + 16;
		struct keytable_row *rows = reallocarray(t->rows, max, sizeof(*rows));

		if (!rows)
			return -1;
		t->rows = rows;
		t->rows_max = max;
	}
	t->rows[t->rows_n++] = (struct keytable_row){ first_bytes(k->hash), digest(k->id), at };
	return 0;
}

static int
read_lines(struct keytable *t)
{
	size_t at = 0;

	while (at < t->text.n) {
		struct span whole = line_at(t->text, at);
		struct span line = span_trim(whole);
		struct key k;
		const char *why = NULL;
		enum key_line what = key_parse(line, &k, &why);

		if (what == KEY_LINE_BAD)
			note_damage(t, at, why);
		else if (what == KEY_LINE_KEY && add_row(t, (size_t)(line.p - t->text.p), &k) < 0)
			return -1;
		at += whole.n + 1;
	}
	return 0;
}

#define DIGITS ((size_t)8)
#define VALUES ((size_t)256)

static uint64_t
by_hash(const struct keytable_row *row)
{
	return row->hash;
}

static uint64_t
by_id(const struct keytable_row *row)
{
	return row->id;
}

/* Counts how often each value of each digit occurs and turns the counts into places. */
static void
count_digits(const struct keytable *t, uint64_t (*key)(const struct keytable_row *),
    size_t places[static DIGITS * VALUES])
{
	memset(places, 0, DIGITS * VALUES * sizeof(*places));
	for (size_t i = 0; i < t->rows_n; i++) {
		uint64_t v = key(&t->rows[i]);

		for (size_t d = 0; d < DIGITS; d++, v >>= 8)
			places[d * VALUES + (v & 0xff)]++;
	}
	for (size_t d = 0; d < DIGITS; d++) {
		size_t sum = 0;

		for (size_t v = 0; v < VALUES; v++) {
			size_t n = places[d * VALUES + v];

			places[d * VALUES + v] = sum;
			sum += n;
		}
	}
}

/* Sorts the rows by a 64-bit key, digit by digit from the last. Equal keys keep their order. */
static int
sort(struct keytable *t, uint64_t (*key)(const struct keytable_row *))
{
	size_t *places = malloc(DIGITS * VALUES * sizeof(*places));
	struct keytable_row *other = reallocarray(NULL, t->rows_n, sizeof(*other));
	int rc = -1;

	if (!places || !other)
		goto out;
	count_digits(t, key, places);
	for (unsigned d = 0; d < DIGITS; d++) {
		struct keytable_row *from = t->rows;

		for (size_t i = 0; i < t->rows_n; i++)
			other[places[d * VALUES + (key(&from[i]) >> (8 * d) & 0xff)]++] = from[i];
		t->rows = other;
		other = from;
	}
	t->rows_max = t->rows_n;
	rc = 0;
out:
	free(places);
	free(other);
	return rc;
}

static bool
same_id(const struct keytable *t, const struct keytable_row *a, const struct keytable_row *b)
{
	return a->id == b->id && span_eq(id_of(t, a), id_of(t, b));
}

static bool
same_hash(const struct keytable *t, const struct keytable_row *a, const struct keytable_row *b)
{
	uint8_t one[HASH_LEN];
	uint8_t two[HASH_LEN];

	if (a->hash != b->hash)
		return false;
	keytable_hash(t, a, one);
	keytable_hash(t, b, two);
	return hash_same(one, two);
}

static int
compare_places(const void *a, const void *b)
{
	uint64_t one = row_at(a);
	uint64_t two = row_at(b);

	return (one > two) - (one < two);
}

/* Puts rows with the same key in the order of the file, in which a former sort has not left them.
 */
static void
order_groups(struct keytable *t, uint64_t (*key)(const struct keytable_row *))
{
	for (size_t from = 0, to; from < t->rows_n; from = to) {
		for (to = from + 1; to < t->rows_n && key(&t->rows[to]) == key(&t->rows[from]);)
			to++;
		if (to - from > 1)
			qsort(&t->rows[from], to - from, sizeof(*t->rows), compare_places);
	}
}

/* Refuses each row that is the same as an earlier one. The rows are sorted by the key, so that
 * those stand together. */
static void
refuse_repeats(struct keytable *t, uint64_t (*key)(const struct keytable_row *),
    bool (*same)(const struct keytable *, const struct keytable_row *, const struct keytable_row *),
    const char *why)
{
	size_t group = 0;

	order_groups(t, key);
	for (size_t i = 1; i < t->rows_n; i++) {
		if (key(&t->rows[i]) != key(&t->rows[group]))
			group = i;
		for (size_t j = group; j < i; j++) {
			if (!same(t, &t->rows[j], &t->rows[i]))
				continue;
			if (!(t->rows[i].at & REFUSED))
				note_damage(t, row_at(&t->rows[i]), why);
			t->rows[i].at |= REFUSED;
			break;
		}
	}
}

static void
drop_refused(struct keytable *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->rows_n; i++) {
		if (!(t->rows[i].at & REFUSED))
			t->rows[n++] = t->rows[i];
	}
	t->rows_n = n;
}

/* Rows whose hashes begin with the same eight bytes stand in the order of the file; puts them in
 * that of the whole hash. */
static void
order_ties(struct keytable *t)
{
	for (size_t i = 1; i < t->rows_n; i++) {
		for (size_t j = i; j > 0 && t->rows[j - 1].hash == t->rows[j].hash; j--) {
			struct keytable_row row = t->rows[j];
			uint8_t one[HASH_LEN];
			uint8_t two[HASH_LEN];

			keytable_hash(t, &t->rows[j - 1], one);
			keytable_hash(t, &t->rows[j], two);
			if (memcmp(one, two, HASH_LEN) < 0)
				break;
			t->rows[j] = t->rows[j - 1];
			t->rows[j - 1] = row;
		}
	}
}

static int
compare_damage(const void *a, const void *b)
{
	const struct keytable_damage *one = a;
	const struct keytable_damage *two = b;

	return (one->at > two->at) - (one->at < two->at);
}

/* Puts the damage in the order of the lines and counts their numbers. */
static void
number_damage(struct keytable *t)
{
	size_t line = 1;
	size_t at = 0;

	if (t->damage_n > 0)
		qsort(t->damage, t->damage_n, sizeof(*t->damage), compare_damage);
	for (size_t i = 0; i < t->damage_n; i++) {
		for (; at < t->damage[i].at; at++)
			line += t->text.p[at] == '\n';
		t->damage[i].line = line;
	}
}

int
keytable_read(struct keytable *t, struct span text)
{
	*t = (struct keytable){ .text = text };
	if (read_lines(t) < 0)
		return -1;
	if (t->rows_n > 0) {
		if (sort(t, by_id) < 0)
			return -1;
		refuse_repeats(t, by_id, same_id, "an earlier line has this id");
		if (sort(t, by_hash) < 0)
			return -1;
		refuse_repeats(t, by_hash, same_hash, "an earlier line has this hash");
		drop_refused(t);
		order_ties(t);
	}
	number_damage(t);
	return 0;
}

void
keytable_free(struct keytable *t)
{
	free(t->rows);
	t->rows = NULL;
	t->rows_n = 0;
}
