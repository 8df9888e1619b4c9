/* confupstream: see the header. */
#include "policy/confupstream.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"

#define BEDROCK "bedrock"
#define VERTEX	"vertex"

/* What an upstream of a kind must have; a kind that is not listed needs a url. */
struct need {
	const char *kind;
	bool url;     /* it has one */
	bool api_key; /* it must have one, or credentials for a cloud */
	bool aws, google;
	bool pace;
	bool drops; /* it may leave members of a request out */
};

static const struct need needs[] = {
	{ "anthropic", .url = true, .api_key = true },
	{ BEDROCK, .url = true, .aws = true },
	{ VERTEX, .url = true, .google = true },
	{ "openai", .url = true, .drops = true },
	{ "echo", .pace = true },
};

static const struct need need_other = { "", .url = true };

static const struct need *
need_of(const char *kind)
{
	for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++) {
		if (strcmp(needs[i].kind, kind) == 0)
			return &needs[i];
	}
	return &need_other;
}

static int PRINTF_LIKE(2, 3) fill(char **field, const char *fmt, ...)
{
	char text[2 * NAME_MAX_LEN + 128];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -1;
	*field = strdup(text);
	return *field ? 0 : -1;
}

static bool
is(const char *text, const char *what)
{
	return text && strcmp(text, what) == 0;
}

/* The domain of a region's end points: those in China have their own. */
static const char *
aws_domain(const char *region)
{
	return span_starts(span_of(region), SPAN("cn-")) ? "amazonaws.com.cn" : "amazonaws.com";
}

/* The end points of AWS that speak the Messages API (messages-api.md 7). */
static int
fill_native_aws_url(struct conf_upstream *u)
{
	if (is(u->aws_service, "bedrock"))
		return fill(&u->url, "https://bedrock-runtime.%s.%s/anthropic", u->aws_region,
		    aws_domain(u->aws_region));
	if (is(u->aws_service, "bedrock-mantle") || is(u->aws_service, "aws-external-anthropic"))
		return fill(&u->url, "https://%s.%s.api.aws%s", u->aws_service, u->aws_region,
		    is(u->aws_service, "bedrock-mantle") ? "/anthropic" : "");
	return 0;
}

static int
fill_vertex_url(struct conf_upstream *u)
{
	const char *l = u->google_location;

	if (is(l, "global"))
		return fill(&u->url, "https://aiplatform.googleapis.com/v1");
	if (is(l, "us") || is(l, "eu"))
		return fill(&u->url, "https://aiplatform.%s.rep.googleapis.com/v1", l);
	return fill(&u->url, "https://%s-aiplatform.googleapis.com/v1", l);
}

/* What follows from what was given. */
static int
complete(const struct conf *c, struct conf_upstream *u, const struct need *need)
{
	if (u->regions.n == 0 && namelist_add(&u->regions, c->default_region) < 0)
		return -1;
	if (need->aws && !u->aws_service && fill(&u->aws_service, BEDROCK))
		return -1;
	if (u->url)
		return 0;
	if (need->aws && u->aws_region)
		return fill(&u->url, "https://bedrock-runtime.%s.%s", u->aws_region,
		    aws_domain(u->aws_region));
	if (need->google && u->google_location)
		return fill_vertex_url(u);
	return u->auth == CONF_AUTH_SIGV4 && u->aws_region ? fill_native_aws_url(u) : 0;
}

static void
check_url(const struct conf_upstream *u, const struct need *need, struct findings *f)
{
	static const char *const local[] = { "http://127.", "http://localhost", "http://[::1]" };
	bool clear = u->url && span_starts(span_of(u->url), SPAN("http://"));

	for (size_t i = 0; clear && i < sizeof(local) / sizeof(*local); i++)
		clear = !span_starts(span_of(u->url), span_of(local[i]));
	if (need->url && !u->url && !need->aws && !need->google)
		finding_error(
		    f, u->line, "upstream \"%s\" has no url: give url = \"https://host\"", u->name);
	if (!need->url && u->url)
		finding_warn(f, u->line, "upstream \"%s\": kind %s uses no url", u->name, u->kind);
	if (need->url && clear)
		finding_warn(f, u->line,
		    "upstream \"%s\": over http:// its credential and every prompt travel in the clear",
		    u->name);
}

static void
lacks(const struct conf_upstream *u, const char *what, struct findings *f)
{
	finding_error(f, u->line, "upstream \"%s\" has no %s", u->name, what);
}

static void
useless(const struct conf_upstream *u, const char *what, struct findings *f)
{
	finding_warn(f, u->line, "upstream \"%s\": kind %s uses no %s", u->name, u->kind, what);
}

/* Whether its requests are signed as AWS has it. */
static bool
signs(const struct conf_upstream *u, const struct need *need)
{
	return need->aws || (need->api_key && u->auth == CONF_AUTH_SIGV4);
}

static void
check_credential(const struct conf_upstream *u, const struct need *need, struct findings *f)
{
	bool key = u->api_key_file || u->api_key_env;
	bool cloud = u->credentials != CONF_CREDENTIALS_NONE;

	if (u->api_key_file && u->api_key_env)
		finding_error(f, u->line,
		    "upstream \"%s\" has both api_key_file and api_key_env: give one", u->name);
	if (key && cloud)
		finding_error(f, u->line,
		    "upstream \"%s\" has both an api_key and credentials: give one", u->name);
	if (u->auth == CONF_AUTH_SIGV4 && signs(u, need) && key)
		finding_error(f, u->line,
		    "upstream \"%s\": auth = \"sigv4\" signs with credentials = \"env\", \"metadata\" or \"file:/path\" and takes no api_key",
		    u->name);
	if (need->api_key && !signs(u, need) && !key)
		lacks(u, "credential: give api_key_file = \"/path\" or api_key_env = \"NAME\"", f);
	if ((signs(u, need) || need->google) && !key && !cloud)
		lacks(u,
		    "credential: give credentials = \"env\", \"metadata\", \"file:/path\" or \"bearer:/path\"",
		    f);
	if (u->auth == CONF_AUTH_SIGV4 && signs(u, need) &&
	    u->credentials == CONF_CREDENTIALS_BEARER)
		finding_error(f, u->line,
		    "upstream \"%s\": a bearer token does not sign: give auth = \"bearer\" and api_key_file",
		    u->name);
	if (!need->url && key)
		useless(u, "api_key", f);
	if (cloud && !signs(u, need) && !need->google)
		useless(u, "credentials without auth = \"sigv4\"", f);
}

/* What is for AWS or Google stands with them alone. */
static void
check_clouds(const struct conf_upstream *u, const struct need *need, struct findings *f)
{
	bool aws = signs(u, need);

	if (u->auth == CONF_AUTH_SIGV4 && !need->aws && !need->api_key)
		useless(u, "auth = \"sigv4\"", f);
	if (aws && !u->aws_region)
		lacks(u, "aws_region: give one, such as \"eu-central-1\"", f);
	if (aws && !u->aws_service)
		lacks(u,
		    "aws_service: give \"bedrock\", \"bedrock-mantle\" or \"aws-external-anthropic\"",
		    f);
	if (aws && u->aws_region && u->aws_service && !u->url)
		lacks(u, "url, and none is known for its aws_service: give url = \"https://host\"",
		    f);
	if (is(u->aws_service, "aws-external-anthropic") && !u->workspace_id)
		lacks(u, "workspace_id, which the service aws-external-anthropic asks for", f);
	if (need->google && !u->google_project)
		lacks(u, "google_project: give the project's id", f);
	if (need->google && !u->google_location)
		lacks(u, "google_location: give \"global\", \"us\", \"eu\" or a region", f);
	if (!aws && (u->aws_region || u->aws_service || u->aws_profile))
		useless(u, "aws_region, aws_service or aws_profile", f);
	if (!need->google && (u->google_project || u->google_location))
		useless(u, "google_project or google_location", f);
	if (!need->aws && !need->google && (u->beta_given || u->anthropic_version))
		useless(u, "beta_allow or anthropic_version: both pass as the client sent them", f);
}

int
confupstream_check(const struct conf *c, struct conf_upstream *u, struct findings *f)
{
	const struct need *need = need_of(u->kind ? u->kind : "");

	if (complete(c, u, need) < 0)
		return -1;
	/* A kind that was given and refused has its finding already; what it needs is not known. */
	if (!u->kind)
		return 0;
	check_url(u, need, f);
	check_credential(u, need, f);
	check_clouds(u, need, f);
	if (u->may_drop.n > 0 && !need->drops)
		useless(u, "may_drop", f);
	if (u->pace_ms && !need->pace)
		useless(u, "pace_ms", f);
	return 0;
}
