/* stream: an upstream's events on their way to the client. Only whole events go out, runs of them
 * in one piece where nothing is to be changed; the first failure is latched in the outcome. */
#ifndef POSTERN_STREAM_H
#define POSTERN_STREAM_H

#include <stdint.h>

#include "answer.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/spool.h"
#include "chunking.h"
#include "framing.h"
#include "outcome.h"
#include "upstream/kind.h"
#include "upstream/meter.h"
#include "wire/sse.h"

#define STREAM_TYPE "text/event-stream"

/* What an upstream's events come in. */
enum stream_form { STREAM_EVENTS, STREAM_FRAMES, STREAM_CHUNKS };

struct stream {
	/* Memory that is kept between calls. */
	struct framing framing;
	struct chunking chunking;
	struct buf edited; /* an event that was changed */
	struct buf told;   /* the same in the words of another dialect */
	struct buf hold;   /* the beginning of an event whose end has not come yet */
	struct buf joined; /* the data of an event that came in several lines */
	struct buf lines;  /* header lines that go with the answer */
	struct spool error;

	/* Of one call. */
	struct answer *answer;
	struct outcome *out;
	int64_t sent_ms; /* when the client was last sent anything */

	/* Of one target. */
	const struct ask *ask;
	const struct kind *kind;
	struct sse sse;
	struct retelling retelling; /* of a dialect that tells events in words of its own */
	char content_type[128];	    /* the upstream's; empty: ours */
	enum stream_form form;
	struct meter meter;
	int64_t closed_ms; /* when message_stop came */
};

/* All bounds set, all empty. */
void stream_init(struct stream *s);

/* Begins a call. Both are borrowed. */
void stream_call(struct stream *s, struct answer *a, struct outcome *out);

/* Begins a target. Both are borrowed; folder is where an error that is large is kept. */
void stream_target(
    struct stream *s, const struct ask *ask, const struct kind *kind, const char *folder);

/* Sends status and headers of a stream. -1: the outcome says why. */
MUST_CHECK int stream_begin(struct stream *s);

/* Says what the answer's events come in. */
void stream_take_form(struct stream *s, enum stream_form form);

/* Takes the next bytes of the upstream's and passes the events on that they complete. -1: the
 * outcome says why. */
MUST_CHECK int stream_feed(struct stream *s, struct span bytes);

/* The upstream has ended its answer as HTTP has it, which may complete the message. -1: the outcome
 * says why. */
MUST_CHECK int stream_end(struct stream *s);

/* Whether counts of it are an estimate; usage is completed where it was cut before its count came.
 */
bool stream_reckons(const struct stream *s, struct usage *usage);

/* Frees what a call has left behind. */
void stream_rest(struct stream *s);

/* Frees it. */
void stream_free(struct stream *s);

#endif
