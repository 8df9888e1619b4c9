/* redis: the store over a real server of its own: one rule with all others, exact while the server
 * stops, restarts or is slow, and nothing held for good by what died. */
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "policy/key.h"
#include "store/books.h"
#include "store/redis.h"
#include "store/redisholder.h"
#include "store/rediskeys.h"
#include "store/redislink.h"
#include "store/redisscript.h"
#include "unit/admission_vectors.h"
#include "unit/check.h"
#include "unit/finished.h"
#include "unit/redis_place.h"

#define SHORT_MS 200
#define USD	 UINT64_C(1000000000)

static const struct store_range all_days = { 0, INT32_MAX };

/* Calls. */

static struct admission_ask
ask_of(int64_t now_ms, const char *workspace, struct quota quota)
{
	return (struct admission_ask){ .now_ms = now_ms,
		.workspace = span_of(workspace),
		.key = SPAN("k1"),
		.model = SPAN("model-a"),
		.quota = { quota },
		.requests = 1,
		.tokens = 10,
		.nanousd = 5000,
		.request_id = SPAN("req") };
}

static enum store_status
take(struct store *s, const struct admission_ask *ask, struct admission_grant *g)
{
	return s->kind->take(s, ask, g);
}

static bool
taken(struct store *s, const struct admission_ask *ask, struct admission_grant *g)
{
	return take(s, ask, g) == STORE_OK && g->held;
}

/* Settles with a cost of FINISHED_COST; n tells the calls apart. */
static enum store_status
settle(
    struct store *s, const struct admission_ask *ask, const struct admission_grant *g, uint64_t n)
{
	struct buf line = buf_make(LEDGER_LINE_MAX);
	struct admission_ask own = *ask;
	struct store_booking b = { .grant = g, .used = { 3 * n, FINISHED_COST } };
	enum store_status status;
	char id[32];

	(void)snprintf(id, sizeof(id), "req_%" PRIu64, n);
	own.request_id = span_of(id);
	b.ask = &own;
	finished_line(n, FINISHED_MS, &line);
	b.line = buf_span(&line);
	status = s->kind->settle(s, &b);
	if (status == STORE_OK && b.seq > 0)
		s->kind->follow(s, &b);
	buf_free(&line);
	return status;
}

/* What is left of a day's budget that a workspace has in Redis. */
static uint64_t
left_of(struct store *s, int64_t now_ms, const char *workspace, uint64_t budget)
{
	struct admission_ask ask =
	    ask_of(now_ms, workspace, (struct quota){ .budget_day_nanousd = budget });
	struct admission_grant g = { 0 };

	ask.nanousd = budget + 1;
	return take(s, &ask, &g) == STORE_OK && g.refused == LIMIT_BUDGET_DAY ? g.left : UINT64_MAX;
}

/* How many calls at once are counted for a workspace, as the store's own rule sees them: what a
 * limit must be for one more to be let in, which is given back. */
static uint64_t
running_of(struct store *s, int64_t now_ms, const char *workspace)
{
	for (uint64_t n = 1; n < 100; n++) {
		struct admission_ask ask =
		    ask_of(now_ms, workspace, (struct quota){ .concurrent = n });
		struct admission_grant g = { 0 };

		if (taken(s, &ask, &g) && settle(s, &ask, &g, 0) == STORE_OK)
			return n - 1;
	}
	return UINT64_MAX;
}

/* Compares the store's totals, and those of this node alone, with what the ledger says. */
static void
expect_totals(struct check *t, const struct place *p, struct store *s)
{
	struct finished_sums sums = { 0 };
	struct buf want = buf_make(MIB), got = buf_make(MIB), own = buf_make(MIB);
	struct store_mark mark = { 0 };

	check_that(t, books_drain(s->books) == STORE_OK, "not drained");
	finished_folder(&sums, p->conf.state);
	finished_print_rows(&sums.rows, &want);
	check_that(t, s->kind->totals(s, &all_days, finished_print, &got) == STORE_OK, "no totals");
	check_that(t, s->kind->booked(s, &mark, finished_print, &own) == STORE_OK, "no own totals");
	check_same(t, buf_span(&got), buf_span(&want));
	check_same(t, buf_span(&own), buf_span(&want));
	check_that(t, mark.seq == sums.last && !sums.gap && sums.lines > 0, "booked up to %d of %d",
	    (int)mark.seq, (int)sums.last);
	finished_free(&sums);
	buf_free(&want);
	buf_free(&got);
	buf_free(&own);
}

/* The rule. */

static int
vectors_take(void *arg, const struct admission_ask *ask, struct admission_grant *out)
{
	return take(arg, ask, out) == STORE_OK ? 0 : -1;
}

static int
vectors_settle(void *arg, const struct admission_ask *ask, const struct admission_grant *grant,
    const struct admission_used *used)
{
	struct store *s = arg;
	struct buf line = buf_make(LEDGER_LINE_MAX);
	struct admission_ask own = *ask;
	struct store_booking b = { .grant = grant, .used = *used };
	int rc;

	own.request_id = SPAN("req_1");
	b.ask = &own;
	finished_line(1, ask->now_ms, &line);
	b.line = buf_span(&line);
	rc = s->kind->settle(s, &b) == STORE_OK ? 0 : -1;
	if (rc == 0 && b.seq > 0)
		s->kind->follow(s, &b);
	buf_free(&line);
	return rc;
}

static void
test_vectors(struct check *t, struct place *p)
{
	struct store *s = open_store(&p->conf);

	admission_vectors_run(t, vectors_take, vectors_settle, s);
	check_row(t, "the clock is that of the server when none is given");
	struct admission_ask ask = ask_of(0, "clock", (struct quota){ .rpm = 5 });
	struct admission_grant g = { 0 };
	int64_t before_ms = clock_wall_ms();

	check_that(t, taken(s, &ask, &g), "not taken");
	check_that(t, g.now_ms >= before_ms && g.now_ms <= clock_wall_ms(), "another time");
	check_that(t, settle(s, &ask, &g, 1) == STORE_OK, "not settled");
	check_row(t, "buckets that are full leave the server by themselves");
	check_that(
	    t, tell_server(p, "PTTL {postern}:meter:w:5:clock:model-a") > 0, "kept for ever");
	check_that(t, tell_server(p, "PTTL {postern}:account:w:clock") > 0, "kept for ever");
	check_that(t, tell_server(p, "PTTL {postern}:account:k:k1") > 0, "kept for ever");
	s->kind->close(s);
}

/* Keys. */

struct key_change {
	const char *id;	    /* of the line to add, or to revoke when it is there */
	struct place *meet; /* somebody else adds `other` in the midst of the first attempt */
	int calls;
};

static void
key_of(const char *id, struct key *k)
{
	*k = (struct key){ .id = span_of(id), .workspace = SPAN("w") };
	if (hash_sha256(span_of(id), k->hash) < 0)
		abort();
}

static int
change_key(void *arg, struct span text, struct buf *out)
{
	struct key_change *c = arg;
	struct span rest = text, line;
	struct key mine, k;
	const char *why;
	bool there = false;

	key_of(c->id, &mine);
	if (c->calls++ == 0 && c->meet) {
		struct key_change other = { .id = "other" };

		if (rediskeys_edit(&c->meet->conf, change_key, &other) < 0)
			return -1;
	}
	while (rest.n > 0 && span_next(&rest, '\n', &line)) {
		if (key_parse(line, &k, &why) != KEY_LINE_KEY)
			continue;
		if (span_eq(k.id, mine.id)) {
			there = true;
			k.revoked = 1000000;
		}
		if (key_format(&k, out) < 0)
			return -1;
	}
	return there || key_format(&mine, out) == 0 ? 0 : -1;
}

/* 1: the key is there and good; 0: it is revoked; below: the store's status. */
static int
key_is(struct store *s, const char *id)
{
	struct buf line = buf_make(KEY_LINE_MAX);
	enum store_status status;
	const char *why;
	struct key k;
	int is = -10;

	key_of(id, &k);
	status = s->kind->find_key(s, k.hash, &line);
	if (status != STORE_OK)
		is = status;
	else if (key_parse(buf_span(&line), &k, &why) == KEY_LINE_KEY)
		is = k.revoked == 0;
	buf_free(&line);
	return is;
}

/* Until a store's server answers again. */
static bool
comes_back(struct store *s)
{
	int64_t until_ms = clock_mono_ms() + BOUND_MS;

	while (key_is(s, "nobody") == STORE_AWAY) {
		if (clock_mono_ms() > until_ms)
			return false;
		pause_ms(20);
	}
	return true;
}

static void
edit_key(struct check *t, struct place *p, const char *id)
{
	struct key_change c = { .id = id };

	check_that(t, rediskeys_edit(&p->conf, change_key, &c) == 0, "%s: not edited", id);
}

static void
test_keys(struct check *t, struct place *p)
{
	struct store *s = open_store(&p->conf);
	struct key_change c = { .id = "first", .meet = p };
	struct buf text = buf_make(KEY_FILE_MAX);
	int64_t revoked_ms, asked_ms;

	check_row(t, "an unknown key");
	check_that(t, key_is(s, "a") == STORE_NOT_FOUND, "found");
	check_row(t, "a new key is found at once");
	edit_key(t, p, "b");
	edit_key(t, p, "a");
	check_that(t, key_is(s, "a") == 1 && key_is(s, "b") == 1, "not found");
	check_row(t, "a revoked key is refused within a second");
	edit_key(t, p, "a");
	revoked_ms = clock_mono_ms();
	do {
		asked_ms = clock_mono_ms();
		pause_ms(5);
	} while (key_is(s, "a") == 1 && asked_ms - revoked_ms <= 1000);
	check_that(t, key_is(s, "a") == 0 && asked_ms - revoked_ms <= 1000, "still good");
	check_row(t, "two administrators lose nothing");
	check_that(t, rediskeys_edit(&p->conf, change_key, &c) == 0, "not edited");
	check_that(t, c.calls == 2 && key_is(s, "first") == 1 && key_is(s, "other") == 1, "lost");
	check_row(t, "all keys, sorted by id");
	check_that(t, rediskeys_read(&p->conf, &text) == 0, "not read");
	const char *all = buf_str(&text);

	check_that(t,
	    all && strncmp(all, "a  ", 3) == 0 && strstr(all, "\nb  ") < strstr(all, "\nfirst"),
	    "%s", all ? all : "none");
	check_row(t, "a line that is another key's is no key");
	check_that(t,
	    tell_server(p,
		"HSET {postern}:keys "
		"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb x") == 0,
	    "no such field");
	int64_t until_ms = clock_mono_ms() + BOUND_MS;

	while (key_is(s, "a") != STORE_NOT_FOUND && clock_mono_ms() < until_ms)
		pause_ms(20);
	check_that(t, key_is(s, "a") == STORE_NOT_FOUND && key_is(s, "b") == 1, "found");
	edit_key(t, p, "b");
	buf_free(&text);
	s->kind->close(s);
}

/* Books. */

static void
test_totals(struct check *t, struct place *p)
{
	struct store *s = open_store(&p->conf);
	struct admission_ask ask = ask_of(FINISHED_MS, "books", (struct quota){ 0 });
	struct buf got = buf_make(MIB);
	struct admission_grant g = { 0 };
	size_t rows = 0;

	check_row(t, "calls are in the totals as soon as they are settled");
	for (uint64_t n = 1; n <= 9; n++)
		check_that(t, taken(s, &ask, &g) && settle(s, &ask, &g, n) == STORE_OK, "call");
	check_that(t, s->kind->totals(s, &all_days, finished_print, &got) == STORE_OK, "no totals");
	for (size_t i = 0; i < got.len; i++)
		rows += got.p[i] == '\n';
	check_that(t, rows == 9, "%zu rows", rows);
	check_row(t, "the totals are the ledger's, added up");
	expect_totals(t, p, s);
	check_row(t, "a refused call is booked and settles nothing");
	g = (struct admission_grant){ .refused = LIMIT_REQUESTS };
	check_that(t, settle(s, &ask, &g, 4) == STORE_OK, "not booked");
	expect_totals(t, p, s);
	check_row(t, "more calls than one batch");
	for (uint64_t n = 1; n <= 250; n++)
		check_that(t, settle(s, &ask, &g, n) == STORE_OK, "call");
	expect_totals(t, p, s);
	check_row(t, "days that are not asked for");
	const struct store_range later = { period_day(FINISHED_MS) + 1, INT32_MAX };

	got.len = 0;
	check_that(t, s->kind->totals(s, &later, finished_print, &got) == STORE_OK, "no totals");
	check_that(t, got.len == 0, "%.*s", (int)got.len, got.p);
	s->kind->close(s);
	check_row(t, "a reader sees the same");
	s = store_redis.open(&p->conf, NULL, true);
	got.len = 0;
	check_that(
	    t, s && s->kind->totals(s, &all_days, finished_print, &got) == STORE_OK, "no totals");
	rows = 0;
	for (size_t i = 0; i < got.len; i++)
		rows += got.p[i] == '\n';
	check_that(t, rows == 9, "%zu rows", rows);
	if (s)
		s->kind->close(s);
	buf_free(&got);
}

#define NODE "nodenodenodenode"

/* Takes under a number of a holder. */
static bool
take_as(struct redislink *l, const struct admission_ask *ask, uint64_t mark, uint64_t number,
    struct admission_grant *g)
{
	struct redisscript_try try = { .by_ms = redislink_by_ms(l) };

	*g = (struct admission_grant){ .store_mark = REDISSCRIPT_MARK | mark, .lease = number };
	return redisscript_take(l, ask, g, &try) == STORE_OK && g->held;
}

/* Whether the server has the lease of a grant. */
static bool
tell_lease(const struct place *p, const struct admission_grant *g)
{
	char question[PATH_LEN];

	(void)snprintf(question, sizeof(question),
	    "HEXISTS {postern}:lease:%016" PRIx64 " %" PRIu64, g->store_mark, g->lease);
	return tell_server(p, question) == 1;
}

static bool
beat(struct redislink *l, struct redisscript_beat b)
{
	b.mark |= REDISSCRIPT_MARK;
	return redisscript_beat(l, &b, redislink_by_ms(l)) == STORE_OK;
}

/* A settlement that is repeated, in whatever order, counts once. */
static void
test_once(struct check *t, struct place *p)
{
	struct store *s = open_store(&p->conf);
	struct redislink *l = redislink_open(&p->conf.store);
	struct quota q = { .budget_day_nanousd = USD, .concurrent = 9 };
	struct admission_ask ask = ask_of(FINISHED_MS, "once", q), other = ask;
	struct admission_used used = { 30, 1000 };
	struct admission_grant a = { 0 }, b = { 0 };
	struct buf line = buf_make(LEDGER_LINE_MAX), line_b = buf_make(LEDGER_LINE_MAX);
	uint64_t upto = 0;

	ask.request_id = SPAN("req_1");
	other.request_id = SPAN("req_2");
	finished_line(1, FINISHED_MS, &line);
	finished_line(2, FINISHED_MS, &line_b);
	check_that(t, taken(s, &ask, &a) && taken(s, &other, &b), "not taken");
	struct store_booking ka = { &ask, &a, used, buf_span(&line), 0 };
	struct store_booking kb = { &other, &b, used, buf_span(&line_b), 0 };
	struct limiter_line lines[] = { { 1, ka.line, true, ask, a, used },
		{ 2, kb.line, true, other, b, used } };

	check_row(t, "a settlement, again, and booked");
	for (int i = 0; i < 2; i++)
		check_that(t, redisscript_settle(l, NODE, 1, &ka) == STORE_OK, "no");
	check_that(t, left_of(s, FINISHED_MS, "once", USD) == USD - 1000 - 5000, "left");
	check_that(t, redisscript_book(l, NODE, lines, 1, &upto) == STORE_OK, "no");
	check_that(t, upto == 1, "booked up to %d", (int)upto);
	check_that(t, left_of(s, FINISHED_MS, "once", USD) == USD - 1000 - 5000, "left");
	check_row(t, "booked, booked again, and the settlement comes at last");
	for (int i = 0; i < 2; i++)
		check_that(t, redisscript_book(l, NODE, lines, 2, &upto) == STORE_OK, "no");
	check_that(t, redisscript_settle(l, NODE, 2, &kb) == STORE_OK, "no");
	check_that(t, upto == 2, "booked up to %d", (int)upto);
	check_that(t, left_of(s, FINISHED_MS, "once", USD) == USD - 2000, "left");
	check_that(t, running_of(s, FINISHED_MS, "once") == 0, "running");
	check_that(t, tell_server(p, "EXISTS {postern}:done:" NODE) == 0, "marks stay");
	check_row(t, "a number that another call had before a power cut");
	check_that(t, taken(s, &ask, &a) && taken(s, &other, &b), "not taken");
	lines[0] = (struct limiter_line){ 3, ka.line, true, ask, a, used };
	check_that(t, redisscript_settle(l, NODE, 3, &kb) == STORE_OK, "no");
	check_that(t, redisscript_settle(l, NODE, 3, &ka) == STORE_OK, "no");
	check_that(t, redisscript_book(l, NODE, lines, 1, &upto) == STORE_OK, "no");
	check_that(t, left_of(s, FINISHED_MS, "once", USD) == USD - 4000 - FINISHED_COST, "left");
	check_that(t, running_of(s, FINISHED_MS, "once") == 0, "running");
	check_row(t, "a call that Redis has no take of is paid for when its line is booked");
	lines[0] = (struct limiter_line){ .seq = 4, .line = ka.line };
	check_that(t, redisscript_book(l, NODE, lines, 1, &upto) == STORE_OK && upto == 4, "no");
	check_that(
	    t, left_of(s, FINISHED_MS, "alpha", USD) == USD, "another than the line's is charged");
	check_that(
	    t, left_of(s, FINISHED_MS, "beta", USD) == USD - FINISHED_COST, "it is not charged");
	redislink_close(l);
	s->kind->close(s);
	buf_free(&line);
	buf_free(&line_b);
}

/* What nobody waits for, or knows of, is given back. */
static void
test_given_back(struct check *t, struct place *p)
{
	struct store *s = open_store(&p->conf);
	struct redislink *l = redislink_open(&p->conf.store);
	struct quota q = { .rpm = 1, .tpm = 10, .concurrent = 1 };
	struct redisscript_try try = { .by_ms = redislink_by_ms(l) };
	struct admission_ask ask = ask_of(0, "given-back", q);
	struct admission_grant g = { .store_mark = REDISSCRIPT_MARK | 5, .lease = 7 };
	const uint64_t seven = 7, eight = 8, eleven = 11;

	check_row(t, "a take that is given up before it comes takes nothing");
	check_that(
	    t, beat(l, (struct redisscript_beat){ .mark = 5, .gone = &seven, .gone_n = 1 }), "no");
	check_that(t, redisscript_take(l, &ask, &g, &try) == STORE_AWAY && !try.unsure, "taken");
	check_row(t, "one that is given up after it came is given back whole");
	check_that(t, take_as(l, &ask, 5, 8, &g), "not taken");
	check_that(
	    t, beat(l, (struct redisscript_beat){ .mark = 5, .gone = &eight, .gone_n = 1 }), "no");
	check_that(t, take_as(l, &ask, 5, 9, &g), "not taken");
	check_that(t, g.taken[SCOPE_WORKSPACE] == 10 && g.requests.left == 0, "tokens");
	check_row(t, "a lease that its holder does not know is released");
	ask = ask_of(FINISHED_MS, "unknown", (struct quota){ .concurrent = 9 });
	for (uint64_t n = 10; n <= 12; n++)
		check_that(t, take_as(l, &ask, 5, n, &g), "not taken");
	check_that(t, running_of(s, FINISHED_MS, "unknown") == 3, "running");
	check_that(t, beat(l, (struct redisscript_beat){ .mark = 5, .alive = true }), "no");
	check_that(t, running_of(s, FINISHED_MS, "unknown") == 3, "released by one that is silent");
	check_that(t,
	    beat(l,
		(struct redisscript_beat){
		    .mark = 5, .alive = true, .last = 11, .known = &eleven, .known_n = 1 }),
	    "no");
	check_that(t, running_of(s, FINISHED_MS, "unknown") == 2, "running");
	check_row(t, "the one that asks is not dead, however long it was not heard of");
	ask.now_ms = FINISHED_MS + INT64_C(10) * LIMITER_HOLD_MS;
	check_that(t, take_as(l, &ask, 5, 13, &g), "not taken");
	check_that(t, running_of(s, FINISHED_MS, "unknown") == 3, "running");
	redislink_close(l);
	s->kind->close(s);
}

/* Sums. */
static void
test_sums(struct check *t, struct place *p)
{
	struct redislink *l = redislink_open(&p->conf.store);
	struct buf line = buf_make(LEDGER_LINE_MAX);
	struct limiter_line one = { .seq = 1 };
	uint64_t upto = 0;

	finished_line(3, FINISHED_MS, &line);
	one.line = buf_span(&line);
	check_row(t, "what may not be added is not there, and nothing is booked");
	(void)tell_server(p, "ACL SETUSER default -hincrby");
	check_that(t, redisscript_book(l, NODE, &one, 1, &upto) == STORE_BROKEN, "booked");
	(void)tell_server(p, "ACL SETUSER default +hincrby");
	check_that(
	    t, tell_server(p, "HLEN {postern}:totals:2026-11-22:" NODE) == 0, "there is a sum");
	check_that(t, redisscript_book(l, NODE, &one, 1, &upto) == STORE_OK && upto == 1, "no");
	check_that(t, tell_server(p, "HLEN {postern}:totals:2026-11-22:" NODE) == 4, "no sums");
	redislink_close(l);
	buf_free(&line);
}

/* Trouble with the server. */

static void
test_restart(struct check *t, struct place *p)
{
	struct store *s = open_store(&p->conf);
	struct quota q = { .budget_day_nanousd = USD, .concurrent = 9 };
	struct admission_ask ask = ask_of(FINISHED_MS, "restart", q);
	struct admission_grant g[4] = { 0 };
	const char *why = NULL;

	check_row(t, "calls go on over a restart of the server");
	for (size_t i = 0; i < ROWS(g); i++)
		check_that(t, taken(s, &ask, &g[i]), "not taken");
	check_that(t, settle(s, &ask, &g[0], 1) == STORE_OK, "not settled");
	server_end(p);
	check_that(t,
	    settle(s, &ask, &g[1], 2) == STORE_OK && settle(s, &ask, &g[2], 3) == STORE_OK,
	    "not settled");
	check_row(t, "without a server calls are refused, and the store says why");
	struct admission_grant refused = { 0 };

	check_that(t, take(s, &ask, &refused) == STORE_AWAY, "not away");
	check_that(t, s->kind->probe(s, &why) == STORE_AWAY && strstr(why, "Redis"), "probe");
	check_that(t, key_is(s, "nobody") == STORE_AWAY, "keys");
	check_that(t, s->kind->totals(s, &all_days, finished_print, NULL) == STORE_AWAY, "totals");
	server_start(p);
	check_row(t, "what was settled meanwhile is settled there once");
	check_that(t, comes_back(s), "away for ever");
	check_that(t, settle(s, &ask, &g[3], 4) == STORE_OK, "not settled");
	expect_totals(t, p, s);
	check_that(t, left_of(s, FINISHED_MS, "restart", USD) == USD - 4 * FINISHED_COST, "left");
	check_that(t, running_of(s, FINISHED_MS, "restart") == 0, "running");
	check_row(t, "a server that has lost the script gets it again");
	(void)tell_server(p, "SCRIPT FLUSH");
	check_that(t, taken(s, &ask, &g[0]) && settle(s, &ask, &g[0], 5) == STORE_OK, "not taken");
	check_row(t, "connections that the server closed while they lay idle");
	(void)tell_server(p, "CLIENT KILL TYPE normal");
	check_that(t, taken(s, &ask, &g[0]) && settle(s, &ask, &g[0], 6) == STORE_OK, "not taken");
	expect_totals(t, p, s);
	s->kind->close(s);
}

static void
test_stopped(struct check *t, struct place *p)
{
	struct conf c = p->conf;
	struct admission_ask ask =
	    ask_of(FINISHED_MS, "stopped", (struct quota){ .concurrent = 1, .rpm = 1000 });
	struct admission_grant g = { 0 };
	struct store *s;

	c.store.timeout_ms = SHORT_MS;
	s = open_store(&c);
	check_row(t, "a server that does not answer is away within the time");
	check_that(t, comes_back(s), "away from the start");
	for (int i = 0; i < 3; i++) {
		(void)kill(p->server, SIGSTOP);
		check_that(t, take(s, &ask, &g) == STORE_AWAY, "not away");
		check_that(t, take(s, &ask, &g) == STORE_AWAY, "not away");
		(void)kill(p->server, SIGCONT);
		check_that(t, comes_back(s), "away for ever");
	}
	check_row(t, "no call stays counted that nobody waited for");
	check_that(t, running_of(s, FINISHED_MS, "stopped") == 0, "running");
	check_that(t, taken(s, &ask, &g), "not taken");
	check_that(t, settle(s, &ask, &g, 1) == STORE_OK, "not settled");
	check_row(t, "a settlement that the server is late to take counts once");
	ask = ask_of(FINISHED_MS, "late", (struct quota){ .budget_day_nanousd = USD });
	check_that(t, taken(s, &ask, &g), "not taken");
	(void)kill(p->server, SIGSTOP);
	check_that(t, settle(s, &ask, &g, 2) == STORE_OK, "not settled");
	(void)kill(p->server, SIGCONT);
	check_that(t, comes_back(s) && books_drain(s->books) == STORE_OK, "away for ever");
	check_that(t, left_of(s, FINISHED_MS, "late", USD) == USD - FINISHED_COST, "left");
	s->kind->close(s);
}

static void
test_local(struct check *t, struct place *p)
{
	struct conf c = p->conf;
	struct admission_ask ask =
	    ask_of(FINISHED_MS, "alpha", (struct quota){ .budget_day_nanousd = USD, .rpm = 2 });
	struct admission_grant g[3] = { 0 };
	struct store *s;

	c.store.away_local = true;
	s = open_store(&c);
	check_row(t, "this machine's own limits while the server is away");
	edit_key(t, p, "local");
	check_that(t, key_is(s, "local") == 1, "no key");
	check_that(t, taken(s, &ask, &g[0]) && settle(s, &ask, &g[0], 12) == STORE_OK, "no call");
	check_that(t, taken(s, &ask, &g[0]), "not taken");
	server_end(p);
	check_that(t, taken(s, &ask, &g[1]) && taken(s, &ask, &g[2]), "not taken");
	check_that(t, !(g[1].store_mark & REDISSCRIPT_MARK), "the mark of Redis");
	struct admission_grant refused = { 0 };

	check_that(
	    t, take(s, &ask, &refused) == STORE_OK && refused.refused == LIMIT_REQUESTS, "let in");
	check_row(t, "what this machine has spent before counts");
	check_that(t,
	    left_of(s, FINISHED_MS, "alpha", USD) ==
		USD - FINISHED_COST - g[1].nanousd - g[2].nanousd,
	    "%d", (int)(USD - left_of(s, FINISHED_MS, "alpha", USD)));
	check_row(t, "keys that were seen stay good, others are not known");
	check_that(t, key_is(s, "local") == 1 && key_is(s, "b") == STORE_AWAY, "keys");
	check_row(t, "what was spent meanwhile reaches the budget in Redis");
	for (size_t i = 0; i < ROWS(g); i++)
		check_that(t, settle(s, &ask, &g[i], 3 * i) == STORE_OK, "not settled");
	server_start(p);
	check_that(t, comes_back(s), "away for ever");
	expect_totals(t, p, s);
	check_that(t, left_of(s, FINISHED_MS, "alpha", USD) == USD - 4 * FINISHED_COST, "left");
	check_that(t, running_of(s, FINISHED_MS, "alpha") == 0, "running");
	check_row(t, "and what it has spent since its purses were made, when Redis is away again");
	ask.quota[SCOPE_WORKSPACE].rpm = 0;
	check_that(t, taken(s, &ask, &g[0]) && settle(s, &ask, &g[0], 15) == STORE_OK, "no call");
	server_end(p);
	check_that(t, left_of(s, FINISHED_MS, "alpha", USD) == USD - 6 * FINISHED_COST, "%d",
	    (int)(USD - left_of(s, FINISHED_MS, "alpha", USD)));
	s->kind->close(s);
}

/* Data that is lost. */

static void
test_older(struct check *t)
{
	static const char *const snapshots[] = { "--port", "0", "--appendonly", "no", NULL };
	struct quota q = { .budget_day_nanousd = USD, .concurrent = 9 };
	struct admission_ask ask = ask_of(FINISHED_MS, "alpha", q);
	struct admission_grant g[3] = { 0 };
	struct store *s;
	struct place p;

	place_open(&p, snapshots);
	s = open_store(&p.conf);
	check_row(t, "a server that comes back with an older state is brought up to date");
	for (size_t i = 0; i < ROWS(g); i++)
		check_that(t, taken(s, &ask, &g[i]), "not taken");
	(void)tell_server(&p, "SAVE");
	check_that(t, settle(s, &ask, &g[0], 3) == STORE_OK, "not settled");
	check_that(t, books_drain(s->books) == STORE_OK, "not drained");
	check_that(t, settle(s, &ask, &g[1], 6) == STORE_OK, "not settled");
	server_end(&p);
	server_start(&p);
	check_that(t, comes_back(s), "away for ever");
	check_that(t, settle(s, &ask, &g[2], 9) == STORE_OK, "not settled");
	expect_totals(t, &p, s);
	check_that(t,
	    left_of(s, FINISHED_MS, "alpha", USD) == USD - 3 * FINISHED_COST - g[0].nanousd, "%d",
	    (int)(USD - left_of(s, FINISHED_MS, "alpha", USD)));
	check_row(t, "one that has lost all gets sums and budgets from the ledger");
	(void)tell_server(&p, "FLUSHALL");
	check_that(t, taken(s, &ask, &g[0]) && settle(s, &ask, &g[0], 12) == STORE_OK, "no call");
	expect_totals(t, &p, s);
	check_that(t, left_of(s, FINISHED_MS, "alpha", USD) == USD - 4 * FINISHED_COST, "left");
	s->kind->close(s);
	place_close(&p);
	check_close(t);
}

/* What a holder does not know, and what is still to be settled. */
static void
test_beats(struct check *t, struct place *p)
{
	struct store *s = open_store(&p->conf);
	struct limiter *queue = books_limiter(s->books);
	struct redislink *l = redislink_open(&p->conf.store);
	struct redisholder *h = redisholder_open();
	struct admission_ask ask = ask_of(FINISHED_MS, "beats", (struct quota){ .concurrent = 9 });
	struct store_booking b = { .ask = &ask, .line = SPAN("\"no line\"\n") };
	struct admission_grant g[3];
	uint64_t number, seq;

	check_row(t, "a beat keeps what is under way and what is still to be settled");
	for (size_t i = 0; i < ROWS(g); i++) {
		check_that(t, redisholder_begin(h, &number) == 0, "no number");
		check_that(t, take_as(l, &ask, redisholder_mark(h), number, &g[i]), "not taken");
		check_that(t, limiter_note(queue, &ask, &g[i]) == STORE_OK, "not noted");
	}
	b.grant = &g[0];
	check_that(t, limiter_queue(queue, &b, true, &seq) == STORE_OK, "not queued");
	redisholder_end(h, g[0].lease);
	check_that(t, redisholder_beat(h, l, queue) == STORE_OK, "no");
	check_that(t, tell_lease(p, &g[0]) && tell_lease(p, &g[1]) && tell_lease(p, &g[2]),
	    "something was released");
	check_row(t, "and releases what nobody knows any more");
	check_that(t, limiter_forget(queue, seq) == STORE_OK, "not forgotten");
	redisholder_end(h, g[1].lease);
	check_that(t, redisholder_beat(h, l, queue) == STORE_OK, "no");
	check_that(t, !tell_lease(p, &g[0]) && !tell_lease(p, &g[1]) && tell_lease(p, &g[2]),
	    "something was kept, or released");
	check_that(t, running_of(s, FINISHED_MS, "beats") == 1, "running");
	redisholder_close(h);
	redislink_close(l);
	s->kind->close(s);
}

/* Many threads of one store, more than it makes connections. */

#define THREADS	     40
#define THREAD_CALLS 5

struct crowd {
	struct store *store;
	_Atomic uint64_t in, broken;
};

static void *
crowd_run(void *arg)
{
	struct crowd *c = arg;
	struct admission_ask ask =
	    ask_of(FINISHED_MS, "crowd", (struct quota){ .rpm = THREADS * THREAD_CALLS / 2 });

	for (uint64_t i = 1; i <= THREAD_CALLS; i++) {
		struct admission_grant g = { 0 };

		if (take(c->store, &ask, &g) != STORE_OK)
			c->broken++;
		c->in += g.held;
		if (settle(c->store, &ask, &g, i) != STORE_OK)
			c->broken++;
	}
	return NULL;
}

static void
test_threads(struct check *t, struct place *p)
{
	struct crowd c = { .store = open_store(&p->conf) };
	pthread_t threads[THREADS];

	check_row(t, "more threads than connections");
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, crowd_run, &c) != 0)
			abort();
	for (size_t i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	check_that(t, c.broken == 0, "%d failures", (int)c.broken);
	check_that(t, c.in == THREADS * THREAD_CALLS / 2, "%d let in", (int)c.in);
	check_that(t, running_of(c.store, FINISHED_MS, "crowd") == 0, "running");
	expect_totals(t, p, c.store);
	c.store->kind->close(c.store);
}

/* Several holders. */

#define HOLDERS	     2
#define HOLDER_TAKES 60
#define SHARED	     75u

/* Takes as often as it can, and says how often it was let in. */
static void
holder_run(const struct place *p, int number, int answer)
{
	struct conf c = p->conf;
	struct admission_ask ask =
	    ask_of(FINISHED_MS, "shared", (struct quota){ .rpm = SHARED, .concurrent = 1000 });
	char state[PATH_LEN + 8];
	uint32_t in = 0;
	struct store *s;

	(void)snprintf(state, sizeof(state), "%s%d", p->other, number);
	c.state = state;
	s = open_store(&c);
	for (uint64_t i = 0; i < HOLDER_TAKES; i++) {
		struct admission_grant g = { 0 };

		if (!taken(s, &ask, &g))
			continue;
		in++;
		if (settle(s, &ask, &g, i) != STORE_OK)
			in += 1000;
	}
	s->kind->close(s);
	if (write(answer, &in, sizeof(in)) != (ssize_t)sizeof(in))
		_exit(1);
	_exit(0);
}

static void
test_holders(struct check *t, struct place *p)
{
	struct store *s;
	uint32_t sum = 0, in;
	pid_t pids[HOLDERS];
	int pipes[2];

	check_row(t, "two machines let in together what the limit says, no more and no less");
	if (pipe2(pipes, O_CLOEXEC) != 0)
		abort();
	for (int i = 0; i < HOLDERS; i++) {
		pids[i] = fork_flushed();
		if (pids[i] == 0)
			holder_run(p, i, pipes[1]);
	}
	for (int i = 0; i < HOLDERS; i++) {
		check_that(t, wait_for(pids[i]) == 0, "a process died");
		if (read(pipes[0], &in, sizeof(in)) == (ssize_t)sizeof(in))
			sum += in;
	}
	check_that(t, sum == SHARED, "%u let in", sum);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	s = open_store(&p->conf);
	check_that(t, running_of(s, FINISHED_MS, "shared") == 0, "running");
	s->kind->close(s);
}

/* A process takes a call and is killed. */
static void
take_and_die(const struct place *p, const struct admission_ask *ask)
{
	pid_t pid = fork_flushed();
	struct admission_grant g = { 0 };

	if (pid == 0) {
		if (!taken(open_store(&p->conf), ask, &g))
			_exit(1);
		(void)raise(SIGKILL);
	}
	if (!WIFSIGNALED(wait_for(pid)))
		abort();
}

static void
test_killed(struct check *t, struct place *p)
{
	struct quota q = { .concurrent = 1, .budget_day_nanousd = USD };
	struct admission_ask ask = ask_of(FINISHED_MS, "killed", q);
	struct finished_sums sums = { 0 };
	struct buf rows = buf_make(MIB);
	struct admission_grant g = { 0 };
	struct store *s;

	check_row(t, "the call of a killed process is booked as lost, and holds nothing");
	take_and_die(p, &ask);
	s = open_store(&p->conf);
	check_that(t, take(s, &ask, &g) == STORE_OK && g.refused == LIMIT_CONCURRENT, "let in");
	ask.now_ms += LIMITER_HOLD_MS;
	check_that(t, taken(s, &ask, &g), "not let in");
	check_that(t, settle(s, &ask, &g, 1) == STORE_OK, "not settled");
	expect_totals(t, p, s);
	check_that(t, left_of(s, ask.now_ms, "killed", USD) == USD - FINISHED_COST, "left");
	finished_folder(&sums, p->conf.state);
	check_that(t, sums.lines == 2, "%d lines", (int)sums.lines);
	finished_print_rows(&sums.rows, &rows);
	check_that(
	    t, strstr(buf_str(&rows), "killed k1 model-a calls=1 in=0"), "%s", buf_str(&rows));
	finished_free(&sums);
	buf_free(&rows);
	s->kind->close(s);
}

static void
test_dead(struct check *t, struct place *p)
{
	struct quota q = { .concurrent = 1, .budget_day_nanousd = USD };
	struct admission_ask ask = ask_of(FINISHED_MS, "dead", q);
	struct admission_grant g = { 0 }, next = { 0 };
	struct conf c = p->conf;
	struct store *dead, *s;

	c.state = p->other;
	dead = open_store(&c);
	s = open_store(&p->conf);
	check_row(t, "what a dead holder holds is free after its time and not before");
	check_that(t, taken(dead, &ask, &g), "not taken");
	ask.now_ms = FINISHED_MS + LIMITER_HOLD_MS - 1;
	check_that(
	    t, take(s, &ask, &next) == STORE_OK && next.refused == LIMIT_CONCURRENT, "let in");
	ask.now_ms++;
	check_that(t, taken(s, &ask, &next), "not let in");
	check_row(t, "one that was taken for dead books what it spent and frees nothing twice");
	check_that(t, settle(dead, &ask, &g, 1) == STORE_OK, "not settled");
	check_that(t, left_of(s, ask.now_ms, "dead", USD) == USD - FINISHED_COST - 5000, "left");
	check_that(t, running_of(s, ask.now_ms, "dead") == 1, "running");
	check_that(t, settle(s, &ask, &next, 2) == STORE_OK, "not settled");
	check_that(t, running_of(s, ask.now_ms, "dead") == 0, "running");
	dead->kind->close(dead);
	check_row(t, "stores beside each other share the folder");
	dead = store_redis.open(&p->conf, s, false);
	check_that(t, dead && taken(dead, &ask, &g) && settle(s, &ask, &g, 3) == STORE_OK, "no");
	s->kind->close(s);
	check_that(t, dead && taken(dead, &ask, &g) && settle(dead, &ask, &g, 4) == STORE_OK, "no");
	if (dead)
		dead->kind->close(dead);
}

/* A server that answers and cannot be used. */

/* What goes to the log from here on. */
struct logged {
	int was;
	char path[PATH_LEN];
};

static struct logged
log_begin(const struct place *p)
{
	struct logged l = { .was = dup(STDERR_FILENO) };
	int fd;

	(void)snprintf(l.path, sizeof(l.path), "%s/log", p->top);
	fd = open(l.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (l.was < 0 || fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		abort();
	(void)close(fd);
	return l;
}

/* How many lines hold the text. */
static size_t
log_count(const struct logged *l, const char *text)
{
	FILE *f = fopen(l->path, "r");
	char line[1024];
	size_t n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	if (f)
		(void)fclose(f);
	return n;
}

static void
log_show(const struct logged *l)
{
	FILE *f = fopen(l->path, "r");
	char line[1024];

	while (f && fgets(line, sizeof(line), f))
		printf("# %s", line);
	if (f)
		(void)fclose(f);
}

static void
log_end(const struct logged *l)
{
	if (dup2(l->was, STDERR_FILENO) < 0)
		abort();
	(void)close(l->was);
}

/* Questions are told_server's, in turn, each ended by a semicolon. */
struct trouble {
	const char *name;
	const char *begin, *end;
	enum store_status status;
	const char *why;
};

static const struct trouble troubles[] = {
	{ "a memory that is full", "CONFIG SET maxmemory 1;", "CONFIG SET maxmemory 0;", STORE_AWAY,
	    "its memory is full" },
	{ "a server that has become a replica", "REPLICAOF 127.0.0.1 1;", "REPLICAOF NO ONE;",
	    STORE_AWAY, "it is a replica" },
	{ "too few replicas", "CONFIG SET min-replicas-to-write 3;",
	    "CONFIG SET min-replicas-to-write 0;", STORE_AWAY, "it has too few replicas" },
	{ "a script that is forbidden", "ACL SETUSER default -evalsha;",
	    "ACL SETUSER default +evalsha;", STORE_BROKEN, "the user may not" },
	{ "something in the script that is forbidden", "ACL SETUSER default -mget;",
	    "ACL SETUSER default +mget;", STORE_BROKEN, "the user may not" },
	{ "a key of another kind", "SET {postern}:holders x;", "DEL {postern}:holders;",
	    STORE_BROKEN, "it refuses the question" },
	{ "too many clients", "CONFIG SET maxclients 1;CLIENT KILL TYPE normal SKIPME yes;",
	    "CONFIG SET maxclients 1000;", STORE_AWAY, "it has too many clients" },
	{ "a password that was changed",
	    "CONFIG SET requirepass secret;CLIENT KILL TYPE normal SKIPME yes;",
	    "CONFIG SET requirepass =;", STORE_BROKEN, "it wants a password" },
};

static void
tell_all(struct redislink *l, const char *questions)
{
	struct span rest = span_of(questions), one;

	while (rest.n > 0 && span_next(&rest, ';', &one))
		if (one.n > 0)
			(void)tell_over(l, one);
}

static void
run_trouble(struct check *t, const struct place *p, struct store *s, const struct trouble *trouble)
{
	struct redislink *admin = redislink_open(&p->conf.store);
	struct admission_ask ask = ask_of(FINISHED_MS, "trouble", (struct quota){ 0 });
	int64_t until_ms = clock_mono_ms() + BOUND_MS;
	struct admission_grant g = { 0 };
	struct logged log;

	check_row(t, "%s", trouble->name);
	tell_all(admin, "PING;");
	log = log_begin(p);
	tell_all(admin, trouble->begin);
	for (int i = 0; i < 10; i++) {
		enum store_status status = take(s, &ask, &g);

		check_that(t, status == trouble->status, "take %d: %d", i, (int)status);
		(void)key_is(s, "nobody");
	}
	check_that(t, log_count(&log, "cannot be used") == 1 && log_count(&log, trouble->why) == 1,
	    "%zu lines, %zu say why", log_count(&log, "cannot be used"),
	    log_count(&log, trouble->why));
	if (t->why[0])
		log_show(&log);
	tell_all(admin, trouble->end);
	while (!taken(s, &ask, &g) && clock_mono_ms() < until_ms)
		pause_ms(20);
	check_that(t, g.held && settle(s, &ask, &g, 3) == STORE_OK, "no call afterwards");
	check_that(t, log_count(&log, "answers again") == 1, "%zu times back",
	    log_count(&log, "answers again"));
	log_end(&log);
	redislink_close(admin);
}

/* Each with a store of its own, whose log nothing has come to before. */
static void
test_troubles(struct check *t, struct place *p)
{
	struct store *s;

	for (size_t i = 0; i < ROWS(troubles); i++) {
		s = open_store(&p->conf);
		check_that(t, comes_back(s), "away");
		run_trouble(t, p, s, &troubles[i]);
		s->kind->close(s);
	}
	check_row(t, "and nothing is lost by it");
	s = open_store(&p->conf);
	expect_totals(t, p, s);
	s->kind->close(s);
}

/* Who may do what. */

static void
expect_check(struct check *t, const struct conf *c, const char *want)
{
	const char *why = redis_check(c);

	check_that(t, want ? why && strstr(why, want) : !why, "%s", why ? why : "nothing");
}

/* A store of this configuration does all that the gateway does. */
static void
expect_works(struct check *t, struct place *p, const struct conf *c)
{
	struct admission_ask ask = ask_of(FINISHED_MS, "works", (struct quota){ .rpm = 100 });
	struct admission_grant g = { 0 };
	struct store *s = open_store(c);

	expect_check(t, c, NULL);
	check_that(t, comes_back(s), "away");
	check_that(t, taken(s, &ask, &g) && settle(s, &ask, &g, 1) == STORE_OK, "no call");
	check_that(t, key_is(s, "nobody") == STORE_NOT_FOUND, "no keys");
	expect_totals(t, p, s);
	s->kind->close(s);
}

static void
test_acl(struct check *t, struct place *p)
{
	char good[PATH_LEN], bad[PATH_LEN], user[] = "postern", keeper[] = "keeper";
	char variable[] = "TEST_REDIS_PASSWORD";
	struct conf c = p->conf;
	struct key_change change = { .id = "acl" };

	put_file(p, "good", "secret\n", good);
	put_file(p, "bad", "other\n", bad);
	(void)tell_server(p, "ACL SETUSER postern on nopass " REDIS_ACL_GATEWAY);
	(void)tell_server(p, "ACL SETUSER keeper on nopass " REDIS_ACL_KEYS);
	(void)tell_server(p, "ACL SETUSER postern resetpass >secret");
	c.store.user = user;
	check_row(t, "the user of the documentation may do all that is needed");
	c.store.password_file = good;
	expect_works(t, p, &c);
	check_row(t, "the password in a variable");
	c.store.password_file = NULL;
	c.store.password_env = variable;
	(void)setenv(variable, "secret", 1);
	expect_works(t, p, &c);
	(void)unsetenv(variable);
	check_row(t, "a variable that is not set");
	expect_check(t, &c, "variable");
	check_row(t, "a wrong password");
	c.store.password_env = NULL;
	c.store.password_file = bad;
	expect_check(t, &c, "refuses the user");
	check_row(t, "a file that is not there");
	c.store.password_file = p->other;
	expect_check(t, &c, "file");
	check_row(t, "a user who may do too little");
	c.store.password_file = good;
	(void)tell_server(p, "ACL SETUSER postern -hincrby");
	expect_check(t, &c, "may not");
	(void)tell_server(p, "ACL SETUSER postern -evalsha");
	expect_check(t, &c, "may not");
	check_row(t, "the user who changes keys");
	(void)tell_server(p, "ACL SETUSER keeper resetpass >secret");
	c.store.user = keeper;
	check_that(t, rediskeys_edit(&c, change_key, &change) == 0, "not edited");
	check_row(t, "a password where the default user has one");
	(void)tell_server(p, "CONFIG SET requirepass secret");
	c.store.user = NULL;
	expect_check(t, &c, NULL);
	c.store.password_file = NULL;
	expect_check(t, &c, "wants a password");
}

static void
test_doubts(struct check *t, struct place *p)
{
	check_row(t, "a server that saves what it has is fine");
	check_that(t, !redis_warn(&p->conf), "%s", redis_warn(&p->conf));
	check_row(t, "one that saves nothing is doubtful");
	(void)tell_server(p, "CONFIG SET appendonly no");
	check_that(
	    t, redis_warn(&p->conf) && strstr(redis_warn(&p->conf), "saves nothing"), "fine");
	check_row(t, "one that saves by snapshots is fine");
	(void)tell_server(p, "CONFIG SET save 60=1");
	check_that(t, !redis_warn(&p->conf), "%s", redis_warn(&p->conf));
	check_row(t, "one that forgets when it is full is doubtful");
	(void)tell_server(
	    p, "CONFIG SET appendonly yes maxmemory 100mb maxmemory-policy allkeys-lru");
	check_that(t, redis_warn(&p->conf) && strstr(redis_warn(&p->conf), "evict"), "fine");
	check_row(t, "no server");
	server_end(p);
	check_that(t, !redis_warn(&p->conf), "a doubt");
	expect_check(t, &p->conf, "cannot be connected to");
}

/* TLS. */

static void
run_openssl(const struct place *p, const char *const argv[])
{
	if (wait_for(start(p->top, argv)) != 0)
		abort();
}

/* A certificate that signs itself, under <name>.crt and <name>.key. */
static void
make_certificate(const struct place *p, const char *name, const char *names)
{
	char crt[32], key[32];
	const char *argv[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext",
		names, "-keyout", key, "-out", crt, NULL };

	(void)snprintf(crt, sizeof(crt), "%s.crt", name);
	(void)snprintf(key, sizeof(key), "%s.key", name);
	run_openssl(p, argv);
}

static uint16_t
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)(const void *)&a, n) != 0 ||
	    getsockname(fd, (struct sockaddr *)(void *)&a, &n) != 0)
		abort();
	(void)close(fd);
	return ntohs(a.sin_port);
}

static void
test_tls(struct check *t)
{
	struct place p;
	char port[8], name[] = "localhost", address[] = "127.0.0.1", right[PATH_LEN],
		      wrong[PATH_LEN];
	const char *more[] = { "--port", "0", "--tls-port", port, "--tls-cert-file", "right.crt",
		"--tls-key-file", "right.key", "--tls-auth-clients", "no", NULL };
	struct conf c;

	place_open(&p, NULL);
	server_end(&p);
	make_certificate(&p, "right", "subjectAltName=DNS:localhost");
	make_certificate(&p, "wrong", "subjectAltName=DNS:localhost");
	(void)snprintf(port, sizeof(port), "%u", free_port());
	(void)memcpy(p.more, more, sizeof(more));
	server_start(&p);
	(void)snprintf(right, sizeof(right), "%s/right.crt", p.top);
	(void)snprintf(wrong, sizeof(wrong), "%s/wrong.crt", p.top);
	c = p.conf;
	c.store.path = NULL;
	c.store.host = name;
	c.store.tls = true;
	if (num_u64(span_of(port), 65535, &c.store.port) < 0)
		abort();
	check_row(t, "TLS with a certificate that is trusted and names the host");
	c.store.ca_file = right;
	expect_works(t, &p, &c);
	check_row(t, "a certificate that nobody trusts");
	c.store.ca_file = wrong;
	expect_check(t, &c, "certificate");
	c.store.ca_file = NULL;
	expect_check(t, &c, "certificate");
	check_row(t, "a certificate for another name");
	c.store.ca_file = right;
	c.store.host = address;
	expect_check(t, &c, "certificate");
	check_row(t, "a file of certificates that is none");
	c.store.ca_file = p.top;
	expect_check(t, &c, "certificates to trust");
	check_row(t, "no TLS where it is expected");
	c.store.ca_file = right;
	c.store.tls = false;
	c.store.timeout_ms = SHORT_MS;
	check_that(t, redis_check(&c) != NULL, "works");
	check_row(t, "a certificate for an address");
	server_end(&p);
	make_certificate(&p, "right", "subjectAltName=IP:127.0.0.1");
	server_start(&p);
	c.store.tls = true;
	c.store.timeout_ms = TIMEOUT_MS;
	expect_check(t, &c, NULL);
	c.store.host = name;
	expect_check(t, &c, "certificate");
	place_close(&p);
}

int
main(void)
{
	struct check t = { .module = "redis" };

	with_place(&t, test_vectors);
	with_place(&t, test_keys);
	with_place(&t, test_totals);
	with_place(&t, test_once);
	with_place(&t, test_given_back);
	with_place(&t, test_sums);
	with_place(&t, test_restart);
	with_place(&t, test_stopped);
	with_place(&t, test_local);
	test_older(&t);
	with_place(&t, test_beats);
	with_place(&t, test_threads);
	with_place(&t, test_holders);
	with_place(&t, test_killed);
	with_place(&t, test_dead);
	with_place(&t, test_troubles);
	with_place(&t, test_acl);
	with_place(&t, test_doubts);
	test_tls(&t);
	return check_end(&t);
}
