/* registry: the one page that lists every surface, kind, store and front. To add one is a file and
 * a row here. */
#ifndef POSTERN_REGISTRY_H
#define POSTERN_REGISTRY_H

#include "base/span.h"
#include "store/store.h"
#include "surface.h"
#include "upstream/kind.h"

/* The path table; ends in a row without a path. */
const struct surface *registry_surfaces(void);

/* The names of all kinds of upstream, NULL-ended. */
const char *const *registry_kind_names(void);

/* By name; NULL when there is none. */
const struct kind *registry_kind(struct span name);
const struct store_kind *registry_store(struct span name);

#endif
