/* spool: bytes that are kept in memory while they are few and in an unlinked file when they are
 * many. The file has no name, so that nothing is left behind however the process ends. */
#ifndef POSTERN_BASE_SPOOL_H
#define POSTERN_BASE_SPOOL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"

struct spool {
	struct buf mem; /* everything while fd is -1; nothing afterwards */
	int fd;		/* the unlinked file, or -1 */
	uint64_t len;
	uint64_t max;
	const char *folder; /* where the file is made; borrowed */
	void *map;	    /* the file mapped for reading, by spool_view */
};

enum spool_status { SPOOL_OK = 0, SPOOL_FULL = -1, SPOOL_BROKEN = -2 };

/* Makes an empty spool that holds at most max bytes, the first BODY_MEMORY_MAX of them in memory.
 */
void spool_init(struct spool *s, const char *folder, uint64_t max);

/* Appends. SPOOL_FULL when it would pass max (nothing is kept of this piece), SPOOL_BROKEN when
 * memory or disk fails (errno says why). */
MUST_CHECK enum spool_status spool_add(struct spool *s, struct span piece);

/* All bytes as one span, valid until the next add, unview or clear: the memory itself, or a
 * read-only mapping of the file. -1 when the mapping fails. */
MUST_CHECK int spool_view(struct spool *s, struct span *out);

/* Gives a mapping back to the system (its pages count as ours while mapped). No-op for memory. */
void spool_unview(struct spool *s);

/* Copies up to n bytes from offset `at` into to; returns how many, 0 at the end, -1 on a read
 * error. */
MUST_CHECK long spool_read(const struct spool *s, uint64_t at, char *to, size_t n);

/* Frees everything (keeps up to `keep` bytes of memory for reuse); usable again after it. */
void spool_clear(struct spool *s, size_t keep);

#endif
