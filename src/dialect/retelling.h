/* retelling: what a dialect that is not the API's own keeps of a stream while it tells it in its
 * own words. */
#ifndef POSTERN_DIALECT_RETELLING_H
#define POSTERN_DIALECT_RETELLING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "policy/usage.h"

#define RETELLING_ID_LEN    128u /* of an id, quoted, as JSON */
#define RETELLING_MODEL_LEN (6 * MODEL_MAX + 2)

enum retelling_block { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL };

struct retelling {
	int64_t created; /* Unix seconds */
	bool wants_usage;
	char id[RETELLING_ID_LEN + 1];	     /* raw JSON, as the events give it */
	char model[RETELLING_MODEL_LEN + 1]; /* the same */
	enum retelling_block block;	     /* that is open */
	uint64_t tools;			     /* how many calls of tools have begun */
	bool argued;			     /* the open tool's arguments have begun */
	bool finished;			     /* the reason of the end was told */
	struct usage usage;
};

#endif
