/* namelist: a list of strings, owned. */
#ifndef POSTERN_POLICY_NAMELIST_H
#define POSTERN_POLICY_NAMELIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/span.h"

struct namelist {
	char **v;
	size_t n;
};

/* True when the list holds the name. */
bool namelist_has(const struct namelist *l, struct span name);

/* Appends a copy of the name. -1 when memory is out. */
MUST_CHECK int namelist_add(struct namelist *l, const char *name);

/* Frees the names; the list is empty and usable again. */
void namelist_clear(struct namelist *l);

#endif
