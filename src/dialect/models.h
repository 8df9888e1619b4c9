/* models: the lists of models in the Messages API's shape (messages-api.md 1), out of the
 * configuration. Pure. */
#ifndef POSTERN_DIALECT_MODELS_H
#define POSTERN_DIALECT_MODELS_H

#include "base/buf.h"
#include "base/check.h"
#include "dialect/dialect.h"
#include "policy/route.h"

struct models_query {
	const struct conf *conf;
	struct span region;
	struct route_who who;
	/* Where the page begins behind, or ends before; one that is not listed gives an empty page.
	 */
	bool anchored, back;
	char anchor[MODEL_MAX + 1];
	uint64_t limit;
};

enum models_found { MODELS_FOUND = 0, MODELS_UNKNOWN = 1, MODELS_BROKEN = -1 };

/* Reads limit (1 to 1000, default 20), after_id and before_id from a query string; others are
 * ignored. -1 with why->message for a limit that is none. */
MUST_CHECK int models_query_parse(struct models_query *q, struct span query, struct refusal *why);

/* Appends the page `{data, has_more, first_id, last_id}` of the models that key and workspace may
 * use in the region, in the order of the configuration. -1 when out is full. */
MUST_CHECK int models_list(const struct models_query *q, struct buf *out);

/* Appends one model. */
MUST_CHECK enum models_found models_one(
    const struct models_query *q, struct span id, struct buf *out);

#endif
