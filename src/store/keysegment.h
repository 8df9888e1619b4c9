/* keysegment: the lines of neighbouring hashes as one block of bytes, made so that a look-up
 * touches two places of it: one in the list of hashes, where it should be by its value, and the
 * line. Hashes are evenly spread, so that no tree is needed. Reads and writes no file. */
#ifndef POSTERN_STORE_KEYSEGMENT_H
#define POSTERN_STORE_KEYSEGMENT_H

#include "base/buf.h"
#include "base/check.h"
#include "base/hash.h"
#include "store/keytable.h"

#define KEYSEGMENT_BITS_MAX 20u

/* All segments together have the hashes; segment s of 2^bits has those whose first bits are s. */
uint32_t keysegment_of(const uint8_t hash[static HASH_LEN], unsigned bits);

/* How many bits make segments of a good size for so many rows; was (or -1) is kept while it is not
 * far off. */
unsigned keysegment_bits(size_t rows, int was);

/* The end of the rows of a table that belong to segment s, which begin at `from`. */
size_t keysegment_end(const struct keytable *t, size_t from, uint32_t s, unsigned bits);

/* Appends the segment of these rows. -1 when it does not fit. */
MUST_CHECK int keysegment_write(const struct keytable *t, size_t from, size_t to, struct buf *out);

enum keysegment_status { KEYSEGMENT_OK, KEYSEGMENT_NOT_FOUND, KEYSEGMENT_DAMAGED };

/* Finds the line with a hash; *line points into the segment. */
MUST_CHECK enum keysegment_status keysegment_find(
    struct span segment, unsigned bits, const uint8_t hash[static HASH_LEN], struct span *line);

#endif
