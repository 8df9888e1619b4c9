/* outcome: see the header. */
#include "outcome.h"

int
outcome_fail(struct outcome *o, enum fault f, const char *message)
{
	enum fault truth = f == FAULT_UP_ANSWER ? fault_in_truth(f) : f;

	if (o->refusal.fault == FAULT_NONE)
		refusal_set(&o->refusal, truth, "%s", truth == f ? message : "");
	return -1;
}

int
outcome_gone(struct outcome *o)
{
	return outcome_fail(o, FAULT_CLIENT_GONE, "");
}

int
outcome_unsent(struct outcome *o, const struct answer *a)
{
	return outcome_fail(o, answer_unsent(a), "");
}

int
outcome_put_tried(const struct outcome *o, struct buf *lines)
{
	return o->attempts.tried[0] ? buf_addf(lines, "postern-tried: %s\r\n", o->attempts.tried)
				    : 0;
}
