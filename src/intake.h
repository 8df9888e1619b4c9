/* intake: the body of a request, read to its end and bounded in size and time. */
#ifndef POSTERN_INTAKE_H
#define POSTERN_INTAKE_H

#include <stdint.h>

#include "base/check.h"
#include "base/spool.h"
#include "dialect/dialect.h"
#include "front/front.h"
#include "policy/conf.h"

struct intake {
	struct front_seat *seat;
	const struct conf *conf;
	const char *request_id; /* for the log */
	int64_t started_ms;	/* the call, by clock_mono_ms */
};

/* Reads the body into an empty spool, whatever CONTENT_LENGTH says: some hosts do not know it.
 * FAULT_NONE when all of it is there; else why says what the client reads, where the fault does not
 * say enough. */
MUST_CHECK enum fault intake_body(const struct intake *in, struct spool *body, struct refusal *why);

#endif
