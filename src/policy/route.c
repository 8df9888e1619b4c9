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

/* Whether the upstream is one of theirs. */
static bool
route_may_use(const struct conf_upstream *u, const struct route_who *who)
{
	const struct conf_workspace *w = who->workspace;

	if (w && w->upstreams.n > 0)
		return u->owner && strcmp(u->owner, w->name) == 0;
	return !u->owner;
}

/* What is looked for. */
struct route_search {
	const struct conf *conf;
	struct span region;
	const struct route_who *who;
	struct route *out;
};

static void
route_add(
    const struct route_search *s, const struct conf_upstream *u, struct span model, uint64_t weight)
{
	struct route *r = s->out;

	if (r->n == TARGETS_MAX || !namelist_has(&u->regions, s->region) ||
	    !route_may_use(u, s->who))
		return;
	r->targets[r->n++] = (struct target){ .upstream = u, .model = model, .weight = weight };
	r->weighed = r->weighed || weight > 0;
}

static void
route_add_section(const struct route_search *s, const struct conf_model *m)
{
	if (!route_in_region(s->region, m))
		return;
	for (size_t i = 0; i < m->targets_n; i++) {
		const struct conf_target *t = &m->targets[i];

		route_add(s, &s->conf->upstreams[t->upstream], span_of(t->id), t->weight);
	}
}

static void
route_add_any(const struct route_search *s, struct span model)
{
	for (size_t i = 0; i < s->conf->upstreams_n; i++) {
		if (s->conf->upstreams[i].any_model)
			route_add(s, &s->conf->upstreams[i], model, 0);
	}
}

static void
route_add_all(const struct route_search *s, struct span model)
{
	const struct conf_model *m = conf_model(s->conf, model);

	if (m)
		route_add_section(s, m);
	else
		route_add_any(s, model);
}

bool
route_has(const struct conf *c, struct span region, const struct conf_model *m,
    const struct route_who *who)
{
	struct route r = { 0 };
	struct route_search s = { c, region, who, &r };

	route_add_section(&s, m);
	return r.n > 0;
}

/* Whether the region is in the list of one of the first n upstreams. */
static bool
is_listed(const struct conf *c, size_t n, struct span region)
{
	for (size_t i = 0; i < n; i++)
		if (namelist_has(&c->upstreams[i].regions, region))
			return true;
	return false;
}

bool
route_is_region(const struct conf *c, struct span region)
{
	return is_listed(c, c->upstreams_n, region);
}

bool
route_next_region(const struct conf *c, struct route_walk *w, struct span *region)
{
	for (; w->upstream < c->upstreams_n; w->upstream++, w->at = 0) {
		const struct namelist *l = &c->upstreams[w->upstream].regions;

		while (w->at < l->n) {
			*region = span_of(l->v[w->at++]);
			if (!is_listed(c, w->upstream, *region))
				return true;
		}
	}
	return false;
}

int
route_regions(const struct conf *c, struct span model, const struct route_who *who, struct buf *out)
{
	struct route_walk walk = { 0 };
	struct span region;
	size_t found = 0;

	while (route_next_region(c, &walk, &region)) {
		struct route r = { 0 };
		struct route_search s = { c, region, who, &r };

		route_add_all(&s, model);
		if (r.n > 0 && ((found++ && buf_add(out, SPAN(", "))) || buf_add(out, region)))
			return -1;
	}
	return 0;
}

enum fault
route_find(const struct conf *c, struct span region, struct span model, const struct route_who *who,
    struct route *out)
{
	struct route_search s = { c, region, who, out };

	*out = (struct route){ 0 };
	if (!route_allows(who, model))
		return FAULT_MODEL_FORBIDDEN;
	route_add_all(&s, model);
	return out->n > 0 ? FAULT_NONE : FAULT_MODEL_UNKNOWN;
}

/* A number below n, by chance (splitmix64). */
static uint64_t
chance(uint64_t *state, uint64_t n)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % n;
}

/* The target from `from` on that the draw falls on; r->n when none has a weight. */
static size_t
drawn(const struct route *r, size_t from, uint64_t *state)
{
	uint64_t sum = 0, at;

	for (size_t i = from; i < r->n; i++)
		sum += r->targets[i].weight;
	if (sum == 0)
		return r->n;
	at = chance(state, sum);
	for (size_t i = from;; i++) {
		if (at < r->targets[i].weight)
			return i;
		at -= r->targets[i].weight;
	}
}

void
route_draw(struct route *r, uint64_t seed)
{
	for (size_t at = 0; at < r->n; at++) {
		size_t i = drawn(r, at, &seed);
		struct target first;

		if (i == r->n)
			return;
		first = r->targets[i];
		memmove(&r->targets[at + 1], &r->targets[at], (i - at) * sizeof(first));
		r->targets[at] = first;
	}
}
