/* limitlease: see the header. */
#include "store/limitlease.h"

#include <stdlib.h>

#include "base/fault.h"
#include "base/log.h"
#include "policy/ledger.h"
#include "store/limitqueue.h"

/* A lost call changes two accounts, its lease and the queue, with a line that may be long. */
#define LOSE_AT_ONCE (KV_CHANGES / 8)

enum kv_status
limitlease_put(struct limitwork *w, const uint8_t holder[static LIMITRECORD_HOLDER_LEN],
    const struct admission_ask *ask, const struct admission_grant *grant)
{
	const struct limitrecord_lease lease = {
		.workspace = ask->workspace,
		.key = ask->key,
		.model = ask->model,
		.request_id = ask->request_id,
		.begun_ms = w->now_ms,
		.grant = *grant,
	};
	struct limitrecord_key key;
	enum kv_status status;
	char *to;

	limitrecord_key_lease(holder, grant->lease, &key);
	status = kv_room(&w->t, limitrecord_span(&key), limitrecord_lease_size(&lease), &to);
	if (status == KV_OK)
		limitrecord_write_lease(&lease, to);
	return status;
}

enum kv_status
limitlease_remove(
    struct limitwork *w, const uint8_t holder[static LIMITRECORD_HOLDER_LEN], uint64_t number)
{
	struct limitrecord_key key;

	limitrecord_key_lease(holder, number, &key);
	return kv_del(&w->t, limitrecord_span(&key));
}

enum kv_status
limitlease_hear(struct limitwork *w, const uint8_t holder[static LIMITRECORD_HOLDER_LEN])
{
	char bytes[LIMITRECORD_FIXED_MAX];
	struct limitrecord_key key;

	/* Any other time in it is earlier, or one by another clock. */
	if (w->meta.expiry_ms == INT64_MAX) {
		w->meta.expiry_ms = w->mono_ms + LIMITLEASE_HOLD_MS;
		w->meta_changed = true;
	}
	limitrecord_key_holder(holder, &key);
	return kv_put(&w->t, limitrecord_span(&key), limitrecord_write_heard(w->mono_ms, bytes));
}

enum kv_status
limitlease_unhear(struct limitwork *w, const uint8_t holder[static LIMITRECORD_HOLDER_LEN])
{
	struct limitrecord_key key;
	enum kv_status status;

	limitrecord_key_holder(holder, &key);
	status = kv_del(&w->t, limitrecord_span(&key));
	return status == KV_NOT_FOUND ? KV_OK : status;
}

/* Gives back what a lease held. */
static enum kv_status
release(struct limitwork *w, const struct limitrecord_lease *l)
{
	const struct span names[SCOPES] = { l->workspace, l->key };
	struct admission_account accounts[SCOPES];
	enum kv_status status = KV_OK;
	bool found[SCOPES];

	for (enum scope i = 0; i < SCOPES && status == KV_OK; i++)
		status = limitwork_account(w, i, names[i], &accounts[i], &found[i]);
	if (status != KV_OK)
		return status;
	admission_release(accounts, &l->grant);
	for (enum scope i = 0; i < SCOPES && status == KV_OK; i++) {
		if (found[i])
			status = limitwork_put_account(w, i, names[i], &accounts[i]);
	}
	return status;
}

/* Books the call of a lease: nobody knows what it has used. */
static enum kv_status
book(struct limitwork *w, const struct limitrecord_lease *l)
{
	const struct admission_grant *g = &l->grant;
	const uint64_t *taken = g->taken;
	const struct ledger_entry entry = {
		.time_ms = w->now_ms,
		.day = g->day,
		.request_id = l->request_id,
		.key = l->key,
		.workspace = l->workspace,
		.model = l->model,
		.routed = true,
		.end = span_of(fault_row(FAULT_LOST)->name),
		.cut = true,
		.reserved_tokens = taken[SCOPE_WORKSPACE] > taken[SCOPE_KEY]
		    ? taken[SCOPE_WORKSPACE]
		    : taken[SCOPE_KEY],
		.reserved_nanousd = g->nanousd,
		.requests_left = -1,
		.tokens_left = -1,
		.first_ms = -1,
		.total_ms = w->now_ms > l->begun_ms ? w->now_ms - l->begun_ms : 0,
	};
	struct buf text = buf_make(LEDGER_LINE_MAX);
	enum kv_status status = KV_BROKEN;

	if (ledger_format(&entry, &text) < 0) {
		log_error("limits", "what=\"the line of a lost call cannot be made\"");
	} else {
		const struct limitrecord_line line = {
			.line = buf_span(&text),
			.workspace = l->workspace,
			.key = l->key,
			.day = g->day,
			.month = g->month,
		};

		status = limitqueue_add(w, &line);
	}
	buf_free(&text);
	return status;
}

/* Loses the lease of this key and value. The value is copied, since what it points to moves with
 * the first change. */
static enum kv_status
lose(struct limitwork *w, struct span key, struct span value)
{
	struct limitrecord_key own = { .n = key.n };
	struct limitrecord_lease lease;
	enum kv_status status;
	char *copy = malloc(value.n);

	if (!copy) {
		log_error("limits", "what=\"out of memory\"");
		return KV_BROKEN;
	}
	memcpy(own.bytes, key.p, key.n);
	memcpy(copy, value.p, value.n);
	status = kv_del(&w->t, limitrecord_span(&own));
	/* One that cannot be read is only removed: it would stop all others. */
	if (status == KV_OK &&
	    limitrecord_read_lease((struct span){ copy, value.n }, &lease) == 0) {
		status = release(w, &lease);
		if (status == KV_OK)
			status = book(w, &lease);
	}
	free(copy);
	return status;
}

/* Loses some of a holder's leases; its record goes with the last of them. */
static enum kv_status
lose_holder(struct limitwork *w, const uint8_t holder[static LIMITRECORD_HOLDER_LEN])
{
	struct limitrecord_key first;
	struct span key, value;

	limitrecord_key_lease(holder, 0, &first);
	for (size_t n = 0; n < LOSE_AT_ONCE; n++) {
		enum kv_status status = kv_seek(&w->t, limitrecord_span(&first), &key, &value);
		const uint8_t *of = status == KV_OK ? limitrecord_holder(key) : NULL;

		if (status == KV_NOT_FOUND ||
		    (status == KV_OK && (!of || memcmp(of, holder, LIMITRECORD_HOLDER_LEN) != 0)))
			return limitlease_unhear(w, holder);
		if (status == KV_OK)
			status = lose(w, key, value);
		if (status != KV_OK)
			return status;
	}
	return KV_OK;
}

/* What a look at all holders comes to. */
struct look {
	bool dead, odd; /* there is a dead one; one heard of in the future: of another clock */
	uint8_t holder[LIMITRECORD_HOLDER_LEN]; /* that one */
	int64_t expiry_ms;			/* of the others, the first */
};

static bool
look_at(struct look *out, struct span key, struct span value, int64_t now_ms)
{
	int64_t heard_ms = 0;

	/* A damaged one counts as dead long since. */
	(void)!limitrecord_read_heard(value, &heard_ms);
	out->odd = heard_ms > now_ms;
	out->dead = now_ms - heard_ms >= LIMITLEASE_HOLD_MS;
	if (out->odd || out->dead)
		memcpy(out->holder, limitrecord_holder(key), LIMITRECORD_HOLDER_LEN);
	else if (heard_ms + LIMITLEASE_HOLD_MS < out->expiry_ms)
		out->expiry_ms = heard_ms + LIMITLEASE_HOLD_MS;
	return out->odd || out->dead;
}

/* Ends at the first holder that something is to be done about. */
static enum kv_status
look(struct limitwork *w, struct look *out)
{
	const struct span from = { (const char[]){ LIMITRECORD_HOLDER }, 1 };
	struct span key, value;
	enum kv_status status = kv_seek(&w->t, from, &key, &value);

	*out = (struct look){ .expiry_ms = INT64_MAX };
	while (status == KV_OK && key.p[0] == (char)LIMITRECORD_HOLDER && limitrecord_holder(key)) {
		if (look_at(out, key, value, w->mono_ms))
			return KV_OK;
		status = kv_next(&w->t, &key, &value);
	}
	return status == KV_NOT_FOUND ? KV_OK : status;
}

enum kv_status
limitlease_expire(struct limitwork *w, bool *again)
{
	struct look found;
	enum kv_status status;

	*again = false;
	/* An expiry too far ahead is one by another clock. */
	if (w->mono_ms < w->meta.expiry_ms &&
	    (w->meta.expiry_ms == INT64_MAX ||
		w->meta.expiry_ms - w->mono_ms <= LIMITLEASE_HOLD_MS))
		return KV_OK;
	status = look(w, &found);
	if (status != KV_OK)
		return status;
	*again = found.dead || found.odd;
	if (found.dead)
		return lose_holder(w, found.holder);
	if (found.odd)
		return limitlease_hear(w, found.holder);
	w->meta.expiry_ms = found.expiry_ms;
	w->meta_changed = true;
	return KV_OK;
}
