/* lookup: how long the store takes to find keys chosen at random, one by one.
 *
 *   lookup KEY_FILE STATE_FOLDER KEYS ACTIVE LOOKUPS
 *
 * The file holds the hashes of `sk-postern-bench-0` to `sk-postern-bench-(KEYS-1)`; ACTIVE of them,
 * from all over the file, are looked up again and again. Prints `first_us N median_ns N p99_ns N`;
 * first is opening the store and the first look-up. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"
#include "store/local.h"

struct run {
	struct store *store;
	struct buf line;
	size_t hashes_n;
	uint8_t (*hashes)[HASH_LEN];
};

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "lookup: %s\n", what);
	exit(1);
}

static void
find(struct run *r, const uint8_t *hash)
{
	r->line.len = 0;
	if (r->store->kind->find_key(r->store, hash, &r->line) != STORE_OK) {
		die("a key was not found");
	}
}

/* Hashes of keys from all over the file, in no order. */
static void
choose(struct run *r, unsigned long keys, unsigned long active)
{
	uint64_t random = 88172645463325252u;

	r->hashes_n = active;
	r->hashes = malloc(r->hashes_n * HASH_LEN);
	if (!r->hashes) {
		die("no memory");
	}
	for (size_t i = 0; i < r->hashes_n; i++) {
		char text[64];
		int n;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		n = snprintf(text, sizeof(text), "sk-postern-bench-%zu",
		    keys == active ? i : (size_t)(random % keys));
		if (hash_sha256((struct span){ text, (size_t)n }, r->hashes[i])) {
			die("no hash");
		}
	}
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

int
main(int argc, char **argv)
{
	struct run r = { .line = buf_make(KEY_LINE_MAX) };
	unsigned long lookups = argc == 6 ? strtoul(argv[5], NULL, 10) : 0;
	int64_t *took = calloc(lookups + 1, sizeof(*took));
	struct conf conf = { 0 };
	int64_t begun, first;
	size_t n;

	if (!took || lookups == 0) {
		die("usage: lookup KEY_FILE STATE_FOLDER KEYS ACTIVE LOOKUPS");
	}
	choose(&r, strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
	n = r.hashes_n;
	if (n == 0) {
		die("no keys to look up");
	}
	conf.keys = argv[1];
	conf.state = argv[2];
	begun = now_ns();
	r.store = store_local.open(&conf, NULL, false);
	if (!r.store) {
		die("the store cannot be opened");
	}
	find(&r, r.hashes[0]);
	first = now_ns() - begun;
	/* Every page that the others touch is in memory then. */
	for (size_t i = 0; i < n; i++) {
		find(&r, r.hashes[i]);
	}
	for (unsigned long i = 0; i < lookups; i++) {
		const uint8_t *hash = r.hashes[i % n];
		int64_t start = now_ns();

		find(&r, hash);
		took[i] = now_ns() - start;
	}
	qsort(took, lookups, sizeof(*took), compare);
	printf("first_us %lld median_ns %lld p99_ns %lld\n", (long long)first / 1000,
	    (long long)took[lookups / 2], (long long)took[lookups * 99 / 100]);
	r.store->kind->close(r.store);
	buf_free(&r.line);
	free(r.hashes);
	free(took);
	return 0;
}
