/* meter: follows the events of one stream on the side: whether their grammar holds, and how many
 * tokens they speak of. Pure. */
#ifndef POSTERN_UPSTREAM_METER_H
#define POSTERN_UPSTREAM_METER_H

#include "policy/usage.h"
#include "upstream/kind.h"

struct meter {
	bool opened;	   /* message_start has passed */
	bool closed;	   /* message_stop has passed */
	bool odd;	   /* blocks came out of order */
	bool block_open;   /* the last block has not ended */
	bool counted;	   /* the upstream has said how many tokens it put out */
	uint64_t blocks;   /* content blocks begun so far */
	uint64_t reckoned; /* the output that went by, in tokens, as far as its text tells */
};

/* Takes an event that is not an error into account; usage is set to what it counts. NULL, or what
 * is wrong with it, a fixed text for the client (messages-api.md 4): nothing comes before
 * message_start, which comes once. Blocks out of order are noted and let pass, since a newer API
 * may have its reasons. */
const char *meter_event(
    struct meter *m, const struct event *what, struct span data, struct usage *usage);

/* Completes the usage of a stream that was cut before its count came: with what went by. True when
 * that changed it. */
bool meter_complete(const struct meter *m, struct usage *usage);

#endif
