/* stores: what configurations share, and what happens when a state folder is taken away. */
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/conf.h"
#include "store/books.h"
#include "store/local.h"
#include "stores.h"
#include "unit/check.h"
#include "unit/finished.h"

#define PATH_LEN 256

static const struct store_kind *const kinds[] = { &store_local, NULL };
static const struct parts parts = { .stores = kinds };

struct place {
	char top[64], state[PATH_LEN], keys[PATH_LEN];
};

static struct place
place_make(void)
{
	struct place p = { .top = "/tmp/test_stores.XXXXXX" };
	FILE *f;

	if (!mkdtemp(p.top))
		abort();
	(void)snprintf(p.state, sizeof(p.state), "%s/state", p.top);
	(void)snprintf(p.keys, sizeof(p.keys), "%s/keys", p.top);
	f = fopen(p.keys, "w");
	if (!f || fclose(f) != 0)
		abort();
	return p;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void
remove_all(const char *path)
{
	(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct stores_one *
take(struct stores *s, char *keys, char *state)
{
	static char local[] = "local";
	const struct conf c = { .keys = keys, .state = state, .store = { .kind = local } };

	return stores_take(s, &c);
}

static bool
book(const struct stores_one *one, uint64_t n)
{
	const struct admission_ask ask = { .workspace = SPAN("w"), .key = SPAN("k") };
	const struct admission_grant none = { 0 };
	struct buf line = buf_make(LEDGER_LINE_MAX);
	struct store_booking b = { .ask = &ask, .grant = &none };
	struct store *s = stores_store(one);
	bool good;

	finished_line(n, FINISHED_MS, &line);
	b.line = buf_span(&line);
	good = s->kind->settle(s, &b) == STORE_OK;
	buf_free(&line);
	return good;
}

static int
add_calls(void *sum, const struct tally_row *row, const struct tally *t)
{
	(void)row;
	*(uint64_t *)sum += t->calls;
	return 0;
}

static uint64_t
calls_of(const struct stores_one *one)
{
	const struct store_range all = { 0, INT32_MAX };
	struct store *s = stores_store(one);
	uint64_t n = 0;

	return s->kind->totals(s, &all, add_calls, &n) == STORE_OK ? n : UINT64_MAX;
}

static struct limiter *
limits_of(const struct stores_one *one)
{
	return books_limiter(stores_store(one)->books);
}

/* A file must not be open twice in a process, by whatever name. */
static void
test_shared(struct check *c, struct place *p)
{
	char alias[PATH_LEN + 8], other[PATH_LEN + 8];
	struct stores *s = stores_open(&parts);
	struct stores_one *first, *same, *by_alias, *other_keys, *again;

	(void)snprintf(alias, sizeof(alias), "%s/.", p->state);
	(void)snprintf(other, sizeof(other), "%s2", p->keys);
	check_row(c, "one folder by two names, and with other keys, is open once");
	first = take(s, p->keys, p->state);
	same = take(s, p->keys, p->state);
	by_alias = take(s, p->keys, alias);
	if (!first || link(p->keys, other) != 0)
		abort();
	other_keys = take(s, other, p->state);
	again = take(s, p->keys, alias);
	check_that(c, same == first && by_alias && by_alias != first, "not shared");
	check_that(c, limits_of(by_alias) == limits_of(first), "limits by another name");
	check_that(c, limits_of(other_keys) == limits_of(first), "limits with other keys");
	check_that(c, again == by_alias, "not the same again");
	stores_give(s, first);
	stores_give(s, same);
	check_that(c, book(by_alias, 1) && book(other_keys, 2), "not booked");
	check_that(c, calls_of(by_alias) == 2, "%llu", (unsigned long long)calls_of(by_alias));
	stores_give(s, by_alias);
	stores_give(s, again);
	stores_give(s, other_keys);
	stores_close(s);
}

/* What goes when the state is taken away. */
static const struct {
	const char *what;
	const char *name; /* NULL: the folder */
} removals[] = {
	{ "the folder", NULL },
	{ "the totals", "totals.mdb" },
	{ "the lock of the drain", "drain.lock" },
};

static void
test_removed(struct check *c, struct place *p)
{
	for (size_t i = 0; i < ROWS(removals); i++) {
		struct stores *s = stores_open(&parts);
		struct stores_one *old = take(s, p->keys, p->state), *new;
		char path[2 * PATH_LEN];
		struct finished_sums ledger = { 0 };

		check_row(c, "%s is removed while it is open", removals[i].what);
		if (!old || !book(old, 1))
			abort();
		check_that(c, stores_stand(old), "it does not stand");
		check_that(c, books_drain(stores_store(old)->books) == STORE_OK, "not drained");
		(void)snprintf(path, sizeof(path), "%s/%s", p->state,
		    removals[i].name ? removals[i].name : "");
		remove_all(path);
		check_that(c, !stores_stand(old), "it still stands");
		check_that(c, !take(s, p->keys, p->state), "opened beside what is gone");
		check_that(c, book(old, 2), "not booked");
		if (!removals[i].name && mkdir(p->state, 0700) != 0)
			abort();
		check_that(c, books_drain(stores_store(old)->books) == STORE_BROKEN, "drained");
		stores_give(s, old);
		new = take(s, p->keys, p->state);
		if (check_that(c, new &&stores_stand(new), "not opened anew")) {
			check_that(c, book(new, 3), "not booked");
			check_that(
			    c, books_drain(stores_store(new)->books) == STORE_OK, "not drained");
			finished_folder(&ledger, p->state);
			check_that(c, calls_of(new) == ledger.lines && !ledger.gap, "%llu of %llu",
			    (unsigned long long)calls_of(new), (unsigned long long)ledger.lines);
			finished_free(&ledger);
		}
		stores_give(s, new);
		stores_close(s);
		remove_all(p->state);
	}
}

int
main(void)
{
	static void (*const tests[])(
	    struct check *, struct place *) = { test_shared, test_removed };
	struct check c = { .module = "stores" };

	for (size_t i = 0; i < ROWS(tests); i++) {
		struct place p = place_make();

		tests[i](&c, &p);
		remove_all(p.top);
	}
	return check_end(&c);
}
