/* json: see json.h. The scanner is a loop over one state and one bit per open bracket: no
 * recursion, no allocation, no lock. */
#include "wire/json.h"

#include <assert.h>
#include <limits.h>
#include <stdarg.h>

#include "base/limits.h"
#include "base/num.h"
#include "wire/jsontext.h"
#include "wire/jsontree.h"

/* Strings. */

/* The four digits of a \u escape at p; -1 when they are not there. */
static int32_t
hex_four(const char *p, const char *end)
{
	int32_t v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = num_hex(p[i]);

		if (digit < 0)
			return -1;
		v = v * 16 + digit;
	}
	return v;
}

/* What the letter after a backslash stands for; -1 when it is none of the short escapes. */
static int32_t
escape_value(char c)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	const char *at = c != '\0' ? strchr(letters, c) : NULL;

	return at ? values[at - letters] : -1;
}

static size_t
utf8_put(uint32_t c, char out[static 4])
{
	static const unsigned char leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	out[0] = (char)(leads[n] | c);
	return n;
}

/* Decodes the escape whose backslash is at *p (its grammar is known to be good) and moves *p behind
 * it. Returns its length in UTF-8, 0 for half a surrogate pair, which no text can hold. */
static size_t
escape_decode(const char **p, const char *end, char out[static 4])
{
	const char *at = *p + 1;

	if (*at != 'u') {
		*p = at + 1;
		return utf8_put((uint32_t)escape_value(*at), out);
	}

	uint32_t c = (uint32_t)hex_four(at + 1, end);

	*p = at + 5;
	if (c < 0xd800 || c > 0xdfff)
		return utf8_put(c, out);
	if (c > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return 0;

	uint32_t low = (uint32_t)hex_four(*p + 2, end);

	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	*p += 6;
	return utf8_put(0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00), out);
}

/* True when raw, the inside of a good JSON string, stands for exactly name. */
static bool
escaped_eq(struct span raw, struct span name)
{
	const char *p = raw.p, *end = raw.p + raw.n;

	while (p < end) {
		char one[4] = { *p };
		size_t n = 1;

		if (*p == '\\')
			n = escape_decode(&p, end, one);
		else
			p++;
		if (n == 0 || n > name.n || memcmp(one, name.p, n) != 0)
			return false;
		name = span_cut(name, n, name.n);
	}
	return name.n == 0;
}

/* The scanner. */

enum want {
	WANT_VALUE,
	WANT_FIRST_VALUE, /* after '[': a value or its end */
	WANT_NAME,
	WANT_FIRST_NAME, /* after '{': a name or its end */
	WANT_NEXT,	 /* after a value: a comma or the end */
	WANT_NOTHING,	 /* the outermost object is closed */
	WANT_STOP,	 /* the caller has what it looks for */
	WANT_FAILED,
};

struct scan {
	const char *p, *end;
	unsigned depth, depth_max;
	uint64_t objects[JSON_DEPTH_MAX / 64]; /* a bit for each open bracket: set for '{' */
	struct json_member *members;
	size_t members_n;
	bool first_only;	 /* stop behind the first value found */
	struct json_member *hit; /* whose value is being read */
	const char *hit_at;	 /* where that value begins */
	const char *name_at;	 /* where its name begins */
	const char *fault_at;
	const char *fault; /* NULL: none */
};
static_assert(JSON_DEPTH_MAX % 64 == 0, "the brackets fill whole words");

static struct scan
scan_make(struct span text, unsigned depth_max)
{
	return (struct scan){
		.p = text.p,
		.end = text.p ? text.p + text.n : NULL,
		.depth_max = depth_max < JSON_DEPTH_MAX ? depth_max : JSON_DEPTH_MAX,
	};
}

static enum want
scan_fail(struct scan *s, const char *at, const char *what)
{
	s->fault_at = at;
	s->fault = what;
	return WANT_FAILED;
}

static inline void
scan_blanks(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
		s->p++;
}

static inline bool
scan_at(const struct scan *s, char c)
{
	return s->p < s->end && *s->p == c;
}

/* One escape, s->p at its backslash. */
static int
scan_escape(struct scan *s)
{
	const char *at = s->p + 1;

	if (at < s->end && *at == 'u' && hex_four(at + 1, s->end) >= 0) {
		s->p = at + 5;
		return 0;
	}
	if (at < s->end && escape_value(*at) >= 0) {
		s->p = at + 1;
		return 0;
	}
	(void)scan_fail(s, s->p, "invalid escape");
	return -1;
}

/* A string, s->p at its opening quote; *inside is what stands between the quotes and *escaped
 * whether there are escapes in it. */
static int
scan_string(struct scan *s, struct span *inside, bool *escaped)
{
	const char *start = ++s->p;

	*escaped = false;
	for (;;) {
		s->p = jsontext_plain_end(s->p, s->end);
		if (s->p == s->end) {
			(void)scan_fail(s, s->p, "string without its end");
			return -1;
		}
		if (*s->p == '"')
			break;
		if (*s->p == '\\') {
			*escaped = true;
			if (scan_escape(s) < 0)
				return -1;
		} else {
			size_t n = jsontext_utf8_len(s->p, s->end);

			if ((unsigned char)*s->p < 0x20) {
				(void)scan_fail(s, s->p, "control character in a string");
				return -1;
			}
			if (n == 0) {
				(void)scan_fail(s, s->p, "invalid UTF-8");
				return -1;
			}
			s->p += n;
		}
	}
	*inside = (struct span){ start, (size_t)(s->p - start) };
	s->p++;
	return 0;
}

/* At least one digit. */
static int
scan_digits(struct scan *s)
{
	const char *start = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	if (s->p > start)
		return 0;
	(void)scan_fail(s, s->p, "invalid number");
	return -1;
}

static int
scan_number(struct scan *s)
{
	if (scan_at(s, '-'))
		s->p++;
	if (scan_at(s, '0'))
		s->p++;
	else if (scan_digits(s) < 0)
		return -1;
	if (scan_at(s, '.')) {
		s->p++;
		if (scan_digits(s) < 0)
			return -1;
	}
	if (scan_at(s, 'e') || scan_at(s, 'E')) {
		s->p++;
		if (scan_at(s, '+') || scan_at(s, '-'))
			s->p++;
		if (scan_digits(s) < 0)
			return -1;
	}
	return 0;
}

static int
scan_literal(struct scan *s)
{
	static const struct span literals[] = { SPAN("true"), SPAN("false"), SPAN("null") };
	struct span rest = { s->p, (size_t)(s->end - s->p) };

	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
		if (span_starts(rest, literals[i])) {
			s->p += literals[i].n;
			return 0;
		}
	}
	(void)scan_fail(s, s->p, "expected a value");
	return -1;
}

static enum want
scan_open(struct scan *s, bool object)
{
	if (s->depth == s->depth_max)
		return scan_fail(s, s->p, "nested too deep");

	uint64_t bit = UINT64_C(1) << (s->depth % 64);

	if (object)
		s->objects[s->depth / 64] |= bit;
	else
		s->objects[s->depth / 64] &= ~bit;
	s->depth++;
	s->p++;
	return object ? WANT_FIRST_NAME : WANT_FIRST_VALUE;
}

static bool
scan_in_object(const struct scan *s)
{
	return s->objects[(s->depth - 1) / 64] >> ((s->depth - 1) % 64) & 1;
}

/* Behind a whole value. */
static enum want
scan_value_done(struct scan *s)
{
	if (s->depth == 0)
		return WANT_NOTHING;
	if (s->depth == 1 && s->hit) {
		s->hit->value = (struct span){ s->hit_at, (size_t)(s->p - s->hit_at) };
		s->hit->at = s->name_at;
		s->hit->seen++;
		s->hit = NULL;
		if (s->first_only)
			return WANT_STOP;
	}
	return WANT_NEXT;
}

static enum want
scan_close(struct scan *s)
{
	s->p++;
	s->depth--;
	return scan_value_done(s);
}

static enum want
scan_value(struct scan *s)
{
	struct span inside;
	bool escaped;
	int rc;

	if (s->depth == 1)
		s->hit_at = s->p;
	switch (s->p < s->end ? *s->p : '\0') {
	case '{':
		return scan_open(s, true);
	case '[':
		return scan_open(s, false);
	case '"':
		rc = scan_string(s, &inside, &escaped);
		break;
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		rc = scan_number(s);
		break;
	default:
		rc = scan_literal(s);
	}
	return rc < 0 ? WANT_FAILED : scan_value_done(s);
}

/* Remembers which of the members looked for the name of this one is, if any. */
static void
scan_match(struct scan *s, struct span inside, bool escaped)
{
	s->hit = NULL;
	for (size_t i = 0; i < s->members_n && !s->hit; i++) {
		struct json_member *m = &s->members[i];

		if (escaped ? escaped_eq(inside, m->name) : span_eq(inside, m->name))
			s->hit = m;
	}
}

static enum want
scan_name(struct scan *s)
{
	struct span inside;
	bool escaped;

	if (!scan_at(s, '"'))
		return scan_fail(s, s->p, "expected a member name");
	if (s->depth == 1)
		s->name_at = s->p;
	if (scan_string(s, &inside, &escaped) < 0)
		return WANT_FAILED;
	if (s->depth == 1)
		scan_match(s, inside, escaped);
	scan_blanks(s);
	if (!scan_at(s, ':'))
		return scan_fail(s, s->p, "expected ':'");
	s->p++;
	return WANT_VALUE;
}

static enum want
scan_next(struct scan *s)
{
	bool object = scan_in_object(s);

	if (scan_at(s, ',')) {
		s->p++;
		return object ? WANT_NAME : WANT_VALUE;
	}
	if (scan_at(s, object ? '}' : ']'))
		return scan_close(s);
	return scan_fail(s, s->p, object ? "expected ',' or '}'" : "expected ',' or ']'");
}

static enum want
scan_step(struct scan *s, enum want want)
{
	scan_blanks(s);
	switch (want) {
	case WANT_FIRST_VALUE:
		return scan_at(s, ']') ? scan_close(s) : scan_value(s);
	case WANT_VALUE:
		return scan_value(s);
	case WANT_FIRST_NAME:
		return scan_at(s, '}') ? scan_close(s) : scan_name(s);
	case WANT_NAME:
		return scan_name(s);
	case WANT_NEXT:
		return scan_next(s);
	case WANT_NOTHING:
	case WANT_STOP:
	case WANT_FAILED:
		break;
	}
	return want;
}

/* One object with blanks around it; whether anything comes after it is the caller's question. */
static enum want
scan_object(struct scan *s)
{
	enum want want = WANT_VALUE;

	scan_blanks(s);
	if (!scan_at(s, '{'))
		return scan_fail(s, s->p, "expected '{'");
	while (want < WANT_NOTHING)
		want = scan_step(s, want);
	if (want == WANT_NOTHING)
		scan_blanks(s);
	return want;
}

static void
members_clear(struct json_member *members, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		members[i].value = (struct span){ NULL, 0 };
		members[i].at = NULL;
		members[i].seen = 0;
	}
}

int
json_scan(struct span text, unsigned depth_max, struct json_member *members, size_t n,
    struct json_fault *fault)
{
	struct scan s = scan_make(text, depth_max);

	s.members = members;
	s.members_n = n;
	members_clear(members, n);
	if (scan_object(&s) == WANT_NOTHING && s.p < s.end)
		(void)scan_fail(&s, s.p, "text after the end of the object");
	if (!s.fault)
		return 0;
	members_clear(members, n);
	*fault = (struct json_fault){
		.at = s.fault_at ? (size_t)(s.fault_at - text.p) : 0,
		.what = s.fault,
	};
	return -1;
}

struct span
json_find(struct span object, struct span name)
{
	struct json_member member = { .name = name };
	struct scan s = scan_make(object, JSON_DEPTH_MAX);

	s.members = &member;
	s.members_n = 1;
	s.first_only = true;
	return scan_object(&s) == WANT_STOP ? member.value : (struct span){ NULL, 0 };
}

struct span
json_find_in(struct span object, ...)
{
	va_list ap;
	const char *name;

	va_start(ap, object);
	while ((name = va_arg(ap, const char *)) && object.p)
		object = json_find(object, span_of(name));
	va_end(ap);
	return object;
}

/* Reads one value; p NULL when it is none. */
static struct span
scan_one(struct scan *s)
{
	enum want want = WANT_VALUE;
	const char *at;

	scan_blanks(s);
	at = s->p;
	while (want < WANT_NOTHING)
		want = scan_step(s, want);
	return want == WANT_NOTHING ? (struct span){ at, (size_t)(s->p - at) }
				    : (struct span){ NULL, 0 };
}

/* Whether what is open goes on: behind its bracket, or behind a comma. */
static bool
scan_goes_on(struct scan *s, char open)
{
	scan_blanks(s);
	if (!scan_at(s, open) && !scan_at(s, ','))
		return false;
	s->p++;
	return true;
}

struct span
json_next(struct span *rest)
{
	struct scan s = scan_make(*rest, JSON_DEPTH_MAX);
	struct span one = { NULL, 0 };
	const char *end = s.end;

	*rest = one;
	if (!scan_goes_on(&s, '['))
		return one;
	one = scan_one(&s);
	if (one.p)
		*rest = (struct span){ s.p, (size_t)(end - s.p) };
	return one;
}

struct span
json_next_member(struct span *rest, struct span *name)
{
	struct scan s = scan_make(*rest, JSON_DEPTH_MAX);
	struct span one = { NULL, 0 };
	const char *end = s.end;

	*rest = one;
	if (!scan_goes_on(&s, '{'))
		return one;
	*name = scan_one(&s);
	scan_blanks(&s);
	if (!name->p || json_type(*name) != 's' || !scan_at(&s, ':'))
		return one;
	s.p++;
	one = scan_one(&s);
	if (one.p)
		*rest = (struct span){ s.p, (size_t)(end - s.p) };
	return one;
}

/* Values. */

int
json_string(struct span value, struct buf *out)
{
	struct scan s = scan_make(value, JSON_DEPTH_MAX);
	struct span inside;
	bool escaped;

	if (!scan_at(&s, '"') || scan_string(&s, &inside, &escaped) < 0 || s.p != s.end)
		return -1;
	return escaped ? jsontree_string(value, out) : buf_add(out, inside);
}

struct span
json_inside(struct span value)
{
	return json_type(value) == 's' && value.n > 1 ? span_cut(value, 1, value.n - 1)
						      : (struct span){ NULL, 0 };
}

bool
json_is_string(struct span value)
{
	struct scan s = scan_make(value, JSON_DEPTH_MAX);
	struct span inside;
	bool escaped;

	return json_type(value) == 's' && scan_string(&s, &inside, &escaped) == 0 && s.p == s.end;
}

void
json_field(struct span value, char *to, size_t size)
{
	struct buf text = buf_make(size - 1);

	if (json_string(value, &text) == 0) {
		if (text.len > 0)
			memcpy(to, text.p, text.len);
		to[text.len] = '\0';
	}
	buf_free(&text);
}

int
json_u64(struct span value, uint64_t max, uint64_t *out)
{
	if (value.n > 1 && value.p[0] == '0')
		return -1;
	return num_u64(value, max, out);
}

int
json_bool(struct span value, bool *out)
{
	bool is_true = span_eq(value, SPAN("true"));

	if (!is_true && !span_eq(value, SPAN("false")))
		return -1;
	*out = is_true;
	return 0;
}

char
json_type(struct span value)
{
	switch (value.n > 0 ? value.p[0] : '\0') {
	case '{':
		return 'o';
	case '[':
		return 'a';
	case '"':
		return 's';
	case 't':
	case 'f':
		return 'b';
	case 'n':
		return 'z';
	case '-':
		return 'n';
	default:
		return value.n > 0 && value.p[0] >= '0' && value.p[0] <= '9' ? 'n' : 0;
	}
}

bool
json_empty(struct span value)
{
	char type = json_type(value);
	struct scan s = scan_make(value, JSON_DEPTH_MAX);

	if (type != 'o' && type != 'a')
		return false;
	s.p++;
	scan_blanks(&s);
	return scan_at(&s, type == 'o' ? '}' : ']');
}
