/* file: see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP 65536u

/* Reads to the end. The size is a hint: the file may grow or shrink meanwhile. */
static int
read_descriptor(int fd, size_t size, struct buf *out)
{
	size_t want = size + 1;
	ssize_t n;
	char *at;

	for (;;) {
		if (buf_room(out, want, &at) < 0) {
			errno = out->len + want > out->max ? EFBIG : ENOMEM;
			return -1;
		}
		n = read(fd, at, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : 0;
		out->len += (size_t)n;
		want = out->len < size + 1 ? size + 1 - out->len : READ_STEP;
	}
}

/* Whether a file is as closed to others as it has to be. */
typedef bool file_guard(const struct stat *st);

static bool
is_any(const struct stat *st)
{
	(void)st;
	return true;
}

static bool
is_secret(const struct stat *st)
{
	uid_t own = geteuid();
	mode_t group = st->st_uid == own && own != 0 ? S_IRWXG : S_IWGRP;

	return (st->st_mode & (S_IRWXO | group)) == 0;
}

static bool
is_kept(const struct stat *st)
{
	return (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int
read_guarded(const char *path, struct buf *out, file_guard *guard)
{
	/* Without O_NONBLOCK a FIFO in the place of the file would hold the caller for ever. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int rc = -1;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		rc = -1;
	else if (!S_ISREG(st.st_mode))
		errno = EINVAL;
	else if (!guard(&st))
		errno = EPERM;
	else if ((uint64_t)st.st_size > out->max)
		errno = EFBIG;
	else
		rc = read_descriptor(fd, (size_t)st.st_size, out);
	int saved = errno;
	(void)close(fd);
	errno = saved;
	return rc;
}

int
file_read(const char *path, struct buf *out)
{
	return read_guarded(path, out, is_any);
}

int
file_read_secret(const char *path, struct buf *out)
{
	return read_guarded(path, out, is_secret);
}

int
file_read_kept(const char *path, struct buf *out)
{
	return read_guarded(path, out, is_kept);
}

bool
file_stands(int fd, const char *path)
{
	struct stat own, named;

	if (fstat(fd, &own) < 0)
		return true;
	if (stat(path, &named) < 0)
		return errno != ENOENT && errno != ENOTDIR;
	return own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}
