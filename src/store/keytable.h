/* keytable: all lines of a key file, read at once and in the order of their hashes. Reads no file
 * itself. */
#ifndef POSTERN_STORE_KEYTABLE_H
#define POSTERN_STORE_KEYTABLE_H

#include <stdint.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/span.h"

/* A good line. */
struct keytable_row {
	uint64_t hash; /* its first eight bytes, as a number that sorts like the bytes */
	uint64_t id;   /* a digest of the id */
	uint64_t at;   /* where the line begins in the text */
};

/* A damaged line: one that cannot be read, or that repeats the id or the hash of an earlier one. */
struct keytable_damage {
	uint64_t at;
	size_t line;
	const char *why;
};

struct keytable {
	struct span text; /* borrowed */
	struct keytable_row *rows;
	size_t rows_n, rows_max;
	struct keytable_damage damage[KEY_DAMAGE_MAX]; /* in the order of the lines */
	size_t damage_n;
	size_t damaged; /* how many there are, shown or not */
};

/* Reads a text, which must stay as it is while the table is used. -1 when memory is out. */
MUST_CHECK int keytable_read(struct keytable *t, struct span text);

/* The line of a row, without blanks around it. */
struct span keytable_line(const struct keytable *t, const struct keytable_row *row);

/* The hash of a row. */
void keytable_hash(
    const struct keytable *t, const struct keytable_row *row, uint8_t out[static HASH_LEN]);

/* The hash that stands in a line that was found good before. -1 when there is none: the line is not
 * what it was. */
MUST_CHECK int keytable_line_hash(struct span line, uint8_t out[static HASH_LEN]);

/* Asks for the line of a row that will be wanted soon: rows in the order of their hashes lie all
 * over the text. */
void keytable_prefetch(const struct keytable *t, size_t row);

/* Frees the rows; the text is the caller's. */
void keytable_free(struct keytable *t);

#endif
