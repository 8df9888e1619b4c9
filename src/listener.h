/* listener: the listening socket that the program opens itself. */
#ifndef POSTERN_LISTENER_H
#define POSTERN_LISTENER_H

#include <stdint.h>

#include "base/check.h"

/* Which socket file was made; all zero: none. */
struct listener_file {
	uint64_t dev, ino;
};

/* Opens `unix:/path` or `host:port` (a numeric address, [..] around IPv6; or a name). A socket file
 * that nobody serves is replaced; one that is served, or may be, is not, nor is any other file. Its
 * mode is 0660, for the group of the folder. Returns the descriptor, or -1 with the reason on
 * standard error. */
MUST_CHECK int listener_open(const char *where, struct listener_file *made);

/* Removes the socket file of `unix:/path` if it is still the one that was made: a successor may
 * have put its own there. */
void listener_remove(const char *where, const struct listener_file *made);

#endif
