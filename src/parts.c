/* parts: look-ups in the tables. */
#include "parts.h"

const struct kind *
parts_kind(const struct parts *p, struct span name)
{
	for (const struct kind *const *k = p->kinds; *k; k++)
		if (span_eq(name, span_of((*k)->name)))
			return *k;
	return NULL;
}

const struct store_kind *
parts_store(const struct parts *p, struct span name)
{
	for (const struct store_kind *const *s = p->stores; *s; s++)
		if (span_eq(name, span_of((*s)->name)))
			return *s;
	return NULL;
}
