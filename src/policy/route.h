/* route: (region, model as the client names it) -> the targets to try, in order. Pure. */
#ifndef POSTERN_POLICY_ROUTE_H
#define POSTERN_POLICY_ROUTE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "policy/conf.h"

struct target {
	const struct conf_upstream *upstream;
	struct span model; /* its id there */
	uint64_t weight;   /* 0: in order */
};

struct route {
	struct target targets[TARGETS_MAX];
	size_t n;
	bool weighed; /* any of them has a weight */
};

/* Whom a model must be allowed for. */
struct route_who {
	struct span key_models;			/* the key's globs; p NULL: all */
	const struct conf_workspace *workspace; /* NULL: no section, all models */
};

/* True when key and workspace allow the model. */
bool route_allows(const struct route_who *who, struct span model);

/* True when the model has at least one target in the region for them, allowed or not. */
bool route_has(const struct conf *c, struct span region, const struct conf_model *m,
    const struct route_who *who);

/* True when any upstream is in the region. */
bool route_is_region(const struct conf *c, struct span region);

struct route_walk {
	size_t upstream, at;
};

/* Walks over the regions that any upstream is in, each once; *w begins as all zero. False behind
 * the last. */
bool route_next_region(const struct conf *c, struct route_walk *w, struct span *region);

/* Appends the regions in which a model has a target for them, with commas between. -1 when out is
 * full. */
MUST_CHECK int route_regions(
    const struct conf *c, struct span model, const struct route_who *who, struct buf *out);

/* Puts the targets that have a weight before the others, in an order by chance: each comes before
 * those left as often as its weight is a part of all of theirs. The others keep their order. seed:
 * a random number. */
void route_draw(struct route *r, uint64_t seed);

/* Finds the targets. A target counts only when its upstream lists the region: nothing leaves a
 * region. A workspace that has upstreams of its own uses these and no others, and nobody else does.
 * A model without a section goes to the upstreams of the region that take any model, under its own
 * name. FAULT_MODEL_FORBIDDEN before FAULT_MODEL_UNKNOWN, so that a key learns nothing of models it
 * may not use. */
enum fault route_find(const struct conf *c, struct span region, struct span model,
    const struct route_who *who, struct route *out);

#endif
