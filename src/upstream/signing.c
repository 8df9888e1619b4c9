/* signing: see the header. Only what no proxy changes is signed: the host, the type of the body and
 * what is AWS's own. */
#include "upstream/signing.h"

#include "base/limits.h"
#include "upstream/outbody.h"
#include "wire/sigv4.h"

/* Splits a URL into host, path and query as libcurl sends them: the scheme's own port is left out.
 */
static void
split_url(struct span url, struct span *host, struct span *path, struct span *query)
{
	bool tls = span_starts(url, SPAN("https://"));
	struct span port = tls ? SPAN(":443") : SPAN(":80");
	size_t n = 0;
	const char *mark;

	url = span_cut(url, tls ? 8 : 7, url.n);
	while (n < url.n && url.p[n] != '/' && url.p[n] != '?')
		n++;
	*host = span_cut(url, 0, n);
	*path = span_cut(url, n, url.n);
	*query = (struct span){ 0 };
	if (host->n > port.n && span_eq(span_cut(*host, host->n - port.n, host->n), port))
		host->n -= port.n;
	mark = path->n > 0 ? memchr(path->p, '?', path->n) : NULL;
	if (mark) {
		n = (size_t)(mark - path->p);
		*query = span_cut(*path, n + 1, path->n);
		*path = span_cut(*path, 0, n);
	}
}

static bool
is_signed(struct span name)
{
	return span_eq(name, SPAN("content-type")) || span_starts(name, SPAN("x-amz"));
}

/* The lines that are to be signed; -1 when there are too many. */
static int
take_headers(const struct hreq *r, struct sigv4_header *out, size_t *n)
{
	struct span rest = buf_span(&r->headers);

	while (rest.n > 0) {
		struct span line = span_of(rest.p);
		struct span name = { 0 };
		struct span value = line;

		rest = span_cut(rest, line.n + 1, rest.n);
		if (!span_next(&value, ':', &name) || !is_signed(name))
			continue;
		if (*n == SIGV4_HEADERS_MAX)
			return -1;
		out[(*n)++] = (struct sigv4_header){ name, span_trim(value) };
	}
	return 0;
}

int
signing_add(struct hreq *r, const struct spool *body, const struct conf_upstream *u,
    const struct credential *c, int64_t now)
{
	struct sigv4_header headers[SIGV4_HEADERS_MAX];
	struct buf lines = buf_make(REQUEST_HEADERS_MAX);
	uint8_t hash[HASH_LEN];
	struct sigv4_request q = { .method = SPAN("POST"),
		.headers = headers,
		.headers_n = 1,
		.body_hash = hash,
		.access_key_id = buf_span(&c->access_key_id),
		.session_token = buf_span(&c->session_token),
		.scope = { span_of(u->aws_region), span_of(u->aws_service) },
		.now = now };
	int rc = -1;

	headers[0].name = SPAN("host");
	split_url(buf_span(&r->url), &headers[0].value, &q.path, &q.query);
	if (take_headers(r, headers, &q.headers_n) == 0 && outbody_hash(r, body, hash) == 0 &&
	    sigv4_sign(&q, &c->key, &lines) == 0)
		rc = buf_add(&r->headers, buf_span(&lines));
	buf_wipe(&lines);
	return rc;
}
