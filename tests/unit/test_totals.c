/* totals: sums that are there after the end of a transaction, and only then, whoever dies when; and
 * a damaged file that is refused and not made anew. */
#include "store/totals.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "policy/period.h"
#include "unit/check.h"

#define PATH_LEN 256
#define DAY	 20778 /* 2026-11-21 */
#define CENT	 UINT64_C(10000000)

struct place {
	char folder[64];
	char path[PATH_LEN], log[PATH_LEN];
	int said; /* standard error as it was */
};

static struct place
place_make(void)
{
	struct place p = { .folder = "/tmp/test_totals.XXXXXX" };

	if (!mkdtemp(p.folder))
		abort();
	(void)snprintf(p.path, sizeof(p.path), "%s/totals.mdb", p.folder);
	(void)snprintf(p.log, sizeof(p.log), "%s/log", p.folder);
	(void)fflush(stderr);
	p.said = dup(STDERR_FILENO);
	if (!freopen(p.log, "a", stderr))
		abort();
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
	(void)fflush(stderr);
	(void)dup2(p->said, STDERR_FILENO);
	(void)close(p->said);
	(void)nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static bool
log_says(const struct place *p, const char *what)
{
	struct buf text = buf_make(MIB);
	const char *all;
	bool says;

	if (file_read(p->log, &text) < 0 || !(all = buf_str(&text)))
		abort();
	says = strstr(all, what) != NULL;
	buf_free(&text);
	return says;
}

/* No test makes sense without one. */
static struct totals *
open_totals(const struct place *p, bool reader)
{
	struct totals *t = totals_open(p->path, reader);

	if (!t)
		abort();
	return t;
}

static struct ledger_entry
entry(uint64_t seq, int32_t day, const char *workspace, const char *key)
{
	return (struct ledger_entry){ .seq = seq,
		.day = day,
		.workspace = span_of(workspace),
		.key = span_of(key),
		.model = SPAN("m"),
		.routed = true,
		.end = SPAN("done"),
		.usage = { 1, 2, 3, 4, 5 },
		.cost_nanousd = CENT };
}

static struct totals_mark
mark_at(uint64_t seq)
{
	return (struct totals_mark){
		.seq = seq, .file = "ledger-2026-11.jsonl", .dev = 1, .ino = 2, .size = seq * 100
	};
}

/* Adds one line in a transaction of its own. */
static void
add_one(struct check *c, struct totals *t, const struct ledger_entry *e)
{
	const struct totals_mark mark = mark_at(e->seq);

	check_that(c, totals_begin(t) == STORE_OK, "no begin");
	check_that(c, totals_add(t, e) == STORE_OK, "no add");
	check_that(c, totals_end(t, &mark) == STORE_OK, "no end");
}

static void
expect_spent(struct check *c, struct totals *t, const struct totals_purse *purse, uint64_t want)
{
	uint64_t spent = 77, seq = 0;

	check_that(c, totals_spent(t, purse, &spent, &seq) == STORE_OK, "spent cannot be told");
	check_that(c, spent == want, "%s of %.*s in %d: %" PRIu64 ", not %" PRIu64,
	    purse->is_month ? "month" : "day", (int)purse->name.n, purse->name.p, purse->period,
	    spent, want);
}

/* The rows of a walk, as text: "20778/w/k/m=1 " with the number of calls. */
struct rows {
	char text[512];
	unsigned n, stop_at;
	struct tally sum;
};

static int
note_row(void *arg, const struct tally_row *row, const struct tally *t)
{
	struct rows *r = arg;
	size_t len = strlen(r->text);

	r->n++;
	tally_add(&r->sum, t);
	(void)snprintf(r->text + len, sizeof(r->text) - len, "%d/%.*s/%.*s/%.*s=%" PRIu64 " ",
	    row->day, (int)row->workspace.n, row->workspace.p, (int)row->key.n, row->key.p,
	    (int)row->model.n, row->model.p, t->calls);
	return r->n == r->stop_at;
}

static void
expect_rows(struct check *c, struct totals *t, struct store_range range, const char *want)
{
	struct rows r = { .n = 0 };
	uint64_t seq;

	check_that(c, totals_each(t, &range, &seq, note_row, &r) == STORE_OK, "no walk");
	check_same(c, span_of(r.text), span_of(want));
}

static const struct store_range always = { 0, INT32_MAX };

static void
test_mark(struct check *c, const struct place *p)
{
	struct totals *t = open_totals(p, false);
	const struct ledger_entry e = entry(17, DAY, "w", "k");
	struct totals_mark mark, again;
	struct stat st;

	check_row(c, "a new file has a name and no lines");
	check_that(c, totals_mark(t, &mark) == STORE_OK, "no mark");
	check_that(c, strlen(mark.node) == TOTALS_NODE_LEN, "name '%s'", mark.node);
	check_that(c, mark.seq == 0 && !mark.file[0] && mark.size == 0, "lines");
	check_that(c, stat(p->path, &st) == 0 && (st.st_mode & 077) == 0, "others may read it");

	check_row(c, "the mark and the name are there again");
	add_one(c, t, &e);
	totals_close(t);
	t = open_totals(p, false);
	check_that(c, totals_mark(t, &again) == STORE_OK, "no mark");
	check_same(c, span_of(again.node), span_of(mark.node));
	check_same(c, span_of(again.file), SPAN("ledger-2026-11.jsonl"));
	check_that(c, again.seq == 17 && again.dev == 1 && again.ino == 2 && again.size == 1700,
	    "another mark");

	check_row(c, "a mark alone");
	again.seq = 18;
	check_that(c, totals_begin(t) == STORE_OK && totals_end(t, &again) == STORE_OK, "no end");
	check_that(c, totals_mark(t, &mark) == STORE_OK && mark.seq == 18, "not there");
	expect_rows(c, t, always, "20778/w/k/m=1 ");
	totals_close(t);
	totals_close(NULL);
}

static void
test_sums(struct check *c, const struct place *p)
{
	struct totals *t = open_totals(p, false);
	struct ledger_entry e = entry(1, DAY, "w", "k");
	struct rows r = { .n = 0 };
	uint64_t seq = 0;

	check_row(c, "sums of several lines in one row");
	add_one(c, t, &e);
	e.seq = 2;
	e.end = SPAN("up-cut");
	e.cut = true;
	e.cost_nanousd = 1;
	add_one(c, t, &e);
	totals_close(t);
	t = open_totals(p, true);
	check_that(c, totals_each(t, &always, &seq, note_row, &r) == STORE_OK, "no walk");
	check_that(c, seq == 2 && r.n == 1, "%u rows up to %" PRIu64, r.n, seq);
	check_that(c, tally_same(&r.sum, &(struct tally){ 2, 1, 1, 2, 4, 6, 8, 10, CENT + 1 }),
	    "other sums");
	totals_close(t);

	check_row(c, "a transaction that is cancelled adds nothing");
	t = open_totals(p, false);
	e.seq = 3;
	check_that(c, totals_begin(t) == STORE_OK && totals_add(t, &e) == STORE_OK, "no add");
	totals_cancel(t);
	expect_rows(c, t, always, "20778/w/k/m=2 ");
	expect_spent(c, t, &(struct totals_purse){ SCOPE_KEY, SPAN("k"), DAY, false }, CENT + 1);
	add_one(c, t, &e);
	expect_rows(c, t, always, "20778/w/k/m=3 ");
	totals_close(t);
}

static void
test_spent(struct check *c, const struct place *p)
{
	struct totals *t = open_totals(p, false);
	const struct {
		int32_t day;
		const char *workspace, *key;
	} calls[] = {
		{ DAY, "w", "k" },
		{ DAY, "w", "l" },
		{ DAY + 1, "w", "k" },
		{ DAY + 30, "w", "k" },
		{ DAY, "k", "w" },
		{ DAY, "", "" },
	};
	const int32_t month = period_month(DAY);
	const struct {
		struct totals_purse purse;
		uint64_t cents;
	} rows[] = {
		{ { SCOPE_WORKSPACE, SPAN("w"), DAY, false }, 2 },
		{ { SCOPE_WORKSPACE, SPAN("w"), DAY + 1, false }, 1 },
		{ { SCOPE_WORKSPACE, SPAN("w"), DAY + 2, false }, 0 },
		{ { SCOPE_WORKSPACE, SPAN("w"), month, true }, 3 },
		{ { SCOPE_WORKSPACE, SPAN("w"), month + 1, true }, 1 },
		{ { SCOPE_WORKSPACE, SPAN("w"), month - 1, true }, 0 },
		{ { SCOPE_WORKSPACE, SPAN("w"), month, false }, 0 },
		{ { SCOPE_KEY, SPAN("k"), DAY, false }, 1 },
		{ { SCOPE_KEY, SPAN("k"), month, true }, 2 },
		{ { SCOPE_KEY, SPAN("l"), month, true }, 1 },
		{ { SCOPE_KEY, SPAN("w"), DAY, false }, 1 },
		{ { SCOPE_WORKSPACE, SPAN("k"), DAY, false }, 1 },
		{ { SCOPE_WORKSPACE, SPAN("kk"), DAY, false }, 0 },
		{ { SCOPE_WORKSPACE, SPAN(""), DAY, false }, 0 },
		{ { SCOPE_WORKSPACE, SPAN("-"), DAY, false }, 0 },
	};

	for (size_t i = 0; i < ROWS(calls); i++) {
		struct ledger_entry e =
		    entry(i + 1, calls[i].day, calls[i].workspace, calls[i].key);

		add_one(c, t, &e);
	}
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct totals_purse *purse = &rows[i].purse;

		check_row(c, "spent by %s '%.*s' in %s %d",
		    purse->scope == SCOPE_KEY ? "key" : "workspace", (int)purse->name.n,
		    purse->name.p, purse->is_month ? "month" : "day", purse->period);
		expect_spent(c, t, purse, rows[i].cents * CENT);
	}
	totals_close(t);
}

static void
test_range(struct check *c, const struct place *p)
{
	struct totals *t = open_totals(p, false);
	const struct {
		int32_t day;
		const char *workspace;
	} calls[] = { { 300, "b" }, { 255, "w" }, { 256, "w" }, { 300, "a" }, { 256, "w" },
		{ 70000, "w" } };
	const struct {
		const char *what;
		struct store_range range;
		const char *want;
	} rows[] = {
		{ "all", { 0, INT32_MAX },
		    "255/w/k/m=1 256/w/k/m=2 300/a/k/m=1 300/b/k/m=1 70000/w/k/m=1 " },
		{ "one day", { 256, 256 }, "256/w/k/m=2 " },
		{ "from a day without rows to another", { 257, 301 }, "300/a/k/m=1 300/b/k/m=1 " },
		{ "days without rows", { 301, 69999 }, "" },
		{ "after the last", { 70001, INT32_MAX }, "" },
		{ "no day", { 300, 299 }, "" },
		{ "from before all days", { -5, 255 }, "255/w/k/m=1 " },
		{ "until before all days", { -5, -1 }, "" },
	};
	struct rows r = { .stop_at = 2 };
	uint64_t seq;

	check_row(c, "rows of an empty file");
	expect_rows(c, t, always, "");
	for (size_t i = 0; i < ROWS(calls); i++) {
		struct ledger_entry e = entry(i + 1, calls[i].day, calls[i].workspace, "k");

		add_one(c, t, &e);
	}
	for (size_t i = 0; i < ROWS(rows); i++) {
		check_row(c, "rows: %s", rows[i].what);
		expect_rows(c, t, rows[i].range, rows[i].want);
	}
	check_row(c, "a walk ends when it is told to");
	check_that(c, totals_each(t, &always, &seq, note_row, &r) == STORE_OK, "no walk");
	check_same(c, span_of(r.text), SPAN("255/w/k/m=1 256/w/k/m=2 "));
	totals_close(t);
}

static pid_t
fork_flushed(void)
{
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	return pid;
}

/* In a child, which dies at a point of its transaction. */
static void
die_at(const struct place *p, int point)
{
	struct totals *t = open_totals(p, false);
	const struct totals_mark mark = mark_at(2);
	const struct ledger_entry e = entry(2, DAY, "w", "k");

	if (point > 0 && totals_begin(t) != STORE_OK)
		_exit(1);
	if (point > 1 && totals_add(t, &e) != STORE_OK)
		_exit(1);
	if (point > 2 && totals_end(t, &mark) != STORE_OK)
		_exit(1);
	(void)raise(SIGKILL);
}

static void
test_killed(struct check *c, const struct place *p)
{
	const char *const points[] = { "before its begin", "after its begin", "after an add",
		"after its end" };

	for (int i = 0; i < (int)ROWS(points); i++) {
		struct ledger_entry e = entry(1, DAY, "w", "k");
		struct totals_mark mark;
		struct totals *t;
		int status = 0;
		pid_t pid;

		check_row(c, "a process is killed %s", points[i]);
		(void)unlink(p->path);
		t = open_totals(p, false);
		add_one(c, t, &e);
		totals_close(t);
		pid = fork_flushed();
		if (pid == 0)
			die_at(p, i);
		(void)waitpid(pid, &status, 0);
		check_that(c, WIFSIGNALED(status), "status %d", status);
		t = open_totals(p, false);
		check_that(c, totals_mark(t, &mark) == STORE_OK, "no mark");
		check_that(c, mark.seq == (i < 3 ? 1 : 2), "number %" PRIu64, mark.seq);
		expect_rows(c, t, always, i < 3 ? "20778/w/k/m=1 " : "20778/w/k/m=2 ");
		expect_spent(c, t, &(struct totals_purse){ SCOPE_WORKSPACE, SPAN("w"), DAY, false },
		    i < 3 ? CENT : 2 * CENT);
		e.seq = mark.seq + 1;
		add_one(c, t, &e);
		totals_close(t);
	}
}

/* In a child: transactions of three lines, each told by a byte, until it is killed. */
static void
add_for_ever(const struct place *p, int told)
{
	struct totals *t = open_totals(p, false);
	struct totals_mark mark;

	if (totals_mark(t, &mark) != STORE_OK)
		_exit(1);
	for (uint64_t seq = mark.seq;;) {
		if (totals_begin(t) != STORE_OK)
			_exit(1);
		for (int i = 0; i < 3; i++) {
			struct ledger_entry e = entry(++seq, DAY, "w", "k");

			if (totals_add(t, &e) != STORE_OK)
				_exit(1);
		}
		mark = mark_at(seq);
		if (totals_end(t, &mark) != STORE_OK || write(told, "", 1) != 1)
			_exit(1);
	}
}

/* Whatever it was doing, what it has told of is there, and the sums are those of the mark. */
static void
test_killed_anywhere(struct check *c, const struct place *p)
{
	uint64_t least = 0;

	check_row(c, "a process is killed anywhere");
	for (int round = 0; round < 8; round++) {
		struct rows r = { .n = 0 };
		struct totals_mark mark;
		struct totals *t;
		int ends[2];
		uint64_t seq = 0;
		char byte;
		pid_t pid;

		if (pipe(ends) != 0)
			abort();
		pid = fork_flushed();
		if (pid == 0)
			add_for_ever(p, ends[1]);
		(void)close(ends[1]);
		for (int i = 0; i < 5 + round; i++)
			least += read(ends[0], &byte, 1) == 1 ? 3 : 0;
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		(void)close(ends[0]);
		t = open_totals(p, false);
		check_that(c, totals_mark(t, &mark) == STORE_OK, "no mark");
		check_that(c, mark.seq >= least && mark.seq % 3 == 0, "number %" PRIu64, mark.seq);
		check_that(c, totals_each(t, &always, &seq, note_row, &r) == STORE_OK, "no walk");
		check_that(c, seq == mark.seq && r.sum.calls == seq && r.sum.nanousd == seq * CENT,
		    "%" PRIu64 " calls up to %" PRIu64, r.sum.calls, seq);
		expect_spent(
		    c, t, &(struct totals_purse){ SCOPE_KEY, SPAN("k"), DAY, false }, seq * CENT);
		least = mark.seq;
		totals_close(t);
	}
}

#define OPENERS 4

/* Several processes make the file at once; all have the same name then. */
static void
test_openers(struct check *c, const struct place *p)
{
	char names[OPENERS][TOTALS_NODE_LEN + 1] = { 0 };
	int ends[2];

	check_row(c, "a file that several processes make at once gets one name");
	if (pipe(ends) != 0)
		abort();
	for (int i = 0; i < OPENERS; i++) {
		if (fork_flushed() == 0) {
			struct totals *t = open_totals(p, false);
			struct totals_mark mark;

			if (totals_mark(t, &mark) != STORE_OK)
				_exit(1);
			_exit(write(ends[1], mark.node, sizeof(mark.node)) < 0);
		}
	}
	while (wait(NULL) > 0)
		;
	(void)close(ends[1]);
	for (int i = 0; i < OPENERS; i++) {
		check_that(c, read(ends[0], names[i], sizeof(names[i])) == sizeof(names[i]),
		    "no name %d", i);
		check_same(c, span_of(names[i]), span_of(names[0]));
	}
	(void)close(ends[0]);
}

static void
test_reader(struct check *c, const struct place *p)
{
	const struct ledger_entry e = entry(1, DAY, "w", "k");
	struct totals *t, *reader;
	struct totals_mark mark;
	struct kv *kv;

	check_row(c, "a reader makes no file and says nothing");
	errno = 0;
	check_that(c, totals_open(p->path, true) == NULL && errno == ENOENT, "%s", strerror(errno));
	check_that(c, access(p->path, F_OK) < 0 && !log_says(p, "level="), "it did");

	check_row(c, "a reader of a file that is being made");
	kv = kv_open(p->path, KV_DURABLE, false);
	if (!kv)
		abort();
	kv_close(kv);
	reader = open_totals(p, true);
	check_that(c, totals_mark(reader, &mark) == STORE_OK, "no mark");
	check_that(c, mark.seq == 0 && !mark.node[0], "a name");
	expect_rows(c, reader, always, "");
	totals_close(reader);

	check_row(c, "a reader sees what was ended");
	t = open_totals(p, false);
	add_one(c, t, &e);
	totals_close(t);
	reader = open_totals(p, true);
	expect_rows(c, reader, always, "20778/w/k/m=1 ");
	totals_close(reader);
}

/* Puts a record into the file past the totals. */
static void
put_record(const struct place *p, struct span key, struct span value, bool remove_it)
{
	struct kv *kv = kv_open(p->path, KV_DURABLE, false);
	struct kv_txn txn;
	enum kv_status status = KV_BROKEN;

	if (!kv || kv_begin(kv, true, &txn) != KV_OK)
		abort();
	status = remove_it ? kv_del(&txn, key) : kv_put(&txn, key, value);
	if (status != KV_OK || kv_commit(&txn) != KV_OK)
		abort();
	kv_close(kv);
}

static void
make_totals(struct check *c, const struct place *p)
{
	const struct ledger_entry e = entry(1, DAY, "w", "k");
	char lock[PATH_LEN + 8];
	struct totals *t;

	(void)snprintf(lock, sizeof(lock), "%s-lock", p->path);
	(void)unlink(p->path);
	(void)unlink(lock);
	t = open_totals(p, false);
	add_one(c, t, &e);
	totals_close(t);
	if (truncate(p->log, 0) != 0)
		abort();
}

static void
test_damaged(struct check *c, const struct place *p)
{
	static const char other[88] = { 2 };
	const struct {
		const char *what;
		struct span key, value; /* p NULL: removed */
		const char *says;
	} rows[] = {
		{ "a note of another format", SPAN("n"), { other, sizeof(other) },
		    "another version" },
		{ "a note of another size", SPAN("n"), SPAN("\1\0\0\0rest"),
		    "postern ledger verify" },
		{ "half a note", SPAN("n"), SPAN("\1\0"), "postern ledger verify" },
		{ "no note", SPAN("n"), { NULL, 0 }, "postern ledger verify" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct totals *t;

		check_row(c, "refused: %s", rows[i].what);
		make_totals(c, p);
		put_record(p, rows[i].key, rows[i].value, !rows[i].value.p);
		for (int reader = 0; reader < 2; reader++) {
			t = totals_open(p->path, reader != 0);
			check_that(c, t == NULL, "it is opened");
			totals_close(t);
		}
		check_that(c, log_says(p, rows[i].says), "the log does not say why");
	}
}

static void
test_bad_records(struct check *c, const struct place *p)
{
	static const char day[] = "dw\0\0\x51\x2aw", row[] = "r\0\0\x51\x2aw\0k\0m";
	const struct totals_purse purse = { SCOPE_WORKSPACE, SPAN("w"), DAY, false };
	const struct ledger_entry e = entry(2, DAY, "w", "k");
	uint64_t spent, seq;
	struct rows r = { .n = 0 };
	struct totals *t;

	check_row(c, "a damaged sum of money is not taken for none");
	make_totals(c, p);
	put_record(p, (struct span){ day, sizeof(day) - 1 }, SPAN("half"), false);
	t = open_totals(p, false);
	check_that(c, totals_spent(t, &purse, &spent, &seq) == STORE_BROKEN, "it is told");
	check_that(c, totals_begin(t) == STORE_OK, "no begin");
	check_that(c, totals_add(t, &e) == STORE_BROKEN, "it is added to");
	totals_cancel(t);
	check_that(c, log_says(p, "postern ledger verify"), "the log does not say so");
	totals_close(t);

	check_row(c, "a damaged row is not taken for none");
	make_totals(c, p);
	put_record(p, (struct span){ row, sizeof(row) - 1 }, SPAN("half"), false);
	t = open_totals(p, false);
	check_that(c, totals_each(t, &always, &seq, note_row, &r) == STORE_BROKEN, "it is told");
	check_that(c, totals_begin(t) == STORE_OK, "no begin");
	check_that(c, totals_add(t, &e) == STORE_BROKEN, "it is added to");
	totals_cancel(t);
	totals_close(t);

	check_row(c, "a damaged key of a row ends the walk with an error");
	make_totals(c, p);
	put_record(p, SPAN("r\0\0\x51\x2a"), SPAN("half"), false);
	t = open_totals(p, true);
	check_that(c, totals_each(t, &always, &seq, note_row, &r) == STORE_BROKEN, "it is told");
	totals_close(t);
}

static void
test_garbage(struct check *c, const struct place *p)
{
	char garbage[3 * 4096];
	struct stat before, after;
	struct totals *t;
	FILE *f;

	check_row(c, "a file of something else is refused and stays");
	memset(garbage, 'x', sizeof(garbage));
	f = fopen(p->path, "w");
	if (!f || fwrite(garbage, 1, sizeof(garbage), f) != sizeof(garbage) || fclose(f) != 0)
		abort();
	(void)stat(p->path, &before);
	t = totals_open(p->path, false);
	check_that(c, t == NULL, "it is opened");
	totals_close(t);
	check_that(c, log_says(p, "move it away"), "the log does not say what to do");
	check_that(c,
	    stat(p->path, &after) == 0 && after.st_size == before.st_size &&
		after.st_ino == before.st_ino,
	    "it was changed");
}

int
main(void)
{
	static void (*const tests[])(struct check *, const struct place *) = { test_mark, test_sums,
		test_spent, test_range, test_killed, test_killed_anywhere, test_openers,
		test_reader, test_damaged, test_bad_records, test_garbage };
	struct check c = { .module = "totals" };

	for (size_t i = 0; i < ROWS(tests); i++) {
		struct place p = place_make();

		(void)fflush(stdout);
		tests[i](&c, &p);
		place_remove(&p);
	}
	return check_end(&c);
}
