/* outcome: see the header. */
#include "outcome.h"

int
outcome_fail(struct outcome *o, enum fault f, const char *message)
{
	if (o->refusal.fault == FAULT_NONE)
		refusal_set(&o->refusal, f, "%s", message);
	return -1;
}

int
outcome_gone(struct outcome *o)
{
	return outcome_fail(o, FAULT_CLIENT_GONE, "");
}

int
outcome_put_tried(const struct outcome *o, struct buf *lines)
{
	return o->attempts.tried[0] ? buf_addf(lines, "postern-tried: %s\r\n", o->attempts.tried)
				    : 0;
}
