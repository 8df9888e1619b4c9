/* parts: what a gate is put together from, as tables. The program's own are in registry.c; tests
 * bring theirs. */
#ifndef POSTERN_PARTS_H
#define POSTERN_PARTS_H

#include "base/span.h"
#include "store/store.h"
#include "surface.h"
#include "upstream/kind.h"

struct parts {
	const struct surface *surfaces;	 /* ends in a row without a path */
	const struct kind *const *kinds; /* NULL-ended, as all below */
	const struct store_kind *const *stores;
	const char *const *kind_names; /* those of kinds, for the configuration */
};

/* The kind of upstream of that name; NULL when there is none. */
const struct kind *parts_kind(const struct parts *p, struct span name);

/* The kind of store of that name; NULL when there is none. */
const struct store_kind *parts_store(const struct parts *p, struct span name);

#endif
