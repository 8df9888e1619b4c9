/* route: which targets a model has in a region, and for whom. */
#include "policy/route.h"

#include "unit/check.h"

static char us[] = "us", eu[] = "eu", a[] = "a", b[] = "b", any[] = "any", lost[] = "lost";
static char haiku[] = "claude-haiku", opus[] = "claude-opus", only_eu[] = "claude-eu";
static char haiku_a[] = "haiku-at-a", haiku_b[] = "haiku-at-b";
static char *both_regions[] = { us, eu };

static struct conf_upstream upstreams[] = {
	{ .name = a, .regions = { both_regions, 1 } },
	{ .name = b, .regions = { both_regions, 2 } },
	{ .name = any, .regions = { both_regions, 1 }, .any_model = true },
	{ .name = lost },
};
static struct conf_target haiku_targets[] = { { .upstream = 0, .id = haiku_a },
	{ .upstream = 1, .id = haiku_b } };
static struct conf_target opus_targets[] = { { .upstream = 0, .id = opus },
	{ .upstream = 3, .id = opus } };
static struct conf_model models[] = {
	{ .id = haiku, .targets = haiku_targets, .targets_n = 2 },
	{ .id = opus, .targets = opus_targets, .targets_n = 2 },
	{ .id = only_eu,
	    .regions = { both_regions + 1, 1 },
	    .targets = haiku_targets,
	    .targets_n = 2 },
};
static const struct conf conf = {
	.upstreams = upstreams,
	.upstreams_n = ROWS(upstreams),
	.models = models,
	.models_n = ROWS(models),
};

static char haiku_glob[] = "claude-h*", eu_glob[] = "*-eu";
static char *globs[] = { haiku_glob, eu_glob };
static const struct conf_workspace all = { .name = a };
static const struct conf_workspace some = { .name = b, .models = { globs, 2 } };

static const struct route_who nobody = { 0 };

static const struct {
	const char *what, *region, *model, *key_models;
	const struct conf_workspace *workspace;
	enum fault fault;
	const char *want; /* upstream:model of each target */
} rows[] = {
	{ "both targets, in order", "us", "claude-haiku", NULL, &all, FAULT_NONE,
	    " a:haiku-at-a b:haiku-at-b" },
	{ "nothing leaves the region", "eu", "claude-haiku", NULL, &all, FAULT_NONE,
	    " b:haiku-at-b" },
	{ "no target in the region", "eu", "claude-opus", NULL, &all, FAULT_MODEL_UNKNOWN, "" },
	{ "an upstream without regions is in none", "us", "claude-opus", NULL, &all, FAULT_NONE,
	    " a:claude-opus" },
	{ "the model's own regions", "eu", "claude-eu", NULL, &all, FAULT_NONE, " b:haiku-at-b" },
	{ "outside the model's own regions", "us", "claude-eu", NULL, &all, FAULT_MODEL_UNKNOWN,
	    "" },
	{ "a region nobody has", "jp", "claude-haiku", NULL, &all, FAULT_MODEL_UNKNOWN, "" },
	{ "part of a region's name", "u", "claude-haiku", NULL, &all, FAULT_MODEL_UNKNOWN, "" },
	{ "no section: who takes any model", "us", "gpt", NULL, &all, FAULT_NONE, " any:gpt" },
	{ "no section, and nobody takes any", "eu", "gpt", NULL, &all, FAULT_MODEL_UNKNOWN, "" },
	{ "a key without a list and no workspace", "us", "claude-opus", NULL, NULL, FAULT_NONE,
	    " a:claude-opus" },
	{ "the key's list allows", "us", "claude-opus", "x,claude-*", &all, FAULT_NONE,
	    " a:claude-opus" },
	{ "the key's list forbids", "us", "claude-opus", "claude-h*", &all, FAULT_MODEL_FORBIDDEN,
	    "" },
	{ "an empty list of the key forbids", "us", "claude-opus", "", &all, FAULT_MODEL_FORBIDDEN,
	    "" },
	{ "the workspace allows", "eu", "claude-eu", NULL, &some, FAULT_NONE, " b:haiku-at-b" },
	{ "the workspace forbids", "us", "claude-opus", NULL, &some, FAULT_MODEL_FORBIDDEN, "" },
	{ "key and workspace must both allow", "us", "claude-haiku", "claude-o*", &some,
	    FAULT_MODEL_FORBIDDEN, "" },
	{ "forbidden tells nothing about what is there", "us", "secret-model", "claude-*", &all,
	    FAULT_MODEL_FORBIDDEN, "" },
};

static void
row_find(struct check *c, size_t i)
{
	const struct route_who who = { span_of(rows[i].key_models), rows[i].workspace };
	struct route r = { .n = 7 };
	struct buf got = buf_make(256);
	enum fault fault =
	    route_find(&conf, span_of(rows[i].region), span_of(rows[i].model), &who, &r);

	check_row(c, "%s", rows[i].what);
	check_that(c, fault == rows[i].fault, "%s", fault_row(fault)->name);
	for (size_t k = 0; k < r.n; k++) {
		const struct target *t = &r.targets[k];

		check_that(c,
		    buf_addf(&got, " %s:%.*s", t->upstream->name, (int)t->model.n, t->model.p) == 0,
		    "full");
	}
	check_same(c, buf_span(&got), span_of(rows[i].want));
	buf_free(&got);
}

static void
row_has(struct check *c)
{
	check_row(c, "which models a region has");
	check_that(c, route_has(&conf, SPAN("us"), &models[0], &nobody), "haiku in us");
	check_that(c, route_has(&conf, SPAN("eu"), &models[0], &nobody), "haiku in eu");
	check_that(c, !route_has(&conf, SPAN("eu"), &models[1], &nobody), "opus in eu");
	check_that(c, !route_has(&conf, SPAN("us"), &models[2], &nobody), "eu's model in us");
	check_that(c, !route_has(&conf, SPAN(""), &models[0], &nobody), "a region without a name");
}

static void
row_many(struct check *c)
{
	struct conf_target targets[TARGETS_MAX + 4];
	struct conf_model many = { .id = opus, .targets = targets, .targets_n = ROWS(targets) };
	struct conf one = conf;
	struct route r;
	const struct route_who who = { { NULL, 0 }, NULL };

	check_row(c, "more targets than a route holds");
	for (size_t i = 0; i < ROWS(targets); i++)
		targets[i] = (struct conf_target){ .upstream = 0, .id = opus };
	one.models = &many;
	one.models_n = 1;
	check_that(c, route_find(&one, SPAN("us"), span_of(opus), &who, &r) == FAULT_NONE, "none");
	check_that(c, r.n == TARGETS_MAX, "%zu targets", r.n);
}

/* Own upstreams: mine and yours belong to a workspace each, both are in both regions. */
static char mine[] = "mine", yours[] = "yours", shared[] = "shared", me[] = "me";
static char *own_list[] = { mine };
static const struct conf_workspace owner = { .name = me, .upstreams = { own_list, 1 } };
static struct conf_upstream owned[] = {
	{ .name = mine, .regions = { both_regions, 2 }, .owner = me, .any_model = true },
	{ .name = yours, .regions = { both_regions, 2 }, .owner = b, .any_model = true },
	{ .name = shared, .regions = { both_regions, 1 }, .any_model = true },
};
static struct conf_target all_three[] = { { .upstream = 1, .id = opus },
	{ .upstream = 0, .id = opus }, { .upstream = 2, .id = opus } };
static struct conf_target only_shared[] = { { .upstream = 2, .id = haiku } };
static struct conf_model owned_models[] = {
	{ .id = opus, .targets = all_three, .targets_n = 3 },
	{ .id = haiku, .targets = only_shared, .targets_n = 1 },
};
static const struct conf owned_conf = {
	.upstreams = owned,
	.upstreams_n = ROWS(owned),
	.models = owned_models,
	.models_n = ROWS(owned_models),
};

static const struct {
	const char *what, *region, *model;
	const struct conf_workspace *workspace;
	const char *want;    /* the upstreams */
	const char *regions; /* where the model is for them */
} owns[] = {
	{ "one's own alone", "us", "claude-opus", &owner, " mine", "us, eu" },
	{ "one's own for any model", "eu", "gpt", &owner, " mine", "us, eu" },
	{ "none of the others' for an owner", "us", "claude-haiku", &owner, "", "" },
	{ "nobody's own for others", "us", "claude-opus", &all, " shared", "us" },
	{ "the same without a section", "us", "claude-opus", NULL, " shared", "us" },
	{ "not in the region", "eu", "claude-opus", &all, "", "us" },
	{ "any model of others", "us", "gpt", &all, " shared", "us" },
	{ "any model elsewhere", "eu", "gpt", &all, "", "us" },
};

static void
rows_owned(struct check *c)
{
	for (size_t i = 0; i < ROWS(owns); i++) {
		const struct route_who who = { { NULL, 0 }, owns[i].workspace };
		struct buf got = buf_make(256), regions = buf_make(256);
		struct route r = { 0 };
		enum fault f = route_find(
		    &owned_conf, span_of(owns[i].region), span_of(owns[i].model), &who, &r);

		check_row(c, "own upstreams: %s", owns[i].what);
		check_that(
		    c, f == (r.n ? FAULT_NONE : FAULT_MODEL_UNKNOWN), "%s", fault_row(f)->name);
		for (size_t k = 0; k < r.n; k++)
			check_that(
			    c, buf_addf(&got, " %s", r.targets[k].upstream->name) == 0, "full");
		check_same(c, buf_span(&got), span_of(owns[i].want));
		check_that(c,
		    route_regions(&owned_conf, span_of(owns[i].model), &who, &regions) == 0,
		    "full");
		check_same(c, buf_span(&regions), span_of(owns[i].regions));
		buf_free(&got);
		buf_free(&regions);
	}
}

static const struct {
	const char *what;
	size_t n;
	uint64_t weights[4];
	unsigned first[4]; /* in a thousand draws, about */
} draws[] = {
	{ "no weight", 3, { 0, 0, 0 }, { 1000, 0, 0 } },
	{ "one alone", 1, { 7 }, { 1000 } },
	{ "equal ones", 2, { 1, 1 }, { 500, 500 } },
	{ "shares", 3, { 5, 3, 2 }, { 500, 300, 200 } },
	{ "one behind the others", 3, { 0, 0, 9 }, { 0, 0, 1000 } },
	{ "weighed before the others", 4, { 0, 1, 0, 3 }, { 0, 250, 0, 750 } },
};

static void
rows_drawn(struct check *c)
{
	static const char *const names = "abcd";

	for (size_t i = 0; i < ROWS(draws); i++) {
		unsigned first[4] = { 0 };

		check_row(c, "drawn: %s", draws[i].what);
		for (uint64_t seed = 1; seed <= 1000; seed++) {
			struct route r = { .n = draws[i].n };
			const char *last = NULL;
			char seen[5] = "";

			for (size_t k = 0; k < r.n; k++)
				r.targets[k] = (struct target){ .model = { names + k, 1 },
					.weight = draws[i].weights[k] };
			route_draw(&r, seed * 7919);
			first[r.targets[0].model.p - names]++;
			for (size_t k = 0; k < r.n; k++) {
				const struct target *t = &r.targets[k];

				seen[t->model.p - names] = 'x';
				check_that(c, t->weight > 0 || !last || t->model.p > last,
				    "those in order are not");
				check_that(
				    c, t->weight == 0 || !last, "a weight behind the others");
				last = t->weight ? NULL : t->model.p;
			}
			for (size_t k = 0; k < r.n; k++)
				check_that(c, seen[k] == 'x', "%c is lost", names[k]);
		}
		for (size_t k = 0; k < draws[i].n; k++)
			check_that(c,
			    first[k] + 60 > draws[i].first[k] && first[k] < draws[i].first[k] + 60,
			    "%c: %u", names[k], first[k]);
	}
}

int
main(void)
{
	struct check c = { .module = "route" };

	for (size_t i = 0; i < ROWS(rows); i++)
		row_find(&c, i);
	row_has(&c);
	row_many(&c);
	rows_owned(&c);
	rows_drawn(&c);
	return check_end(&c);
}
