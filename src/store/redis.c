/* store_redis: see the header. It puts the parts together; what is asked of Redis is written in
 * redisscript and redislink. */
#include "store/redis.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "policy/key.h"
#include "store/books.h"
#include "store/rediscache.h"
#include "store/redisholder.h"
#include "store/redislink.h"
#include "store/redisscript.h"
#include "store/redistotals.h"

#define TAKES	 2 /* attempts: the first may have met a connection that was lost without a sign */
#define CLOSE_MS 500 /* who started the program may not wait long for its end */

struct redis {
	struct store store;
	struct redislink *link;
	struct redisholder *holder;
	struct rediscache *keys;
	bool away_local;
};

static struct redis *
redis_of(struct store *s)
{
	return (struct redis *)(void *)s;
}

/* Whether a line from Redis is that of the key it was found under. */
static bool
is_line_of(struct span line, const uint8_t hash[static HASH_LEN])
{
	const char *why;
	struct key k;

	return key_parse(line, &k, &why) == KEY_LINE_KEY && hash_same(k.hash, hash);
}

static enum store_status
ask_key(struct redis *r, const uint8_t hash[static HASH_LEN], struct redislink_answer *a)
{
	struct redislink_words w = redislink_words();
	char hex[HASH_HEX_LEN + 1];
	enum store_status status;

	hash_to_hex(hash, hex);
	w.light = true;
	redislink_word(&w, SPAN("HGET"));
	redislink_word(&w, SPAN(REDISSCRIPT_PREFIX "keys"));
	redislink_word(&w, span_of(hex));
	status = redislink_ask(r->link, &w, redislink_by_ms(r->link), a);
	redislink_words_free(&w);
	return status;
}

/* Asks Redis for a line, and keeps it as it was at now_ms. */
static enum store_status
find_there(struct redis *r, const uint8_t hash[static HASH_LEN], int64_t now_ms, struct buf *line)
{
	struct redislink_answer a = { 0 };
	enum store_status status = ask_key(r, hash, &a);
	struct span found = redislink_answer_text(&a);

	if (status == STORE_OK && found.n > 0 && !is_line_of(found, hash)) {
		log_warn("redis", "what=\"a key's line is damaged or another's\"");
		found.n = 0;
	}
	if (status == STORE_OK && found.n == 0) {
		rediscache_drop(r->keys, hash);
		status = STORE_NOT_FOUND;
	} else if (status == STORE_OK) {
		rediscache_put(r->keys, hash, now_ms, found);
		status = buf_add(line, found) == 0 ? STORE_OK : STORE_BROKEN;
	}
	redislink_answer_free(&a);
	return status;
}

static enum store_status
redis_find_key(struct store *s, const uint8_t hash[static HASH_LEN], struct buf *line)
{
	struct redis *r = redis_of(s);
	int64_t now_ms = clock_mono_ms();
	enum store_status status;

	if (rediscache_find(r->keys, hash, now_ms - REDIS_KEY_MS, line) == 0)
		return STORE_OK;
	status = find_there(r, hash, now_ms, line);
	if (status == STORE_AWAY && r->away_local &&
	    rediscache_find(r->keys, hash, now_ms - REDIS_KEY_AWAY_MS, line) == 0)
		return STORE_OK;
	return status;
}

/* One attempt under a number of its own. */
static enum store_status
try_take(struct redis *r, const struct admission_ask *ask, struct admission_grant *out,
    struct redisscript_try *try)
{
	enum store_status status;

	*out = (struct admission_grant){ .store_mark = redisholder_mark(r->holder) };
	if (redisholder_begin(r->holder, &out->lease) < 0)
		return STORE_BROKEN;
	status = redisscript_take(r->link, ask, out, try);
	if (try->unsure)
		redisholder_give_up(r->holder, out->lease);
	else if (status != STORE_OK || !out->held)
		redisholder_end(r->holder, out->lease);
	return status;
}

/* Takes in Redis. A take without an answer is given up, so that it cannot hold anything for good,
 * and asked for again under another number when there is still time for it. */
static enum store_status
take_there(struct redis *r, const struct admission_ask *ask, struct admission_grant *out)
{
	struct redisscript_try try = { .by_ms = redislink_by_ms(r->link) };
	enum store_status status = redisholder_flush(r->holder, r->link, try.by_ms);

	for (int i = 0; status == STORE_OK && i < TAKES; i++) {
		status = try_take(r, ask, out, &try);
		if (!try.unsure || try.late || status != STORE_AWAY)
			return status;
		status = redisholder_flush(r->holder, r->link, try.by_ms);
		if (status == STORE_OK && i == TAKES - 1)
			status = STORE_AWAY;
	}
	return status;
}

/* A call that Redis has let in is noted here: its line must not be lost with this process. */
static enum store_status
take_noted(struct redis *r, const struct admission_ask *ask, struct admission_grant *out)
{
	enum store_status status = take_there(r, ask, out);

	if (status != STORE_OK || !out->held)
		return status;
	status = limiter_note(books_limiter(r->store.books), ask, out);
	if (status == STORE_OK)
		return STORE_OK;
	redisholder_give_up(r->holder, out->lease);
	*out = (struct admission_grant){ 0 };
	return status;
}

static enum store_status
redis_take(struct store *s, const struct admission_ask *ask, struct admission_grant *out)
{
	struct redis *r = redis_of(s);
	struct limiter *limiter = books_limiter(s->books);
	enum store_status status = limiter ? take_noted(r, ask, out) : STORE_BROKEN;

	if (status == STORE_AWAY && r->away_local)
		status = limiter_take(limiter, ask, out);
	if (status == STORE_OK && out->held)
		books_hold(s->books);
	return status;
}

/* Settles a grant of Redis: the line is queued as due. Should this process die before it has
 * followed, or Redis not answer then, whoever carries the line to Redis settles it there; should
 * both come, it counts once. */
static enum store_status
settle_there(struct redis *r, struct store_booking *b)
{
	enum store_status status = books_queue(r->store.books, b, true, &b->seq);

	if (status != STORE_OK)
		redisholder_end(r->holder, b->grant->lease);
	return status;
}

static enum store_status
redis_settle(struct store *s, struct store_booking *b)
{
	uint64_t seq;

	if (!b->grant->held)
		return books_queue(s->books, b, false, &seq);
	if (b->grant->store_mark & REDISSCRIPT_MARK)
		return settle_there(redis_of(s), b);
	return books_settle(s->books, b, true);
}

static void
redis_follow(struct store *s, const struct store_booking *b)
{
	struct redis *r = redis_of(s);

	(void)!redisscript_settle(r->link, books_node(s->books), b->seq, b);
	redisholder_end(r->holder, b->grant->lease);
}

static struct redistotals
totals_of(struct store *s)
{
	return (struct redistotals){ .link = redis_of(s)->link,
		.node = books_node(s->books),
		.queue = books_limiter(s->books) };
}

static enum store_status
redis_totals(struct store *s, const struct store_range *range, store_row *fn, void *arg)
{
	struct redistotals t = totals_of(s);

	return redistotals_each(&t, range, fn, arg);
}

static enum store_status
redis_booked(struct store *s, struct store_mark *mark, store_row *fn, void *arg)
{
	struct redistotals t = totals_of(s);

	return redistotals_booked(&t, mark, fn, arg);
}

/* A server that answers and cannot be written is of no use. */
static enum store_status
redis_probe(struct store *s, const char **why)
{
	struct redis *r = redis_of(s);
	struct redislink_answer a = { 0 };
	enum store_status status = redisscript_probe(r->link, &a);

	redislink_answer_free(&a);
	if (status == STORE_OK)
		return books_probe(s->books, why);
	*why = status == STORE_AWAY ? "Redis does not answer" : "Redis cannot be used";
	return status;
}

static enum store_status
sink_book(void *arg, const char *node, const struct limiter_line *lines, size_t n, uint64_t *upto)
{
	struct redis *r = arg;

	return redisscript_book(r->link, node, lines, n, upto);
}

static void
sink_beat(void *arg)
{
	struct redis *r = arg;

	if (redisholder_beat(r->holder, r->link, books_limiter(r->store.books)) == STORE_BROKEN)
		log_warn("redis", "what=\"calls under way cannot be confirmed\"");
}

static void
redis_close(struct store *s)
{
	struct redis *r = redis_of(s);

	if (r->link)
		redislink_hurry(r->link, CLOSE_MS);
	/* What was given up and is not told now ends with the holder. */
	if (r->holder && r->link &&
	    redisholder_flush(r->holder, r->link, redislink_by_ms(r->link)) != STORE_OK)
		log_warn("redis", "what=\"calls that were given up cannot be told\"");
	books_close(s->books);
	redislink_close(r->link);
	redisholder_close(r->holder);
	rediscache_close(r->keys);
	free(r);
}

static struct books *
open_books(struct redis *r, const struct conf *c, struct store *beside, bool reader)
{
	const struct books_sink sink = { .book = sink_book, .beat = sink_beat, .arg = r };

	if (beside && beside->books)
		return books_beside(beside->books, &sink);
	return books_open(c->state, &sink, reader);
}

static struct store *
redis_open(const struct conf *c, struct store *beside, bool reader)
{
	struct redis *r = calloc(1, sizeof(*r));

	if (!r) {
		log_error("redis", "what=\"out of memory\"");
		return NULL;
	}
	r->store.kind = &store_redis;
	r->away_local = c->store.away_local;
	r->link = redislink_open(&c->store);
	r->keys = rediscache_open();
	r->holder = beside && beside->kind == &store_redis
	    ? redisholder_share(redis_of(beside)->holder)
	    : redisholder_open();
	if (r->link && r->keys && r->holder)
		r->store.books = open_books(r, c, beside, reader);
	if (r->store.books)
		return &r->store;
	redis_close(&r->store);
	return NULL;
}

const struct store_kind store_redis = {
	.name = "redis",
	.open = redis_open,
	.find_key = redis_find_key,
	.take = redis_take,
	.settle = redis_settle,
	.follow = redis_follow,
	.totals = redis_totals,
	.booked = redis_booked,
	.probe = redis_probe,
	.close = redis_close,
};

const char *
redis_check(const struct conf *c)
{
	struct redislink *l = redislink_open(&c->store);
	const char *why = "the certificates to trust cannot be read";
	struct redislink_answer a = { 0 };

	if (!l)
		return why;
	why = NULL;
	if (redisscript_probe(l, &a) != STORE_OK) {
		why = a.why ? a.why : redislink_why(l);
		why = why ? why : "it cannot be used";
	}
	redislink_answer_free(&a);
	redislink_close(l);
	return why;
}

/* The text of INFO <section>, or an element of CONFIG GET <name>, in an answer that the caller
 * frees; .p NULL when it cannot be seen. */
static struct span
setting(struct redislink *l, struct span command, struct span what, struct redislink_answer *a)
{
	bool info = span_eq(command, SPAN("INFO"));
	struct redislink_words w = redislink_words();
	enum store_status status;

	w.light = true;
	redislink_word(&w, command);
	if (!info)
		redislink_word(&w, SPAN("GET"));
	redislink_word(&w, what);
	status = redislink_ask(l, &w, redislink_by_ms(l), a);
	redislink_words_free(&w);
	if (status != STORE_OK)
		return (struct span){ 0 };
	return info ? redislink_answer_text(a) : redislink_element_text(a, 1);
}

/* Whether a text of INFO has the line. */
static bool
says(struct span text, struct span line)
{
	struct span one;

	while (span_next(&text, '\n', &one))
		if (span_eq(one, line))
			return true;
	return false;
}

/* Without either way of saving, a restart of Redis forgets all. */
static const char *
doubt_saving(struct redislink *l)
{
	struct redislink_answer a = { 0 }, b = { 0 };
	struct span info = setting(l, SPAN("INFO"), SPAN("persistence"), &a);
	const char *why = NULL;

	if (says(info, SPAN("aof_enabled:0"))) {
		struct span save = setting(l, SPAN("CONFIG"), SPAN("save"), &b);

		if (save.p && save.n == 0)
			why =
			    "it saves nothing: its restart forgets keys, budgets and totals (set appendonly yes)";
		else if (!save.p)
			why = "its append-only file is off (set appendonly yes)";
	}
	redislink_answer_free(&a);
	redislink_answer_free(&b);
	return why;
}

/* Evicted keys would be limits that begin anew. */
static const char *
doubt_memory(struct redislink *l)
{
	struct redislink_answer a = { 0 };
	struct span info = setting(l, SPAN("INFO"), SPAN("memory"), &a);
	bool fine = info.n == 0 || says(info, SPAN("maxmemory:0")) ||
	    says(info, SPAN("maxmemory_policy:noeviction"));

	redislink_answer_free(&a);
	return fine ? NULL
		    : "it may evict keys when its memory is full (set maxmemory-policy noeviction)";
}

const char *
redis_warn(const struct conf *c)
{
	struct redislink *l = redislink_open(&c->store);
	const char *why = NULL;

	if (!l)
		return NULL;
	why = doubt_saving(l);
	if (!why)
		why = doubt_memory(l);
	redislink_close(l);
	return why;
}
