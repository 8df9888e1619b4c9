/* spool: the same bytes come back from memory and from the file, and the folder stays empty. */
#include "base/spool.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "unit/check.h"

static char
byte_at(uint64_t at)
{
	return (char)(at * 7 % 251);
}

static enum spool_status
fill(struct spool *s, size_t total, size_t piece)
{
	static char bytes[64 * KIB];
	enum spool_status status = SPOOL_OK;

	for (size_t at = 0; at < total && status == SPOOL_OK; at += piece) {
		size_t n = piece < total - at ? piece : total - at;

		for (size_t i = 0; i < n; i++)
			bytes[i] = byte_at(at + i);
		status = spool_add(s, (struct span){ bytes, n });
	}
	return status;
}

static bool
holds(struct spool *s, size_t total)
{
	struct span all;
	char some[1000];
	long n;

	if (spool_view(s, &all) < 0 || all.n != total || s->len != total)
		return false;
	for (size_t i = 0; i < total; i++) {
		if (all.p[i] != byte_at(i))
			return false;
	}
	for (uint64_t at = 0; (n = spool_read(s, at, some, sizeof(some))) > 0; at += (uint64_t)n) {
		if (memcmp(some, all.p + at, (size_t)n) != 0)
			return false;
		total -= (size_t)n;
	}
	return n == 0 && total == 0;
}

static bool
folder_is_empty(const char *folder)
{
	DIR *d = opendir(folder);
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n == 2;
}

static const struct {
	const char *what;
	size_t total, piece;
	bool file;
} sizes[] = {
	{ "no bytes", 0, 1, false },
	{ "few bytes", 1000, 7, false },
	{ "exactly what memory takes", BODY_MEMORY_MAX, 64 * KIB, false },
	{ "one byte more", BODY_MEMORY_MAX + 1, 64 * KIB, true },
	{ "many bytes in odd pieces", 3 * BODY_MEMORY_MAX + 17, 8191, true },
};

static void
rows_sizes(struct check *c, const char *folder)
{
	struct spool s;

	spool_init(&s, folder, 4 * MIB);
	for (size_t i = 0; i < ROWS(sizes); i++) {
		check_row(c, "%s", sizes[i].what);
		check_that(c, fill(&s, sizes[i].total, sizes[i].piece) == SPOOL_OK, "add");
		check_that(c, (s.fd >= 0) == sizes[i].file, "kept in the wrong place");
		check_that(c, holds(&s, sizes[i].total), "other bytes come back");
		spool_unview(&s);
		check_that(c, holds(&s, sizes[i].total), "other bytes the second time");
		check_that(c, folder_is_empty(folder), "the file has a name");
		spool_clear(&s, 16 * KIB);
		check_that(c, s.fd < 0 && s.len == 0 && !s.map, "not empty after clear");
	}
	spool_clear(&s, 0);
}

static void
row_full(struct check *c, const char *folder)
{
	struct spool s;

	check_row(c, "a spool holds its maximum and no byte more");
	spool_init(&s, folder, 2 * MIB);
	check_that(c, fill(&s, 2 * MIB, 64 * KIB) == SPOOL_OK, "2 MiB do not fit");
	check_that(c, spool_add(&s, SPAN("x")) == SPOOL_FULL, "one byte more fits");
	check_that(c, spool_add(&s, SPAN("")) == SPOOL_OK, "nothing does not fit");
	check_that(c, holds(&s, 2 * MIB), "other bytes come back");
	spool_clear(&s, 0);
}

static void
row_broken(struct check *c)
{
	struct spool s;

	check_row(c, "a folder that is not there");
	spool_init(&s, "/nonexistent/folder", 4 * MIB);
	check_that(c, fill(&s, BODY_MEMORY_MAX, 64 * KIB) == SPOOL_OK, "memory is full early");
	check_that(c, spool_add(&s, SPAN("x")) == SPOOL_BROKEN, "no fault");
	check_that(c, holds(&s, BODY_MEMORY_MAX), "what was there is lost");
	spool_clear(&s, 0);
}

int
main(void)
{
	struct check c = { .module = "spool" };
	char folder[] = "/tmp/postern-spool-XXXXXX";

	if (!mkdtemp(folder))
		return 1;
	rows_sizes(&c, folder);
	row_full(&c, folder);
	row_broken(&c);
	(void)rmdir(folder);
	return check_end(&c);
}
