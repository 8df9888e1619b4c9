/* sigv4: what AWS's own clients sign, byte for byte; the rules of paths and queries one by one; and
 * what may not be signed. */
#include "wire/sigv4.h"

#include <assert.h>

#include "base/limits.h"
#include "unit/check.h"
#include "unit/guard.h"
#include "unit/sigv4_vectors.h"

#define OUT_MAX 8192u

static const struct {
	const char *in, *want;
} paths[] = {
	{ "", "/" },
	{ "/", "/" },
	{ "//", "/" },
	{ "a", "/a" },
	{ "/a", "/a" },
	{ "/a/", "/a/" },
	{ "//a//b//", "/a/b/" },
	{ "/.", "/" },
	{ "/a/.", "/a" },
	{ "/a/./b", "/a/b" },
	{ "/..", "/" },
	{ "/../..", "/" },
	{ "/a/..", "/" },
	{ "/a/../", "/" },
	{ "/a/b/..", "/a" },
	{ "/a/b/../", "/a/" },
	{ "/a/../../b", "/b" },
	{ "/a/.../b", "/a/.../b" },
	{ "/.a/..b/c.", "/.a/..b/c." },
	{ "/%2e%2E/a", "/%252e%252E/a" },
	{ "/a:b", "/a%3Ab" },
	{ "/a%3Ab", "/a%253Ab" },
	{ "/a%2Fb", "/a%252Fb" },
	{ "/a b", "/a%20b" },
	{ "/a+b", "/a%2Bb" },
	{ "/%", "/%25" },
	{ "/\xe1\x88\xb4\x7f", "/%E1%88%B4%7F" },
	{ "/-._~", "/-._~" },
	{ "/!$&'()*,;=@", "/%21%24%26%27%28%29%2A%2C%3B%3D%40" },
};

static const struct {
	const char *in, *want;
} queries[] = {
	{ "", "" },
	{ "&", "" },
	{ "&&a=1&&", "a=1" },
	{ "a", "a=" },
	{ "a=", "a=" },
	{ "=", "=" },
	{ "=&=", "=&=" },
	{ "=1&a", "=1&a=" },
	{ "a=b=c", "a=b%3Dc" },
	{ "b=1&a=2", "a=2&b=1" },
	{ "a=2&a=1&a", "a=&a=1&a=2" },
	{ "a=1&a=1", "a=1&a=1" },
	{ "b=1&B=1&a=1&A=1", "A=1&B=1&a=1&b=1" },
	{ "a-=1&a=2&a0=3&a.=4", "a=2&a-=1&a.=4&a0=3" },
	{ "a=b&a=b-&a=b%20", "a=b&a=b%20&a=b-" },
	{ "a=%c3%a4", "a=%C3%A4" },
	{ "a=\xc3\xa4", "a=%C3%A4" },
	{ "%61=%2d%2E%5f%7e", "a=-._~" },
	{ "a=1+2", "a=1%2B2" },
	{ "a=1 2", "a=1%202" },
	{ "a=%2B%26%3D%25", "a=%2B%26%3D%25" },
	{ "a=%", "a=%25" },
	{ "a=%4", "a=%254" },
	{ "a=%4g%g4", "a=%254g%25g4" },
	{ "a=%%34", "a=%254" },
	{ "a=/:?#[]@", "a=%2F%3A%3F%23%5B%5D%40" },
	{ "a=!'()*", "a=%21%27%28%29%2A" },
};

static const struct {
	const char *in, *want; /* NULL: refused */
} segments[] = {
	{ "anthropic.claude-haiku-5-5", "anthropic.claude-haiku-5-5" },
	{ "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
	    "eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0" },
	{ "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
	    "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2F"
	    "abc123" },
	{ "a b%2F?#\xc3\xa4", "a%20b%252F%3F%23%C3%A4" },
	{ "...", "..." },
	{ "..", NULL },
	{ ".", NULL },
	{ "", NULL },
};

static struct sigv4_header
header_of(const char *line)
{
	struct span s = span_of(line);
	size_t n = strcspn(line, ":");

	return (struct sigv4_header){ span_cut(s, 0, n), span_cut(s, n + 1, s.n) };
}

/* A vector as a request; its headers and hash lie beside it. */
struct prepared {
	struct sigv4_request r;
	struct sigv4_header headers[ROWS(sigv4_vectors[0].headers)];
	uint8_t hash[HASH_LEN];
	struct sigv4_key key;
};

static void
prepare(struct prepared *p, const struct sigv4_vector *v)
{
	size_t n = 0;
	int rc = hash_sha256(span_of(v->body), p->hash);

	assert(rc == 0);
	for (; n < ROWS(v->headers) && v->headers[n]; n++)
		p->headers[n] = header_of(v->headers[n]);
	p->r = (struct sigv4_request){
		.method = span_of(v->method),
		.path = span_of(v->path),
		.query = span_of(v->query),
		.headers = p->headers,
		.headers_n = n,
		.body_hash = p->hash,
		.access_key_id = SPAN("AKIDEXAMPLE"),
		.session_token = span_of(v->token),
		.scope = { span_of(v->region), span_of(v->service) },
		.now = v->now,
		.plain = v->plain,
	};
	rc = sigv4_derive(SPAN(SIGV4_VECTOR_SECRET), &p->r.scope, v->now, &p->key);
	assert(rc == 0);
}

/* The value of a line of sigv4_sign; p NULL when there is none. */
static struct span
line_of(const struct buf *lines, const char *name)
{
	struct span value = { NULL, 0 };

	for (size_t at = 0; at < lines->len;) {
		struct span line = span_of(lines->p + at);
		size_t n = strlen(name);

		if (line.n > n + 2 && memcmp(line.p, name, n) == 0 && line.p[n] == ':')
			value = span_cut(line, n + 2, line.n);
		at += line.n + 1;
	}
	return value;
}

static size_t
lines_count(const struct buf *lines)
{
	size_t n = 0;

	for (size_t i = 0; i < lines->len; i++)
		n += lines->p[i] == '\0';
	return n;
}

static void
check_lines(struct check *c, const struct prepared *p, const struct buf *lines)
{
	char hex[HASH_HEX_LEN + 1];
	size_t want = 2 + (p->r.session_token.n > 0 ? 1u : 0u) + (p->r.plain ? 0u : 1u);

	hash_to_hex(p->hash, hex);
	check_that(c, lines_count(lines) == want, "%zu lines", lines_count(lines));
	check_that(c, line_of(lines, "x-amz-date").n == 16, "no time");
	if (!p->r.plain)
		check_same(c, line_of(lines, "x-amz-content-sha256"), span_of(hex));
	if (p->r.session_token.n > 0)
		check_same(c, line_of(lines, "x-amz-security-token"), p->r.session_token);
}

static void
rows_vectors(struct check *c)
{
	for (size_t i = 0; i < ROWS(sigv4_vectors); i++) {
		const struct sigv4_vector *v = &sigv4_vectors[i];
		struct buf canonical = buf_make(OUT_MAX), lines = buf_make(OUT_MAX);
		struct prepared p;

		check_row(c, "%s", v->name);
		prepare(&p, v);
		check_that(c, sigv4_canonical(&p.r, &canonical) == 0, "no canonical request");
		check_same(c, buf_span(&canonical), span_of(v->canonical));
		if (check_that(c, sigv4_sign(&p.r, &p.key, &lines) == 0, "not signed")) {
			check_same(c, line_of(&lines, "authorization"), span_of(v->authorization));
			check_lines(c, &p, &lines);
		}
		buf_free(&canonical);
		buf_free(&lines);
	}
}

static void
rows_paths(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(paths); i++) {
		struct buf out = buf_make(OUT_MAX);

		check_row(c, "path '%s'", paths[i].in);
		check_that(c, buf_add(&out, SPAN("GET /..")) == 0, "no memory");
		check_that(c, sigv4_canonical_path(guard_put(g, span_of(paths[i].in)), &out) == 0,
		    "refused");
		buf_drop(&out, 7);
		check_same(c, buf_span(&out), span_of(paths[i].want));
		buf_free(&out);
	}
}

static void
rows_queries(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(queries); i++) {
		struct buf out = buf_make(OUT_MAX), again = buf_make(OUT_MAX);

		check_row(c, "query '%s'", queries[i].in);
		check_that(c,
		    sigv4_canonical_query(guard_put(g, span_of(queries[i].in)), &out) == 0,
		    "refused");
		check_same(c, buf_span(&out), span_of(queries[i].want));
		check_that(c, sigv4_canonical_query(buf_span(&out), &again) == 0, "refused again");
		check_same(c, buf_span(&again), buf_span(&out));
		buf_free(&out);
		buf_free(&again);
	}
}

static void
rows_segments(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(segments); i++) {
		struct buf out = buf_make(OUT_MAX);
		int rc = sigv4_segment(guard_put(g, span_of(segments[i].in)), &out);

		check_row(c, "model '%s'", segments[i].in);
		check_that(c, (rc == 0) == (segments[i].want != NULL), "verdict %d", rc);
		check_same(c, buf_span(&out), span_of(segments[i].want));
		buf_free(&out);
	}
}

/* The example of AWS's documentation of how a signing key is derived. */
static void
row_derivation(struct check *c)
{
	const struct sigv4_scope scope = { SPAN("us-east-1"), SPAN("iam") };
	char hex[HASH_HEX_LEN + 1];
	struct sigv4_key key;

	check_row(c, "the key of the documentation's example");
	check_that(
	    c, sigv4_derive(SPAN(SIGV4_VECTOR_SECRET), &scope, 1440938160, &key) == 0, "none");
	hash_to_hex(key.bytes, hex);
	check_same(c, span_of(hex),
	    SPAN("c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"));
}

/* The key of 2026-11-21. */
static const struct {
	const char *when;
	int64_t now;
	bool good;
} days[] = {
	{ "the same second", 1795262400, true },
	{ "the day's first second", 1795219200, true },
	{ "the second before it", 1795219199, false },
	{ "the day's last second", 1795305599, true },
	{ "the second after it", 1795305600, false },
	{ "1970", 0, false },
	{ "1969", -1, false },
};

static void
rows_days(struct check *c)
{
	for (size_t i = 0; i < ROWS(days); i++) {
		struct buf lines = buf_make(OUT_MAX);
		struct prepared p;

		check_row(c, "a kept key at %s", days[i].when);
		prepare(&p, &sigv4_vectors[0]);
		p.r.now = days[i].now;
		check_that(c, sigv4_key_good(&p.key, days[i].now) == days[i].good, "not so");
		check_that(c, (sigv4_sign(&p.r, &p.key, &lines) == 0) == days[i].good, "signs");
		check_that(c, (lines.len > 0) == days[i].good, "%zu bytes", lines.len);
		buf_free(&lines);
	}
}

static void
row_before_1970(struct check *c)
{
	const struct sigv4_scope scope = { SPAN("us-east-1"), SPAN("iam") };
	struct sigv4_key key;

	check_row(c, "the last second before 1970 has a day of its own");
	check_that(c, sigv4_derive(SPAN("s"), &scope, -1, &key) == 0, "no key");
	check_that(c, sigv4_key_good(&key, -1) && sigv4_key_good(&key, -86400), "not of its day");
	check_that(c, !sigv4_key_good(&key, 0) && !sigv4_key_good(&key, -86401), "of another day");
}

static void
row_secrets(struct check *c)
{
	static const struct sigv4_key none = { .day = 0 };
	const struct sigv4_scope scope = { SPAN("us-east-1"), SPAN("iam") };
	char longest[SIGV4_SECRET_MAX + 1];
	struct sigv4_key key;

	memset(longest, 'x', sizeof(longest));
	check_row(c, "a secret has one byte at least, and 256 at most");
	check_that(c,
	    sigv4_derive((struct span){ longest, SIGV4_SECRET_MAX }, &scope, 0, &key) == 0,
	    "256 are refused");
	check_that(c,
	    sigv4_derive((struct span){ longest, sizeof(longest) }, &scope, 86400, &key) < 0,
	    "257 are taken");
	check_that(c, memcmp(&key, &none, sizeof(key)) == 0, "the refused one leaves a key");
	check_that(c, sigv4_derive(SPAN("s"), &scope, 86400, &key) == 0, "one is refused");
	check_that(c, memcmp(key.bytes, none.bytes, HASH_LEN) != 0, "no key");
	check_that(c, sigv4_derive(SPAN(""), &scope, 86400, &key) < 0, "none is taken");
	check_that(c, sigv4_derive(SPAN("s"), &scope, 86400, &key) == 0, "one is refused");
	sigv4_key_wipe(&key);
	check_that(c, memcmp(&key, &none, sizeof(key)) == 0, "a wiped one is still there");
}

enum part { METHOD, ACCESS_KEY_ID, TOKEN, REGION, SERVICE, HEADER, HOST };

static const struct {
	const char *what;
	enum part part;
	const char *text;
} refusals[] = {
	{ "an empty method", METHOD, "" },
	{ "a method of two lines", METHOD, "GET\n" },
	{ "no access key id", ACCESS_KEY_ID, "" },
	{ "an access key id with a blank", ACCESS_KEY_ID, "AK ID" },
	{ "an access key id with a line end", ACCESS_KEY_ID, "AKID\r\nx: y" },
	{ "a token with a line end", TOKEN, "a\nb" },
	{ "a token with a DEL", TOKEN, "a\x7f" },
	{ "a region with a line end", REGION, "eu\n" },
	{ "a service with a blank", SERVICE, "bed rock" },
	{ "a header without a name", HEADER, ":a" },
	{ "a blank in a header's name", HEADER, "x amz:a" },
	{ "a line end in a header's name", HEADER, "x\namz:a" },
	{ "a name that is not ASCII", HEADER, "x-\xc3\xa4:a" },
	{ "a time of its own", HEADER, "X-Amz-Date:20261121T120000Z" },
	{ "a hash of its own", HEADER, "x-amz-content-sha256:UNSIGNED-PAYLOAD" },
	{ "a token of its own", HEADER, "X-Amz-Security-Token:a" },
	{ "a signature of its own", HEADER, "Authorization:Bearer a" },
	{ "no host", HOST, "x-amz-a:b" },
};

static void
spoil(struct prepared *p, enum part part, const char *text)
{
	struct span *const spans[] = {
		[METHOD] = &p->r.method,
		[ACCESS_KEY_ID] = &p->r.access_key_id,
		[TOKEN] = &p->r.session_token,
		[REGION] = &p->r.scope.region,
		[SERVICE] = &p->r.scope.service,
	};

	if (part == HEADER)
		p->headers[p->r.headers_n++] = header_of(text);
	else if (part == HOST)
		p->headers[0] = header_of(text);
	else
		*spans[part] = span_of(text);
}

static void
rows_refusals(struct check *c)
{
	for (size_t i = 0; i < ROWS(refusals); i++) {
		struct buf out = buf_make(OUT_MAX);
		struct prepared p;

		check_row(c, "refused: %s", refusals[i].what);
		prepare(&p, &sigv4_vectors[0]);
		p.headers[0] = header_of("host:a");
		spoil(&p, refusals[i].part, refusals[i].text);
		check_that(c, sigv4_sign(&p.r, &p.key, &out) < 0, "signed");
		check_that(c, sigv4_canonical(&p.r, &out) < 0, "written");
		check_that(c, out.len == 0, "%zu bytes", out.len);
		buf_free(&out);
	}
}

/* Names that sort first and last, in an order of their own each. */
static void
row_many_headers(struct check *c)
{
	struct sigv4_header headers[SIGV4_HEADERS_MAX + 1];
	char names[SIGV4_HEADERS_MAX + 1][8];
	struct buf lines = buf_make(OUT_MAX), other = buf_make(OUT_MAX);
	struct prepared p;

	check_row(c, "32 headers in any order are signed alike, 33 are too many");
	prepare(&p, &sigv4_vectors[0]);
	for (size_t i = 0; i < ROWS(headers); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "%c-%02zu", i % 2 ? 'a' : 'Z', i);
		headers[i] = (struct sigv4_header){ span_of(names[i]), SPAN("1") };
	}
	headers[0].name = SPAN("Host");
	p.r.headers = headers;
	p.r.headers_n = SIGV4_HEADERS_MAX;
	check_that(c, sigv4_sign(&p.r, &p.key, &lines) == 0, "32 are refused");
	for (size_t i = 0; i < SIGV4_HEADERS_MAX / 2; i++) {
		struct sigv4_header h = headers[i];

		headers[i] = headers[SIGV4_HEADERS_MAX - 1 - i];
		headers[SIGV4_HEADERS_MAX - 1 - i] = h;
	}
	check_that(c, sigv4_sign(&p.r, &p.key, &other) == 0, "reversed they are refused");
	check_same(c, buf_span(&other), buf_span(&lines));
	p.r.headers_n++;
	check_that(c, sigv4_sign(&p.r, &p.key, &lines) < 0, "33 are taken");
	check_that(c, lines.len == other.len, "lines were added");
	buf_free(&lines);
	buf_free(&other);
}

static void
row_many_parameters(struct check *c)
{
	struct buf query = buf_make(OUT_MAX), want = buf_make(OUT_MAX), out = buf_make(OUT_MAX);

	check_row(c, "32 parameters are sorted, 33 are too many");
	for (unsigned i = 0; i < SIGV4_PARAMETERS_MAX; i++) {
		check_that(c, buf_addf(&query, "&a=%02u", (i * 7 + 5) % SIGV4_PARAMETERS_MAX) == 0,
		    "no memory");
		check_that(c, buf_addf(&want, "%sa=%02u", i ? "&" : "", i) == 0, "no memory");
	}
	check_that(c, sigv4_canonical_query(buf_span(&query), &out) == 0, "32 are refused");
	check_same(c, buf_span(&out), buf_span(&want));
	check_that(c, buf_add(&query, SPAN("&b")) == 0, "no memory");
	check_that(c, sigv4_canonical_query(buf_span(&query), &out) < 0, "33 are taken");
	buf_free(&query);
	buf_free(&want);
	buf_free(&out);
}

/* A request that is larger than may be signed, in each of its parts. */
static void
row_too_large(struct check *c)
{
	static const char big[SIGV4_CANONICAL_MAX + 1] = { 0 };
	char region[SIGV4_TO_SIGN_MAX];
	struct span all = { big, sizeof(big) };
	struct buf lines = buf_make((size_t)4 * SIGV4_CANONICAL_MAX);
	struct prepared p;

	check_row(c, "a request over its bounds is not signed");
	prepare(&p, &sigv4_vectors[0]);
	p.r.path = all;
	check_that(c, sigv4_sign(&p.r, &p.key, &lines) < 0, "a long path");
	p.r.path = SPAN("/");
	p.r.query = all;
	check_that(c, sigv4_sign(&p.r, &p.key, &lines) < 0, "a long query");
	p.r.query = SPAN("");
	p.headers[0].value = all;
	check_that(c, sigv4_sign(&p.r, &p.key, &lines) < 0, "a long header");
	prepare(&p, &sigv4_vectors[0]);
	memset(region, 'x', sizeof(region));
	p.r.scope.region = (struct span){ region, sizeof(region) };
	check_that(c, sigv4_sign(&p.r, &p.key, &lines) < 0, "a long region");
	check_that(c, lines.len == 0, "lines were added");
	buf_free(&lines);
}

/* Whatever is free in it, lines gets all that is to be added or nothing. */
static void
row_full(struct check *c)
{
	struct buf whole = buf_make(OUT_MAX);
	struct prepared p;
	bool done = false;

	check_row(c, "lines without room are left as they were");
	prepare(&p, &sigv4_vectors[1]);
	check_that(c, sigv4_sign(&p.r, &p.key, &whole) == 0, "not signed");
	for (size_t max = 3; max < OUT_MAX && !done; max++) {
		struct buf lines = buf_make(max);

		check_that(c, buf_add(&lines, SPAN("a:b")) == 0, "no memory");
		done = sigv4_sign(&p.r, &p.key, &lines) == 0;
		check_that(c, lines.len == (done ? 3 + whole.len : 3), "%zu bytes", lines.len);
		check_that(c, memcmp(lines.p, "a:b", 3) == 0, "what was there is not");
		buf_free(&lines);
	}
	check_that(c, done, "never signed");
	buf_free(&whole);
}

int
main(void)
{
	struct check c = { .module = "sigv4" };
	struct guard g = guard_make();

	rows_vectors(&c);
	rows_paths(&c, &g);
	rows_queries(&c, &g);
	rows_segments(&c, &g);
	row_derivation(&c);
	rows_days(&c);
	row_before_1970(&c);
	row_secrets(&c);
	rows_refusals(&c);
	row_many_headers(&c);
	row_many_parameters(&c);
	row_too_large(&c);
	row_full(&c);
	guard_free(&g);
	return check_end(&c);
}
