/* glob: whole names match, lists hold patterns, hostile patterns stay cheap. */
#include "policy/glob.h"

#include "unit/check.h"
#include "unit/guard.h"

static const struct {
	const char *pattern, *name;
	bool want;
} globs[] = {
	{ "claude-x", "claude-x", true },
	{ "claude-x", "claude-xy", false },
	{ "claude-xy", "claude-x", false },
	{ "claude-*", "claude-haiku-4-5", true },
	{ "claude-*", "claude-", true },
	{ "claude-*", "claude", false },
	{ "claude-*", "my-claude-x", false },
	{ "*", "", true },
	{ "*", "anything", true },
	{ "**", "", true },
	{ "*-4-5", "claude-haiku-4-5", true },
	{ "*-4-5", "claude-haiku-4-5-x", false },
	{ "*haiku*", "claude-haiku-4-5", true },
	{ "a*b*c", "aXbXbXc", true },
	{ "a*b*c", "aXcXb", false },
	{ "a?c", "abc", true },
	{ "a?c", "ac", false },
	{ "?*", "", false },
	{ "?*", "a", true },
	{ "*?", "a", true },
	{ "", "", true },
	{ "", "a", false },
	{ "[ab]", "a", false },
	{ "Claude-*", "claude-x", false },
};

static const struct {
	const char *patterns, *name;
	bool want;
} lists[] = {
	{ "a,b", "b", true },
	{ "a, b*", "bc", true },
	{ "a,b", "c", false },
	{ "a,b", "a,b", false },
	{ "", "a", false },
	{ "", "", false },
	{ ",", "", false },
	{ NULL, "a", false },
};

/* Back-tracking over every star would take longer than the world lasts. */
static void
row_hostile(struct check *c)
{
	char name[256];

	check_row(c, "many stars");
	memset(name, 'a', sizeof(name));
	check_that(c,
	    !glob_match(SPAN("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"),
		(struct span){ name, sizeof(name) }),
	    "matches");
}

int
main(void)
{
	struct check c = { .module = "glob" };
	struct guard pattern = guard_make(), name = guard_make();

	for (size_t i = 0; i < ROWS(globs); i++) {
		check_row(&c, "'%s' on '%s'", globs[i].pattern, globs[i].name);
		check_that(&c,
		    glob_match(guard_put(&pattern, span_of(globs[i].pattern)),
			guard_put(&name, span_of(globs[i].name))) == globs[i].want,
		    "not so");
	}
	for (size_t i = 0; i < ROWS(lists); i++) {
		check_row(&c, "list '%s' on '%s'", lists[i].patterns ? lists[i].patterns : "none",
		    lists[i].name);
		check_that(&c,
		    glob_match_any(span_of(lists[i].patterns), span_of(lists[i].name)) ==
			lists[i].want,
		    "not so");
	}
	row_hostile(&c);
	guard_free(&pattern);
	guard_free(&name);
	return check_end(&c);
}
