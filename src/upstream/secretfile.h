/* secretfile: reading files that hold secrets, into memory that has its whole size from the start,
 * so that growing leaves no copy behind. */
#ifndef POSTERN_UPSTREAM_SECRETFILE_H
#define POSTERN_UPSTREAM_SECRETFILE_H

#include "base/buf.h"
#include "base/check.h"
#include "base/limits.h"

/* What makes a file one that secrets may stand in (file_read_secret). */
#define SECRETFILE_MODE "chmod 0600, or 0640 where it belongs to root"

/* Reads a whole file of at most SECRET_FILE_MAX into out, empty before; the caller wipes it in
 * every case. -1 with why, which names the file, and errno: EPERM where others can read it. */
MUST_CHECK int secretfile_read(const char *path, struct buf *out, char why[static MESSAGE_MAX]);

/* The same of a file that holds one line which can stand in a header, without the blanks and line
 * ends around it. */
MUST_CHECK int secretfile_line(const char *path, struct buf *out, char why[static MESSAGE_MAX]);

/* As secretfile_line, of a token that a platform puts there, with a mode of its own choice. */
MUST_CHECK int secretfile_token(const char *path, struct buf *out, char why[static MESSAGE_MAX]);

#endif
