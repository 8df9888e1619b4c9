/* limitsfile: see the header. The file is made under another name and then renamed: one that stands
 * under its own name is whole. */
#include "store/limitsfile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/bootfile.h"
#include "store/limiter.h"

#define WAIT_MS 10000 /* for another process that makes the file */

static int
join(const char *folder, const char *name, char out[static PATH_MAX_LEN])
{
	int n = snprintf(out, PATH_MAX_LEN, "%s/%s", folder, name);

	if (n > 0 && (size_t)n < PATH_MAX_LEN)
		return 0;
	log_error("books", "what=\"the path of the state folder is too long\"");
	return -1;
}

int
limitsfile_path(const char *folder, char out[static PATH_MAX_LEN])
{
	char boot[BOOTFILE_BOOT_LEN + 1];
	char name[32];

	bootfile_boot(boot);
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
