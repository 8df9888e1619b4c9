/* redisscript: see the header. The script's numbers are doubles: what has no bound is cut to one
 * that decides the same. */
#include "store/redisscript.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/redis_lua.h"

#define TOKENS_CUT  (10 * (uint64_t)QUOTA_RATE_MAX) /* more than any bucket can hold or owe */
#define NANOUSD_CUT ((uint64_t)QUOTA_NANOUSD_MAX + 1)
#define MARK_LEN    16
#define BOOK_LINES  100u
#define ROWS_MS	    30000 /* a large answer, for a report */

static_assert(LIMIT_BUDGET_MONTH == 1 && LIMIT_BUDGET_DAY == 2 && LIMIT_CONCURRENT == 3 &&
	LIMIT_REQUESTS == 4 && LIMIT_TOKENS == 5 && LIMITS == 6 && SCOPE_KEY == 1 && SCOPES == 2,
    "the script counts limits and scopes like this");
static_assert(QUOTA_NANOUSD_MAX == UINT64_C(9000000000000000) && BUCKET_MINUTE_MS == 60000 &&
	-BUCKET_LEVEL_MIN == INT64_C(3000000000000000),
    "the script has these numbers");

/* Where a sum of the script stands in a tally; in the order of the script's SUMS. */
struct sum {
	struct span name;
	size_t offset;
};

#define SUM(member)                                                              \
	{                                                                        \
		{ #member, sizeof(#member) - 1 }, offsetof(struct tally, member) \
	}

static const struct sum sums[] = {
	SUM(calls),
	SUM(errors),
	SUM(cut),
	SUM(input),
	SUM(output),
	SUM(cache_write),
	SUM(cache_write_1h),
	SUM(cache_read),
	SUM(nanousd),
};

#define SUMS_N (sizeof(sums) / sizeof(*sums))

static_assert(SUMS_N * sizeof(uint64_t) == sizeof(struct tally), "every sum has a name");

static uint64_t *
sum_in(struct tally *t, size_t i)
{
	return (uint64_t *)(void *)((char *)t + sums[i].offset);
}

uint64_t *
redisscript_sum(struct tally *t, struct span name)
{
	for (size_t i = 0; i < SUMS_N; i++)
		if (span_eq(sums[i].name, name))
			return sum_in(t, i);
	return NULL;
}

static uint64_t
cut(uint64_t n, uint64_t max)
{
	return n < max ? n : max;
}

/* The question for an operation; a key is named for those who route by keys. */
static struct redislink_words
begin(struct span operation)
{
	struct redislink_words w = redislink_words();

	redislink_word(&w, SPAN("EVALSHA"));
	redislink_word(&w, SPAN(REDIS_LUA_SHA1));
	redislink_word(&w, SPAN("1"));
	redislink_word(&w, SPAN(REDISSCRIPT_PREFIX "holders"));
	redislink_word(&w, operation);
	return w;
}

static enum store_status
load(struct redislink *l, int64_t by_ms)
{
	struct redislink_words w = redislink_words();
	struct redislink_answer a = { 0 };
	enum store_status status;

	w.light = true;
	redislink_word(&w, SPAN("SCRIPT"));
	redislink_word(&w, SPAN("LOAD"));
	redislink_word(&w, (struct span){ redis_lua, sizeof(redis_lua) - 1 });
	status = redislink_ask(l, &w, by_ms, &a);
	redislink_words_free(&w);
	if (status == STORE_OK && !span_eq(redislink_answer_text(&a), SPAN(REDIS_LUA_SHA1))) {
		log_error("redis", "what=\"the script has another name there\"");
		status = STORE_BROKEN;
	}
	redislink_answer_free(&a);
	return status;
}

/* Asks; a server that does not know the script is given it. */
static enum store_status
run(struct redislink *l, struct redislink_words *w, int64_t by_ms, struct redislink_answer *a)
{
	enum store_status status = redislink_ask(l, w, by_ms, a);

	if (status == STORE_NOT_FOUND) {
		redislink_answer_free(a);
		*a = (struct redislink_answer){ 0 };
		status = load(l, by_ms);
		if (status == STORE_OK)
			status = redislink_ask(l, w, by_ms, a);
		if (status == STORE_NOT_FOUND)
			status = STORE_AWAY;
	}
	redislink_words_free(w);
	return status;
}

static void
add_mark(struct redislink_words *w, uint64_t mark)
{
	char text[MARK_LEN + 1];

	(void)snprintf(text, sizeof(text), "%016" PRIx64, mark);
	redislink_word(w, (struct span){ text, MARK_LEN });
}

static void
add_names(struct redislink_words *w, const struct admission_ask *ask)
{
	redislink_word(w, ask->workspace);
	redislink_word(w, ask->key);
	redislink_word(w, ask->model);
}

static void
add_ask(struct redislink_words *w, const struct admission_ask *ask)
{
	add_names(w, ask);
	for (int i = 0; i < SCOPES; i++) {
		const struct quota *q = &ask->quota[i];

		redislink_count(w, q->rpm);
		redislink_count(w, q->tpm);
		redislink_count(w, q->concurrent);
		redislink_count(w, q->budget_day_nanousd);
		redislink_count(w, q->budget_month_nanousd);
	}
	redislink_count(w, cut(ask->requests, TOKENS_CUT));
	redislink_count(w, cut(ask->tokens, TOKENS_CUT));
	redislink_count(w, cut(ask->nanousd, NANOUSD_CUT));
}

static void
add_settlement(struct redislink_words *w, const struct admission_ask *ask,
    const struct admission_grant *g, const struct admission_used *used)
{
	uint64_t flags = 0;

	add_mark(w, g->store_mark);
	redislink_count(w, g->lease);
	add_names(w, ask);
	for (unsigned i = 0; i < SCOPES; i++) {
		redislink_count(w, ask->quota[i].rpm);
		redislink_count(w, ask->quota[i].tpm);
		flags |= (uint64_t)g->day_held[i] << i | (uint64_t)g->month_held[i] << (i + SCOPES);
	}
	redislink_number(w, g->day);
	redislink_number(w, g->month);
	redislink_count(w, cut(g->nanousd, NANOUSD_CUT));
	redislink_count(w, flags);
	for (int i = 0; i < SCOPES; i++)
		redislink_count(w, g->taken[i]);
	redislink_count(w, cut(used->tokens, TOKENS_CUT));
	redislink_count(w, cut(used->nanousd, QUOTA_NANOUSD_MAX));
}

/* The numbers of a list, in turn. */
struct list {
	const struct redislink_answer *a;
	size_t i;
	bool broken;
};

static int64_t
next(struct list *list)
{
	int64_t n = 0;

	if (redislink_element_number(list->a, list->i++, &n) < 0)
		list->broken = true;
	return n;
}

static uint64_t
next_count(struct list *list)
{
	int64_t n = next(list);

	if (n < 0)
		list->broken = true;
	return n < 0 ? 0 : (uint64_t)n;
}

static struct admission_gauge
next_gauge(struct list *list)
{
	struct admission_gauge g = { .limit = next_count(list) };

	g.left = next_count(list);
	g.full_ms = next(list);
	return g;
}

static bool
inside(uint64_t n, uint64_t end, struct list *list)
{
	if (n >= end)
		list->broken = true;
	return n < end;
}

static int
read_grant(
    const struct redislink_answer *a, const struct admission_ask *ask, struct admission_grant *g)
{
	struct list list = { .a = a };
	uint64_t refused = next_count(&list);
	uint64_t scope = next_count(&list);
	uint64_t flags;

	g->refused = inside(refused, LIMITS, &list) ? (enum limit)refused : LIMIT_NONE;
	g->scope = inside(scope, SCOPES, &list) ? (enum scope)scope : SCOPE_WORKSPACE;
	g->size = next_count(&list);
	g->left = next_count(&list);
	g->wait_ms = next(&list);
	g->now_ms = next(&list);
	g->requests = next_gauge(&list);
	g->tokens = next_gauge(&list);
	g->held = next(&list) == 1;
	g->day = (int32_t)next(&list);
	g->month = (int32_t)next(&list);
	for (int i = 0; i < SCOPES; i++)
		g->taken[i] = next_count(&list);
	g->nanousd = g->held ? ask->nanousd : 0;
	(void)next(&list);
	flags = next_count(&list);
	for (unsigned i = 0; i < SCOPES; i++) {
		g->day_held[i] = flags >> i & 1;
		g->month_held[i] = flags >> (i + SCOPES) & 1;
	}
	return list.broken ? -1 : 0;
}

enum store_status
redisscript_take(struct redislink *l, const struct admission_ask *ask, struct admission_grant *out,
    struct redisscript_try *try)
{
	struct redislink_words w = begin(SPAN("take"));
	struct admission_grant g = { .lease = out->lease, .store_mark = out->store_mark };
	struct redislink_answer a = { 0 };
	enum store_status status;

	w.once = true;
	redislink_number(&w, ask->now_ms < 0 ? 1 : ask->now_ms);
	add_mark(&w, g.store_mark);
	redislink_count(&w, g.lease);
	redislink_number(&w, LIMITER_HOLD_MS);
	add_ask(&w, ask);
	status = run(l, &w, try->by_ms, &a);
	try->unsure = status == STORE_AWAY && a.sent;
	try->late = a.late;
	if (status == STORE_OK && redislink_elements(&a) == 0)
		status = STORE_AWAY; /* this number was given up */
	if (status == STORE_OK && read_grant(&a, ask, &g) < 0) {
		log_error("redis", "what=\"the answer to a take cannot be read\"");
		try->unsure = true;
		status = STORE_BROKEN;
	}
	redislink_answer_free(&a);
	if (status == STORE_OK)
		*out = g;
	return status;
}

enum store_status
redisscript_settle(
    struct redislink *l, const char *node, uint64_t seq, const struct store_booking *b)
{
	struct redislink_words w = begin(SPAN("settle"));
	struct redislink_answer a = { 0 };
	enum store_status status;

	redislink_number(&w, b->ask->now_ms < 0 ? 1 : b->ask->now_ms);
	redislink_word(&w, span_of(node));
	redislink_count(&w, seq);
	redislink_word(&w, b->ask->request_id);
	add_settlement(&w, b->ask, b->grant, &b->used);
	status = run(l, &w, redislink_by_ms(l), &a);
	redislink_answer_free(&a);
	return status;
}

enum store_status
redisscript_beat(struct redislink *l, const struct redisscript_beat *b, int64_t by_ms)
{
	struct redislink_words w = begin(SPAN("beat"));
	struct redislink_answer a = { 0 };
	enum store_status status;

	redislink_number(&w, 0);
	add_mark(&w, b->mark);
	redislink_number(&w, b->alive ? LIMITER_HOLD_MS : 0);
	redislink_count(&w, b->gone_n);
	for (size_t i = 0; i < b->gone_n; i++)
		redislink_count(&w, b->gone[i]);
	redislink_count(&w, b->last);
	for (size_t i = 0; i < b->known_n; i++)
		redislink_count(&w, b->known[i]);
	status = run(l, &w, by_ms, &a);
	redislink_answer_free(&a);
	return status;
}

/* What a line adds to the totals, and whose call it is. One that cannot be read, which no version
 * of this program has written, adds nothing: it must not hold up those behind it. */
static void
add_row(struct redislink_words *w, const struct limiter_line *line, struct buf *text)
{
	struct buf whole = buf_make(2 * LEDGER_LINE_MAX);
	struct tally_row row = { .workspace = SPAN("-"), .key = SPAN("-"), .model = SPAN("-") };
	struct ledger_entry e = { 0 };
	struct tally t = { 0 };
	char date[PERIOD_DAY_LEN];

	if (ledger_begin(line->seq, &whole) == 0 && buf_add(&whole, line->line) == 0 &&
	    ledger_parse(span_trim(buf_span(&whole)), &e, text) == 0)
		tally_of(&e, &row, &t);
	else
		log_error("redis", "seq=%" PRIu64 " what=\"a line cannot be read\"", line->seq);
	period_day_text(row.day, date);
	redislink_word(w, e.request_id);
	redislink_number(w, row.day);
	redislink_word(w, span_of(date));
	redislink_word(w, row.workspace);
	redislink_word(w, row.key);
	redislink_word(w, row.model);
	for (size_t i = 0; i < SUMS_N; i++)
		redislink_count(w, *sum_in(&t, i));
	buf_free(&whole);
}

static void
add_line(struct redislink_words *w, const struct limiter_line *line, struct buf *text)
{
	bool leased = line->due && line->grant.held && (line->grant.store_mark & REDISSCRIPT_MARK);

	redislink_count(w, line->seq);
	add_row(w, line, text);
	redislink_number(w, leased);
	if (leased)
		add_settlement(w, &line->ask, &line->grant, &line->used);
}

static enum store_status
book_some(struct redislink *l, const char *node, const struct limiter_line *lines, size_t n,
    uint64_t *upto)
{
	struct redislink_words w = begin(SPAN("book"));
	struct buf text = buf_make(2 * LEDGER_LINE_MAX);
	struct redislink_answer a = { 0 };
	enum store_status status;
	int64_t booked = 0;

	redislink_number(&w, 0);
	redislink_word(&w, span_of(node));
	redislink_count(&w, n);
	for (size_t i = 0; i < n; i++)
		add_line(&w, &lines[i], &text);
	buf_free(&text);
	status = run(l, &w, redislink_by_ms(l), &a);
	if (status == STORE_OK && (redislink_answer_number(&a, &booked) < 0 || booked < 0))
		status = STORE_BROKEN;
	redislink_answer_free(&a);
	if (status == STORE_OK)
		*upto = (uint64_t)booked;
	return status;
}

enum store_status
redisscript_book(struct redislink *l, const char *node, const struct limiter_line *lines, size_t n,
    uint64_t *upto)
{
	enum store_status status;

	do {
		size_t some = n < BOOK_LINES ? n : BOOK_LINES;

		status = book_some(l, node, lines, some, upto);
		lines += some;
		n -= some;
	} while (status == STORE_OK && n > 0);
	return status;
}

enum store_status
redisscript_rows(
    struct redislink *l, const char *node, struct span member, struct redislink_answer *a)
{
	struct redislink_words w = begin(SPAN("rows"));

	w.light = true;
	redislink_word(&w, span_of(node));
	redislink_word(&w, member);
	return run(l, &w, clock_mono_ms() + ROWS_MS, a);
}

enum store_status
redisscript_days(struct redislink *l, const struct store_range *range, struct redislink_answer *a)
{
	struct redislink_words w = redislink_words();
	enum store_status status;

	w.light = true;
	redislink_word(&w, SPAN("ZRANGEBYSCORE"));
	redislink_word(&w, SPAN(REDISSCRIPT_PREFIX "days"));
	redislink_number(&w, range->first);
	redislink_number(&w, range->last);
	status = redislink_ask(l, &w, clock_mono_ms() + ROWS_MS, a);
	redislink_words_free(&w);
	return status;
}

enum store_status
redisscript_probe(struct redislink *l, struct redislink_answer *a)
{
	struct redislink_words w = begin(SPAN("probe"));
	uint64_t random = 0;

	if (hash_random(&random, sizeof(random)) < 0) {
		redislink_words_free(&w);
		return STORE_BROKEN;
	}
	add_mark(&w, random);
	return run(l, &w, redislink_by_ms(l), a);
}
