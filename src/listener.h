/* listener: the listening socket that the program opens itself. */
#ifndef POSTERN_LISTENER_H
#define POSTERN_LISTENER_H

#include "base/check.h"

/* Opens `unix:/path` or `host:port` (a numeric address, [..] around IPv6; or a name). A socket file
 * left behind by a process that is gone is replaced; one that is served is not. Its mode is 0660,
 * for the group of the folder. Returns the descriptor, or -1 with the reason on standard error. */
MUST_CHECK int listener_open(const char *where);

/* Removes the socket file of `unix:/path`; nothing for others. */
void listener_remove(const char *where);

#endif
