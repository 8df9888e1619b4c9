/* bootfile: see the header. */
#include "store/bootfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"

#define BOOT_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_NONE "noboot"
#define HEAD	  64u /* before the table: the name of the boot */
#define TRIES	  8   /* others may replace the file at the same time */

/* The kernel gives the text in one read or not at all. */
void
bootfile_boot(char out[static BOOTFILE_BOOT_LEN + 1])
{
	char text[BOOTFILE_BOOT_LEN];
	int fd = open(BOOT_FILE, O_RDONLY | O_CLOEXEC);

	memcpy(out, BOOT_NONE, sizeof(BOOT_NONE));
	if (fd >= 0 && read(fd, text, sizeof(text)) == (ssize_t)sizeof(text)) {
		memcpy(out, text, sizeof(text));
		out[BOOTFILE_BOOT_LEN] = '\0';
	}
	if (fd >= 0)
		(void)close(fd);
}

enum found { FOUND_ERROR, FOUND_TABLE, FOUND_EMPTY, FOUND_OTHER };

/* What a file holds. Called with its lock. */
static enum found
look(int fd, const char head[static HEAD], size_t size)
{
	char there[HEAD];
	struct stat st;

	if (fstat(fd, &st))
		return FOUND_ERROR;
	if (st.st_size == 0)
		return FOUND_EMPTY;
	return st.st_size == (off_t)(HEAD + size) && pread(fd, there, HEAD, 0) == (ssize_t)HEAD &&
		memcmp(there, head, HEAD) == 0
	    ? FOUND_TABLE
	    : FOUND_OTHER;
}

/* A disk that is full is an error here, and not a signal later. The head comes last: with it the
 * file is whole. */
static int
make(int fd, const char head[static HEAD], size_t size)
{
	int error = posix_fallocate(fd, 0, (off_t)(HEAD + size));

	if (error) {
		errno = error;
		return -1;
	}
	return pwrite(fd, head, HEAD, 0) == (ssize_t)HEAD ? 0 : -1;
}

/* Opens the file, makes sure of its lock and that it is this boot's. The descriptor, -1 with errno,
 * or -2 when it was another file by then. */
static int
open_locked(const char *path, const char head[static HEAD], size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	enum found found = FOUND_ERROR;
	int error;

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX) == 0)
		found = file_stands(fd, path) ? look(fd, head, size) : FOUND_OTHER;
	if (found == FOUND_TABLE || (found == FOUND_EMPTY && make(fd, head, size) == 0))
		return fd;
	error = errno;
	/* Never cut: others may have mapped it. */
	if (found == FOUND_OTHER && file_stands(fd, path))
		(void)unlink(path);
	(void)close(fd);
	errno = error;
	return found == FOUND_OTHER ? -2 : -1;
}

void *
bootfile_map(const char *folder, const char *name, size_t size)
{
	char path[PATH_MAX_LEN];
	char head[HEAD] = "";
	int fd = -2;
	char *p = MAP_FAILED;
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	bootfile_boot(head);
	for (unsigned i = 0; i < TRIES && fd == -2; i++)
		fd = open_locked(path, head, size);
	if (fd < 0)
		return NULL;
	p = mmap(NULL, HEAD + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/* A mapping keeps the lock alive beyond the descriptor. */
	(void)flock(fd, LOCK_UN);
	(void)close(fd);
	return p == MAP_FAILED ? NULL : p + HEAD;
}

void
bootfile_unmap(void *table, size_t size)
{
	if (table)
		(void)munmap((char *)table - HEAD, HEAD + size);
}
