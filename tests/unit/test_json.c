/* json: verdicts and offsets of the scanner, members however they are spelled, values, splice.
 * Texts end at a page that may not be read; each good text is also cut at every byte. */
#include "wire/json.h"

#include <inttypes.h>

#define json_bool json_c_bool
#define json_type json_c_type
#include <json-c/json.h>
#undef json_bool
#undef json_type

#include "base/limits.h"
#include "unit/check.h"
#include "unit/guard.h"

#define ANY ((size_t)-1)

enum other { SAME, LOOSE }; /* whether json-c's strict mode has the same verdict */

/* Faults: at is the offset of the first wrong byte, the text what is wrong; good texts have none.
 */
static const struct {
	const char *what;
	struct span in;
	size_t at;
	const char *fault;
	enum other other;
} verdicts[] = {
	{ "empty object", SPAN("{}"), 0, NULL, SAME },
	{ "blanks everywhere", SPAN(" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n"), 0, NULL,
	    SAME },
	{ "every kind of value", SPAN("{\"a\":[null,true,false,0,\"\",{}]}"), 0, NULL, SAME },
	{ "numbers", SPAN("{\"a\":[0,-0,10,-1.5,0.25,1e5,1E+5,1e-5,-0.0e0]}"), 0, NULL, SAME },
	{ "escapes", SPAN("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\uD83D\\uDE00\"}"), 0, NULL,
	    SAME },
	{ "escaped zero", SPAN("{\"a\":\"\\u0000\"}"), 0, NULL, SAME },
	{ "half a surrogate pair by escape", SPAN("{\"a\":\"\\ud800\"}"), 0, NULL, SAME },
	{ "UTF-8 of each length", SPAN("{\"\xc3\xa4\":\"\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"}"), 0,
	    NULL, SAME },
	{ "UTF-8 at its bounds",
	    SPAN("{\"a\":\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"
		 "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}"),
	    0, NULL, SAME },
	{ "the same name twice", SPAN("{\"a\":1,\"a\":2}"), 0, NULL, SAME },
	{ "nothing", SPAN(""), 0, "expected '{'", SAME },
	{ "only blanks", SPAN("  \n"), 3, "expected '{'", SAME },
	{ "an array", SPAN(" [1]"), 1, "expected '{'", LOOSE },
	{ "a string", SPAN("\"a\""), 0, "expected '{'", LOOSE },
	{ "a byte order mark", SPAN("\xef\xbb\xbf{}"), 0, "expected '{'", SAME },
	{ "two objects", SPAN("{}{}"), 2, "text after the end of the object", SAME },
	{ "one brace too many", SPAN("{} }"), 3, "text after the end of the object", SAME },
	{ "a zero byte behind", SPAN("{}\0"), 2, "text after the end of the object", LOOSE },
	{ "no end", SPAN("{\"a\":1"), 6, "expected ',' or '}'", SAME },
	{ "no end of an array", SPAN("{\"a\":[1"), 7, "expected ',' or ']'", SAME },
	{ "no value", SPAN("{\"a\":}"), 5, "expected a value", SAME },
	{ "no value at the end", SPAN("{\"a\":"), 5, "expected a value", SAME },
	{ "no colon", SPAN("{\"a\" 1}"), 5, "expected ':'", SAME },
	{ "no comma", SPAN("{\"a\":1 \"b\":2}"), 7, "expected ',' or '}'", SAME },
	{ "wrong end of an object", SPAN("{\"a\":1]"), 6, "expected ',' or '}'", SAME },
	{ "wrong end of an array", SPAN("{\"a\":[1}"), 7, "expected ',' or ']'", SAME },
	{ "comma before the end of an object", SPAN("{\"a\":1,}"), 7, "expected a member name",
	    SAME },
	{ "comma before the end of an array", SPAN("{\"a\":[1,]}"), 8, "expected a value", SAME },
	{ "comma first in an array", SPAN("{\"a\":[,1]}"), 6, "expected a value", SAME },
	{ "name without quotes", SPAN("{a:1}"), 1, "expected a member name", SAME },
	{ "name in single quotes", SPAN("{'a':1}"), 1, "expected a member name", LOOSE },
	{ "a number as name", SPAN("{1:1}"), 1, "expected a member name", SAME },
	{ "a comment", SPAN("{/**/}"), 1, "expected a member name", SAME },
	{ "True", SPAN("{\"a\":True}"), 5, "expected a value", SAME },
	{ "nul", SPAN("{\"a\":nul}"), 5, "expected a value", SAME },
	{ "nullx", SPAN("{\"a\":nullx}"), 9, "expected ',' or '}'", SAME },
	{ "NaN", SPAN("{\"a\":NaN}"), 5, "expected a value", LOOSE },
	{ "Infinity", SPAN("{\"a\":-Infinity}"), 6, "invalid number", LOOSE },
	{ "leading zero", SPAN("{\"a\":01}"), 6, "expected ',' or '}'", SAME },
	{ "plus", SPAN("{\"a\":+1}"), 5, "expected a value", SAME },
	{ "only minus", SPAN("{\"a\":-}"), 6, "invalid number", SAME },
	{ "point without digits", SPAN("{\"a\":1.}"), 7, "invalid number", LOOSE },
	{ "point first", SPAN("{\"a\":.5}"), 5, "expected a value", SAME },
	{ "exponent without digits", SPAN("{\"a\":1e}"), 7, "invalid number", LOOSE },
	{ "exponent with a sign only", SPAN("{\"a\":1e+}"), 8, "invalid number", LOOSE },
	{ "hexadecimal", SPAN("{\"a\":0x1}"), 6, "expected ',' or '}'", SAME },
	{ "newline in a string", SPAN("{\"a\":\"x\ny\"}"), 7, "control character in a string",
	    LOOSE },
	{ "zero byte in a string", SPAN("{\"a\":\"x\0y\"}"), 7, "control character in a string",
	    SAME },
	{ "string without its end", SPAN("{\"a\":\"xyz"), 9, "string without its end", SAME },
	{ "escape at the end", SPAN("{\"a\":\"xyz\\"), 9, "invalid escape", SAME },
	{ "unknown escape", SPAN("{\"a\":\"\\x41\"}"), 6, "invalid escape", SAME },
	{ "upper case escape", SPAN("{\"a\":\"\\U0041\"}"), 6, "invalid escape", SAME },
	{ "escaped zero byte", SPAN("{\"a\":\"\\\0\"}"), 6, "invalid escape", SAME },
	{ "short \\u", SPAN("{\"a\":\"\\u12\"}"), 6, "invalid escape", SAME },
	{ "\\u of no digits", SPAN("{\"a\":\"\\u12G4\"}"), 6, "invalid escape", SAME },
	{ "lone continuation byte", SPAN("{\"a\":\"\x80\"}"), 6, "invalid UTF-8", LOOSE },
	{ "overlong slash", SPAN("{\"a\":\"\xc0\xaf\"}"), 6, "invalid UTF-8", LOOSE },
	{ "overlong in three", SPAN("{\"a\":\"\xe0\x9f\xbf\"}"), 6, "invalid UTF-8", LOOSE },
	{ "overlong in four", SPAN("{\"a\":\"\xf0\x8f\xbf\xbf\"}"), 6, "invalid UTF-8", LOOSE },
	{ "surrogate in UTF-8", SPAN("{\"a\":\"\xed\xa0\x80\"}"), 6, "invalid UTF-8", LOOSE },
	{ "above U+10FFFF", SPAN("{\"a\":\"\xf4\x90\x80\x80\"}"), 6, "invalid UTF-8", LOOSE },
	{ "byte that never stands", SPAN("{\"a\":\"\xf8\x88\x80\x80\x80\"}"), 6, "invalid UTF-8",
	    LOOSE },
	{ "cut character", SPAN("{\"a\":\"\xe2\x82\"}"), 6, "invalid UTF-8", LOOSE },
	{ "cut character at the end", SPAN("{\"a\":\"\xe2\x82"), 6, "invalid UTF-8", SAME },
	{ "invalid UTF-8 in a name", SPAN("{\"\xff\":1}"), 2, "invalid UTF-8", LOOSE },
	{ "invalid behind eight good bytes", SPAN("{\"a\":\"01234567\xff\"}"), 14, "invalid UTF-8",
	    LOOSE },
	{ "control behind eight good bytes", SPAN("{\"a\":\"01234567\x1f...\"}"), 14,
	    "control character in a string", LOOSE },
};

static bool
json_c_takes(struct span s)
{
	struct json_tokener *t = json_tokener_new_ex(64);

	assert(t);
	json_tokener_set_flags(t, JSON_TOKENER_STRICT);

	struct json_object *tree = json_tokener_parse_ex(t, s.p, (int)s.n);
	bool good = tree != NULL && json_tokener_get_parse_end(t) == s.n;

	json_object_put(tree);
	json_tokener_free(t);
	return good;
}

/* No part of a good text is good: only its blanks at the end may go. */
static void
check_cuts(struct check *c, const struct guard *g, struct span in)
{
	struct span inner = span_trim(in);
	size_t whole = (size_t)(inner.p + inner.n - in.p);

	for (size_t n = 0; n < in.n; n++) {
		struct json_fault fault = { .at = ANY };
		int rc = json_scan(guard_put(g, span_cut(in, 0, n)), 16, NULL, 0, &fault);

		check_that(c, rc == (n < whole ? -1 : 0), "verdict %d when cut at %zu", rc, n);
		check_that(c, rc == 0 || fault.at <= n, "cut at %zu, fault at %zu", n, fault.at);
	}
}

static void
rows_verdicts(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(verdicts); i++) {
		struct span in = verdicts[i].in;
		struct json_fault fault = { .what = "none" };
		int rc = json_scan(guard_put(g, in), 16, NULL, 0, &fault);

		check_row(c, "%s", verdicts[i].what);
		check_that(c, rc == (verdicts[i].fault ? -1 : 0), "verdict %d: %s", rc, fault.what);
		if (rc < 0 && verdicts[i].fault) {
			check_same(c, span_of(fault.what), span_of(verdicts[i].fault));
			check_that(c, fault.at == verdicts[i].at, "fault at %zu", fault.at);
		}
		check_that(c, json_c_takes(in) == (rc == 0) || verdicts[i].other == LOOSE,
		    "json-c says otherwise");
		if (!verdicts[i].fault)
			check_cuts(c, g, in);
	}
}

/* Every two bytes as a whole string: exactly what RFC 3629 and RFC 8259 allow passes. */
static void
row_bytes(struct check *c, const struct guard *g)
{
	check_row(c, "every pair of bytes in a string");
	for (unsigned i = 0; i < 0x10000; i++) {
		unsigned a = i >> 8, b = i & 0xff;
		char text[] = { '{', '"', 'a', '"', ':', '"', (char)a, (char)b, '"', '}' };
		struct json_fault fault;
		bool a_plain = a >= 0x20 && a < 0x80 && a != '"' && a != '\\';
		bool b_plain = b >= 0x20 && b < 0x80 && b != '"' && b != '\\';
		bool pair = a >= 0xc2 && a < 0xe0 && b >= 0x80 && b < 0xc0;
		bool escape = a == '\\' && b != '\0' && strchr("\"\\/bfnrt", (int)b);
		bool want = (a_plain && b_plain) || pair || escape;
		struct span in = guard_put(g, (struct span){ text, sizeof(text) });

		check_that(c, (json_scan(in, 4, NULL, 0, &fault) == 0) == want, "%02x %02x", a, b);
	}
}

static void
row_depth(struct check *c, const struct guard *g)
{
	char text[2 * JSON_DEPTH_MAX + 16];
	struct json_fault fault = { 0 };
	const size_t deep = JSON_DEPTH_MAX;

	check_row(c, "depth ends at its maximum");
	memcpy(text, "{\"a\":", 5);
	memset(text + 5, '[', deep - 1);
	memset(text + 5 + deep - 1, ']', deep - 1);
	text[5 + 2 * (deep - 1)] = '}';

	struct span in = guard_put(g, (struct span){ text, 5 + 2 * (deep - 1) + 1 });

	check_that(c, json_scan(in, JSON_DEPTH_MAX, NULL, 0, &fault) == 0, "%s", fault.what);
	check_that(c, json_scan(in, 10 * JSON_DEPTH_MAX, NULL, 0, &fault) == 0, "%s", fault.what);
	check_that(c, json_scan(in, JSON_DEPTH_MAX - 1, NULL, 0, &fault) < 0, "one more passes");
	check_same(c, span_of(fault.what), SPAN("nested too deep"));
	check_that(c, fault.at == 5 + deep - 2, "fault at %zu", fault.at);
	check_that(c, json_scan(SPAN("{}"), 0, NULL, 0, &fault) < 0, "depth 0 takes an object");
	check_that(c, json_scan(SPAN("{\"a\":[]}"), 1, NULL, 0, &fault) < 0, "depth 1 takes two");
	check_that(c, json_scan(SPAN("{}"), 1, NULL, 0, &fault) == 0, "depth 1 takes no object");

	check_row(c, "brackets are told apart at every depth");
	for (size_t i = 5 + deep - 1; i < in.n - 1; i++) {
		memcpy(text, in.p, in.n);
		text[i] = '}';
		check_that(c,
		    json_scan((struct span){ text, in.n }, JSON_DEPTH_MAX, NULL, 0, &fault) < 0 &&
			fault.at == i,
		    "fault at %zu, not %zu", fault.at, i);
	}
}

static const struct {
	const char *what;
	struct span in;
	struct span value; /* of "model", last one */
	unsigned seen;
	struct span first; /* by json_find */
} members[] = {
	{ "absent", SPAN("{\"a\":1}"), { NULL, 0 }, 0, { NULL, 0 } },
	{ "in an empty object", SPAN("{}"), { NULL, 0 }, 0, { NULL, 0 } },
	{ "a string", SPAN("{\"a\":1, \"model\" : \"m\" }"), SPAN("\"m\""), 1, SPAN("\"m\"") },
	{ "a number", SPAN("{\"model\":-1.5e3}"), SPAN("-1.5e3"), 1, SPAN("-1.5e3") },
	{ "an object", SPAN("{\"model\":{\"model\":[1, 2]},\"x\":0}"), SPAN("{\"model\":[1, 2]}"),
	    1, SPAN("{\"model\":[1, 2]}") },
	{ "an array", SPAN("{\"model\":[ ]\n}"), SPAN("[ ]"), 1, SPAN("[ ]") },
	{ "null", SPAN("{\"model\":null}"), SPAN("null"), 1, SPAN("null") },
	{ "only deeper", SPAN("{\"a\":{\"model\":1},\"b\":[{\"model\":2}]}"), { NULL, 0 }, 0,
	    { NULL, 0 } },
	{ "as a value", SPAN("{\"a\":\"model\",\"b\":[\"model\"]}"), { NULL, 0 }, 0, { NULL, 0 } },
	{ "twice", SPAN("{\"model\":1,\"model\":2}"), SPAN("2"), 2, SPAN("1") },
	{ "one letter escaped", SPAN("{\"mod\\u0065l\":1}"), SPAN("1"), 1, SPAN("1") },
	{ "all letters escaped", SPAN("{\"\\u006D\\u006f\\u0064\\u0065\\u006c\":1}"), SPAN("1"), 1,
	    SPAN("1") },
	{ "both spellings", SPAN("{\"model\":1,\"\\u006dodel\":2}"), SPAN("2"), 2, SPAN("1") },
	{ "a prefix", SPAN("{\"mode\":1,\"mod\\u0065\":1}"), { NULL, 0 }, 0, { NULL, 0 } },
	{ "with more behind", SPAN("{\"models\":1,\"mod\\u0065ls\":1,\"model\\u0000\":1}"),
	    { NULL, 0 }, 0, { NULL, 0 } },
	{ "another case", SPAN("{\"Model\":1,\"MODEL\":2}"), { NULL, 0 }, 0, { NULL, 0 } },
	{ "with half a pair", SPAN("{\"model\\ud800\":1,\"\\udc00model\":1}"), { NULL, 0 }, 0,
	    { NULL, 0 } },
};

static void
rows_members(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(members); i++) {
		struct json_member m[] = { { .name = SPAN("x") },
			{ .name = SPAN("model"), .seen = 9 } };
		struct json_fault fault = { .what = "none" };
		struct span in = guard_put(g, members[i].in);

		check_row(c, "member %s", members[i].what);
		check_that(c, json_scan(in, 16, m, 2, &fault) == 0, "%s", fault.what);
		check_that(c, m[1].seen == members[i].seen, "seen %u", m[1].seen);
		check_that(c, !m[1].value.p == !members[i].value.p, "there or not");
		check_same(c, m[1].value, members[i].value);
		check_same(c, json_find(in, SPAN("model")), members[i].first);
	}
	check_row(c, "no member of a broken text is told");

	struct json_member m = { .name = SPAN("a") };
	struct json_fault fault;

	check_that(c, json_scan(SPAN("{\"a\":1,}"), 16, &m, 1, &fault) < 0, "no fault");
	check_that(c, !m.value.p && m.seen == 0, "found");
}

static void
row_find(struct check *c, const struct guard *g)
{
	struct span in, cut;

	check_row(c, "a path is followed, and what comes behind does not matter");
	in = guard_put(g, SPAN("{\"a\":{\"b\":{\"c\":7}},\"z\":1,,broken"));
	check_same(c, json_find_in(in, "a", "b", "c", NULL), SPAN("7"));
	check_same(c, json_find(in, SPAN("z")), SPAN("1"));
	check_that(c, !json_find(in, SPAN("broken")).p, "found behind the fault");
	check_that(c, !json_find_in(in, "a", "x", "c", NULL).p, "found what is not there");
	check_that(c, !json_find_in(in, "z", "x", NULL).p, "a number has members");
	cut = guard_put(g, SPAN("{\"a\":{\"b\":[1,2]"));
	check_that(c, !json_find(cut, SPAN("a")).p, "half a value is found");
	check_that(c, !json_find((struct span){ NULL, 0 }, SPAN("a")).p, "found in nothing");
	check_that(c, !json_find(SPAN("[\"a\",1]"), SPAN("a")).p, "found in an array");
	check_same(c,
	    json_find(SPAN("{\"\\u00e4\\ud83d\\ude00\":3}"), SPAN("\xc3\xa4\xf0\x9f\x98\x80")),
	    SPAN("3"));
}

static const struct {
	const char *what;
	struct span in;
	int rc;
	struct span want;
} strings[] = {
	{ "plain", SPAN("\"abc\""), 0, SPAN("abc") },
	{ "empty", SPAN("\"\""), 0, SPAN("") },
	{ "UTF-8", SPAN("\"\xe2\x82\xac\""), 0, SPAN("\xe2\x82\xac") },
	{ "short escapes", SPAN("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), 0, SPAN("\"\\/\b\f\n\r\t") },
	{ "\\u of each length", SPAN("\"\\u0041\\u00e4\\u20AC\""), 0,
	    SPAN("A\xc3\xa4\xe2\x82\xac") },
	{ "a pair", SPAN("\"\\ud83d\\ude00\""), 0, SPAN("\xf0\x9f\x98\x80") },
	{ "a zero in the middle", SPAN("\"a\\u0000b\""), 0, SPAN("a\0b") },
	{ "half a pair", SPAN("\"a\\ud800b\""), 0,
	    SPAN("a\xef\xbf\xbd"
		 "b") },
	{ "a number", SPAN("1"), -1, { NULL, 0 } },
	{ "null", SPAN("null"), -1, { NULL, 0 } },
	{ "nothing", { NULL, 0 }, -1, { NULL, 0 } },
	{ "one quote", SPAN("\""), -1, { NULL, 0 } },
	{ "text behind", SPAN("\"a\" "), -1, { NULL, 0 } },
	{ "two strings", SPAN("\"a\"\"b\""), -1, { NULL, 0 } },
	{ "a bad escape", SPAN("\"\\q\""), -1, { NULL, 0 } },
};

static void
rows_strings(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(strings); i++) {
		struct buf out = buf_make(64);

		check_row(c, "string: %s", strings[i].what);

		int rc = json_string(guard_put(g, strings[i].in), &out);

		check_that(c, rc == strings[i].rc, "verdict %d", rc);
		check_that(
		    c, json_is_string(guard_put(g, strings[i].in)) == (rc == 0), "is it one");
		check_same(c, buf_span(&out), strings[i].want);
		buf_free(&out);
	}
}

static void
row_string_full(struct check *c)
{
	struct buf out = buf_make(3);

	check_row(c, "a string that does not fit");
	check_that(c, json_string(SPAN("\"abcd\""), &out) < 0, "plain fits");
	check_that(c, json_string(SPAN("\"abc\\n\""), &out) < 0, "escaped fits");
	check_that(c, json_put_string(&out, SPAN("ab")) < 0, "quotes fit");
	check_that(c, out.len == 0, "something was written");
	check_that(c, json_put_string(&out, SPAN("a")) == 0, "one letter does not fit");
	check_same(c, buf_span(&out), SPAN("\"a\""));
	buf_free(&out);
}

static const struct {
	struct span in;
	int rc;
	uint64_t want;
} integers[] = {
	{ SPAN("0"), 0, 0 },
	{ SPAN("1024"), 0, 1024 },
	{ SPAN("1025"), -1, 0 },
	{ SPAN("-0"), -1, 0 },
	{ SPAN("-1"), -1, 0 },
	{ SPAN("01"), -1, 0 },
	{ SPAN("1.0"), -1, 0 },
	{ SPAN("1e3"), -1, 0 },
	{ SPAN("\"1\""), -1, 0 },
	{ SPAN("null"), -1, 0 },
	{ SPAN(""), -1, 0 },
};

static const struct {
	struct span in;
	char type;
	bool empty;
	int boolean; /* -1: none */
} types[] = {
	{ SPAN("{}"), 'o', true, -1 },
	{ SPAN("{ \t}"), 'o', true, -1 },
	{ SPAN("{\"a\":1}"), 'o', false, -1 },
	{ SPAN("[]"), 'a', true, -1 },
	{ SPAN("[\t]"), 'a', true, -1 },
	{ SPAN("[0]"), 'a', false, -1 },
	{ SPAN("["), 'a', false, -1 },
	{ SPAN("\"\""), 's', false, -1 },
	{ SPAN("-1"), 'n', false, -1 },
	{ SPAN("0"), 'n', false, -1 },
	{ SPAN("9"), 'n', false, -1 },
	{ SPAN("true"), 'b', false, 1 },
	{ SPAN("false"), 'b', false, 0 },
	{ SPAN("null"), 'z', false, -1 },
	{ SPAN("tru"), 'b', false, -1 },
	{ SPAN("x"), 0, false, -1 },
	{ SPAN(""), 0, false, -1 },
	{ { NULL, 0 }, 0, false, -1 },
};

static void
rows_values(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(integers); i++) {
		uint64_t got = 0;
		int rc = json_u64(guard_put(g, integers[i].in), 1024, &got);

		check_row(c, "integer '%s'", integers[i].in.p);
		check_that(c, rc == integers[i].rc && got == integers[i].want,
		    "verdict %d, got %" PRIu64, rc, got);
	}
	for (size_t i = 0; i < ROWS(types); i++) {
		struct span in = types[i].in.p ? guard_put(g, types[i].in) : types[i].in;
		bool got = types[i].boolean == 0;
		bool is_bool = json_bool(in, &got) == 0;

		check_row(c, "value '%s'", types[i].in.p ? types[i].in.p : "none");
		check_that(c, json_type(in) == types[i].type, "type '%c'", json_type(in));
		check_that(c, json_empty(in) == types[i].empty, "empty or not");
		check_that(c, is_bool == (types[i].boolean >= 0), "boolean or not");
		check_that(c, !is_bool || got == (types[i].boolean == 1), "the wrong boolean");
	}
}

static const struct {
	const char *what;
	struct span in, want;
} puts_[] = {
	{ "plain", SPAN("abc"), SPAN("\"abc\"") },
	{ "empty", SPAN(""), SPAN("\"\"") },
	{ "quote and backslash", SPAN("\"\\/"), SPAN("\"\\\"\\\\/\"") },
	{ "controls", SPAN("\b\f\n\r\t\x01\x1f\x7f"),
	    SPAN("\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"") },
	{ "a zero", SPAN("a\0b"), SPAN("\"a\\u0000b\"") },
	{ "UTF-8", SPAN("\xc3\xa4\xf0\x9f\x98\x80"), SPAN("\"\xc3\xa4\xf0\x9f\x98\x80\"") },
	{ "not UTF-8", SPAN("a\xff\xe2\x82"), SPAN("\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"") },
};

static void
rows_puts(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(puts_); i++) {
		struct buf out = buf_make(64);

		check_row(c, "written string: %s", puts_[i].what);
		check_that(c, json_put_string(&out, guard_put(g, puts_[i].in)) == 0, "full");
		check_same(c, buf_span(&out), puts_[i].want);
		buf_free(&out);
	}
}

/* Random valid text, written and read again. */
static void
row_round_trip(struct check *c, const struct guard *g)
{
	static const struct span letters[] = { SPAN("a"), SPAN("\""), SPAN("\\"), SPAN("\n"),
		SPAN("\0"), SPAN("\x1f"), SPAN("\xc3\xa4"), SPAN("\xe2\x82\xac"),
		SPAN("\xf0\x9f\x98\x80"), SPAN("longer plain text ") };
	uint64_t random = 42;

	check_row(c, "random strings there and back");
	for (int i = 0; i < 2000; i++) {
		struct buf in = buf_make(1024), json = buf_make(8192), back = buf_make(1024);
		int rc = 0;

		for (size_t n = check_pick(&random, 40); n > 0; n--)
			rc |= buf_add(&in, letters[check_pick(&random, ROWS(letters))]);
		rc |= json_put_string(&json, guard_put(g, buf_span(&in)));
		rc |= json_string(guard_put(g, buf_span(&json)), &back);
		check_that(c, rc == 0 && span_eq(buf_span(&in), buf_span(&back)), "text %d", i);
		buf_free(&in);
		buf_free(&json);
		buf_free(&back);
	}
}

static const struct {
	const char *what;
	struct span text;
	struct json_edit edits[3];
	size_t n;
	struct span want;
} splices[] = {
	{ "no edit", SPAN("{ \"a\":1 }"), { { 0, 0, { NULL, 0 } } }, 0, SPAN("{ \"a\":1 }") },
	{ "one value", SPAN("{\"a\":1,\"b\":2}"), { { 5, 1, SPAN("100") } }, 1,
	    SPAN("{\"a\":100,\"b\":2}") },
	{ "put in front", SPAN("{}"), { { 0, 0, SPAN(" ") } }, 1, SPAN(" {}") },
	{ "put behind", SPAN("{}"), { { 2, 0, SPAN("\n") } }, 1, SPAN("{}\n") },
	{ "all of it", SPAN("{}"), { { 0, 2, SPAN("[]") } }, 1, SPAN("[]") },
	{ "cut only", SPAN("{\"a\":1,\"b\":2}"), { { 1, 6, { NULL, 0 } } }, 1, SPAN("{\"b\":2}") },
	{ "neighbours", SPAN("abcd"),
	    { { 0, 1, SPAN("1") }, { 1, 1, SPAN("") }, { 2, 2, SPAN("34") } }, 3, SPAN("134") },
	{ "two at one place", SPAN("ab"), { { 1, 0, SPAN("x") }, { 1, 0, SPAN("y") } }, 2,
	    SPAN("axyb") },
};

static void
rows_splices(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(splices); i++) {
		struct buf out = buf_make(splices[i].want.n + 1);
		struct buf small = buf_make(splices[i].want.n);
		struct span text = guard_put(g, splices[i].text);
		int rc = buf_add(&out, SPAN("+"));

		check_row(c, "splice: %s", splices[i].what);
		rc |= json_splice(text, splices[i].edits, splices[i].n, &out);
		check_that(c, rc == 0, "full");
		check_same(c, span_cut(buf_span(&out), 1, out.len), splices[i].want);
		check_that(c,
		    buf_add(&small, SPAN("+")) == 0 &&
			json_splice(text, splices[i].edits, splices[i].n, &small) < 0 &&
			small.len == 1,
		    "a full buf is not left alone");
		buf_free(&out);
		buf_free(&small);
	}
}

/* Random objects: which members there are, how names, values and blanks are spelled. */

static const struct span names[] = { SPAN("\"model\""), SPAN("\"m\\u006fdel\""), SPAN("\"stream\""),
	SPAN("\"x\""), SPAN("\"\""), SPAN("\"\\ud83d\\ude00\""), SPAN("\"models\"") };
static const struct span values[] = { SPAN("1"), SPAN("-0.10e+05"), SPAN("\"text \\u0065\""),
	SPAN("{\"model\":\"inner\",\"stream\" : [ ]}"), SPAN("[ {\"model\":1}, \"model\" ]"),
	SPAN("null"), SPAN("true"), SPAN("\"\xe2\x82\xac and more than eight bytes\"") };
static const struct span blanks[] = { SPAN(""), SPAN(""), SPAN(" "), SPAN("\n\t"), SPAN("\r\n  ") };

static int
add_one_of(struct buf *out, const struct span *list, size_t n, uint64_t *random)
{
	return buf_add(out, list[check_pick(random, n)]);
}

static int
random_object(struct buf *out, uint64_t *random)
{
	int rc = add_one_of(out, blanks, ROWS(blanks), random) | buf_add(out, SPAN("{"));
	size_t n = check_pick(random, 8);

	for (size_t i = 0; i < n; i++) {
		rc |= add_one_of(out, blanks, ROWS(blanks), random);
		rc |= add_one_of(out, names, ROWS(names), random);
		rc |= add_one_of(out, blanks, ROWS(blanks), random);
		rc |= buf_add(out, SPAN(":"));
		rc |= add_one_of(out, blanks, ROWS(blanks), random);
		rc |= add_one_of(out, values, ROWS(values), random);
		rc |= add_one_of(out, blanks, ROWS(blanks), random);
		rc |= buf_add(out, i + 1 < n ? SPAN(",") : SPAN(""));
	}
	rc |= add_one_of(out, blanks, ROWS(blanks), random);
	return rc | buf_add(out, SPAN("}"));
}

/* Replaces the last "model" of text and looks at all bytes of the result. */
static void
check_splice(struct check *c, struct span text)
{
	struct json_member m = { .name = SPAN("model") }, again = m;
	struct json_fault fault = { .what = "none" };
	struct buf out = buf_make(8192);
	const struct span put = SPAN("\"claude-new\"");
	size_t at, end;

	check_that(c, json_scan(text, 16, &m, 1, &fault) == 0, "%s", fault.what);
	check_that(c, json_c_takes(text), "json-c does not take it");
	if (!m.value.p)
		return;
	at = (size_t)(m.value.p - text.p);
	end = at + m.value.n;
	check_that(c,
	    json_splice(text, &(struct json_edit){ at, m.value.n, put }, 1, &out) == 0 &&
		out.len == text.n - m.value.n + put.n,
	    "length %zu", out.len);
	check_same(c, span_cut(buf_span(&out), 0, at), span_cut(text, 0, at));
	check_same(c, span_cut(buf_span(&out), at + put.n, out.len), span_cut(text, end, text.n));
	check_that(c, json_scan(buf_span(&out), 16, &again, 1, &fault) == 0, "%s", fault.what);
	check_same(c, again.value, put);
	check_that(c, again.seen == m.seen, "seen %u, then %u", m.seen, again.seen);
	buf_free(&out);
}

static void
row_splice_random(struct check *c, const struct guard *g)
{
	uint64_t random = 4711;

	check_row(c, "splice of random objects leaves all other bytes alone");
	for (int i = 0; i < 5000; i++) {
		struct buf text = buf_make(8192);

		if (check_that(c, random_object(&text, &random) == 0, "full"))
			check_splice(c, guard_put(g, buf_span(&text)));
		buf_free(&text);
	}
}

/* Objects without their member x. */
static const struct {
	struct span text;
	int rc;
	const char *want;
} withouts[] = {
	{ SPAN("{\"x\":1}"), 1, "{}" },
	{ SPAN("{ \"x\" : {\"x\":1} }"), 1, "{ }" },
	{ SPAN("{\"x\":1,\"y\":2}"), 1, "{\"y\":2}" },
	{ SPAN("{ \"x\":1 , \"y\":2 }"), 1, "{  \"y\":2 }" },
	{ SPAN("{\"y\":2,\"x\":1}"), 1, "{\"y\":2}" },
	{ SPAN("{\"y\":2 , \"\\u0078\":1 ,\"z\":3}"), 1, "{\"y\":2  ,\"z\":3}" },
	{ SPAN("{\"y\":\"x\"}"), 0, "" },
	{ SPAN("{}"), 0, "" },
	{ SPAN("{\"x\":1,\"x\":2}"), -1, "" },
	{ SPAN("[1]"), -1, "" },
	{ SPAN("{\"x\":1"), -1, "" },
};

static void
rows_withouts(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(withouts); i++) {
		struct buf out = buf_make(KIB);
		int rc = json_without(guard_put(g, withouts[i].text), SPAN("x"), &out);

		check_row(c, "without: %.*s", (int)withouts[i].text.n, withouts[i].text.p);
		check_that(c, rc == withouts[i].rc, "verdict %d", rc);
		check_same(c, buf_span(&out), span_of(withouts[i].want));
		buf_free(&out);
	}
	struct buf full = buf_make(4);

	check_row(c, "without: no room");
	check_that(c, json_without(SPAN("{\"x\":1,\"y\":2}"), SPAN("x"), &full) < 0, "done");
	buf_free(&full);
}

/* The elements of an array, each in brackets. */
static const struct {
	struct span text;
	const char *want;
} nexts[] = {
	{ SPAN("[]"), "" },
	{ SPAN(" [ 1 , \"a,]\" ,{\"b\":[2]}, [ 3 ],null ] "),
	    "(1)(\"a,]\")({\"b\":[2]})([ 3 ])(null)" },
	{ SPAN("[1"), "(1)" },
	{ SPAN("[1,"), "(1)" },
	{ SPAN("[1 2]"), "(1)" },
	{ SPAN("[tru,1]"), "" },
	{ SPAN("{\"a\":1}"), "" },
	{ SPAN("\"a\""), "" },
	{ SPAN(""), "" },
};

static void
rows_nexts(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(nexts); i++) {
		struct buf got = buf_make(KIB);
		struct span rest = guard_put(g, nexts[i].text);
		struct span one;

		check_row(c, "elements of %.*s", (int)nexts[i].text.n, nexts[i].text.p);
		while ((one = json_next(&rest)).p)
			check_that(c,
			    buf_add(&got, SPAN("(")) == 0 && buf_add(&got, one) == 0 &&
				buf_add(&got, SPAN(")")) == 0,
			    "full");
		check_same(c, buf_span(&got), span_of(nexts[i].want));
		buf_free(&got);
	}
}

/* The members of an object, each in brackets. */
static const struct {
	struct span text;
	const char *want;
} next_members[] = {
	{ SPAN("{}"), "" },
	{ SPAN(" { \"a\" : 1 , \"b,}\":{\"c\":[2]} } "), "(\"a\"=1)(\"b,}\"={\"c\":[2]})" },
	{ SPAN("{\"a\":1,\"a\":2}"), "(\"a\"=1)(\"a\"=2)" },
	{ SPAN("{\"a\":1"), "(\"a\"=1)" },
	{ SPAN("{\"a\":1,\"b\""), "(\"a\"=1)" },
	{ SPAN("{\"a\":1,\"b\":"), "(\"a\"=1)" },
	{ SPAN("{1:2}"), "" },
	{ SPAN("[\"a\",1]"), "" },
	{ SPAN(""), "" },
};

static void
rows_next_members(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(next_members); i++) {
		struct buf got = buf_make(KIB);
		struct span rest = guard_put(g, next_members[i].text);
		struct span name, value;

		check_row(
		    c, "members of %.*s", (int)next_members[i].text.n, next_members[i].text.p);
		while ((value = json_next_member(&rest, &name)).p)
			check_that(c,
			    buf_addf(&got, "(%.*s=%.*s)", (int)name.n, name.p, (int)value.n,
				value.p) == 0,
			    "full");
		check_same(c, buf_span(&got), span_of(next_members[i].want));
		buf_free(&got);
	}
}

static void
rows_fields(struct check *c)
{
	static const struct {
		const char *what, *value, *want;
	} fields[] = {
		{ "a text", "\"abc\"", "abc" },
		{ "an escaped one", "\"a\\n\"", "a\n" },
		{ "an empty one", "\"\"", "" },
		{ "as long as it may be", "\"1234567\"", "1234567" },
		{ "too long", "\"12345678\"", "old" },
		{ "a number", "5", "old" },
		{ "nothing", "", "old" },
	};

	for (size_t i = 0; i < ROWS(fields); i++) {
		char to[8] = "old";

		check_row(c, "field: %s", fields[i].what);
		json_field(span_of(fields[i].value), to, sizeof(to));
		check_same(c, span_of(to), span_of(fields[i].want));
	}
}

int
main(void)
{
	struct check c = { .module = "json" };
	struct guard g = guard_make();

	rows_verdicts(&c, &g);
	row_bytes(&c, &g);
	row_depth(&c, &g);
	rows_members(&c, &g);
	row_find(&c, &g);
	rows_strings(&c, &g);
	row_string_full(&c);
	rows_values(&c, &g);
	rows_puts(&c, &g);
	row_round_trip(&c, &g);
	rows_splices(&c, &g);
	row_splice_random(&c, &g);
	rows_withouts(&c, &g);
	rows_nexts(&c, &g);
	rows_next_members(&c, &g);
	rows_fields(&c);
	guard_free(&g);
	return check_end(&c);
}
