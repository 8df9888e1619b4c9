/* secretfile: see the header. */
#include "upstream/secretfile.h"

#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "wire/header.h"

int
secretfile_read(const char *path, struct buf *out, char why[static MESSAGE_MAX])
{
	char *room;
	int error;

	*out = buf_make(SECRET_FILE_MAX);
	if (buf_room(out, SECRET_FILE_MAX, &room) == 0 && file_read(path, out) == 0)
		return 0;
	error = errno;
	(void)snprintf(why, MESSAGE_MAX, "\"%s\" %s", path,
	    error == EFBIG ? "is too large for a secret" : "cannot be read");
	if (error != EFBIG) {
		size_t n = strlen(why);

		(void)snprintf(why + n, MESSAGE_MAX - n, ": %m");
	}
	errno = error;
	return -1;
}

int
secretfile_line(const char *path, struct buf *out, char why[static MESSAGE_MAX])
{
	struct span line;

	if (secretfile_read(path, out, why))
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
