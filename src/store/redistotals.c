/* redistotals: see the header. The queue is looked at before the sums are read: each of its lines
 * is then either in the sums, when their node was booked up to it, or is added to them here. */
#include "store/redistotals.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/num.h"
#include "store/redisscript.h"

#define DATE_LEN   (PERIOD_DAY_LEN - 1u)
#define ATTEMPTS   8
#define LINES_STEP 256u

/* A line that was queued. */
struct queued {
	uint64_t seq;
	struct tally tally;
	size_t key_n;
	char key[]; /* by tally_key */
};

/* Those of a range, by day. */
struct queue {
	const struct store_range *range;
	struct queued **at;
	size_t n, max;
	struct buf text, whole;
	bool broken;
};

static struct tally_row
row_of(const struct queued *q)
{
	struct tally_row row;
	int rc = tally_row((struct span){ q->key, q->key_n }, &row);

	assert(rc == 0);
	return row;
}

static int
add_queued(struct queue *to, uint64_t seq, const struct tally_row *row, const struct tally *t)
{
	char key[TALLY_KEY_MAX];
	size_t n = tally_key(row, key);
	struct queued *one;

	if (to->n == to->max) {
		struct queued **more =
		    reallocarray(to->at, to->max + LINES_STEP, sizeof(struct queued *));

		if (!more)
			return -1;
		to->at = more;
		to->max += LINES_STEP;
	}
	one = malloc(sizeof(*one) + n);
	if (!one)
		return -1;
	*one = (struct queued){ .seq = seq, .tally = *t, .key_n = n };
	(void)memcpy(one->key, key, n);
	to->at[to->n++] = one;
	return 0;
}

/* A line that cannot be read adds nothing, here as when it is booked. */
static int
take_line(void *arg, const struct limiter_line *line)
{
	struct queue *q = arg;
	struct ledger_entry e;
	struct tally_row row;
	struct tally t;

	q->whole.len = 0;
	if (ledger_begin(line->seq, &q->whole) < 0 || buf_add(&q->whole, line->line) < 0) {
		q->broken = true;
		return 1;
	}
	if (ledger_parse(span_trim(buf_span(&q->whole)), &e, &q->text) < 0)
		return 0;
	tally_of(&e, &row, &t);
	if (row.day < q->range->first || row.day > q->range->last)
		return 0;
	q->broken = add_queued(q, line->seq, &row, &t) < 0;
	return q->broken;
}

static int
by_day(const void *a, const void *b)
{
	const struct queued *const *x = a, *const *y = b;
	int32_t dx = row_of(*x).day, dy = row_of(*y).day;

	return (dx > dy) - (dx < dy);
}

static enum store_status
read_queue(const struct redistotals *t, struct queue *q)
{
	enum store_status status;

	if (!t->queue)
		return STORE_OK;
	status = limiter_lines(t->queue, 0, take_line, q);
	if (status == STORE_OK && q->broken) {
		log_error("redis", "what=\"out of memory\"");
		status = STORE_BROKEN;
	}
	if (q->n > 0)
		qsort(q->at, q->n, sizeof(struct queued *), by_day);
	return status;
}

static void
free_queue(struct queue *q)
{
	for (size_t i = 0; i < q->n; i++)
		free(q->at[i]);
	free(q->at);
	buf_free(&q->text);
	buf_free(&q->whole);
}

/* One sum of a row: "workspace\0key\0model\0what". Whatever else stands there is passed over. */
static int
add_field(struct rows *rows, int32_t day, struct span field, struct span value)
{
	struct tally_row row = { .day = day };
	struct span *parts[] = { &row.workspace, &row.key, &row.model };
	struct tally t = { 0 };
	uint64_t *sum;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const char *zero = field.n > 0 ? memchr(field.p, '\0', field.n) : NULL;

		if (!zero)
			return 0;
		*parts[i] = span_cut(field, 0, (size_t)(zero - field.p));
		field = span_cut(field, parts[i]->n + 1, field.n);
	}
	sum = redisscript_sum(&t, field);
	if (!sum || num_u64(value, INT64_MAX, sum) < 0)
		return 0;
	return rows_add(rows, &row, &t);
}

/* Adds the sums of a member of the days; *seq is how far this node was booked then. */
static enum store_status
add_member(const struct redistotals *t, struct span member, struct rows *rows, uint64_t *seq)
{
	struct redislink_answer a = { 0 };
	enum store_status status = redisscript_rows(t->link, t->node, member, &a);
	int64_t booked = 0;
	int32_t day = 0;
	int rc = 0;

	if (status == STORE_OK && redislink_element_number(&a, 0, &booked) < 0)
		status = STORE_BROKEN;
	*seq = booked > 0 ? (uint64_t)booked : 0;
	if (member.n > DATE_LEN && period_day_parse(span_cut(member, 0, DATE_LEN), &day) == 0)
		for (size_t i = 1; rc == 0 && i + 1 < redislink_elements(&a); i += 2)
			rc = add_field(rows, day, redislink_element_text(&a, i),
			    redislink_element_text(&a, i + 1));
	redislink_answer_free(&a);
	if (rc < 0) {
		log_error("redis", "what=\"out of memory\"");
		status = STORE_BROKEN;
	}
	return status;
}

/* Whether a member is this node's. */
static bool
is_own(const struct redistotals *t, struct span member)
{
	return member.n > DATE_LEN &&
	    span_eq(span_cut(member, DATE_LEN + 1, member.n), span_of(t->node));
}

/* The day of the i-th member; one that is none, which this program has not written, counts as the
 * first day. */
static int32_t
member_day(const struct redislink_answer *days, size_t i)
{
	struct span member = redislink_element_text(days, i);
	int32_t day = 0;

	if (member.n <= DATE_LEN || period_day_parse(span_cut(member, 0, DATE_LEN), &day) < 0)
		return 0;
	return day;
}

/* Where a walk over days stands: in the members, and in the queued lines. */
struct walk {
	const struct redistotals *t;
	const struct redislink_answer *days;
	const struct queue *queue;
	size_t member, line;
};

/* The next day that has anything; false at the end. */
static bool
next_day(const struct walk *w, int32_t *day)
{
	bool member = w->member < redislink_elements(w->days);
	bool line = w->line < w->queue->n;
	int32_t a = member ? member_day(w->days, w->member) : INT32_MAX;
	int32_t b = line ? row_of(w->queue->at[w->line]).day : INT32_MAX;

	*day = a < b ? a : b;
	return member || line;
}

/* The rows of one day: those of all nodes, then the lines that this node has not booked. */
static enum store_status
read_day(struct walk *w, int32_t day, struct rows *rows)
{
	enum store_status status = STORE_OK;
	uint64_t booked = 0, seq;

	for (; w->member < redislink_elements(w->days) && member_day(w->days, w->member) <= day;
	     w->member++) {
		struct span member = redislink_element_text(w->days, w->member);

		if (status == STORE_OK)
			status = add_member(w->t, member, rows, &seq);
		if (status == STORE_OK && is_own(w->t, member))
			booked = seq;
	}
	for (; w->line < w->queue->n; w->line++) {
		const struct queued *q = w->queue->at[w->line];
		struct tally_row row = row_of(q);

		if (row.day > day)
			break;
		if (status == STORE_OK && q->seq > booked && rows_add(rows, &row, &q->tally) < 0)
			status = STORE_BROKEN;
	}
	return status;
}

enum store_status
redistotals_each(
    const struct redistotals *t, const struct store_range *range, store_row *fn, void *arg)
{
	struct queue queue = { .range = range,
		.text = buf_make(2 * LEDGER_LINE_MAX),
		.whole = buf_make(2 * LEDGER_LINE_MAX) };
	struct redislink_answer days = { 0 };
	struct walk w = { .t = t, .days = &days, .queue = &queue };
	enum store_status status = read_queue(t, &queue);
	bool ended = false;
	int32_t day;

	if (status == STORE_OK)
		status = redisscript_days(t->link, range, &days);
	while (status == STORE_OK && !ended && next_day(&w, &day)) {
		struct rows rows = { 0 };
		struct rows_merge out = { .rows = &rows, .fn = fn, .arg = arg };

		status = read_day(&w, day, &rows);
		if (status == STORE_OK)
			rows_rest(&out);
		ended = out.ended;
		rows_free(&rows);
	}
	redislink_answer_free(&days);
	free_queue(&queue);
	return status;
}

/* Reads all rows of this node. *same: nothing was booked meanwhile. */
static enum store_status
read_own(const struct redistotals *t, struct rows *rows, uint64_t *seq, bool *same)
{
	const struct store_range all = { 0, INT32_MAX };
	struct redislink_answer days = { 0 };
	enum store_status status = add_member(t, SPAN("-"), rows, seq);

	*same = true;
	if (status == STORE_OK)
		status = redisscript_days(t->link, &all, &days);
	for (size_t i = 0; status == STORE_OK && *same && i < redislink_elements(&days); i++) {
		struct span member = redislink_element_text(&days, i);
		uint64_t now = *seq;

		if (is_own(t, member))
			status = add_member(t, member, rows, &now);
		*same = now == *seq;
	}
	redislink_answer_free(&days);
	return status;
}

enum store_status
redistotals_booked(const struct redistotals *t, struct store_mark *mark, store_row *fn, void *arg)
{
	enum store_status status = STORE_OK;
	struct rows rows = { 0 };
	struct rows_merge out = { .rows = &rows, .fn = fn, .arg = arg };
	bool same = false;

	for (int i = 0; status == STORE_OK && !same && i < ATTEMPTS; i++) {
		rows_free(&rows);
		rows = (struct rows){ 0 };
		status = read_own(t, &rows, &mark->seq, &same);
	}
	if (status == STORE_OK && !same) {
		log_error("redis", "what=\"calls end faster than the totals can be read\"");
		status = STORE_AWAY;
	}
	if (status == STORE_OK)
		rows_rest(&out);
	rows_free(&rows);
	return status;
}
