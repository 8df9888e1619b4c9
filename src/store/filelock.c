/* filelock: see the header. flock, because its lock belongs to the open file: closing some other
 * descriptor of the same file does not lose it. It has no limit of time, so that the wait is in
 * short steps. */
#include "store/filelock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/file.h>

#include "base/clock.h"

#define STEP_MS 5

int
filelock_open(const char *path)
{
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int
filelock_take(int fd, int64_t deadline_ms)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -1;
		if (clock_mono_ms() >= deadline_ms) {
			errno = EAGAIN;
			return -1;
		}
		(void)poll(NULL, 0, STEP_MS);
	}
	return 0;
}

void
filelock_give(int fd)
{
	(void)flock(fd, LOCK_UN);
}
