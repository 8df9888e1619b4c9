/* confrow: the tables of options and sections, and what makes and completes a section. It reads no
 * text. */
#include "policy/confrow.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "policy/confstore.h"

#define AT(type, field) offsetof(struct type, field)

/* The options of each level, in the order of the manual. min and max are in the unit of the option.
 */
static const struct confrow root_rows[] = {
	{ "keys", .set = confvalue_text, .at = AT(conf, keys), .fallback = "/etc/postern/keys",
	    .min = 1, .max = 4096 },
	{ "state", .set = confvalue_text, .at = AT(conf, state), .fallback = "/var/lib/postern",
	    .min = 1, .max = 4000 },
	{ "prices", .set = confvalue_text, .at = AT(conf, prices), .min = 1, .max = 4096 },
	{ "store", .set = confstore_place },
	{ "store_away", .set = confstore_away, .fallback = "refuse" },
	{ "store_password_file", .set = confvalue_text, .at = AT(conf, store.password_file),
	    .min = 1, .max = 4096 },
	{ "store_password_env", .set = confvalue_variable, .at = AT(conf, store.password_env),
	    .hint = "POSTERN_STORE_PASSWORD" },
	{ "store_ca_file", .set = confvalue_text, .at = AT(conf, store.ca_file), .min = 1,
	    .max = 4096 },
	{ "store_timeout_s", .set = confvalue_ms, .at = AT(conf, store.timeout_ms), .fallback = "1",
	    .min = 50, .max = 30000,
	    .hint = "give a number from 0.05 to 30, with at most three decimals" },
	{ "rpm", .set = confvalue_count, .at = AT(conf, quota.rpm), .fallback = "500",
	    .max = QUOTA_RATE_MAX },
	{ "tpm", .set = confvalue_count, .at = AT(conf, quota.tpm), .fallback = "60000",
	    .max = QUOTA_RATE_MAX },
	{ "default_region", .set = confvalue_region, .at = AT(conf, default_region),
	    .fallback = "us" },
	{ "max_body", .set = confvalue_count, .at = AT(conf, max_body), .fallback = "33554432",
	    .min = 1024, .max = 268435456 },
	{ "commit_s", .set = confvalue_seconds, .at = AT(conf, commit_ms), .fallback = "5",
	    .min = 0, .max = 300 },
	{ "ping_s", .set = confvalue_seconds, .at = AT(conf, ping_ms), .fallback = "10", .min = 0,
	    .max = 300 },
	{ "envelope_usage", .set = confvalue_bool, .at = AT(conf, envelope_usage),
	    .fallback = "false" },
	{ "upstream_connect_s", .set = confvalue_seconds, .at = AT(conf, connect_ms),
	    .fallback = "10", .min = 1, .max = 300 },
	{ "upstream_first_s", .set = confvalue_seconds, .at = AT(conf, first_ms), .fallback = "600",
	    .min = 1, .max = 7200 },
	{ "upstream_idle_s", .set = confvalue_seconds, .at = AT(conf, idle_ms), .fallback = "120",
	    .min = 1, .max = 7200 },
	{ "write_idle_s", .set = confvalue_seconds, .at = AT(conf, write_idle_ms),
	    .fallback = "300", .min = 1, .max = 3600 },
	{ "retry_s", .set = confvalue_seconds, .at = AT(conf, retry_ms), .fallback = "2", .min = 0,
	    .max = 600 },
	{ "cooldown_s", .set = confvalue_seconds, .at = AT(conf, cooldown_ms), .fallback = "30",
	    .min = 0, .max = 600 },
	{ "drain_s", .set = confvalue_seconds, .at = AT(conf, drain_ms), .fallback = "30", .min = 0,
	    .max = 3600 },
	{ "auth_failures_minute", .set = confvalue_count, .at = AT(conf, auth_failures),
	    .fallback = "300", .min = 0, .max = 6000 },
	{ "sandbox", .set = confvalue_bool, .at = AT(conf, sandbox), .fallback = "false" },
};

static const struct confrow upstream_rows[] = {
	{ "kind", .set = confvalue_kind, .at = AT(conf_upstream, kind) },
	{ "url", .set = confvalue_url, .at = AT(conf_upstream, url) },
	{ "api_key_file", .set = confvalue_text, .at = AT(conf_upstream, api_key_file), .min = 1,
	    .max = 4096 },
	{ "api_key_env", .set = confvalue_variable, .at = AT(conf_upstream, api_key_env),
	    .hint = "ANTHROPIC_API_KEY" },
	{ "ca_file", .set = confvalue_text, .at = AT(conf_upstream, ca_file), .min = 1,
	    .max = 4096 },
	{ "auth", .set = confvalue_auth, .at = AT(conf_upstream, auth), .fallback = "x-api-key" },
	{ "regions", .set = confvalue_regions, .list = true, .at = AT(conf_upstream, regions) },
	{ "any_model", .set = confvalue_bool, .at = AT(conf_upstream, any_model),
	    .fallback = "false" },
	{ "pace_ms", .set = confvalue_count, .at = AT(conf_upstream, pace_ms), .fallback = "0",
	    .min = 0, .max = 60000 },
	{ "credentials", .set = confvalue_credentials },
	{ "aws_region", .set = confvalue_label, .at = AT(conf_upstream, aws_region),
	    .hint = "give an AWS region, such as eu-central-1" },
	{ "aws_service", .set = confvalue_label, .at = AT(conf_upstream, aws_service),
	    .hint = "give a name that AWS signs for, such as bedrock" },
	{ "aws_profile", .set = confvalue_text, .at = AT(conf_upstream, aws_profile), .min = 1,
	    .max = 256 },
	{ "google_project", .set = confvalue_label, .at = AT(conf_upstream, google_project),
	    .hint = "give the id of a Google Cloud project" },
	{ "google_location", .set = confvalue_label, .at = AT(conf_upstream, google_location),
	    .hint = "give global, us, eu or a region such as europe-west1" },
	{ "anthropic_version", .set = confvalue_label, .at = AT(conf_upstream, anthropic_version),
	    .hint = "give a version such as bedrock-2023-05-31" },
	{ "workspace_id", .set = confvalue_text, .at = AT(conf_upstream, workspace_id), .min = 1,
	    .max = 256 },
	{ "beta_allow", .set = confvalue_betas, .list = true, .empty = true,
	    .at = AT(conf_upstream, beta_allow), .min = 1, .max = 256 },
	{ "may_drop", .set = confvalue_texts, .list = true, .at = AT(conf_upstream, may_drop),
	    .min = 1, .max = 256 },
};

static const struct confrow model_rows[] = {
	{ "display_name", .set = confvalue_text, .at = AT(conf_model, display_name), .min = 1,
	    .max = MODEL_MAX },
	{ "created", .set = confvalue_date, .at = AT(conf_model, created) },
	{ "regions", .set = confvalue_regions, .list = true, .at = AT(conf_model, regions) },
	{ "price", .set = confvalue_price, .list = true, .max = 1000000 },
};

static const struct confrow target_rows[] = {
	{ "id", .set = confvalue_text, .at = AT(conf_target, id), .min = 1, .max = MODEL_MAX },
	{ "weight", .set = confvalue_count, .at = AT(conf_target, weight), .fallback = "0",
	    .max = 1000 },
};

static const struct confrow workspace_rows[] = {
	{ "rpm", .set = confvalue_count, .at = AT(conf_workspace, quota.rpm),
	    .max = QUOTA_RATE_MAX },
	{ "tpm", .set = confvalue_count, .at = AT(conf_workspace, quota.tpm),
	    .max = QUOTA_RATE_MAX },
	{ "concurrent", .set = confvalue_count, .at = AT(conf_workspace, quota.concurrent),
	    .max = QUOTA_CONCURRENT_MAX },
	{ "budget_day", .set = confvalue_usd, .at = AT(conf_workspace, quota.budget_day_nanousd),
	    .max = QUOTA_USD_MAX },
	{ "budget_month", .set = confvalue_usd,
	    .at = AT(conf_workspace, quota.budget_month_nanousd), .max = QUOTA_USD_MAX },
	{ "models", .set = confvalue_texts, .list = true, .at = AT(conf_workspace, models),
	    .min = 1, .max = MODEL_MAX },
	{ "upstreams", .set = confvalue_texts, .list = true, .empty = true,
	    .at = AT(conf_workspace, upstreams), .min = 1, .max = NAME_MAX_LEN },
};

/* Makes the array one element longer, zeroed; NULL and no change when it cannot be. */
static void *
grow(struct confread *r, void *array, size_t *n, size_t size, size_t max)
{
	char *longer;

	if (*n >= max) {
		finding_error(&r->found, 0, "more than %zu sections of one kind", max);
		return NULL;
	}
	longer = reallocarray(*(void **)array, *n + 1, size);
	if (!longer) {
		r->broken = true;
		return NULL;
	}
	*(void **)array = longer;
	memset(longer + *n * size, 0, size);
	*n += 1;
	return longer + (*n - 1) * size;
}

static char *
copy_name(struct confread *r, const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		r->broken = true;
	return copy;
}

static void
check_name(struct confread *r, const char *what, const char *name, size_t max, int line)
{
	if (*name == '\0' || strlen(name) > max || !confvalue_printable(name) || strchr(name, '"'))
		finding_error(&r->found, line,
		    "a %s's name has 1 to %zu bytes and no quotes or control characters", what,
		    max);
}

static void
twice(struct confread *r, const char *what, const char *name, int first, int line)
{
	finding_error(
	    &r->found, line, "a second %s \"%.64s\"; the first is on line %d", what, name, first);
}

static void *
add_upstream(struct confread *r, const char *title, int line)
{
	struct conf *c = r->conf;
	struct conf_upstream *u;

	check_name(r, "upstream", title, NAME_MAX_LEN, line);
	for (size_t i = 0; i < c->upstreams_n; i++) {
		if (strcmp(c->upstreams[i].name, title) == 0)
			twice(r, "upstream", title, c->upstreams[i].line, line);
	}
	u = grow(r, &c->upstreams, &c->upstreams_n, sizeof(*u), CONF_SECTION_MAX);
	if (u) {
		u->line = line;
		u->name = copy_name(r, title);
	}
	return u;
}

static void *
add_model(struct confread *r, const char *title, int line)
{
	struct conf *c = r->conf;
	struct conf_model *m;

	check_name(r, "model", title, MODEL_MAX, line);
	for (size_t i = 0; i < c->models_n; i++) {
		if (strcmp(c->models[i].id, title) == 0)
			twice(r, "model", title, c->models[i].line, line);
	}
	m = grow(r, &c->models, &c->models_n, sizeof(*m), CONF_SECTION_MAX);
	if (m) {
		m->line = line;
		m->id = copy_name(r, title);
	}
	return m;
}

static void *
add_target(struct confread *r, const char *title, int line)
{
	struct conf_model *m = r->object[CONFLEVEL_MODEL];
	struct conf_target *t;

	for (size_t i = 0; i < m->targets_n; i++) {
		if (strcmp(m->targets[i].name, title) == 0)
			twice(r, "target", title, m->targets[i].line, line);
	}
	t = grow(r, &m->targets, &m->targets_n, sizeof(*t), TARGETS_MAX);
	if (t) {
		t->line = line;
		t->name = copy_name(r, title);
	}
	return t;
}

static void *
add_workspace(struct confread *r, const char *title, int line)
{
	struct conf *c = r->conf;
	struct conf_workspace *w;

	check_name(r, "workspace", title, NAME_MAX_LEN, line);
	for (size_t i = 0; i < c->workspaces_n; i++) {
		if (strcmp(c->workspaces[i].name, title) == 0)
			twice(r, "workspace", title, c->workspaces[i].line, line);
	}
	w = grow(r, &c->workspaces, &c->workspaces_n, sizeof(*w), CONF_SECTION_MAX);
	if (w) {
		w->line = line;
		w->name = copy_name(r, title);
		w->quota.rpm = CONFROW_NOT_GIVEN;
		w->quota.tpm = CONFROW_NOT_GIVEN;
	}
	return w;
}

int
confrow_given(const struct confread *r, enum conflevel level, const char *name)
{
	for (size_t i = 0; i < confsections[level].rows_n; i++) {
		if (strcmp(confsections[level].rows[i].name, name) == 0)
			return r->given[level][i];
	}
	return 0;
}

/* What only a store of kind redis has a use for. */
static void
done_root(struct confread *r)
{
	static const char *const redis[] = { "store_away", "store_password_file",
		"store_password_env", "store_ca_file", "store_timeout_s" };
	struct conf_store *s = &r->conf->store;

	if (!s->line)
		s->kind = copy_name(r, "local");
	for (size_t i = 0; i < sizeof(redis) / sizeof(*redis); i++) {
		int line = confrow_given(r, CONFLEVEL_ROOT, redis[i]);

		if (line && s->kind && strcmp(s->kind, "local") == 0)
			finding_warn(&r->found, line,
			    "%s: the store is \"local\", which has no use for it", redis[i]);
	}
}

static void
done_upstream(struct confread *r)
{
	struct conf_upstream *u = r->object[CONFLEVEL_UPSTREAM];

	u->beta_given = confrow_given(r, CONFLEVEL_UPSTREAM, "beta_allow") > 0;
	if (!confrow_given(r, CONFLEVEL_UPSTREAM, "kind"))
		finding_error(&r->found, u->line, "upstream \"%s\" has no kind: give kind = \"%s\"",
		    u->name, r->kinds[0]);
}

static void
done_model(struct confread *r)
{
	const struct conf_model *m = r->object[CONFLEVEL_MODEL];
	int price = confrow_given(r, CONFLEVEL_MODEL, "price");

	if (price && !m->priced)
		finding_error(&r->found, price,
		    "price: give five numbers: input, output, cache write 5m, cache write 1h, cache read");
}

static void
done_target(struct confread *r)
{
	struct conf_target *t = r->object[CONFLEVEL_TARGET];
	const struct conf_model *m = r->object[CONFLEVEL_MODEL];

	if (!t->id)
		t->id = copy_name(r, m->id);
}

static void
done_nothing(struct confread *r)
{
	(void)r;
}

#define ROWS(a) (a), sizeof(a) / sizeof(*(a))

const struct confsection confsections[] = {
	[CONFLEVEL_ROOT] = { "root", ROWS(root_rows), CONFLEVELS, NULL, done_root },
	[CONFLEVEL_UPSTREAM] = { "upstream", ROWS(upstream_rows), CONFLEVEL_ROOT, add_upstream,
	    done_upstream },
	[CONFLEVEL_MODEL] = { "model", ROWS(model_rows), CONFLEVEL_ROOT, add_model, done_model },
	[CONFLEVEL_TARGET] = { "target", ROWS(target_rows), CONFLEVEL_MODEL, add_target,
	    done_target },
	[CONFLEVEL_WORKSPACE] = { "workspace", ROWS(workspace_rows), CONFLEVEL_ROOT, add_workspace,
	    done_nothing },
};

static_assert(sizeof(confsections) / sizeof(*confsections) == CONFLEVELS, "a row for every level");
static_assert(sizeof(root_rows) / sizeof(*root_rows) <= CONFROWS_MAX, "CONFROWS_MAX is too small");
static_assert(
    sizeof(upstream_rows) / sizeof(*upstream_rows) <= CONFROWS_MAX, "CONFROWS_MAX is too small");
