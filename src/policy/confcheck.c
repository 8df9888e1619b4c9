/* confcheck: the rules between the sections of a configuration: names that must exist, regions that
 * must fit, upstreams that have an owner, limits that come from the root, and the models that a
 * budget wants a price of. It reads no text; the values themselves were checked when they were
 * read. */
#include "policy/confcheck.h"

#include <stdio.h>

#include "policy/confrow.h"
#include "policy/confupstream.h"
#include "policy/glob.h"

#define UNPRICED_MAX 16u /* workspaces that are named for their models without a price */

static struct conf_upstream *
find_upstream(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->upstreams_n; i++) {
		if (strcmp(c->upstreams[i].name, name) == 0)
			return &c->upstreams[i];
	}
	return NULL;
}

/* Finds the upstream of a target by name; false when there is none. */
static bool
resolve(const struct conf *c, struct conf_target *t)
{
	const struct conf_upstream *u = find_upstream(c, t->name);

	if (u)
		t->upstream = (size_t)(u - c->upstreams);
	return u != NULL;
}

static bool
lives_in(const struct conf *c, const struct conf_model *m, const char *region)
{
	for (size_t i = 0; i < m->targets_n; i++) {
		if (namelist_has(&c->upstreams[m->targets[i].upstream].regions, span_of(region)))
			return true;
	}
	return false;
}

/* The regions of all upstreams of the model, each once. */
static int
join_regions(const struct conf *c, struct conf_model *m)
{
	for (size_t i = 0; i < m->targets_n; i++) {
		const struct namelist *l = &c->upstreams[m->targets[i].upstream].regions;

		for (size_t j = 0; j < l->n; j++) {
			if (namelist_has(&m->regions, span_of(l->v[j])))
				continue;
			if (namelist_add(&m->regions, l->v[j]) < 0)
				return -1;
		}
	}
	return 0;
}

static int
check_model(struct conf *c, struct conf_model *m, struct findings *f)
{
	size_t errors = f->errors;

	if (m->targets_n == 0)
		finding_error(f, m->line,
		    "model \"%s\" has no target: give target \"name of an upstream\" { }", m->id);
	for (size_t i = 0; i < m->targets_n; i++) {
		if (!resolve(c, &m->targets[i]))
			finding_error(f, m->targets[i].line,
			    "target \"%s\" is no upstream: its name must be one of the upstream sections",
			    m->targets[i].name);
	}
	if (f->errors != errors || f->full)
		return 0;
	for (size_t i = 0; i < m->regions.n; i++) {
		if (!lives_in(c, m, m->regions.v[i]))
			finding_error(f, m->line,
			    "model \"%s\": none of its targets is in region \"%s\"", m->id,
			    m->regions.v[i]);
	}
	return m->regions.n ? 0 : join_regions(c, m);
}

static void
check_default_region(const struct conf *c, struct findings *f)
{
	for (size_t i = 0; i < c->upstreams_n; i++) {
		if (namelist_has(&c->upstreams[i].regions, span_of(c->default_region)))
			return;
	}
	if (c->upstreams_n == 0) {
		finding_error(f, 0,
		    "there is no upstream: give at least one, as in upstream \"echo\" { kind = \"echo\" }");
		return;
	}
	finding_warn(f, 0,
	    "no upstream is in the default_region \"%s\": calls without a region in their path are refused",
	    c->default_region);
}

/* True for a name of the machine itself; a socket in the file system has none. */
static bool
stays_home(const char *host)
{
	return !host || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
	    span_starts(span_of(host), SPAN("127."));
}

static void
check_store(const struct conf_store *s, struct findings *f)
{
	if (s->password_file && s->password_env)
		finding_error(f, s->line,
		    "the store has both store_password_file and store_password_env: give one");
	if (!s->kind || strcmp(s->kind, "redis") != 0) {
		/* A place that was given and refused has its finding already. */
		return;
	}
	if (s->ca_file && !s->tls)
		finding_warn(
		    f, s->line, "store_ca_file: a store without rediss:// has no use for it");
	if (!s->tls && !stays_home(s->host) && (s->password_file || s->password_env))
		finding_warn(f, s->line,
		    "over redis:// the password of the store travels in the clear: rediss:// encrypts");
}

static void
fill_quota(const struct conf *c, struct quota *q)
{
	if (q->rpm == CONFROW_NOT_GIVEN)
		q->rpm = c->quota.rpm;
	if (q->tpm == CONFROW_NOT_GIVEN)
		q->tpm = c->quota.tpm;
}

static bool
may_use(const struct conf_workspace *w, const struct conf_model *m)
{
	for (size_t i = 0; i < w->models.n; i++) {
		if (glob_match(span_of(w->models.v[i]), span_of(m->id)))
			return true;
	}
	return w->models.n == 0;
}

/* Whether the model has a price wherever it is served. */
static bool
is_priced(const struct conf *c, const struct conf_model *m)
{
	if (m->priced || pricelist_find(&c->pricelist, span_of(m->id)))
		return true;
	for (size_t i = 0; i < m->targets_n; i++) {
		if (!pricelist_find(&c->pricelist, span_of(m->targets[i].id)))
			return false;
	}
	return true;
}

/* Says which models a workspace with a budget cannot use for want of a price; false when it can use
 * them all. */
static bool
check_prices(const struct conf *c, const struct conf_workspace *w, struct findings *f)
{
	const struct conf_model *first = NULL;
	char more[32] = "";
	size_t n = 0;

	for (size_t i = 0; i < c->models_n; i++) {
		const struct conf_model *m = &c->models[i];

		if (m->targets_n == 0 || is_priced(c, m) || !may_use(w, m))
			continue;
		first = n++ ? first : m;
	}
	if (!first)
		return false;
	if (n == 1 || snprintf(more, sizeof(more), " and %zu more", n - 1) > 0)
		finding_warn(f, w->line,
		    "calls of model \"%s\"%s are refused: it has no price and workspace \"%s\" has a budget",
		    first->id, more, w->name);
	return true;
}

/* Findings are few, and one too many refuses the file, which a doubt must not. */
static void
check_budgets(const struct conf *c, struct findings *f)
{
	size_t n = 0;

	for (size_t i = 0; i < c->workspaces_n && n < UNPRICED_MAX; i++) {
		const struct conf_workspace *w = &c->workspaces[i];

		if (w->quota.budget_day_nanousd || w->quota.budget_month_nanousd)
			n += check_prices(c, w, f);
	}
}

/* An upstream that a workspace names is that workspace's alone. */
static void
own_upstreams(struct conf *c, const struct conf_workspace *w, struct findings *f)
{
	for (size_t i = 0; i < w->upstreams.n; i++) {
		const char *name = w->upstreams.v[i];
		struct conf_upstream *u = find_upstream(c, name);

		if (!u)
			finding_error(f, w->line,
			    "workspace \"%s\": \"%s\" is no upstream: its name must be one of the upstream sections",
			    w->name, name);
		else if (u->owner)
			finding_error(f, w->line,
			    "workspace \"%s\": upstream \"%s\" is workspace \"%s\"'s own already",
			    w->name, name, u->owner);
		else
			u->owner = w->name;
	}
}

int
confcheck(struct conf *c, struct findings *f)
{
	for (size_t i = 0; i < c->upstreams_n; i++) {
		if (confupstream_check(c, &c->upstreams[i], f) < 0)
			return -1;
	}
	for (size_t i = 0; i < c->models_n; i++) {
		if (check_model(c, &c->models[i], f) < 0)
			return -1;
	}
	check_default_region(c, f);
	check_store(&c->store, f);
	for (size_t i = 0; i < c->workspaces_n; i++) {
		fill_quota(c, &c->workspaces[i].quota);
		own_upstreams(c, &c->workspaces[i], f);
	}
	if (f->errors == 0)
		check_budgets(c, f);
	return 0;
}
