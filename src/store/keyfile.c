/* keyfile: see the header. It knows nothing of what the lines mean. */
#include "store/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "store/filelock.h"

#define LOCK_WAIT_MS 10000
#define MODE_NEW     0640
#define MODE_BITS    07777

static int PRINTF_LIKE(2, 3) complain(const char *path, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s: ", path);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return -1;
}

static int
write_all(int fd, struct span text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			text = span_cut(text, (size_t)n, text.n);
	}
	return 0;
}

/* Gives the new file the mode and the owner of the old one. Without the owner's rights the server
 * could no longer read it, so that this is an error. */
static int
take_after(int fd, const struct stat *old)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if ((st.st_uid != old->st_uid || st.st_gid != old->st_gid) &&
	    fchown(fd, old->st_uid, old->st_gid) < 0)
		return -1;
	return fchmod(fd, old->st_mode & MODE_BITS);
}

/* Syncs the folder of a path, so that a rename in it outlasts a power failure. */
static int
sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder =
	    slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		(void)close(fd);
	free(folder);
	return rc;
}

/* Writes the text to a file beside path and renames it. old is NULL when there is no file yet. */
static int
replace(const char *path, const struct stat *old, struct span text)
{
	char *temporary = NULL;
	int fd = -1;
	int rc = -1;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return complain(path, "out of memory");
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		(void)complain(path, "no temporary file can be made beside it: %m");
		goto out;
	}
	if ((old ? take_after(fd, old) : fchmod(fd, MODE_NEW)) < 0) {
		(void)complain(path, "its mode and owner cannot be kept: %m");
		goto out;
	}
	if (write_all(fd, text) < 0 || fsync(fd) < 0) {
		(void)complain(path, "cannot be written: %m");
		goto out;
	}
	if (rename(temporary, path) < 0) {
		(void)complain(path, "cannot be replaced: %m");
		goto out;
	}
	rc = sync_folder(path) < 0 ? complain(path, "its folder cannot be synced: %m") : 0;
out:
	if (fd >= 0)
		(void)close(fd);
	if (fd >= 0 && rc < 0)
		(void)unlink(temporary);
	free(temporary);
	return rc;
}

/* Reads, changes and writes; the lock is held. */
static int
edit_locked(const char *path, keyfile_change *change, void *arg)
{
	struct buf text = buf_make(KEY_FILE_MAX);
	struct buf changed = buf_make(KEY_FILE_MAX);
	struct stat st;
	bool there = stat(path, &st) == 0;
	int rc = -1;

	if (there ? file_read(path, &text) < 0 : errno != ENOENT)
		(void)complain(path, "cannot be read: %m");
	else
		rc = change(arg, buf_span(&text), &changed);
	if (rc == 0)
		rc = replace(path, there ? &st : NULL, buf_span(&changed));
	buf_free(&text);
	buf_free(&changed);
	return rc < 0 ? -1 : 0;
}

/* Takes the lock that belongs to a path; the descriptor, or -1. */
static int
lock(const char *path)
{
	char *name = NULL;
	int fd;

	if (asprintf(&name, "%s.lock", path) < 0)
		return complain(path, "out of memory");
	fd = filelock_open(name);
	if (fd < 0) {
		(void)complain(name, "cannot be opened: %m");
	} else if (filelock_take(fd, clock_mono_ms() + LOCK_WAIT_MS) < 0) {
		(void)complain(name, "somebody else is changing the keys: %m");
		(void)close(fd);
		fd = -1;
	}
	free(name);
	return fd;
}

int
keyfile_edit(const char *path, keyfile_change *change, void *arg)
{
	/* A link is followed, so that what it points to is replaced and not the link. */
	char *real = realpath(path, NULL);
	const char *target = real ? real : path;
	int fd = lock(target);
	int rc = -1;

	if (fd >= 0) {
		rc = edit_locked(target, change, arg);
		(void)close(fd);
	}
	free(real);
	return rc;
}
