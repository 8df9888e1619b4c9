/* lines: a file line by line, in bounded memory, of any bytes. What is appended to it after it was
 * opened is not looked at, so that there is an end. */
#ifndef POSTERN_CMD_LINES_H
#define POSTERN_CMD_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/span.h"

#define LINES_MAX (4 * LEDGER_LINE_MAX) /* of a line */

struct lines {
	int fd;
	uint64_t left;	 /* bytes that are still to be read */
	bool ended;	 /* there is nothing more to read */
	uint64_t number; /* of the last line, from 1 */
	size_t at, n;	 /* what is still to be given out of the memory */
	char memory[LINES_MAX];
};

enum lines_found {
	LINES_END,
	LINES_LINE,
	LINES_OPEN,   /* the last line, without its newline */
	LINES_LONG,   /* one over LINES_MAX; it was passed over, as far as it goes */
	LINES_BROKEN, /* errno says why */
};

/* Opens a file; -1 with errno set. It may be a pipe. */
MUST_CHECK int lines_open(struct lines *l, const char *path);

/* The next line without its newline, valid until the next call. */
enum lines_found lines_next(struct lines *l, struct span *line);

/* Closes what lines_open opened. */
void lines_close(struct lines *l);

#endif
