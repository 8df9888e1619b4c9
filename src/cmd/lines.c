/* lines: see lines.h. */
#include "cmd/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
lines_open(struct lines *l, const char *path)
{
	struct stat st;

	l->ended = false;
	l->number = 0;
	l->at = l->n = 0;
	l->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l->fd < 0)
		return -1;
	if (fstat(l->fd, &st) < 0 || S_ISDIR(st.st_mode)) {
		lines_close(l);
		errno = EISDIR; /* an open file has a stat */
		return -1;
	}
	l->left = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : UINT64_MAX;
	return 0;
}

/* Reads on behind what is still to be given, which is put at the beginning. -1 with errno set. */
static int
fill(struct lines *l)
{
	size_t room = sizeof(l->memory) - l->n;
	ssize_t got;

	memmove(l->memory, l->memory + l->at, l->n);
	l->at = 0;
	do {
		got = read(l->fd, l->memory + l->n, l->left < room ? (size_t)l->left : room);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	l->ended = got == 0;
	l->n += (size_t)got;
	l->left -= (uint64_t)got;
	return 0;
}

/* Gives the next n bytes and passes over so many more. */
static struct span
take(struct lines *l, size_t n, size_t more)
{
	struct span s = { l->memory + l->at, n };

	l->at += n + more;
	l->n -= n + more;
	return s;
}

/* Passes over the rest of a line. */
static enum lines_found
skip(struct lines *l)
{
	for (;;) {
		const char *end = memchr(l->memory + l->at, '\n', l->n);

		(void)take(l, end ? (size_t)(end - (l->memory + l->at)) : l->n, end ? 1 : 0);
		if (end || l->ended)
			return LINES_LONG;
		if (fill(l) < 0)
			return LINES_BROKEN;
	}
}

enum lines_found
lines_next(struct lines *l, struct span *line)
{
	size_t looked = 0;

	l->number++;
	for (;;) {
		const char *from = l->memory + l->at;
		const char *end = memchr(from + looked, '\n', l->n - looked);

		if (end) {
			*line = take(l, (size_t)(end - from), 1);
			return LINES_LINE;
		}
		if (l->ended) {
			*line = take(l, l->n, 0);
			return line->n > 0 ? LINES_OPEN : LINES_END;
		}
		if (l->n == sizeof(l->memory))
			return skip(l);
		looked = l->n;
		if (fill(l) < 0)
			return LINES_BROKEN;
	}
}

void
lines_close(struct lines *l)
{
	(void)close(l->fd);
	l->fd = -1;
}
