/* googlecredentials: see the header. Secrets go into memory that has its whole size from the start,
 * so that growing leaves no copy behind. */
#include "policy/googlecredentials.h"

#include <inttypes.h>

#include "base/limits.h"
#include "wire/header.h"
#include "wire/json.h"
#include "wire/jwt.h"

#define SCOPE	   "https://www.googleapis.com/auth/cloud-platform"
#define LIFETIME_S 3600

void
googlecredentials_clear(struct googlecredentials *g)
{
	buf_wipe(&g->email);
	buf_wipe(&g->private_key);
	buf_wipe(&g->key_id);
	buf_wipe(&g->token_url);
}

static int
fill(struct buf *b, struct span value)
{
	char *at;

	*b = buf_make(SECRET_FILE_MAX);
	if (!value.p)
		return 0;
	return buf_room(b, value.n < b->max ? value.n : b->max, &at) || json_string(value, b) ? -1
											      : 0;
}

/* A token is asked for over TLS, or of this machine. */
static bool
is_token_url(struct span url)
{
	return url.n > 0 && header_value_ok(url) && !memchr(url.p, '@', url.n) &&
	    (span_starts(url, SPAN("https://")) || span_starts(url, SPAN("http://127.0.0.1:")) ||
		span_starts(url, SPAN("http://localhost:")));
}

enum { M_TYPE, M_EMAIL, M_KEY, M_KEY_ID, M_URL, MEMBERS };

static const char *
judge(const struct googlecredentials *g, struct span type)
{
	if (!span_eq(type, SPAN("\"service_account\"")))
		return "it is no key of a service account: its type must be service_account";
	if (g->email.len == 0)
		return "it has no client_email";
	if (g->private_key.len == 0)
		return "it has no private_key";
	if (!is_token_url(buf_span(&g->token_url)))
		return "it has no token_uri with https://";
	return NULL;
}

int
googlecredentials_read(struct googlecredentials *out, struct span text, const char **why)
{
	struct json_member m[MEMBERS] = {
		[M_TYPE] = { .name = SPAN("type") },
		[M_EMAIL] = { .name = SPAN("client_email") },
		[M_KEY] = { .name = SPAN("private_key") },
		[M_KEY_ID] = { .name = SPAN("private_key_id") },
		[M_URL] = { .name = SPAN("token_uri") },
	};
	struct json_fault fault;

	*why = NULL;
	if (json_scan(text, JSON_DEPTH_MAX, m, MEMBERS, &fault))
		*why = "it is no JSON object";
	else if (fill(&out->email, m[M_EMAIL].value) || fill(&out->private_key, m[M_KEY].value) ||
	    fill(&out->key_id, m[M_KEY_ID].value) || fill(&out->token_url, m[M_URL].value))
		*why = "a part of it is no text, or too long";
	else
		*why = judge(out, m[M_TYPE].value);
	if (!*why)
		return 0;
	googlecredentials_clear(out);
	return -1;
}

int
googlecredentials_ask(
    const struct googlecredentials *g, int64_t now, struct buf *form, const char **why)
{
	struct buf claims = buf_make(JWT_CLAIMS_MAX);
	int rc = buf_add(&claims, SPAN("{\"iss\":")) ||
	    json_put_string(&claims, buf_span(&g->email)) ||
	    buf_add(&claims, SPAN(",\"scope\":\"" SCOPE "\",\"aud\":")) ||
	    json_put_string(&claims, buf_span(&g->token_url)) ||
	    buf_addf(&claims, ",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}", now, now + LIFETIME_S) ||
	    buf_add(form,
		SPAN(
		    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="));

	*why = "it is too long";
	rc = rc ||
	    jwt_sign(buf_span(&claims), buf_span(&g->key_id), buf_span(&g->private_key), form, why);
	buf_free(&claims);
	return rc ? -1 : 0;
}

int
googlecredentials_token(
    struct span text, int64_t now, struct buf *token, int64_t *expires, const char **why)
{
	enum { AT_TOKEN, AT_EXPIRES };
	struct json_member m[] = { { .name = SPAN("access_token") },
		{ .name = SPAN("expires_in") } };
	struct json_fault fault;
	size_t start = token->len;
	uint64_t seconds = 0;
	char *at;

	*why = NULL;
	if (json_scan(text, JSON_DEPTH_MAX, m, 2, &fault))
		*why = "the answer is no JSON object";
	else if (!m[AT_TOKEN].value.p || buf_room(token, m[AT_TOKEN].value.n, &at) ||
	    json_string(m[AT_TOKEN].value, token) || token->len == start ||
	    !header_value_ok(span_cut(buf_span(token), start, token->len)))
		*why = "the answer has no access_token that could stand in a header";
	else if (json_u64(m[AT_EXPIRES].value, INT32_MAX, &seconds))
		*why = "the answer has no expires_in";
	*expires = now + (int64_t)seconds;
	return *why ? -1 : 0;
}

void
googlecredentials_refusal(struct span text, char *to, size_t size)
{
	json_field(json_find(text, SPAN("error")), to, size);
	json_field(json_find(text, SPAN("error_description")), to, size);
}
