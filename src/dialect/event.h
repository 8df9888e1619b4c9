/* event: one event of the Messages API's streams, as far as its data has been looked at. */
#ifndef POSTERN_DIALECT_EVENT_H
#define POSTERN_DIALECT_EVENT_H

#include <stdint.h>

#include "base/span.h"

enum event_type {
	EVENT_OTHER,   /* unknown ones pass */
	EVENT_NOTHING, /* no data: comments, blank lines */
	EVENT_PING,
	EVENT_MESSAGE_START,
	EVENT_BLOCK_START,
	EVENT_BLOCK_DELTA,
	EVENT_BLOCK_STOP,
	EVENT_MESSAGE_DELTA,
	EVENT_MESSAGE_STOP,
	EVENT_ERROR,
};

struct event {
	enum event_type type;
	struct span type_name; /* of an event that came without a name: what its data says */
	struct span usage;     /* raw, of message_start and message_delta; p NULL: none */
	struct span metrics;   /* raw, of a message_stop of Bedrock; p NULL: none */
	uint64_t index;	       /* of the block that a block event is about; UINT64_MAX: none */
};

#endif
