/* spool: see spool.h. The only maker of temporary files. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#endif

#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"

void
spool_init(struct spool *s, const char *folder, uint64_t max)
{
	*s = (struct spool){
		.mem = buf_make(BODY_MEMORY_MAX),
		.fd = -1,
		.max = max,
		.folder = folder,
	};
}

/* A file with a name that is taken away at once, for file systems without O_TMPFILE. */
static int
spool_open_named(const char *folder)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/.spool-XXXXXX", folder);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}

	int fd = mkostemp(path, O_CLOEXEC);

	if (fd >= 0 && unlink(path) < 0) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int
spool_open(const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	/* What kernels and file systems answer that do not know O_TMPFILE. */
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		fd = spool_open_named(folder);
	return fd;
}

static int
spool_write(int fd, struct span s, uint64_t at)
{
	while (s.n > 0) {
		ssize_t n = pwrite(fd, s.p, s.n, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		s = span_cut(s, (size_t)n, s.n);
		at += (uint64_t)n;
	}
	return 0;
}

/* Moves what memory holds into a new file. On failure the memory still holds it. */
static int
spool_spill(struct spool *s)
{
	int fd = spool_open(s->folder);

	if (fd < 0)
		return -1;
	if (spool_write(fd, buf_span(&s->mem), 0) < 0) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
		return -1;
	}
	buf_free(&s->mem);
	s->fd = fd;
	return 0;
}

enum spool_status
spool_add(struct spool *s, struct span piece)
{
	spool_unview(s);
	if (piece.n > s->max - s->len)
		return SPOOL_FULL;
	if (s->fd < 0 && piece.n <= s->mem.max - s->mem.len) {
		if (buf_add(&s->mem, piece) < 0)
			return SPOOL_BROKEN;
	} else {
		if (s->fd < 0 && spool_spill(s) < 0)
			return SPOOL_BROKEN;
		if (spool_write(s->fd, piece, s->len) < 0)
			return SPOOL_BROKEN;
	}
	s->len += piece.n;
	return SPOOL_OK;
}

int
spool_view(struct spool *s, struct span *out)
{
	if (s->fd < 0) {
		*out = buf_span(&s->mem);
		return 0;
	}
	if (!s->map) {
		void *map = mmap(NULL, (size_t)s->len, PROT_READ, MAP_PRIVATE, s->fd, 0);

		if (map == MAP_FAILED)
			return -1;
		(void)madvise(map, (size_t)s->len, MADV_SEQUENTIAL);
		s->map = map;
	}
	*out = (struct span){ s->map, (size_t)s->len };
	return 0;
}

void
spool_unview(struct spool *s)
{
	if (!s->map)
		return;
	(void)munmap(s->map, (size_t)s->len);
	s->map = NULL;
}

long
spool_read(const struct spool *s, uint64_t at, char *to, size_t n)
{
	if (at >= s->len)
		return 0;
	if (n > s->len - at)
		n = (size_t)(s->len - at);
	if (n > LONG_MAX)
		n = LONG_MAX;
	if (s->fd < 0) {
		memcpy(to, s->mem.p + at, n);
		return (long)n;
	}

	ssize_t got;

	do {
		got = pread(s->fd, to, n, (off_t)at);
	} while (got < 0 && errno == EINTR);
	return (long)got;
}

void
spool_clear(struct spool *s, size_t keep)
{
	spool_unview(s);
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
	s->len = 0;
	buf_reset(&s->mem, keep);
}
