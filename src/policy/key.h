/* key: a line of the key file, what it allows, and how keys look. Pure. */
#ifndef POSTERN_POLICY_KEY_H
#define POSTERN_POLICY_KEY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/span.h"
#include "policy/quota.h"

#define KEY_PREFIX     "sk-postern-"
#define KEY_RANDOM_LEN 32u
#define KEY_TEXT_LEN   (sizeof(KEY_PREFIX) - 1 + 43)

/* One line, as spans into it. */
struct key {
	struct span id;
	uint8_t hash[HASH_LEN];
	struct span workspace;
	struct span name;   /* as written, without its quotes */
	struct span models; /* comma-separated globs; p NULL: all */
	struct quota quota; /* rpm=, tpm=, concurrent=, budget_day=, budget_month= (USD) */
	int64_t created;    /* Unix seconds, 0 when not given */
	int64_t expires;    /* the first second in which it is refused; 0: never */
	int64_t revoked;    /* when it was revoked; 0: it was not */
};

enum key_line { KEY_LINE_KEY, KEY_LINE_BLANK, KEY_LINE_BAD };

/* Reads one line without its newline: `id sha256hex name=value …`, values quoted where they hold
 * blanks ("" inside quotes is not possible; a quote in a name is refused). # begins a comment line.
 * For KEY_LINE_BAD *why says what is wrong, a fixed text. Unknown attributes make the line bad: a
 * misspelt restriction must not open a door. The secret itself (sk-postern-…) in the place of its
 * hash is bad, too. */
enum key_line key_parse(struct span line, struct key *out, const char **why);

/* Sets one attribute from its text, as a line does. NULL, or what is wrong, a fixed text. */
MUST_CHECK const char *key_set(struct key *k, struct span name, struct span value);

/* Appends the line of a key, with its newline. -1 when it does not fit or an id, name or list holds
 * what a line cannot. */
MUST_CHECK int key_format(const struct key *k, struct buf *out);

/* Appends nano-dollars as dollars with at least so many decimals, up to nine, and no more than it
 * takes. -1 as buf_add. */
MUST_CHECK int key_usd(uint64_t nanousd, unsigned places_min, struct buf *out);

/* Whether the key is good at this time: FAULT_NONE, FAULT_KEY_REVOKED or FAULT_KEY_EXPIRED. */
enum fault key_state(const struct key *k, int64_t now_s);

/* Whether the key's own list allows the model. */
bool key_allows(const struct key *k, struct span model);

/* Makes the text of a key from random bytes, zero-terminated. */
void key_text(const uint8_t random[static KEY_RANDOM_LEN], char out[static KEY_TEXT_LEN + 1]);

#endif
