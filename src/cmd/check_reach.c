/* check_reach: see checks.h. */
#include "cmd/checks.h"
#include "policy/route.h"

static int
put_targets(const struct route *r, struct buf *out)
{
	for (size_t i = 0; i < r->n; i++)
		if (buf_addf(out, "%s%s", i > 0 ? ", then " : "", r->targets[i].upstream->name))
			return -1;
	return 0;
}

/* The models that have a section. *n counts those that were put. */
static int
put_listed(const struct conf *c, const struct route_who *who, struct span region, size_t *n,
    struct buf *out)
{
	struct route r = { 0 };

	for (size_t i = 0; i < c->models_n; i++) {
		if (route_find(c, region, span_of(c->models[i].id), who, &r))
			continue;
		if (buf_addf(out, "%s%s (", (*n)++ ? ", " : "", c->models[i].id) ||
		    put_targets(&r, out) || buf_add(out, SPAN(")")))
			return -1;
	}
	return 0;
}

/* What takes models without a section: those that a workspace's list lets pass, if it has one. */
static int
put_others(const struct conf *c, const struct conf_workspace *w, struct span region, size_t *n,
    struct buf *out)
{
	const struct span unlisted = SPAN("\n"); /* no section can have this name */
	/* The same workspace as far as upstreams go, without its list. */
	struct conf_workspace unbound = { .name = w ? w->name : NULL,
		.upstreams = w ? w->upstreams : (struct namelist){ 0 } };
	struct route_who who = { .workspace = w ? &unbound : NULL };
	bool bound = w && w->models.n > 0;
	struct route r = { 0 };

	if (route_find(c, region, unlisted, &who, &r))
		return 0;
	return buf_addf(out, "%sany other model%s (", (*n)++ ? ", " : "",
		   bound ? " that its list allows" : "") ||
		put_targets(&r, out) || buf_add(out, SPAN(")"))
	    ? -1
	    : 0;
}

static int
put_models(
    const struct conf *c, const struct conf_workspace *w, struct span region, struct buf *out)
{
	struct route_who who = { .workspace = w };
	size_t n = 0;

	if (put_listed(c, &who, region, &n, out) || put_others(c, w, region, &n, out))
		return -1;
	return n == 0 ? buf_add(out, SPAN("nothing")) : 0;
}

static int
put_workspace(const struct conf *c, const struct conf_workspace *w, struct buf *out)
{
	struct route_walk walk = { 0 };
	struct span region;

	while (route_next_region(c, &walk, &region))
		if ((w ? buf_addf(out, "workspace \"%s\"", w->name)
		       : buf_add(out, SPAN("every workspace"))) ||
		    buf_addf(out, " in region %.*s: ", (int)region.n, region.p) ||
		    put_models(c, w, region, out) || buf_add(out, SPAN("\n")))
			return -1;
	return 0;
}

/* Whether not all workspaces reach the same in every call. */
static bool
differs(const struct conf *c)
{
	struct route_walk walk = { 0 };
	struct span region;
	size_t regions = 0;

	for (size_t i = 0; i < c->workspaces_n; i++)
		if (c->workspaces[i].upstreams.n > 0)
			return true;
	while (route_next_region(c, &walk, &region))
		regions++;
	return regions > 1;
}

int
checks_reach(const struct conf *c, struct buf *out)
{
	if (!differs(c))
		return 0;
	if (c->workspaces_n == 0)
		return put_workspace(c, NULL, out);
	for (size_t i = 0; i < c->workspaces_n; i++)
		if (put_workspace(c, &c->workspaces[i], out))
			return -1;
	return 0;
}
