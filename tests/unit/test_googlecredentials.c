/* googlecredentials: key files of service accounts, what is asked with them, and the answers. */
#include "policy/googlecredentials.h"

#include <assert.h>
#include <inttypes.h>

#include "base/limits.h"
#include "unit/base64url.h"
#include "unit/check.h"
#include "unit/guard.h"
#include "unit/rsa_key.h"

/* clang-format off */
#define GOOD "{\"type\":\"service_account\",\"project_id\":\"p\",\"private_key_id\":\"k1\"," \
	"\"private_key\":\"-----BEGIN\\nx\\n\",\"client_email\":\"a@p.example\",\"token_uri\":\"https://t/token\"}"

static const struct {
	const char *what, *text, *why; /* why NULL: taken */
} files[] = {
	{ "a key file", GOOD, NULL },
	{ "without a key's id", "{\"type\":\"service_account\",\"private_key\":\"k\",\"client_email\":\"a\","
	  "\"token_uri\":\"https://t\"}", NULL },
	{ "a server on this machine", "{\"type\":\"service_account\",\"private_key\":\"k\",\"client_email\":\"a\","
	  "\"token_uri\":\"http://127.0.0.1:1/token\"}", NULL },
	{ "in the clear", "{\"type\":\"service_account\",\"private_key\":\"k\",\"client_email\":\"a\","
	  "\"token_uri\":\"http://t/token\"}", "it has no token_uri with https://" },
	{ "a name before the host", "{\"type\":\"service_account\",\"private_key\":\"k\",\"client_email\":\"a\","
	  "\"token_uri\":\"http://localhost:1@t/token\"}", "it has no token_uri with https://" },
	{ "a URL with a line's end", "{\"type\":\"service_account\",\"private_key\":\"k\",\"client_email\":\"a\","
	  "\"token_uri\":\"https://t\\r\\nx: y\"}", "it has no token_uri with https://" },
	{ "credentials of a user", "{\"type\":\"authorized_user\",\"refresh_token\":\"x\"}",
	  "it is no key of a service account: its type must be service_account" },
	{ "no type", "{\"private_key\":\"k\",\"client_email\":\"a\",\"token_uri\":\"https://t\"}",
	  "it is no key of a service account: its type must be service_account" },
	{ "no email", "{\"type\":\"service_account\",\"private_key\":\"k\",\"token_uri\":\"https://t\"}",
	  "it has no client_email" },
	{ "no key", "{\"type\":\"service_account\",\"client_email\":\"a\",\"token_uri\":\"https://t\"}",
	  "it has no private_key" },
	{ "no URL", "{\"type\":\"service_account\",\"private_key\":\"k\",\"client_email\":\"a\"}",
	  "it has no token_uri with https://" },
	{ "a number", "{\"type\":\"service_account\",\"private_key\":5,\"client_email\":\"a\","
	  "\"token_uri\":\"https://t\"}", "a part of it is no text, or too long" },
	{ "an array", "[]", "it is no JSON object" },
	{ "half of it", "{\"type\":\"service_account\"", "it is no JSON object" },
	{ "nothing", "", "it is no JSON object" },
};

static const struct {
	const char *what, *text, *token;
	int64_t expires; /* -1: refused, for the reason in token */
} answers[] = {
	{ "a token", "{\"access_token\":\"ya29.x-_/\",\"expires_in\":3599,\"token_type\":\"Bearer\"}", "ya29.x-_/", 4599 },
	{ "one that is over", "{\"access_token\":\"t\",\"expires_in\":0}", "t", 1000 },
	{ "no token", "{\"expires_in\":3599}", "the answer has no access_token that could stand in a header", -1 },
	{ "an empty one", "{\"access_token\":\"\",\"expires_in\":1}",
	  "the answer has no access_token that could stand in a header", -1 },
	{ "a line's end in it", "{\"access_token\":\"a\\r\\nb: c\",\"expires_in\":1}",
	  "the answer has no access_token that could stand in a header", -1 },
	{ "no time", "{\"access_token\":\"t\"}", "the answer has no expires_in", -1 },
	{ "a time below zero", "{\"access_token\":\"t\",\"expires_in\":-1}", "the answer has no expires_in", -1 },
	{ "a time in words", "{\"access_token\":\"t\",\"expires_in\":\"soon\"}", "the answer has no expires_in", -1 },
	{ "no JSON", "<html>", "the answer is no JSON object", -1 },
};

static const struct {
	const char *what, *text, *said;
} refusals[] = {
	{ "a description", "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT.\"}", "Invalid JWT." },
	{ "none", "{\"error\":\"invalid_grant\"}", "invalid_grant" },
	{ "no JSON", "oops", "" },
	{ "one that is too long", "{\"error\":\"x\",\"error_description\":\"0123456789012345678901234567890123456789\"}", "x" },
};
/* clang-format on */

static void
rows_files(struct check *c)
{
	struct guard g = guard_make();

	for (size_t i = 0; i < ROWS(files); i++) {
		struct googlecredentials got = { 0 };
		const char *why = "";
		int rc;

		check_row(c, "file: %s", files[i].what);
		rc = googlecredentials_read(&got, guard_put(&g, span_of(files[i].text)), &why);
		check_that(c, (rc == 0) == !files[i].why, "%d, %s", rc, why);
		if (files[i].why) {
			check_same(c, span_of(why), span_of(files[i].why));
			check_that(c, !got.private_key.p, "something is left");
		}
		googlecredentials_clear(&got);
	}
	guard_free(&g);
}

static void
row_parts(struct check *c)
{
	struct googlecredentials got = { 0 };
	const char *why;

	check_row(c, "file: its parts");
	check_that(c, googlecredentials_read(&got, SPAN(GOOD), &why) == 0, "refused");
	check_same(c, buf_span(&got.email), SPAN("a@p.example"));
	check_same(c, buf_span(&got.private_key), SPAN("-----BEGIN\nx\n"));
	check_same(c, buf_span(&got.key_id), SPAN("k1"));
	check_same(c, buf_span(&got.token_url), SPAN("https://t/token"));
	googlecredentials_clear(&got);
}

static void
rows_answers(struct check *c)
{
	for (size_t i = 0; i < ROWS(answers); i++) {
		struct buf token = buf_make(SECRET_FILE_MAX);
		const char *why = "";
		int64_t expires = 0;
		int rc =
		    googlecredentials_token(span_of(answers[i].text), 1000, &token, &expires, &why);

		check_row(c, "answer: %s", answers[i].what);
		check_that(c, (rc == 0) == (answers[i].expires >= 0), "%d, %s", rc, why);
		if (rc == 0)
			check_that(c, expires == answers[i].expires, "%" PRId64, expires);
		check_same(c, rc ? span_of(why) : buf_span(&token), span_of(answers[i].token));
		buf_wipe(&token);
	}
}

static void
rows_refusals(struct check *c)
{
	for (size_t i = 0; i < ROWS(refusals); i++) {
		char said[32] = "";

		check_row(c, "refusal: %s", refusals[i].what);
		googlecredentials_refusal(span_of(refusals[i].text), said, sizeof(said));
		check_same(c, span_of(said), span_of(refusals[i].said));
	}
}

/* The claims of the form. */
static struct span
claims_of(const struct buf *form, unsigned char *out, size_t size)
{
	struct span rest = buf_span(form);
	struct span part = { 0 };

	for (int i = 0; i < 2; i++) {
		bool found = span_next(&rest, '.', &part);

		assert(found);
	}
	return (struct span){ (char *)out, base64url_decode(part, out, size) };
}

static void
rows_asking(struct check *c)
{
	struct googlecredentials g = { buf_make(1000), buf_make(10000), buf_make(100),
		buf_make(100) };
	EVP_PKEY *key = rsa_key_read("tests/unit/vectors/rsa_2048.pem");
	char *pem = rsa_key_pem(key, NULL);
	struct buf form = buf_make(SECRET_FILE_MAX);
	unsigned char claims[8192];
	const char *why = "";

	assert(buf_add(&g.email, SPAN("a@p.example")) == 0 &&
	    buf_add(&g.private_key, span_of(pem)) == 0 &&
	    buf_add(&g.token_url, SPAN("https://t/token")) == 0);
	check_row(c, "asking: the form");
	check_that(c, googlecredentials_ask(&g, 1000, &form, &why) == 0, "%s", why);
	check_that(c,
	    span_starts(buf_span(&form),
		SPAN(
		    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ")),
	    "%.*s", (int)form.len, form.p);
	check_row(c, "asking: the claims");
	check_same(c, claims_of(&form, claims, sizeof(claims)),
	    SPAN(
		"{\"iss\":\"a@p.example\",\"scope\":\"https://www.googleapis.com/auth/cloud-platform\","
		"\"aud\":\"https://t/token\",\"iat\":1000,\"exp\":4600}"));
	check_row(c, "asking: with a key that is none");
	g.private_key.len = 40;
	check_that(c, googlecredentials_ask(&g, 1000, &form, &why) < 0, "taken");
	buf_wipe(&form);
	googlecredentials_clear(&g);
	free(pem);
	EVP_PKEY_free(key);
}

int
main(void)
{
	struct check c = { .module = "googlecredentials" };

	rows_files(&c);
	row_parts(&c);
	rows_answers(&c);
	rows_refusals(&c);
	rows_asking(&c);
	return check_end(&c);
}
