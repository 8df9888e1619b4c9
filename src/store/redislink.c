/* redislink: see the header. Idle connections are a stack, so that those which are not needed stay
 * idle and a burst leaves no mark on the next. When connecting fails, a question gets no answer
 * while nobody else gets one, or the server is not the one that it was, the link is shut: everybody
 * fails at once, and from time to time one caller tries again. */
#include "store/redislink.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/num.h"
#include "store/redissock.h"
#include "upstream/secretfile.h"

#define POOL_MAX    32u
#define WORDS_MAX   (64 * MIB)
#define NUMBER_LEN  24
#define READ_STEP   16384u
#define TELL_MS	    60000 /* how often the same trouble is logged, ... */
#define TELL_NEW_MS 5000  /* ... and how soon another one, or one after all was well */
#define GREETINGS   3
#define CLIENT_NAME "postern"

struct redislink_hold {
	struct redissock sock;
	redisReader *reader;
	bool fresh; /* it was made for this question */
};

/* Which questions the server refuses. Those of the other sort may be answered all the time. */
#define TROUBLE_LIGHT 1u
#define TROUBLE_OTHER 2u

struct redislink {
	struct conf_store conf; /* a copy */
	_Atomic int64_t timeout_ms;
	struct redissock_peer *peer;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t given;
	struct redislink_hold *idle[POOL_MAX];
	size_t idle_n, open_n;
	int64_t answered_ms; /* when anybody got an answer last */
	bool shut, probing;
	enum store_status shut_status;
	int64_t shut_until_ms;
	const char *why;  /* the last trouble; NULL: there is none */
	unsigned refuses; /* TROUBLE_ bits */
	const char *told; /* what the log was told last; NULL: all is well */
	int64_t told_ms;  /* 0: nothing so far */
};

/* What an error of the server means, by how its text begins. */
struct meaning {
	struct span text;
	enum store_status status;
	bool elsewhere; /* another server may have taken over: connect anew */
	const char *why;
};

#define NAMED(word)                    \
	{                              \
		word, sizeof(word) - 1 \
	}

static const struct meaning meanings[] = {
	{ NAMED("NOSCRIPT "), STORE_NOT_FOUND, false, "it does not know the script" },
	{ NAMED("LOADING "), STORE_AWAY, false, "it is loading its data" },
	{ NAMED("BUSY "), STORE_AWAY, false, "it is busy with another script" },
	{ NAMED("OOM "), STORE_AWAY, false, "its memory is full" },
	{ NAMED("MISCONF "), STORE_AWAY, false, "it cannot save its data" },
	{ NAMED("NOREPLICAS "), STORE_AWAY, false, "it has too few replicas" },
	{ NAMED("TRYAGAIN "), STORE_AWAY, false, "its cluster is changing" },
	{ NAMED("CLUSTERDOWN "), STORE_AWAY, false, "its cluster is down" },
	{ NAMED("MASTERDOWN "), STORE_AWAY, true, "its master is down" },
	{ NAMED("READONLY "), STORE_AWAY, true, "it is a replica, which cannot be written" },
	{ NAMED("UNBLOCKED "), STORE_AWAY, true, "it became a replica" },
	{ NAMED("ERR max number of clients"), STORE_AWAY, true, "it has too many clients" },
	{ NAMED("MOVED "), STORE_BROKEN, false,
	    "it is not the node of a cluster that has the keys" },
	{ NAMED("NOAUTH "), STORE_BROKEN, true, "it wants a password" },
	{ NAMED("WRONGPASS "), STORE_BROKEN, true, "it refuses the user or the password" },
	{ NAMED("ERR AUTH "), STORE_BROKEN, true, "it knows no password, but one is configured" },
	{ NAMED("NOPERM "), STORE_BROKEN, false, "the user may not do what is needed" },
	{ NAMED("ERR The user executing the script can't"), STORE_BROKEN, false,
	    "the user may not do what is needed" },
	{ NAMED("ERR ACL failure in script"), STORE_BROKEN, false,
	    "the user may not do what is needed" },
};

static const struct meaning refused = { NAMED(""), STORE_BROKEN, false, "it refuses the question" };

struct redislink_words
redislink_words(void)
{
	return (struct redislink_words){ .text = buf_make(WORDS_MAX) };
}

void
redislink_word(struct redislink_words *w, struct span s)
{
	if (buf_addf(&w->text, "$%zu\r\n", s.n) < 0 || buf_add(&w->text, s) < 0 ||
	    buf_add(&w->text, SPAN("\r\n")) < 0)
		w->broken = true;
	w->n++;
}

void
redislink_number(struct redislink_words *w, int64_t n)
{
	char text[NUMBER_LEN];
	int len = snprintf(text, sizeof(text), "%" PRId64, n);

	redislink_word(w, (struct span){ text, len > 0 ? (size_t)len : 0 });
}

void
redislink_count(struct redislink_words *w, uint64_t n)
{
	redislink_number(w, n > INT64_MAX ? INT64_MAX : (int64_t)n);
}

void
redislink_words_free(struct redislink_words *w)
{
	buf_wipe(&w->text);
}

static void
free_conf(struct conf_store *c)
{
	free(c->host);
	free(c->path);
	free(c->user);
	free(c->password_file);
	free(c->password_env);
	free(c->ca_file);
}

static int
copy_text(char **at)
{
	if (!*at)
		return 0;
	*at = strdup(*at);
	return *at ? 0 : -1;
}

static int
copy_conf(struct conf_store *to, const struct conf_store *from)
{
	int rc = 0;

	*to = *from;
	to->kind = NULL;
	rc |= copy_text(&to->host);
	rc |= copy_text(&to->path);
	rc |= copy_text(&to->user);
	rc |= copy_text(&to->password_file);
	rc |= copy_text(&to->password_env);
	rc |= copy_text(&to->ca_file);
	return rc;
}

struct redislink *
redislink_open(const struct conf_store *c)
{
	struct redislink *l = calloc(1, sizeof(*l));
	const char *why = "out of memory";
	pthread_condattr_t attributes;

	if (!l) {
		log_error("redis", "what=\"out of memory\"");
		return NULL;
	}
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&l->given, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	atomic_init(&l->timeout_ms, c->timeout_ms);
	if (copy_conf(&l->conf, c) == 0 && (l->peer = redissock_peer_open(&l->conf, &why)))
		return l;
	log_error("redis", "what=\"%s\"", why);
	redislink_close(l);
	return NULL;
}

static void
free_connection(struct redislink_hold *h)
{
	if (!h)
		return;
	redissock_close(&h->sock);
	if (h->reader)
		redisReaderFree(h->reader);
	free(h);
}

void
redislink_close(struct redislink *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->idle_n; i++)
		free_connection(l->idle[i]);
	redissock_peer_close(l->peer);
	(void)pthread_cond_destroy(&l->given);
	(void)pthread_mutex_destroy(&l->lock);
	free_conf(&l->conf);
	free(l);
}

int64_t
redislink_by_ms(const struct redislink *l)
{
	return clock_mono_ms() + atomic_load(&l->timeout_ms);
}

void
redislink_hurry(struct redislink *l, int64_t timeout_ms)
{
	if (timeout_ms < atomic_load(&l->timeout_ms))
		atomic_store(&l->timeout_ms, timeout_ms);
}

const char *
redislink_why(struct redislink *l)
{
	const char *why;

	(void)pthread_mutex_lock(&l->lock);
	why = l->why;
	(void)pthread_mutex_unlock(&l->lock);
	return why;
}

/* Notes why the server cannot be used; said: its own words, where those can hold no secret. The
 * lock is held. */
static void
note_trouble(struct redislink *l, const char *why, struct span said)
{
	int64_t now_ms = clock_mono_ms();
	char text[LOG_VALUE_LEN];

	l->why = why;
	if (l->told_ms > 0 && now_ms - l->told_ms < (why == l->told ? TELL_MS : TELL_NEW_MS))
		return;
	l->told = why;
	l->told_ms = now_ms;
	if (said.n > 0)
		log_warn("redis", "what=\"cannot be used\" why=\"%s\" said=%s", why,
		    log_value(said, text));
	else
		log_warn("redis", "what=\"cannot be used\" why=\"%s\"", why);
}

/* Notes a good answer to a question of this sort. What refuses the other sort is still there. The
 * lock is held. */
static void
note_answer(struct redislink *l, unsigned sort)
{
	l->refuses &= ~sort;
	if (l->refuses != 0)
		return;
	l->why = NULL;
	if (l->told)
		log_info("redis", "what=\"answers again\"");
	l->told = NULL;
}

/* Writes the questions; 0 when all of it went out. */
static int
send_words(struct redislink_hold *h, const struct redislink_words *w, int64_t deadline_ms)
{
	struct buf text = buf_make(WORDS_MAX + NUMBER_LEN);
	int rc = -1;

	if (!w->broken && buf_addf(&text, "*%zu\r\n", w->n) == 0 &&
	    buf_add(&text, buf_span(&w->text)) == 0)
		rc = redissock_write(&h->sock, buf_span(&text), deadline_ms);
	buf_wipe(&text);
	return rc;
}

/* The next answer; NULL when the connection is spoilt or the time is over. */
static redisReply *
read_reply(struct redislink_hold *h, int64_t deadline_ms)
{
	char step[READ_STEP];
	void *reply = NULL;
	ssize_t n;

	for (;;) {
		if (redisReaderGetReply(h->reader, &reply) != REDIS_OK)
			return NULL;
		if (reply)
			return reply;
		n = redissock_read(&h->sock, step, sizeof(step), deadline_ms);
		if (n <= 0 || redisReaderFeed(h->reader, step, (size_t)n) != REDIS_OK)
			return NULL;
	}
}

static const struct meaning *
meaning_of(const redisReply *r)
{
	const struct span text = { r->str, r->len };

	for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++)
		if (span_starts(text, meanings[i].text))
			return &meanings[i];
	return &refused;
}

/* Asks over one connection. An error is left in the answer. *spoilt: it is not to be used again. */
static enum store_status
ask_over(struct redislink_hold *h, const struct redislink_words *w, int64_t by_ms,
    struct redislink_answer *a, bool *spoilt)
{
	const struct meaning *m;

	*spoilt = true;
	if (w->broken) {
		a->why = "out of memory";
		return STORE_BROKEN;
	}
	if (clock_mono_ms() >= by_ms) {
		a->why = "it does not answer in time";
		return STORE_AWAY;
	}
	a->sent = true;
	/* A server that has closed the connection may have said why before. */
	(void)!send_words(h, w, by_ms);
	a->reply = read_reply(h, by_ms);
	if (!a->reply) {
		a->late = clock_mono_ms() >= by_ms;
		a->why = a->late ? "it does not answer in time" : "the connection was lost";
		return STORE_AWAY;
	}
	a->sent = false;
	*spoilt = false;
	if (a->reply->type != REDIS_REPLY_ERROR)
		return STORE_OK;
	m = meaning_of(a->reply);
	a->why = m->why;
	*spoilt = m->elsewhere;
	return m->status;
}

/* Appends the password. -1 with *why set. */
static int
add_password(const struct conf_store *c, struct redislink_words *w, const char **why)
{
	struct buf text = buf_make(SECRET_FILE_MAX);
	struct span password = { 0 };

	*why = c->password_file ? "the file of its password cannot be read"
				: "the variable of its password is not set";
	if (c->password_file && file_read_secret(c->password_file, &text) == 0)
		password = span_trim(buf_span(&text));
	else if (c->password_file && errno == EPERM)
		*why = "the file of its password is open to others: " SECRETFILE_MODE;
	else if (!c->password_file)
		password = span_trim(span_of(getenv(c->password_env)));
	if (password.n > 0)
		redislink_word(w, password);
	buf_wipe(&text);
	return password.n > 0 ? 0 : -1;
}

/* The questions that a new connection begins with, up to GREETINGS. -1 with *why set. */
static int
greetings(const struct conf_store *c, struct redislink_words w[static GREETINGS], const char **why)
{
	int n = 0;

	if (c->password_file || c->password_env) {
		redislink_word(&w[n], SPAN("AUTH"));
		if (c->user)
			redislink_word(&w[n], span_of(c->user));
		if (add_password(c, &w[n], why) < 0)
			return -1;
		n++;
	}
	if (c->db > 0) {
		redislink_word(&w[n], SPAN("SELECT"));
		redislink_count(&w[n], c->db);
		n++;
	}
	redislink_word(&w[n], SPAN("CLIENT"));
	redislink_word(&w[n], SPAN("SETNAME"));
	redislink_word(&w[n], SPAN(CLIENT_NAME));
	return n + 1;
}

/* Says all greetings; the last one's refusal is no harm unless there was no password for it. */
static enum store_status
greet(const struct redislink *l, struct redislink_hold *h, int64_t by_ms, const char **why)
{
	struct redislink_words w[GREETINGS] = { redislink_words(), redislink_words(),
		redislink_words() };
	enum store_status status = STORE_OK;
	int n = greetings(&l->conf, w, why);

	if (n < 0)
		status = STORE_BROKEN;
	for (int i = 0; i < n && status == STORE_OK; i++) {
		struct redislink_answer a = { 0 };
		bool spoilt;

		status = ask_over(h, &w[i], by_ms, &a, &spoilt);
		if (status != STORE_OK)
			*why = a.why;
		if (status == STORE_BROKEN && i == n - 1 && !spoilt)
			status = STORE_OK;
		redislink_answer_free(&a);
	}
	for (int i = 0; i < GREETINGS; i++)
		redislink_words_free(&w[i]);
	return status;
}

/* A new connection, greeted. */
static enum store_status
connect_new(const struct redislink *l, int64_t by_ms, struct redislink_hold **out, const char **why)
{
	struct redislink_hold *h = calloc(1, sizeof(*h));
	enum store_status status = STORE_AWAY;

	*why = "out of memory";
	if (!h)
		return STORE_BROKEN;
	h->sock.fd = -1;
	h->fresh = true;
	h->reader = redisReaderCreate();
	if (h->reader && redissock_connect(&h->sock, l->peer, by_ms, why) == 0)
		status = greet(l, h, by_ms, why);
	if (status == STORE_OK)
		*out = h;
	else
		free_connection(h);
	return status;
}

/* Takes an idle connection that is still good; those that are not are closed. The lock is held. */
static struct redislink_hold *
pop_idle(struct redislink *l)
{
	while (l->idle_n > 0) {
		struct redislink_hold *h = l->idle[--l->idle_n];

		if (redissock_quiet(&h->sock)) {
			h->fresh = false;
			return h;
		}
		free_connection(h);
		l->open_n--;
	}
	return NULL;
}

/* Nobody tries for a while. The lock is held. */
static void
shut(struct redislink *l, enum store_status status)
{
	l->shut = true;
	l->shut_status = status;
	l->shut_until_ms = clock_mono_ms() + REDISLINK_AGAIN_MS;
	(void)pthread_cond_broadcast(&l->given);
}

/* As shut, when no connection is of use any more. */
static void
shut_all(struct redislink *l, enum store_status status)
{
	while (l->idle_n > 0) {
		free_connection(l->idle[--l->idle_n]);
		l->open_n--;
	}
	shut(l, status);
}

/* Waits until an idle connection is there (*out) or a new one may be made. The lock is held. */
static enum store_status
enter(struct redislink *l, int64_t by_ms, struct redislink_hold **out)
{
	const struct timespec until = { by_ms / 1000, by_ms % 1000 * 1000000 };

	for (;;) {
		*out = pop_idle(l);
		if (*out)
			return STORE_OK;
		if (l->shut && (l->probing || clock_mono_ms() < l->shut_until_ms))
			return l->shut_status;
		if (l->open_n < POOL_MAX)
			break;
		if (pthread_cond_timedwait(&l->given, &l->lock, &until) != 0) {
			note_trouble(
			    l, "its answers take too long for all who ask", (struct span){ 0 });
			return STORE_AWAY;
		}
	}
	l->probing = l->shut;
	l->open_n++;
	return STORE_OK;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

enum store_status
redislink_hold(struct redislink *l, int64_t by_ms, struct redislink_hold **out)
{
	enum store_status status;
	const char *why = NULL;

	by_ms = earlier(by_ms, redislink_by_ms(l));
	(void)pthread_mutex_lock(&l->lock);
	status = enter(l, by_ms, out);
	(void)pthread_mutex_unlock(&l->lock);
	if (status != STORE_OK || *out)
		return status;
	status = connect_new(l, by_ms, out, &why);
	(void)pthread_mutex_lock(&l->lock);
	l->probing = false;
	if (status == STORE_OK) {
		l->shut = false;
	} else {
		l->open_n--;
		note_trouble(l, why, (struct span){ 0 });
		shut(l, status);
	}
	(void)pthread_mutex_unlock(&l->lock);
	return status;
}

/* Notes what became of a question. The lock is held. */
static void
note_outcome(struct redislink *l, unsigned sort, enum store_status status,
    const struct redislink_answer *a, int64_t asked_ms)
{
	int64_t now_ms = clock_mono_ms();

	if (a->reply) {
		l->answered_ms = now_ms;
	} else if (a->late && l->answered_ms < asked_ms &&
	    now_ms - asked_ms >= atomic_load(&l->timeout_ms) / 2) {
		/* Nobody got an answer since: the others need not wait for it, too. */
		shut_all(l, STORE_AWAY);
	}
	if (status == STORE_OK) {
		note_answer(l, sort);
	} else if (status != STORE_NOT_FOUND) {
		struct span said = { 0 };

		l->refuses |= a->reply ? sort : 0;
		if (a->why == refused.why)
			said = (struct span){ a->reply->str, a->reply->len };
		note_trouble(l, a->why, said);
	}
}

enum store_status
redislink_hold_ask(struct redislink *l, struct redislink_hold *h, const struct redislink_words *w,
    int64_t by_ms, struct redislink_answer *a)
{
	int64_t asked_ms = clock_mono_ms();
	bool spoilt;
	enum store_status status = ask_over(h, w, by_ms, a, &spoilt);

	if (spoilt)
		redissock_close(&h->sock);
	(void)pthread_mutex_lock(&l->lock);
	note_outcome(l, w->light ? TROUBLE_LIGHT : TROUBLE_OTHER, status, a, asked_ms);
	if (spoilt && a->reply)
		shut_all(l, status);
	(void)pthread_mutex_unlock(&l->lock);
	if (status != STORE_OK)
		redislink_answer_free(a);
	return status;
}

void
redislink_hold_end(struct redislink *l, struct redislink_hold *h, bool spoilt)
{
	(void)pthread_mutex_lock(&l->lock);
	if (spoilt || h->sock.fd < 0)
		l->open_n--;
	else
		l->idle[l->idle_n++] = h;
	spoilt = spoilt || h->sock.fd < 0;
	(void)pthread_cond_signal(&l->given);
	(void)pthread_mutex_unlock(&l->lock);
	if (spoilt)
		free_connection(h);
}

enum store_status
redislink_ask(
    struct redislink *l, const struct redislink_words *w, int64_t by_ms, struct redislink_answer *a)
{
	enum store_status status;
	struct redislink_hold *h;

	for (;;) {
		bool fresh;

		*a = (struct redislink_answer){ 0 };
		status = redislink_hold(l, by_ms, &h);
		if (status != STORE_OK)
			return status;
		fresh = h->fresh;
		status = redislink_hold_ask(l, h, w, by_ms, a);
		redislink_hold_end(l, h, false);
		/* A connection that had lain idle may have been dead without a sign of it. */
		if (status != STORE_AWAY || !a->sent || a->late || w->once || fresh)
			return status;
	}
}

void
redislink_answer_free(struct redislink_answer *a)
{
	if (a->reply)
		freeReplyObject(a->reply);
	a->reply = NULL;
}

bool
redislink_is_list(const struct redislink_answer *a)
{
	return a->reply && a->reply->type == REDIS_REPLY_ARRAY;
}

size_t
redislink_elements(const struct redislink_answer *a)
{
	return redislink_is_list(a) ? a->reply->elements : 0;
}

static int
number_of(const redisReply *r, int64_t *out)
{
	if (!r || r->type != REDIS_REPLY_INTEGER)
		return -1;
	*out = r->integer;
	return 0;
}

static struct span
text_of(const redisReply *r)
{
	if (!r || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS))
		return (struct span){ 0 };
	return (struct span){ r->str, r->len };
}

static const redisReply *
element(const struct redislink_answer *a, size_t i)
{
	return i < redislink_elements(a) ? a->reply->element[i] : NULL;
}

int
redislink_element_number(const struct redislink_answer *a, size_t i, int64_t *out)
{
	return number_of(element(a, i), out);
}

struct span
redislink_element_text(const struct redislink_answer *a, size_t i)
{
	return text_of(element(a, i));
}

int
redislink_answer_number(const struct redislink_answer *a, int64_t *out)
{
	return number_of(a->reply, out);
}

struct span
redislink_answer_text(const struct redislink_answer *a)
{
	return text_of(a->reply);
}
