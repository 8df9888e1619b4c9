/* route: see route.h. */
#include "policy/route.h"

#include "policy/glob.h"

bool
route_allows(const struct route_who *who, struct span model)
{
	const struct namelist *list = who->workspace ? &who->workspace->models : NULL;

	if (who->key_models.p && !glob_match_any(who->key_models, model))
		return false;
	if (!list || list->n == 0)
		return true;
	for (size_t i = 0; i < list->n; i++) {
		if (glob_match(span_of(list->v[i]), model))
			return true;
	}
	return false;
}

/* Whether the model may be had in the region at all. */
static bool
route_in_region(struct span region, const struct conf_model *m)
{
	return m->regions.n == 0 || namelist_has(&m->regions, region);
}

static void
route_add(struct route *r, const struct conf_upstream *u, struct span region, struct span model)
{
	if (r->n < TARGETS_MAX && namelist_has(&u->regions, region))
		r->targets[r->n++] = (struct target){ .upstream = u, .model = model };
}

static void
route_add_section(
    struct route *r, const struct conf *c, struct span region, const struct conf_model *m)
{
	if (!route_in_region(region, m))
		return;
	for (size_t i = 0; i < m->targets_n; i++) {
		const struct conf_target *t = &m->targets[i];

		route_add(r, &c->upstreams[t->upstream], region, span_of(t->id));
	}
}

static void
route_add_any(struct route *r, const struct conf *c, struct span region, struct span model)
{
	for (size_t i = 0; i < c->upstreams_n; i++) {
		if (c->upstreams[i].any_model)
			route_add(r, &c->upstreams[i], region, model);
	}
}

bool
route_has(const struct conf *c, struct span region, const struct conf_model *m)
{
	struct route r = { 0 };

	route_add_section(&r, c, region, m);
	return r.n > 0;
}

enum fault
route_find(const struct conf *c, struct span region, struct span model, const struct route_who *who,
    struct route *out)
{
	*out = (struct route){ 0 };
	if (!route_allows(who, model))
		return FAULT_MODEL_FORBIDDEN;

	const struct conf_model *m = conf_model(c, model);

	if (m)
		route_add_section(out, c, region, m);
	else
		route_add_any(out, c, region, model);
	return out->n > 0 ? FAULT_NONE : FAULT_MODEL_UNKNOWN;
}
