/* googlesource: see the header. */
#include "upstream/googlesource.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/googlecredentials.h"
#include "upstream/fetch.h"
#include "upstream/secretfile.h"

#define LIMIT_MS      10000
#define METADATA_HOST "metadata.google.internal"
#define METADATA_PATH "/computeMetadata/v1/instance/service-accounts/default/token"

/* Asks for a token and reads it. */
static enum source_end
ask(const struct fetch *f, int64_t now, struct sourced *out, char why[static MESSAGE_MAX])
{
	char reason[MESSAGE_MAX];
	const char *fault = reason;
	enum source_end end = SOURCE_AWAY;
	struct buf text;
	int status;

	if (fetch_run(f, &text, &status, reason)) {
		(void)snprintf(why, MESSAGE_MAX, "the token server %.512s: %.256s", f->url, reason);
	} else if (status != 200) {
		reason[0] = '\0';
		googlecredentials_refusal(buf_span(&text), reason, 256);
		(void)snprintf(why, MESSAGE_MAX,
		    "the token server %.512s answered with HTTP %d%s%.256s", f->url, status,
		    reason[0] ? ": " : "", reason);
	} else if (googlecredentials_token(
		       buf_span(&text), now, &out->secret, &out->expires, &fault)) {
		(void)snprintf(why, MESSAGE_MAX, "the token server %s: %s", f->url, fault);
	} else if (out->expires <= now) {
		(void)snprintf(
		    why, MESSAGE_MAX, "the token server %s gives a token that has expired", f->url);
	} else {
		end = SOURCE_GIVES;
	}
	buf_wipe(&text);
	return end;
}

/* Asks the server that a service account's key names. */
static enum source_end
exchange(const struct googlecredentials *g, const char *path, int64_t now, struct sourced *out,
    char why[static MESSAGE_MAX])
{
	static const char type[] = "content-type: application/x-www-form-urlencoded";
	struct buf url = buf_make(SECRET_FILE_MAX);
	struct buf form = buf_make(SECRET_FILE_MAX);
	enum source_end end = SOURCE_WRONG;
	const char *reason = "out of memory";

	if (googlecredentials_ask(g, now, &form, &reason) ||
	    buf_add(&url, buf_span(&g->token_url)) || !buf_str(&url))
		(void)snprintf(why, MESSAGE_MAX, "\"%s\": %s", path, reason);
	else
		end = ask(
		    &(struct fetch){
			.method = "POST",
			.url = url.p,
			.headers = { type, sizeof(type) },
			.body = buf_span(&form),
			.limit_ms = LIMIT_MS,
		    },
		    now, out, why);
	buf_wipe(&form);
	buf_free(&url);
	return end;
}

const char *
googlesource_path(const struct conf_upstream *u)
{
	const char *path =
	    u->credentials_file ? u->credentials_file : getenv("GOOGLE_APPLICATION_CREDENTIALS");

	return path && *path ? path : NULL;
}

enum source_end
googlesource_file(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX])
{
	const char *path = googlesource_path(u);
	struct googlecredentials g = { 0 };
	enum source_end end = SOURCE_WRONG;
	const char *reason;
	struct buf text;

	if (!path) {
		(void)snprintf(why, MESSAGE_MAX,
		    "the variable GOOGLE_APPLICATION_CREDENTIALS is not set: it must name a file");
		return SOURCE_WRONG;
	}
	if (secretfile_read(path, &text, why) == 0) {
		if (googlecredentials_read(&g, buf_span(&text), &reason))
			(void)snprintf(why, MESSAGE_MAX, "\"%s\": %s", path, reason);
		else
			end = exchange(&g, path, now, out, why);
	}
	googlecredentials_clear(&g);
	buf_wipe(&text);
	return end;
}

enum source_end
googlesource_metadata(
    const struct conf_upstream *u, int64_t now, struct sourced *out, char why[static MESSAGE_MAX])
{
	static const char flavor[] = "metadata-flavor: Google";
	const char *host = getenv("GCE_METADATA_HOST");
	char url[PATH_MAX_LEN];
	int n = snprintf(
	    url, sizeof(url), "http://%s" METADATA_PATH, host && *host ? host : METADATA_HOST);

	(void)u;
	if (n < 0 || (size_t)n >= sizeof(url)) {
		(void)snprintf(why, MESSAGE_MAX, "the variable GCE_METADATA_HOST is too long");
		return SOURCE_WRONG;
	}
	return ask(
	    &(struct fetch){
		.method = "GET",
		.url = url,
		.headers = { flavor, sizeof(flavor) },
		.limit_ms = LIMIT_MS / 2,
		.direct = true,
	    },
	    now, out, why);
}
