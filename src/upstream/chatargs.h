/* chatargs: follows the arguments of a call as they come in pieces, to know when they are all
 * there. Pure. */
#ifndef POSTERN_UPSTREAM_CHATARGS_H
#define POSTERN_UPSTREAM_CHATARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/* Zero-initialise for every call. */
struct chatargs {
	size_t depth;
	bool begun;    /* the object's first brace has come */
	bool complete; /* its last one too */
	bool behind;   /* something that is no blank came behind it */
	bool string;   /* in a string */
	bool escaped;  /* behind a backslash in it */
};

/* Takes the next piece: what is inside a JSON string. Whether the object is good JSON otherwise is
 * not looked at. */
void chatargs_feed(struct chatargs *a, struct span piece);

#endif
