/* chunking: turns the chunks of a chat completion's stream into the events that they make, in
 * whatever pieces the bytes come. */
#ifndef POSTERN_CHUNKING_H
#define POSTERN_CHUNKING_H

#include "base/buf.h"
#include "base/check.h"
#include "upstream/chatstream.h"
#include "wire/sse.h"

struct chunking {
	struct buf tail;   /* the beginning of a chunk whose end has not come yet */
	struct buf joined; /* the data of a chunk that came in several lines */
	struct buf events; /* of the chunks that the last call completed */
	struct sse sse;
	struct chatstream chat;
};

/* All bounds set, all empty. */
void chunking_init(struct chunking *c);

/* Begins a stream; ask is borrowed until its end. */
void chunking_begin(struct chunking *c, const struct ask *ask);

/* Takes the next bytes; events then holds what the chunks completed by them say. -1 with *why, a
 * fixed text, when there is one that is none: events then holds what came before it. */
MUST_CHECK int chunking_feed(struct chunking *c, struct span bytes, const char **why);

/* The server has ended its answer as HTTP has it; events then holds what that makes. -1 as
 * chunking_feed. */
MUST_CHECK int chunking_end(struct chunking *c, const char **why);

/* Forgets what is left, for the next stream. */
void chunking_reset(struct chunking *c);

/* Frees it. */
void chunking_free(struct chunking *c);

#endif
