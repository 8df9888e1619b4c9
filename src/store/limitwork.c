/* limitwork: see the header. */
#include "store/limitwork.h"

#include "base/clock.h"
#include "base/log.h"

#define CLEAR_AT_ONCE (KV_CHANGES / 2)

enum kv_status
limitwork_damaged(const char *what)
{
	log_error("limits", "what=\"a record is damaged\" record=%s", what);
	return KV_BROKEN;
}

enum kv_status
limitwork_meta(struct kv_txn *t, struct limitrecord_meta *out)
{
	struct limitrecord_key key;
	struct span value;
	enum kv_status status;

	limitrecord_key_meta(&key);
	status = kv_get(t, limitrecord_span(&key), &value);
	if (status != KV_OK)
		return status;
	return limitrecord_read_meta(value, out) < 0 ? KV_NOT_FOUND : KV_OK;
}

/* Removes records of another version of the program, some at a time. KV_NOT_FOUND: there are none.
 */
static enum kv_status
clear_some(struct kv_txn *t)
{
	struct span key, value;
	enum kv_status status = kv_seek(t, SPAN(""), &key, &value);

	if (status != KV_OK)
		return status;
	for (size_t n = 0; status == KV_OK && n < CLEAR_AT_ONCE; n++) {
		struct limitrecord_key own = { .n = key.n };

		if (key.n > sizeof(own.bytes))
			return limitwork_damaged("key");
		memcpy(own.bytes, key.p, key.n);
		status = kv_del(t, limitrecord_span(&own));
		if (status == KV_OK)
			status = kv_next(t, &key, &value);
	}
	return status == KV_NOT_FOUND ? KV_OK : status;
}

/* One transaction of making a table: *made when it is ready. */
static enum kv_status
make_table(struct kv_txn *t, uint64_t first_seq, bool *made)
{
	char bytes[LIMITRECORD_FIXED_MAX];
	struct limitrecord_meta meta;
	struct limitrecord_key key;
	enum kv_status status = limitwork_meta(t, &meta);

	*made = status == KV_OK && meta.seq >= first_seq;
	if (*made)
		return KV_OK;
	if (status == KV_NOT_FOUND) {
		status = clear_some(t);
		if (status != KV_NOT_FOUND)
			return status;
		meta = (struct limitrecord_meta){ .format = LIMITRECORD_FORMAT,
			.expiry_ms = INT64_MAX };
		status = KV_OK;
	}
	if (status != KV_OK)
		return status;
	meta.seq = first_seq;
	limitrecord_key_meta(&key);
	return kv_put(t, limitrecord_span(&key), limitrecord_write_meta(&meta, bytes));
}

enum kv_status
limitwork_need_table(struct kv *kv, uint64_t first_seq)
{
	struct kv_txn t;
	enum kv_status status;
	bool made;

	do {
		status = kv_begin(kv, true, &t);
		if (status != KV_OK)
			return status;
		status = make_table(&t, first_seq, &made);
		if (status == KV_OK && !made)
			status = kv_commit(&t);
		else
			kv_abort(&t);
	} while (status == KV_OK && !made);
	return status;
}

enum kv_status
limitwork_begin(struct kv *kv, int64_t now_ms, struct limitwork *w)
{
	enum kv_status status = kv_begin(kv, true, &w->t);

	if (status != KV_OK)
		return status;
	w->meta_changed = false;
	w->now_ms = now_ms ? now_ms : clock_wall_ms();
	w->mono_ms = now_ms ? now_ms : clock_mono_ms();
	status = limitwork_meta(&w->t, &w->meta);
	if (status == KV_OK)
		return KV_OK;
	kv_abort(&w->t);
	return status == KV_NOT_FOUND ? limitwork_damaged("meta") : status;
}

enum kv_status
limitwork_commit(struct limitwork *w)
{
	char bytes[LIMITRECORD_FIXED_MAX];
	struct limitrecord_key key;
	enum kv_status status = KV_OK;

	if (w->meta_changed) {
		limitrecord_key_meta(&key);
		status =
		    kv_put(&w->t, limitrecord_span(&key), limitrecord_write_meta(&w->meta, bytes));
	}
	if (status == KV_OK)
		return kv_commit(&w->t);
	kv_abort(&w->t);
	return status;
}

void
limitwork_abort(struct limitwork *w)
{
	kv_abort(&w->t);
}

struct span
limitwork_name(const struct admission_ask *ask, enum scope scope)
{
	return scope == SCOPE_WORKSPACE ? ask->workspace : ask->key;
}

enum kv_status
limitwork_account(struct limitwork *w, enum scope scope, struct span name,
    struct admission_account *out, bool *found)
{
	struct limitrecord_key key;
	struct span value;
	enum kv_status status;

	limitrecord_key_account(scope, name, &key);
	status = kv_get(&w->t, limitrecord_span(&key), &value);
	*found = status == KV_OK;
	if (status == KV_NOT_FOUND) {
		*out = (struct admission_account){ 0 };
		return KV_OK;
	}
	if (status == KV_OK && limitrecord_read_account(value, out) < 0)
		return limitwork_damaged("account");
	return status;
}

enum kv_status
limitwork_put_account(
    struct limitwork *w, enum scope scope, struct span name, const struct admission_account *a)
{
	char bytes[LIMITRECORD_FIXED_MAX];
	struct limitrecord_key key;

	limitrecord_key_account(scope, name, &key);
	return kv_put(&w->t, limitrecord_span(&key), limitrecord_write_account(a, bytes));
}

enum kv_status
limitwork_meter(struct limitwork *w, enum scope scope, const struct admission_ask *ask,
    struct admission_meter *out)
{
	struct limitrecord_meter record = { 0 };
	struct limitrecord_key key;
	struct span value;
	enum kv_status status;

	limitrecord_key_meter(scope, limitwork_name(ask, scope), ask->model, &key);
	status = kv_get(&w->t, limitrecord_span(&key), &value);
	if (status == KV_OK && limitrecord_read_meter(value, &record) < 0)
		return limitwork_damaged("meter");
	*out = record.meter;
	return status == KV_NOT_FOUND ? KV_OK : status;
}

enum kv_status
limitwork_put_meter(struct limitwork *w, enum scope scope, const struct admission_ask *ask,
    const struct admission_meter *m)
{
	const struct limitrecord_meter record = { *m, ask->quota[scope].rpm,
		ask->quota[scope].tpm };
	char bytes[LIMITRECORD_FIXED_MAX];
	struct limitrecord_key key;

	limitrecord_key_meter(scope, limitwork_name(ask, scope), ask->model, &key);
	return kv_put(&w->t, limitrecord_span(&key), limitrecord_write_meter(&record, bytes));
}
