/* store_mem: a store without files. Keys are a table of lines; ledger lines are recorded. It goes
 * by the name of the store that a gate asks for. */
#ifndef POSTERN_TESTS_CALL_STORE_MEM_H
#define POSTERN_TESTS_CALL_STORE_MEM_H

#include <assert.h>

#include "base/hash.h"
#include "store/store.h"

#define STORE_MEM_KEYS 16

static struct {
	struct store store;
	uint8_t hashes[STORE_MEM_KEYS][HASH_LEN];
	struct buf lines[STORE_MEM_KEYS];
	size_t keys_n;
	enum store_status answers;	  /* to every question, when it is not STORE_OK */
	enum store_status append_answers; /* to every line */
	struct buf ledger;		  /* lines appended since the reset */
	char file[64];			  /* where the last one went */
	unsigned appended;
	unsigned asked; /* how often a key was looked up */
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
	store_mem.answers = store_mem.append_answers = STORE_OK;
	store_mem.appended = store_mem.asked = 0;
	store_mem.file[0] = '\0';
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
store_mem_open(const char *keys_path, const char *state_path)
{
	(void)keys_path;
	(void)state_path;
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
store_mem_append(struct store *s, const char *name, struct span line)
{
	(void)s;
	store_mem.appended++;
	(void)snprintf(store_mem.file, sizeof(store_mem.file), "%s", name);
	return buf_add(&store_mem.ledger, line) ? STORE_BROKEN : store_mem.append_answers;
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
	.append = store_mem_append,
	.probe = store_mem_probe,
	.close = store_mem_close,
};

#endif
