/* wrongkeys: which addresses have come with wrong keys, as all processes of a state folder have
 * seen it. A table of one boot of the machine, of a fixed size: what is pushed out of it is
 * forgiven. */
#ifndef POSTERN_STORE_WRONGKEYS_H
#define POSTERN_STORE_WRONGKEYS_H

#include <stdint.h>

#include "base/check.h"
#include "base/span.h"

struct wrongkeys;

/* Opens the table in the state folder. NULL when it cannot be, which is logged; all functions take
 * NULL for one in which nothing is counted. The folder is borrowed until the return. */
struct wrongkeys *wrongkeys_open(const char *folder);

/* Unmaps it. */
void wrongkeys_close(struct wrongkeys *w);

/* Counts a wrong key from an address (text; none when empty) at now (clock_mono_ms). 0 when it is
 * within per_minute (strikes.h); else the time in ms until the next would be. Safe for all threads
 * and processes. */
int64_t wrongkeys_add(
    struct wrongkeys *w, struct span address, int64_t now_ms, uint32_t per_minute);

#endif
