/* limiter: see the header. A lock of LMDB orders all that is done here: what belongs to a process,
 * and is not atomic, is touched by who has that lock. */
#include "store/limiter.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/limitlease.h"
#include "store/limitpurse.h"
#include "store/limitqueue.h"
#include "store/limitsweep.h"

static_assert(LIMITER_HOLD_MS == LIMITLEASE_HOLD_MS, "the same");

/* A queue of this size waits for a disk or a server that does not work. Calls are not let in then;
 * those under way still find room for their lines. */
#define QUEUED_MAX (64 * MIB)

#define TELL_AGAIN_MS 60000
#define STRAYS_MAX    256u

struct limiter {
	struct kv *kv;
	struct limitpurse_source source;
	uint8_t holder[LIMITRECORD_HOLDER_LEN];
	_Atomic uint64_t lease;	  /* the last number that was given */
	_Atomic uint64_t held;	  /* leases */
	_Atomic int64_t heard_ms; /* when the holder's record was written; 0: it has to be */
	_Atomic int64_t told_ms;
	struct limitrecord_key place; /* of the sweep */

	/* Leases whose settlement failed: a beat gives them back. */
	pthread_mutex_t strays_mutex;
	size_t strays_n;
	uint64_t strays[STRAYS_MAX];
};

static void
tell_full(struct limiter *l)
{
	int64_t now_ms = clock_mono_ms();
	int64_t last_ms = atomic_load(&l->told_ms);

	if ((last_ms == 0 || now_ms - last_ms >= TELL_AGAIN_MS) &&
	    atomic_compare_exchange_strong(&l->told_ms, &last_ms, now_ms))
		log_error("limits",
		    "what=\"there is no room for them: the disk is full, or finished calls cannot "
		    "be moved to the ledger\"");
}

static enum store_status
answer(struct limiter *l, enum kv_status status)
{
	if (status == KV_OK)
		return STORE_OK;
	if (status == KV_FULL)
		tell_full(l);
	return STORE_BROKEN;
}

struct limiter *
limiter_open(const char *path, uint64_t first_seq, limiter_seed *seed, void *arg, bool reader)
{
	struct limiter *l = calloc(1, sizeof(*l));
	int error;

	if (!l) {
		log_error("limits", "what=\"out of memory\"");
		errno = ENOMEM;
		return NULL;
	}
	(void)pthread_mutex_init(&l->strays_mutex, NULL);
	l->source = (struct limitpurse_source){ seed, arg };
	l->kv = kv_open(path, KV_VOLATILE, reader);
	error = l->kv ? EIO : errno;
	if (l->kv && hash_random(l->holder, sizeof(l->holder)) == 0 &&
	    (reader || answer(l, limitwork_need_table(l->kv, first_seq)) == STORE_OK))
		return l;
	limiter_close(l);
	errno = error;
	return NULL;
}

/* A holder that goes in peace leaves nothing that others have to look at. */
static void
leave(struct limiter *l)
{
	struct limitwork w;

	if (limitwork_begin(l->kv, 0, &w) != KV_OK)
		return;
	if (limitlease_unhear(&w, l->holder) == KV_OK)
		(void)!limitwork_commit(&w);
	else
		limitwork_abort(&w);
}

void
limiter_close(struct limiter *l)
{
	if (l->kv && atomic_load(&l->heard_ms) != 0 && !limiter_holds(l))
		leave(l);
	kv_close(l->kv);
	(void)pthread_mutex_destroy(&l->strays_mutex);
	free(l);
}

/* Begins with all dead holders' leases released. hear: this process is about to hold one. */
static enum kv_status
begin_current(struct limiter *l, int64_t now_ms, bool hear, struct limitwork *w)
{
	for (;;) {
		enum kv_status status = limitwork_begin(l->kv, now_ms, w);
		bool again = false;
		int64_t silent_ms;

		if (status != KV_OK)
			return status;
		silent_ms = w->mono_ms - atomic_load(&l->heard_ms);
		if (hear && (silent_ms >= LIMITER_BEAT_MS || silent_ms < 0)) {
			status = limitlease_hear(w, l->holder);
			atomic_store(&l->heard_ms, w->mono_ms);
		}
		if (status == KV_OK)
			status = limitlease_expire(w, &again);
		if (status == KV_OK && !again)
			return KV_OK;
		if (status == KV_OK)
			status = limitwork_commit(w);
		else
			limitwork_abort(w);
		if (status != KV_OK) {
			atomic_store(&l->heard_ms, 0);
			return status;
		}
	}
}

/* A call and the state that it touches. */
struct call {
	struct limiter *l;
	struct limitwork w;
	struct admission_ask ask; /* with its time */
	struct admission_state state;
	bool found[SCOPES];   /* the accounts */
	bool metered[SCOPES]; /* the meters matter */
};

static enum kv_status
load(struct call *c)
{
	enum kv_status status = KV_OK;

	for (enum scope i = 0; i < SCOPES && status == KV_OK; i++) {
		status = limitwork_account(
		    &c->w, i, limitwork_name(&c->ask, i), &c->state.account[i], &c->found[i]);
		c->state.meter[i] = (struct admission_meter){ 0 };
		if (status == KV_OK && c->metered[i])
			status = limitwork_meter(&c->w, i, &c->ask, &c->state.meter[i]);
	}
	return status;
}

static enum kv_status
save(struct call *c)
{
	enum kv_status status = KV_OK;

	for (enum scope i = 0; i < SCOPES && status == KV_OK; i++) {
		if (c->found[i])
			status = limitwork_put_account(
			    &c->w, i, limitwork_name(&c->ask, i), &c->state.account[i]);
		if (status == KV_OK && c->metered[i])
			status = limitwork_put_meter(&c->w, i, &c->ask, &c->state.meter[i]);
	}
	return status;
}

/* What follows the begin of a take, before its commit. */
static enum kv_status
decide(struct call *c, struct admission_grant *out)
{
	enum kv_status status;

	if (c->w.t.low || c->w.meta.queued > QUEUED_MAX)
		return KV_FULL;
	for (int i = 0; i < SCOPES; i++)
		c->metered[i] = c->ask.quota[i].rpm > 0 || c->ask.quota[i].tpm > 0;
	status = load(c);
	if (status == KV_OK)
		status = limitpurse_seed(&c->w.t, &c->state, &c->ask, &c->l->source);
	if (status != KV_OK)
		return status;
	admission_take(&c->state, &c->ask, out);
	for (int i = 0; i < SCOPES; i++)
		c->found[i] = c->found[i] || c->state.account[i].running > 0 ||
		    c->state.account[i].day.period > 0 || c->state.account[i].month.period > 0;
	status = save(c);
	if (status != KV_OK || !out->held)
		return status;
	out->lease = atomic_fetch_add(&c->l->lease, 1) + 1;
	return limitlease_put(&c->w, c->l->holder, &c->ask, out);
}

enum store_status
limiter_take(struct limiter *l, const struct admission_ask *ask, struct admission_grant *out)
{
	struct call c = { .l = l, .ask = *ask };
	enum kv_status status = begin_current(l, ask->now_ms, true, &c.w);

	*out = (struct admission_grant){ 0 };
	if (status != KV_OK)
		return answer(l, status);
	c.ask.now_ms = c.w.now_ms;
	status = decide(&c, out);
	if (status == KV_OK)
		status = limitwork_commit(&c.w);
	else
		limitwork_abort(&c.w);
	if (status != KV_OK) {
		atomic_store(&l->heard_ms, 0);
		*out = (struct admission_grant){ 0 };
	}
	if (out->held)
		atomic_fetch_add(&l->held, 1);
	return answer(l, status);
}

/* The record of a booking's line. */
static struct limitrecord_line
line_of(const struct store_booking *b, bool due)
{
	struct limitrecord_line line = {
		.line = b->line,
		.workspace = b->ask->workspace,
		.key = b->ask->key,
		.due = due,
	};

	if (b->grant->held) {
		line.day = b->grant->day;
		line.month = b->grant->month;
		line.nanousd = b->used.nanousd;
	}
	if (due) {
		line.ask = *b->ask;
		line.grant = *b->grant;
		line.used = b->used;
	}
	return line;
}

/* Puts what was used in the place of what was taken. */
static enum kv_status
exchange(struct call *c, const struct store_booking *b)
{
	enum kv_status status = limitlease_remove(&c->w, c->l->holder, b->grant->lease);
	bool leased = status == KV_OK;

	if (status == KV_NOT_FOUND)
		status = KV_OK;
	for (int i = 0; i < SCOPES; i++)
		c->metered[i] = c->ask.quota[i].tpm > 0;
	if (status == KV_OK)
		status = load(c);
	if (status != KV_OK)
		return status;
	admission_settle(&c->state, &c->ask, b->grant, &b->used, leased);
	return save(c);
}

/* Remembers a lease that could not be given back. */
static void
add_stray(struct limiter *l, uint64_t lease)
{
	(void)pthread_mutex_lock(&l->strays_mutex);
	if (l->strays_n < STRAYS_MAX)
		l->strays[l->strays_n++] = lease;
	(void)pthread_mutex_unlock(&l->strays_mutex);
}

enum store_status
limiter_settle(struct limiter *l, const struct store_booking *b, bool due)
{
	struct limitrecord_line line = line_of(b, due);
	struct call c = { .l = l, .ask = *b->ask };
	enum kv_status status = limitwork_begin(l->kv, b->ask->now_ms, &c.w);

	if (status == KV_OK) {
		c.ask.now_ms = c.w.now_ms;
		if (b->grant->held)
			status = exchange(&c, b);
		if (status == KV_OK)
			status = limitqueue_add(&c.w, &line);
		if (status == KV_OK)
			status = limitwork_commit(&c.w);
		else
			limitwork_abort(&c.w);
	}
	if (b->grant->held && status == KV_OK)
		atomic_fetch_sub(&l->held, 1);
	else if (b->grant->held)
		add_stray(l, b->grant->lease);
	return answer(l, status);
}

enum store_status
limiter_queue(struct limiter *l, const struct store_booking *b, bool due, uint64_t *seq)
{
	struct limitrecord_line line = line_of(b, due);
	struct limitwork w;
	enum kv_status status = limitwork_begin(l->kv, b->ask->now_ms, &w);

	if (status != KV_OK)
		return answer(l, status);
	status = limitqueue_add(&w, &line);
	*seq = w.meta.seq;
	if (status == KV_OK)
		status = limitwork_commit(&w);
	else
		limitwork_abort(&w);
	return answer(l, status);
}

enum store_status
limiter_undue(struct limiter *l, uint64_t seq)
{
	struct limitwork w;
	enum kv_status status = limitwork_begin(l->kv, 0, &w);

	if (status != KV_OK)
		return answer(l, status);
	status = limitqueue_undue(&w, seq);
	if (status == KV_OK)
		status = limitwork_commit(&w);
	else
		limitwork_abort(&w);
	return answer(l, status);
}

enum store_status
limiter_lines(struct limiter *l, uint64_t after, limiter_each *fn, void *arg)
{
	struct limitqueue_at at;
	struct kv_txn t;
	enum kv_status status = kv_begin(l->kv, false, &t);

	if (status != KV_OK)
		return answer(l, status);
	status = after < UINT64_MAX ? limitqueue_seek(&t, after + 1, &at) : KV_NOT_FOUND;
	while (status == KV_OK) {
		const struct limiter_line line = {
			.seq = at.seq,
			.line = at.record.line,
			.due = at.record.due,
			.ask = at.record.ask,
			.grant = at.record.grant,
			.used = at.record.used,
		};

		if (fn(arg, &line) != 0)
			break;
		status = limitqueue_next(&t, &at);
	}
	kv_abort(&t);
	return answer(l, status == KV_NOT_FOUND ? KV_OK : status);
}

enum store_status
limiter_forget(struct limiter *l, uint64_t upto)
{
	bool more = true;

	while (more) {
		struct limitwork w;
		enum kv_status status = limitwork_begin(l->kv, 0, &w);

		if (status != KV_OK)
			return answer(l, status);
		status = limitqueue_forget(&w, upto, &more);
		if (status == KV_OK)
			status = limitwork_commit(&w);
		else
			limitwork_abort(&w);
		if (status != KV_OK)
			return answer(l, status);
	}
	return STORE_OK;
}

bool
limiter_waiting(struct limiter *l)
{
	struct limitrecord_meta meta;
	struct kv_txn t;
	enum kv_status status = kv_begin(l->kv, false, &t);

	if (status != KV_OK)
		return false;
	status = limitwork_meta(&t, &meta);
	kv_abort(&t);
	return status == KV_OK && meta.queued > 0;
}

bool
limiter_holds(const struct limiter *l)
{
	return atomic_load(&l->held) > 0;
}

/* Gives back what settlements that failed have left. */
static enum kv_status
lose_strays(struct limiter *l)
{
	enum kv_status status = KV_OK;

	(void)pthread_mutex_lock(&l->strays_mutex);
	while (status == KV_OK && l->strays_n > 0) {
		struct limitwork w;

		status = limitwork_begin(l->kv, 0, &w);
		if (status != KV_OK)
			break;
		status = limitlease_lose(&w, l->holder, l->strays[l->strays_n - 1]);
		if (status == KV_OK)
			status = limitwork_commit(&w);
		else
			limitwork_abort(&w);
		if (status != KV_OK)
			break;
		l->strays_n--;
		atomic_fetch_sub(&l->held, 1);
	}
	(void)pthread_mutex_unlock(&l->strays_mutex);
	return status;
}

enum store_status
limiter_beat(struct limiter *l)
{
	struct limitwork w;
	enum kv_status status = begin_current(l, 0, limiter_holds(l), &w);

	if (status != KV_OK)
		return answer(l, status);
	status = limitsweep_some(&w, &l->place);
	if (status == KV_OK)
		status = limitwork_commit(&w);
	else
		limitwork_abort(&w);
	if (status != KV_OK)
		atomic_store(&l->heard_ms, 0);
	else
		status = lose_strays(l);
	kv_tidy(l->kv);
	return answer(l, status);
}
