/* stamp: a file that is the same, one that is not, and one that may hide a change. */
#include "base/stamp.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "unit/check.h"

#define S 1000000000LL

static const struct stamp old = { .dev = 1,
	.ino = 2,
	.size = 3,
	.mtime_ns = 10 * S,
	.ctime_ns = 10 * S,
	.taken_ns = 20 * S };

static const struct {
	const char *what;
	struct stamp read, now;
	bool same, settled;
} rows[] = {
#define OLD(...)                                                                                   \
	{                                                                                          \
		.dev = 1, .ino = 2, .size = 3, .mtime_ns = 10 * S, .ctime_ns = 10 * S, __VA_ARGS__ \
	}
	{ "the same", OLD(.taken_ns = 20 * S), OLD(.taken_ns = 30 * S), true, true },
	{ "never read", OLD(.taken_ns = 0), OLD(.taken_ns = 30 * S), true, false },
	{ "nothing at all", { 0 }, { 0 }, true, false },
	{ "read in the tick of its change", OLD(.taken_ns = 10 * S + 1000000),
	    OLD(.taken_ns = 30 * S), true, false },
	{ "read before its change", OLD(.taken_ns = 9 * S), OLD(.taken_ns = 30 * S), true, false },
	{ "another device", OLD(.taken_ns = 20 * S),
	    { .dev = 9, .ino = 2, .size = 3, .mtime_ns = 10 * S, .ctime_ns = 10 * S }, false,
	    false },
	{ "another file", OLD(.taken_ns = 20 * S),
	    { .dev = 1, .ino = 9, .size = 3, .mtime_ns = 10 * S, .ctime_ns = 10 * S }, false,
	    false },
	{ "another size", OLD(.taken_ns = 20 * S),
	    { .dev = 1, .ino = 2, .size = 9, .mtime_ns = 10 * S, .ctime_ns = 10 * S }, false,
	    false },
	{ "written", OLD(.taken_ns = 20 * S),
	    { .dev = 1, .ino = 2, .size = 3, .mtime_ns = 10 * S + 1, .ctime_ns = 10 * S }, false,
	    false },
	{ "its times put back by hand", OLD(.taken_ns = 20 * S),
	    { .dev = 1, .ino = 2, .size = 3, .mtime_ns = 10 * S, .ctime_ns = 21 * S }, false,
	    false },
};

static void
row_real(struct check *c)
{
	char path[] = "/tmp/postern-stamp-XXXXXX";
	int fd = mkstemp(path);
	struct stamp first = { 0 }, second = { 0 };
	struct timespec past[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000, .tv_nsec = 5 } };

	check_row(c, "a real file");
	check_that(c, fd >= 0 && stamp_of(path, &first) == 0, "no stamp");
	check_that(
	    c, first.size == 0 && first.ino != 0 && first.taken_ns >= first.mtime_ns, "odd values");
	check_that(c, stamp_of(path, &second) == 0 && stamp_same(&first, &second), "not the same");
	check_that(c, !stamp_settled(&first, &second), "a young file is settled");
	check_that(c, write(fd, "x", 1) == 1 && stamp_of(path, &second) == 0, "no second stamp");
	check_that(c, !stamp_same(&first, &second), "the same");
	check_that(c, futimens(fd, past) == 0 && stamp_of(path, &second) == 0, "no third stamp");
	check_that(
	    c, second.mtime_ns == 1000 * S + 5, "its time is %lld", (long long)second.mtime_ns);
	check_that(c, !stamp_settled(&second, &second), "settled though its change is young");
	(void)close(fd);
	(void)unlink(path);
	check_row(c, "a file that is not there");
	check_that(c, stamp_of(path, &first) == -1, "a stamp");
}

int
main(void)
{
	struct check c = { .module = "stamp" };

	check_row(&c, "a stamp is itself");
	check_that(&c, stamp_same(&old, &old) && stamp_settled(&old, &old), "it is not");
	for (size_t i = 0; i < ROWS(rows); i++) {
		check_row(&c, "%s", rows[i].what);
		check_that(&c, stamp_same(&rows[i].read, &rows[i].now) == rows[i].same, "same");
		check_that(
		    &c, stamp_settled(&rows[i].read, &rows[i].now) == rows[i].settled, "settled");
	}
	row_real(&c);
	return check_end(&c);
}
