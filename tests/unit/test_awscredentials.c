/* awscredentials: profiles of shared credentials files, the answers of metadata end points, and
 * what is refused without saying any of it. */
#include "policy/awscredentials.h"

#include <assert.h>
#include <inttypes.h>

#include "base/limits.h"
#include "unit/check.h"
#include "unit/guard.h"

#define NEVER AWSCREDENTIALS_NEVER

/* clang-format off */
static const struct {
	const char *what, *profile, *text;
	const char *id, *secret, *token; /* id NULL: refused, for the reason in secret */
} profiles[] = {
	{ "the default one", "default",
	  "[default]\naws_access_key_id = AKID\naws_secret_access_key = s3+/=\n", "AKID", "s3+/=", "" },
	{ "temporary ones", "default",
	  "[default]\naws_access_key_id=ASIA\naws_secret_access_key=s\naws_session_token=t/+==\n",
	  "ASIA", "s", "t/+==" },
	{ "the second of three", "b",
	  "[a]\naws_access_key_id=A\naws_secret_access_key=a\n"
	  "[b]\naws_access_key_id=B\naws_secret_access_key=b\n"
	  "[c]\naws_access_key_id=C\naws_secret_access_key=c\n", "B", "b", "" },
	{ "no inheritance from the default one", "b",
	  "[default]\naws_access_key_id=A\naws_secret_access_key=a\n[b]\naws_access_key_id=B\n",
	  NULL, "there is no secret access key", NULL },
	{ "nothing of the next profile", "a",
	  "[a]\naws_access_key_id=A\n[b]\naws_secret_access_key=b\n",
	  NULL, "there is no secret access key", NULL },
	{ "a name with blanks inside", "my own", "[ my own ]\naws_access_key_id=A\naws_secret_access_key=a\n",
	  "A", "a", "" },
	{ "the form of the config file", "x",
	  "[profile x]\naws_access_key_id=A\naws_secret_access_key=a\n", "A", "a", "" },
	{ "the same with more blanks", "x",
	  "[ profile \t x ]\naws_access_key_id=A\naws_secret_access_key=a\n", "A", "a", "" },
	{ "the plain form before the other", "x",
	  "[profile x]\naws_access_key_id=A\naws_secret_access_key=a\n"
	  "[x]\naws_access_key_id=B\naws_secret_access_key=b\n", "B", "b", "" },
	{ "a profile that is named so", "profile x",
	  "[profile x]\naws_access_key_id=A\naws_secret_access_key=a\n", "A", "a", "" },
	{ "no other section of the config file", "x",
	  "[sso-session x]\naws_access_key_id=A\naws_secret_access_key=a\n[profilex]\n[profile]\n",
	  NULL, "there is no such profile", NULL },
	{ "a name in another case", "Default", "[default]\naws_access_key_id=A\naws_secret_access_key=a\n",
	  NULL, "there is no such profile", NULL },
	{ "the beginning of a name", "def", "[default]\naws_access_key_id=A\naws_secret_access_key=a\n",
	  NULL, "there is no such profile", NULL },
	{ "an empty text", "default", "", NULL, "there is no such profile", NULL },
	{ "settings before any section", "default", "aws_access_key_id=A\naws_secret_access_key=a\n",
	  NULL, "there is no such profile", NULL },
	{ "an empty profile", "default", "[default]", NULL, "there is no access key id", NULL },
	{ "comments and empty lines", "default",
	  "# one\n; two\n\n[default] # three\n  # four\naws_access_key_id = A # five\n\n"
	  "aws_secret_access_key = a#b;c ; six\n#aws_session_token = t\n", "A", "a#b;c", "" },
	{ "a value that is a comment", "default",
	  "[default]\naws_access_key_id=A\naws_secret_access_key=a\naws_session_token= # t\n", "A", "a", "" },
	{ "a section in a comment", "default",
	  "[default]\naws_access_key_id=A\n#[b]\naws_secret_access_key=a\n", "A", "a", "" },
	{ "blanks everywhere", "default",
	  "\t[default]  \n\t aws_access_key_id \t=\t A \t\n\t aws_secret_access_key   = a\n", "A", "a", "" },
	{ "lines that end as on Windows", "default",
	  "[default]\r\naws_access_key_id=A\r\naws_secret_access_key=a\r\n\r\n", "A", "a", "" },
	{ "no end of the last line", "default", "[default]\naws_access_key_id=A\naws_secret_access_key=a",
	  "A", "a", "" },
	{ "colons, and names in capitals", "default",
	  "[default]\nAWS_ACCESS_KEY_ID: A\nAws_Secret_Access_Key : a=b:c\n", "A", "a=b:c", "" },
	{ "settings that are of no use here", "default",
	  "[default]\nregion=eu-central-1\naws_access_key_id=A\naws_access_key_id2=B\n"
	  "aws_access_key=C\nnonsense\n=\naws_secret_access_key=a\n", "A", "a", "" },
	{ "a setting that stands there twice", "default",
	  "[default]\naws_access_key_id=A\naws_secret_access_key=a\naws_access_key_id=B\n", "B", "a", "" },
	{ "a profile that stands there twice", "a",
	  "[a]\naws_access_key_id=A\naws_secret_access_key=a\n[b]\naws_access_key_id=B\n"
	  "[a]\naws_secret_access_key=c\n", "A", "c", "" },
	{ "settings of a setting", "default",
	  "[default]\ns3 =\n  aws_access_key_id=X\n  aws_secret_access_key=x\naws_access_key_id=A\n"
	  "aws_secret_access_key=a\n   aws_secret_access_key=y\n", "A", "a", "" },
	{ "a section after settings of a setting", "b",
	  "[a]\ns3 =\n  max = 1\n[b]\n  aws_access_key_id=A\n  aws_secret_access_key=a\n", "A", "a", "" },
	{ "an empty secret", "default", "[default]\naws_access_key_id=A\naws_secret_access_key=\n",
	  NULL, "there is no secret access key", NULL },
	{ "an empty id", "default", "[default]\naws_access_key_id=\naws_secret_access_key=a\n",
	  NULL, "there is no access key id", NULL },
	{ "a blank in a secret", "default", "[default]\naws_access_key_id=A\naws_secret_access_key=a b\n",
	  NULL, "they hold blanks or what is no visible ASCII", NULL },
	{ "a control character in an id", "default",
	  "[default]\naws_access_key_id=A\rB\naws_secret_access_key=a\n",
	  NULL, "they hold blanks or what is no visible ASCII", NULL },
	{ "a token that is not ASCII", "default",
	  "[default]\naws_access_key_id=A\naws_secret_access_key=a\naws_session_token=\xc3\xa4\n",
	  NULL, "they hold blanks or what is no visible ASCII", NULL },
};

static const struct {
	const char *what, *text;
	const char *id, *secret, *token; /* id NULL: refused, for the reason in secret */
	int64_t expires;
} answers[] = {
	{ "of an instance",
	  "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"2026-11-21T12:00:00Z\",\n"
	  "  \"Type\" : \"AWS-HMAC\",\n  \"AccessKeyId\" : \"ASIA\",\n  \"SecretAccessKey\" : \"s/+\",\n"
	  "  \"Token\" : \"t==\",\n  \"Expiration\" : \"2026-11-21T18:00:00Z\"\n}",
	  "ASIA", "s/+", "t==", 1795284000 },
	{ "of a container",
	  "{\"RoleArn\":\"arn:aws:iam::123456789012:role/x\",\"AccessKeyId\":\"ASIA\","
	  "\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2026-11-21T18:00:00.5Z\"}",
	  "ASIA", "s", "t", 1795284000 },
	{ "with an offset",
	  "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
	  "\"Expiration\":\"2026-11-21T19:00:00+01:00\"}", "A", "s", "t", 1795284000 },
	{ "without token and end", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}", "A", "s", "", NEVER },
	{ "with neither, in words",
	  "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":null,\"Expiration\":null}",
	  "A", "s", "", NEVER },
	{ "with escapes",
	  "{\"AccessKey\\u0049d\":\"\\u0041\",\"SecretAccessKey\":\"s\\/\\u002b\",\"Token\":\"t\\u003d\"}",
	  "A", "s/+", "t=", NEVER },
	{ "with a line end after it", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}\n", "A", "s", "", NEVER },
	{ "an instance's failure",
	  "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"EC2 cannot assume the role x\"}",
	  NULL, "the answer's Code is not Success", NULL, 0 },
	{ "a Code that is no text", "{\"Code\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}",
	  NULL, "the answer's Code is not Success", NULL, 0 },
	{ "a container's failure", "{\"code\":\"InvalidToken\",\"message\":\"no\"}",
	  NULL, "there is no access key id", NULL, 0 },
	{ "no secret", "{\"AccessKeyId\":\"A\"}", NULL, "there is no secret access key", NULL, 0 },
	{ "a secret that is null", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":null}",
	  NULL, "there is no secret access key", NULL, 0 },
	{ "an id that is a number", "{\"AccessKeyId\":1,\"SecretAccessKey\":\"s\"}",
	  NULL, "a part of them is no text, or too long", NULL, 0 },
	{ "names in another case", "{\"accessKeyId\":\"A\",\"secretAccessKey\":\"s\"}",
	  NULL, "there is no access key id", NULL, 0 },
	{ "a line end in an id", "{\"AccessKeyId\":\"A\\r\\nx: y\",\"SecretAccessKey\":\"s\"}",
	  NULL, "they hold blanks or what is no visible ASCII", NULL, 0 },
	{ "a zero in a token", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\\u0000\"}",
	  NULL, "they hold blanks or what is no visible ASCII", NULL, 0 },
	{ "an end that is a number", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":1795284000}",
	  NULL, "the answer's Expiration is no time", NULL, 0 },
	{ "an end that is a day", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":\"2026-11-21\"}",
	  NULL, "the answer's Expiration is no time", NULL, 0 },
	{ "an end that is empty", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":\"\"}",
	  NULL, "the answer's Expiration is no time", NULL, 0 },
	{ "a page of HTML", "<html>404</html>", NULL, "the answer is no JSON object", NULL, 0 },
	{ "a list", "[{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}]",
	  NULL, "the answer is no JSON object", NULL, 0 },
	{ "half an answer", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s",
	  NULL, "the answer is no JSON object", NULL, 0 },
	{ "nothing", "", NULL, "the answer is no JSON object", NULL, 0 },
};
/* clang-format on */

/* Credentials that were there before, and must be gone. */
static void
fill_before(struct awscredentials *out)
{
	const char *why;
	int rc = awscredentials_set(out, SPAN("BEFORE"), SPAN("before"), SPAN("before"), &why);

	assert(rc == 0);
	out->expires = 1;
}

static void
check_gone(struct check *c, const struct awscredentials *got)
{
	check_that(c, !got->access_key_id.p && !got->secret.p && !got->session_token.p,
	    "something is left");
	check_that(c, got->expires == NEVER, "expires %" PRId64, got->expires);
}

static void
check_parts(struct check *c, const struct awscredentials *got, const char *id, const char *secret,
    const char *token)
{
	check_same(c, buf_span(&got->access_key_id), span_of(id));
	check_same(c, buf_span(&got->secret), span_of(secret));
	check_same(c, buf_span(&got->session_token), span_of(token));
}

static void
rows_profiles(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(profiles); i++) {
		struct awscredentials got = { 0 };
		const char *why = "";
		int rc;

		check_row(c, "profile: %s", profiles[i].what);
		fill_before(&got);
		rc = awscredentials_profile(&got, guard_put(g, span_of(profiles[i].text)),
		    span_of(profiles[i].profile), &why);
		check_that(c, (rc == 0) == (profiles[i].id != NULL), "verdict %d: %s", rc, why);
		if (rc == 0) {
			check_parts(c, &got, profiles[i].id, profiles[i].secret, profiles[i].token);
			check_that(c, got.expires == NEVER, "expires %" PRId64, got.expires);
		} else {
			check_same(c, span_of(why), span_of(profiles[i].secret));
			check_gone(c, &got);
		}
		awscredentials_clear(&got);
	}
}

static void
rows_answers(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(answers); i++) {
		struct awscredentials got = { 0 };
		const char *why = "";
		int rc;

		check_row(c, "answer: %s", answers[i].what);
		fill_before(&got);
		rc = awscredentials_json(&got, guard_put(g, span_of(answers[i].text)), &why);
		check_that(c, (rc == 0) == (answers[i].id != NULL), "verdict %d: %s", rc, why);
		if (rc == 0) {
			check_parts(c, &got, answers[i].id, answers[i].secret, answers[i].token);
			check_that(
			    c, got.expires == answers[i].expires, "expires %" PRId64, got.expires);
		} else {
			check_same(c, span_of(why), span_of(answers[i].secret));
			check_gone(c, &got);
		}
		awscredentials_clear(&got);
	}
}

/* A text of n letters in an answer of a metadata end point, as its secret or its token. */
static int
of_size(const char *name, size_t n, struct awscredentials *out)
{
	struct buf text = buf_make((size_t)4 * AWS_CREDENTIAL_MAX);
	const char *why;
	int rc = buf_addf(&text,
	    "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"%s\":\"%0*d\"}", name, (int)n, 0);

	assert(rc == 0);
	rc = awscredentials_json(out, buf_span(&text), &why);
	buf_free(&text);
	return rc;
}

static void
row_sizes(struct check *c)
{
	struct awscredentials got = { 0 };

	check_row(c, "a token has up to 16384 bytes, a secret up to 256");
	check_that(c, of_size("Token", AWS_CREDENTIAL_MAX, &got) == 0, "16384 are refused");
	check_that(c, got.session_token.len == AWS_CREDENTIAL_MAX, "%zu", got.session_token.len);
	check_that(c, of_size("Token", AWS_CREDENTIAL_MAX + 1, &got) < 0, "16385 are taken");
	check_gone(c, &got);
	check_that(c, of_size("SecretAccessKey", SIGV4_SECRET_MAX, &got) == 0, "256 are refused");
	check_that(c, got.secret.len == SIGV4_SECRET_MAX, "%zu", got.secret.len);
	check_that(c, of_size("SecretAccessKey", SIGV4_SECRET_MAX + 1, &got) < 0, "257 are taken");
	check_gone(c, &got);
	awscredentials_clear(&got);
}

static void
row_set(struct check *c)
{
	static const char big[AWS_CREDENTIAL_MAX + 1] = { 0 };
	struct awscredentials got = { 0 };
	const char *why = "";

	check_row(c, "parts as they are");
	check_that(
	    c, awscredentials_set(&got, SPAN("A"), SPAN("s"), SPAN("t"), &why) == 0, "%s", why);
	check_parts(c, &got, "A", "s", "t");
	check_that(
	    c, awscredentials_set(&got, SPAN("B"), SPAN("s"), span_of(NULL), &why) == 0, "%s", why);
	check_parts(c, &got, "B", "s", "");
	check_that(
	    c, awscredentials_set(&got, span_of(NULL), SPAN("s"), SPAN(""), &why) < 0, "no id");
	check_gone(c, &got);
	check_that(
	    c, awscredentials_set(&got, SPAN("A"), span_of(NULL), SPAN(""), &why) < 0, "no secret");
	check_that(
	    c, awscredentials_set(&got, SPAN("A\n"), SPAN("s"), SPAN(""), &why) < 0, "a line end");
	check_that(c,
	    awscredentials_set(
		&got, SPAN("A"), SPAN("s"), (struct span){ big, sizeof(big) }, &why) < 0,
	    "a long token");
	check_gone(c, &got);
}

int
main(void)
{
	struct check c = { .module = "awscredentials" };
	struct guard g = guard_make();

	rows_profiles(&c, &g);
	rows_answers(&c, &g);
	row_sizes(&c);
	row_set(&c);
	guard_free(&g);
	return check_end(&c);
}
