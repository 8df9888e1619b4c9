/* models: pages of every size, forwards and backwards, are the whole list. */
#include "dialect/models.h"

#include <stdlib.h>

#include "unit/check.h"
#include "wire/json.h"

static const char *const kinds[] = { "echo", NULL };

static const char text[] = "upstream \"u\" { kind = \"echo\" }\n"
			   "upstream \"far\" { kind = \"echo\" regions = { \"eu\" } }\n"
			   "model \"a\" { target \"u\" { } }\n"
			   "model \"hidden\" { target \"far\" { } }\n"
			   "model \"b\" { target \"u\" { } }\n"
			   "model \"x\" { target \"u\" { } }\n"
			   "model \"c\" { target \"u\" { } }\n"
			   "model \"d\" { target \"u\" { } }\n"
			   "model \"e\" { target \"far\" { } target \"u\" { } }\n";

static struct conf *
make_conf(void)
{
	struct buf errors = buf_make(65536), warnings = buf_make(65536);
	struct conf_source source = { .text = text, .file = "t", .kinds = kinds };
	struct conf *conf = conf_parse(&source, &errors, &warnings);

	buf_free(&errors);
	buf_free(&warnings);
	return conf;
}

/* A page's ids, its first, its last and whether there are more: "ab+". */
static void
page_of(const struct models_query *q, char *out)
{
	struct buf b = buf_make(65536);
	size_t n = 0;

	if (models_list(q, &b) == 0) {
		struct span rest = json_find(buf_span(&b), SPAN("data"));
		const char *at;

		while (rest.n > 0 && (at = memmem(rest.p, rest.n, "\"id\":\"", 6)) != NULL) {
			out[n++] = at[6];
			rest = span_cut(rest, (size_t)(at - rest.p) + 7, rest.n);
		}
		if (span_eq(json_find(buf_span(&b), SPAN("has_more")), SPAN("true")))
			out[n++] = '+';
	}
	out[n] = '\0';
	buf_free(&b);
}

static const struct {
	const char *query, *globs, *region;
	const char *want; /* NULL: refused */
} rows[] = {
	{ "", NULL, "us", "abxcde" },
	{ "limit=6", NULL, "us", "abxcde" },
	{ "limit=5", NULL, "us", "abxcd+" },
	{ "limit=1", NULL, "us", "a+" },
	{ "after_id=b&limit=2", NULL, "us", "xc+" },
	{ "after_id=c&limit=2", NULL, "us", "de" },
	{ "after_id=e", NULL, "us", "" },
	{ "before_id=a", NULL, "us", "" },
	{ "before_id=d&limit=2", NULL, "us", "xc+" },
	{ "before_id=x&limit=2", NULL, "us", "ab" },
	{ "before_id=x&limit=3", NULL, "us", "ab" },
	{ "limit=2&after_id=hidden", NULL, "us", "bx+" },
	{ "after_id=nobody", NULL, "us", "" },
	{ "before_id=nobody", NULL, "us", "" },
	{ "after_id=%62&limit=1", NULL, "us", "x+" },
	{ "", "a,c,e", "us", "ace" },
	{ "limit=2", "a,c,e", "us", "ac+" },
	{ "before_id=e&limit=1", "a,c,e", "us", "c+" },
	{ "limit=3", "a,c,e", "us", "ace" },
	{ "", "z", "us", "" },
	{ "", NULL, "eu", "he" },
	{ "", NULL, "xx", "" },
	{ "limit=0", NULL, "us", NULL },
	{ "limit=-1", NULL, "us", NULL },
	{ "limit=1001", NULL, "us", NULL },
	{ "limit=", NULL, "us", NULL },
	{ "limit=99999999999999999999", NULL, "us", NULL },
	{ "a=b&&=&limit=2&c", NULL, "us", "ab+" },
};

static void
row_page(struct check *c, const struct conf *conf, size_t i)
{
	struct models_query q = { .conf = conf,
		.region = span_of(rows[i].region),
		.who = { .key_models = span_of(rows[i].globs) } };
	struct refusal why = { 0 };
	int rc = models_query_parse(&q, span_of(rows[i].query), &why);
	char got[64];

	check_row(c, "'%s' of %s in %s", rows[i].query, rows[i].globs ? rows[i].globs : "all",
	    rows[i].region);
	check_that(c, (rc == 0) == (rows[i].want != NULL), "rc %d", rc);
	if (rc || !rows[i].want) {
		check_that(c, strncmp(why.message, "limit: ", 7) == 0, "'%s'", why.message);
		return;
	}
	page_of(&q, got);
	check_same(c, span_of(got), span_of(rows[i].want));
}

/* Page by page from both ends, whatever the size, is the whole list. */
static void
row_walk(struct check *c, const struct conf *conf, unsigned limit, bool back)
{
	char all[64] = "";
	char last[2] = "";

	check_row(c, "%u by %u %s", limit, limit, back ? "backwards" : "forwards");
	for (unsigned pages = 0; pages < 10; pages++) {
		struct models_query q = { .conf = conf, .region = SPAN("us") };
		struct refusal why = { 0 };
		char query[64], got[64], joined[128];
		size_t n;

		(void)snprintf(query, sizeof(query), "limit=%u&%s=%s", limit,
		    back ? "before_id" : "after_id",
		    last[0]    ? last
			: back ? "e"
			       : "a");
		if (!check_that(
			c, models_query_parse(&q, span_of(query), &why) == 0, "%s", why.message))
			return;
		page_of(&q, got);
		n = strcspn(got, "+");
		if (n == 0)
			break;
		last[0] = back ? got[0] : got[n - 1];
		if (back)
			(void)snprintf(joined, sizeof(joined), "%.*s%s", (int)n, got, all);
		else
			(void)snprintf(joined, sizeof(joined), "%s%.*s", all, (int)n, got);
		(void)snprintf(all, sizeof(all), "%.60s", joined);
		if (!strchr(got, '+'))
			break;
	}
	check_same(c, span_of(all), back ? SPAN("abxcd") : SPAN("bxcde"));
}

static void
row_one(struct check *c, const struct conf *conf)
{
	struct models_query q = { .conf = conf, .region = SPAN("us") };
	struct buf out = buf_make(4096), small = buf_make(30);

	check_row(c, "one model");
	check_that(c, models_one(&q, SPAN("a"), &out) == MODELS_FOUND, "not found");
	check_same(c, buf_span(&out),
	    SPAN(
		"{\"type\":\"model\",\"id\":\"a\",\"display_name\":\"a\",\"created_at\":\"1970-01-01T00:00:00Z\"}"));
	check_row(c, "one model that is not to be had");
	check_that(c, models_one(&q, SPAN("hidden"), &out) == MODELS_UNKNOWN, "hidden");
	check_that(c, models_one(&q, SPAN("ab"), &out) == MODELS_UNKNOWN, "ab");
	check_that(c, models_one(&q, SPAN(""), &out) == MODELS_UNKNOWN, "nothing");
	check_row(c, "what does not fit");
	check_that(c, models_one(&q, SPAN("a"), &small) == MODELS_BROKEN, "one");
	q.limit = 20;
	check_that(c, models_list(&q, &small) == -1, "list");
	buf_free(&out);
	buf_free(&small);
}

int
main(void)
{
	struct check c = { .module = "models" };
	struct conf *conf = make_conf();

	check_row(&c, "the configuration is good");
	check_that(&c, conf != NULL, "it is not");
	for (size_t i = 0; conf && i < ROWS(rows); i++)
		row_page(&c, conf, i);
	for (unsigned limit = 1; conf && limit < 7; limit++) {
		row_walk(&c, conf, limit, false);
		row_walk(&c, conf, limit, true);
	}
	if (conf)
		row_one(&c, conf);
	conf_free(conf);
	return check_end(&c);
}
