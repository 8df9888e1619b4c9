/* awssource: see the header. The rules of the end points are those of AWS's SDK reference guide,
 * "Container credential provider" and "IMDS credential provider". */
#include "upstream/awssource.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "upstream/fetch.h"
#include "upstream/secretfile.h"
#include "wire/header.h"

#define LIMIT_MS       5000
#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST  "http://169.254.169.254"
#define TOKEN_PATH     "/latest/api/token"
#define ROLE_PATH      "/latest/meta-data/iam/security-credentials/"
#define TOKEN_S	       "21600"

static enum source_end PRINTF_LIKE(3, 4)
    fail(enum source_end how, char why[static MESSAGE_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, MESSAGE_MAX, fmt, ap);
	va_end(ap);
	return how;
}

enum source_end
awssource_env(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX])
{
	struct span token = span_trim(span_of(getenv("AWS_BEARER_TOKEN_BEDROCK")));
	bool sends = strcmp(u->kind, "bedrock") == 0 && u->auth != CONF_AUTH_SIGV4;
	const char *reason;

	(void)now;
	if (sends && token.n > 0) {
		if (!header_value_ok(token) || buf_add(&out->secret, token))
			return fail(SOURCE_WRONG, why,
			    "the variable AWS_BEARER_TOKEN_BEDROCK holds no token");
		return SOURCE_GIVES;
	}
	if (awscredentials_set(&out->aws, span_trim(span_of(getenv("AWS_ACCESS_KEY_ID"))),
		span_trim(span_of(getenv("AWS_SECRET_ACCESS_KEY"))),
		span_trim(span_of(getenv("AWS_SESSION_TOKEN"))), &reason))
		return fail(
		    SOURCE_WRONG, why, "the variables AWS_ACCESS_KEY_ID and its like: %s", reason);
	return SOURCE_GIVES;
}

enum source_end
awssource_file(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX])
{
	const char *profile = u->aws_profile ? u->aws_profile : "default";
	enum source_end end = SOURCE_WRONG;
	const char *reason;
	struct buf text;

	(void)now;
	if (secretfile_read(u->credentials_file, &text, why) == 0) {
		if (awscredentials_profile(&out->aws, buf_span(&text), span_of(profile), &reason))
			(void)snprintf(why, MESSAGE_MAX, "\"%s\", profile %s: %s",
			    u->credentials_file, profile, reason);
		else
			end = SOURCE_GIVES;
	}
	buf_wipe(&text);
	return end;
}

/* Asks an end point, whose answer of 200 goes to text, made anew. */
static enum source_end
ask(const struct fetch *f, struct buf *text, char why[static MESSAGE_MAX])
{
	char reason[MESSAGE_MAX];
	int status;

	buf_wipe(text);
	if (fetch_run(f, text, &status, reason))
		return fail(
		    SOURCE_AWAY, why, "the metadata end point %.512s: %.256s", f->url, reason);
	if (status != 200)
		return fail(SOURCE_AWAY, why, "the metadata end point %s answered with HTTP %d",
		    f->url, status);
	return SOURCE_GIVES;
}

/* Asks with these headers, in which the caller proves that he may. */
static enum source_end
get(const char *url, const struct buf *headers, struct buf *text, char why[static MESSAGE_MAX])
{
	return ask(
	    &(struct fetch){
		.method = "GET",
		.url = url,
		.headers = buf_span(headers),
		.limit_ms = LIMIT_MS,
		.direct = true,
	    },
	    text, why);
}

static enum source_end
read_answer(const struct buf *text, const char *url, int64_t now, struct sourced *out,
    char why[static MESSAGE_MAX])
{
	const char *reason;

	if (awscredentials_json(&out->aws, buf_span(text), &reason))
		return fail(SOURCE_AWAY, why, "the metadata end point %s: %s", url, reason);
	out->expires = out->aws.expires;
	if (out->expires <= now)
		return fail(SOURCE_AWAY, why,
		    "the metadata end point %s gives credentials that have expired", url);
	return SOURCE_GIVES;
}

/* Credentials travel in the clear only to this machine and to the addresses of AWS's agents. */
static bool
is_container_url(const char *url)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost", "[::1]", "169.254.170.2",
		"169.254.170.23", "[fd00:ec2::23]" };
	struct span rest = span_of(url);

	if (span_starts(rest, SPAN("https://")))
		return true;
	if (!span_starts(rest, SPAN("http://")))
		return false;
	rest = span_cut(rest, 7, rest.n);
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		size_t n = strlen(hosts[i]);

		if (span_starts(rest, span_of(hosts[i])) &&
		    (rest.n == n || rest.p[n] == ':' || rest.p[n] == '/'))
			return true;
	}
	return false;
}

/* Appends the header that the end point wants to see, where there is one. */
static enum source_end
add_authorization(struct buf *headers, char why[static MESSAGE_MAX])
{
	const char *path = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	struct span token = span_trim(span_of(getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")));
	struct buf text = buf_make(0);
	enum source_end end = SOURCE_GIVES;

	if (path && *path) {
		if (secretfile_token(path, &text, why))
			end = SOURCE_WRONG;
		token = buf_span(&text);
	}
	if (end == SOURCE_GIVES && token.n > 0 && header_put(headers, SPAN("authorization"), token))
		end = fail(SOURCE_WRONG, why,
		    "the variable AWS_CONTAINER_AUTHORIZATION_TOKEN holds no token");
	buf_wipe(&text);
	return end;
}

static enum source_end
ask_container(const char *url, int64_t now, struct sourced *out, char why[static MESSAGE_MAX])
{
	struct buf headers = buf_make(SECRET_FILE_MAX + 32);
	struct buf text = buf_make(0);
	enum source_end end;

	if (!is_container_url(url))
		return fail(SOURCE_WRONG, why,
		    "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or name this machine or AWS's agent");
	end = add_authorization(&headers, why);
	if (end == SOURCE_GIVES)
		end = get(url, &headers, &text, why);
	if (end == SOURCE_GIVES)
		end = read_answer(&text, url, now, out, why);
	buf_wipe(&text);
	buf_wipe(&headers);
	return end;
}

static enum source_end
ask_token(const char *host, struct buf *url, struct buf *headers, char why[static MESSAGE_MAX])
{
	static const char lifetime[] = "x-aws-ec2-metadata-token-ttl-seconds: " TOKEN_S;
	struct buf text = buf_make(0);
	enum source_end end = SOURCE_WRONG;
	struct span token;

	(void)snprintf(why, MESSAGE_MAX, "out of memory");
	if (buf_addf(url, "%s" TOKEN_PATH, host) == 0)
		end = ask(
		    &(struct fetch){
			.method = "PUT",
			.url = url->p,
			.headers = { lifetime, sizeof(lifetime) },
			.limit_ms = LIMIT_MS,
			.direct = true,
		    },
		    &text, why);
	token = span_trim(buf_span(&text));
	if (end == SOURCE_GIVES &&
	    (token.n == 0 || header_put(headers, SPAN("x-aws-ec2-metadata-token"), token)))
		end = fail(SOURCE_AWAY, why, "the metadata end point %s gives no token", url->p);
	buf_wipe(&text);
	return end;
}

/* The first line of the list of roles; an instance has one. */
static enum source_end
ask_role(const char *host, const struct buf *headers, struct buf *url, char why[static MESSAGE_MAX])
{
	struct buf text = buf_make(0);
	enum source_end end;
	struct span rest, role;

	url->len = 0;
	if (buf_addf(url, "%s" ROLE_PATH, host))
		return fail(SOURCE_WRONG, why, "out of memory");
	end = get(url->p, headers, &text, why);
	rest = span_trim(buf_span(&text));
	if (end == SOURCE_GIVES &&
	    (rest.n == 0 || !span_next(&rest, '\n', &role) || !header_value_ok(role) ||
		memchr(role.p, ' ', role.n) || buf_addf(url, "%.*s", (int)role.n, role.p)))
		end = fail(SOURCE_AWAY, why, "the metadata end point %s knows no role", host);
	buf_wipe(&text);
	return end;
}

static enum source_end
ask_imds(const char *host, int64_t now, struct sourced *out, char why[static MESSAGE_MAX])
{
	struct buf url = buf_make(PATH_MAX_LEN);
	struct buf headers = buf_make(FETCH_ANSWER_MAX + 64);
	struct buf text = buf_make(0);
	enum source_end end = ask_token(host, &url, &headers, why);

	if (end == SOURCE_GIVES)
		end = ask_role(host, &headers, &url, why);
	if (end == SOURCE_GIVES)
		end = get(url.p, &headers, &text, why);
	if (end == SOURCE_GIVES)
		end = read_answer(&text, url.p, now, out, why);
	buf_wipe(&text);
	buf_wipe(&headers);
	buf_free(&url);
	return end;
}

/* A variable that is set to something, else NULL. */
static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

enum source_end
awssource_metadata(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX])
{
	const char *full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	const char *relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *off = variable("AWS_EC2_METADATA_DISABLED");
	const char *host = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	struct span trimmed = span_of(host ? host : INSTANCE_HOST);
	char url[PATH_MAX_LEN];
	int n;

	(void)u;
	if (relative) {
		n = snprintf(url, sizeof(url), CONTAINER_HOST "%s", relative);
		if (n < 0 || (size_t)n >= sizeof(url) || *relative != '/')
			return fail(
			    SOURCE_WRONG, why, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path");
		return ask_container(url, now, out, why);
	}
	if (full)
		return ask_container(full, now, out, why);
	if (off && strcasecmp(off, "true") == 0)
		return fail(SOURCE_WRONG, why,
		    "AWS_EC2_METADATA_DISABLED is true, and no container end point is named");
	if (trimmed.p[trimmed.n - 1] == '/')
		trimmed.n--;
	n = snprintf(url, sizeof(url), "%.*s", (int)trimmed.n, trimmed.p);
	if (n < 0 || (size_t)n >= sizeof(url))
		return fail(SOURCE_WRONG, why, "AWS_EC2_METADATA_SERVICE_ENDPOINT is too long");
	return ask_imds(url, now, out, why);
}
