/* limitsfile: see the header. The file is made under another name and then renamed: one that stands
 * under its own name is whole. */
#include "store/limitsfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/limiter.h"

#define BOOT_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_NONE "noboot"
#define WAIT_MS	  10000 /* for another process that makes the file */

static int
join(const char *folder, const char *name, char out[static PATH_MAX_LEN])
{
	int n = snprintf(out, PATH_MAX_LEN, "%s/%s", folder, name);

	if (n > 0 && (size_t)n < PATH_MAX_LEN)
		return 0;
	log_error("books", "what=\"the path of the state folder is too long\"");
	return -1;
}

/* The kernel gives the text in one read or not at all. */
void
limitsfile_boot(char out[static LIMITSFILE_BOOT_LEN + 1])
{
	char text[LIMITSFILE_BOOT_LEN];
	int fd = open(BOOT_FILE, O_RDONLY | O_CLOEXEC);

	memcpy(out, BOOT_NONE, sizeof(BOOT_NONE));
	if (fd >= 0 && read(fd, text, sizeof(text)) == (ssize_t)sizeof(text)) {
		memcpy(out, text, sizeof(text));
		out[LIMITSFILE_BOOT_LEN] = '\0';
	}
	if (fd >= 0)
		(void)close(fd);
}

int
limitsfile_path(const char *folder, char out[static PATH_MAX_LEN])
{
	char boot[LIMITSFILE_BOOT_LEN + 1];
	char name[32];

	limitsfile_boot(boot);
	(void)snprintf(name, sizeof(name), "limits-%s.mdb", boot);
	return join(folder, name, out);
}

/* Removes what other boots have left, and an attempt to make this one's. What cannot be removed
 * does no harm. */
static void
remove_stale(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (span_starts(span_of(e->d_name), SPAN("limits-")))
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		(void)closedir(dir);
}

static int
make(const char *folder, const char *path, struct drain *d)
{
	char making[PATH_MAX_LEN], lock[PATH_MAX_LEN];
	struct totals_mark mark;
	struct limiter *l;

	remove_stale(folder);
	if (join(folder, "limits-new.mdb", making) < 0 ||
	    join(folder, "limits-new.mdb-lock", lock) < 0 || drain_catch_up(d, &mark) != STORE_OK)
		return -1;
	l = limiter_open(making, mark.seq, NULL, NULL, false);
	if (!l)
		return -1;
	limiter_close(l);
	(void)unlink(lock);
	if (rename(making, path) == 0)
		return 0;
	log_error("books", "what=\"the file of the limits cannot get its name: %m\"");
	return -1;
}

static bool
is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

int
limitsfile_need(const char *folder, const char *path, struct drain *d)
{
	int rc = 0;

	if (is_there(path))
		return 0;
	if (drain_lock(d, WAIT_MS) < 0) {
		if (errno == EAGAIN)
			log_error("books", "what=\"another process holds drain.lock for long\"");
		return -1;
	}
	if (!is_there(path))
		rc = make(folder, path, d);
	drain_unlock(d);
	return rc;
}
