/* ledgerfile: lines are appended whole or not at all, and whatever a dying process, a power cut or
 * a rotation leaves behind, each line is found again exactly once. */
#include "store/ledgerfile.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "unit/check.h"

#define PATH_LEN 512
#define NOV	 "ledger-2026-11.jsonl"
#define DEC	 "ledger-2026-12.jsonl"
#define JAN	 "ledger-2027-01.jsonl"

#define REST	"\"time\":\"2026-11-21T23:14:51.042Z\",\"end\":\"done\"}"
#define LINE(n) "{\"seq\":" #n "," REST "\n"
#define OLD	"{" REST "\n"

struct place {
	char folder[64];
	char log[128]; /* what the log says in the meantime */
	int said;      /* standard error as it was */
};

static void
path_of(const struct place *p, const char *name, char out[static PATH_LEN])
{
	(void)snprintf(out, PATH_LEN, "%s/%s", p->folder, name);
}

static struct place
place_make(void)
{
	struct place p = { .folder = "/tmp/test_ledgerfile.XXXXXX" };
	int fd;

	if (!mkdtemp(p.folder))
		abort();
	(void)snprintf(p.log, sizeof(p.log), "%s/log", p.folder);
	p.said = dup(STDERR_FILENO);
	fd = open(p.log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		abort();
	(void)close(fd);
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
	(void)dup2(p->said, STDERR_FILENO);
	(void)close(p->said);
	(void)nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Puts text in the place of what was in a file, which stays the same file. */
static void
put_file(const struct place *p, const char *name, struct span text)
{
	char path[PATH_LEN];
	FILE *f;

	path_of(p, name, path);
	f = fopen(path, "w");
	if (!f || fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0)
		abort();
}

static void
expect_file(struct check *c, const struct place *p, const char *name, struct span want)
{
	struct buf text = buf_make(MIB);
	char path[PATH_LEN];

	path_of(p, name, path);
	check_that(c, file_read(path, &text) == 0, "%s cannot be read", name);
	check_same(c, buf_span(&text), want);
	buf_free(&text);
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

/* The numbers of the lines that were found, as text: "3 4 ". */
struct found {
	char numbers[256];
	unsigned n;
	unsigned stop_at; /* 0: never */
};

static int
note_line(void *arg, const struct ledger_entry *e)
{
	struct found *f = arg;
	size_t len = strlen(f->numbers);

	f->n++;
	if (len < sizeof(f->numbers) - 30)
		(void)snprintf(f->numbers + len, sizeof(f->numbers) - len, "%" PRIu64 " ", e->seq);
	return f->n == f->stop_at;
}

/* Catches up and expects these lines. */
static void
expect_found(struct check *c, const struct place *p, struct totals_mark *mark, const char *want)
{
	struct found f = { .n = 0 };
	int rc = ledgerfile_catch_up(p->folder, mark, note_line, &f);

	check_that(c, rc == 0, "catching up fails");
	check_same(c, span_of(f.numbers), span_of(want));
}

static void
append(struct check *c, const struct place *p, const char *name, struct span text,
    struct totals_mark *mark)
{
	uint64_t seq = mark->seq;

	for (size_t i = 0; i < text.n; i++)
		seq += text.p[i] == '\n';
	check_that(c, ledgerfile_append(p->folder, name, text, seq, mark) == 0, "appending: %s",
	    strerror(errno));
	check_that(c, mark->seq == seq, "number %" PRIu64, mark->seq);
}

static bool
same_mark(const struct totals_mark *a, const struct totals_mark *b)
{
	return a->seq == b->seq && strcmp(a->file, b->file) == 0 && a->dev == b->dev &&
	    a->ino == b->ino && a->size == b->size;
}

/* Whether the mark stands at the end of a file as it is. */
static void
expect_mark(
    struct check *c, const struct place *p, const struct totals_mark *mark, const char *name)
{
	char path[PATH_LEN];
	struct stat st;

	path_of(p, name, path);
	check_same(c, span_of(mark->file), span_of(name));
	check_that(c, stat(path, &st) == 0 && mark->dev == st.st_dev && mark->ino == st.st_ino,
	    "another file");
	check_that(c, mark->size == (uint64_t)st.st_size, "at %" PRIu64, mark->size);
}

static void
test_append(struct check *c, const struct place *p)
{
	struct totals_mark mark = { .seq = 0 };
	char path[PATH_LEN];
	struct stat st;

	(void)umask(022);
	check_row(c, "a new file, with its mode");
	append(c, p, NOV, SPAN(LINE(1) LINE(2)), &mark);
	path_of(p, NOV, path);
	check_that(c, stat(path, &st) == 0 && (st.st_mode & 07777) == 0640, "mode %o",
	    (unsigned)st.st_mode);
	expect_mark(c, p, &mark, NOV);

	check_row(c, "more lines, and another month");
	append(c, p, NOV, SPAN(LINE(3)), &mark);
	append(c, p, DEC, SPAN(LINE(4)), &mark);
	expect_mark(c, p, &mark, DEC);
	expect_file(c, p, NOV, SPAN(LINE(1) LINE(2) LINE(3)));

	check_row(c, "never an earlier month");
	append(c, p, NOV, SPAN(LINE(5)), &mark);
	expect_mark(c, p, &mark, DEC);
	expect_file(c, p, DEC, SPAN(LINE(4) LINE(5)));

	check_row(c, "a torn end that nobody has caught up with is closed");
	put_file(p, DEC, SPAN(LINE(4) LINE(5) "{\"seq"));
	append(c, p, DEC, SPAN(LINE(6)), &mark);
	expect_mark(c, p, &mark, DEC);
	expect_file(c, p, DEC, SPAN(LINE(4) LINE(5) "{\"seq\n" LINE(6)));

	check_row(c, "nothing is found behind the mark");
	st.st_size = (off_t)mark.size;
	expect_found(c, p, &mark, "");
	check_that(c, mark.seq == 6 && mark.size == (uint64_t)st.st_size, "the mark moved");
}

static void
expect_refused(struct check *c, const struct place *p, const char *name, int error)
{
	struct totals_mark mark = { .seq = 1, .file = NOV, .size = 3 };
	struct totals_mark before = mark;

	errno = 0;
	check_that(c, ledgerfile_append(p->folder, name, SPAN(LINE(2)), 2, &mark) < 0, "appended");
	check_that(c, errno == error, "%s", strerror(errno));
	check_that(c, same_mark(&mark, &before), "the mark moved");
}

static void
test_refused(struct check *c, const struct place *p)
{
	struct place nowhere = { .folder = "/tmp/test_ledgerfile.none" };
	struct totals_mark mark = { .seq = 0 };
	struct found f = { .n = 0 };
	char path[PATH_LEN], other[PATH_LEN];

	check_row(c, "a link is not followed");
	path_of(p, DEC, path);
	path_of(p, "other", other);
	put_file(p, "other", SPAN(""));
	check_that(c, symlink(other, path) == 0, "no link");
	expect_refused(c, p, DEC, ELOOP);
	expect_file(c, p, "other", SPAN(""));
	check_that(c, ledgerfile_catch_up(p->folder, &mark, note_line, &f) < 0, "it is read");
	check_that(c, log_says(p, "file=\"" DEC "\""), "the log does not say so");

	check_row(c, "what is no file is not written");
	check_that(c, unlink(path) == 0 && mkfifo(path, 0600) == 0, "no pipe");
	expect_refused(c, p, DEC, EINVAL);
	check_that(c, unlink(path) == 0 && mkdir(path, 0700) == 0, "no folder");
	expect_refused(c, p, DEC, EISDIR);

	check_row(c, "a name that is too long");
	expect_refused(c, p, "ledger-2026-11.jsonl.and-more", ENAMETOOLONG);

	check_row(c, "a folder that is not there");
	expect_refused(c, &nowhere, DEC, ENOENT);
	check_that(c, ledgerfile_catch_up(nowhere.folder, &mark, note_line, &f) < 0, "it is read");
}

/* In a child: a limit on the size of files stands in for a full disk. */
static int
fill_disk(struct check *c, const struct place *p, size_t room)
{
	struct totals_mark mark = { .seq = 0 }, before;
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	int error;

	append(c, p, NOV, SPAN(LINE(1)), &mark);
	before = mark;
	limit.rlim_cur = mark.size + room;
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	check_that(
	    c, ledgerfile_append(p->folder, NOV, SPAN(LINE(2) LINE(3)), 3, &mark) < 0, "appended");
	error = errno;
	limit.rlim_cur = RLIM_INFINITY;
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	check_that(c, error == EFBIG, "%s", strerror(error));
	check_that(c, same_mark(&mark, &before), "the mark moved");
	expect_mark(c, p, &mark, NOV);
	expect_found(c, p, &mark, "");
	append(c, p, NOV, SPAN(LINE(2) LINE(3)), &mark);
	expect_file(c, p, NOV, SPAN(LINE(1) LINE(2) LINE(3)));
	return c->why[0] != '\0';
}

static void
test_full(struct check *c, const struct place *p)
{
	char path[PATH_LEN];

	path_of(p, NOV, path);
	check_row(c, "a full disk takes back what it took of a write");
	for (size_t room = 0; room < sizeof(LINE(2) LINE(3)) - 1; room++) {
		int status = -1;
		pid_t pid;

		(void)fflush(stdout);
		pid = fork();
		if (pid == 0) {
			(void)signal(SIGXFSZ, SIG_IGN);
			_exit(fill_disk(c, p, room));
		}
		(void)waitpid(pid, &status, 0);
		check_that(c, status == 0, "status %d with room for %zu bytes", status, room);
		(void)unlink(path);
	}
}

#define BEFORE LINE(1) LINE(2)
#define BEHIND LINE(3) LINE(4) LINE(5)

/* What is to be found of BEHIND in its first n bytes, the lines to be appended after that, and what
 * the file holds then. */
static const char *
cut_at(size_t n, struct buf *file, struct span *missing)
{
	static const char *const numbers[] = { "", "3 ", "3 4 ", "3 4 5 " };
	const size_t line = sizeof(LINE(3)) - 1;
	size_t whole = (n + 1) / line; /* a newline alone may be missing */
	size_t torn = n > whole * line ? n - whole * line : 0;

	*missing = span_cut(SPAN(BEHIND), whole * line, 3 * line);
	file->len = 0;
	if (buf_add(file, SPAN(BEFORE)) < 0 ||
	    buf_add(file, span_cut(SPAN(BEHIND), 0, whole * line + torn)) < 0 ||
	    (torn > 0 && buf_add(file, SPAN("\n")) < 0) || buf_add(file, *missing) < 0)
		abort();
	return numbers[whole];
}

/* A process wrote lines and died before it could say so; of them so many bytes are on the disk. */
static void
test_cut(struct check *c, const struct place *p)
{
	struct buf want = buf_make(KIB);

	check_row(c, "a file that ends at any byte behind the mark");
	for (size_t n = 0; n <= sizeof(BEHIND) - 1; n++) {
		struct totals_mark mark = { .seq = 0 }, before;
		struct span missing;
		const char *numbers = cut_at(n, &want, &missing);
		char path[PATH_LEN];

		path_of(p, NOV, path);
		append(c, p, NOV, SPAN(BEFORE), &mark);
		before = mark;
		append(c, p, NOV, SPAN(BEHIND), &mark);
		if (truncate(path, (off_t)(before.size + n)) != 0)
			abort();
		mark = before;
		expect_found(c, p, &mark, numbers);
		expect_mark(c, p, &mark, NOV);
		append(c, p, NOV, missing, &mark);
		expect_file(c, p, NOV, buf_span(&want));
		expect_found(c, p, &mark, "");
		if (!check_that(c, mark.seq == 5, "cut at %zu", n))
			break;
		(void)unlink(path);
	}
	buf_free(&want);
}

/* Less than what was known: the file was cut, by whomever. */
static void
test_cut_before(struct check *c, const struct place *p)
{
	const size_t line = sizeof(LINE(1)) - 1;

	check_row(c, "a file that ends at any byte before the mark");
	for (size_t n = 0; n < sizeof(BEFORE) - 1; n++) {
		struct totals_mark mark = { .seq = 0 };
		struct buf want = buf_make(KIB);
		char path[PATH_LEN];

		path_of(p, NOV, path);
		append(c, p, NOV, SPAN(BEFORE), &mark);
		if (truncate(path, (off_t)n) != 0)
			abort();
		expect_found(c, p, &mark, "");
		expect_mark(c, p, &mark, NOV);
		append(c, p, NOV, SPAN(LINE(3)), &mark);
		if (buf_add(&want, span_cut(SPAN(BEFORE), 0, n)) < 0 ||
		    (n % line != 0 && buf_add(&want, SPAN("\n")) < 0) ||
		    buf_add(&want, SPAN(LINE(3))) < 0)
			abort();
		expect_file(c, p, NOV, buf_span(&want));
		if (!check_that(c, mark.seq == 3, "cut at %zu", n))
			break;
		(void)unlink(path);
		buf_free(&want);
	}
}

static const struct {
	const char *what;
	struct span behind;
	const char *found;
	bool told; /* that it is damaged */
} tails[] = {
	{ "zeros of a power cut", SPAN("\0\0\0\0\0\0\0\0"), "", true },
	{ "zeros between lines", SPAN(LINE(3) "\0\0\0\0\n" LINE(4)), "3 4 ", true },
	{ "zeros in the place of a line's end", SPAN(LINE(3) "{\"seq\":4,\"ti\0\0\0"), "3 ", true },
	{ "a line that sticks to half of one", SPAN("{\"seq\":3,\"ti" LINE(3) LINE(4)), "4 ",
	    true },
	{ "lines of older versions", SPAN(OLD LINE(3) OLD OLD), "3 ", false },
	{ "empty lines", SPAN("\n\n" LINE(3) "\n"), "3 ", false },
	{ "numbers that are known", SPAN(LINE(1) LINE(2) LINE(3) LINE(3)), "3 ", false },
	{ "a gap", SPAN(LINE(7) LINE(9)), "7 9 ", false },
	{ "what is no ledger", SPAN("hello\n[]\n{}\n"), "", true },
	{ "members of newer versions", SPAN("{\"seq\":3,\"new\":{\"a\":[]}," REST "\n"), "3 ",
	    false },
};

static void
test_tails(struct check *c, const struct place *p)
{
	char path[PATH_LEN];

	path_of(p, NOV, path);
	for (size_t i = 0; i < ROWS(tails); i++) {
		struct totals_mark mark = { .seq = 0 }, before;

		check_row(c, "behind the mark: %s", tails[i].what);
		if (truncate(p->log, 0) != 0)
			abort();
		append(c, p, NOV, SPAN(BEFORE), &mark);
		before = mark;
		append(c, p, NOV, tails[i].behind, &mark);
		mark = before;
		expect_found(c, p, &mark, tails[i].found);
		expect_mark(c, p, &mark, NOV);
		check_that(c, log_says(p, "damaged") == tails[i].told, "the log is wrong");
		expect_found(c, p, &mark, "");
		before = mark;
		append(c, p, NOV, SPAN(LINE(99)), &mark);
		mark = before;
		mark.size = 0;
		expect_found(c, p, &mark, "99 ");
		(void)unlink(path);
	}
}

/* Lines as long as they may be, and longer ones, around the bounds of what is read at once. */
static void
test_long(struct check *c, const struct place *p)
{
	static const struct {
		const char *what;
		size_t len; /* of the line, without its newline */
		const char *newline;
		const char *found;
	} rows[] = {
		{ "the longest", LEDGER_LINE_MAX, "\n", "1 2 3 " },
		{ "one that is too long", LEDGER_LINE_MAX + 1, "\n", "1 3 " },
		{ "one that is far too long", 10 * LEDGER_LINE_MAX + 7, "\n", "1 3 " },
		{ "one that is too long and torn", 10 * LEDGER_LINE_MAX, "", "1 " },
		{ "the longest, torn", LEDGER_LINE_MAX, "", "1 2 " },
	};
	const struct span head = SPAN("{\"seq\":2,\"pad\":\""), tail = SPAN("\"," REST);
	struct buf text = buf_make(MIB);

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct totals_mark mark = { .seq = 0 };
		char *pad;
		size_t n = rows[i].len - head.n - tail.n;

		check_row(c, "long lines: %s", rows[i].what);
		text.len = 0;
		if (buf_add(&text, SPAN(LINE(1))) < 0 || buf_add(&text, head) < 0 ||
		    buf_room(&text, n, &pad) < 0)
			abort();
		memset(pad, 'x', n);
		text.len += n;
		if (buf_add(&text, tail) < 0 || buf_add(&text, span_of(rows[i].newline)) < 0 ||
		    (rows[i].newline[0] && buf_add(&text, SPAN(LINE(3))) < 0))
			abort();
		put_file(p, NOV, buf_span(&text));
		expect_found(c, p, &mark, rows[i].found);
		expect_mark(c, p, &mark, NOV);
		expect_found(c, p, &mark, "");
	}
	buf_free(&text);
}

static void
test_many(struct check *c, const struct place *p)
{
	struct totals_mark mark = { .seq = 0 };
	struct buf text = buf_make(4 * MIB);
	struct found f = { .n = 0 };

	check_row(c, "many lines, from the start and from the middle");
	for (unsigned i = 1; i <= 10000; i++) {
		if (buf_addf(&text, "{\"seq\":%u," REST "\n", i) < 0)
			abort();
	}
	put_file(p, NOV, buf_span(&text));
	check_that(c, ledgerfile_catch_up(p->folder, &mark, note_line, &f) == 0, "it fails");
	check_that(c, f.n == 10000 && mark.seq == 10000, "%u lines", f.n);
	expect_mark(c, p, &mark, NOV);
	mark.seq = 9000;
	mark.size = 0;
	f = (struct found){ .n = 0 };
	check_that(c, ledgerfile_catch_up(p->folder, &mark, note_line, &f) == 0, "it fails");
	check_that(c, f.n == 1000 && mark.seq == 10000, "%u lines", f.n);
	buf_free(&text);
}

static void
move_file(const struct place *p, const char *from, const char *to)
{
	char a[PATH_LEN], b[PATH_LEN];

	path_of(p, from, a);
	path_of(p, to, b);
	if (rename(a, b) != 0)
		abort();
}

/* A mark at the end of BEFORE and lines behind it. */
static struct totals_mark
known_and_more(struct check *c, const struct place *p, struct span behind)
{
	struct totals_mark mark = { .seq = 0 }, later;

	append(c, p, NOV, SPAN(BEFORE), &mark);
	later = mark;
	append(c, p, NOV, behind, &later);
	return mark;
}

static void
test_rotated(struct check *c, const struct place *p)
{
	struct totals_mark mark = known_and_more(c, p, SPAN(LINE(3) "{\"torn"));
	struct totals_mark other = { .seq = 3 };

	check_row(c, "a rotation, with lines behind the mark in both files");
	move_file(p, NOV, NOV ".1");
	append(c, p, NOV, SPAN(LINE(4)), &other);
	expect_found(c, p, &mark, "3 4 ");
	expect_mark(c, p, &mark, NOV);
	expect_file(c, p, NOV ".1", SPAN(BEFORE LINE(3) "{\"torn"));
	append(c, p, NOV, SPAN(LINE(5)), &mark);
	expect_file(c, p, NOV, SPAN(LINE(4) LINE(5)));

	check_row(c, "a rotation, and no new file yet");
	move_file(p, NOV, NOV ".2");
	other = mark;
	other.seq = 4;
	other.size -= sizeof(LINE(5)) - 1;
	expect_found(c, p, &other, "5 ");
	check_that(c, other.size == mark.size, "the mark is at %" PRIu64, other.size);
	expect_found(c, p, &other, "");
	append(c, p, NOV, SPAN(LINE(6)), &other);
	expect_mark(c, p, &other, NOV);

	check_row(c, "a file that was taken away");
	move_file(p, NOV, "elsewhere");
	expect_found(c, p, &other, "");
	append(c, p, NOV, SPAN(LINE(7)), &other);
	expect_file(c, p, NOV, SPAN(LINE(7)));
	expect_mark(c, p, &other, NOV);
}

static void
test_replaced(struct check *c, const struct place *p)
{
	struct totals_mark mark = known_and_more(c, p, SPAN(""));
	struct totals_mark other = { .seq = 4 };

	check_row(c, "copied and cut to nothing");
	put_file(p, NOV, SPAN(""));
	expect_found(c, p, &mark, "");
	check_that(c, mark.size == 0 && mark.seq == 2, "the mark stays");

	check_row(c, "copied, cut, and written again");
	mark = known_and_more(c, p, SPAN(LINE(3)));
	put_file(p, NOV, SPAN(LINE(3)));
	expect_found(c, p, &mark, "3 ");
	expect_mark(c, p, &mark, NOV);

	check_row(c, "another file in its place, longer than the mark");
	move_file(p, NOV, "elsewhere");
	put_file(p, NOV, SPAN(LINE(1) LINE(2) LINE(3) LINE(4)));
	expect_found(c, p, &mark, "4 ");
	expect_mark(c, p, &mark, NOV);

	check_row(c, "the mark is inside a line");
	mark.size -= 3;
	mark.seq = 2;
	expect_found(c, p, &mark, "3 4 ");
	append(c, p, NOV, SPAN(LINE(5)), &mark);
	check_that(c, mark.seq == 5 && other.seq == 4, "number");
}

static void
test_months(struct check *c, const struct place *p)
{
	struct totals_mark mark = known_and_more(c, p, SPAN(LINE(3) "{\"torn"));
	struct totals_mark none = { .seq = 0 };

	check_row(c, "lines in later months");
	put_file(p, JAN, SPAN(LINE(6)));
	put_file(p, DEC, SPAN(LINE(4) LINE(5)));
	put_file(p, "ledger-2026-12.jsonl.gz", SPAN(LINE(8)));
	put_file(p, "ledger-2026-1x.jsonl", SPAN(LINE(8)));
	put_file(p, "xledger-2026-12.jsonl", SPAN(LINE(8)));
	expect_found(c, p, &mark, "3 4 5 6 ");
	expect_mark(c, p, &mark, JAN);
	expect_file(c, p, NOV, SPAN(BEFORE LINE(3) "{\"torn\n"));
	expect_found(c, p, &mark, "");

	check_row(c, "no mark: all that is there");
	put_file(p, "ledger-2026-10.jsonl", SPAN(OLD OLD));
	expect_found(c, p, &none, "1 2 3 4 5 6 ");
	check_that(c, same_mark(&none, &mark), "another mark");

	check_row(c, "a later file of older lines does not get the mark");
	put_file(p, "ledger-2027-02.jsonl", SPAN(OLD "half"));
	expect_found(c, p, &mark, "");
	expect_mark(c, p, &mark, JAN);
	expect_file(c, p, "ledger-2027-02.jsonl", SPAN(OLD "half\n"));
}

static void
test_nothing(struct check *c, const struct place *p)
{
	struct totals_mark mark = { .seq = 0 }, before = mark;
	struct found f = { .stop_at = 2 };

	check_row(c, "an empty folder");
	expect_found(c, p, &mark, "");
	check_that(c, same_mark(&mark, &before), "the mark moved");

	check_row(c, "nothing but older lines");
	put_file(p, NOV, SPAN(OLD OLD));
	expect_found(c, p, &mark, "");
	check_that(c, same_mark(&mark, &before), "the mark moved");
	append(c, p, NOV, SPAN(LINE(1)), &mark);
	expect_file(c, p, NOV, SPAN(OLD OLD LINE(1)));

	check_row(c, "the caller stops");
	put_file(p, NOV, SPAN(LINE(1) LINE(2) LINE(3)));
	mark = before;
	check_that(c, ledgerfile_catch_up(p->folder, &mark, note_line, &f) < 0, "it goes on");
	check_that(c, f.n == 2 && same_mark(&mark, &before), "the mark moved");
}

int
main(void)
{
	static void (*const tests[])(struct check *, const struct place *) = { test_append,
		test_refused, test_full, test_cut, test_cut_before, test_tails, test_long,
		test_many, test_rotated, test_replaced, test_months, test_nothing };
	struct check c = { .module = "ledgerfile" };

	for (size_t i = 0; i < ROWS(tests); i++) {
		struct place p = place_make();

		(void)fflush(stdout);
		tests[i](&c, &p);
		place_remove(&p);
	}
	return check_end(&c);
}
