/* who: see the header. */
#include "who.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/wrongkeys.h"
#include "wire/header.h"

static struct span
param(struct front_seat *seat, const char *name)
{
	return span_of(seat->front->param(seat, name));
}

static struct span
find_text(struct front_seat *seat, const char *request_id)
{
	static const char *const places[] = { "HTTP_AUTHORIZATION", "REDIRECT_HTTP_AUTHORIZATION" };
	struct span key = span_trim(param(seat, "HTTP_X_API_KEY"));
	struct span token = { 0 };

	for (size_t i = 0; i < 2 && !token.p; i++)
		token = header_bearer(param(seat, places[i]));
	if (key.n > 0 && token.n > 0 && !span_eq(key, token)) {
		log_warn("key",
		    "request_id=%s what=\"x-api-key and Authorization differ; x-api-key counts\"",
		    request_id);
	}
	return key.n > 0 ? key : token;
}

static enum fault
look_up(struct who *who, const struct era *era, struct span text)
{
	uint8_t hash[HASH_LEN];
	const char *why;

	if (!era->store || hash_sha256(text, hash))
		return FAULT_STORE;
	switch (era->store->kind->find_key(era->store, hash, &who->line)) {
	case STORE_OK:
		break;
	case STORE_NOT_FOUND:
		return FAULT_BAD_KEY;
	case STORE_AWAY:
		return FAULT_STORE_AWAY;
	default:
		return FAULT_STORE;
	}
	if (key_parse(buf_span(&who->line), &who->key, &why) != KEY_LINE_KEY ||
	    !hash_same(who->key.hash, hash))
		return FAULT_BAD_KEY;
	who->known = true;
	return key_state(&who->key, clock_wall_ms() / 1000);
}

/* A call without a good key, of which an address may make so many. */
static enum fault
count_wrong_key(struct who *who, const struct era *era, struct front_seat *seat, enum fault f)
{
	who->wait_ms = wrongkeys_add(era->wrongkeys, param(seat, "REMOTE_ADDR"), clock_mono_ms(),
	    (uint32_t)era->conf->auth_failures);
	return who->wait_ms > 0 ? FAULT_WRONG_KEYS : f;
}

enum fault
who_find(struct who *who, const struct era *era, struct front_seat *seat, const char *request_id)
{
	struct span text = find_text(seat, request_id);
	enum fault f = text.n > 0 ? look_up(who, era, text) : FAULT_NO_KEY;

	if (fault_row(f)->status == 401)
		return count_wrong_key(who, era, seat, f);
	if (f)
		return f;
	who->workspace = conf_workspace(era->conf, who->key.workspace);
	if (!who->workspace && era->conf->workspaces_n > 0) {
		log_error("workspace",
		    "request_id=%s key=%.*s workspace=%.*s what=\"no section in the configuration\"",
		    request_id, (int)who->key.id.n, who->key.id.p, (int)who->key.workspace.n,
		    who->key.workspace.p);
		return FAULT_WORKSPACE;
	}
	return FAULT_NONE;
}

void
who_reset(struct who *who)
{
	buf_reset(&who->line, HOLD_KEEP);
	*who = (struct who){ .line = who->line };
}
