/* ledgerlist: see ledgerlist.h. */
#include "cmd/ledgerlist.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"

#define PATTERN "ledger-*.jsonl"

static int
add(struct ledgerlist *l, const char *path)
{
	char **more = reallocarray(l->paths, l->n + 1, sizeof(*more));
	char *copy = strdup(path);

	if (more)
		l->paths = more;
	if (!more || !copy) {
		free(copy);
		return -1;
	}
	l->paths[l->n++] = copy;
	return 0;
}

static int
is_ledger(const struct dirent *e)
{
	return fnmatch(PATTERN, e->d_name, FNM_PERIOD) == 0;
}

static int
add_in(struct ledgerlist *l, const char *folder, const char *name)
{
	char path[2 * PATH_MAX_LEN];
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);

	if (n > 0 && (size_t)n < sizeof(path))
		return add(l, path);
	errno = ENAMETOOLONG;
	return -1;
}

int
ledgerlist_folder(struct ledgerlist *l, const char *folder)
{
	struct dirent **found = NULL;
	int n = scandir(folder, &found, is_ledger, alphasort);
	int rc = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : -1;
	for (int i = 0; i < n; i++) {
		if (rc == 0)
			rc = add_in(l, folder, found[i]->d_name);
		free(found[i]);
	}
	free(found);
	return rc;
}

static bool
is_same(const struct stat *a, const char *path)
{
	struct stat b;

	return stat(path, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

int
ledgerlist_file(struct ledgerlist *l, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0) {
		for (size_t i = 0; i < l->n; i++) {
			if (is_same(&st, l->paths[i]))
				return 0;
		}
	}
	return add(l, path);
}

void
ledgerlist_free(struct ledgerlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->paths[i]);
	free(l->paths);
	*l = (struct ledgerlist){ 0 };
}
