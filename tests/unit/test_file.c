/* file: which files may hold secrets or keys, by owner and mode; what is no plain file, and what is
 * too large. */
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/check.h"

#define TEXT   "a secret\n"
#define NOBODY 65534

static char folder[] = "/tmp/test_file.XXXXXX";
static char file[sizeof(folder) + 16];

static void
make(void)
{
	FILE *f = fopen(file, "w");
	int rc = f ? fputs(TEXT, f) : -1;

	assert(rc >= 0);
	rc = fclose(f);
	assert(rc == 0);
}

static const struct {
	const char *what;
	unsigned mode;
	bool secret, kept;
} modes[] = {
	{ "its owner's", 0600, true, true },
	{ "its owner's to read", 0400, true, true },
	{ "its group may read it", 0640, false, true },
	{ "its group may write it", 0620, false, false },
	{ "all may read it", 0604, false, true },
	{ "all may write it", 0602, false, false },
	{ "all may do all", 0666, false, false },
	{ "a program", 0700, true, true },
};

/* 0, or errno. */
static int
reads(int (*read)(const char *path, struct buf *out))
{
	struct buf text = buf_make(100);
	int error = read(file, &text) ? errno : 0;

	if (!error && !span_eq(buf_span(&text), SPAN(TEXT)))
		error = -1;
	buf_free(&text);
	return error;
}

/* As the owner of the file, who is not root: to root a group is how others get at what is its own.
 */
static void
rows_own(struct check *c)
{
	for (size_t i = 0; i < ROWS(modes); i++) {
		check_row(c, "own: %s", modes[i].what);
		if (chmod(file, modes[i].mode))
			check_that(c, false, "no mode");
		check_that(c, reads(file_read) == 0, "it cannot be read");
		check_that(c, reads(file_read_secret) == (modes[i].secret ? 0 : EPERM),
		    "as a secret: %d", reads(file_read_secret));
		check_that(c, reads(file_read_kept) == (modes[i].kept ? 0 : EPERM), "as kept: %d",
		    reads(file_read_kept));
	}
}

/* A file of root's, read by way of its group. */
static void
rows_of_root(struct check *c)
{
	check_row(c, "root's, and its group may read it");
	check_that(c, reads(file_read_secret) == 0, "%d", reads(file_read_secret));
	check_that(c, reads(file_read_kept) == 0, "%d", reads(file_read_kept));
}

/* Runs rows as another account, which only root can; the results are printed there. */
static void
as_nobody(struct check *c, void (*rows)(struct check *c))
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	assert(pid >= 0);
	if (pid == 0) {
		struct check own = { .module = c->module };

		if (setgid(NOBODY) || setuid(NOBODY))
			_exit(1);
		rows(&own);
		status = check_end(&own);
		(void)fflush(stdout);
		_exit(status);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		check_row(c, "as another account");
		check_that(c, false, "ended with %d", status);
	}
}

static void
rows_errors(struct check *c)
{
	struct buf text = buf_make(sizeof(TEXT) - 2);

	check_row(c, "larger than the buffer");
	check_that(c, file_read(file, &text) < 0 && errno == EFBIG, "%m");
	check_row(c, "a folder");
	check_that(c, file_read(folder, &text) < 0 && errno == EINVAL, "%m");
	check_row(c, "none");
	check_that(c, file_read("/nonexistent/file", &text) < 0 && errno == ENOENT, "%m");
	buf_free(&text);
}

int
main(void)
{
	struct check c = { .module = "file" };

	if (!mkdtemp(folder) || chmod(folder, 0755))
		return 1;
	(void)snprintf(file, sizeof(file), "%s/file", folder);
	make();
	rows_errors(&c);
	if (geteuid() == 0) {
		if (chown(file, 0, NOBODY) || chmod(file, 0640))
			return 1;
		as_nobody(&c, rows_of_root);
		check_row(&c, "root itself");
		check_that(&c, reads(file_read_secret) == 0, "%d", reads(file_read_secret));
		if (chown(file, NOBODY, NOBODY))
			return 1;
		as_nobody(&c, rows_own);
	} else {
		rows_own(&c);
	}
	(void)unlink(file);
	(void)rmdir(folder);
	return check_end(&c);
}
