/* bootfile: one table for all who map it, whoever makes it; a file of another boot or size gives
 * way without harm to those who still have it. */
#include "store/bootfile.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/check.h"

#define SMALL 4096u
#define LARGE 100000u

static char folder[] = "/tmp/test_bootfile.XXXXXX";
static char file[sizeof(folder) + 16];

static bool
is_zero(const char *table, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (table[i])
			return false;
	return true;
}

static void
rows_share(struct check *t)
{
	char *a = bootfile_map(folder, "table", SMALL);
	char *b = bootfile_map(folder, "table", SMALL);

	assert(a && b);
	check_row(t, "a new table is zero, and two share it");
	check_that(t, is_zero(a, SMALL), "it is not");
	a[SMALL - 1] = 7;
	check_that(t, b[SMALL - 1] == 7, "they do not");
	bootfile_unmap(a, SMALL);
	bootfile_unmap(b, SMALL);
	check_row(t, "it stays");
	a = bootfile_map(folder, "table", SMALL);
	check_that(t, a && a[SMALL - 1] == 7, "it is forgotten");
	check_row(t, "another version's table of another size, while this one is in use");
	b = bootfile_map(folder, "table", LARGE);
	assert(a && b);
	check_that(t, is_zero(b, LARGE), "it is not new");
	memset(a, 1, SMALL);
	check_that(t, is_zero(b, LARGE), "they share it");
	bootfile_unmap(a, SMALL);
	bootfile_unmap(b, LARGE);
	bootfile_unmap(NULL, SMALL);
}

static void
row_other_boot(struct check *t)
{
	char *a = bootfile_map(folder, "table", SMALL);
	int fd = open(file, O_WRONLY);
	ssize_t n = pwrite(fd, "elsewhen", 8, 0);
	char *b;

	assert(a && fd >= 0 && n == 8);
	(void)close(fd);
	check_row(t, "a table of another boot");
	a[0] = 9;
	b = bootfile_map(folder, "table", SMALL);
	check_that(t, b && is_zero(b, SMALL), "it is believed");
	bootfile_unmap(a, SMALL);
	bootfile_unmap(b, SMALL);
}

/* Many make it at once, over a file that has to go first. */
static void
row_processes(struct check *t)
{
	enum { PROCESSES = 16, ROUNDS = 20 };
	unsigned wrong = 0;

	check_row(t, "%d processes make it at once, %d times", PROCESSES, ROUNDS);
	for (int round = 0; round < ROUNDS; round++) {
		size_t size = round % 2 ? SMALL : LARGE;
		_Atomic unsigned *table;

		for (int i = 0; i < PROCESSES; i++) {
			pid_t pid = fork();

			assert(pid >= 0);
			if (pid > 0)
				continue;
			table = bootfile_map(folder, "table", size);
			if (table)
				atomic_fetch_add(table, 1);
			bootfile_unmap(table, size);
			_exit(0);
		}
		while (wait(NULL) > 0)
			;
		table = bootfile_map(folder, "table", size);
		wrong += !table || *table != PROCESSES;
		bootfile_unmap(table, size);
	}
	check_that(t, wrong == 0, "%u times not all had the same", wrong);
}

static void
rows_errors(struct check *t)
{
	char other[64];

	check_row(t, "no folder");
	check_that(t, !bootfile_map("/nonexistent/folder", "table", SMALL), "mapped");
	check_row(t, "a link in its place");
	(void)snprintf(other, sizeof(other), "%s/other", folder);
	(void)unlink(file);
	check_that(t,
	    symlink(other, file) == 0 && !bootfile_map(folder, "table", SMALL) &&
		access(other, F_OK),
	    "it was followed");
}

int
main(void)
{
	struct check c = { .module = "bootfile" };

	if (!mkdtemp(folder))
		return 1;
	(void)snprintf(file, sizeof(file), "%s/table", folder);
	rows_share(&c);
	row_other_boot(&c);
	row_processes(&c);
	rows_errors(&c);
	(void)unlink(file);
	(void)rmdir(folder);
	return check_end(&c);
}
