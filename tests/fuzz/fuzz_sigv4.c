/* fuzz_sigv4: whatever is signed is canonical: the path says what the path on the wire says, the
 * query is the canonical form of itself, the order of headers does not matter, and no line is more
 * than one. The input is a method, a path, a query and headers, one on a line. */
#include <assert.h>
#include <stdint.h>

#include "base/limits.h"
#include "wire/sigv4.h"

#define OUT_MAX (1u << 22)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span
next_line(struct span *rest)
{
	const char *end = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;
	size_t n = end ? (size_t)(end - rest->p) : rest->n;
	struct span line = span_cut(*rest, 0, n);

	*rest = span_cut(*rest, end ? n + 1 : n, rest->n);
	return line;
}

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("-._~", c));
}

static int
nibble(char c)
{
	assert((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'));
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* Appends s without its escapes; nothing but unreserved bytes, escapes and the marks may be there.
 */
static void
unescape(struct span s, const char *marks, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			assert(s.n - i > 2);
			c = (char)(unsigned char)(nibble(s.p[i + 1]) * 16 + nibble(s.p[i + 2]));
			assert(!is_unreserved(c));
			i += 2;
		} else {
			assert(is_unreserved(c) || (c != '\0' && strchr(marks, c)));
		}

		int rc = buf_add(out, (struct span){ &c, 1 });

		assert(rc == 0);
	}
}

static void
check_path(struct span path)
{
	struct buf once = buf_make(OUT_MAX), plain = buf_make(OUT_MAX), again = buf_make(OUT_MAX);
	int rc = sigv4_canonical_path(path, &once);

	assert(rc == 0 && once.len > 0 && once.p[0] == '/');
	unescape(buf_span(&once), "/", &plain);
	rc = sigv4_canonical_path(buf_span(&plain), &again);
	assert(rc == 0 && span_eq(buf_span(&once), buf_span(&again)));
	for (size_t i = 1; i < once.len; i++)
		assert(once.p[i] != '/' || once.p[i - 1] != '/');
	buf_free(&once);
	buf_free(&plain);
	buf_free(&again);
}

static void
check_query(struct span query)
{
	struct buf once = buf_make(OUT_MAX), plain = buf_make(OUT_MAX), again = buf_make(OUT_MAX);

	if (sigv4_canonical_query(query, &once) == 0) {
		unescape(buf_span(&once), "&=", &plain);

		int rc = sigv4_canonical_query(buf_span(&once), &again);

		assert(rc == 0 && span_eq(buf_span(&once), buf_span(&again)));
	}
	buf_free(&once);
	buf_free(&plain);
	buf_free(&again);
}

static void
check_segment(struct span id)
{
	struct buf once = buf_make(OUT_MAX), plain = buf_make(OUT_MAX);

	if (sigv4_segment(id, &once) == 0) {
		unescape(buf_span(&once), "", &plain);
		assert(span_eq(buf_span(&plain), id));
	}
	buf_free(&once);
	buf_free(&plain);
}

/* How many lines the canonical request of n headers of different names has at most. */
static void
check_lines(const struct sigv4_request *r, const struct buf *canonical)
{
	size_t ends = 0;

	for (size_t i = 0; i < canonical->len; i++)
		ends += canonical->p[i] == '\n';
	assert(ends >= 6 + 2 && ends <= 6 + r->headers_n + 2);
}

static void
check_request(struct sigv4_request *r, struct sigv4_header *headers)
{
	struct buf one = buf_make(OUT_MAX), other = buf_make(OUT_MAX), signed_ = buf_make(OUT_MAX);
	struct sigv4_key key;
	int rc = sigv4_derive(SPAN("secret"), &r->scope, r->now, &key);
	int canonical = sigv4_canonical(r, &one);

	assert(rc == 0);
	rc = sigv4_sign(r, &key, &signed_);
	assert(rc < 0 ? signed_.len == 0 : canonical == 0);
	if (canonical == 0) {
		check_lines(r, &one);
		/* Those of one name would change places too, which does matter. */
		for (size_t i = 0; i + 1 < r->headers_n; i++) {
			struct sigv4_header h = headers[i];

			if (span_eq_nocase(h.name, headers[i + 1].name))
				continue;
			headers[i] = headers[i + 1];
			headers[i + 1] = h;
			break;
		}
		canonical = sigv4_canonical(r, &other);
		assert(canonical == 0 && span_eq(buf_span(&one), buf_span(&other)));
	}
	buf_free(&one);
	buf_free(&other);
	buf_free(&signed_);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t hash[HASH_LEN] = { 0 };
	struct span rest = { (const char *)data, size };
	struct sigv4_header headers[SIGV4_HEADERS_MAX + 1];
	struct sigv4_request r = {
		.method = next_line(&rest),
		.path = next_line(&rest),
		.query = next_line(&rest),
		.headers = headers,
		.body_hash = hash,
		.access_key_id = SPAN("AKIDEXAMPLE"),
		.scope = { SPAN("eu-central-1"), SPAN("bedrock") },
		.now = 1795262400,
	};

	while (rest.n > 0 && r.headers_n < SIGV4_HEADERS_MAX + 1) {
		struct span line = next_line(&rest);
		const char *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
		size_t n = colon ? (size_t)(colon - line.p) : line.n;

		headers[r.headers_n++] = (struct sigv4_header){ span_cut(line, 0, n),
			span_cut(line, colon ? n + 1 : n, line.n) };
	}
	check_path(r.path);
	check_query(r.query);
	check_segment(r.method);
	check_request(&r, headers);
	return 0;
}
