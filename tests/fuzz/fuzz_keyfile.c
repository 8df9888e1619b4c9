/* fuzz_keyfile: every line of a key file is a key, blank or damaged; what is a key is written again
 * as it was read, and no id and no hash is good twice. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "policy/key.h"
#include "store/keytable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_same(const struct key *a, const struct key *b)
{
	assert(span_eq(a->id, b->id) && memcmp(a->hash, b->hash, HASH_LEN) == 0);
	assert(span_eq(a->workspace, b->workspace) && span_eq(a->name, b->name));
	assert(span_eq(a->models, b->models) && !a->models.p == !b->models.p);
	assert(a->created == b->created && a->expires == b->expires && a->revoked == b->revoked);
}

static enum key_line
check_line(struct span line)
{
	struct buf written = buf_make((size_t)2 * KEY_LINE_MAX);
	const char *why = NULL;
	struct key k, again;
	enum key_line what = key_parse(line, &k, &why);

	assert((what == KEY_LINE_BAD) == (why != NULL && *why != '\0'));
	/* What was just short enough may be too long with the blanks of the house. */
	if (what == KEY_LINE_KEY && key_format(&k, &written) == 0) {
		assert(k.workspace.n > 0);
		assert(key_parse(buf_span(&written), &again, &why) == KEY_LINE_KEY);
		check_same(&k, &again);
	} else if (what == KEY_LINE_KEY) {
		assert(line.n > KEY_LINE_MAX - 128);
	}
	buf_free(&written);
	return what;
}

static void
check_rows(const struct keytable *t)
{
	uint8_t last[HASH_LEN] = { 0 };

	for (size_t i = 0; i < t->rows_n; i++) {
		struct span line = keytable_line(t, &t->rows[i]);
		uint8_t hash[HASH_LEN];
		const char *why;
		struct key k;

		assert(key_parse(line, &k, &why) == KEY_LINE_KEY);
		keytable_hash(t, &t->rows[i], hash);
		assert(memcmp(hash, k.hash, HASH_LEN) == 0);
		assert(i == 0 || memcmp(last, hash, HASH_LEN) < 0);
		memcpy(last, hash, HASH_LEN);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	struct span rest = text;
	struct span line;
	struct keytable t;
	size_t counts[3] = { 0 };

	while (size > 0 && span_next(&rest, '\n', &line))
		counts[check_line(line)]++;
	int rc = keytable_read(&t, text);

	assert(rc == 0);
	check_rows(&t);
	assert(t.rows_n + t.damaged == counts[KEY_LINE_KEY] + counts[KEY_LINE_BAD]);
	assert(t.damage_n == (t.damaged < KEY_DAMAGE_MAX ? t.damaged : KEY_DAMAGE_MAX));
	for (size_t i = 0; i < t.damage_n; i++)
		assert(t.damage[i].why && t.damage[i].line >= 1 &&
		    (i == 0 || t.damage[i - 1].line < t.damage[i].line));
	keytable_free(&t);
	return 0;
}
