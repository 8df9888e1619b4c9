/* keysegment: see the header. A segment is its number of lines, then an entry for each line, with
 * the first eight bytes of its hash and where it ends, then the lines. Numbers are those of the
 * machine: the index does not leave it. */
#include "store/keysegment.h"

#define ROWS_USUAL 4096u /* of a segment */
#define ROWS_FEW   512u
#define ROWS_MANY  16384u

#define COUNT_LEN  8u
#define HASH_FIRST 8u
#define END_LEN	   4u
#define ENTRY_LEN  (HASH_FIRST + END_LEN)

static uint64_t
first_bytes(const uint8_t hash[static HASH_LEN])
{
	uint64_t v = 0;

	for (size_t i = 0; i < HASH_FIRST; i++)
		v = v << 8 | hash[i];
	return v;
}

/* The first bits of a number; none of them is the one segment that has all. */
static uint32_t
top(uint64_t v, unsigned bits)
{
	return bits == 0 ? 0 : (uint32_t)(v >> (64 - bits));
}

uint32_t
keysegment_of(const uint8_t hash[static HASH_LEN], unsigned bits)
{
	return top(first_bytes(hash), bits);
}

unsigned
keysegment_bits(size_t rows, int was)
{
	unsigned bits = 0;

	if (was >= 0 && was <= (int)KEYSEGMENT_BITS_MAX && rows >> was <= ROWS_MANY &&
	    (was == 0 || rows >> was >= ROWS_FEW))
		return (unsigned)was;
	while (bits < KEYSEGMENT_BITS_MAX && rows >> bits > ROWS_USUAL)
		bits++;
	return bits;
}

size_t
keysegment_end(const struct keytable *t, size_t from, uint32_t s, unsigned bits)
{
	while (from < t->rows_n && top(t->rows[from].hash, bits) == s)
		from++;
	return from;
}

static int
add_number(struct buf *out, const void *number, size_t n)
{
	return buf_add(out, (struct span){ number, n });
}

static int
add_entries(const struct keytable *t, size_t from, size_t to, struct buf *out)
{
	uint32_t end = 0;
	int rc = 0;

	for (size_t i = from; rc == 0 && i < to; i++) {
		keytable_prefetch(t, i);
		end += (uint32_t)keytable_line(t, &t->rows[i]).n;
		rc = add_number(out, &t->rows[i].hash, HASH_FIRST);
		if (rc == 0)
			rc = add_number(out, &end, END_LEN);
	}
	return rc;
}

int
keysegment_write(const struct keytable *t, size_t from, size_t to, struct buf *out)
{
	uint64_t count = to - from;
	int rc = add_number(out, &count, COUNT_LEN);

	if (rc == 0)
		rc = add_entries(t, from, to, out);
	for (size_t i = from; rc == 0 && i < to; i++)
		rc = buf_add(out, keytable_line(t, &t->rows[i]));
	return rc;
}

/* A segment as it is read. */
struct view {
	size_t count;
	const char *entries;
	struct span lines;
};

static uint64_t
hash_at(const struct view *v, size_t i)
{
	uint64_t hash;

	memcpy(&hash, v->entries + i * ENTRY_LEN, HASH_FIRST);
	return hash;
}

static uint32_t
end_at(const struct view *v, size_t i)
{
	uint32_t end;

	memcpy(&end, v->entries + i * ENTRY_LEN + HASH_FIRST, END_LEN);
	return end;
}

/* The line with a number; false when the entry leads out of the segment. */
static bool
line_at(const struct view *v, size_t i, struct span *out)
{
	uint32_t from = i > 0 ? end_at(v, i - 1) : 0;
	uint32_t to = end_at(v, i);

	if (from > to || to > v->lines.n)
		return false;
	*out = span_cut(v->lines, from, to);
	return true;
}

static bool
open_view(struct span segment, struct view *out)
{
	uint64_t count;
	size_t head;

	if (segment.n < COUNT_LEN)
		return false;
	memcpy(&count, segment.p, COUNT_LEN);
	if (count > (segment.n - COUNT_LEN) / ENTRY_LEN)
		return false;
	head = COUNT_LEN + (size_t)count * ENTRY_LEN;
	*out = (struct view){ .count = (size_t)count,
		.entries = segment.p + COUNT_LEN,
		.lines = span_cut(segment, head, segment.n) };
	return true;
}

/* The first line whose hash does not begin with less. The search starts where the hash should be by
 * its value. */
static size_t
first_not_less(const struct view *v, uint64_t hash, unsigned bits)
{
	uint64_t within = bits == 0 ? hash : hash << bits;
	size_t i = (size_t)((within >> 32) * v->count >> 32);

	while (i > 0 && hash_at(v, i - 1) >= hash)
		i--;
	while (i < v->count && hash_at(v, i) < hash)
		i++;
	return i;
}

enum keysegment_status
keysegment_find(
    struct span segment, unsigned bits, const uint8_t hash[static HASH_LEN], struct span *line)
{
	uint64_t first = first_bytes(hash);
	uint8_t found[HASH_LEN];
	struct view v;

	if (!open_view(segment, &v))
		return KEYSEGMENT_DAMAGED;
	for (size_t i = first_not_less(&v, first, bits); i < v.count && hash_at(&v, i) == first;
	     i++) {
		if (!line_at(&v, i, line) || keytable_line_hash(*line, found) < 0)
			return KEYSEGMENT_DAMAGED;
		if (hash_same(found, hash))
			return KEYSEGMENT_OK;
	}
	return KEYSEGMENT_NOT_FOUND;
}
