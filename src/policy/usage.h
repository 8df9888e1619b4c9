/* usage: the token counts of a call, as the Messages API reports them. Pure. */
#ifndef POSTERN_POLICY_USAGE_H
#define POSTERN_POLICY_USAGE_H

#include <stdint.h>

#include "base/span.h"

struct usage {
	uint64_t input; /* without cache reads and writes */
	uint64_t output;
	uint64_t cache_write;	 /* cache_creation_input_tokens: both rates together */
	uint64_t cache_write_1h; /* the part of it at the one-hour rate */
	uint64_t cache_read;
};

/* Takes the counts out of a `usage` object. What is absent or null stays; what is there is set,
 * never added: the counts of message_delta are cumulative. */
void usage_set(struct usage *u, struct span usage_object);

/* Takes the counts out of Bedrock's invocation metrics, where the events gave none. */
void usage_metrics(struct usage *u, struct span metrics_object);

/* True when nothing at all was counted. */
bool usage_none(const struct usage *u);

#endif
