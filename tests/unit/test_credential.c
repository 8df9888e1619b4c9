/* credential: every source before a server that looks at what it is asked; what is kept for how
 * long, and who waits for whom. */
#include "upstream/credential.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <utime.h>

#include "base/limits.h"
#include "unit/check.h"
#include "unit/little_server.h"
#include "unit/rsa_key.h"

#define NOW	1800000000 /* 2027-01-15T08:00:00Z */
#define THREADS 8

static char kind_bedrock[] = "bedrock", kind_vertex[] = "vertex", kind_anthropic[] = "anthropic";
static char region[] = "eu-central-1", service[] = "bedrock", name[] = "u";

/* What a test stands on: a folder, a server and one upstream. */
struct ground {
	char folder[64];
	char path[96];
	struct little_server server;
	struct conf_upstream upstream;
	struct conf conf;
	struct credentials *credentials;
	struct credential got;
};

static const char *const variables[] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_EC2_METADATA_DISABLED",
	"AWS_EC2_METADATA_SERVICE_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST",
	"TEST_CREDENTIAL" };

/* Begins anew, with an upstream of that kind. */
static void
begin(struct ground *g, char *kind, enum conf_credentials from)
{
	for (size_t i = 0; i < ROWS(variables); i++)
		(void)unsetenv(variables[i]);
	credential_clear(&g->got);
	credentials_close(g->credentials);
	g->upstream = (struct conf_upstream){ .name = name,
		.kind = kind,
		.credentials = from,
		.aws_region = region,
		.aws_service = service };
	g->conf = (struct conf){ .upstreams = &g->upstream, .upstreams_n = 1 };
	g->credentials = credentials_open(&g->conf);
	assert(g->credentials);
	little_answers(&g->server, NULL);
	(void)little_asked(&g->server);
}

static void
put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

static void
set_url(const struct ground *g, const char *variable, const char *fmt)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "%s127.0.0.1:%u%s", fmt, g->server.port,
	    strcmp(variable, "AWS_CONTAINER_CREDENTIALS_FULL_URI") == 0 ? "/get" : "");
	assert(setenv(variable, text, 1) == 0);
}

static int
get(struct ground *g, int64_t now)
{
	credential_clear(&g->got);
	return credentials_get(g->credentials, &g->upstream, now, &g->got);
}

/* Gets credentials that are sent. */
static void
sends(struct check *c, struct ground *g, int64_t now, const char *secret)
{
	int rc = get(g, now);

	check_that(c, rc == 0, "there are none");
	check_same(c, buf_span(&g->got.secret), span_of(secret));
	check_that(c, g->got.access_key_id.len == 0, "they sign");
}

/* Gets credentials that sign. */
static void
signs(struct check *c, struct ground *g, int64_t now, const char *id, const char *token)
{
	int rc = get(g, now);

	check_that(c, rc == 0, "there are none");
	check_same(c, buf_span(&g->got.access_key_id), span_of(id));
	check_same(c, buf_span(&g->got.session_token), span_of(token));
	check_that(c, g->got.secret.len == 0, "the secret is told");
	check_that(c, rc || sigv4_key_good(&g->got.key, now), "the key is of another day");
}

static void
none(struct check *c, struct ground *g, int64_t now)
{
	check_that(c, get(g, now) < 0, "there are some");
	check_that(c, g->got.secret.len == 0 && g->got.access_key_id.len == 0, "a part is left");
}

static void
asked(struct check *c, struct ground *g, int times)
{
	int n = little_asked(&g->server);

	check_that(c, n == times, "asked %d times, not %d", n, times);
}

static void
rows_key(struct check *c, struct ground *g)
{
	static char variable[] = "TEST_CREDENTIAL";

	check_row(c, "nothing is configured");
	begin(g, kind_anthropic, CONF_CREDENTIALS_NONE);
	sends(c, g, NOW, "");
	check_row(c, "a variable");
	g->upstream.api_key_env = variable;
	begin(g, kind_anthropic, CONF_CREDENTIALS_NONE);
	g->upstream.api_key_env = variable;
	assert(setenv(variable, " s3 \n", 1) == 0);
	sends(c, g, NOW, "s3");
	check_row(c, "a variable that is not set");
	begin(g, kind_anthropic, CONF_CREDENTIALS_NONE);
	g->upstream.api_key_env = variable;
	none(c, g, NOW);
	check_row(c, "a file");
	begin(g, kind_anthropic, CONF_CREDENTIALS_NONE);
	g->upstream.api_key_file = g->path;
	put_file(g->path, "\n one\r\n");
	sends(c, g, NOW, "one");
	check_row(c, "a file that changes");
	put_file(g->path, "two");
	sends(c, g, NOW, "two");
	check_row(c, "a file that changes within its size and time");
	put_file(g->path, "owt");
	sends(c, g, NOW, "owt");
	check_row(c, "a file that goes");
	assert(unlink(g->path) == 0);
	none(c, g, NOW);
	check_row(c, "a file that comes again");
	put_file(g->path, "new");
	sends(c, g, NOW, "new");
	check_row(c, "a file of two lines");
	put_file(g->path, "a\nb");
	none(c, g, NOW);
	check_row(c, "a bearer's file");
	begin(g, kind_vertex, CONF_CREDENTIALS_BEARER);
	g->upstream.credentials_file = g->path;
	put_file(g->path, "ya29.x\n");
	sends(c, g, NOW, "ya29.x");
}

static void
rows_environment(struct check *c, struct ground *g)
{
	begin(g, kind_bedrock, CONF_CREDENTIALS_ENV);
	check_row(c, "AWS variables that are not set");
	none(c, g, NOW);
	check_row(c, "AWS variables");
	assert(setenv("AWS_ACCESS_KEY_ID", "AKID", 1) == 0 &&
	    setenv("AWS_SECRET_ACCESS_KEY", "s", 1) == 0);
	signs(c, g, NOW, "AKID", "");
	check_row(c, "the key of another day");
	signs(c, g, NOW + 86400, "AKID", "");
	check_row(c, "AWS variables with a session");
	begin(g, kind_bedrock, CONF_CREDENTIALS_ENV);
	assert(setenv("AWS_ACCESS_KEY_ID", "ASIA", 1) == 0 &&
	    setenv("AWS_SECRET_ACCESS_KEY", "s", 1) == 0 &&
	    setenv("AWS_SESSION_TOKEN", "t+/=", 1) == 0);
	signs(c, g, NOW, "ASIA", "t+/=");
	check_row(c, "Bedrock's own key before them");
	begin(g, kind_bedrock, CONF_CREDENTIALS_ENV);
	assert(setenv("AWS_BEARER_TOKEN_BEDROCK", "ABSK", 1) == 0);
	sends(c, g, NOW, "ABSK");
	check_row(c, "not where all is signed");
	begin(g, kind_bedrock, CONF_CREDENTIALS_ENV);
	g->upstream.auth = CONF_AUTH_SIGV4;
	assert(setenv("AWS_BEARER_TOKEN_BEDROCK", "ABSK", 1) == 0);
	none(c, g, NOW);
}

static void
rows_profile(struct check *c, struct ground *g)
{
	static char other[] = "other";

	begin(g, kind_bedrock, CONF_CREDENTIALS_FILE);
	g->upstream.credentials_file = g->path;
	put_file(g->path,
	    "[default]\naws_access_key_id=A\naws_secret_access_key=a\n"
	    "[other]\naws_access_key_id=B\naws_secret_access_key=b\n");
	check_row(c, "a shared credentials file");
	signs(c, g, NOW, "A", "");
	check_row(c, "another profile of it");
	begin(g, kind_bedrock, CONF_CREDENTIALS_FILE);
	g->upstream.credentials_file = g->path;
	g->upstream.aws_profile = other;
	signs(c, g, NOW, "B", "");
	check_row(c, "it changes");
	put_file(g->path, "[other]\naws_access_key_id=C\naws_secret_access_key=c\n");
	signs(c, g, NOW, "C", "");
	check_row(c, "the profile goes");
	put_file(g->path, "[default]\naws_access_key_id=C\naws_secret_access_key=c\n");
	none(c, g, NOW);
}

#define ANSWER(id, time)         \
	"{\"AccessKeyId\":\"" id \
	"\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2027-01-15T" time "Z\"}"

static const struct little_answer first[] = {
	{ "GET /get ", "authorization: word", 200, ANSWER("ONE", "09:00:00") }, { 0 }
};
static const struct little_answer second[] = {
	{ "GET /get ", "authorization: word", 200, ANSWER("TWO", "10:00:00") }, { 0 }
};
static const struct little_answer broken[] = { { "GET /get ", NULL, 500, "oops" }, { 0 } };
static const struct little_answer stale[] = { { "GET /get ", NULL, 200, ANSWER("OLD", "08:00:00") },
	{ 0 } };

static void
begin_container(struct ground *g)
{
	begin(g, kind_bedrock, CONF_CREDENTIALS_METADATA);
	set_url(g, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://");
	assert(setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "word", 1) == 0);
}

static void
rows_container(struct check *c, struct ground *g)
{
	begin_container(g);
	little_answers(&g->server, first);
	check_row(c, "a container's end point");
	signs(c, g, NOW, "ONE", "t");
	asked(c, g, 1);
	check_row(c, "is asked once for an hour");
	signs(c, g, NOW + 3000, "ONE", "t");
	asked(c, g, 0);
	check_row(c, "is asked again five minutes before the end");
	little_answers(&g->server, second);
	signs(c, g, NOW + 3300, "TWO", "t");
	asked(c, g, 1);
	check_row(c, "a token in a file");
	begin_container(g);
	(void)unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	assert(setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", g->path, 1) == 0);
	put_file(g->path, "word\n");
	little_answers(&g->server, first);
	signs(c, g, NOW, "ONE", "t");
	check_row(c, "a wrong token");
	begin_container(g);
	assert(setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong", 1) == 0);
	little_answers(&g->server, first);
	none(c, g, NOW);
	check_row(c, "credentials that have expired");
	begin_container(g);
	little_answers(&g->server, stale);
	none(c, g, NOW);
	check_row(c, "an end point in the clear on another machine");
	begin_container(g);
	assert(
	    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.example/get", 1) == 0);
	none(c, g, NOW);
	check_row(c, "a path that is none");
	assert(setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@127.0.0.1/get", 1) == 0);
	none(c, g, NOW);
}

static void
rows_failing(struct check *c, struct ground *g)
{
	begin_container(g);
	little_answers(&g->server, broken);
	check_row(c, "an end point that fails");
	none(c, g, NOW);
	asked(c, g, 1);
	check_row(c, "is left alone for a second");
	none(c, g, NOW);
	asked(c, g, 0);
	check_row(c, "is asked again then");
	little_answers(&g->server, first);
	signs(c, g, NOW + 1, "ONE", "t");
	asked(c, g, 1);
	check_row(c, "fails when the end is near");
	little_answers(&g->server, broken);
	signs(c, g, NOW + 3300, "ONE", "t");
	asked(c, g, 1);
	check_row(c, "is left alone for half a minute");
	signs(c, g, NOW + 3329, "ONE", "t");
	asked(c, g, 0);
	check_row(c, "is asked again after it");
	signs(c, g, NOW + 3330, "ONE", "t");
	asked(c, g, 1);
	check_row(c, "at the end there are none");
	none(c, g, NOW + 3600);
	check_row(c, "and then there are new ones");
	little_answers(&g->server, second);
	signs(c, g, NOW + 3601, "TWO", "t");
}

#define TOKEN_PATH "/latest/api/token "
#define ROLES	   "/latest/meta-data/iam/security-credentials/"

static const struct little_answer instance[] = {
	{ "PUT " TOKEN_PATH, "x-aws-ec2-metadata-token-ttl-seconds: 21600", 200, "tok==" },
	{ "GET " ROLES " ", "x-aws-ec2-metadata-token: tok==", 200, "my-role\n" },
	{ "GET " ROLES "my-role ", "x-aws-ec2-metadata-token: tok==", 200,
	    ANSWER("INST", "09:00:00") },
	{ 0 },
};
static const struct little_answer no_role[] = {
	{ "PUT " TOKEN_PATH, NULL, 200, "tok" },
	{ "GET " ROLES " ", NULL, 200, "\n" },
	{ 0 },
};

static void
rows_instance(struct check *c, struct ground *g)
{
	begin(g, kind_bedrock, CONF_CREDENTIALS_METADATA);
	set_url(g, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://");
	little_answers(&g->server, instance);
	check_row(c, "an instance's end point");
	signs(c, g, NOW, "INST", "t");
	asked(c, g, 3);
	check_row(c, "an instance without a role");
	begin(g, kind_bedrock, CONF_CREDENTIALS_METADATA);
	set_url(g, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://");
	little_answers(&g->server, no_role);
	none(c, g, NOW);
	check_row(c, "an end point that is switched off");
	begin(g, kind_bedrock, CONF_CREDENTIALS_METADATA);
	set_url(g, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://");
	assert(setenv("AWS_EC2_METADATA_DISABLED", "true", 1) == 0);
	none(c, g, NOW);
	asked(c, g, 0);
}

/* One of several that want the same at once. */
struct crowd {
	struct ground *ground;
	int64_t now;
	pthread_t thread;
	int rc;
	char id[16];
};

static void *
want(void *arg)
{
	struct crowd *w = arg;
	struct credential got;

	credential_init(&got);
	w->rc = credentials_get(w->ground->credentials, &w->ground->upstream, w->now, &got);
	(void)snprintf(w->id, sizeof(w->id), "%.*s", (int)got.access_key_id.len,
	    got.access_key_id.len ? got.access_key_id.p : "");
	credential_clear(&got);
	return NULL;
}

static void
start(struct crowd *w, struct ground *g, int64_t now)
{
	int rc;

	*w = (struct crowd){ .ground = g, .now = now };
	rc = pthread_create(&w->thread, NULL, want, w);
	assert(rc == 0);
}

static void
got_all(struct check *c, struct crowd *crowd, const char *id)
{
	for (size_t i = 0; i < THREADS; i++) {
		(void)pthread_join(crowd[i].thread, NULL);
		check_that(c, crowd[i].rc == (*id ? 0 : -1), "%d", crowd[i].rc);
		check_same(c, span_of(crowd[i].id), span_of(id));
	}
}

static void
rows_crowd(struct check *c, struct ground *g)
{
	struct crowd crowd[THREADS], renews;

	begin_container(g);
	little_answers(&g->server, first);
	little_hold(&g->server, true);
	check_row(c, "one fetch for all threads");
	for (size_t i = 0; i < THREADS; i++)
		start(&crowd[i], g, NOW);
	little_wait(&g->server, 1);
	little_hold(&g->server, false);
	got_all(c, crowd, "ONE");
	asked(c, g, 1);
	check_row(c, "while one renews the others go on");
	little_answers(&g->server, second);
	little_hold(&g->server, true);
	start(&renews, g, NOW + 3400);
	little_wait(&g->server, 1);
	for (size_t i = 0; i < THREADS; i++)
		start(&crowd[i], g, NOW + 3400);
	got_all(c, crowd, "ONE");
	little_hold(&g->server, false);
	(void)pthread_join(renews.thread, NULL);
	check_same(c, span_of(renews.id), SPAN("TWO"));
	asked(c, g, 1);
	check_row(c, "a failure is one for all who waited");
	begin_container(g);
	little_answers(&g->server, broken);
	little_hold(&g->server, true);
	for (size_t i = 0; i < THREADS; i++)
		start(&crowd[i], g, NOW);
	little_wait(&g->server, 1);
	little_hold(&g->server, false);
	got_all(c, crowd, "");
	asked(c, g, 1);
}

static const struct little_answer google[] = {
	{ "GET /computeMetadata/v1/instance/service-accounts/default/token ",
	    "metadata-flavor: google", 200, "{\"access_token\":\"ya.meta\",\"expires_in\":3600}" },
	{ "POST /token ",
	    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ", 200,
	    "{\"access_token\":\"ya.file\",\"expires_in\":3600}" },
	{ 0 },
};
static const struct little_answer refused[] = {
	{ "POST /token ", NULL, 400,
	    "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT Signature.\"}" },
	{ 0 },
};

/* Writes the key file of a service account. */
static void
put_account(const struct ground *g, const char *pem)
{
	struct buf text = buf_make(SECRET_FILE_MAX);

	assert(buf_addf(&text,
		   "{\"type\":\"service_account\",\"client_email\":\"a@p.example\",\"token_uri\":"
		   "\"http://127.0.0.1:%u/token\",\"private_key\":\"",
		   g->server.port) == 0);
	for (const char *p = pem; *p; p++)
		assert(buf_addf(&text, *p == '\n' ? "\\n" : "%c", *p) == 0);
	assert(buf_add(&text, SPAN("\"}")) == 0 && buf_str(&text));
	put_file(g->path, text.p);
	buf_wipe(&text);
}

static void
rows_google(struct check *c, struct ground *g)
{
	EVP_PKEY *key = rsa_key_read("tests/unit/vectors/rsa_2048.pem");
	char *pem = rsa_key_pem(key, NULL);

	begin(g, kind_vertex, CONF_CREDENTIALS_METADATA);
	set_url(g, "GCE_METADATA_HOST", "");
	little_answers(&g->server, google);
	check_row(c, "Google's metadata server");
	sends(c, g, NOW, "ya.meta");
	sends(c, g, NOW + 3299, "ya.meta");
	asked(c, g, 1);
	sends(c, g, NOW + 3300, "ya.meta");
	asked(c, g, 1);
	check_row(c, "a service account");
	begin(g, kind_vertex, CONF_CREDENTIALS_FILE);
	g->upstream.credentials_file = g->path;
	put_account(g, pem);
	little_answers(&g->server, google);
	sends(c, g, NOW, "ya.file");
	check_row(c, "a young file is asked for once");
	sends(c, g, NOW, "ya.file");
	asked(c, g, 1);
	check_row(c, "a service account that changes");
	put_account(g, "no key");
	none(c, g, NOW);
	check_row(c, "a service account in a variable");
	begin(g, kind_vertex, CONF_CREDENTIALS_ENV);
	put_account(g, pem);
	assert(setenv("GOOGLE_APPLICATION_CREDENTIALS", g->path, 1) == 0);
	little_answers(&g->server, google);
	sends(c, g, NOW, "ya.file");
	check_row(c, "the variable is not set");
	begin(g, kind_vertex, CONF_CREDENTIALS_ENV);
	none(c, g, NOW);
	check_row(c, "a token server that refuses");
	begin(g, kind_vertex, CONF_CREDENTIALS_FILE);
	g->upstream.credentials_file = g->path;
	little_answers(&g->server, refused);
	none(c, g, NOW);
	free(pem);
	EVP_PKEY_free(key);
}

int
main(void)
{
	struct check c = { .module = "credential" };
	struct ground g = { .folder = "/tmp/test_credential.XXXXXX" };

	assert(mkdtemp(g.folder));
	(void)snprintf(g.path, sizeof(g.path), "%s/file", g.folder);
	credential_init(&g.got);
	little_open(&g.server);
	rows_key(&c, &g);
	rows_environment(&c, &g);
	rows_profile(&c, &g);
	rows_container(&c, &g);
	rows_failing(&c, &g);
	rows_instance(&c, &g);
	rows_crowd(&c, &g);
	rows_google(&c, &g);
	credential_clear(&g.got);
	credentials_close(g.credentials);
	little_close(&g.server);
	(void)unlink(g.path);
	(void)rmdir(g.folder);
	return check_end(&c);
}
