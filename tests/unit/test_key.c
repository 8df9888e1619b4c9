/* key: lines of the key file, what they allow, and how keys look. */
#include "policy/key.h"

#include "unit/check.h"
#include "unit/guard.h"

#define HEX    "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
#define UPPER  "5E884898DA28047151D0E56F8DC6292773603D0D6AABBDD62A11EF721D1542D8"
#define ID32   "abcdefghijklmnopqrstuvwxyz012345"
#define NAME64 "abcdefghijklmnopqrstuvwxyz012345abcdefghijklmnopqrstuvwxyz012345"

#define UNKNOWN                                                                         \
	"unknown attribute: known are workspace, name, created, expires, models, rpm, " \
	"tpm, concurrent, budget_day, budget_month, revoked"
#define RPM	   "rpm wants a whole number from 1 to 100000000000"
#define TPM	   "tpm wants a whole number from 1 to 100000000000"
#define CONCURRENT "concurrent wants a whole number from 1 to 1000000"
#define DAY	   "budget_day wants US dollars from 0.000000001 to 9000000, such as 2.50"
#define MONTH	   "budget_month wants US dollars from 0.000000001 to 9000000, such as 50"

/* Lines that are keys: what key_format makes of them. */
static const struct {
	const char *what, *line, *again;
} good[] = {
	{ "the shortest", "a " HEX " workspace=w", "a  " HEX "  workspace=w" },
	{ "everything",
	    "7q2m9xwe  " HEX
	    "  workspace=default name=\"intranet portal\" created=2026-11-21 expires=2027-01-01 "
	    "models=claude-haiku-*,claude-sonnet-*",
	    "7q2m9xwe  " HEX
	    "  workspace=default name=\"intranet portal\" created=2026-11-21 expires=2027-01-01 "
	    "models=claude-haiku-*,claude-sonnet-*" },
	{ "any order, any blanks", "\t a\t" HEX " \t name=n   workspace=w\t\r",
	    "a  " HEX "  workspace=w name=n" },
	{ "upper-case digits", "a " UPPER " workspace=w", "a  " HEX "  workspace=w" },
	{ "an empty name is none", "a " HEX " workspace=w name=\"\"", "a  " HEX "  workspace=w" },
	{ "an equals sign in a value", "a " HEX " workspace=w name=a=b",
	    "a  " HEX "  workspace=w name=a=b" },
	{ "quotes around what wants none", "a " HEX " workspace=\"w\"", "a  " HEX "  workspace=w" },
	{ "a workspace with a blank", "a " HEX " workspace=\"a b\"",
	    "a  " HEX "  workspace=\"a b\"" },
	{ "bytes beyond ASCII",
	    "a " HEX " workspace=w name=B\xc3\xbc"
	    "cher",
	    "a  " HEX "  workspace=w name=B\xc3\xbc"
	    "cher" },
	{ "the longest id and workspace", ID32 " " HEX " workspace=" NAME64,
	    ID32 "  " HEX "  workspace=" NAME64 },
	{ "times to the second",
	    "a " HEX " workspace=w expires=2027-01-01T12:30:01Z revoked=2026-11-21T00:00:00Z",
	    "a  " HEX "  workspace=w expires=2027-01-01T12:30:01Z revoked=2026-11-21" },
	{ "all limits, in any order",
	    "a " HEX
	    " budget_month=50.00 revoked=2026-11-21 budget_day=2.5 concurrent=4 tpm=40000 rpm=20 workspace=w models=m",
	    "a  " HEX
	    "  workspace=w models=m rpm=20 tpm=40000 concurrent=4 budget_day=2.5 budget_month=50 revoked=2026-11-21" },
	{ "the smallest limits",
	    "a " HEX
	    " workspace=w rpm=1 tpm=1 concurrent=1 budget_day=0.000000001 budget_month=0.000000001",
	    "a  " HEX
	    "  workspace=w rpm=1 tpm=1 concurrent=1 budget_day=0.000000001 budget_month=0.000000001" },
	{ "the largest limits",
	    "a " HEX
	    " workspace=w rpm=100000000000 tpm=100000000000 concurrent=1000000 budget_day=9000000 budget_month=9000000.000000000",
	    "a  " HEX
	    "  workspace=w rpm=100000000000 tpm=100000000000 concurrent=1000000 budget_day=9000000 budget_month=9000000" },
	{ "zeros in front of a limit", "a " HEX " workspace=w rpm=007 budget_day=08.10",
	    "a  " HEX "  workspace=w rpm=7 budget_day=8.1" },
	{ "a time of zero is not none", "a " HEX " workspace=w expires=1970-01-01",
	    "a  " HEX "  workspace=w expires=1970-01-01T00:00:01Z" },
	{ "a time before zero is not none", "a " HEX " workspace=w revoked=1969-12-31",
	    "a  " HEX "  workspace=w revoked=1970-01-01T00:00:01Z" },
};

static const struct {
	const char *what, *line, *why;
} bad[] = {
	{ "one word", "a", "the second word must be the key's SHA-256, 64 hexadecimal digits" },
	{ "a digit too few",
	    "a 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d workspace=w",
	    "the second word must be the key's SHA-256, 64 hexadecimal digits" },
	{ "a digit too many", "a " HEX "0 workspace=w",
	    "the second word must be the key's SHA-256, 64 hexadecimal digits" },
	{ "a digit that is none", "a g" HEX " workspace=w",
	    "the second word must be the key's SHA-256, 64 hexadecimal digits" },
	{ "the key itself", "a sk-postern-AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA workspace=w",
	    "this is a key itself: revoke it, it must not stand in a file; its SHA-256 belongs here" },
	{ "the key itself, first", "sk-postern-AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	    "this is a key itself: revoke it, it must not stand in a file; its SHA-256 belongs here" },
	{ "an id too long", ID32 "6 " HEX " workspace=w",
	    "the id wants 1 to 32 letters, digits, - or _" },
	{ "an id of other signs", "a/b " HEX " workspace=w",
	    "the id wants 1 to 32 letters, digits, - or _" },
	{ "no workspace", "a " HEX " name=n", "no workspace=" },
	{ "an empty workspace", "a " HEX " workspace=\"\"",
	    "workspace wants a name of 1 to 64 bytes" },
	{ "a workspace too long", "a " HEX " workspace=" NAME64 "x",
	    "workspace wants a name of 1 to 64 bytes" },
	{ "a misspelt restriction", "a " HEX " workspace=w expire=2027-01-01", UNKNOWN },
	{ "an attribute in capitals", "a " HEX " workspace=w Expires=2027-01-01", UNKNOWN },
	{ "an attribute twice", "a " HEX " workspace=w expires=2027-01-01 expires=2099-01-01",
	    "expires is given twice" },
	{ "no value", "a " HEX " workspace=w expires=", "an attribute has no value" },
	{ "no equals sign", "a " HEX " workspace=w revoked",
	    "attributes read name=value; a value with blanks wants quotes" },
	{ "blanks without quotes", "a " HEX " workspace=w name=intranet portal",
	    "attributes read name=value; a value with blanks wants quotes" },
	{ "a quote that is not closed", "a " HEX " workspace=w name=\"n", "a quote is not closed" },
	{ "something behind a quote", "a " HEX " workspace=w name=\"n\"x",
	    "a closing quote wants a blank after it" },
	{ "a quote inside", "a " HEX " workspace=w name=n\"", "a quote stands inside a value" },
	{ "a day that does not exist", "a " HEX " workspace=w expires=2027-02-30",
	    "expires wants a date such as 2027-01-01 or 2027-01-01T08:00:00Z" },
	{ "a time with a zone", "a " HEX " workspace=w created=2027-01-01T00:00:00+01:00",
	    "created wants a date such as 2026-11-21 or 2026-11-21T08:00:00Z" },
	{ "revoked, but when", "a " HEX " workspace=w revoked=yes",
	    "revoked wants a date such as 2026-11-21 or 2026-11-21T08:00:00Z" },
	{ "an empty glob", "a " HEX " workspace=w models=a,,b",
	    "models wants globs with commas between them and no blanks" },
	{ "a comma too many", "a " HEX " workspace=w models=a,",
	    "models wants globs with commas between them and no blanks" },
	{ "globs with a blank", "a " HEX " workspace=w models=\"a, b\"",
	    "models wants globs with commas between them and no blanks" },
	{ "no globs", "a " HEX " workspace=w models=\"\"",
	    "models wants globs with commas between them and no blanks" },
	{ "a rate of nothing", "a " HEX " workspace=w rpm=0", RPM },
	{ "a rate beyond the largest", "a " HEX " workspace=w rpm=100000000001", RPM },
	{ "a rate with a fraction", "a " HEX " workspace=w rpm=1.5", RPM },
	{ "a rate with a sign", "a " HEX " workspace=w rpm=-1", RPM },
	{ "a rate beyond all numbers", "a " HEX " workspace=w tpm=99999999999999999999999", TPM },
	{ "a rate in thousands", "a " HEX " workspace=w tpm=60k", TPM },
	{ "no calls at once", "a " HEX " workspace=w concurrent=0", CONCURRENT },
	{ "too many calls at once", "a " HEX " workspace=w concurrent=1000001", CONCURRENT },
	{ "a budget of nothing", "a " HEX " workspace=w budget_day=0.00", DAY },
	{ "a budget with its sign", "a " HEX " workspace=w budget_day=$5", DAY },
	{ "a budget with a comma", "a " HEX " workspace=w budget_day=2,50", DAY },
	{ "a budget too fine", "a " HEX " workspace=w budget_month=0.0000000001", MONTH },
	{ "a budget too large", "a " HEX " workspace=w budget_month=9000000.000000001", MONTH },
	{ "a budget beyond all numbers", "a " HEX " workspace=w budget_month=99999999999999999999",
	    MONTH },
	{ "a limit twice", "a " HEX " workspace=w rpm=1 rpm=1000", "rpm is given twice" },
	{ "a limit with a dash", "a " HEX " workspace=w budget-day=1", UNKNOWN },
	{ "a control character", "a " HEX " workspace=w\x01", "a control character" },
};

static const struct {
	const char *what, *line;
} blank[] = {
	{ "nothing", "" },
	{ "blanks", " \t\r" },
	{ "a comment", "# a " HEX " workspace=w" },
	{ "a comment behind blanks", "  #" },
};

static void
test_good(struct check *t, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(good); i++) {
		struct buf out = buf_make(KEY_LINE_MAX);
		const char *why = "";
		struct key k;

		check_row(t, "%s", good[i].what);
		if (check_that(t,
			key_parse(guard_put(g, span_of(good[i].line)), &k, &why) == KEY_LINE_KEY,
			"refused: %s", why) &&
		    check_that(t, key_format(&k, &out) == 0, "cannot be written")) {
			check_that(t, out.len > 0 && out.p[out.len - 1] == '\n', "no newline");
			check_same(t, span_trim(buf_span(&out)), span_of(good[i].again));
		}
		buf_free(&out);
	}
}

static void
test_refused(struct check *t, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(bad); i++) {
		const char *why = "";
		struct key k;

		check_row(t, "refused: %s", bad[i].what);
		check_that(t,
		    key_parse(guard_put(g, span_of(bad[i].line)), &k, &why) == KEY_LINE_BAD,
		    "taken");
		check_same(t, span_of(why), span_of(bad[i].why));
	}
	for (size_t i = 0; i < ROWS(blank); i++) {
		const char *why = "";
		struct key k;

		check_row(t, "blank: %s", blank[i].what);
		check_that(t,
		    key_parse(guard_put(g, span_of(blank[i].line)), &k, &why) == KEY_LINE_BLANK,
		    "not blank");
	}
}

/* Every part of a line, at the guard page: refused or not, nothing beyond it is read. */
static void
test_parts(struct check *t, const struct guard *g)
{
	struct span whole = span_of(good[1].line);
	const char *why;
	struct key k;

	check_row(t, "every beginning and end of a line");
	for (size_t n = 0; n < whole.n; n++) {
		if (key_parse(guard_put(g, span_cut(whole, 0, n)), &k, &why) == KEY_LINE_KEY)
			check_that(t, n > 74, "%zu bytes are no key", n);
		if (n > 0)
			check_that(t,
			    key_parse(guard_put(g, span_cut(whole, n, whole.n)), &k, &why) !=
				    KEY_LINE_KEY ||
				n < 8,
			    "the end from %zu is no key", n);
	}
}

static void
test_long(struct check *t, const struct guard *g)
{
	static char line[KEY_LINE_MAX + 2];
	struct span head = SPAN("a " HEX " workspace=w name=");
	const char *why = "";
	struct key k;

	memset(line, 'x', sizeof(line));
	memcpy(line, head.p, head.n);
	check_row(t, "the longest line");
	check_that(t,
	    key_parse(guard_put(g, (struct span){ line, KEY_LINE_MAX }), &k, &why) == KEY_LINE_KEY,
	    "%s", why);
	check_row(t, "a line too long");
	check_that(t,
	    key_parse(guard_put(g, (struct span){ line, KEY_LINE_MAX + 1 }), &k, &why) ==
		KEY_LINE_BAD,
	    "taken");
}

static const struct {
	const char *what;
	struct key key;
} unwritable[] = {
	{ "no id", { .workspace = { "w", 1 } } },
	{ "an id with a blank", { .id = { "a b", 3 }, .workspace = { "w", 1 } } },
	{ "no workspace", { .id = { "a", 1 } } },
	{ "a newline in the workspace", { .id = { "a", 1 }, .workspace = { "w\nx", 3 } } },
	{ "a quote in the name",
	    { .id = { "a", 1 }, .workspace = { "w", 1 }, .name = { "\"", 1 } } },
	{ "a newline in the name",
	    { .id = { "a", 1 }, .workspace = { "w", 1 }, .name = { "a\nb", 3 } } },
	{ "globs with a blank",
	    { .id = { "a", 1 }, .workspace = { "w", 1 }, .models = { "a b", 3 } } },
	{ "a list that allows nothing",
	    { .id = { "a", 1 }, .workspace = { "w", 1 }, .models = { "", 0 } } },
	{ "a rate beyond the largest",
	    { .id = { "a", 1 }, .workspace = { "w", 1 }, .quota = { .rpm = QUOTA_RATE_MAX + 1 } } },
	{ "a budget beyond the largest",
	    { .id = { "a", 1 },
		.workspace = { "w", 1 },
		.quota = { .budget_day_nanousd = QUOTA_NANOUSD_MAX + 1 } } },
};

static void
test_unwritable(struct check *t)
{
	for (size_t i = 0; i < ROWS(unwritable); i++) {
		struct buf out = buf_make(KEY_LINE_MAX);

		check_row(t, "not written: %s", unwritable[i].what);
		check_that(t, buf_add(&out, SPAN("before")) == 0, "out of memory");
		check_that(t, key_format(&unwritable[i].key, &out) < 0, "written");
		check_same(t, buf_span(&out), SPAN("before"));
		buf_free(&out);
	}
}

static const struct {
	const char *what;
	int64_t expires, revoked, now;
	enum fault fault;
} states[] = {
	{ "for ever", 0, 0, INT64_MAX, FAULT_NONE },
	{ "the second before its end", 1000, 0, 999, FAULT_NONE },
	{ "its last second is over", 1000, 0, 1000, FAULT_KEY_EXPIRED },
	{ "revoked", 0, 500, 1000, FAULT_KEY_REVOKED },
	{ "revoked in the future is revoked", 0, 5000, 1000, FAULT_KEY_REVOKED },
	{ "revoked and expired", 500, 500, 1000, FAULT_KEY_REVOKED },
};

static void
test_states(struct check *t)
{
	for (size_t i = 0; i < ROWS(states); i++) {
		struct key k = { .expires = states[i].expires, .revoked = states[i].revoked };
		enum fault got = key_state(&k, states[i].now);

		check_row(t, "state: %s", states[i].what);
		check_that(t, got == states[i].fault, "%s", fault_row(got)->name);
	}
}

static void
test_allows(struct check *t)
{
	struct key all = { .models = { NULL, 0 } };
	struct key some = { .models = SPAN("claude-haiku-*,m") };

	check_row(t, "models");
	check_that(t, key_allows(&all, SPAN("anything")), "no list allows all");
	check_that(t, key_allows(&some, SPAN("claude-haiku-4")) && key_allows(&some, SPAN("m")),
	    "in the list");
	check_that(t, !key_allows(&some, SPAN("mm")) && !key_allows(&some, SPAN("claude-haiku")),
	    "not in the list");
}

static void
test_text(struct check *t)
{
	uint8_t random[KEY_RANDOM_LEN];
	char text[KEY_TEXT_LEN + 1];

	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = (uint8_t)(i * 8);
	key_text(random, text);
	check_row(t, "the text of a key");
	check_same(
	    t, span_of(text), SPAN("sk-postern-AAgQGCAoMDhASFBYYGhweICIkJigqLC4wMjQ2ODo8Pg"));
	check_that(t, strlen(text) == KEY_TEXT_LEN, "%zu characters", strlen(text));
}

static const struct {
	uint64_t nanousd;
	unsigned places_min;
	const char *text;
} dollars[] = {
	{ 0, 0, "0" },
	{ 0, 2, "0.00" },
	{ 5000000000, 0, "5" },
	{ 5000000000, 2, "5.00" },
	{ 2500000000, 2, "2.50" },
	{ 1, 2, "0.000000001" },
	{ 1234500000, 2, "1.2345" },
	{ 10, 9, "0.000000010" },
	{ QUOTA_NANOUSD_MAX, 0, "9000000" },
	{ UINT64_MAX, 0, "18446744073.709551615" },
};

static void
test_dollars(struct check *t)
{
	for (size_t i = 0; i < ROWS(dollars); i++) {
		struct buf out = buf_make(64);

		check_row(t, "dollars: %s", dollars[i].text);
		check_that(t, key_usd(dollars[i].nanousd, dollars[i].places_min, &out) == 0,
		    "out of memory");
		check_same(t, buf_span(&out), span_of(dollars[i].text));
		buf_free(&out);
	}
}

/* An attribute by itself, as it comes from a command line. */
static void
test_set(struct check *t)
{
	struct key k = { 0 };
	const char *why = key_set(&k, SPAN("budget_day"), SPAN("0.5"));

	check_row(t, "one attribute by itself");
	check_that(t, !why && k.quota.budget_day_nanousd == 500000000, "%s", why ? why : "number");
	why = key_set(&k, SPAN("rpm"), SPAN(""));
	check_that(t, why != NULL, "no value");
	check_same(t, span_of(why), SPAN(RPM));
	why = key_set(&k, SPAN("rp"), SPAN("1"));
	check_same(t, span_of(why), SPAN("unknown attribute"));
}

int
main(void)
{
	struct check t = { .module = "key" };
	struct guard g = guard_make();

	test_good(&t, &g);
	test_refused(&t, &g);
	test_parts(&t, &g);
	test_long(&t, &g);
	test_unwritable(&t);
	test_states(&t);
	test_allows(&t);
	test_text(&t);
	test_dollars(&t);
	test_set(&t);
	guard_free(&g);
	return check_end(&t);
}
