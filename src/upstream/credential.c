/* credential: what a source gave is kept until its file changes or its time is near, so that a call
 * costs at most one stat(2). One thread at a time fetches for an upstream, without the lock. */
#include "upstream/credential.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/stamp.h"
#include "upstream/secretfile.h"
#include "upstream/source.h"

/* A fetch begins so long before the old credentials' end, or a tenth of their time if that is less.
 */
#define EARLY_MAX_S 300
/* A server that did not give is not asked again before so long: with nothing to go on, and with old
 * ones that are still good. */
#define AGAIN_S	      1
#define AGAIN_EARLY_S 30

/* Of one upstream. */
struct place {
	struct sourced held;
	bool good; /* held was given, and no file has changed since */
	struct stamp stamp;
	uint8_t digest[HASH_LEN]; /* of the file's content */
	struct sigv4_key key;
	int64_t renew; /* Unix seconds: from here on a fetch is due */
	int64_t again; /* Unix seconds: none before this */
	bool fetching;
	bool scarce; /* the last fetch failed for want of a descriptor or of memory alone */
};

struct credentials {
	const struct conf *conf;
	pthread_mutex_t lock;
	pthread_cond_t fetched;
	struct place *places; /* one per upstream */
};

struct credentials *
credentials_open(const struct conf *c)
{
	struct credentials *cr = calloc(1, sizeof(*cr));

	if (!cr)
		return NULL;
	cr->conf = c;
	cr->places = calloc(c->upstreams_n ? c->upstreams_n : 1, sizeof(*cr->places));
	if (!cr->places) {
		free(cr);
		return NULL;
	}
	for (size_t i = 0; i < c->upstreams_n; i++)
		sourced_init(&cr->places[i].held);
	pthread_mutex_init(&cr->lock, NULL);
	pthread_cond_init(&cr->fetched, NULL);
	return cr;
}

void
credentials_close(struct credentials *cr)
{
	if (!cr)
		return;
	for (size_t i = 0; i < cr->conf->upstreams_n; i++) {
		sourced_clear(&cr->places[i].held);
		sigv4_key_wipe(&cr->places[i].key);
	}
	free(cr->places);
	pthread_cond_destroy(&cr->fetched);
	pthread_mutex_destroy(&cr->lock);
	free(cr);
}

void
credential_init(struct credential *c)
{
	*c = (struct credential){ .secret = buf_make(SECRET_FILE_MAX),
		.access_key_id = buf_make(AWS_CREDENTIAL_MAX),
		.session_token = buf_make(AWS_CREDENTIAL_MAX) };
}

void
credential_clear(struct credential *c)
{
	buf_wipe(&c->secret);
	buf_wipe(&c->access_key_id);
	buf_wipe(&c->session_token);
	sigv4_key_wipe(&c->key);
}

static int
digest_of(const char *path, uint8_t out[static HASH_LEN])
{
	char why[MESSAGE_MAX];
	struct buf text;
	int rc = secretfile_read(path, &text, why) || hash_sha256(buf_span(&text), out);

	buf_wipe(&text);
	return rc ? -1 : 0;
}

/* Whether the file that the held credentials came from still says the same. One that was read when
 * it was young may have changed behind the same stamp; what it says decides then. */
static bool
file_stands_still(struct place *p, const char *path)
{
	uint8_t digest[HASH_LEN];
	struct stamp now;

	if (stamp_of(path, &now))
		return false;
	if (stamp_settled(&p->stamp, &now))
		return true;
	if (!stamp_same(&p->stamp, &now) || digest_of(path, digest) ||
	    !hash_same(digest, p->digest))
		return false;
	p->stamp = now;
	return true;
}

/* Gets what the source gives now; everything of the place that tells how old it is goes into
 * `fresh`. Without the lock. */
static enum source_end
fetch(const struct conf_upstream *u, int64_t now, struct place *fresh)
{
	const char *path = source_file(u);
	char quoted[LOG_VALUE_LEN];
	char why[MESSAGE_MAX] = "";
	enum source_end end;

	if (path && (stamp_of(path, &fresh->stamp) || digest_of(path, fresh->digest)))
		fresh->stamp = (struct stamp){ 0 }; /* the source will say why */
	errno = 0;
	end = source_read(u, now, &fresh->held, why);
	if (end != SOURCE_GIVES && errno == ENOMEM)
		end = SOURCE_SCARCE;
	if (end != SOURCE_GIVES)
		log_error(
		    "credential", "upstream=%s what=%s", u->name, log_value(span_of(why), quoted));
	return end;
}

/* Takes over what was fetched. */
static void
keep(struct place *p, struct place *fresh, int64_t now)
{
	int64_t life = fresh->held.expires - now;
	int64_t early = life / 10 < EARLY_MAX_S ? life / 10 : EARLY_MAX_S;

	sourced_clear(&p->held);
	p->held = fresh->held;
	sourced_init(&fresh->held);
	p->stamp = fresh->stamp;
	memcpy(p->digest, fresh->digest, sizeof(p->digest));
	sigv4_key_wipe(&p->key);
	p->good = true;
	p->again = 0;
	p->renew = p->held.expires == SOURCED_NEVER ? SOURCED_NEVER : p->held.expires - early;
}

/* Fetches while others wait, or go on with what is still good. */
static void
renew(struct credentials *cr, const struct conf_upstream *u, int64_t now, bool early)
{
	struct place *p = &cr->places[u - cr->conf->upstreams];
	struct place fresh = { 0 };
	enum source_end end;

	sourced_init(&fresh.held);
	p->fetching = true;
	pthread_mutex_unlock(&cr->lock);
	end = fetch(u, now, &fresh);
	pthread_mutex_lock(&cr->lock);
	p->fetching = false;
	p->scarce = end == SOURCE_SCARCE;
	if (end == SOURCE_GIVES)
		keep(p, &fresh, now);
	else if (end == SOURCE_AWAY)
		p->again = now + (early ? AGAIN_EARLY_S : AGAIN_S);
	pthread_cond_broadcast(&cr->fetched);
	sourced_clear(&fresh.held);
}

/* Brings the place up to date, with the lock held. -1 when there is nothing good to be had. */
static int
bring_up(struct credentials *cr, const struct conf_upstream *u, int64_t now)
{
	struct place *p = &cr->places[u - cr->conf->upstreams];
	const char *path = source_file(u);
	bool asked = false;

	if (p->good && path && !file_stands_still(p, path)) {
		p->good = false;
		p->again = 0;
	}
	for (;;) {
		bool good = p->good && now < p->held.expires;

		if (good && (now < p->renew || p->fetching || now < p->again || asked))
			return 0;
		if (!good && (asked || (!p->fetching && now < p->again)))
			return -1;
		asked = true;
		if (!p->fetching)
			renew(cr, u, now, good);
		while (p->fetching)
			pthread_cond_wait(&cr->fetched, &cr->lock);
	}
}

static int
copy_out(struct place *p, const struct conf_upstream *u, int64_t now, struct credential *out)
{
	struct sigv4_scope scope = { span_of(u->aws_region), span_of(u->aws_service) };

	if (p->held.aws.access_key_id.len > 0 && !sigv4_key_good(&p->key, now) &&
	    sigv4_derive(buf_span(&p->held.aws.secret), &scope, now, &p->key)) {
		log_error(
		    "credential", "upstream=%s what=\"no key can be derived of it\"", u->name);
		return -1;
	}
	out->key = p->key;
	return buf_add(&out->secret, buf_span(&p->held.secret)) ||
		buf_add(&out->access_key_id, buf_span(&p->held.aws.access_key_id)) ||
		buf_add(&out->session_token, buf_span(&p->held.aws.session_token))
	    ? -1
	    : 0;
}

int
credentials_get(
    struct credentials *cr, const struct conf_upstream *u, int64_t now, struct credential *out)
{
	int rc;

	struct place *p = &cr->places[u - cr->conf->upstreams];
	bool scarce;

	pthread_mutex_lock(&cr->lock);
	rc = bring_up(cr, u, now);
	scarce = rc && p->scarce;
	errno = 0;
	if (rc == 0) {
		rc = copy_out(p, u, now, out);
		scarce = rc && errno == ENOMEM;
	}
	pthread_mutex_unlock(&cr->lock);
	if (rc)
		credential_clear(out);
	errno = scarce ? EMFILE : 0;
	return rc;
}
