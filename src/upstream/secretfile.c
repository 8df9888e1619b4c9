/* secretfile: see the header. */
#include "upstream/secretfile.h"

#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "wire/header.h"

typedef int secretfile_reader(const char *path, struct buf *out);

static int
read_with(
    secretfile_reader *reader, const char *path, struct buf *out, char why[static MESSAGE_MAX])
{
	char *room;
	int error;

	*out = buf_make(SECRET_FILE_MAX);
	if (buf_room(out, SECRET_FILE_MAX, &room) == 0 && reader(path, out) == 0)
		return 0;
	error = errno;
	if (error == EFBIG)
		(void)snprintf(why, MESSAGE_MAX, "\"%s\" is too large for a secret", path);
	else if (error == EPERM)
		(void)snprintf(
		    why, MESSAGE_MAX, "\"%s\" is open to others: " SECRETFILE_MODE, path);
	else
		(void)snprintf(why, MESSAGE_MAX, "\"%s\" cannot be read: %m", path);
	errno = error;
	return -1;
}

int
secretfile_read(const char *path, struct buf *out, char why[static MESSAGE_MAX])
{
	return read_with(file_read_secret, path, out, why);
}

static int
line_with(
    secretfile_reader *reader, const char *path, struct buf *out, char why[static MESSAGE_MAX])
{
	struct span line;

	if (read_with(reader, path, out, why))
		return -1;
	line = span_trim(buf_span(out));
	if (line.n > 0 && header_value_ok(line)) {
		out->len = (size_t)(line.p + line.n - out->p);
		buf_drop(out, (size_t)(line.p - out->p));
		return 0;
	}
	(void)snprintf(why, MESSAGE_MAX, "\"%s\" %s", path,
	    line.n == 0			       ? "is empty"
		: memchr(line.p, '\n', line.n) ? "holds more than one line"
					       : "holds bytes that a header cannot");
	errno = EINVAL;
	return -1;
}

int
secretfile_line(const char *path, struct buf *out, char why[static MESSAGE_MAX])
{
	return line_with(file_read_secret, path, out, why);
}

int
secretfile_token(const char *path, struct buf *out, char why[static MESSAGE_MAX])
{
	return line_with(file_read, path, out, why);
}
