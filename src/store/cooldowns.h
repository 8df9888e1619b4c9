/* cooldowns: which upstreams fail, as all processes of a state folder have seen it. A file of one
 * boot of the machine that all map; what it says is advice, and nothing is lost with it. */
#ifndef POSTERN_STORE_COOLDOWNS_H
#define POSTERN_STORE_COOLDOWNS_H

#include <stdint.h>

#include "base/check.h"

struct cooldowns;

/* Opens the file in the state folder, made when missing or of another boot. NULL when it cannot be,
 * which is logged; all functions take NULL for one in which nothing rests. Its path is borrowed
 * until the return. */
struct cooldowns *cooldowns_open(const char *folder);

/* Unmaps it. */
void cooldowns_close(struct cooldowns *c);

enum cooldown {
	COOLDOWN_NONE,	/* it may be asked */
	COOLDOWN_PROBE, /* its rest is over, and this call is the one that finds out */
	COOLDOWN_RESTS, /* it is to be asked last */
};

/* How an upstream stands at now (clock_mono_ms). After COOLDOWN_PROBE it rests for all others until
 * the result is told, or for some seconds. */
enum cooldown cooldowns_look(struct cooldowns *c, const char *upstream, int64_t now_ms);

/* Tells that it failed, and what it asked for by retry-after (-1: nothing); max_ms: the longest
 * rest. */
void cooldowns_failed(struct cooldowns *c, const char *upstream, int64_t now_ms,
    int64_t retry_after_ms, int64_t max_ms);

/* Tells that it answered. */
void cooldowns_good(struct cooldowns *c, const char *upstream);

#endif
