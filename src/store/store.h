/* store: where keys and the ledger live. An edge: it does I/O and holds no policy.
 * One struct store is opened per process and used by all its threads at once. */
#ifndef POSTERN_STORE_STORE_H
#define POSTERN_STORE_STORE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/limits.h"

struct store; /* begins every implementation's own struct */

enum store_status {
	STORE_OK = 0,
	STORE_NOT_FOUND = -1,
	STORE_BROKEN = -2, /* cannot be read or written; the reason was logged */
};

struct store_kind {
	const char *name;
	/* Opens the store over a key file and a state folder (made when missing, mode 0700). NULL
	 * when it cannot be; the reason was logged. */
	struct store *(*open)(const char *keys_path, const char *state_path);
	/* Finds the line of the key file with this hash and copies it into line. Sees a change of
	 * the file at the first call after it, in every process. */
	enum store_status (*find_key)(
	    struct store *s, const uint8_t hash[static HASH_LEN], struct buf *line);
	/* Appends one finished line to the ledger file `name` in a single write. */
	enum store_status (*append)(struct store *s, const char *name, struct span line);
	/* Whether keys and state can be used now; when not, *why is a text without secrets. */
	enum store_status (*probe)(struct store *s, const char **why);
	void (*close)(struct store *s);
};

struct store {
	const struct store_kind *kind;
};

#endif
