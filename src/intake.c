/* intake: see the header. */
#include "intake.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/num.h"

#define READ_PIECE (16 * KIB)

static struct span
param(const struct intake *in, const char *name)
{
	return span_of(in->seat->front->param(in->seat, name));
}

static enum fault
too_large(const struct intake *in, struct refusal *why)
{
	refusal_set(why, FAULT_TOO_LARGE, "The request body is larger than %" PRIu64 " bytes.",
	    in->conf->max_body);
	return FAULT_TOO_LARGE;
}

/* Whether a body takes longer than any client that means well: it holds a thread. */
static bool
is_slow(const struct intake *in, size_t size)
{
	int64_t may_ms = BODY_GRACE_MS + (int64_t)(size / BODY_BYTES_PER_MS);

	return clock_mono_ms() - in->started_ms > may_ms;
}

static enum fault
read_all(const struct intake *in, struct spool *body, struct refusal *why)
{
	char piece[READ_PIECE];
	size_t size = 0;

	for (;;) {
		ssize_t n = in->seat->front->read(in->seat, piece, sizeof(piece));

		if (n <= 0)
			return n < 0 ? FAULT_CLIENT_GONE : FAULT_NONE;
		size += (size_t)n;
		if (is_slow(in, size))
			return FAULT_SLOW_BODY;
		switch (spool_add(body, (struct span){ piece, (size_t)n })) {
		case SPOOL_OK:
			break;
		case SPOOL_FULL:
			return too_large(in, why);
		default:
			log_error("body",
			    "request_id=%s what=\"no memory or no room in the state folder: %m\"",
			    in->request_id);
			return FAULT_INTERNAL;
		}
	}
}

enum fault
intake_body(const struct intake *in, struct spool *body, struct refusal *why)
{
	struct span encoding = span_trim(param(in, "HTTP_CONTENT_ENCODING"));
	uint64_t announced;

	if (encoding.n > 0 && !span_eq_nocase(encoding, SPAN("identity"))) {
		refusal_set(why, FAULT_ENCODING, "Compressed request bodies are not taken.");
		why->error_code = "request_body_encoding_unsupported";
		return FAULT_ENCODING;
	}
	body->folder = in->conf->state;
	body->max = in->conf->max_body;
	if (num_u64(param(in, "CONTENT_LENGTH"), UINT64_MAX, &announced) == 0 &&
	    announced > in->conf->max_body)
		return too_large(in, why);
	return read_all(in, body, why);
}
