/* limiter: see the header. A lock of LMDB orders all that is done here: what belongs to a process,
 * and is not atomic, is touched by who has that lock. */
#include "store/limiter.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/limitkept.h"
#include "store/limitlease.h"
#include "store/limitpurse.h"
#include "store/limitqueue.h"
#include "store/limitsweep.h"

static_assert(LIMITER_HOLD_MS == LIMITLEASE_HOLD_MS, "the same");

/* A queue of this size waits for a disk or a server that does not work. Calls are not let in then;
 * those under way still find room for their lines. */
#define QUEUED_MAX (64 * MIB)

/* A beat sweeps in so many transactions at least, if there is so much, and goes on as long as each
 * finds a lot to drop. */
#define SWEEPS_LEAST 64u
#define SWEEPS_MOST  2048u

/* Numbers of calls that were noted, in the place of leases that were given here. */
#define NOTED (UINT64_C(1) << 63)

#define TELL_AGAIN_MS 60000

struct limiter {
	struct kv *kv;
	struct limitpurse_source source;
	uint8_t holder[LIMITRECORD_HOLDER_LEN];
	_Atomic uint64_t lease;	  /* the last number that was given */
	_Atomic uint64_t held;	  /* leases */
	_Atomic int64_t heard_ms; /* when the holder's record was written; 0: it has to be */
	_Atomic int64_t told_ms;
	struct limitrecord_key place; /* of the sweep */
	struct limitkept kept;	      /* until a beat finds that there is room for them again */
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
	if (limitkept_init(&l->kept) < 0)
		log_warn("limits",
		    "what=\"out of memory; there is none in reserve for finished calls\"");
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

/* Whether the holder's record has to be written. */
static bool
is_silent(struct limiter *l, int64_t mono_ms)
{
	int64_t heard_ms = atomic_load(&l->heard_ms);

	return heard_ms == 0 || mono_ms < heard_ms || mono_ms - heard_ms >= LIMITER_BEAT_MS;
}

bool
limiter_stands(const struct limiter *l)
{
	return kv_stands(l->kv);
}

/* Begins with all dead holders' leases released. hear: this process is about to hold one. */
static enum kv_status
begin_current(struct limiter *l, int64_t now_ms, bool hear, struct limitwork *w)
{
	for (;;) {
		enum kv_status status = limitwork_begin(l->kv, now_ms, w);
		bool again = false;

		if (status != KV_OK)
			return status;
		if (hear && is_silent(l, w->mono_ms)) {
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

/* Whether what room there is belongs to calls under way. */
static bool
is_full(const struct limitwork *w)
{
	return w->t.low || w->meta.queued > QUEUED_MAX;
}

/* What follows the begin of a take, before its commit. */
static enum kv_status
decide(struct call *c, struct admission_grant *out)
{
	enum kv_status status;

	if (is_full(&c->w))
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

enum store_status
limiter_note(
    struct limiter *l, const struct admission_ask *ask, const struct admission_grant *grant)
{
	struct admission_grant note = *grant;
	struct limitwork w;
	enum kv_status status = begin_current(l, ask->now_ms, true, &w);

	if (status != KV_OK)
		return answer(l, status);
	note.lease |= NOTED;
	note.held = false;
	status = is_full(&w) ? KV_FULL : limitlease_put(&w, l->holder, ask, &note);
	if (status == KV_OK)
		status = limitwork_commit(&w);
	else
		limitwork_abort(&w);
	if (status == KV_OK)
		atomic_fetch_add(&l->held, 1);
	else
		atomic_store(&l->heard_ms, 0);
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

static enum kv_status
settle(struct limiter *l, const struct store_booking *b, bool due)
{
	struct limitrecord_line line = line_of(b, due);
	struct call c = { .l = l, .ask = *b->ask };
	enum kv_status status = limitwork_begin(l->kv, b->ask->now_ms, &c.w);

	if (status != KV_OK)
		return status;
	c.ask.now_ms = c.w.now_ms;
	if (b->grant->held)
		status = exchange(&c, b);
	if (status == KV_OK)
		status = limitqueue_add(&c.w, &line);
	if (status == KV_OK)
		status = limitwork_commit(&c.w);
	else
		limitwork_abort(&c.w);
	if (b->grant->held && status == KV_OK)
		atomic_fetch_sub(&l->held, 1);
	return status;
}

/* Ends what was noted. Its tokens are nobody's here, and its quotas another store's. */
static enum kv_status
end_note(struct call *c, const struct store_booking *b)
{
	enum kv_status status = limitlease_remove(&c->w, c->l->holder, b->grant->lease | NOTED);

	if (status == KV_OK || status == KV_NOT_FOUND)
		status = load(c);
	if (status != KV_OK)
		return status;
	for (int i = 0; i < SCOPES; i++)
		c->ask.quota[i] = (struct quota){ 0 };
	admission_settle(&c->state, &c->ask, b->grant, &b->used, false);
	return save(c);
}

/* A call that was not let in has to take its chance with those that ask. */
static enum kv_status
queue(struct limiter *l, const struct store_booking *b, bool due, uint64_t *seq)
{
	struct limitrecord_line line = line_of(b, due);
	struct call c = { .l = l, .ask = *b->ask };
	enum kv_status status = limitwork_begin(l->kv, b->ask->now_ms, &c.w);

	*seq = 0;
	if (status != KV_OK)
		return status;
	if (b->grant->held)
		status = end_note(&c, b);
	else if (is_full(&c.w))
		status = KV_FULL;
	if (status == KV_OK)
		status = limitqueue_add(&c.w, &line);
	if (status == KV_OK)
		status = limitwork_commit(&c.w);
	else
		limitwork_abort(&c.w);
	if (status != KV_OK)
		return status;
	*seq = c.w.meta.seq;
	if (b->grant->held)
		atomic_fetch_sub(&l->held, 1);
	return KV_OK;
}

/* What was used by a call that was let in must not be forgotten. */
static void
keep(struct limiter *l, const struct store_booking *b, bool settles, bool due)
{
	if (b->grant->held && limitkept_add(&l->kept, b, settles, due) < 0)
		log_error("limits", "what=\"out of memory; a finished call is lost\"");
}

enum store_status
limiter_settle(struct limiter *l, const struct store_booking *b, bool due)
{
	enum kv_status status = settle(l, b, due);

	if (status != KV_OK)
		keep(l, b, true, due);
	return answer(l, status);
}

enum store_status
limiter_queue(struct limiter *l, const struct store_booking *b, bool due, uint64_t *seq)
{
	enum kv_status status = queue(l, b, due, seq);

	if (status != KV_OK)
		keep(l, b, false, due);
	return answer(l, status);
}

/* Another attempt at what is kept. */
static enum kv_status
try_kept(struct limiter *l)
{
	enum kv_status status = KV_OK;
	struct limitkept_one *one;
	uint64_t seq;
	size_t n = 0;

	while (status == KV_OK && (one = limitkept_take(&l->kept))) {
		status = one->settles ? settle(l, &one->booking, one->due)
				      : queue(l, &one->booking, one->due, &seq);
		if (status == KV_OK) {
			limitkept_give(&l->kept, one);
			n++;
		} else {
			limitkept_put_back(&l->kept, one);
		}
	}
	if (n > 0)
		log_info("limits", "calls=%zu what=\"calls that were kept are booked now\"", n);
	return status;
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

uint64_t
limiter_waiting(struct limiter *l)
{
	struct limitrecord_meta meta;
	struct kv_txn t;
	enum kv_status status = kv_begin(l->kv, false, &t);

	if (status != KV_OK)
		return 0;
	status = limitwork_meta(&t, &meta);
	kv_abort(&t);
	return status == KV_OK ? meta.queued : 0;
}

enum store_status
limiter_pass(struct limiter *l, uint64_t seq)
{
	return answer(l, limitwork_need_table(l->kv, seq));
}

bool
limiter_holds(const struct limiter *l)
{
	return atomic_load(&l->held) > 0;
}

static enum kv_status
sweep(struct limiter *l)
{
	enum kv_status status = KV_OK;
	bool again = true;

	for (size_t n = 0; status == KV_OK && again && n < SWEEPS_MOST; n++) {
		struct limitwork w;
		bool much = false;

		status = limitwork_begin(l->kv, 0, &w);
		if (status != KV_OK)
			break;
		status = limitsweep_some(&w, &l->place, &much);
		again = l->place.n > 0 && (much || n < SWEEPS_LEAST);
		if (status == KV_OK)
			status = limitwork_commit(&w);
		else
			limitwork_abort(&w);
	}
	return status;
}

enum store_status
limiter_beat(struct limiter *l)
{
	struct limitwork w;
	enum kv_status status = begin_current(l, 0, limiter_holds(l), &w);

	if (status == KV_OK && (status = limitwork_commit(&w)) != KV_OK)
		atomic_store(&l->heard_ms, 0);
	if (status == KV_OK)
		status = try_kept(l);
	if (status == KV_OK)
		status = sweep(l);
	kv_tidy(l->kv);
	return answer(l, status);
}

void
limiter_close(struct limiter *l)
{
	size_t lost;

	if (l->kv)
		(void)!try_kept(l);
	if (l->kv && atomic_load(&l->heard_ms) != 0 && !limiter_holds(l))
		leave(l);
	lost = limitkept_free(&l->kept);
	if (lost > 0)
		log_error("limits", "calls=%zu what=\"finished calls are lost\"", lost);
	kv_close(l->kv);
	free(l);
}
