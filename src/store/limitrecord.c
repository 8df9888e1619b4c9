/* limitrecord: see the header. Values are not aligned in the table, so they are copied. */
#include "store/limitrecord.h"

#include <assert.h>

#define NUMBER_LEN 8u

#define DAY_HELD(scope)	  (2u << (scope))
#define MONTH_HELD(scope) (8u << (scope))
#define HELD		  1u

struct account_bytes {
	int32_t day, month;
	uint64_t day_spent, day_reserved, month_spent, month_reserved, running;
};

struct lease_head {
	int64_t begun_ms;
	uint64_t taken[SCOPES], nanousd;
	int32_t day, month;
	uint32_t held;
	uint16_t workspace_n, key_n, model_n, request_id_n;
	uint32_t unused;
};

struct line_head {
	uint64_t nanousd;
	int32_t day, month;
	uint32_t line_n;
	uint16_t workspace_n, key_n;
	uint32_t due; /* a tail and a model follow */
	uint32_t unused;
};

struct line_tail {
	struct quota quota[SCOPES];
	uint64_t lease, store_mark, taken[SCOPES], nanousd;
	int64_t now_ms;
	uint64_t used_tokens, used_nanousd;
	int32_t day, month;
	uint32_t held, model_n;
};

/* Without gaps, so that no byte of a value is by chance. */
static_assert(sizeof(struct account_bytes) == 2 * 4 + 5 * 8, "no gaps");
static_assert(sizeof(struct lease_head) == 4 * 8 + 3 * 4 + 4 * 2 + 4, "no gaps");
static_assert(sizeof(struct line_head) == 8 + 3 * 4 + 2 * 2 + 2 * 4, "no gaps");
static_assert(sizeof(struct line_tail) == 10 * 8 + 8 * 8 + 4 * 4, "no gaps");
static_assert(sizeof(struct limitrecord_meta) == 4 * sizeof(uint64_t), "no gaps");
static_assert(sizeof(struct limitrecord_meter) == 6 * sizeof(uint64_t), "no gaps");
static_assert(sizeof(struct account_bytes) <= LIMITRECORD_FIXED_MAX &&
	sizeof(struct limitrecord_meter) <= LIMITRECORD_FIXED_MAX,
    "values of a fixed size have room");

static void
start(struct limitrecord_key *k, enum limitrecord_kind kind)
{
	k->bytes[0] = (char)kind;
	k->n = 1;
}

static void
add(struct limitrecord_key *k, const void *p, size_t n)
{
	size_t room = sizeof(k->bytes) - k->n;

	if (n > room)
		n = room;
	if (n > 0)
		memcpy(k->bytes + k->n, p, n);
	k->n += n;
}

static void
add_name(struct limitrecord_key *k, struct span s, size_t max)
{
	add(k, s.p, s.n < max ? s.n : max);
}

static void
add_number(struct limitrecord_key *k, uint64_t number)
{
	char bytes[NUMBER_LEN];

	for (size_t i = NUMBER_LEN; i-- > 0; number >>= 8)
		bytes[i] = (char)(number & 0xff);
	add(k, bytes, sizeof(bytes));
}

void
limitrecord_key_meta(struct limitrecord_key *out)
{
	start(out, LIMITRECORD_META);
}

void
limitrecord_key_account(enum scope scope, struct span name, struct limitrecord_key *out)
{
	char number = (char)('0' + scope);

	start(out, LIMITRECORD_ACCOUNT);
	add(out, &number, 1);
	add_name(out, name, NAME_MAX_LEN);
}

void
limitrecord_key_meter(
    enum scope scope, struct span name, struct span model, struct limitrecord_key *out)
{
	limitrecord_key_account(scope, name, out);
	out->bytes[0] = (char)LIMITRECORD_METER;
	add(out, "", 1);
	add_name(out, model, MODEL_MAX);
}

void
limitrecord_key_holder(
    const uint8_t holder[static LIMITRECORD_HOLDER_LEN], struct limitrecord_key *out)
{
	start(out, LIMITRECORD_HOLDER);
	add(out, holder, LIMITRECORD_HOLDER_LEN);
}

void
limitrecord_key_lease(const uint8_t holder[static LIMITRECORD_HOLDER_LEN], uint64_t number,
    struct limitrecord_key *out)
{
	start(out, LIMITRECORD_LEASE);
	add(out, holder, LIMITRECORD_HOLDER_LEN);
	add_number(out, number);
}

void
limitrecord_key_line(uint64_t seq, struct limitrecord_key *out)
{
	start(out, LIMITRECORD_LINE);
	add_number(out, seq);
}

int
limitrecord_line_seq(struct span key, uint64_t *seq)
{
	if (key.n != 1 + NUMBER_LEN || key.p[0] != (char)LIMITRECORD_LINE)
		return -1;
	*seq = 0;
	for (size_t i = 1; i < key.n; i++)
		*seq = *seq << 8 | (uint8_t)key.p[i];
	return 0;
}

const uint8_t *
limitrecord_holder(struct span key)
{
	bool lease =
	    key.n == 1 + LIMITRECORD_HOLDER_LEN + NUMBER_LEN && key.p[0] == (char)LIMITRECORD_LEASE;
	bool holder = key.n == 1 + LIMITRECORD_HOLDER_LEN && key.p[0] == (char)LIMITRECORD_HOLDER;

	return lease || holder ? (const uint8_t *)key.p + 1 : NULL;
}

static struct span
copy_out(const void *from, size_t n, char *to)
{
	memcpy(to, from, n);
	return (struct span){ to, n };
}

static int
copy_in(struct span value, void *out, size_t n)
{
	if (value.n != n)
		return -1;
	memcpy(out, value.p, n);
	return 0;
}

struct span
limitrecord_write_meta(const struct limitrecord_meta *m, char *to)
{
	return copy_out(m, sizeof(*m), to);
}

int
limitrecord_read_meta(struct span value, struct limitrecord_meta *out)
{
	if (copy_in(value, out, sizeof(*out)) < 0 || out->format != LIMITRECORD_FORMAT)
		return -1;
	return 0;
}

struct span
limitrecord_write_account(const struct admission_account *a, char *to)
{
	const struct account_bytes bytes = {
		.day = a->day.period,
		.month = a->month.period,
		.day_spent = a->day.spent,
		.day_reserved = a->day.reserved,
		.month_spent = a->month.spent,
		.month_reserved = a->month.reserved,
		.running = a->running,
	};

	return copy_out(&bytes, sizeof(bytes), to);
}

int
limitrecord_read_account(struct span value, struct admission_account *out)
{
	struct account_bytes bytes;

	if (copy_in(value, &bytes, sizeof(bytes)) < 0)
		return -1;
	*out = (struct admission_account){
		.day = { bytes.day, bytes.day_spent, bytes.day_reserved },
		.month = { bytes.month, bytes.month_spent, bytes.month_reserved },
		.running = bytes.running,
	};
	return 0;
}

struct span
limitrecord_write_meter(const struct limitrecord_meter *m, char *to)
{
	return copy_out(m, sizeof(*m), to);
}

int
limitrecord_read_meter(struct span value, struct limitrecord_meter *out)
{
	if (copy_in(value, out, sizeof(*out)) < 0)
		return -1;
	return out->rpm > QUOTA_RATE_MAX || out->tpm > QUOTA_RATE_MAX ? -1 : 0;
}

struct span
limitrecord_write_heard(int64_t heard_ms, char *to)
{
	return copy_out(&heard_ms, sizeof(heard_ms), to);
}

int
limitrecord_read_heard(struct span value, int64_t *heard_ms)
{
	return copy_in(value, heard_ms, sizeof(*heard_ms));
}

static uint32_t
held_bits(const struct admission_grant *g)
{
	uint32_t bits = g->held ? HELD : 0;

	for (unsigned i = 0; i < SCOPES; i++)
		bits |= (g->day_held[i] ? DAY_HELD(i) : 0) | (g->month_held[i] ? MONTH_HELD(i) : 0);
	return bits;
}

static void
set_held(struct admission_grant *g, uint32_t bits)
{
	g->held = bits & HELD;
	for (unsigned i = 0; i < SCOPES; i++) {
		g->day_held[i] = bits & DAY_HELD(i);
		g->month_held[i] = bits & MONTH_HELD(i);
	}
}

/* Texts behind a head. They are cut at what its fields can say, which no name reaches. */
static uint16_t
length(struct span s)
{
	return s.n < UINT16_MAX ? (uint16_t)s.n : UINT16_MAX;
}

static void
put(char **to, const void *p, size_t n)
{
	if (n > 0)
		memcpy(*to, p, n);
	*to += n;
}

/* Cuts n bytes off the beginning. */
static int
cut(struct span *rest, size_t n, struct span *out)
{
	if (n > rest->n)
		return -1;
	*out = span_cut(*rest, 0, n);
	*rest = span_cut(*rest, n, rest->n);
	return 0;
}

static int
cut_copy(struct span *rest, void *out, size_t n)
{
	struct span bytes;

	if (cut(rest, n, &bytes) < 0)
		return -1;
	memcpy(out, bytes.p, n);
	return 0;
}

size_t
limitrecord_lease_size(const struct limitrecord_lease *l)
{
	return sizeof(struct lease_head) + length(l->workspace) + length(l->key) +
	    length(l->model) + length(l->request_id);
}

void
limitrecord_write_lease(const struct limitrecord_lease *l, char *to)
{
	const struct admission_grant *g = &l->grant;
	const struct lease_head head = {
		.begun_ms = l->begun_ms,
		.taken = { g->taken[SCOPE_WORKSPACE], g->taken[SCOPE_KEY] },
		.nanousd = g->nanousd,
		.day = g->day,
		.month = g->month,
		.held = held_bits(g),
		.workspace_n = length(l->workspace),
		.key_n = length(l->key),
		.model_n = length(l->model),
		.request_id_n = length(l->request_id),
	};

	put(&to, &head, sizeof(head));
	put(&to, l->workspace.p, head.workspace_n);
	put(&to, l->key.p, head.key_n);
	put(&to, l->model.p, head.model_n);
	put(&to, l->request_id.p, head.request_id_n);
}

int
limitrecord_read_lease(struct span value, struct limitrecord_lease *out)
{
	struct lease_head head;

	*out = (struct limitrecord_lease){ 0 };
	if (cut_copy(&value, &head, sizeof(head)) < 0 ||
	    cut(&value, head.workspace_n, &out->workspace) < 0 ||
	    cut(&value, head.key_n, &out->key) < 0 || cut(&value, head.model_n, &out->model) < 0 ||
	    cut(&value, head.request_id_n, &out->request_id) < 0 || value.n > 0)
		return -1;
	out->begun_ms = head.begun_ms;
	out->grant.day = head.day;
	out->grant.month = head.month;
	out->grant.nanousd = head.nanousd;
	memcpy(out->grant.taken, head.taken, sizeof(head.taken));
	set_held(&out->grant, head.held);
	return 0;
}

size_t
limitrecord_line_size(const struct limitrecord_line *l)
{
	size_t tail = l->due ? sizeof(struct line_tail) + length(l->ask.model) : 0;

	return sizeof(struct line_head) + length(l->workspace) + length(l->key) + l->line.n + tail;
}

static void
write_tail(const struct limitrecord_line *l, char **to)
{
	const struct admission_grant *g = &l->grant;
	const struct line_tail tail = {
		.quota = { l->ask.quota[SCOPE_WORKSPACE], l->ask.quota[SCOPE_KEY] },
		.lease = g->lease,
		.store_mark = g->store_mark,
		.taken = { g->taken[SCOPE_WORKSPACE], g->taken[SCOPE_KEY] },
		.nanousd = g->nanousd,
		.now_ms = g->now_ms,
		.used_tokens = l->used.tokens,
		.used_nanousd = l->used.nanousd,
		.day = g->day,
		.month = g->month,
		.held = held_bits(g),
		.model_n = length(l->ask.model),
	};

	put(to, &tail, sizeof(tail));
	put(to, l->ask.model.p, tail.model_n);
}

void
limitrecord_write_line(const struct limitrecord_line *l, char *to)
{
	const struct line_head head = {
		.nanousd = l->nanousd,
		.day = l->day,
		.month = l->month,
		.line_n = (uint32_t)l->line.n,
		.workspace_n = length(l->workspace),
		.key_n = length(l->key),
		.due = l->due,
	};

	put(&to, &head, sizeof(head));
	put(&to, l->workspace.p, head.workspace_n);
	put(&to, l->key.p, head.key_n);
	put(&to, l->line.p, head.line_n);
	if (l->due)
		write_tail(l, &to);
}

static int
read_tail(struct span *rest, struct limitrecord_line *out)
{
	struct line_tail tail;

	if (cut_copy(rest, &tail, sizeof(tail)) < 0 || cut(rest, tail.model_n, &out->ask.model) < 0)
		return -1;
	out->ask.workspace = out->workspace;
	out->ask.key = out->key;
	memcpy(out->ask.quota, tail.quota, sizeof(tail.quota));
	out->grant = (struct admission_grant){
		.now_ms = tail.now_ms,
		.lease = tail.lease,
		.day = tail.day,
		.month = tail.month,
		.taken = { tail.taken[SCOPE_WORKSPACE], tail.taken[SCOPE_KEY] },
		.nanousd = tail.nanousd,
		.store_mark = tail.store_mark,
	};
	set_held(&out->grant, tail.held);
	out->used = (struct admission_used){ tail.used_tokens, tail.used_nanousd };
	return 0;
}

int
limitrecord_read_line(struct span value, struct limitrecord_line *out)
{
	struct line_head head;

	*out = (struct limitrecord_line){ 0 };
	if (cut_copy(&value, &head, sizeof(head)) < 0 ||
	    cut(&value, head.workspace_n, &out->workspace) < 0 ||
	    cut(&value, head.key_n, &out->key) < 0 || cut(&value, head.line_n, &out->line) < 0)
		return -1;
	out->nanousd = head.nanousd;
	out->day = head.day;
	out->month = head.month;
	out->due = head.due;
	if (out->due && read_tail(&value, out) < 0)
		return -1;
	return 0;
}
