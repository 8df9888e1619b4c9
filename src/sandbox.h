/* sandbox: what a process that serves can reach of the machine, cut down to what its configuration
 * names. */
#ifndef POSTERN_SANDBOX_H
#define POSTERN_SANDBOX_H

#include "base/check.h"

/* Keeps the memory of this process out of core dumps and from other processes of its account. */
void sandbox_hide(void);

/* Reads the configuration (kinds: as conf_parse takes them) and, when it says sandbox = true, gives
 * up for good, for this thread and those that it starts:
 * - every file but those below the folders of the system, of the configuration and of what it
 * names, and writing outside the state folder (landlock(7));
 * - listening on TCP, where the kernel can tell (landlock of Linux 6.7);
 * - starting programs, tracing, mounting, namespaces, changing accounts and the like (seccomp(2)).
 * What the kernel does not have is logged and goes without. A configuration that cannot be read
 * asks for nothing: whoever reads it next says why. -1, logged, when it asks and a step fails that
 * the kernel has. */
MUST_CHECK int sandbox_enter(const char *conf_path, const char *const *kinds);

#endif
