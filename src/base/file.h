/* file: reading a whole file, and telling files apart. */
#ifndef POSTERN_BASE_FILE_H
#define POSTERN_BASE_FILE_H

#include "base/buf.h"
#include "base/check.h"

/* Appends the whole file to out. -1 with errno set: a missing file, one that is not a plain file
 * (EINVAL) and one over what out may hold (EFBIG) are errors. */
MUST_CHECK int file_read(const char *path, struct buf *out);

/* As file_read, but EPERM where others may have read or written it: a file that every user may
 * read, write or execute, or that its group may write, or read where it belongs to this very
 * account. (A group that may read the file of another owner, such as root, is how this account gets
 * at it.) */
MUST_CHECK int file_read_secret(const char *path, struct buf *out);

/* As file_read, but EPERM where another than its owner may have written it. */
MUST_CHECK int file_read_kept(const char *path, struct buf *out);

/* Whether the path still names the file that is open here; true when that cannot be known. */
bool file_stands(int fd, const char *path);

#endif
