/* outbody, signing and hreq: a body with edits read at every offset in every size, from memory and
 * from a file, the same signature as AWS's own code makes, and headers that go on. */
#include "upstream/outbody.h"

#include "unit/asking.h"
#include "upstream/signing.h"

#define NOW 1800000000

static const struct {
	const char *what, *body, *want;
	size_t n;
	struct json_edit edits[4];
} rows[] = {
	{ "no edit", "0123456789", "0123456789", 0, { { 0 } } },
	{ "in the middle", "0123456789", "01abc456789", 1, { { 2, 2, SPAN("abc") } } },
	{ "at both ends", "0123456789", "ab12345678cd", 2,
	    { { 0, 1, SPAN("ab") }, { 9, 1, SPAN("cd") } } },
	{ "behind the end", "0123", "0123x", 1, { { 4, 0, SPAN("x") } } },
	{ "next to each other", "0123456789", "0ab6789", 3,
	    { { 1, 2, SPAN("a") }, { 3, 0, SPAN("b") }, { 3, 3, SPAN("") } } },
	{ "all of it", "0123", "", 1, { { 0, 4, SPAN("") } } },
	{ "an empty body", "", "ab", 1, { { 0, 0, SPAN("ab") } } },
};

static void
edit(struct hreq *r, size_t i)
{
	hreq_init(r);
	memcpy(r->edits, rows[i].edits, rows[i].n * sizeof(*r->edits));
	r->edits_n = rows[i].n;
}

/* The body read from `at` in pieces of `step`. */
static void
read_all(const struct hreq *r, const struct spool *body, size_t at, size_t step, struct buf *out)
{
	char piece[64];
	long n;

	while ((n = outbody_read(r, body, at, piece, step)) > 0) {
		int rc = buf_add(out, (struct span){ piece, (size_t)n });

		assert(rc == 0);
		at += (size_t)n;
	}
	assert(n == 0);
}

static void
rows_read(struct check *c)
{
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct span want = span_of(rows[i].want);
		uint8_t hash[HASH_LEN], same[HASH_LEN];
		struct spool body;
		struct hreq r;
		int rc;

		check_row(c, "read: %s", rows[i].what);
		spool_init(&body, "/tmp", MIB);
		edit(&r, i);
		rc = spool_add(&body, span_of(rows[i].body));
		assert(rc == SPOOL_OK);
		check_that(c, outbody_len(&r, &body) == want.n, "the length");
		for (size_t at = 0; at <= want.n; at++) {
			for (size_t step = 1; step <= want.n + 1; step++) {
				struct buf got = buf_make(KIB);

				read_all(&r, &body, at, step, &got);
				check_same(c, buf_span(&got), span_cut(want, at, want.n));
				buf_free(&got);
			}
		}
		rc = outbody_hash(&r, &body, hash) || hash_sha256(want, same);
		check_that(c, rc == 0 && hash_same(hash, same), "the hash");
		hreq_free(&r);
		spool_clear(&body, 0);
	}
}

/* One that lies in a file, and one that a kind has made. */
static void
rows_other(struct check *c)
{
	struct buf large = buf_make(4 * MIB), want = buf_make(5 * MIB);
	uint8_t hash[HASH_LEN], same[HASH_LEN];
	struct json_edit edits[] = { { 5, 1, SPAN("edited") }, { 2 * MIB, 3, SPAN("") } };
	struct spool body;
	struct hreq r;
	int rc = 0;

	spool_init(&body, "/tmp", 4 * MIB);
	for (size_t i = 0; i < 300000 && !rc; i++)
		rc = buf_addf(&large, "%zu,", i * 7919);
	rc = rc || json_splice(buf_span(&large), edits, 2, &want) ||
	    spool_add(&body, buf_span(&large)) || hash_sha256(buf_span(&want), same);
	assert(rc == 0 && body.fd >= 0);
	hreq_init(&r);
	memcpy(r.edits, edits, sizeof(edits));
	r.edits_n = 2;
	check_row(c, "a body in a file");
	check_that(c, outbody_len(&r, &body) == want.len, "the length");
	rc = outbody_hash(&r, &body, hash);
	check_that(c, rc == 0 && hash_same(hash, same), "the hash");
	check_row(c, "a body of the kind's own");
	rc = buf_add(&r.body, SPAN("own")) || hash_sha256(SPAN("own"), same);
	assert(rc == 0);
	check_that(c, outbody_len(&r, &body) == 3, "the length");
	rc = outbody_hash(&r, &body, hash);
	check_that(c, rc == 0 && hash_same(hash, same), "the hash");
	hreq_free(&r);
	spool_clear(&body, 0);
	buf_free(&large);
	buf_free(&want);
}

/* The lines that sigv4 itself gives for what is signed of a request. */
static void
rows_signing(struct check *c)
{
	static char region[] = "eu-central-1", service[] = "bedrock";
	static const struct {
		const char *what, *url, *host, *path, *query;
	} places[] = {
		{ "a path", "https://h.example/model/a%3Ab/invoke", "h.example",
		    "/model/a%3Ab/invoke", "" },
		{ "a port", "http://127.0.0.1:8080/x", "127.0.0.1:8080", "/x", "" },
		{ "the scheme's own port", "https://h:443/x", "h", "/x", "" },
		{ "another scheme's port", "http://h:443/x", "h:443", "/x", "" },
		{ "a query", "https://h/x?b=1&a", "h", "/x", "b=1&a" },
		{ "no path", "https://h", "h", "", "" },
	};
	struct conf_upstream u = { .aws_region = region, .aws_service = service };
	struct credential cred;
	struct spool body;
	int rc;

	credential_init(&cred);
	spool_init(&body, "/tmp", MIB);
	rc = spool_add(&body, SPAN("{}")) || buf_add(&cred.access_key_id, SPAN("AKID")) ||
	    buf_add(&cred.session_token, SPAN("tok")) ||
	    sigv4_derive(SPAN("s"), &(struct sigv4_scope){ span_of(region), span_of(service) }, NOW,
		&cred.key);
	assert(rc == 0);
	for (size_t i = 0; i < ROWS(places); i++) {
		struct sigv4_header signed_ones[] = { { SPAN("host"), span_of(places[i].host) },
			{ SPAN("content-type"), SPAN("application/json") },
			{ SPAN("x-amzn-trace"), SPAN("t") } };
		uint8_t hash[HASH_LEN];
		struct sigv4_request q = { .method = SPAN("POST"),
			.path = span_of(places[i].path),
			.query = span_of(places[i].query),
			.headers = signed_ones,
			.headers_n = ROWS(signed_ones),
			.body_hash = hash,
			.access_key_id = SPAN("AKID"),
			.session_token = SPAN("tok"),
			.scope = { span_of(region), span_of(service) },
			.now = NOW };
		struct buf want = buf_make(16 * KIB);
		struct hreq r;

		check_row(c, "signing: %s", places[i].what);
		hreq_init(&r);
		rc = buf_add(&r.url, span_of(places[i].url)) ||
		    hreq_header(&r, SPAN("user-agent"), SPAN("a")) ||
		    hreq_header(&r, SPAN("content-type"), SPAN("application/json")) ||
		    hreq_header(&r, SPAN("x-amzn-trace"), SPAN("t")) ||
		    buf_add(&want, buf_span(&r.headers)) || hash_sha256(SPAN("{}"), hash) ||
		    sigv4_sign(&q, &cred.key, &want);
		assert(rc == 0);
		check_that(c, signing_add(&r, &body, &u, &cred, NOW) == 0, "refused");
		check_same(c, buf_span(&r.headers), buf_span(&want));
		buf_free(&want);
		hreq_free(&r);
	}
	spool_clear(&body, 0);
	credential_clear(&cred);
}

static void
rows_headers(struct check *c)
{
	static char beta[] = "HTTP_ANTHROPIC_BETA=a,b", key[] = "HTTP_X_API_KEY=k",
		    twice[] = "HTTP_ANTHROPIC_VERSION=1\n2", host[] = "HTTP_HOST=h",
		    query[] = "QUERY_STRING=anthropic-beta=c";
	static char *const params[] = { query, key, host, twice, beta, NULL };
	struct buf got = buf_make(KIB);
	struct asking a = { 0 };

	hreq_init(&a.request);
	check_row(c, "headers: what goes on");
	check_that(c, hreq_forward(&a.request, params, NULL, NULL) == 0, "refused");
	asking_headers(&a, &got);
	check_same(c, buf_span(&got), SPAN("anthropic-beta: a,b\n"));
	check_row(c, "headers: one of the client's");
	check_same(c, hreq_param(params, SPAN("anthropic-beta")), SPAN("a,b"));
	check_that(c, !hreq_param(params, SPAN("anthropic")).p, "a part of a name");
	check_row(c, "headers: a value that ends its line");
	check_that(c, hreq_header(&a.request, SPAN("x"), SPAN("a\r\nb: c")) < 0, "taken");
	check_row(c, "headers: a bearer");
	got.len = 0;
	hreq_clear(&a.request);
	check_that(c, hreq_bearer(&a.request, SPAN("t")) == 0, "refused");
	asking_headers(&a, &got);
	check_same(c, buf_span(&got), SPAN("authorization: Bearer t\n"));
	buf_free(&got);
	hreq_free(&a.request);
}

int
main(void)
{
	struct check c = { .module = "outbody" };

	rows_read(&c);
	rows_other(&c);
	rows_signing(&c);
	rows_headers(&c);
	return check_end(&c);
}
