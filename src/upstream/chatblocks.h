/* chatblocks: what a chat completion's stream says in pieces, as the content blocks of the Messages
 * API, which come one after the other (messages-api.md 4): what comes between the pieces of a call
 * waits until its arguments are complete. Pure. */
#ifndef POSTERN_UPSTREAM_CHATBLOCKS_H
#define POSTERN_UPSTREAM_CHATBLOCKS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "upstream/chatargs.h"
#include "upstream/chatwords.h"
#include "upstream/kind.h"

enum chatpart_kind { PART_TEXT, PART_THINKING, PART_CALL };

/* What becomes a block. */
struct chatpart {
	enum chatpart_kind kind;
	struct buf text; /* inside JSON strings: of a call all of it, else what waits */
	size_t sent;	 /* so much of it went on */

	/* Of a call. */
	uint64_t index;	 /* the server's; UINT64_MAX: it gave none */
	struct buf id;	 /* inside of a JSON string */
	struct buf name; /* the same */
	struct chatargs args;
};

#define CHATBLOCKS_HALF 6u /* of an escape that is half of a pair */

/* Zero-initialise once. */
struct chatblocks {
	/* Of one stream. */
	const struct ask *ask;
	struct chatpart *parts; /* kept between streams */
	size_t parts_cap;
	size_t n;  /* parts of this stream; each one's place is the index of its block */
	size_t at; /* of the one whose block is open, or the next */
	bool open;
	size_t waiting;		    /* bytes that are kept */
	uint64_t told;		    /* bytes of what was said */
	struct chatstop stop;	    /* why it ended; whether it calls or refuses is noted here */
	char held[CHATBLOCKS_HALF]; /* half a character at the end of the open block's text */
	size_t held_n;

	/* Of one chunk. */
	struct buf *out; /* events are appended to it; full, they fail without a reason */
	const char *why; /* a fixed text; NULL: nothing is wrong, or out is full */
};

/* Begins a stream; ask is borrowed until its end. */
void chatblocks_begin(struct chatblocks *b, const struct ask *ask);

/* Takes a piece of text, inside of a JSON string: a chatwords_take, of which arg is the blocks. */
int chatblocks_text(void *arg, enum chat_piece piece, struct span text);

/* Takes a piece of a call, an element of `tool_calls`. -1 when it can be none. */
MUST_CHECK int chatblocks_call(struct chatblocks *b, struct span call);

/* Ends what is open and what waits, in its order. -1 when a call is not complete, but for
 * max_tokens having cut it short. */
MUST_CHECK int chatblocks_end(struct chatblocks *b);

/* Gives large memory back; what is small is kept for the next stream. */
void chatblocks_rest(struct chatblocks *b);

/* Frees it. */
void chatblocks_free(struct chatblocks *b);

#endif
