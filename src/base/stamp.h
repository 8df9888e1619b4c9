/* stamp: whether a file is still the one that was read. A file that changed within the clock tick
 * in which it was read cannot be told from its later self by its times alone, so a young stamp is
 * not settled and the file is read again. */
#ifndef POSTERN_BASE_STAMP_H
#define POSTERN_BASE_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

struct stamp {
	uint64_t dev, ino, size;
	int64_t mtime_ns, ctime_ns;
	int64_t taken_ns; /* wall clock when the stamp was taken; 0: nothing was read yet */
};

/* Takes the stamp of a path, before the file is read. -1 with errno set. */
MUST_CHECK int stamp_of(const char *path, struct stamp *out);

/* True when both stamps name the same content: identity, size and times. */
bool stamp_same(const struct stamp *a, const struct stamp *b);

/* True when what was read under `read` is still good under the stamp `now`: the same file, and
 * unchanged for long enough when it was read that no change can hide behind the same times. */
bool stamp_settled(const struct stamp *read, const struct stamp *now);

#endif
