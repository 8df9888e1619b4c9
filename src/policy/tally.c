/* tally: see tally.h. */
#include "policy/tally.h"

#include <assert.h>

#include "base/limits.h"

#define DAY_LEN	  4u  /* bytes of a day in a key */
#define NAME_LEN  64u /* of a workspace or a key's id in it, at most */
#define MODEL_LEN (TALLY_KEY_MAX - DAY_LEN - 2 * (NAME_LEN + 1))

/* So that only what never was in the configuration or the key file is cut. */
static_assert(NAME_MAX_LEN <= NAME_LEN && KEY_ID_MAX <= NAME_LEN, "names are whole");
static_assert(MODEL_MAX <= MODEL_LEN, "models are whole");

/* What of a text may stand in a key: it ends at a zero, and at its maximum. */
static struct span
part_of(struct span s, size_t max)
{
	const char *zero = s.n > 0 ? memchr(s.p, '\0', s.n) : NULL;

	if (zero)
		s.n = (size_t)(zero - s.p);
	if (s.n > max)
		s.n = max;
	return s;
}

static struct span
part_or_none(struct span s, size_t max)
{
	s = part_of(s, max);
	return s.n > 0 ? s : SPAN("-");
}

void
tally_of(const struct ledger_entry *e, struct tally_row *row, struct tally *out)
{
	bool good = span_eq(e->end, SPAN("done")) || span_eq(e->end, SPAN("client-gone"));
	struct span model = e->routed ? e->model : (struct span){ NULL, 0 };

	*row = (struct tally_row){ .day = e->day > 0 ? e->day : 0,
		.workspace = part_or_none(e->workspace, NAME_LEN),
		.key = part_or_none(e->key, NAME_LEN),
		.model = part_or_none(model, MODEL_LEN) };
	*out = (struct tally){ .calls = 1,
		.errors = good ? 0 : 1,
		.cut = e->cut ? 1 : 0,
		.input = e->usage.input,
		.output = e->usage.output,
		.cache_write = e->usage.cache_write,
		.cache_write_1h = e->usage.cache_write_1h,
		.cache_read = e->usage.cache_read,
		.nanousd = e->cost_nanousd };
}

static void
add(uint64_t *to, uint64_t more)
{
	if (__builtin_add_overflow(*to, more, to))
		*to = UINT64_MAX;
}

void
tally_add(struct tally *to, const struct tally *more)
{
	add(&to->calls, more->calls);
	add(&to->errors, more->errors);
	add(&to->cut, more->cut);
	add(&to->input, more->input);
	add(&to->output, more->output);
	add(&to->cache_write, more->cache_write);
	add(&to->cache_write_1h, more->cache_write_1h);
	add(&to->cache_read, more->cache_read);
	add(&to->nanousd, more->nanousd);
}

bool
tally_same(const struct tally *a, const struct tally *b)
{
	return a->calls == b->calls && a->errors == b->errors && a->cut == b->cut &&
	    a->input == b->input && a->output == b->output && a->cache_write == b->cache_write &&
	    a->cache_write_1h == b->cache_write_1h && a->cache_read == b->cache_read &&
	    a->nanousd == b->nanousd;
}

static char *
put(char *to, struct span s)
{
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

size_t
tally_key(const struct tally_row *row, char out[static TALLY_KEY_MAX])
{
	uint32_t day = row->day > 0 ? (uint32_t)row->day : 0;
	char *at = out;

	for (int shift = 24; shift >= 0; shift -= 8)
		*at++ = (char)(unsigned char)(day >> shift & 0xff);
	at = put(at, part_of(row->workspace, NAME_LEN));
	*at++ = '\0';
	at = put(at, part_of(row->key, NAME_LEN));
	*at++ = '\0';
	at = put(at, part_of(row->model, MODEL_LEN));
	return (size_t)(at - out);
}

/* Cuts the part before the next zero off *rest. */
static int
next_part(struct span *rest, struct span *part)
{
	const char *zero = rest->n > 0 ? memchr(rest->p, '\0', rest->n) : NULL;

	if (!zero)
		return -1;

	size_t n = (size_t)(zero - rest->p);

	*part = span_cut(*rest, 0, n);
	*rest = span_cut(*rest, n + 1, rest->n);
	return 0;
}

int
tally_row(struct span key, struct tally_row *out)
{
	uint32_t day = 0;

	if (key.n < DAY_LEN)
		return -1;
	for (size_t i = 0; i < DAY_LEN; i++)
		day = day << 8 | (unsigned char)key.p[i];
	key = span_cut(key, DAY_LEN, key.n);
	if (day > INT32_MAX || next_part(&key, &out->workspace) < 0 ||
	    next_part(&key, &out->key) < 0)
		return -1;
	if (key.n > 0 && memchr(key.p, '\0', key.n))
		return -1;
	out->day = (int32_t)day;
	out->model = key;
	return 0;
}
