/* framing: turns the frames of an event stream of AWS's into the events that they hold, in whatever
 * pieces the bytes come. */
#ifndef POSTERN_FRAMING_H
#define POSTERN_FRAMING_H

#include "base/buf.h"
#include "base/check.h"
#include "upstream/kind.h"

struct framing {
	struct buf tail;   /* the beginning of a frame whose end has not come yet */
	struct buf events; /* of the frames that the last feed completed */
};

/* All bounds set, all empty. */
void framing_init(struct framing *f);

/* Takes the next bytes; events then holds what the frames completed by them say, in the kind's
 * words. -1 with *why, a fixed text, when there is one that is broken: events then holds what came
 * before it, and nothing can be read behind it. */
MUST_CHECK int framing_feed(
    struct framing *f, const struct kind *kind, struct span chunk, const char **why);

/* Forgets what is left, for the next stream. */
void framing_reset(struct framing *f);

/* Frees it. */
void framing_free(struct framing *f);

#endif
