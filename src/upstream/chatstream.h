/* chatstream: the stream of a chat completion as events of the Messages API
 * (https://platform.openai.com/docs/api-reference/chat/streaming). Pure. */
#ifndef POSTERN_UPSTREAM_CHATSTREAM_H
#define POSTERN_UPSTREAM_CHATSTREAM_H

#include "base/buf.h"
#include "base/check.h"
#include "policy/usage.h"
#include "upstream/chatblocks.h"
#include "upstream/chatlike.h"

/* Zero-initialise once. */
struct chatstream {
	struct chatblocks blocks;
	struct chatlike like;
	bool opened, closed; /* the message has begun; it has ended */
	bool counted;	     /* the server has told its counts */
	struct usage usage;  /* once counted */
};

/* Begins a stream; ask is borrowed until its end. */
void chatstream_begin(struct chatstream *c, const struct ask *ask);

/* Takes the data of the next chunk and appends the events that it makes, whole ones; an error in
 * it becomes an error event with the server's words. -1 with *why, a fixed text, when it is none,
 * or can be no part of an answer: events then holds what came before it. */
MUST_CHECK int chatstream_take(
    struct chatstream *c, struct span data, struct buf *events, const char **why);

/* The server has ended its answer as HTTP has it. Where nothing but its [DONE] is missing, the
 * message ends. -1 as chatstream_take. */
MUST_CHECK int chatstream_end(struct chatstream *c, struct buf *events, const char **why);

/* Whether the usage that its events tell is an estimate. */
bool chatstream_reckons(const struct chatstream *c);

/* Gives large memory back; what is small is kept for the next stream. */
void chatstream_rest(struct chatstream *c);

/* Frees it. */
void chatstream_free(struct chatstream *c);

#endif
