/* ledger: what `postern ledger verify` finds, and what it does not take for a fault. */
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/num.h"
#include "cmd/cmd.h"
#include "cmd/ledgerlist.h"
#include "cmd/lines.h"
#include "cmd/seqset.h"
#include "cmd/verify.h"
#include "policy/period.h"
#include "registry.h"
#include "unit/check.h"
#include "unit/command.h"
#include "unit/store_rows.h"

#define DAY_0	 20748 /* 2026-10-22 */
#define TODAY	 20779 /* 2026-11-22 */
#define DAY_MS	 INT64_C(86400000)
#define PATH_LEN 256
#define ROWS_MAX 64

struct place {
	char folder[64];
	struct buf text;
};

static void
must(bool done)
{
	if (!done)
		abort();
}

/* Call number n: ten of them a day, from 2026-10-22 on, each ends soon after noon. */
static struct ledger_entry
entry(uint64_t n)
{
	int32_t day = DAY_0 + (int32_t)((n - 1) / 10);

	return (struct ledger_entry){
		.seq = n,
		.day = day,
		.time_ms = day * DAY_MS + DAY_MS / 2 + (int64_t)n,
		.key = SPAN("k1"),
		.workspace = SPAN("web"),
		.surface = SPAN("messages"),
		.model = SPAN("m"),
		.routed = true,
		.upstream = SPAN("up"),
		.status = 200,
		.end = SPAN("done"),
		.usage = { .input = n, .output = 1 },
		.cost_nanousd = n * 1000,
		.first_ms = -1,
		.total_ms = 5,
	};
}

static void
put_entry(struct buf *out, const struct ledger_entry *e)
{
	must((e->seq > 0 ? ledger_begin(e->seq, out) : buf_add(out, SPAN("{"))) == 0);
	must(ledger_format(e, out) == 0);
}

static void
put_calls(struct buf *out, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n <= to; n++) {
		struct ledger_entry e = entry(n);

		put_entry(out, &e);
	}
}

static void
put_damaged(struct buf *out, uint64_t from, uint64_t to)
{
	(void)from;
	(void)to;
	must(buf_add(out, SPAN("{\"seq\":5,\"time\":\"2026\n")) == 0);
}

/* What a write leaves that is cut short, or under way. */
static void
put_torn(struct buf *out, uint64_t from, uint64_t to)
{
	(void)from;
	(void)to;
	must(buf_add(out, SPAN("{\"seq\":5,\"ti")) == 0);
}

static void
put_unended(struct buf *out, uint64_t from, uint64_t to)
{
	put_calls(out, from, to);
	out->len--;
}

static void
put_empty(struct buf *out, uint64_t from, uint64_t to)
{
	(void)from;
	(void)to;
	must(buf_add(out, SPAN("\n")) == 0);
}

static void
put_long(struct buf *out, uint64_t from, uint64_t to)
{
	char *room;

	(void)from;
	(void)to;
	must(buf_room(out, 3 * LINES_MAX, &room) == 0);
	memset(room, 'x', 3 * LINES_MAX);
	room[3 * LINES_MAX - 1] = '\n';
	out->len += 3 * LINES_MAX;
}

static void
put_packed(struct buf *out, uint64_t from, uint64_t to)
{
	(void)from;
	(void)to;
	must(buf_add(out, SPAN("\x1f\x8b\x08\n\n")) == 0);
}

static void
put_old(struct buf *out, uint64_t from, uint64_t to)
{
	struct ledger_entry e = entry(from);

	(void)to;
	e.seq = 0;
	put_entry(out, &e);
}

/* A call that came to its end with nothing counted; then one that is refused, and one that only
 * asked for a count, which have none by nature. */
static void
put_uncounted(struct buf *out, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n <= to; n++) {
		struct ledger_entry e = entry(n);

		e.usage = (struct usage){ 0 };
		e.cost_nanousd = 0;
		if (n == from + 1)
			e.end = SPAN("upstream-error");
		if (n == from + 2)
			e.surface = SPAN("count");
		put_entry(out, &e);
	}
}

static void
put_other_model(struct buf *out, uint64_t from, uint64_t to)
{
	(void)to;
	struct ledger_entry e = entry(from);

	e.model = SPAN("m\x1b[1m");
	put_entry(out, &e);
}

/* The words that a file is written in: `7`, `calls 5-9`, `damaged` … */
static const struct {
	const char *name;
	void (*put)(struct buf *out, uint64_t from, uint64_t to);
} kinds[] = {
	{ "calls", put_calls },
	{ "damaged", put_damaged },
	{ "torn", put_torn },
	{ "unended", put_unended },
	{ "empty", put_empty },
	{ "long", put_long },
	{ "packed", put_packed },
	{ "old", put_old },
	{ "uncounted", put_uncounted },
	{ "other", put_other_model },
};

static void
put_word(struct buf *out, struct span name, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < ROWS(kinds); i++) {
		if (span_eq(name, span_of(kinds[i].name))) {
			kinds[i].put(out, from, to);
			return;
		}
	}
	abort();
}

/* Appends what a text such as `calls:1-4 damaged calls:5` stands for. */
static void
put_text(struct buf *out, const char *text)
{
	struct span rest = span_of(text), word, name, part;

	while (*text && span_next(&rest, ' ', &word)) {
		uint64_t from = 1, to = 1;

		must(span_next(&word, ':', &name));
		if (word.p && span_next(&word, '-', &part)) {
			must(num_u64(part, UINT64_MAX, &from) == 0);
			to = from;
			must(!word.p || num_u64(word, UINT64_MAX, &to) == 0);
		}
		put_word(out, name, from, to);
	}
}

static void
put_file(const struct place *p, const char *name, const char *text)
{
	struct buf out = buf_make(4 * MIB);
	char path[PATH_LEN];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", p->folder, name);
	put_text(&out, text);
	f = fopen(path, "w");
	must(f && (out.len == 0 || fwrite(out.p, 1, out.len, f) == out.len) && fclose(f) == 0);
	buf_free(&out);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static struct place
place_make(void)
{
	struct place p = { .folder = "/tmp/test_ledger_cmd.XXXXXX", .text = buf_make(MIB) };

	must(mkdtemp(p.folder) != NULL);
	return p;
}

static void
place_free(struct place *p)
{
	(void)nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	buf_free(&p->text);
}

/* The totals of calls 1 to n, a row for each. */
static size_t
count(struct store_rows_row rows[static ROWS_MAX], uint64_t n)
{
	must(n < ROWS_MAX);
	for (uint64_t i = 1; i <= n; i++)
		rows[i - 1] = (struct store_rows_row){ entry(i).day, "web", "k1", "m",
			{ .calls = 1, .input = i, .output = 1, .nanousd = i * 1000 } };
	return (size_t)n;
}

/* Takes the name of the folder out of the text. */
static void
strip(struct buf *text, const char *folder)
{
	size_t n = strlen(folder) + 1;
	char *at = text->p;

	must(buf_str(text) != NULL);
	while ((at = strstr(at, folder))) {
		memmove(at, at + n, text->len - (size_t)(at - text->p) - n + 1);
		text->len -= n;
	}
}

static int
verify_with(struct place *p, struct store *s, char **named, int32_t today)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	struct verify v = {
		.store = s, .folder = p->folder, .named = named, .today = today, .out = out
	};
	int rc;

	must(out != NULL);
	rc = verify(&v);
	must(fclose(out) == 0);
	buf_reset(&p->text, MIB);
	must(buf_add(&p->text, (struct span){ text, n }) == 0 && buf_str(&p->text));
	strip(&p->text, p->folder);
	free(text);
	return rc;
}

#define OCTOBER	 "ledger-2026-10.jsonl"
#define NOVEMBER "ledger-2026-11.jsonl"

static const struct {
	const char *what;
	const char *october, *november; /* NULL: no such file */
	const char *named;		/* one that is named */
	uint64_t counted;		/* calls in the totals, and their mark */
	const char *said;
	int found;
} ledgers[] = {
	{ "nothing yet", NULL, NULL, NULL, 0, "totals: 0 rows, up to number 0\nok\n", 0 },
	{ "a good one", "calls:1-12", "calls:13-30", NULL, 30,
	    OCTOBER ": 12 lines, 1 to 12\n" NOVEMBER
		    ": 18 lines, 13 to 30\ntotals: 3 rows, up to number 30\nok\n",
	    0 },
	{ "one line", NULL, "calls:1", NULL, 1,
	    NOVEMBER ": 1 line, 1 to 1\ntotals: 1 row, up to number 1\nok\n", 0 },
	{ "lines beyond the mark", NULL, "calls:1-13", NULL, 10,
	    NOVEMBER
	    ": 13 lines, 1 to 13\ntotals: 1 row, up to number 10\n3 lines are not counted yet\nok\n",
	    0 },
	{ "a write under way", NULL, "calls:1-5 torn", NULL, 4,
	    NOVEMBER
	    ":6: the last line is not whole: a write is under way, or was cut short\n" NOVEMBER
	    ": 5 lines, 1 to 5\ntotals: 1 row, up to number 4\n1 line is not counted yet\nok\n",
	    0 },
	{ "a last line that lacks its newline alone", NULL, "calls:1-4 unended:5", NULL, 5,
	    NOVEMBER ": 5 lines, 1 to 5\ntotals: 1 row, up to number 5\nok\n", 0 },
	{ "a gap", NULL, "calls:1-4 calls:8-10", NULL, 10,
	    NOVEMBER ": 7 lines, 1 to 10\ntotals: 1 row, up to number 10\n"
		     "numbers 5 to 7 are missing\n"
		     "2026-10-22 web k1 m: totals say calls=10 input_tokens=55 output_tokens=10 "
		     "cost_usd=0.000055000, ledger says calls=7 input_tokens=37 output_tokens=7 "
		     "cost_usd=0.000037000\n2 findings\n",
	    1 },
	{ "a gap between two files", "calls:1-9", "calls:11-20", NULL, 20,
	    OCTOBER ": 9 lines, 1 to 9\n" NOVEMBER
		    ": 10 lines, 11 to 20\ntotals: 2 rows, up to number 20\nnumber 10 is missing\n"
		    "2026-10-22 web k1 m: totals say calls=10 input_tokens=55 output_tokens=10 "
		    "cost_usd=0.000055000, ledger says calls=9 input_tokens=45 output_tokens=9 "
		    "cost_usd=0.000045000\n2 findings\n",
	    1 },
	{ "a ledger that ends before the mark", NULL, "calls:1-10", NULL, 13,
	    NOVEMBER
	    ": 10 lines, 1 to 10\ntotals: 2 rows, up to number 13\nnumbers 11 to 13 are missing\n"
	    "2026-10-23 web k1 m: totals say calls=3 input_tokens=36 output_tokens=3 "
	    "cost_usd=0.000036000, ledger says calls=0 input_tokens=0 output_tokens=0 "
	    "cost_usd=0.000000000\n2 findings\n",
	    1 },
	{ "a gap beyond the mark, where files may be growing", "calls:1-10", "calls:12-13", NULL,
	    10,
	    OCTOBER
	    ": 10 lines, 1 to 10\n" NOVEMBER
	    ": 2 lines, 12 to 13\ntotals: 1 row, up to number 10\n2 lines are not counted yet\nok\n",
	    0 },
	{ "lines that stand twice", NULL, "calls:1-6 calls:4-6 calls:7-9 calls:2 calls:10", NULL,
	    10,
	    NOVEMBER ":7: numbers 4 to 6 stand there a second time\n" NOVEMBER
		     ":13: number 2 stands there a second time\n" NOVEMBER
		     ": 14 lines, 1 to 10\ntotals: 1 row, up to number 10\n2 findings\n",
	    1 },
	{ "a copy of a file", NULL, "calls:1-10", "calls:1-10", 10,
	    NOVEMBER ": 10 lines, 1 to 10\n"
		     "named:1: numbers 1 to 10 stand there a second time\n"
		     "named: 10 lines, 1 to 10\ntotals: 1 row, up to number 10\n1 finding\n",
	    1 },
	{ "lines out of order", NULL, "calls:1-2 calls:7-9 calls:3-6 calls:10", NULL, 10,
	    NOVEMBER ":6: number 3 stands behind 9\n" NOVEMBER
		     ": 10 lines, 1 to 10\ntotals: 1 row, up to number 10\n1 finding\n",
	    1 },
	{ "a damaged line, and its number is missing", NULL, "calls:1-4 damaged calls:6-10", NULL,
	    10,
	    NOVEMBER ": 9 lines, 1 to 10\ntotals: 1 row, up to number 10\n" NOVEMBER
		     ":5: a damaged line\nnumber 5 is missing\n"
		     "2026-10-22 web k1 m: totals say calls=10 input_tokens=55 output_tokens=10 "
		     "cost_usd=0.000055000, ledger says calls=9 input_tokens=50 output_tokens=9 "
		     "cost_usd=0.000050000\n3 findings\n",
	    1 },
	{ "a write that was cut short and written again", NULL,
	    "calls:1-4 damaged damaged calls:5-10", NULL, 10,
	    NOVEMBER ": 10 lines, 1 to 10\ntotals: 1 row, up to number 10\n" NOVEMBER
		     ":5: a damaged line, where no number is missing\n" NOVEMBER
		     ":6: a damaged line, where no number is missing\nok\n",
	    0 },
	{ "the same in a month's first line", "calls:1-4", "damaged calls:5-10", NULL, 10,
	    OCTOBER ": 4 lines, 1 to 4\n" NOVEMBER
		    ": 6 lines, 5 to 10\ntotals: 1 row, up to number 10\n" NOVEMBER
		    ":1: a damaged line, where no number is missing\nok\n",
	    0 },
	{ "the same in a month's last line", "calls:1-4 damaged", "calls:5-10", NULL, 10,
	    OCTOBER ": 4 lines, 1 to 4\n" NOVEMBER
		    ": 6 lines, 5 to 10\ntotals: 1 row, up to number 10\n" OCTOBER
		    ":5: a damaged line, where no number is missing\nok\n",
	    0 },
	{ "the same in the very first line", NULL, "damaged calls:1-10", NULL, 10,
	    NOVEMBER ": 10 lines, 1 to 10\ntotals: 1 row, up to number 10\n" NOVEMBER
		     ":1: a damaged line, where no number is missing\nok\n",
	    0 },
	{ "the same beyond the mark", NULL, "calls:1-10 damaged", NULL, 10,
	    NOVEMBER ": 10 lines, 1 to 10\ntotals: 1 row, up to number 10\n" NOVEMBER
		     ":11: a damaged line, where no number is missing\nok\n",
	    0 },
	{ "a file of nothing but damage", NULL, "calls:1-10", "damaged empty damaged", 10,
	    NOVEMBER ": 10 lines, 1 to 10\nnamed: 0 lines\n"
		     "totals: 1 row, up to number 10\nnamed:1: a damaged line\n"
		     "named:3: a damaged line\n2 findings\n",
	    1 },
	{ "a line longer than any", NULL, "calls:1-5 long calls:7-10", NULL, 0,
	    NOVEMBER ": 9 lines, 1 to 10\ntotals: 0 rows, up to number 0\n"
		     "9 lines are not counted yet\n" NOVEMBER
		     ":6: a damaged line, where no number is missing\nok\n",
	    0 },
	{ "empty lines", NULL, "empty calls:1-10 empty", NULL, 10,
	    NOVEMBER ": 10 lines, 1 to 10\ntotals: 1 row, up to number 10\nok\n", 0 },
	{ "older versions' lines", "old old damaged old", "old damaged calls:1-10", NULL, 10,
	    OCTOBER ": 0 lines, 3 without a number\n" NOVEMBER
		    ": 10 lines, 1 to 10, 1 without a number\ntotals: 1 row, up to number 10\n"
		    "4 lines are of an older version without a number: not compared\n" OCTOBER
		    ":3: a damaged line, where no number is missing\n" NOVEMBER
		    ":2: a damaged line, where no number is missing\nok\n",
	    0 },
	{ "older files gone", NULL, "calls:16-35", NULL, 35,
	    NOVEMBER ": 20 lines, 16 to 35\ntotals: 4 rows, up to number 35\n"
		     "numbers 1 to 15 are not here: up to 2026-10-23 the totals may be more than "
		     "the ledger\nok\n",
	    0 },
	{ "older files gone, but named", NULL, "calls:16-35", "calls:1-15", 35,
	    NOVEMBER
	    ": 20 lines, 16 to 35\nnamed: 15 lines, 1 to 15\ntotals: 4 rows, up to number 35\nok\n",
	    0 },
	{ "a compressed file", NULL, "calls:1-10", "packed damaged", 10,
	    NOVEMBER ": 10 lines, 1 to 10\nnamed: is compressed: unpack it first\nnamed: 0 lines\n"
		     "totals: 1 row, up to number 10\n1 finding\n",
	    1 },
	{ "older files gone, and a later day is wrong", NULL, "calls:16-23 other:24 calls:25-30",
	    NULL, 30,
	    NOVEMBER ": 15 lines, 16 to 30\ntotals: 3 rows, up to number 30\n"
		     "numbers 1 to 15 are not here: up to 2026-10-23 the totals may be more than "
		     "the ledger\n"
		     "2026-10-24 web k1 m: totals say calls=10 input_tokens=255 output_tokens=10 "
		     "cost_usd=0.000255000, ledger says calls=9 input_tokens=231 output_tokens=9 "
		     "cost_usd=0.000231000\n"
		     "2026-10-24 web k1 m\\x1b[1m: totals say calls=0 input_tokens=0 "
		     "output_tokens=0 cost_usd=0.000000000, ledger says calls=1 input_tokens=24 "
		     "output_tokens=1 cost_usd=0.000024000\n2 findings\n",
	    1 },
	{ "older files gone, and an unsure day has more than was counted", NULL,
	    "other:16 calls:17-20", NULL, 20,
	    NOVEMBER ": 5 lines, 16 to 20\ntotals: 2 rows, up to number 20\n"
		     "numbers 1 to 15 are not here: up to 2026-10-23 the totals may be more than "
		     "the ledger\n"
		     "2026-10-23 web k1 m\\x1b[1m: totals say calls=0 input_tokens=0 "
		     "output_tokens=0 cost_usd=0.000000000, ledger says calls=1 input_tokens=16 "
		     "output_tokens=1 cost_usd=0.000016000\n1 finding\n",
	    1 },
	{ "all files of past months gone", NULL, NULL, NULL, 30,
	    "totals: 3 rows, up to number 30\n"
	    "no line to compare: all that was counted is of months past\nok\n",
	    0 },
	{ "answers without a token", NULL, "calls:1-4 uncounted:5-7 calls:8-10", NULL, 0,
	    NOVEMBER ": 10 lines, 1 to 10\ntotals: 0 rows, up to number 0\n"
		     "10 lines are not counted yet\n"
		     "1 answer without a token counted, the first at " NOVEMBER ":5\nok\n",
	    0 },
};

static void
test_ledgers(struct check *t)
{
	for (size_t i = 0; i < ROWS(ledgers); i++) {
		struct place p = place_make();
		struct store_rows_row rows[ROWS_MAX];
		size_t n = count(rows, ledgers[i].counted);
		struct store_rows s = store_rows_make(rows, n, ledgers[i].counted);
		char named[PATH_LEN];
		char *names[] = { ledgers[i].named ? named : NULL, NULL };

		(void)snprintf(named, sizeof(named), "%s/named", p.folder);
		if (ledgers[i].october)
			put_file(&p, OCTOBER, ledgers[i].october);
		if (ledgers[i].november)
			put_file(&p, NOVEMBER, ledgers[i].november);
		if (ledgers[i].named)
			put_file(&p, "named", ledgers[i].named);
		check_row(t, "verify: %s", ledgers[i].what);
		check_that(
		    t, verify_with(&p, &s.store, names, TODAY) == ledgers[i].found, "%s", p.text.p);
		check_same(t, buf_span(&p.text), span_of(ledgers[i].said));
		place_free(&p);
	}
}

/* What does not fit into the table. */
static void
test_others(struct check *t)
{
	struct place p = place_make();
	struct store_rows_row rows[ROWS_MAX];
	struct store_rows s = store_rows_make(rows, count(rows, 30), 30);
	struct store_rows away = { .store = { .kind = &store_rows_kind }, .answers = STORE_AWAY };
	char same[PATH_LEN];
	char *none[] = { NULL };
	char *twice[] = { same, same, NULL };
	char nowhere[] = "/nowhere/ledger", folder[] = "/tmp";
	char *missing[] = { nowhere, folder, NULL };

	check_row(t, "verify: no file at all, and this month's calls were counted");
	check_that(t, verify_with(&p, &s.store, none, DAY_0) == 1, "no finding");
	check_same(t, buf_span(&p.text),
	    SPAN("totals: 3 rows, up to number 30\n"
		 "no line is there: numbers 1 to 30 are missing\n1 finding\n"));

	put_file(&p, OCTOBER, "calls:1-30");
	put_file(&p, "ledger-2026-10.jsonl.gz", "damaged");
	put_file(&p, "notes", "damaged");
	(void)snprintf(same, sizeof(same), "%s/../%s/" OCTOBER, p.folder, strrchr(p.folder, '/'));
	check_row(t, "verify: a file of the folder may be named, too");
	check_that(t, verify_with(&p, &s.store, twice, TODAY) == 0, "%s", p.text.p);
	check_same(t, buf_span(&p.text),
	    SPAN(OCTOBER ": 30 lines, 1 to 30\ntotals: 3 rows, up to number 30\nok\n"));

	check_row(t, "verify: a file that cannot be read");
	check_that(t, verify_with(&p, &s.store, missing, TODAY) == 1, "%s", p.text.p);
	check_that(t,
	    strstr(p.text.p,
		"/nowhere/ledger: cannot be read: No such file or directory\n/tmp: "
		"cannot be read: Is a directory\n"),
	    "%s", p.text.p);

	check_row(t, "verify: a store that cannot be read");
	check_that(t, verify_with(&p, &away.store, none, TODAY) == -1, "%s", p.text.p);
	place_free(&p);
}

/* More damage than is told line by line. */
static void
test_much_damage(struct check *t)
{
	struct place p = place_make();
	struct store_rows s = store_rows_make(NULL, 0, 0);
	struct buf words_of = buf_make(MIB);
	char *none[] = { NULL };

	for (int i = 0; i < 150; i++)
		must(buf_add(&words_of, SPAN("damaged ")) == 0);
	must(buf_add(&words_of, SPAN("empty")) == 0);
	put_file(&p, NOVEMBER, buf_str(&words_of));
	check_row(t, "verify: a file that is no ledger");
	check_that(t, verify_with(&p, &s.store, none, TODAY) == 1, "%s", p.text.p);
	check_that(t,
	    strstr(p.text.p, ":100: a damaged line\n50 more damaged lines\n101 findings\n"), "%s",
	    p.text.p);
	buf_free(&words_of);
	place_free(&p);
}

/* Numbers in every order, each of them twice, end up as the same ranges. */
static void
test_seqset(struct check *t)
{
	static const struct {
		const char *what;
		uint64_t step; /* coprime to 1000: all numbers come up */
	} orders[] = { { "up", 1 }, { "down", 999 }, { "by sevens", 7 }, { "wildly", 617 } };

	for (size_t i = 0; i < ROWS(orders); i++) {
		struct seqset s = { 0 };
		unsigned added = 0;

		for (uint64_t k = 0; k < 2000; k++) {
			uint64_t seq = k * orders[i].step % 1000 + 1;

			if (seq % 100 != 0)
				added += seqset_add(&s, seq) == 0;
		}
		check_row(t, "numbers: %s", orders[i].what);
		check_that(t, added == 990 && s.n == 10, "%u numbers, %zu ranges", added, s.n);
		for (size_t k = 0; k < s.n; k++)
			check_that(t,
			    s.ranges[k].from == k * 100 + 1 && s.ranges[k].to == k * 100 + 99,
			    "range %zu", k);
		check_that(t, seqset_has(&s, 99) && !seqset_has(&s, 100) && !seqset_has(&s, 1001),
		    "what it has");
		seqset_free(&s);
	}
}

static void
test_seqset_ends(struct check *t)
{
	struct seqset s = { 0 };

	check_row(t, "numbers: the first and the last there are");
	check_that(t,
	    seqset_add(&s, UINT64_MAX) == 0 && seqset_add(&s, 1) == 0 &&
		seqset_add(&s, UINT64_MAX - 1) == 0 && seqset_add(&s, UINT64_MAX) == 1 && s.n == 2,
	    "%zu ranges", s.n);
	seqset_free(&s);
}

/* Lines of a pipe come in pieces of any size. */
static void
test_lines(struct check *t)
{
	struct lines *l = malloc(sizeof(*l));
	struct place p = place_make();
	struct span line;
	char path[PATH_LEN];

	must(l != NULL);
	put_file(&p, "f", "empty long calls:1 torn");
	(void)snprintf(path, sizeof(path), "%s/f", p.folder);
	must(lines_open(l, path) == 0);
	check_row(t, "lines: empty, too long, whole, open");
	check_that(t, lines_next(l, &line) == LINES_LINE && line.n == 0, "empty");
	check_that(t, lines_next(l, &line) == LINES_LONG && l->number == 2, "too long");
	check_that(t, lines_next(l, &line) == LINES_LINE && span_starts(line, SPAN("{\"seq\":1,")),
	    "whole");
	check_that(t, lines_next(l, &line) == LINES_OPEN && span_eq(line, SPAN("{\"seq\":5,\"ti")),
	    "open");
	check_that(t, lines_next(l, &line) == LINES_END, "end");
	lines_close(l);
	free(l);
	place_free(&p);
}

static void
test_commands(struct check *t)
{
	static const struct {
		const char *what, *line;
		int status;
	} commands[] = {
		{ "nothing to do", "ledger", 2 },
		{ "an unknown word", "ledger mend", 2 },
		{ "an unknown option", "ledger verify --color", 2 },
		{ "no configuration", "ledger verify --config /nowhere/postern.conf", 1 },
	};

	for (size_t i = 0; i < ROWS(commands); i++) {
		int status = command_run(cmd_ledger, commands[i].line, "/dev/null", "/dev/null");

		check_row(t, "command: %s", commands[i].what);
		check_that(t, status == commands[i].status, "status %d", status);
	}
}

#define CALLS 600

/* Takes and settles a call, as the gate does. */
static void
settle(struct store *s, const struct ledger_entry *e)
{
	struct buf line = buf_make(LEDGER_LINE_MAX);
	struct admission_ask ask = { .workspace = e->workspace,
		.key = e->key,
		.model = e->model,
		.requests = 1,
		.tokens = 1,
		.request_id = SPAN("r") };
	struct admission_grant grant = { 0 };
	struct store_booking b = { .ask = &ask, .grant = &grant };

	must(s->kind->take(s, &ask, &grant) == STORE_OK && grant.refused == LIMIT_NONE);
	must(ledger_format(e, &line) == 0);
	b.line = buf_span(&line);
	must(s->kind->settle(s, &b) == STORE_OK);
	buf_free(&line);
}

/* A child that settles calls of one day; its process, when its store is open. */
static pid_t
write_calls(const char *config)
{
	int ends[2];
	char byte;
	pid_t pid;

	(void)fflush(stdout);
	must(pipe(ends) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid > 0) {
		(void)close(ends[1]);
		must(read(ends[0], &byte, 1) == 1);
		(void)close(ends[0]);
		return pid;
	}

	struct conf *c = cmd_conf_open(config);
	struct store *s = c ? parts_store(registry(), SPAN("local"))->open(c, NULL, false) : NULL;
	struct ledger_entry e = entry(1);

	must(s && write(ends[1], "", 1) == 1);
	for (unsigned i = 0; i < CALLS; i++) {
		e.key = i % 3 ? SPAN("k1") : SPAN("k2");
		settle(s, &e);
	}
	s->kind->close(s);
	conf_free(c);
	_exit(0);
}

static void
put_conf(struct place *p, char config[static PATH_LEN])
{
	FILE *f;

	(void)snprintf(config, PATH_LEN, "%s/postern.conf", p->folder);
	f = fopen(config, "w");
	must(f &&
	    fprintf(f, "keys = \"%s/keys\"\nstate = \"%s/state\"\nupstream e { kind = echo }\n",
		p->folder, p->folder) > 0 &&
	    fclose(f) == 0);
	put_file(p, "keys", "");
}

/* Runs `ledger verify` or `usage` over the configuration; p->text is then what it printed. */
static int
run_over(struct place *p, const char *config, bool used)
{
	char line[3 * PATH_LEN], out[PATH_LEN];
	int status;

	(void)snprintf(out, sizeof(out), "%s/out", p->folder);
	(void)snprintf(line, sizeof(line), "%s --config %s",
	    used ? "usage --since 2026-10-22 --until 2026-10-22 --by key" : "ledger verify",
	    config);
	status = command_run(used ? cmd_usage : cmd_ledger, line, out, "/dev/null");
	buf_reset(&p->text, MIB);
	must(file_read(out, &p->text) == 0 && buf_str(&p->text));
	return status;
}

/* The commands over the store that servers use, while one is at work. */
static void
test_store(struct check *t)
{
	struct place p = place_make();
	char config[PATH_LEN];
	int status = 0;
	pid_t writer;

	put_conf(&p, config);
	check_row(t, "store: nothing is there yet");
	check_that(t, run_over(&p, config, false) == 0, "%s", p.text.p);
	check_that(t, run_over(&p, config, true) == 0, "%s", p.text.p);
	check_row(t, "store: no false alarm while calls are settled");
	writer = write_calls(config);
	while (waitpid(writer, &status, WNOHANG) == 0)
		check_that(t, run_over(&p, config, false) == 0, "%s", p.text.p);
	check_that(t, WIFEXITED(status) && WEXITSTATUS(status) == 0, "the writer: %d", status);
	check_row(t, "store: the ledger agrees with the totals");
	check_that(t, run_over(&p, config, false) == 0, "findings");
	check_that(t,
	    strstr(p.text.p, ": 600 lines, 1 to 600\ntotals: 2 rows, up to number 600\nok\n"), "%s",
	    p.text.p);
	check_row(t, "store: what was used");
	check_that(t, run_over(&p, config, true) == 0, "status");
	check_same(t, buf_span(&p.text),
	    SPAN("KEY    CALLS  ERRORS  CUT  INPUT  OUTPUT  WRITE-5M  WRITE-1H  READ  COST-USD\n"
		 "k1       400       0    0    400     400         0         0     0    0.0004\n"
		 "k2       200       0    0    200     200         0         0     0    0.0002\n"
		 "total    600       0    0    600     600         0         0     0    0.0006\n"));
	place_free(&p);
}

int
main(void)
{
	struct check t = { .module = "ledger_cmd" };

	test_ledgers(&t);
	test_others(&t);
	test_much_damage(&t);
	test_seqset(&t);
	test_seqset_ends(&t);
	test_lines(&t);
	test_commands(&t);
	test_store(&t);
	return check_end(&t);
}
