/* store: where keys, limits, totals and the ledger live. An edge: it does I/O and holds no policy.
 * One struct store is opened per process and state folder and used by all its threads at once. */
#ifndef POSTERN_STORE_STORE_H
#define POSTERN_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/limits.h"
#include "policy/admission.h"
#include "policy/ledger.h"
#include "policy/settings.h"
#include "policy/tally.h"

struct store; /* begins every implementation's own struct */
struct books;

enum store_status {
	STORE_OK = 0,
	STORE_NOT_FOUND = -1,
	STORE_BROKEN = -2, /* cannot be read or written; the reason was logged */
	STORE_AWAY = -3,   /* the server that holds it does not answer; it may be back soon */
};

/* A finished call on its way to the ledger and the totals. */
struct store_booking {
	const struct admission_ask *ask;     /* as it was taken with */
	const struct admission_grant *grant; /* held false: nothing to settle */
	struct admission_used used;
	struct span line; /* by ledger_format */
	uint64_t seq;	  /* set by a settle that is to be followed up; 0: nothing is left to do */
};

/* Which totals are wanted: days from first up to and including last. */
struct store_range {
	int32_t first, last;
};

/* Called with each row, in the order of days; not 0 ends the walk. */
typedef int store_row(void *arg, const struct tally_row *row, const struct tally *t);

/* How far the totals reach, for those who compare them with the ledger. */
struct store_mark {
	uint64_t seq; /* lines up to this number are in the totals */
};

struct store_kind {
	const char *name;
	/* Opens the store that a configuration names, and copies what it needs of it (made when
	 * missing, folders with mode 0700). beside: an open store of the same process over the same
	 * state folder, or NULL; both then share what may be open only once. reader: a command that
	 * looks and changes nothing. NULL when it cannot be opened; the reason was logged. */
	struct store *(*open)(const struct conf *c, struct store *beside, bool reader);
	/* Finds the line of the key with this hash and copies it into line. Sees a change at the
	 * first call after it (a store on another machine: within a second), in every process. */
	enum store_status (*find_key)(
	    struct store *s, const uint8_t hash[static HASH_LEN], struct buf *line);
	/* Lets a call in or refuses it, atomically over all threads, processes and, where they
	 * share the store, machines. STORE_OK with *out either way. */
	enum store_status (*take)(
	    struct store *s, const struct admission_ask *ask, struct admission_grant *out);
	/* Settles a call and books its line, in one step: after STORE_OK the line survives the
	 * death of this process, and a power cut from a second later on. Called once for every call
	 * that is to be booked, also when nothing was taken; before the client sees its answer end,
	 * so that it never waits for another machine. */
	enum store_status (*settle)(struct store *s, struct store_booking *b);
	/* Does what a settlement has still to do at another machine, when the client has its
	 * answer: for bookings that settle has set seq in. NULL in a store that keeps all of it
	 * here. When this process dies before it, whoever carries the line there does it. */
	void (*follow)(struct store *s, const struct store_booking *b);
	/* Walks over the totals, with what was settled up to now. */
	enum store_status (*totals)(
	    struct store *s, const struct store_range *range, store_row *fn, void *arg);
	/* Walks over the totals of this state folder's own ledger alone, as far as they were
	 * written to disk, and says how far that is. */
	enum store_status (*booked)(
	    struct store *s, struct store_mark *mark, store_row *fn, void *arg);
	/* Whether keys and state can be used now; when not, *why is a text without secrets. */
	enum store_status (*probe)(struct store *s, const char **why);
	/* Writes out what is still on its way to the ledger, then frees the store. */
	void (*close)(struct store *s);
};

struct store {
	const struct store_kind *kind;
	struct books *books; /* of its state folder, for a store beside it; NULL: it has none */
};

#endif
