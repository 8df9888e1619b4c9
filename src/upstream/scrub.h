/* scrub: takes the names of our own account out of what an upstream says. Pure. */
#ifndef POSTERN_UPSTREAM_SCRUB_H
#define POSTERN_UPSTREAM_SCRUB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

/* How many bytes at the front of text name an account; 0: they do not. begins: no digit stands
 * before them. */
typedef size_t scrub_account(const char *text, bool begins);

/* Puts `(account)` in the place of each; what does not fit any more is cut off. */
void scrub(char text[static MESSAGE_MAX], scrub_account *account_at);

#endif
