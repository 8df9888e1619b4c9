/* cooldowns: see the header. A table of slots by the hash of a name; each value is an atom of its
 * own, since advice may be torn. */
#include "store/cooldowns.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/span.h"
#include "policy/cooldown.h"
#include "store/bootfile.h"

#define FILE_NAME "upstreams"
#define SLOTS	  1024u
#define PROBE_MS  10000

struct slot {
	_Atomic uint64_t name; /* its hash; 0: free */
	_Atomic int64_t failed_ms;
	_Atomic int64_t until_ms; /* it rests; 0: it does not */
	_Atomic uint32_t failures;
};

struct table {
	struct slot slots[SLOTS];
};

struct cooldowns {
	struct table *table;
};

/* The slot of a name, taken when it has none and add; NULL when it has none, or all are taken. */
static struct slot *
slot_of(struct cooldowns *c, const char *upstream, bool add)
{
	uint64_t hash = span_hash(span_of(upstream));

	for (unsigned i = 0; c && i < SLOTS; i++) {
		struct slot *s = &c->table->slots[(hash + i) % SLOTS];
		uint64_t name = atomic_load_explicit(&s->name, memory_order_relaxed);

		if (name == 0 && !add)
			return NULL;
		if (name == hash ||
		    (name == 0 &&
			(atomic_compare_exchange_strong(&s->name, &name, hash) || name == hash)))
			return s;
	}
	return NULL;
}

enum cooldown
cooldowns_look(struct cooldowns *c, const char *upstream, int64_t now_ms)
{
	struct slot *s = slot_of(c, upstream, false);
	int64_t until_ms = s ? atomic_load(&s->until_ms) : 0;

	if (until_ms == 0)
		return COOLDOWN_NONE;
	if (now_ms < until_ms)
		return COOLDOWN_RESTS;
	return atomic_compare_exchange_strong(&s->until_ms, &until_ms, now_ms + PROBE_MS)
	    ? COOLDOWN_PROBE
	    : COOLDOWN_RESTS;
}

void
cooldowns_failed(struct cooldowns *c, const char *upstream, int64_t now_ms, int64_t retry_after_ms,
    int64_t max_ms)
{
	struct slot *s = max_ms > 0 ? slot_of(c, upstream, true) : NULL;
	int64_t rest_ms, before;

	if (!s)
		return;
	before = atomic_exchange(&s->failed_ms, now_ms);
	if (before == 0 || now_ms - before > COOLDOWN_APART_MS)
		atomic_store(&s->failures, 0);
	rest_ms = cooldown_ms(atomic_fetch_add(&s->failures, 1) + 1, retry_after_ms, max_ms);
	if (rest_ms == 0)
		return;
	atomic_store(&s->until_ms, now_ms + rest_ms);
	log_warn("cooldown", "upstream=%s rest_ms=%lld what=\"it fails and is asked last\"",
	    upstream, (long long)rest_ms);
}

void
cooldowns_good(struct cooldowns *c, const char *upstream)
{
	struct slot *s = slot_of(c, upstream, false);

	if (!s || atomic_load_explicit(&s->failures, memory_order_relaxed) == 0)
		return;
	atomic_store(&s->failures, 0);
	if (atomic_exchange(&s->until_ms, 0) != 0)
		log_info("cooldown", "upstream=%s what=\"it answers again\"", upstream);
}

struct cooldowns *
cooldowns_open(const char *folder)
{
	struct cooldowns *c = calloc(1, sizeof(*c));

	if (c)
		c->table = bootfile_map(folder, FILE_NAME, sizeof(*c->table));
	if (c && c->table)
		return c;
	log_warn("cooldown", "folder=\"%s\" what=\"no upstream rests: %m\"", folder);
	free(c);
	return NULL;
}

void
cooldowns_close(struct cooldowns *c)
{
	if (!c)
		return;
	bootfile_unmap(c->table, sizeof(*c->table));
	free(c);
}
