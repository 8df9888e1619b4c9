/* limitwork: one transaction over the limiter's table, with its time, and the records of a call in
 * it. Statuses are kv's; a damaged record is KV_BROKEN, logged here. */
#ifndef POSTERN_STORE_LIMITWORK_H
#define POSTERN_STORE_LIMITWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "policy/admission.h"
#include "store/kv.h"
#include "store/limitrecord.h"

struct limitwork {
	struct kv_txn t;
	struct limitrecord_meta meta; /* changes are written by limitwork_commit */
	bool meta_changed;
	int64_t now_ms;
	int64_t mono_ms; /* on a clock that nobody sets, for how long ago a holder was heard of */
};

/* Makes the table ready: empty when the file is new or of another version of the program. Its
 * numbers go on from first_seq, if they have not come further. */
MUST_CHECK enum kv_status limitwork_need_table(struct kv *kv, uint64_t first_seq);

/* Begins a write. now_ms 0: the clock is read when the lock is had. */
MUST_CHECK enum kv_status limitwork_begin(struct kv *kv, int64_t now_ms, struct limitwork *w);

/* Ends it with all that was changed, or, on an error, with nothing. */
MUST_CHECK enum kv_status limitwork_commit(struct limitwork *w);

/* Ends it with nothing changed. */
void limitwork_abort(struct limitwork *w);

/* The record of the table itself, in any transaction. */
MUST_CHECK enum kv_status limitwork_meta(struct kv_txn *t, struct limitrecord_meta *out);

/* Says in the log that a record is damaged. */
enum kv_status limitwork_damaged(const char *what);

/* Who a call belongs to: its workspace or its key. */
struct span limitwork_name(const struct admission_ask *ask, enum scope scope);

/* Reads an account. One that is not there is all zeros, and *found false. */
MUST_CHECK enum kv_status limitwork_account(struct limitwork *w, enum scope scope, struct span name,
    struct admission_account *out, bool *found);

/* Writes an account. */
MUST_CHECK enum kv_status limitwork_put_account(
    struct limitwork *w, enum scope scope, struct span name, const struct admission_account *a);

/* Reads the meter of a call's model; all zeros when it is not there. */
MUST_CHECK enum kv_status limitwork_meter(struct limitwork *w, enum scope scope,
    const struct admission_ask *ask, struct admission_meter *out);

/* Writes it, with the limits of the ask. */
MUST_CHECK enum kv_status limitwork_put_meter(struct limitwork *w, enum scope scope,
    const struct admission_ask *ask, const struct admission_meter *m);

#endif
