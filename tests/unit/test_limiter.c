/* limiter: what it lets in and books while threads, processes, clocks and disks misbehave. Times
 * are told, so nothing depends on how fast anything runs. */
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "policy/ledger.h"
#include "policy/period.h"
#include "store/limiter.h"
#include "store/limitrecord.h"
#include "unit/admission_vectors.h"
#include "unit/check.h"

#define DAY   20780 /* 2026-11-23 */
#define START (DAY * VECTOR_DAY)

struct place {
	char folder[64];
	char file[128];
};

static struct place
place_make(void)
{
	struct place p = { .folder = "/tmp/test_limiter.XXXXXX" };

	if (!mkdtemp(p.folder))
		abort();
	(void)snprintf(p.file, sizeof(p.file), "%s/limits", p.folder);
	return p;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void
place_remove(const struct place *p)
{
	(void)nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* What is buffered is written first: some checkers write it once more when the child ends. */
static pid_t
fork_flushed(void)
{
	(void)fflush(stdout);
	return fork();
}

static struct limiter *
open_limiter(const struct place *p)
{
	struct limiter *l = limiter_open(p->file, 0, NULL, NULL, false);

	if (!l)
		abort();
	return l;
}

static struct admission_ask
ask_at(int64_t now_ms, struct quota workspace)
{
	return (struct admission_ask){
		.now_ms = now_ms,
		.workspace = SPAN("alpha"),
		.key = SPAN("k1"),
		.model = SPAN("model"),
		.quota = { workspace },
		.requests = 1,
		.request_id = SPAN("req_1"),
	};
}

/* A take that must be answered. */
static struct admission_grant
take(struct limiter *l, const struct admission_ask *ask)
{
	struct admission_grant grant;

	if (limiter_take(l, ask, &grant) != STORE_OK)
		abort();
	return grant;
}

/* Settles with a line that bears the cost. */
static enum store_status
settle(struct limiter *l, const struct admission_ask *ask, const struct admission_grant *grant,
    struct admission_used used)
{
	struct ledger_entry e = {
		.time_ms = ask->now_ms,
		.day = grant->day,
		.request_id = ask->request_id,
		.key = ask->key,
		.workspace = ask->workspace,
		.model = ask->model,
		.end = SPAN("done"),
		.cost_nanousd = used.nanousd,
		.requests_left = -1,
		.tokens_left = -1,
		.first_ms = -1,
	};
	struct store_booking b = { .ask = ask, .grant = grant, .used = used };
	struct buf line = buf_make(LEDGER_LINE_MAX);
	enum store_status status;

	if (ledger_format(&e, &line) < 0)
		abort();
	b.line = buf_span(&line);
	status = limiter_settle(l, &b, false);
	buf_free(&line);
	return status;
}

/* What the queue holds. */
struct seen {
	uint64_t n, first, last, lost, nanousd;
	bool gap;
	struct ledger_entry lost_entry; /* the last lost one; its texts are in lost_text */
	struct buf lost_text;
};

static int
see(void *arg, const struct limiter_line *line)
{
	struct seen *s = arg;
	struct buf whole = buf_make(2 * LEDGER_LINE_MAX);
	struct buf text = buf_make(2 * LEDGER_LINE_MAX);
	struct ledger_entry e;

	if (ledger_begin(line->seq, &whole) < 0 || buf_add(&whole, line->line) < 0 ||
	    ledger_parse(span_trim(buf_span(&whole)), &e, &text) < 0 || e.seq != line->seq)
		abort();
	s->gap = s->gap || (s->n > 0 && line->seq != s->last + 1);
	s->first = s->n++ ? s->first : line->seq;
	s->last = line->seq;
	s->nanousd += e.cost_nanousd;
	if (span_eq(e.end, SPAN("lost"))) {
		s->lost++;
		buf_free(&s->lost_text);
		s->lost_text = text;
		s->lost_entry = e;
		text = buf_make(0);
	}
	buf_free(&whole);
	buf_free(&text);
	return 0;
}

static struct seen
look(struct limiter *l)
{
	struct seen s = { 0 };

	if (limiter_lines(l, 0, see, &s) != STORE_OK)
		abort();
	return s;
}

static struct seen
look_once(struct limiter *l)
{
	struct seen s = look(l);

	buf_free(&s.lost_text);
	return s;
}

/* Records in the file that begin with these bytes. No limiter of this process has it open. */
static size_t
records(const struct place *p, struct span prefix)
{
	struct kv *kv = kv_open(p->file, KV_VOLATILE, true);
	struct span key, value;
	enum kv_status status;
	struct kv_txn t;
	size_t n = 0;

	if (!kv || kv_begin(kv, false, &t) != KV_OK)
		abort();
	for (status = kv_seek(&t, prefix, &key, &value);
	     status == KV_OK && span_starts(key, prefix); status = kv_next(&t, &key, &value))
		n++;
	kv_abort(&t);
	kv_close(kv);
	return n;
}

static int
vector_takes(void *arg, const struct admission_ask *ask, struct admission_grant *out)
{
	return limiter_take(arg, ask, out) == STORE_OK ? 0 : -1;
}

static int
vector_settles(void *arg, const struct admission_ask *ask, const struct admission_grant *grant,
    const struct admission_used *used)
{
	return settle(arg, ask, grant, *used) == STORE_OK ? 0 : -1;
}

static void
test_vectors(struct check *c, const struct place *p)
{
	struct limiter *l = open_limiter(p);

	admission_vectors_run(c, vector_takes, vector_settles, l);
	limiter_close(l);
}

static void
test_queue(struct check *c, const struct place *p)
{
	const struct quota quota = { .rpm = 100 };
	const struct admission_ask ask = ask_at(START, quota);
	struct limiter *l = limiter_open(p->file, 41, NULL, NULL, false);
	struct seen s;

	check_row(c, "lines are numbered on from the last one before, without a gap");
	check_that(c, !limiter_waiting(l) && !limiter_holds(l), "waits or holds");
	for (int i = 0; i < 100; i++) {
		struct admission_grant grant = take(l, &ask);

		check_that(c, limiter_holds(l), "holds nothing");
		check_that(c, settle(l, &ask, &grant, (struct admission_used){ 0, 1 }) == STORE_OK,
		    "not settled");
	}
	s = look_once(l);
	check_that(c, s.n == 100 && s.first == 42 && s.last == 141 && !s.gap, "%d from %d",
	    (int)s.n, (int)s.first);
	check_that(c, limiter_waiting(l) && !limiter_holds(l), "does not wait, or holds");
	check_row(c, "lines that are forgotten are gone, and their numbers stay used");
	check_that(c, limiter_forget(l, 41) == STORE_OK && look_once(l).n == 100, "too many");
	check_that(c, limiter_forget(l, 50) == STORE_OK && look_once(l).first == 51, "not 50");
	check_that(c, limiter_forget(l, 140) == STORE_OK && look_once(l).n == 1, "not 140");
	check_that(c, limiter_waiting(l), "does not wait");
	check_that(c, limiter_forget(l, 1000) == STORE_OK && !limiter_waiting(l), "waits");
	limiter_close(l);
	l = limiter_open(p->file, 41, NULL, NULL, false);
	check_that(c,
	    settle(l, &ask, &(struct admission_grant){ 0 }, (struct admission_used){ 0 }) ==
		STORE_OK,
	    "not settled");
	check_that(c, look_once(l).first == 142, "%d", (int)look_once(l).first);
	limiter_close(l);
	check_row(c, "numbers that the ledger has already are passed over");
	l = limiter_open(p->file, 1000, NULL, NULL, false);
	check_that(c,
	    settle(l, &ask, &(struct admission_grant){ 0 }, (struct admission_used){ 0 }) ==
		STORE_OK,
	    "not settled");
	check_that(c, look_once(l).last == 1001, "%d", (int)look_once(l).last);
	limiter_close(l);
	check_row(c, "a reader sees the queue");
	l = limiter_open(p->file, 0, NULL, NULL, true);
	check_that(c, l && limiter_waiting(l) && look_once(l).n == 2, "not both");
	limiter_close(l);
}

/* Compares with what was queued, field by field. */
struct due {
	struct check *c;
	const struct store_booking *want;
	size_t n, dues;
};

static int
see_due(void *arg, const struct limiter_line *line)
{
	struct due *d = arg;
	const struct store_booking *w = d->want;

	d->n++;
	d->dues += line->due;
	check_same(d->c, line->line, w->line);
	if (!line->due)
		return check_that(d->c, !line->ask.workspace.p, "something of one not due"), 0;
	check_same(d->c, line->ask.workspace, w->ask->workspace);
	check_same(d->c, line->ask.key, w->ask->key);
	check_same(d->c, line->ask.model, w->ask->model);
	check_that(d->c, memcmp(line->ask.quota, w->ask->quota, sizeof(w->ask->quota)) == 0,
	    "another quota");
	check_that(d->c,
	    line->grant.held == w->grant->held && line->grant.lease == w->grant->lease &&
		line->grant.day == w->grant->day && line->grant.month == w->grant->month &&
		line->grant.taken[0] == w->grant->taken[0] &&
		line->grant.taken[1] == w->grant->taken[1] &&
		line->grant.nanousd == w->grant->nanousd &&
		line->grant.now_ms == w->grant->now_ms &&
		line->grant.store_mark == w->grant->store_mark &&
		line->grant.day_held[0] == w->grant->day_held[0] &&
		line->grant.day_held[1] == w->grant->day_held[1] &&
		line->grant.month_held[0] == w->grant->month_held[0] &&
		line->grant.month_held[1] == w->grant->month_held[1],
	    "another grant");
	check_that(d->c,
	    line->used.tokens == w->used.tokens && line->used.nanousd == w->used.nanousd,
	    "another use");
	return 0;
}

static void
test_due(struct check *c, const struct place *p)
{
	struct quota quota = { .rpm = 1, .tpm = 2, .concurrent = 3, .budget_day_nanousd = 4 };
	const struct admission_ask ask = ask_at(START, quota);
	const struct admission_grant grant = { .now_ms = 5,
		.held = true,
		.lease = 6,
		.day = 7,
		.month = 8,
		.taken = { 9, 10 },
		.nanousd = 11,
		.day_held = { true, false },
		.month_held = { false, true },
		.store_mark = 12 };
	const struct store_booking b = {
		.ask = &ask, .grant = &grant, .used = { 13, 14 }, .line = SPAN("\"a line\"\n")
	};
	struct limiter *l = open_limiter(p);
	struct due d = { .c = c, .want = &b };
	uint64_t seq = 0;

	check_row(c, "a due line brings all that its settlement needs");
	for (int i = 0; i < 2; i++)
		check_that(c, limiter_note(l, &ask, &grant) == STORE_OK, "not noted");
	check_that(c, limiter_queue(l, &b, true, &seq) == STORE_OK && seq == 1, "seq %d", (int)seq);
	check_that(
	    c, limiter_queue(l, &b, false, &seq) == STORE_OK && seq == 2, "seq %d", (int)seq);
	check_that(c, limiter_lines(l, 0, see_due, &d) == STORE_OK && d.n == 2 && d.dues == 1,
	    "%zu lines, %zu due", d.n, d.dues);
	check_that(c, limiter_forget(l, 2) == STORE_OK && !limiter_waiting(l), "waits");
	limiter_close(l);
}

struct past {
	uint64_t spent, seq;
	size_t asked;
	int answer;
};

static int
tell_past(void *arg, struct limiter_purse *p)
{
	struct past *past = arg;

	past->asked++;
	p->spent = past->spent;
	p->seq = past->seq;
	return past->answer;
}

/* What is left of the workspace's budget of the day, by a call that asks for too much. */
static uint64_t
left_of(struct limiter *l, int64_t now_ms, struct quota quota)
{
	struct admission_ask ask = ask_at(now_ms, quota);
	struct admission_grant grant;

	ask.nanousd = QUOTA_NANOUSD_MAX;
	grant = take(l, &ask);
	return grant.refused == LIMIT_BUDGET_DAY ? grant.left : UINT64_MAX;
}

/* The past of the day was asked for before, once. */
static void
seed_again(struct check *c, struct limiter *l, struct past *past)
{
	const struct quota day = { .budget_day_nanousd = 1000 };
	const struct quota both = { .budget_day_nanousd = 1000, .budget_month_nanousd = 5000 };
	struct admission_ask ask = ask_at(START, both);
	struct admission_grant grant;

	check_row(c, "another budget and another day ask again, each for its own");
	past->seq = 100;
	ask.nanousd = 100;
	grant = take(l, &ask);
	check_that(c, grant.held && past->asked == 2, "asked %zu times", past->asked);
	past->spent = 999;
	check_that(c, left_of(l, START + VECTOR_DAY, day) == 1, "not 1");
	check_that(c, past->asked == 3, "asked %zu times", past->asked);
	check_row(c, "a past that cannot be told refuses the take, which takes nothing");
	past->answer = -1;
	ask.now_ms = START + 2 * VECTOR_DAY;
	check_that(c, limiter_take(l, &ask, &grant) == STORE_BROKEN && !grant.held, "taken");
	*past = (struct past){ .seq = 100 };
	check_that(c, left_of(l, START + 2 * VECTOR_DAY, day) == 1000, "not 1000");
}

static void
test_seed(struct check *c, const struct place *p)
{
	const struct quota quota = { .budget_day_nanousd = 1000 };
	struct past past = { .spent = 300 };
	struct limiter *l = limiter_open(p->file, 0, tell_past, &past, false);
	struct admission_ask ask = ask_at(START, (struct quota){ 0 });
	struct admission_grant grant = take(l, &ask), later;

	check_row(c, "no budget, no purse");
	check_that(c, past.asked == 0, "asked");
	for (int i = 0; i < 5; i++)
		check_that(c, settle(l, &ask, &grant, (struct admission_used){ 0, 10 }) == STORE_OK,
		    "not settled");
	check_row(c, "a purse begins with what was spent before, and what is queued beyond");
	past.seq = 2;
	check_that(c, left_of(l, START, quota) == 670, "%d", (int)left_of(l, START, quota));
	check_that(c, past.asked == 1, "asked %zu times", past.asked);
	check_row(c, "what is settled after is counted once, with or without a budget at the take");
	grant = take(l, &ask);
	ask.quota[SCOPE_WORKSPACE] = quota;
	ask.nanousd = 100;
	later = take(l, &ask);
	check_that(c, left_of(l, START, quota) == 570, "%d", (int)left_of(l, START, quota));
	check_that(c, settle(l, &ask, &grant, (struct admission_used){ 0, 20 }) == STORE_OK, "no");
	check_that(c, settle(l, &ask, &later, (struct admission_used){ 0, 30 }) == STORE_OK, "no");
	check_that(c, left_of(l, START, quota) == 620, "%d", (int)left_of(l, START, quota));
	check_that(c, past.asked == 1, "asked %zu times", past.asked);
	seed_again(c, l, &past);
	limiter_close(l);
}

/* A child that does as it is told by bytes on a pipe, and answers each with one. */
struct worker {
	pid_t pid;
	int ask, answer;
};

/* With a limiter of its own and one grant. */
struct work {
	struct limiter *l;
	struct admission_ask ask;
	struct admission_grant grants[3];
};

static bool
work_one(struct work *w, char what)
{
	switch (what) {
	case 't':
		for (int i = 0; i < 3; i++)
			w->grants[i] = take(w->l, &w->ask);
		return w->grants[2].held;
	case 'b':
		return limiter_beat(w->l) == STORE_OK;
	case 's':
		w->ask.now_ms += 90000;
		return settle(w->l, &w->ask, &w->grants[0], (struct admission_used){ 7, 10 }) ==
		    STORE_OK;
	case 'h':
		return limiter_holds(w->l);
	default:
		return false;
	}
}

static void
work(const struct place *p, const struct admission_ask *ask, int in, int out)
{
	struct work w = { .l = open_limiter(p), .ask = *ask };
	char what;

	while (read(in, &what, 1) == 1) {
		char good = work_one(&w, what);

		if (write(out, &good, 1) != 1)
			break;
	}
	limiter_close(w.l);
	_exit(0);
}

static struct worker
worker_start(const struct place *p, const struct admission_ask *ask)
{
	int in[2], out[2];
	struct worker w;

	if (pipe(in) != 0 || pipe(out) != 0)
		abort();
	w.pid = fork_flushed();
	if (w.pid == 0) {
		(void)close(in[1]);
		(void)close(out[0]);
		work(p, ask, in[0], out[1]);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	w.ask = in[1];
	w.answer = out[0];
	return w;
}

static bool
worker_does(const struct worker *w, char what)
{
	char good = 0;

	return write(w->ask, &what, 1) == 1 && read(w->answer, &good, 1) == 1 && good;
}

static void
worker_end(const struct worker *w, bool kill_it)
{
	if (kill_it)
		(void)kill(w->pid, SIGKILL);
	(void)close(w->ask);
	(void)close(w->answer);
	(void)waitpid(w->pid, NULL, 0);
}

static void
test_dead(struct check *c, const struct place *p)
{
	const struct quota quota = { .tpm = 1000, .concurrent = 3, .budget_day_nanousd = 1000 };
	struct admission_ask ask = ask_at(START, quota);
	struct admission_grant grant;
	struct limiter *l;
	struct worker w;
	struct seen s;

	ask.tokens = 100;
	ask.nanousd = 200;
	w = worker_start(p, &ask);
	check_row(c, "a killed process holds what it held for %d ms", LIMITER_HOLD_MS);
	check_that(c, worker_does(&w, 't'), "no take");
	worker_end(&w, true);
	l = open_limiter(p);
	ask.now_ms = START + LIMITER_HOLD_MS - 1;
	grant = take(l, &ask);
	check_that(c, grant.refused == LIMIT_BUDGET_DAY || grant.refused == LIMIT_CONCURRENT,
	    "let in: %d", (int)grant.refused);
	ask.nanousd = 0;
	grant = take(l, &ask);
	check_that(c, grant.refused == LIMIT_CONCURRENT, "let in: %d", (int)grant.refused);
	check_that(c, look_once(l).n == 0, "something is booked");
	check_row(c, "then its slots and its money are free, and its calls are booked as lost");
	ask.now_ms++;
	grant = take(l, &ask);
	check_that(c, grant.held, "refused: %d", (int)grant.refused);
	check_that(c, left_of(l, ask.now_ms, quota) == 1000, "money is held");
	s = look(l);
	check_that(
	    c, s.n == 3 && s.lost == 3 && s.last == 3 && !s.gap, "%d of %d", (int)s.lost, (int)s.n);
	check_row(c, "the line of a lost call says what is known");
	if (check_that(c, s.lost > 0, "none")) {
		const struct ledger_entry *e = &s.lost_entry;

		check_same(c, e->workspace, SPAN("alpha"));
		check_same(c, e->key, SPAN("k1"));
		check_same(c, e->model, SPAN("model"));
		check_same(c, e->request_id, SPAN("req_1"));
		check_that(c, e->cut && e->routed && e->status == 0 && e->day == DAY, "its marks");
		check_that(c, e->reserved_tokens == 100 && e->reserved_nanousd == 200, "reserved");
		check_that(c, e->total_ms == LIMITER_HOLD_MS && usage_none(&e->usage), "its time");
		check_that(c, e->cost_nanousd == 0 && e->requests_left == -1, "its cost");
	}
	buf_free(&s.lost_text);
	limiter_close(l);
}

/* The clock of a machine that has just been started is near its zero. */
static void
test_dead_early(struct check *c, const struct place *p)
{
	struct admission_ask ask = ask_at(1, (struct quota){ .concurrent = 3 });
	struct limiter *l;
	struct worker w;

	check_row(c, "a process that is killed right after the machine was started holds nothing");
	w = worker_start(p, &ask);
	check_that(c, worker_does(&w, 't'), "no take");
	worker_end(&w, true);
	l = open_limiter(p);
	ask.now_ms += LIMITER_HOLD_MS;
	check_that(c, take(l, &ask).held, "a slot is stuck");
	limiter_close(l);
}

static void
test_slept(struct check *c, const struct place *p)
{
	const struct quota quota = { .concurrent = 4, .budget_day_nanousd = 1000 };
	struct admission_ask ask = ask_at(START, quota);
	struct limiter *l = open_limiter(p);
	struct worker w;

	ask.nanousd = 200;
	w = worker_start(p, &ask);
	check_row(c, "a process that slept settles what was taken from it meanwhile");
	check_that(c, worker_does(&w, 't'), "no take");
	check_that(c, left_of(l, START + LIMITER_HOLD_MS, quota) == 1000, "money is held");
	check_that(c, look_once(l).lost == 3, "not lost");
	check_that(c, worker_does(&w, 's'), "not settled");
	check_that(c, left_of(l, START + LIMITER_HOLD_MS, quota) == 990, "%d",
	    (int)left_of(l, START + LIMITER_HOLD_MS, quota));
	check_that(c, look_once(l).n == 4, "not booked");
	check_row(c, "and holds what it takes from then on");
	check_that(c, worker_does(&w, 't'), "no take");
	ask.now_ms = START + 90000 + LIMITER_HOLD_MS - 1;
	check_that(
	    c, left_of(l, ask.now_ms, quota) == 390, "%d", (int)left_of(l, ask.now_ms, quota));
	worker_end(&w, true);
	limiter_close(l);
}

/* Calls that another store has let in. */

static const struct admission_grant noted_grant = { .held = true,
	.lease = 7,
	.day = DAY,
	.month = 682,
	.taken = { 100, 0 },
	.nanousd = 200,
	.day_held = { true },
	.store_mark = 12 };

static void
note_and_die(const struct place *p, const struct admission_ask *ask)
{
	pid_t pid = fork_flushed();
	int status = -1;

	if (pid == 0) {
		if (limiter_note(open_limiter(p), ask, &noted_grant) == STORE_OK)
			(void)raise(SIGKILL);
		_exit(1);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		abort();
}

static void
test_noted(struct check *c, const struct place *p)
{
	const struct quota quota = { .concurrent = 1, .budget_day_nanousd = 1000 };
	struct admission_ask ask = ask_at(START, quota);
	struct store_booking b = { &ask, &noted_grant, { 30, 150 }, SPAN("\"a line\"\n"), 0 };
	struct admission_grant grant;
	struct limiter *l;
	uint64_t seq = 0;
	struct seen s;

	check_row(c, "a noted call whose process dies is booked as lost");
	note_and_die(p, &ask);
	l = open_limiter(p);
	ask.now_ms = START + LIMITER_HOLD_MS;
	grant = take(l, &ask);
	check_that(c, grant.held, "refused: %d", (int)grant.refused);
	s = look(l);
	check_that(c, s.n == 1 && s.lost == 1, "%d of %d", (int)s.lost, (int)s.n);
	check_that(c,
	    s.lost > 0 && span_eq(s.lost_entry.request_id, SPAN("req_1")) &&
		s.lost_entry.day == DAY && s.lost_entry.reserved_tokens == 100 &&
		s.lost_entry.reserved_nanousd == 200,
	    "the line says something else");
	buf_free(&s.lost_text);
	check_row(c, "a noted call holds nothing here and is not lost when it ends");
	check_that(c, settle(l, &ask, &grant, (struct admission_used){ 0 }) == STORE_OK, "no");
	check_that(c, limiter_note(l, &ask, &noted_grant) == STORE_OK && limiter_holds(l), "no");
	check_that(c, left_of(l, ask.now_ms, quota) == 1000, "money is held");
	check_that(c, limiter_queue(l, &b, true, &seq) == STORE_OK && seq == 3, "not queued");
	check_that(c, !limiter_holds(l), "still noted");
	check_row(c, "what it has spent counts here, too");
	check_that(
	    c, left_of(l, ask.now_ms, quota) == 850, "%d", (int)left_of(l, ask.now_ms, quota));
	grant = take(l, &ask);
	check_that(c, grant.held, "a call at once is held");
	check_row(c, "numbers that are used elsewhere are passed over");
	check_that(c, limiter_pass(l, 41) == STORE_OK && limiter_pass(l, 40) == STORE_OK, "no");
	check_that(c, limiter_queue(l, &b, true, &seq) == STORE_OK && seq == 42, "%d", (int)seq);
	limiter_close(l);
}

static void
test_beat(struct check *c, const struct place *p)
{
	const struct quota quota = { .concurrent = 3 };
	int64_t now_ms = clock_mono_ms(); /* by which a beat says that its process is alive */
	struct admission_ask ask = ask_at(now_ms - LIMITER_HOLD_MS + 1000, quota);
	struct limiter *l = open_limiter(p);
	struct worker w = worker_start(p, &ask);

	check_row(c, "a process that beats keeps what it holds");
	check_that(c, worker_does(&w, 't') && worker_does(&w, 'h'), "no take");
	check_that(c, worker_does(&w, 'b'), "no beat");
	ask.now_ms = now_ms + LIMITER_HOLD_MS - 1;
	check_that(c, take(l, &ask).refused == LIMIT_CONCURRENT, "taken from it");
	worker_end(&w, true);
	check_row(c, "by another clock that is behind, nobody is dead before his time");
	ask.now_ms = 1;
	check_that(c, take(l, &ask).refused == LIMIT_CONCURRENT, "taken from it");
	ask.now_ms += LIMITER_HOLD_MS - 1;
	check_that(c, take(l, &ask).refused == LIMIT_CONCURRENT, "taken from it");
	ask.now_ms += 1;
	check_that(c, take(l, &ask).held, "never dead");
	limiter_close(l);
}

/* Counts and removes records by their first byte. */
static void
drop_records(const struct place *p, struct span prefix)
{
	struct kv *kv = kv_open(p->file, KV_VOLATILE, false);
	struct span key, value;
	struct kv_txn t;

	if (!kv || kv_begin(kv, true, &t) != KV_OK)
		abort();
	while (kv_seek(&t, prefix, &key, &value) == KV_OK && span_starts(key, prefix)) {
		char own[512];

		memcpy(own, key.p, key.n);
		if (kv_del(&t, (struct span){ own, key.n }) != KV_OK)
			abort();
	}
	if (kv_commit(&t) != KV_OK)
		abort();
	kv_close(kv);
}

static void
beat_often(struct limiter *l)
{
	for (int i = 0; i < 40; i++)
		if (limiter_beat(l) != STORE_OK)
			abort();
}

#define MANY 500

static void
test_sweep(struct check *c, const struct place *p)
{
	int64_t long_ago_ms = clock_wall_ms() - VECTOR_DAY * 40;
	const struct quota quota = { .rpm = 2, .tpm = 10, .budget_day_nanousd = 1000 };
	struct limiter *l = open_limiter(p);
	struct admission_ask ask = ask_at(long_ago_ms, quota);
	struct admission_grant grant;
	char names[2][16];

	check_row(c, "what says nothing any more is dropped");
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(names[0], sizeof(names[0]), "w%d", i);
		(void)snprintf(names[1], sizeof(names[1]), "m%d", i);
		ask.workspace = span_of(names[0]);
		ask.model = span_of(names[1]);
		ask.nanousd = 5;
		grant = take(l, &ask);
		check_that(
		    c, settle(l, &ask, &grant, (struct admission_used){ 1, 5 }) == STORE_OK, "no");
	}
	limiter_close(l);
	check_that(c, records(p, SPAN("A0")) == MANY && records(p, SPAN("M0")) == MANY, "not made");
	check_that(c, records(p, SPAN("M1")) == 0, "a meter without a limit");
	l = open_limiter(p);
	check_that(c, limiter_beat(l) == STORE_OK, "no beat");
	limiter_close(l);
	check_that(c, records(p, SPAN("A")) == 0 && records(p, SPAN("M")) == 0, "%zu and %zu left",
	    records(p, SPAN("A")), records(p, SPAN("M")));
	check_that(c, records(p, SPAN("Q")) == MANY, "lines, too");
	check_row(c, "what still says something stays");
	l = open_limiter(p);
	ask.now_ms = clock_wall_ms() + 3600000;
	ask.workspace = SPAN("spent");
	grant = take(l, &ask);
	check_that(c, settle(l, &ask, &grant, (struct admission_used){ 1, 5 }) == STORE_OK, "no");
	ask.workspace = SPAN("running");
	ask.key = SPAN("k2");
	(void)take(l, &ask);
	beat_often(l);
	limiter_close(l);
	check_that(c, records(p, SPAN("A0spent")) == 1, "a purse is gone");
	check_that(c, records(p, SPAN("A0running")) == 1, "a running call is gone");
	check_that(c, records(p, SPAN("M0")) == 2, "%zu meters", records(p, SPAN("M0")));
	check_that(c, records(p, SPAN("A1k1")) == 0, "an idle key is there");
	check_row(c, "a lease without a holder gets one back, and runs out");
	drop_records(p, SPAN("H"));
	l = open_limiter(p);
	beat_often(l);
	limiter_close(l);
	check_that(c, records(p, SPAN("H")) == 1 && records(p, SPAN("L")) == 1, "no holder");
	l = open_limiter(p);
	ask.now_ms += VECTOR_DAY;
	(void)take(l, &ask);
	limiter_close(l);
	check_that(c, records(p, SPAN("L")) == 1, "not run out");
	check_row(c, "a process that goes in peace leaves no holder");
	place_remove(p);
	if (mkdir(p->folder, 0700) != 0)
		abort();
	l = open_limiter(p);
	ask.now_ms = START;
	grant = take(l, &ask);
	check_that(c, settle(l, &ask, &grant, (struct admission_used){ 1, 5 }) == STORE_OK, "no");
	limiter_close(l);
	check_that(c, records(p, SPAN("H")) == 0, "a holder");
}

#define HAMMERS 4
#define THREADS 2
#define BLOWS	60

struct hammer {
	struct limiter *l;
	struct admission_ask ask;
	uint64_t in; /* let in */
};

static void *
hammer(void *arg)
{
	struct hammer *h = arg;

	for (int i = 0; i < BLOWS; i++) {
		struct admission_grant grant = take(h->l, &h->ask);

		h->in += grant.held;
	}
	return NULL;
}

static void
hammer_in_child(const struct place *p, const struct admission_ask *ask, _Atomic uint64_t *in)
{
	struct hammer hammers[THREADS];
	pthread_t threads[THREADS];
	struct limiter *l = open_limiter(p);

	for (int i = 0; i < THREADS; i++) {
		hammers[i] = (struct hammer){ .l = l, .ask = *ask };
		if (pthread_create(&threads[i], NULL, hammer, &hammers[i]) != 0)
			abort();
	}
	for (int i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		*in += hammers[i].in;
	}
	limiter_close(l);
	_exit(0);
}

/* A number that parent and child see. */
static _Atomic uint64_t *
shared_numbers(size_t n)
{
	void *p = mmap(
	    NULL, n * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static void
test_hammer(struct check *c, const struct place *p)
{
	static const struct {
		const char *what;
		struct quota quota;
		uint64_t tokens, nanousd, in;
	} rows[] = {
		{ "requests", { .rpm = 100 }, 0, 0, 100 },
		{ "tokens", { .tpm = 1000 }, 7, 0, 142 },
		{ "calls at once", { .concurrent = 55 }, 0, 0, 55 },
		{ "a budget of the day", { .budget_day_nanousd = 1000 }, 0, 9, 111 },
		{ "a budget of the month", { .budget_month_nanousd = 1000 }, 0, 10, 100 },
	};
	_Atomic uint64_t *in = shared_numbers(ROWS(rows));

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct admission_ask ask = ask_at(START, rows[i].quota);
		char name[16];

		check_row(
		    c, "many processes and threads get no more than there is: %s", rows[i].what);
		(void)snprintf(name, sizeof(name), "w%zu", i);
		ask.workspace = span_of(name);
		ask.tokens = rows[i].tokens;
		ask.nanousd = rows[i].nanousd;
		for (int n = 0; n < HAMMERS; n++) {
			if (fork_flushed() == 0)
				hammer_in_child(p, &ask, &in[i]);
		}
		while (wait(NULL) > 0)
			;
		check_that(c, in[i] == rows[i].in, "%llu let in, not %llu",
		    (unsigned long long)in[i], (unsigned long long)rows[i].in);
	}
	(void)munmap(in, ROWS(rows) * sizeof(uint64_t));
}

#define KILLS	    25
#define KILL_BUDGET UINT64_C(1000000)

/* Takes and settles until it is killed. numbers: what was settled surely, and what it cost. */
static void
take_and_settle(const struct place *p, int64_t now_ms, _Atomic uint64_t *numbers)
{
	const struct quota quota = {
		.tpm = QUOTA_RATE_MAX, .concurrent = 2, .budget_day_nanousd = KILL_BUDGET
	};
	struct limiter *l = open_limiter(p);
	struct admission_ask ask = ask_at(now_ms, quota);

	ask.tokens = 10;
	ask.nanousd = 50;
	for (;;) {
		struct admission_grant grant = take(l, &ask);

		if (!grant.held ||
		    settle(l, &ask, &grant, (struct admission_used){ 5, 3 }) != STORE_OK)
			abort();
		++*numbers;
	}
}

static void
test_killed(struct check *c, const struct place *p)
{
	const struct quota quota = { .concurrent = 1, .budget_day_nanousd = KILL_BUDGET };
	_Atomic uint64_t *done = shared_numbers(1);
	uint64_t random = 5;
	int64_t now_ms = START;

	check_row(c, "a process is killed at any moment: sums agree, no slot is stuck");
	for (uint64_t i = 1; i <= KILLS; i++) {
		uint64_t until = *done + 1 + check_pick(&random, 25);
		pid_t pid = fork_flushed();
		struct admission_grant grant;
		struct admission_ask ask;
		struct limiter *l;
		struct seen s;

		if (pid == 0)
			take_and_settle(p, now_ms, done);
		while (*done < until)
			(void)sched_yield();
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		now_ms += LIMITER_HOLD_MS;
		l = open_limiter(p);
		check_that(c, left_of(l, now_ms, quota) == KILL_BUDGET - look_once(l).nanousd,
		    "%d left", (int)left_of(l, now_ms, quota));
		s = look_once(l);
		check_that(c, !s.gap && s.first == 1 && s.last == s.n, "a gap");
		check_that(c, s.lost <= i && s.n - s.lost >= *done && s.n - s.lost <= *done + i,
		    "%d lines, %d lost, %d done", (int)s.n, (int)s.lost, (int)*done);
		ask = ask_at(now_ms, quota);
		grant = take(l, &ask);
		check_that(c, grant.held, "a slot is stuck");
		check_that(c, settle(l, &ask, &grant, (struct admission_used){ 0, 3 }) == STORE_OK,
		    "not settled");
		++*done;
		limiter_close(l);
	}
	(void)munmap(done, sizeof(uint64_t));
}

static bool
limit_files(rlim_t bytes)
{
	const struct rlimit limit = { bytes, RLIM_INFINITY };

	return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

/* In a child: a limit on the size of files stands in for a full disk. */
static int
fill_limited(const struct place *p)
{
	const struct quota quota = { .concurrent = 5, .budget_day_nanousd = 1000 };
	struct admission_ask ask = ask_at(0, quota);
	struct admission_grant grants[4];
	struct limiter *l;
	struct seen s;

	ask.nanousd = 100;
	(void)signal(SIGXFSZ, SIG_IGN);
	if (!limit_files(4 * MIB))
		return 2;
	l = open_limiter(p);
	for (size_t i = 0; i < 3; i++)
		grants[i] = take(l, &ask);
	if (!limit_files(4096))
		return 2;
	if (limiter_take(l, &ask, &grants[3]) != STORE_BROKEN || grants[3].held)
		return 3;
	if (settle(l, &ask, &grants[0], (struct admission_used){ 0, 70 }) != STORE_BROKEN)
		return 4;
	if (limiter_beat(l) != STORE_BROKEN || !limiter_holds(l))
		return 5;
	if (!limit_files(4 * MIB))
		return 2;
	if (settle(l, &ask, &grants[1], (struct admission_used){ 0, 70 }) != STORE_OK ||
	    left_of(l, 0, quota) != 1000 - 70 - 200)
		return 6;
	if (limiter_beat(l) != STORE_OK || left_of(l, 0, quota) != 1000 - 70 - 70 - 100)
		return 7;
	if (settle(l, &ask, &grants[2], (struct admission_used){ 0, 70 }) != STORE_OK ||
	    limiter_holds(l))
		return 8;
	s = look_once(l);
	limiter_close(l);
	return s.n == 3 && s.lost == 0 && s.nanousd == 210 && !s.gap ? 0 : 9;
}

static void
test_full(struct check *c, const struct place *p)
{
	int status = -1;
	pid_t pid;

	check_row(
	    c, "a full disk lets nobody in; a call that could not be settled is settled later");
	pid = fork_flushed();
	if (pid == 0)
		_exit(fill_limited(p));
	(void)waitpid(pid, &status, 0);
	check_that(c, WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
}

#define LONG_LINE (12 * KIB)

static void
test_long_queue(struct check *c, const struct place *p)
{
	struct limiter *l = open_limiter(p);
	const struct admission_ask ask = ask_at(START, (struct quota){ 0 });
	struct admission_grant grant = { 0 }, held;
	struct store_booking b = { .ask = &ask, .grant = &grant };
	char *line = malloc(LONG_LINE);
	uint64_t seq = 0, last = 0, none = 7;

	if (!line)
		abort();
	memset(line, 'x', LONG_LINE);
	b.line = (struct span){ line, LONG_LINE };
	check_row(c, "a queue that nobody empties lets nobody in, but takes what is under way");
	held = take(l, &ask);
	while (limiter_take(l, &ask, &grant) == STORE_OK && last < 100000)
		for (int i = 0; i < 200 && limiter_queue(l, &b, false, &seq) == STORE_OK; i++)
			last = seq;
	seq = last;
	check_that(c, seq >= 64 * MIB / LONG_LINE && seq < 100000, "%d lines", (int)seq);
	check_that(c, limiter_queue(l, &b, false, &none) != STORE_OK && none == 0,
	    "a refused call is taken");
	b.grant = &held;
	check_that(c, limiter_settle(l, &b, false) == STORE_OK, "not settled");
	seq++;
	check_that(c, limiter_forget(l, seq) == STORE_OK, "not forgotten");
	check_that(c, limiter_take(l, &ask, &grant) == STORE_OK && grant.held, "not let in");
	free(line);
	limiter_close(l);
}

static void
test_other_format(struct check *c, const struct place *p)
{
	struct limiter *l = open_limiter(p);
	struct admission_ask ask = ask_at(START, (struct quota){ .rpm = 1 });
	struct limitrecord_meta meta = { .format = LIMITRECORD_FORMAT + 1, .seq = 5 };
	struct kv_txn t;
	struct kv *kv;
	char name[16];

	check_row(c, "a file of another version of the program begins anew");
	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "w%d", i);
		ask.workspace = span_of(name);
		(void)take(l, &ask);
	}
	limiter_close(l);
	kv = kv_open(p->file, KV_VOLATILE, false);
	if (!kv || kv_begin(kv, true, &t) != KV_OK ||
	    kv_put(&t, SPAN("!"), (struct span){ (char *)&meta, sizeof(meta) }) != KV_OK ||
	    kv_commit(&t) != KV_OK)
		abort();
	kv_close(kv);
	l = limiter_open(p->file, 17, NULL, NULL, false);
	if (!check_that(c, l != NULL, "not opened"))
		return;
	check_that(c, take(l, &ask).held, "not let in");
	check_that(c,
	    settle(l, &ask, &(struct admission_grant){ 0 }, (struct admission_used){ 0 }) ==
		STORE_OK,
	    "not settled");
	check_that(c, look_once(l).last == 18, "another number");
	limiter_close(l);
	check_that(c, records(p, SPAN("A")) == 2 && records(p, SPAN("M")) == 1, "old records");
}

int
main(void)
{
	static void (*const tests[])(struct check *, const struct place *) = { test_vectors,
		test_queue, test_due, test_seed, test_dead, test_dead_early, test_slept, test_noted,
		test_beat, test_sweep, test_hammer, test_killed, test_full, test_long_queue,
		test_other_format };
	struct check c = { .module = "limiter" };

	for (size_t i = 0; i < ROWS(tests); i++) {
		struct place p = place_make();

		(void)fflush(stdout);
		tests[i](&c, &p);
		place_remove(&p);
	}
	return check_end(&c);
}
