/* conf: what a configuration means, and every fault that is found in one. */
#include "policy/conf.h"

#include <stdlib.h>

#include "base/limits.h"
#include "unit/check.h"
#include "unit/guard.h"

static const char *const kinds[] = { "anthropic", "echo", NULL };

#define ECHO "upstream \"e\" { kind = \"echo\" }\n"

static const struct {
	const char *what, *text;
	const char *said; /* errors, then warnings; without the file's name */
} rows[] = {
	{ "an upstream is enough", ECHO, "" },
	{ "nothing at all", "",
	    "f: there is no upstream: give at least one, as in upstream \"echo\" { kind = \"echo\" }\n" },
	{ "comments count no lines and may stand anywhere",
	    "# one\n// two\n/* three\n   four */ upstream /* x */ \"e\" # y\n{ kind = echo\nregions = { us, # z\n"
	    "eu } } max_body = 1",
	    "f:7: max_body = \"1\": give a whole number from 1024 to 268435456\n" },
	{ "a byte order mark and CRLF", "\xef\xbb\xbf" ECHO "ping_s = 1\r\nping_s = 2\r\n",
	    "f:3: a second \"ping_s\"; the first is on line 2\n" },
	{ "an unknown option, near a known one", ECHO "max_bdy = 5000",
	    "f:2: unknown option \"max_bdy\": did you mean \"max_body\"?\n" },
	{ "an unknown option", ECHO "model m { target e {\ncolour = red } }",
	    "f:3: unknown option \"colour\": known here are id\n" },
	{ "an option of another level", "model m { target e { kind = echo } }\n" ECHO,
	    "f:1: unknown option \"kind\": known here are id\n" },
	{ "an option by its path", ECHO "upstream|kind = echo\n\"upstream=e|kind\" = echo\n",
	    "f:2: \"kind\" belongs inside a section \"upstream\"\n"
	    "f:3: \"kind\" belongs inside a section \"upstream\"\n" },
	{ "the hidden options cannot be named", ECHO "\"open=\" = 1\n\"reader=\" = 1",
	    "f:2: no sub-section title/index for 'open'\nf:3: no sub-section title/index for 'reader'\n" },
	{ "an option without a name", ECHO "\"\" = 1", "f:2: an option without a name\n" },
	{ "files are not included", ECHO "include(\"/etc/passwd\")",
	    "f:2: unknown option \"include\": known here are keys, state, store, default_region, max_body, commit_s, ping_s, "
	    "upstream_connect_s, upstream_first_s, upstream_idle_s, drain_s, upstream, model, workspace\n" },
	{ "a value of the wrong type", ECHO "max_body = big",
	    "f:2: max_body = \"big\": give a whole number from 1024 to 268435456\n" },
	{ "a number with a fraction", ECHO "max_body = 5000.5",
	    "f:2: max_body = \"5000.5\": give a whole number from 1024 to 268435456\n" },
	{ "a number below its range", ECHO "upstream_connect_s = 0.999",
	    "f:2: upstream_connect_s = \"0.999\": give a number from 1 to 300, with at most three decimals\n" },
	{ "a number above its range", ECHO "drain_s = 3601",
	    "f:2: drain_s = \"3601\": give a number from 0 to 3600, with at most three decimals\n" },
	{ "a number beyond all ranges", ECHO "max_body = 99999999999999999999999",
	    "f:2: max_body = \"99999999999999999999999\": give a whole number from 1024 to 268435456\n" },
	{ "a negative number", ECHO "commit_s = -1",
	    "f:2: commit_s = \"-1\": give a number from 0 to 300, with at most three decimals\n" },
	{ "a section twice", ECHO "workspace w { }\n" ECHO "workspace w { }",
	    "f:3: a second upstream \"e\"; the first is on line 1\nf:4: a second workspace \"w\"; the first is on line 2\n" },
	{ "a model twice", ECHO "model m { target e { } }\nmodel m { target e { } }",
	    "f:3: a second model \"m\"; the first is on line 2\n" },
	{ "a target twice", ECHO "model m { target e { }\ntarget e { } }",
	    "f:3: a second target \"e\"; the first is on line 2\n" },
	{ "an option twice, a list", ECHO "workspace w { models = { a }\nmodels = { b } }",
	    "f:3: a second \"models\"; the first is on line 2\n" },
	{ "a list that goes on", ECHO "workspace w { models = { a }\nmodels += { b } }", "" },
	{ "a list with one thing twice", ECHO "workspace w { models = { a, a } }",
	    "f:2: models = \"a\": it is in the list already\n" },
	{ "an empty list forbids or allows all: which?", ECHO "workspace w { models = { } }",
	    "f:2: models = { }: the list is empty; fill it or leave it out\n" },
	{ "a dangling name", ECHO "model m {\ntarget x { }\n}",
	    "f:3: target \"x\" is no upstream: its name must be one of the upstream sections\n" },
	{ "a model without a target", ECHO "model m { }",
	    "f:2: model \"m\" has no target: give target \"name of an upstream\" { }\n" },
	{ "a region without a target", ECHO "model m { regions = { us, eu } target e { } }",
	    "f:2: model \"m\": none of its targets is in region \"eu\"\n" },
	{ "a region that is none",
	    "default_region = EU\n" ECHO "model m { regions = { \"u s\" } target e { } }",
	    "f:1: default_region = \"EU\": a region is 1 to 64 of a-z, 0-9 and -\n"
	    "f:3: regions = \"u s\": a region is 1 to 64 of a-z, 0-9 and -\n" },
	{ "no upstream in the default region",
	    "default_region = eu\nupstream e { kind = echo regions = { us } }",
	    "f: warning: no upstream is in the default_region \"eu\": calls without a region in their path are refused\n" },
	{ "no kind", "upstream u {\n}",
	    "f:1: upstream \"u\" has no kind: give kind = \"anthropic\"\n" },
	{ "a kind that is not there yet",
	    "upstream u { kind = bedrock aws_region = x\ncredentials = env\nbeta_allow = { a } }",
	    "f:1: kind = \"bedrock\": this version has \"anthropic\", \"echo\"\n"
	    "f:1: aws_region: no kind of this version uses it\n"
	    "f:2: credentials: no kind of this version uses it; give api_key_file or api_key_env\n"
	    "f:3: beta_allow: this version passes anthropic-beta unchanged\n" },
	{ "what an upstream needs", "upstream u { kind = anthropic }",
	    "f:1: upstream \"u\" has no url: give url = \"https://host\"\n"
	    "f:1: upstream \"u\" has no credential: give api_key_file = \"/path\" or api_key_env = \"NAME\"\n" },
	{ "two credentials",
	    "upstream u { kind = anthropic url = https://x api_key_file = a api_key_env = B }",
	    "f:1: upstream \"u\" has both api_key_file and api_key_env: give one\n" },
	{ "a key in the place of a variable is not repeated",
	    "upstream u { kind = anthropic url = https://x\napi_key_env = sk-ant-secret }",
	    "f:1: upstream \"u\" has no credential: give api_key_file = \"/path\" or api_key_env = \"NAME\"\n"
	    "f:2: api_key_env: give the name of an environment variable, such as ANTHROPIC_API_KEY\n" },
	{ "a URL of another kind", "upstream u { kind = echo\nurl = ftp://x }",
	    "f:2: url: give a URL that begins with https:// or http://\n" },
	{ "a URL with a password is not repeated",
	    "upstream u { kind = echo\nurl = \"https://me:secret@x\" }",
	    "f:2: url: give https://host[:port][/path] and no user name, query or blank\n" },
	{ "a URL that could add a header",
	    "upstream u { kind = echo\nurl = \"https://x\\r\\na: b\" }",
	    "f:2: url: give https://host[:port][/path] and no user name, query or blank\n" },
	{ "in the clear", "upstream u { kind = anthropic url = http://10.1.1.1 api_key_env = K }",
	    "f:1: warning: upstream \"u\": over http:// its credential and every prompt travel in the clear\n" },
	{ "in the clear, but at home",
	    "upstream u { kind = anthropic url = http://127.0.0.1:8 api_key_env = K }", "" },
	{ "what an upstream does not use",
	    "upstream e { kind = echo url = http://x api_key_env = K }",
	    "f:1: warning: upstream \"e\": kind echo uses no url\nf:1: warning: upstream \"e\": kind echo uses no api_key\n" },
	{ "auth of a later version", "upstream e { kind = echo auth = sigv4 }",
	    "f:1: auth = \"sigv4\": this version has \"x-api-key\" and \"bearer\"\n" },
	{ "a store of a later version", ECHO "store = \"redis://127.0.0.1:6379/0\"",
	    "f:2: store = \"redis://127.0.0.1:6379/0\": this version has \"local\" only\n" },
	{ "limits are not in force", ECHO "workspace w {\nrpm = 1\ntpm = 2\nbudget_month = 0.5 }",
	    "f:3: warning: rpm is read, but limits are not in force in this version\n"
	    "f:4: warning: tpm is read, but limits are not in force in this version\n"
	    "f:5: warning: budget_month is read, but budgets are not in force in this version\n" },
	{ "limits that are none",
	    ECHO "workspace w { rpm = 0 tpm = 0 budget_month = 0.00 upstreams = { } }", "" },
	{ "a workspace's own upstreams are refused", ECHO "workspace w { upstreams = { e } }",
	    "f:2: upstreams: upstreams of a workspace's own are not in this version; give upstreams = { } or leave it out\n" },
	{ "a price too few", ECHO "model m { target e { }\nprice = { 1, 2, 3, 4 } }",
	    "f:3: price: give five numbers: input, output, cache write 5m, cache write 1h, cache read\n" },
	{ "a price too many", ECHO "model m { target e { }\nprice = { 1, 2, 3, 4, 5, 6 } }",
	    "f:3: price: give five numbers: input, output, cache write 5m, cache write 1h, cache read\n" },
	{ "a price too fine", ECHO "model m { target e { } price = { 1, 2, 3, 4, 0.0001 } }",
	    "f:2: price = \"0.0001\": give a number from 0 to 1000000, with at most three decimals\n" },
	{ "a day that does not exist", ECHO "model m { target e { } created = 2026-02-30 }",
	    "f:2: created = \"2026-02-30\": give a date such as 2026-11-21 or 2026-11-21T08:00:00Z\n" },
	{ "a name that is none", "upstream \"a\\nb\" { kind = echo }\nworkspace \"\" { }",
	    "f:1: a upstream's name has 1 to 64 bytes and no quotes or control characters\n"
	    "f:2: a workspace's name has 1 to 64 bytes and no quotes or control characters\n" },
	{ "a control character in a value", "keys = \"a\\tb\"\n" ECHO,
	    "f:1: keys: give 1 to 4096 bytes without control characters\n" },
	{ "a string without an end", ECHO "keys = \"a\nstate = b\n",
	    "f:2: a string begins here and has no closing \"\n" },
	{ "a quoted string without an end", ECHO "keys = 'a\n",
	    "f:2: a string begins here and has no closing '\n" },
	{ "a comment without an end", ECHO "\n/* a",
	    "f:3: a comment begins here with /* and has no */\n" },
	{ "half a file", "upstream e {\nkind = echo\n", "f:1: a { on this line has no }\n" },
	{ "half a list", ECHO "workspace w {\nmodels = { a,\n",
	    "f:3: a { on this line has no }\n" },
	{ "braces in braces", ECHO "a { b { c { d { e {",
	    "f:2: braces inside braces, more than any option has\n" },
	{ "a brace too many", ECHO "}", "f:2: unexpected closing brace\n" },
	{ "a glob without quotes", ECHO "workspace w { models = { claude-* } }",
	    "f:2: a value with * in it wants quotes around it\n" },
	{ "a plus without quotes", ECHO "keys = a+b",
	    "f:2: a value with + in it wants quotes around it\n" },
	{ "an escape that is none", ECHO "keys = \"\\8\"",
	    "f:2: an escape in a string is \\1 to \\377 in octal digits, \\x01 to \\xff, or a backslash and a letter\n" },
	{ "an escape beyond a byte", ECHO "keys = \"\\400\"",
	    "f:2: an escape in a string is \\1 to \\377 in octal digits, \\x01 to \\xff, or a backslash and a letter\n" },
	{ "a zero byte, octal", ECHO "keys = \"a\\000b\"",
	    "f:2: an escape in a string is \\1 to \\377 in octal digits, \\x01 to \\xff, or a backslash and a letter\n" },
	{ "a zero byte, hexadecimal", ECHO "keys = \"a\\x0\"",
	    "f:2: a string cannot hold a zero byte\n" },
	{ "a variable without an end", ECHO "keys = \"${HOME\"\nstate = \"}\"",
	    "f:2: ${ without its }: write ${NAME} or ${NAME:-default}\n" },
	{ "a variable in bare words", ECHO "keys = a/${HOME}",
	    "f:2: a value with ${NAME} inside wants quotes around it\n" },
	{ "a value where a section belongs", ECHO "model = m",
	    "f:2: missing title for section 'model'\n" },
	{ "a section where a value belongs", ECHO "keys { }",
	    "f:2: missing equal sign after option 'keys'\n" },
	{ "a list where a value belongs", ECHO "keys = { a }", "f:2: unexpected token '{'\n" },
	{ "an unknown section says so once", ECHO "foo \"x\" { a = 1 }",
	    "f:2: unknown option \"foo\": known here are keys, state, store, default_region, max_body, commit_s, ping_s, "
	    "upstream_connect_s, upstream_first_s, upstream_idle_s, drain_s, upstream, model, workspace\n" },
	{ "many faults at once, in the order of the lines",
	    "max_body = 1\nupstream e { kind = echo }\nmodel m { }\nping_s = x\nmodel n { target z { } }",
	    "f:1: max_body = \"1\": give a whole number from 1024 to 268435456\n"
	    "f:3: model \"m\" has no target: give target \"name of an upstream\" { }\n"
	    "f:4: ping_s = \"x\": give a number from 0 to 300, with at most three decimals\n"
	    "f:5: target \"z\" is no upstream: its name must be one of the upstream sections\n" },
};

static void
test_rows(struct check *t, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct buf errors = buf_make(CONF_FILE_MAX);
		struct buf warnings = buf_make(CONF_FILE_MAX);
		struct span text =
		    guard_put(g, (struct span){ rows[i].text, strlen(rows[i].text) + 1 });
		struct conf *c = conf_parse(text.p, "f", kinds, &errors, &warnings);

		check_row(t, "%s", rows[i].what);
		check_that(t, (c == NULL) == (errors.len > 0), "a conf and errors, or neither");
		if (buf_add(&errors, buf_span(&warnings)) < 0)
			check_that(t, false, "out of memory");
		check_same(t, buf_span(&errors), span_of(rows[i].said));
		conf_free(c);
		buf_free(&errors);
		buf_free(&warnings);
	}
}

static const char whole[] =
    "keys  = \"/etc/postern/keys\"        # flat key file\n"
    "state = \"/var/lib/postern\"\n"
    "store = \"local\"                    # or \"redis://127.0.0.1:6379/0\"\n"
    "default_region = \"us\"\n"
    "max_body = 33554432                # bytes\n"
    "commit_s = 0.5\n"
    "ping_s = 0\n"
    "upstream_connect_s = 10\n"
    "upstream_first_s = 600\n"
    "upstream_idle_s = 120.25\n"
    "drain_s = 30\n"
    "upstream \"anthropic\" {\n"
    "    kind = \"anthropic\"\n"
    "    url = \"https://api.anthropic.com//\"\n"
    "    api_key_file = \"/etc/postern/anthropic.key\"    # or api_key_env = \"ANTHROPIC_API_KEY\"\n"
    "    auth = \"x-api-key\"\n"
    "    any_model = false\n"
    "}\n"
    "upstream \"eu\" { kind = echo regions = { eu, \"us\" } any_model = true pace_ms = 20 auth = bearer }\n"
    "model \"claude-sonnet-4-5\" {\n"
    "    regions = { \"us\" }\n"
    "    target \"anthropic\"  { id = \"claude-sonnet-4-5-20250929\" }\n"
    "    target eu { }\n"
    "    price = { 3.00, 15.00, 3.75, 6.00, 0.30 }      # USD per million\n"
    "    display_name = 'Sonnet \"4.5\"'\n"
    "    created = 2025-09-29\n"
    "}\n"
    "model m { target anthropic { } target eu { } }\n"
    "workspace \"default\" {\n"
    "    rpm = 500\n"
    "    tpm = 60000\n"
    "    budget_month = 200.000000001\n"
    "    models = { \"claude-*\", \"m\" }\n"
    "    upstreams = { }\n"
    "}\n";

static void
check_upstreams(struct check *t, const struct conf *c)
{
	const struct conf_upstream *a = &c->upstreams[0];
	const struct conf_upstream *e = &c->upstreams[1];

	check_that(t, c->upstreams_n == 2, "%zu upstreams", c->upstreams_n);
	check_same(t, span_of(a->url), SPAN("https://api.anthropic.com"));
	check_same(t, span_of(a->api_key_file), SPAN("/etc/postern/anthropic.key"));
	check_that(
	    t, !a->api_key_env && a->auth == CONF_AUTH_X_API_KEY && !a->any_model, "anthropic");
	check_that(t, a->regions.n == 1, "the default region");
	check_same(t, span_of(a->regions.v[0]), SPAN("us"));
	check_that(
	    t, e->auth == CONF_AUTH_BEARER && e->any_model && e->pace_ms == 20 && !e->url, "echo");
	check_that(
	    t, e->regions.n == 2 && e->line == 19, "%zu regions, line %d", e->regions.n, e->line);
}

static void
check_models(struct check *t, const struct conf *c)
{
	const struct conf_model *s = conf_model(c, SPAN("claude-sonnet-4-5"));
	const struct conf_model *m = conf_model(c, SPAN("m"));
	static const uint64_t prices[] = { 3000, 15000, 3750, 6000, 300 };

	check_that(t, c->models_n == 2 && s && m && !conf_model(c, SPAN("claude-sonnet-4")),
	    "found by the whole name");
	if (!s || !m)
		return;
	check_that(t,
	    s->targets_n == 2 && s->targets[0].upstream == 0 && s->targets[1].upstream == 1,
	    "targets in order");
	check_same(t, span_of(s->targets[0].id), SPAN("claude-sonnet-4-5-20250929"));
	check_same(t, span_of(s->targets[1].id), SPAN("claude-sonnet-4-5"));
	check_same(t, span_of(s->display_name), SPAN("Sonnet \"4.5\""));
	check_that(t, s->created == 1759104000, "created %lld", (long long)s->created);
	check_that(t, s->priced && memcmp(s->price_nanousd, prices, sizeof(prices)) == 0, "prices");
	check_that(t, s->regions.n == 1 && !m->priced && !m->display_name,
	    "regions and what is not given");
	check_that(t, m->regions.n == 2, "the regions of all its targets");
}

static void
test_whole(struct check *t)
{
	struct buf errors = buf_make(CONF_FILE_MAX);
	struct buf warnings = buf_make(CONF_FILE_MAX);
	struct conf *c = conf_parse(whole, "f", kinds, &errors, &warnings);
	const struct conf_workspace *w;

	check_row(t, "a whole file");
	check_that(t, c != NULL, "%.*s", (int)errors.len, errors.len ? errors.p : "");
	if (!c)
		goto out;
	check_same(t, span_of(c->keys), SPAN("/etc/postern/keys"));
	check_same(t, span_of(c->state), SPAN("/var/lib/postern"));
	check_that(t, c->max_body == 33554432 && c->commit_ms == 500 && c->ping_ms == 0, "numbers");
	check_that(t,
	    c->connect_ms == 10000 && c->first_ms == 600000 && c->idle_ms == 120250 &&
		c->drain_ms == 30000,
	    "times");
	check_upstreams(t, c);
	check_models(t, c);
	w = conf_workspace(c, SPAN("default"));
	check_that(t,
	    w && w->rpm == 500 && w->tpm == 60000 && w->budget_month_nanousd == 200000000001,
	    "workspace");
	check_that(t, w && w->models.n == 2 && !conf_workspace(c, SPAN("defaul")), "globs");
out:
	conf_free(c);
	buf_free(&errors);
	buf_free(&warnings);
}

static void
test_defaults(struct check *t)
{
	struct buf errors = buf_make(CONF_FILE_MAX);
	struct buf warnings = buf_make(CONF_FILE_MAX);
	struct conf *c =
	    conf_parse(ECHO "model m { target e { } }", "f", kinds, &errors, &warnings);

	check_row(t, "defaults");
	check_that(t, c != NULL, "%.*s", (int)errors.len, errors.len ? errors.p : "");
	if (c) {
		check_same(t, span_of(c->keys), SPAN("/etc/postern/keys"));
		check_same(t, span_of(c->state), SPAN("/var/lib/postern"));
		check_same(t, span_of(c->default_region), SPAN("us"));
		check_that(t,
		    c->max_body == 33554432 && c->commit_ms == 5000 && c->ping_ms == 10000,
		    "numbers");
		check_that(t,
		    c->connect_ms == 10000 && c->first_ms == 600000 && c->idle_ms == 120000,
		    "limits");
		check_that(
		    t, c->drain_ms == 30000 && c->upstreams[0].pace_ms == 0, "drain and pace");
		check_same(t, span_of(c->models[0].targets[0].id), SPAN("m"));
	}
	conf_free(c);
	buf_free(&errors);
	buf_free(&warnings);
}

/* A value from the environment, and none. */
static void
test_environment(struct check *t)
{
	struct buf errors = buf_make(CONF_FILE_MAX);
	struct buf warnings = buf_make(CONF_FILE_MAX);
	struct conf *c;

	(void)setenv("TEST_CONF_PLACE", "/here", 1);
	(void)unsetenv("TEST_CONF_NOWHERE");
	c = conf_parse(
	    "keys = \"${TEST_CONF_PLACE}/keys\"\nstate = \"${TEST_CONF_NOWHERE:-/there}/x\"\n" ECHO,
	    "f", kinds, &errors, &warnings);
	check_row(t, "variables of the environment");
	check_that(t, c != NULL, "%.*s", (int)errors.len, errors.len ? errors.p : "");
	if (c) {
		check_same(t, span_of(c->keys), SPAN("/here/keys"));
		check_same(t, span_of(c->state), SPAN("/there/x"));
	}
	conf_free(c);
	buf_free(&errors);
	buf_free(&warnings);
}

/* No beginning of a file may end the program, nor may a broken file spoil the next one. */
static void
test_beginnings(struct check *t, const struct guard *g)
{
	char text[sizeof(whole)];

	check_row(t, "every beginning of a file, and a good one after it");
	for (size_t n = 0; n < sizeof(whole); n += 13) {
		struct buf said = buf_make(CONF_FILE_MAX);
		struct conf *c;

		memcpy(text, whole, n);
		text[n] = '\0';
		conf_free(conf_parse(
		    guard_put(g, (struct span){ text, n + 1 }).p, "f", kinds, &said, &said));
		c = conf_parse(ECHO, "f", kinds, &said, &said);
		check_that(t, c != NULL, "broken after %zu bytes", n);
		conf_free(c);
		buf_free(&said);
	}
}

/* Faults beyond the maximum end the reading; the file stays refused. */
static void
test_many(struct check *t)
{
	struct buf text = buf_make(CONF_FILE_MAX);
	struct buf said = buf_make(CONF_FILE_MAX);
	bool room = true;

	check_row(t, "more faults than are shown");
	for (int i = 0; i < 20000; i++)
		room = room && buf_addf(&text, "option%d = 1\n", i) == 0;
	const char *all = buf_str(&text);
	struct conf *c = room && all ? conf_parse(all, "f", kinds, &said, &said) : NULL;
	size_t lines = 0;

	for (size_t i = 0; i < said.len; i++)
		lines += said.p[i] == '\n';
	check_that(t, !c && lines == FINDINGS_MAX + 1, "%zu lines", lines);
	conf_free(c);
	buf_free(&text);
	buf_free(&said);
}

int
main(void)
{
	struct check t = { .module = "conf" };
	struct guard g = guard_make();

	test_rows(&t, &g);
	test_whole(&t);
	test_defaults(&t);
	test_environment(&t);
	test_beginnings(&t, &g);
	test_many(&t);
	guard_free(&g);
	return check_end(&t);
}
