/* check_reach: see checks.h. */
#include "cmd/checks.h"
#include "policy/route.h"

/* The regions that any upstream is in. -1 when memory is out. */
static int
list_regions(const struct conf *c, struct namelist *out)
{
	for (size_t i = 0; i < c->upstreams_n; i++) {
		const struct namelist *l = &c->upstreams[i].regions;

		for (size_t j = 0; j < l->n; j++)
			if (!namelist_has(out, span_of(l->v[j])) && namelist_add(out, l->v[j]) < 0)
				return -1;
	}
	return 0;
}

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
put_workspace(const struct conf *c, const struct conf_workspace *w, const struct namelist *regions,
    struct buf *out)
{
	for (size_t i = 0; i < regions->n; i++)
		if ((w ? buf_addf(out, "workspace \"%s\"", w->name)
		       : buf_add(out, SPAN("every workspace"))) ||
		    buf_addf(out, " in region %s: ", regions->v[i]) ||
		    put_models(c, w, span_of(regions->v[i]), out) || buf_add(out, SPAN("\n")))
			return -1;
	return 0;
}

int
checks_reach(const struct conf *c, struct buf *out)
{
	struct namelist regions = { 0 };
	bool differs;
	int rc = list_regions(c, &regions);

	differs = regions.n > 1;
	for (size_t i = 0; i < c->workspaces_n; i++)
		differs = differs || c->workspaces[i].upstreams.n > 0;
	if (!rc && differs && c->workspaces_n == 0)
		rc = put_workspace(c, NULL, &regions, out);
	for (size_t i = 0; !rc && differs && i < c->workspaces_n; i++)
		rc = put_workspace(c, &c->workspaces[i], &regions, out);
	namelist_clear(&regions);
	return rc;
}
