/* limitqueue: see the header. */
#include "store/limitqueue.h"

#define FORGET_AT_ONCE (KV_CHANGES - 4)

enum kv_status
limitqueue_add(struct limitwork *w, const struct limitrecord_line *line)
{
	size_t n = limitrecord_line_size(line);
	struct limitrecord_key key;
	enum kv_status status;
	char *to;

	limitrecord_key_line(w->meta.seq + 1, &key);
	status = kv_room(&w->t, limitrecord_span(&key), n, &to);
	if (status != KV_OK)
		return status;
	limitrecord_write_line(line, to);
	w->meta.seq++;
	w->meta.queued += n;
	w->meta_changed = true;
	return KV_OK;
}

/* What the walk came to. */
static enum kv_status
stand(enum kv_status status, struct span key, struct span value, struct limitqueue_at *at)
{
	if (status != KV_OK)
		return status;
	if (limitrecord_line_seq(key, &at->seq) < 0)
		return KV_NOT_FOUND;
	at->size = value.n;
	return limitrecord_read_line(value, &at->record) < 0 ? limitwork_damaged("line") : KV_OK;
}

enum kv_status
limitqueue_seek(struct kv_txn *t, uint64_t from, struct limitqueue_at *at)
{
	struct limitrecord_key from_key;
	struct span key, value;
	enum kv_status status;

	limitrecord_key_line(from, &from_key);
	status = kv_seek(t, limitrecord_span(&from_key), &key, &value);
	return stand(status, key, value, at);
}

enum kv_status
limitqueue_next(struct kv_txn *t, struct limitqueue_at *at)
{
	struct span key, value;
	enum kv_status status = kv_next(t, &key, &value);

	return stand(status, key, value, at);
}

enum kv_status
limitqueue_forget(struct limitwork *w, uint64_t upto, bool *more)
{
	struct limitqueue_at at = { 0 };
	enum kv_status status = limitqueue_seek(&w->t, 0, &at);
	size_t n = 0;

	while (status == KV_OK && at.seq <= upto && n < FORGET_AT_ONCE) {
		struct limitrecord_key key;

		limitrecord_key_line(at.seq, &key);
		status = kv_del(&w->t, limitrecord_span(&key));
		if (status != KV_OK)
			return status;
		w->meta.queued -= at.size < w->meta.queued ? at.size : w->meta.queued;
		w->meta_changed = true;
		n++;
		status = limitqueue_next(&w->t, &at);
	}
	*more = n == FORGET_AT_ONCE;
	return status == KV_NOT_FOUND ? KV_OK : status;
}
