/* keytable and keysegment: the lines of a key file in the order of their hashes, and found again in
 * segments of any size, also in damaged ones. */
#include "store/keytable.h"

#include <stdlib.h>

#include "policy/key.h"
#include "store/keysegment.h"
#include "unit/check.h"
#include "unit/guard.h"

#define KEYS 3000

static void
hash_of(int number, uint8_t out[static HASH_LEN])
{
	char text[32];
	int n = snprintf(text, sizeof(text), "key%d", number);

	if (hash_sha256((struct span){ text, (size_t)n }, out) < 0)
		abort();
}

static void
add_line(struct buf *out, int id, int number)
{
	char hex[HASH_HEX_LEN + 1];
	uint8_t hash[HASH_LEN];

	hash_of(number, hash);
	hash_to_hex(hash, hex);
	if (buf_addf(out, "id%d %s workspace=w name=n%d\n", id, hex, number) < 0)
		abort();
}

static struct buf
many_lines(void)
{
	struct buf text = buf_make(MIB);

	for (int i = 0; i < KEYS; i++)
		add_line(&text, i, i);
	return text;
}

/* What the lines of a text come to: how many good ones, and the damage as `line: why`. */
static const struct {
	const char *what, *text; /* in the text, 1 to 3 stand for the hashes of those keys, 4 for
				    one that differs from 1 late */
	size_t rows;
	const char *damage;
} rows[] = {
	{ "nothing", "", 0, "" },
	{ "blank lines and comments", "\n\n# a 1 workspace=w\n \t\r\n", 0, "" },
	{ "the last line lacks its newline", "a 1 workspace=w\nb 2 workspace=w", 2, "" },
	{ "an id twice", "a 1 workspace=w\nb 2 workspace=w\na 3 workspace=w\n", 2,
	    "3: an earlier line has this id\n" },
	{ "a hash twice", "a 1 workspace=w\nb 2 workspace=w\nc 1 workspace=w\n", 2,
	    "3: an earlier line has this hash\n" },
	{ "a hash twice, whatever the ids", "c 1 workspace=w\nb 1 workspace=w\na 1 workspace=w\n",
	    1, "2: an earlier line has this hash\n3: an earlier line has this hash\n" },
	{ "both at once are one fault", "a 1 workspace=w\na 1 workspace=w\n", 1,
	    "2: an earlier line has this id\n" },
	{ "three times", "a 1 workspace=w\nb 1 workspace=w\nc 1 workspace=w\n", 1,
	    "2: an earlier line has this hash\n3: an earlier line has this hash\n" },
	{ "a repeat of a refused line is refused",
	    "a 1 workspace=w\na 2 workspace=w\nb 2 workspace=w\n", 1,
	    "2: an earlier line has this id\n3: an earlier line has this hash\n" },
	{ "a damaged line repeats nothing", "a 1 workspace=w expire=x\na 1 workspace=w\n", 1,
	    "1: unknown attribute: known are workspace, name, created, expires, models, rpm, "
	    "tpm, concurrent, budget_day, budget_month, revoked\n" },
	{ "hashes with one beginning", "a 4 workspace=w\nb 1 workspace=w\n", 2, "" },
	{ "damage in the order of the lines", "\nx\na 2 workspace=w\nb 2 workspace=w\ny\n", 1,
	    "2: the second word must be the key's SHA-256, 64 hexadecimal digits\n4: an earlier line has this hash\n"
	    "5: the second word must be the key's SHA-256, 64 hexadecimal digits\n" },
};

/* Puts the hashes in the place of the digits that stand alone. */
static struct buf
expand(const char *text)
{
	struct buf out = buf_make(MIB);

	for (const char *p = text; *p; p++) {
		char hex[HASH_HEX_LEN + 1] = "";
		uint8_t hash[HASH_LEN];

		if (*p >= '1' && *p <= '4' && p > text && p[-1] == ' ' && p[1] == ' ') {
			hash_of(*p == '4' ? 1 : *p - '0', hash);
			hash[HASH_LEN - 1] ^= *p == '4';
			hash_to_hex(hash, hex);
		}
		if (buf_add(&out, *hex ? span_of(hex) : (struct span){ p, 1 }) < 0)
			abort();
	}
	return out;
}

static void
check_order(struct check *t, const struct keytable *table)
{
	uint8_t last[HASH_LEN] = { 0 }, hash[HASH_LEN];

	for (size_t i = 0; i < table->rows_n; i++) {
		keytable_hash(table, &table->rows[i], hash);
		check_that(
		    t, i == 0 || memcmp(last, hash, HASH_LEN) < 0, "row %zu out of order", i);
		memcpy(last, hash, HASH_LEN);
	}
}

static void
test_rows(struct check *t, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct buf text = expand(rows[i].text), damage = buf_make(MIB);
		struct keytable table;

		check_row(t, "%s", rows[i].what);
		check_that(
		    t, keytable_read(&table, guard_put(g, buf_span(&text))) == 0, "out of memory");
		check_that(t, table.rows_n == rows[i].rows, "%zu rows", table.rows_n);
		for (size_t d = 0; d < table.damage_n; d++) {
			if (buf_addf(&damage, "%zu: %s\n", table.damage[d].line,
				table.damage[d].why) < 0)
				abort();
		}
		check_same(t, buf_span(&damage), span_of(rows[i].damage));
		check_that(t, table.damaged == table.damage_n, "%zu damaged", table.damaged);
		check_order(t, &table);
		keytable_free(&table);
		buf_free(&text);
		buf_free(&damage);
	}
}

static void
test_more_damage(struct check *t)
{
	struct buf text = buf_make(MIB);
	struct keytable table;

	for (int i = 0; i < 1000; i++) {
		if (buf_addf(&text, "x%d\n", i) < 0)
			abort();
	}
	check_row(t, "more damage than is shown");
	check_that(t, keytable_read(&table, buf_span(&text)) == 0, "out of memory");
	check_that(t, table.damaged == 1000 && table.damage_n == KEY_DAMAGE_MAX, "%zu of %zu",
	    table.damage_n, table.damaged);
	check_that(
	    t, table.damage[KEY_DAMAGE_MAX - 1].line == KEY_DAMAGE_MAX, "not the first ones");
	keytable_free(&table);
	buf_free(&text);
}

/* Finds a key in the segments of a table, made one by one. */
static enum keysegment_status
find(const struct keytable *table, const struct guard *g, unsigned bits, int number,
    struct span *line)
{
	struct buf segment = buf_make(MIB);
	enum keysegment_status status = KEYSEGMENT_NOT_FOUND;
	uint8_t hash[HASH_LEN];
	size_t row = 0;

	hash_of(number, hash);
	for (uint32_t s = 0; s >> bits == 0; s++) {
		size_t end = keysegment_end(table, row, s, bits);

		if (s == keysegment_of(hash, bits)) {
			if (keysegment_write(table, row, end, &segment) < 0)
				abort();
			status =
			    keysegment_find(guard_put(g, buf_span(&segment)), bits, hash, line);
		}
		row = end;
	}
	buf_free(&segment);
	return row == table->rows_n ? status : KEYSEGMENT_DAMAGED;
}

static void
test_segments(struct check *t, const struct guard *g)
{
	static const unsigned bits[] = { 4, 7, 12 };
	struct buf text = many_lines();
	struct keytable table;
	char name[16];

	check_row(t, "a table of many");
	check_that(
	    t, keytable_read(&table, buf_span(&text)) == 0 && table.rows_n == KEYS, "not read");
	check_order(t, &table);
	for (size_t i = 0; i < ROWS(bits); i++) {
		check_row(t, "found again in segments of %u bits", bits[i]);
		for (int n = 0; n < KEYS + 50; n += 17) {
			struct span line = { NULL, 0 };
			enum keysegment_status status = find(&table, g, bits[i], n, &line);

			if (!check_that(t,
				status == (n < KEYS ? KEYSEGMENT_OK : KEYSEGMENT_NOT_FOUND),
				"key %d: %d", n, (int)status) ||
			    n >= KEYS)
				continue;
			(void)snprintf(name, sizeof(name), "=n%d", n);
			check_that(t,
			    line.n > strlen(name) &&
				span_eq(
				    span_cut(line, line.n - strlen(name), line.n), span_of(name)),
			    "key %d is another line", n);
		}
	}
	keytable_free(&table);
	buf_free(&text);
}

/* Any byte of a segment may be anything: an answer comes all the same, and never a line outside. */
static void
test_torn(struct check *t, const struct guard *g)
{
	struct buf text = buf_make(MIB), segment = buf_make(MIB);
	uint64_t random = 1;
	struct keytable table;
	uint8_t hash[HASH_LEN];

	for (int i = 0; i < 20; i++)
		add_line(&text, i, i);
	if (keytable_read(&table, buf_span(&text)) < 0 ||
	    keysegment_write(&table, 0, table.rows_n, &segment) < 0)
		abort();
	check_row(t, "torn segments");
	for (int i = 0; i < 20000; i++) {
		size_t n = check_pick(&random, 4) ? segment.len : check_pick(&random, segment.len);
		struct span torn = guard_put(g, span_cut(buf_span(&segment), 0, n));
		struct span line = { NULL, 0 };
		char *bytes = g->end - n;

		for (size_t k = check_pick(&random, 4); k > 0 && n > 0; k--)
			bytes[check_pick(&random, check_pick(&random, 2) || n < 300 ? n : 300)] =
			    (char)check_random(&random);
		hash_of((int)check_pick(&random, 25), hash);
		if (keysegment_find(torn, 0, hash, &line) == KEYSEGMENT_OK)
			check_that(t, line.p >= torn.p && line.p + line.n <= torn.p + torn.n,
			    "a line outside");
	}
	keytable_free(&table);
	buf_free(&text);
	buf_free(&segment);
}

static const struct {
	size_t rows;
	int was;
	unsigned bits;
} sizes[] = { { 0, -1, 0 }, { 10, -1, 0 }, { 4096, -1, 0 }, { 5000, -1, 1 }, { 1000000, -1, 8 },
	{ 5000, 0, 0 }, { 20000, 0, 3 }, { 1200000, 8, 8 }, { 100, 8, 0 }, { 1000000, 40, 8 } };

static void
test_sizes(struct check *t)
{
	for (size_t i = 0; i < ROWS(sizes); i++) {
		unsigned bits = keysegment_bits(sizes[i].rows, sizes[i].was);

		check_row(t, "segments for %zu rows after %d bits", sizes[i].rows, sizes[i].was);
		check_that(t, bits == sizes[i].bits, "%u bits", bits);
	}
}

int
main(void)
{
	struct check t = { .module = "keytable" };
	struct guard g = guard_make();

	test_rows(&t, &g);
	test_more_damage(&t);
	test_segments(&t, &g);
	test_torn(&t, &g);
	test_sizes(&t);
	guard_free(&g);
	return check_end(&t);
}
