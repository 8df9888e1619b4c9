/* wrongkeys: see the header. An address has its place in one of the sets, in any cell of it; a new
 * one takes the cell that is forgiven first. */
#include "store/wrongkeys.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "policy/strikes.h"
#include "store/bootfile.h"

#define FILE_NAME "addresses"
#define SETS	  2048u
#define CELLS	  8u /* of a set: one line of the processor's cache */

struct table {
	_Atomic uint64_t sets[SETS][CELLS];
};

struct wrongkeys {
	struct table *table;
};

/* The cell of an address, or the one that it may take. */
static _Atomic uint64_t *
find(struct table *t, uint64_t address)
{
	_Atomic uint64_t *set = t->sets[address % SETS];
	_Atomic uint64_t *first = &set[0];

	for (unsigned i = 0; i < CELLS; i++) {
		uint64_t cell = atomic_load_explicit(&set[i], memory_order_relaxed);

		if (strikes_is(cell, address))
			return &set[i];
		if (strikes_until_ms(cell) <
		    strikes_until_ms(atomic_load_explicit(first, memory_order_relaxed)))
			first = &set[i];
	}
	return first;
}

int64_t
wrongkeys_add(struct wrongkeys *w, struct span address, int64_t now_ms, uint32_t per_minute)
{
	_Atomic uint64_t *at;
	uint64_t before, after;
	uint64_t whose;
	int64_t wait_ms;

	if (!w || per_minute == 0 || !strikes_address(address, &whose))
		return 0;
	do {
		at = find(w->table, whose);
		before = atomic_load(at);
		after = strikes_add(
		    strikes_is(before, whose) ? before : 0, whose, now_ms, per_minute, &wait_ms);
	} while (wait_ms == 0 && !atomic_compare_exchange_weak(at, &before, after));
	return wait_ms;
}

struct wrongkeys *
wrongkeys_open(const char *folder)
{
	struct wrongkeys *w = calloc(1, sizeof(*w));

	if (w)
		w->table = bootfile_map(folder, FILE_NAME, sizeof(*w->table));
	if (w && w->table)
		return w;
	log_warn("key", "folder=\"%s\" what=\"wrong keys are not counted: %m\"", folder);
	free(w);
	return NULL;
}

void
wrongkeys_close(struct wrongkeys *w)
{
	if (!w)
		return;
	bootfile_unmap(w->table, sizeof(*w->table));
	free(w);
}
