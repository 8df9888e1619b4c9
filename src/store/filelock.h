/* filelock: one at a time, across processes, by a lock on a file that holds nothing else. */
#ifndef POSTERN_STORE_FILELOCK_H
#define POSTERN_STORE_FILELOCK_H

#include <stdint.h>

#include "base/check.h"

/* Opens the file, made with mode 0600 when missing. The descriptor, or -1 with errno set. */
MUST_CHECK int filelock_open(const char *path);

/* Takes the lock, waiting until deadline_ms on the clock of clock_mono_ms at most; one that is free
 * is taken even when the deadline has passed. -1 with errno EAGAIN when somebody else still holds
 * it. The threads of a process share the lock. */
MUST_CHECK int filelock_take(int fd, int64_t deadline_ms);

/* Gives the lock back; closing the descriptor does, too. */
void filelock_give(int fd);

#endif
