/* meter: see the header. */
#include "upstream/meter.h"

#include <string.h>

/* Around the text of a delta stand about 80 bytes; text has about 4 bytes a token; and a delta is a
 * token or more. */
#define DELTA_FRAME 80u
#define DELTA_HEAD  100u /* its type stands in so many bytes */
#define TOKEN_BYTES 4u

static bool
is_block(const struct event *what)
{
	return what->type >= EVENT_BLOCK_START && what->type <= EVENT_BLOCK_STOP;
}

/* Blocks come one after the other, each begun, continued and ended under its own index. */
static void
follow_blocks(struct meter *m, const struct event *what)
{
	bool right;

	if (what->type == EVENT_BLOCK_START) {
		right = !m->block_open && what->index == m->blocks;
		m->block_open = true;
		m->blocks++;
	} else {
		right = m->block_open && what->index == m->blocks - 1;
		m->block_open = m->block_open && what->type != EVENT_BLOCK_STOP;
	}
	m->odd = m->odd || !right;
}

/* A signature is no output. */
static void
reckon(struct meter *m, struct span data)
{
	struct span head = span_cut(data, 0, data.n < DELTA_HEAD ? data.n : DELTA_HEAD);
	struct span signature = SPAN("signature_delta");

	if (head.n > 0 && memmem(head.p, head.n, signature.p, signature.n))
		return;
	m->reckoned +=
	    data.n >= DELTA_FRAME + TOKEN_BYTES ? (data.n - DELTA_FRAME) / TOKEN_BYTES : 1;
}

static void
count(struct meter *m, const struct event *what, struct span data, struct usage *usage)
{
	if (what->type == EVENT_BLOCK_DELTA)
		reckon(m, data);
	if (what->metrics.p)
		usage_metrics(usage, what->metrics);
	if (!what->usage.p)
		return;
	usage_set(usage, what->usage);
	m->counted = m->counted || what->type == EVENT_MESSAGE_DELTA;
}

const char *
meter_event(struct meter *m, const struct event *what, struct span data, struct usage *usage)
{
	if (what->type == EVENT_MESSAGE_START && m->opened)
		return "The upstream began its message twice.";
	if (what->type >= EVENT_BLOCK_START && what->type <= EVENT_MESSAGE_STOP && !m->opened)
		return "The upstream's stream did not begin with message_start.";
	if (is_block(what))
		follow_blocks(m, what);
	m->opened = m->opened || what->type == EVENT_MESSAGE_START;
	m->closed = m->closed || what->type == EVENT_MESSAGE_STOP;
	count(m, what, data, usage);
	return NULL;
}

bool
meter_complete(const struct meter *m, struct usage *usage)
{
	if (!m->opened || m->closed || m->counted || m->reckoned <= usage->output)
		return false;
	usage->output = m->reckoned;
	return true;
}
