/* namelist: see namelist.h. */
#include "policy/namelist.h"

#include <stdlib.h>

bool
namelist_has(const struct namelist *l, struct span name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (span_eq(span_of(l->v[i]), name))
			return true;
	}
	return false;
}

int
namelist_add(struct namelist *l, const char *name)
{
	char **v = reallocarray(l->v, l->n + 1, sizeof(*v));
	char *copy = strdup(name);

	if (v)
		l->v = v;
	if (!v || !copy) {
		free(copy);
		return -1;
	}
	l->v[l->n++] = copy;
	return 0;
}

void
namelist_clear(struct namelist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct namelist){ 0 };
}
