/* surface: paths out of what web servers say, and the rows that they name. */
#include "surface.h"

#include "unit/check.h"
#include "unit/guard.h"

static const struct surface table[] = {
	{ .name = "turn", .path = "/v1/messages", .op = OP_MESSAGES },
	{ .name = "region", .path = "/r/{region}/v1/messages", .op = OP_MESSAGES },
	{ .name = "list", .path = "/v1/models", .op = OP_MODELS },
	{ .name = "one", .path = "/v1/models/{id}", .op = OP_MODEL },
	{ .name = "both", .path = "/r/{region}/m/{id}", .op = OP_MODEL },
	{ .name = "root", .path = "/", .op = OP_KNOCK },
	{ 0 },
};

static const struct {
	struct span path;
	const char *name; /* NULL: none */
	const char *id, *region;
} finds[] = {
	{ SPAN("/v1/messages"), "turn", NULL, NULL },
	{ SPAN("/"), "root", NULL, NULL },
	{ SPAN(""), NULL, NULL, NULL },
	{ SPAN("/v1/message"), NULL, NULL, NULL },
	{ SPAN("/v1/messages/"), NULL, NULL, NULL },
	{ SPAN("/v1/messagesx"), NULL, NULL, NULL },
	{ SPAN("/v1/messages\0"), NULL, NULL, NULL },
	{ SPAN("/v1/models"), "list", NULL, NULL },
	{ SPAN("/v1/models/"), NULL, NULL, NULL },
	{ SPAN("/v1/models/x"), "one", "x", NULL },
	{ SPAN("/v1/models/a%2Fb:0"), "one", "a%2Fb:0", NULL },
	{ SPAN("/v1/models/a/b"), NULL, NULL, NULL },
	{ SPAN("/r/eu/v1/messages"), "region", NULL, "eu" },
	{ SPAN("/r//v1/messages"), NULL, NULL, NULL },
	{ SPAN("/r/eu/x/v1/messages"), NULL, NULL, NULL },
	{ SPAN("/r/eu/m/x"), "both", "x", "eu" },
	{ SPAN("/r/eu/m/"), NULL, NULL, NULL },
	{ SPAN("/{id}"), NULL, NULL, NULL },
	{ SPAN("/r/{region}/v1/messages"), "region", NULL, "{region}" },
};

static void
check_part(struct check *c, struct span got, const char *want)
{
	check_that(c, (got.p != NULL) == (want != NULL), "%s", want ? "missing" : "not wanted");
	if (want)
		check_same(c, got, span_of(want));
}

static void
row_find(struct check *c, const struct guard *g, size_t i)
{
	struct surface_match m;
	struct span path = guard_put(g, finds[i].path);
	int rc = surface_find(table, path, &m);

	check_row(c, "find '%.*s'", (int)path.n, path.p);
	check_that(c, (rc == 0) == (finds[i].name != NULL), "rc %d", rc);
	if (rc) {
		check_that(c, !m.surface && !m.id.p && !m.region.p, "something is left");
		return;
	}
	check_same(c, span_of(m.surface->name), span_of(finds[i].name));
	check_part(c, m.id, finds[i].id);
	check_part(c, m.region, finds[i].region);
}

static const struct {
	const char *uri, *script;
	const char *path, *query; /* query NULL: none */
} paths[] = {
	{ "/v1/messages", "", "/v1/messages", NULL },
	{ "/v1/messages?a=b", "", "/v1/messages", "a=b" },
	{ "/v1/messages?", "", "/v1/messages", "" },
	{ "/a?b?c", "", "/a", "b?c" },
	{ "?x", "", "", "x" },
	{ "", "", "", NULL },
	{ "http://h/v1", "", "/v1", NULL },
	{ "https://h:1/v1?q", "", "/v1", "q" },
	{ "http://h", "", "", NULL },
	{ "http://h?q", "", "", "q" },
	{ "http:/h/v1", "", "http:/h/v1", NULL },
	{ "/http://h/v1", "", "/http://h/v1", NULL },
	{ "/v1/messages", "/v1/messages", "/v1/messages", NULL },
	{ "/v1/messages", "/v1", "/v1/messages", NULL },
	{ "/c/p.cgi/v1", "/c/p.cgi", "/v1", NULL },
	{ "/c/p.fcgi/v1?q", "/c/p.fcgi", "/v1", "q" },
	{ "http://h/c/p.cgi/v1", "/c/p.cgi", "/v1", NULL },
	{ "/c/p.cgi", "/c/p.cgi", "/p.cgi", NULL },
	{ "/c/p.cgi/", "/c/p.cgi", "/", NULL },
	{ "/c/v1/m", "/c/p.cgi", "/v1/m", NULL },
	{ "/cc/v1/m", "/c/p.cgi", "/cc/v1/m", NULL },
	{ "/c", "/c/p.cgi", "/c", NULL },
	{ "/v1/m", "/p.cgi", "/v1/m", NULL },
	{ "/v1/m", "p.cgi", "/v1/m", NULL },
	{ "/c/v1", "/c/p.php", "/c/v1", NULL },
	{ "/a/b/v1", "/a/b/p.cgi", "/v1", NULL },
};

static void
row_path(struct check *c, size_t i)
{
	struct span query;
	struct span path = surface_path(span_of(paths[i].uri), span_of(paths[i].script), &query);

	check_row(c, "path of '%s' at '%s'", paths[i].uri, paths[i].script);
	check_same(c, path, span_of(paths[i].path));
	check_part(c, query, paths[i].query);
}

int
main(void)
{
	struct check c = { .module = "surface" };
	struct guard g = guard_make();
	struct span query;

	for (size_t i = 0; i < ROWS(finds); i++)
		row_find(&c, &g, i);
	for (size_t i = 0; i < ROWS(paths); i++)
		row_path(&c, i);
	check_row(&c, "path of nothing");
	check_that(&c,
	    surface_path((struct span){ 0 }, (struct span){ 0 }, &query).n == 0 && !query.p,
	    "something");
	guard_free(&g);
	return check_end(&c);
}
