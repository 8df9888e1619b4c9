/* jwt: tokens that verify under the public key and say what they were told to, and keys that are
 * refused. */
#include "wire/jwt.h"

#include <assert.h>

#include "base/limits.h"
#include "unit/base64url.h"
#include "unit/check.h"
#include "unit/rsa_key.h"

static bool
verifies(EVP_PKEY *key, struct span text, struct span signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
		(const unsigned char *)text.p, text.n) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

static const struct {
	const char *what, *claims, *key_id, *head;
} tokens[] = {
	{ "a token", "{\"iss\":\"me\"}", "k1",
	    "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}" },
	{ "without a key's id", "{\"iss\":\"me\"}", "", "{\"alg\":\"RS256\",\"typ\":\"JWT\"}" },
	{ "one byte more", "{\"iss\":\"me2\"}", "", "{\"alg\":\"RS256\",\"typ\":\"JWT\"}" },
	{ "two bytes more", "{\"iss\":\"me23\"}", "", "{\"alg\":\"RS256\",\"typ\":\"JWT\"}" },
	{ "an id with a quote", "{}", "a\"b",
	    "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"a\\\"b\"}" },
};

static void
row_token(struct check *c, size_t i, EVP_PKEY *key, const char *pem)
{
	struct buf out = buf_make(16 * KIB);
	unsigned char bytes[8192];
	struct span rest;
	struct span head = { 0 }, claims = { 0 }, signature = { 0 };
	const char *why = "";

	check_row(c, "%s", tokens[i].what);
	assert(buf_add(&out, SPAN("a=")) == 0);
	if (check_that(c,
		jwt_sign(span_of(tokens[i].claims), span_of(tokens[i].key_id), span_of(pem), &out,
		    &why) == 0,
		"%s", why)) {
		rest = span_cut(buf_span(&out), 2, out.len);
		check_that(c,
		    span_next(&rest, '.', &head) && span_next(&rest, '.', &claims) &&
			span_next(&rest, '.', &signature) && !rest.p,
		    "not three parts");
		check_same(c,
		    (struct span){ (char *)bytes, base64url_decode(head, bytes, sizeof(bytes)) },
		    span_of(tokens[i].head));
		check_same(c,
		    (struct span){ (char *)bytes, base64url_decode(claims, bytes, sizeof(bytes)) },
		    span_of(tokens[i].claims));
		rest = (struct span){ (char *)bytes,
			base64url_decode(signature, bytes, sizeof(bytes)) };
		check_that(c,
		    verifies(
			key, (struct span){ head.p, (size_t)(claims.p + claims.n - head.p) }, rest),
		    "the signature is none");
	}
	buf_free(&out);
}

static void
row_refused(struct check *c, const char *what, const char *pem, const char *want)
{
	struct buf out = buf_make(16 * KIB);
	const char *why = "";

	check_row(c, "refused: %s", what);
	assert(buf_add(&out, SPAN("a=")) == 0);
	check_that(c, jwt_sign(SPAN("{}"), SPAN(""), span_of(pem), &out, &why) < 0, "it was taken");
	check_same(c, span_of(why), span_of(want));
	check_same(c, buf_span(&out), SPAN("a="));
	buf_free(&out);
}

/* A key of another sort than it has to be. */
static void
row_other(
    struct check *c, const char *what, EVP_PKEY *key, const char *passphrase, const char *want)
{
	char *pem = rsa_key_pem(key, passphrase);

	row_refused(c, what, pem, want);
	free(pem);
	EVP_PKEY_free(key);
}

static void
rows_bounds(struct check *c, const char *pem)
{
	static char claims[JWT_CLAIMS_MAX + 1];
	struct buf out = buf_make(16 * KIB);
	struct buf narrow = buf_make(100);
	const char *why = "";

	memset(claims, 'x', sizeof(claims));
	check_row(c, "claims at their longest");
	check_that(c,
	    jwt_sign((struct span){ claims, JWT_CLAIMS_MAX }, SPAN(""), span_of(pem), &out, &why) ==
		0,
	    "%s", why);
	check_row(c, "claims that are too long");
	out.len = 0;
	check_that(c,
	    jwt_sign((struct span){ claims, sizeof(claims) }, SPAN(""), span_of(pem), &out, &why) <
		    0 &&
		out.len == 0,
	    "taken");
	check_row(c, "no room");
	check_that(c,
	    jwt_sign(SPAN("{}"), SPAN(""), span_of(pem), &narrow, &why) < 0 && narrow.len == 0,
	    "taken");
	buf_free(&narrow);
	buf_free(&out);
}

int
main(void)
{
	static const char unreadable[] =
	    "the private key cannot be read: it must be PEM without a passphrase";
	struct check c = { .module = "jwt" };
	EVP_PKEY *key = rsa_key_read("tests/unit/vectors/rsa_2048.pem");
	char *pem = rsa_key_pem(key, NULL);

	for (size_t i = 0; i < ROWS(tokens); i++)
		row_token(&c, i, key, pem);
	rows_bounds(&c, pem);
	row_refused(&c, "nothing", "", unreadable);
	row_refused(&c, "no PEM", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	    unreadable);
	pem[strlen(pem) / 2] = '\0';
	row_refused(&c, "half a key", pem, unreadable);
	row_other(&c, "a short key", rsa_key_read("tests/unit/vectors/rsa_1024.pem"), NULL,
	    "the private key must have 2048 to 8192 bits");
	row_other(&c, "an elliptic curve", EVP_EC_gen("P-256"), NULL,
	    "the private key is not one of RSA");
	row_other(&c, "a passphrase", key, "open", unreadable);
	free(pem);
	return check_end(&c);
}
