/* limitrecord: the records of the limiter's table as bytes. The file never leaves its machine and
 * its boot, so numbers stand as the processor has them; LIMITRECORD_FORMAT tells versions apart.
 * Reads and writes memory only.
 *
 *   !                             how far the numbering is (struct limitrecord_meta)
 *   A scope name                  account
 *   H holder                      when a process was heard of last
 *   L holder number               lease
 *   M scope name 0 model          meter
 *   Q number                      line of a finished call
 *
 * Numbers in keys are big-endian, so that they sort. */
#ifndef POSTERN_STORE_LIMITRECORD_H
#define POSTERN_STORE_LIMITRECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/limits.h"
#include "policy/admission.h"

#define LIMITRECORD_FORMAT     2u
#define LIMITRECORD_HOLDER_LEN 8u

enum limitrecord_kind {
	LIMITRECORD_META = '!',
	LIMITRECORD_ACCOUNT = 'A',
	LIMITRECORD_HOLDER = 'H',
	LIMITRECORD_LEASE = 'L',
	LIMITRECORD_METER = 'M',
	LIMITRECORD_LINE = 'Q',
};

/* A key of the table. Names longer than they may be are cut. */
struct limitrecord_key {
	size_t n;
	char bytes[8 + NAME_MAX_LEN + MODEL_MAX];
};

static inline struct span
limitrecord_span(const struct limitrecord_key *k)
{
	return (struct span){ k->bytes, k->n };
}

/* The key of the record of the table itself. */
void limitrecord_key_meta(struct limitrecord_key *out);

/* The key of a workspace's or a key's account. */
void limitrecord_key_account(enum scope scope, struct span name, struct limitrecord_key *out);

/* The key of its meter for a model. */
void limitrecord_key_meter(
    enum scope scope, struct span name, struct span model, struct limitrecord_key *out);

/* The key of a holder. */
void limitrecord_key_holder(
    const uint8_t holder[static LIMITRECORD_HOLDER_LEN], struct limitrecord_key *out);

/* The key of a holder's lease. */
void limitrecord_key_lease(const uint8_t holder[static LIMITRECORD_HOLDER_LEN], uint64_t number,
    struct limitrecord_key *out);

/* The key of a queued line. */
void limitrecord_key_line(uint64_t seq, struct limitrecord_key *out);

/* The number of a line by its key; -1 when it is no line's. */
MUST_CHECK int limitrecord_line_seq(struct span key, uint64_t *seq);

/* The holder in a holder's or a lease's key, LIMITRECORD_HOLDER_LEN bytes; NULL when it is none. */
const uint8_t *limitrecord_holder(struct span key);

struct limitrecord_meta {
	uint64_t format;
	uint64_t seq;	   /* of the last line that was queued */
	uint64_t queued;   /* bytes of lines in the queue */
	int64_t expiry_ms; /* no holder's leases run out before */
};

/* A meter, and the limits that it was last used with: without them nobody could say when it is full
 * again. */
struct limitrecord_meter {
	struct admission_meter meter;
	uint64_t rpm, tpm;
};

struct limitrecord_lease {
	struct span workspace, key, model, request_id;
	int64_t begun_ms;
	struct admission_grant grant; /* what it held */
};

/* What a purse is told by a line, and, when it is due, all that its settlement needs. */
struct limitrecord_line {
	struct span line;
	struct span workspace, key;
	int32_t day, month;
	uint64_t nanousd; /* what was spent */
	bool due;
	struct admission_ask ask; /* due only: workspace, key, model, quota */
	struct admission_grant grant;
	struct admission_used used;
};

/* What the writing of a value of a fixed size needs to have room for. */
#define LIMITRECORD_FIXED_MAX 64u

/* Writes the table's own record; the bytes that it has become. */
struct span limitrecord_write_meta(const struct limitrecord_meta *m, char *to);

/* Reads it; -1 when it is none of this format. */
MUST_CHECK int limitrecord_read_meta(struct span value, struct limitrecord_meta *out);

/* Writes an account. */
struct span limitrecord_write_account(const struct admission_account *a, char *to);

/* Reads an account; -1 when it is none. */
MUST_CHECK int limitrecord_read_account(struct span value, struct admission_account *out);

/* Writes a meter. */
struct span limitrecord_write_meter(const struct limitrecord_meter *m, char *to);

/* Reads a meter; -1 when it is none. */
MUST_CHECK int limitrecord_read_meter(struct span value, struct limitrecord_meter *out);

/* Writes a holder's time. */
struct span limitrecord_write_heard(int64_t heard_ms, char *to);

/* Reads a holder's time; -1 when it is none. */
MUST_CHECK int limitrecord_read_heard(struct span value, int64_t *heard_ms);

/* How many bytes a lease has. */
size_t limitrecord_lease_size(const struct limitrecord_lease *l);

/* Writes exactly so many. */
void limitrecord_write_lease(const struct limitrecord_lease *l, char *to);

/* Reads a lease; its spans point into the value. -1 when it is none. */
MUST_CHECK int limitrecord_read_lease(struct span value, struct limitrecord_lease *out);

/* How many bytes a line has. */
size_t limitrecord_line_size(const struct limitrecord_line *l);

/* Writes exactly so many. */
void limitrecord_write_line(const struct limitrecord_line *l, char *to);

/* Reads a line; its spans point into the value. -1 when it is none. */
MUST_CHECK int limitrecord_read_line(struct span value, struct limitrecord_line *out);

#endif
