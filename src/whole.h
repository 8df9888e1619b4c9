/* whole: an upstream's answer that is no stream: collected, checked, told in the words of the
 * client's dialect, and sent in one piece, or read as an error. */
#ifndef POSTERN_WHOLE_H
#define POSTERN_WHOLE_H

#include "answer.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/spool.h"
#include "outcome.h"
#include "upstream/kind.h"

/* Memory that is kept between calls. */
struct whole {
	struct spool body;
	bool good;	   /* it is an answer, and no error */
	struct buf edited; /* what the kind has made of it */
	struct buf told;   /* the same in the words of another dialect */
};

/* What has come of a target; all borrowed. */
struct whole_facts {
	const struct ask *ask;
	const struct kind *kind;
	struct answer *answer;
	struct outcome *out;
	int status;
	const char *content_type; /* empty: ours */
	const char *error_type;	  /* x-amzn-errortype */
	struct buf *lines;	  /* header lines that go with the answer */
};

/* All bounds set, all empty. */
void whole_init(struct whole *w);

/* Begins a target; folder is where an answer that is large is kept, borrowed. */
void whole_begin(struct whole *w, const char *folder);

/* Says whether an answer comes or an error, which may become so large and no more. */
void whole_expect(struct whole *w, bool good);

/* Takes the next bytes. -1: the outcome says why. */
MUST_CHECK int whole_feed(struct whole *w, struct span bytes, struct outcome *out);

/* Passes the whole body on, or latches why not: its own error, or what is wrong with it. */
void whole_pass(struct whole *w, const struct whole_facts *f);

/* Frees what a call has left behind. */
void whole_rest(struct whole *w);

/* Frees it. */
void whole_free(struct whole *w);

#endif
