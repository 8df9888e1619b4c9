/* store_mem: a store without files. Keys are a table of lines; ledger lines are recorded; the
 * limits of one workspace, key and model at a time follow the rule of policy/admission. It goes by
 * the name of the store that a gate asks for. */
#ifndef POSTERN_TESTS_CALL_STORE_MEM_H
#define POSTERN_TESTS_CALL_STORE_MEM_H

#include <assert.h>

#include "base/clock.h"
#include "base/hash.h"
#include "policy/admission.h"
#include "policy/ledger.h"
#include "store/store.h"

#define STORE_MEM_KEYS 16

static struct {
	struct store store;
	uint8_t hashes[STORE_MEM_KEYS][HASH_LEN];
	struct buf lines[STORE_MEM_KEYS];
	size_t keys_n;
	enum store_status answers;	  /* to every question, when it is not STORE_OK */
	enum store_status take_answers;	  /* to every take */
	enum store_status append_answers; /* to every line */
	struct admission_state state;	  /* of whoever calls */
	struct admission_ask ask;	  /* the last one; its names are not to be looked at */
	struct admission_used used;	  /* at the last settlement of what was held */
	uint64_t seq;
	struct buf ledger;	 /* lines booked since the reset */
	uint64_t running_before; /* calls at once that others are said to have */
	unsigned appended;
	unsigned asked;	  /* how often a key was looked up */
	unsigned taken;	  /* calls let in */
	unsigned settled; /* and settled */
} store_mem = { .ledger = { .max = 1024 * 1024 } };

/* Adds a key by its text and what stands behind its hash in its line. */
static inline void
store_mem_add(const char *text, const char *id, const char *attributes)
{
	size_t i = store_mem.keys_n++;
	char hex[HASH_HEX_LEN + 1];

	assert(i < STORE_MEM_KEYS);

	int rc = hash_sha256(span_of(text), store_mem.hashes[i]);

	hash_to_hex(store_mem.hashes[i], hex);
	store_mem.lines[i] = buf_make(KEY_LINE_MAX);
	rc |= buf_addf(&store_mem.lines[i], "%s %s %s", id, hex, attributes);
	assert(rc == 0);
	(void)rc;
}

/* Forgets what was recorded; the keys stay. */
static inline void
store_mem_reset(void)
{
	buf_reset(&store_mem.ledger, 1024 * 1024);
	store_mem.answers = store_mem.append_answers = store_mem.take_answers = STORE_OK;
	store_mem.appended = store_mem.asked = store_mem.taken = store_mem.settled = 0;
	store_mem.state = (struct admission_state){ 0 };
	store_mem.running_before = 0;
	store_mem.used = (struct admission_used){ 0 };
}

static inline void
store_mem_free(void)
{
	for (size_t i = 0; i < store_mem.keys_n; i++)
		buf_free(&store_mem.lines[i]);
	buf_free(&store_mem.ledger);
	store_mem.keys_n = 0;
}

static const struct store_kind store_mem_kind;

static struct store *
store_mem_open(const struct conf *c, struct store *beside, bool reader)
{
	(void)c;
	(void)beside;
	(void)reader;
	store_mem.store.kind = &store_mem_kind;
	return &store_mem.store;
}

static enum store_status
store_mem_find_key(struct store *s, const uint8_t hash[static HASH_LEN], struct buf *line)
{
	(void)s;
	store_mem.asked++;
	if (store_mem.answers != STORE_OK)
		return store_mem.answers;
	for (size_t i = 0; i < store_mem.keys_n; i++)
		if (hash_same(store_mem.hashes[i], hash))
			return buf_add(line, buf_span(&store_mem.lines[i])) ? STORE_BROKEN
									    : STORE_OK;
	return STORE_NOT_FOUND;
}

static enum store_status
store_mem_take(struct store *s, const struct admission_ask *ask, struct admission_grant *out)
{
	struct admission_ask now = *ask;

	(void)s;
	if (store_mem.take_answers != STORE_OK)
		return store_mem.take_answers;
	now.now_ms = clock_wall_ms();
	admission_take(&store_mem.state, &now, out);
	store_mem.ask = now;
	store_mem.taken += out->held;
	return STORE_OK;
}

static enum store_status
store_mem_settle(struct store *s, struct store_booking *b)
{
	struct admission_ask now = *b->ask;

	(void)s;
	now.now_ms = clock_wall_ms();
	if (b->grant->held) {
		admission_settle(&store_mem.state, &now, b->grant, &b->used, true);
		store_mem.used = b->used;
		store_mem.settled++;
	}
	store_mem.appended++;
	if (ledger_begin(++store_mem.seq, &store_mem.ledger) || buf_add(&store_mem.ledger, b->line))
		return STORE_BROKEN;
	return store_mem.append_answers;
}

static enum store_status
store_mem_totals(struct store *s, const struct store_range *range, store_row *fn, void *arg)
{
	(void)s;
	(void)range;
	(void)fn;
	(void)arg;
	return STORE_OK;
}

static enum store_status
store_mem_booked(struct store *s, struct store_mark *mark, store_row *fn, void *arg)
{
	mark->seq = 0;
	return store_mem_totals(s, NULL, fn, arg);
}

static enum store_status
store_mem_probe(struct store *s, const char **why)
{
	(void)s;
	if (store_mem.answers != STORE_OK)
		*why = "the table of keys is broken\n";
	return store_mem.answers;
}

static void
store_mem_close(struct store *s)
{
	(void)s;
}

static const struct store_kind store_mem_kind = {
	.name = "local",
	.open = store_mem_open,
	.find_key = store_mem_find_key,
	.take = store_mem_take,
	.settle = store_mem_settle,
	.totals = store_mem_totals,
	.booked = store_mem_booked,
	.probe = store_mem_probe,
	.close = store_mem_close,
};

#endif
