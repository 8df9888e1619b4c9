/* books: whatever dies or fails at whatever point, each call that was settled stands in the ledger
 * once, and the totals are the sum of the ledger. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/books.h"
#include "store/drain.h"
#include "unit/check.h"
#include "unit/finished.h"

#define PATH_LEN   512
#define BOUND_MS   20000 /* longer than anything takes that is not broken */
#define LEDGER	   "ledger-2026-11.jsonl"
#define OTHER_BOOT "limits-00000000.mdb"
#define CALLS_MAX  200000u

static const struct store_range all_days = { 0, INT32_MAX };

/* Places. */

struct place {
	char top[64], folder[128];
};

static struct place
place_make(void)
{
	struct place p = { .top = "/tmp/test_books.XXXXXX" };

	if (!mkdtemp(p.top))
		abort();
	(void)snprintf(p.folder, sizeof(p.folder), "%s/state", p.top);
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
	(void)nftw(p->top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
path_of(const struct place *p, const char *name, char out[static PATH_LEN])
{
	if (snprintf(out, PATH_LEN, "%s/%s", p->folder, name) >= PATH_LEN)
		abort();
}

/* The limiter's file. */
static void
find_limits(const struct place *p, char out[static PATH_LEN])
{
	DIR *dir = opendir(p->folder);
	const struct dirent *e;

	out[0] = '\0';
	while (dir && (e = readdir(dir))) {
		size_t n = strlen(e->d_name);

		if (strncmp(e->d_name, "limits-", 7) == 0 && n > 4 &&
		    strcmp(e->d_name + n - 4, ".mdb") == 0)
			path_of(p, e->d_name, out);
	}
	if (dir)
		(void)closedir(dir);
}

static void
copy_file(const char *from, const char *to)
{
	struct buf text = buf_make(64 * MIB);
	FILE *f = fopen(to, "w");

	if (file_read(from, &text) < 0 || !f || fwrite(text.p, 1, text.len, f) != text.len ||
	    fclose(f) != 0)
		abort();
	buf_free(&text);
}

static void
append_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "a");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

static pid_t
fork_flushed(void)
{
	(void)fflush(stdout);
	return fork();
}

static int
wait_for(pid_t pid)
{
	int status = -1;

	(void)waitpid(pid, &status, 0);
	return status;
}

static void
pause_us(long us)
{
	const struct timespec pause = { 0, us * 1000 };

	(void)nanosleep(&pause, NULL);
}

/* Calls. */

static struct books *
open_books(const struct place *p)
{
	struct books *b = books_open(p->folder, NULL, false);

	if (!b)
		abort();
	return b;
}

static const struct admission_ask plain_ask = {
	.workspace = SPAN("alpha"),
	.key = SPAN("k1"),
	.model = SPAN("model-a"),
	.requests = 1,
	.tokens = 10,
	.nanousd = 2 * FINISHED_COST,
	.request_id = SPAN("req"),
	.quota = { { .rpm = QUOTA_RATE_MAX, .concurrent = 1000000 }, { 0 } },
};

/* Takes, settles and books call n. */
static bool
call_at(struct books *b, uint64_t n, int64_t time_ms)
{
	struct buf line = buf_make(LEDGER_LINE_MAX);
	struct admission_grant grant = { 0 };
	struct store_booking k = { .ask = &plain_ask,
		.grant = &grant,
		.used = { .tokens = 3, .nanousd = FINISHED_COST } };
	bool good;

	finished_line(n, time_ms, &line);
	k.line = buf_span(&line);
	good = limiter_take(books_limiter(b), &plain_ask, &grant) == STORE_OK && grant.held &&
	    books_settle(b, &k, false) == STORE_OK;
	buf_free(&line);
	return good;
}

/* Books a line of a call that nothing was taken for. */
static bool
queue_text(struct books *b, struct span text, bool due)
{
	const struct admission_grant none = { 0 };
	const struct store_booking k = { .ask = &plain_ask, .grant = &none, .line = text };
	uint64_t seq = 0;

	return books_queue(b, &k, due, &seq) == STORE_OK && seq > 0;
}

static bool
queue_call(struct books *b, uint64_t n, bool due)
{
	struct buf line = buf_make(LEDGER_LINE_MAX);
	bool good;

	finished_line(n, FINISHED_MS, &line);
	good = queue_text(b, buf_span(&line), due);
	buf_free(&line);
	return good;
}

/* Calls `from` up to `to`. */
static void
calls(struct check *t, struct books *b, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n <= to; n++)
		check_that(t, n % 2 ? call_at(b, n, FINISHED_MS) : queue_call(b, n, false),
		    "call %llu is not booked", (unsigned long long)n);
}

/* What must always hold. */

/* The ledger has lines 1 to `lines` (0: any number) without a gap, and the totals are their sum. */
static uint64_t
audit_seen(struct check *t, const struct place *p, struct books *b, struct finished_sums *s)
{
	struct buf want = buf_make(MIB), got = buf_make(MIB);
	struct store_mark mark = { 0 };

	finished_folder(s, p->folder);
	check_that(t, !s->gap, "the numbers have a gap or stand twice");
	check_that(t, s->lines == 0 || s->first == 1, "the first line is %llu",
	    (unsigned long long)s->first);
	check_that(t, books_booked(b, &mark, finished_print, &got) == STORE_OK, "no totals");
	check_that(t, mark.seq == s->last, "the totals reach to %llu, the ledger to %llu",
	    (unsigned long long)mark.seq, (unsigned long long)s->last);
	finished_print_rows(&s->rows, &want);
	check_same(t, buf_span(&got), buf_span(&want));
	buf_free(&want);
	buf_free(&got);
	return s->lines;
}

static void
audit(struct check *t, const struct place *p, struct books *b, uint64_t lines)
{
	struct finished_sums s = { 0 };
	uint64_t got = audit_seen(t, p, b, &s);

	check_that(t, got == lines, "%llu lines, not %llu", (unsigned long long)got,
	    (unsigned long long)lines);
	finished_free(&s);
}

static void
drain(struct check *t, struct books *b)
{
	check_that(t, books_drain(b) == STORE_OK, "not drained");
}

/* The tests. */

static void
test_keeper(struct check *t, const struct place *p)
{
	struct books *b = open_books(p);
	int64_t until_ms = clock_mono_ms() + BOUND_MS;
	struct stat st;

	check_row(t, "the keeper writes what was settled, by itself");
	check_that(t, stat(p->folder, &st) == 0 && (st.st_mode & 07777) == 0700, "the folder");
	calls(t, b, 1, 5);
	while (limiter_waiting(books_limiter(b)) && clock_mono_ms() < until_ms)
		pause_us(5000);
	audit(t, p, b, 5);
	check_row(t, "and again");
	calls(t, b, 6, 7);
	while (limiter_waiting(books_limiter(b)) && clock_mono_ms() < until_ms)
		pause_us(5000);
	audit(t, p, b, 7);
	books_close(b);
}

static void
test_close(struct check *t, const struct place *p)
{
	struct books *b = open_books(p);

	check_row(t, "closing writes what is left");
	calls(t, b, 1, 9);
	books_close(b);
	b = open_books(p);
	audit(t, p, b, 9);
	check_row(t, "the next process goes on with the numbers");
	calls(t, b, 10, 12);
	drain(t, b);
	audit(t, p, b, 12);
	books_close(b);
	check_row(t, "closing nothing");
	books_close(NULL);
}

/* As another process that drains. */
static int
hold_lock(const struct place *p)
{
	char path[PATH_LEN];
	int fd;

	path_of(p, "drain.lock", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		abort();
	return fd;
}

static void
print_totals(struct check *t, struct books *b, const struct store_range *range, struct buf *out)
{
	out->len = 0;
	check_that(t, books_totals(b, range, finished_print, out) == STORE_OK, "no totals");
}

/* A reader in a process of its own, since a process opens a folder once. It begins when it is told
 * what it should see. */
struct reader {
	pid_t pid;
	int tell;
};

static int
read_totals(const struct place *p, struct span want)
{
	struct check quiet = { .module = "reader" };
	struct books *b = books_open(p->folder, NULL, true);
	struct buf got = buf_make(MIB);

	if (check_that(&quiet, b != NULL, "not opened")) {
		print_totals(&quiet, b, &all_days, &got);
		check_same(&quiet, buf_span(&got), want);
		check_that(
		    &quiet, books_drain(b) != STORE_OK && !queue_call(b, 1, false), "it can write");
	}
	books_close(b);
	buf_free(&got);
	if (quiet.why[0])
		(void)fprintf(stderr, "%s\n", quiet.why);
	return quiet.why[0] != '\0';
}

static struct reader
reader_start(const struct place *p)
{
	struct reader r;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		abort();
	r.tell = ends[1];
	r.pid = fork_flushed();
	if (r.pid == 0) {
		struct buf want = buf_make(MIB);
		ssize_t n = 1;
		char *at;

		(void)close(ends[1]);
		while (n > 0 && buf_room(&want, 4096, &at) == 0) {
			n = read(ends[0], at, 4096);
			want.len += n > 0 ? (size_t)n : 0;
		}
		_exit(read_totals(p, buf_span(&want)));
	}
	(void)close(ends[0]);
	return r;
}

static int
reader_ask(const struct reader *r, struct span want)
{
	bool told = write(r->tell, want.p, want.n) == (ssize_t)want.n;

	(void)close(r->tell);
	return told ? wait_for(r->pid) : -1;
}

static void
test_queued(struct check *t, const struct place *p)
{
	struct reader r = reader_start(p);
	struct books *b = open_books(p);
	struct buf before = buf_make(MIB), after = buf_make(MIB);
	const struct store_range none = { 0, 5 };
	int fd;

	check_row(t, "what is queued is in the totals, but not in those on disk");
	calls(t, b, 1, 20);
	drain(t, b);
	fd = hold_lock(p);
	calls(t, b, 21, 35);
	check_that(t, call_at(b, 36, FINISHED_MS - INT64_C(3 * 86400000)), "a call of before");
	audit(t, p, b, 20);
	print_totals(t, b, &all_days, &before);
	check_row(t, "readers see the same");
	check_that(t, reader_ask(&r, buf_span(&before)) == 0, "not so");
	check_row(t, "days outside of the range");
	print_totals(t, b, &none, &after);
	check_that(t, after.len == 0, "some");
	check_row(t, "a drain changes nothing in the totals");
	(void)close(fd);
	drain(t, b);
	print_totals(t, b, &all_days, &after);
	check_same(t, buf_span(&after), buf_span(&before));
	audit(t, p, b, 36);
	books_close(b);
	buf_free(&before);
	buf_free(&after);
}

static int
add_calls(void *arg, const struct tally_row *row, const struct tally *tally)
{
	uint64_t *n = arg;

	(void)row;
	*n += tally->calls;
	return 0;
}

/* In place of the C library's pwrite, by the name that LMDB calls: a process may be killed right
 * behind the write that makes a commit to the totals valid, the only short one that LMDB makes. */
static bool dies_committing;

ssize_t write_at(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");

ssize_t
write_at(int fd, const void *p, size_t n, off_t at)
{
	ssize_t done = syscall(SYS_pwrite64, fd, p, n, at);

	if (dies_committing && n < 4096)
		(void)raise(SIGKILL);
	return done;
}

/* In a child: waits until it is told to, then dies as its drain ends. */
static _Noreturn void
die_committing(const struct place *p, int told)
{
	struct books *b = open_books(p);
	char c;

	if (read(told, &c, 1) != 1)
		abort();
	dies_committing = true;
	for (uint64_t n = 4; n <= 9; n++)
		(void)queue_call(b, n, false);
	(void)!books_drain(b);
	_exit(1);
}

/* LMDB tells those who read of a commit after it was made. A writer killed in between leaves them
 * with the one before. */
static void
test_killed_committing(struct check *t, const struct place *p)
{
	struct books *b;
	int ends[2];
	pid_t child;

	check_row(t, "a process killed as its commit is made has its lines counted once");
	if (pipe2(ends, O_CLOEXEC) != 0)
		abort();
	child = fork_flushed();
	if (child == 0)
		die_committing(p, ends[0]);
	b = open_books(p);
	calls(t, b, 1, 3);
	drain(t, b);
	check_that(t, write(ends[1], "", 1) == 1, "not told");
	check_that(t, wait_for(child) == SIGKILL, "it did not die there");
	drain(t, b);
	audit(t, p, b, 9);
	books_close(b);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* In a child: books until it is told to stop. */
static void
book_on(const struct place *p, _Atomic uint64_t *done)
{
	struct books *b = open_books(p);
	bool good = true;

	while (good && atomic_load(done) < 100000) {
		uint64_t n = atomic_load(done) + 1;

		good = queue_call(b, n, false);
		atomic_store(done, n);
		if (n % 7 == 0)
			good = good && books_drain(b) == STORE_OK;
	}
	_exit(!good);
}

static void *
shared_memory(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static void
test_totals_while_draining(struct check *t, const struct place *p)
{
	_Atomic uint64_t *done = shared_memory(sizeof(*done));
	struct books *b = open_books(p);
	pid_t pid = -1;
	bool good = true;

	check_row(t, "totals count each call once while another process drains");
	/* Opened before the fork is not what a process may do with books. */
	books_close(b);
	pid = fork_flushed();
	if (pid == 0)
		book_on(p, done);
	b = open_books(p);
	for (int i = 0; i < 100 && good; i++) {
		uint64_t low = atomic_load(done), n = 0;

		good = books_totals(b, &all_days, add_calls, &n) == STORE_OK;
		/* One may stand in the queue that the other process has not counted yet. */
		good = good && n >= low && n <= atomic_load(done) + 1;
		check_that(t, good, "%llu calls, at least %llu", (unsigned long long)n,
		    (unsigned long long)low);
		pause_us(500);
	}
	(void)kill(pid, SIGKILL);
	(void)wait_for(pid);
	books_close(b);
	(void)munmap(done, sizeof(*done));
}

/* What children have booked, by the calls' n. */
struct log {
	_Atomic uint64_t next;
	_Atomic uint8_t booked[CALLS_MAX];
};

/* In a child: books and drains as fast as it can. */
static void
book_until_killed(const struct place *p, struct log *log)
{
	struct books *b = open_books(p);

	for (;;) {
		uint64_t n = atomic_fetch_add(&log->next, 1);

		if (n >= CALLS_MAX)
			_exit(0);
		if (n % 2 ? call_at(b, n, FINISHED_MS) : queue_call(b, n, false))
			atomic_store(&log->booked[n], 1);
		if (n % 5 == 0)
			(void)!books_drain(b);
	}
}

static void
check_booked(struct check *t, const struct finished_sums *s, const struct log *log)
{
	uint64_t upto = atomic_load(&log->next);

	if (upto > CALLS_MAX)
		upto = CALLS_MAX;
	for (uint64_t n = 1; n < upto; n++) {
		check_that(t, s->seen[n] <= 1, "call %llu stands %u times in the ledger",
		    (unsigned long long)n, s->seen[n]);
		check_that(t, s->seen[n] == 1 || !atomic_load(&log->booked[n]), "call %llu is lost",
		    (unsigned long long)n);
	}
}

#define ROUNDS	30
#define BOOKERS 2

static void
test_killed(struct check *t, const struct place *p)
{
	struct log *log = shared_memory(sizeof(*log));
	uint64_t random = 1442695040888963407u;

	check_row(t, "processes are killed while they book and drain, %d times", ROUNDS);
	atomic_store(&log->next, 1);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t enough = atomic_load(&log->next) + 1 + check_pick(&random, 40);
		struct finished_sums s = { .seen = calloc(CALLS_MAX, 1), .seen_max = CALLS_MAX };
		int64_t until_ms = clock_mono_ms() + BOUND_MS;
		struct books *b;
		pid_t pids[BOOKERS];

		for (int c = 0; c < BOOKERS; c++)
			if ((pids[c] = fork_flushed()) == 0)
				book_until_killed(p, log);
		while (atomic_load(&log->next) < enough && clock_mono_ms() < until_ms)
			pause_us(50);
		pause_us((long)check_pick(&random, 5000));
		for (int c = 0; c < BOOKERS; c++)
			(void)kill(pids[c], SIGKILL);
		for (int c = 0; c < BOOKERS; c++)
			(void)wait_for(pids[c]);
		b = open_books(p);
		drain(t, b);
		(void)audit_seen(t, p, b, &s);
		check_booked(t, &s, log);
		books_close(b);
		finished_free(&s);
	}
	check_that(t, atomic_load(&log->next) > ROUNDS, "nothing was booked");
	(void)munmap(log, sizeof(*log));
}

/* As if the machine had started anew. */
static void
new_boot(const struct place *p)
{
	char limits[PATH_LEN], other[PATH_LEN], lock[PATH_LEN + 8];

	find_limits(p, limits);
	path_of(p, OTHER_BOOT, other);
	(void)snprintf(lock, sizeof(lock), "%s-lock", limits);
	if (!limits[0] || rename(limits, other) != 0)
		abort();
	(void)unlink(lock);
}

static bool
has_boot_name(const struct place *p)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
	char boot[9] = "", name[32], want[PATH_LEN], got[PATH_LEN];

	if (!f || fread(boot, 1, sizeof(boot) - 1, f) != sizeof(boot) - 1 || fclose(f) != 0)
		abort();
	(void)snprintf(name, sizeof(name), "limits-%s.mdb", boot);
	path_of(p, name, want);
	find_limits(p, got);
	return strcmp(got, want) == 0;
}

static void
test_boot(struct check *t, const struct place *p)
{
	struct admission_ask ask = plain_ask;
	struct admission_grant grant = { 0 };
	struct books *b = open_books(p);
	enum store_status status;
	char other[PATH_LEN];
	int64_t now_ms = clock_wall_ms();

	check_row(t, "a new boot goes on with the numbers");
	for (uint64_t n = 0; n < 27; n++)
		check_that(t, call_at(b, n, now_ms), "call %llu", (unsigned long long)n);
	books_close(b);
	new_boot(p);
	b = open_books(p);
	check_that(t, call_at(b, 28, now_ms), "not booked");
	drain(t, b);
	audit(t, p, b, 28);
	check_row(t, "the limits of a boot have its name");
	check_that(t, has_boot_name(p), "not so");
	check_row(t, "the limits of another boot are removed");
	path_of(p, OTHER_BOOT, other);
	check_that(t, access(other, F_OK) != 0, "still there");
	check_row(t, "what was spent before is known");
	ask.quota[SCOPE_WORKSPACE].budget_month_nanousd = 9 * FINISHED_COST + ask.nanousd;
	status = limiter_take(books_limiter(b), &ask, &grant);
	check_that(t, status == STORE_OK && grant.held, "status %d, refused by %d", (int)status,
	    (int)grant.refused);
	status = limiter_take(books_limiter(b), &ask, &grant);
	check_that(t, status == STORE_OK && grant.refused == LIMIT_BUDGET_MONTH && grant.left == 0,
	    "status %d, refused by %d, left %llu", (int)status, (int)grant.refused,
	    (unsigned long long)grant.left);
	books_close(b);
}

/* The totals fall back to an older state, and the limiter is gone; the ledger has its lines, and
 * the beginning of one more. */
static void
test_power_cut(struct check *t, const struct place *p)
{
	struct books *b = open_books(p);
	char totals[PATH_LEN], old[PATH_LEN], ledger[PATH_LEN];

	check_row(t, "lines that are in the ledger alone are added to the totals");
	path_of(p, "totals.mdb", totals);
	path_of(p, "old", old);
	path_of(p, LEDGER, ledger);
	calls(t, b, 1, 5);
	books_close(b);
	copy_file(totals, old);
	b = open_books(p);
	calls(t, b, 6, 40);
	books_close(b);
	if (rename(old, totals) != 0)
		abort();
	append_text(ledger, "{\"seq\":41,\"time\":\"2026-11-2");
	new_boot(p);
	b = open_books(p);
	audit(t, p, b, 40);
	check_row(t, "and the lines after them are whole");
	calls(t, b, 41, 44);
	drain(t, b);
	audit(t, p, b, 44);
	books_close(b);
	check_row(t, "totals that are lost are made again from the ledger");
	if (unlink(totals) != 0)
		abort();
	b = open_books(p);
	calls(t, b, 45, 45);
	drain(t, b);
	audit(t, p, b, 45);
	books_close(b);
}

static void
test_rotated(struct check *t, const struct place *p)
{
	struct books *b = open_books(p);
	struct finished_sums s = { 0 };
	struct store_mark mark = { 0 };
	uint64_t n = 0;
	char ledger[PATH_LEN], moved[PATH_LEN];

	check_row(t, "the ledger is moved away while in use");
	path_of(p, LEDGER, ledger);
	path_of(p, "ledger-2026-11.jsonl.1", moved);
	calls(t, b, 1, 4);
	drain(t, b);
	if (rename(ledger, moved) != 0)
		abort();
	calls(t, b, 5, 8);
	drain(t, b);
	check_that(t, access(ledger, F_OK) == 0, "not made again");
	finished_file(&s, ledger);
	check_that(t, s.lines == 4 && s.first == 5, "%llu lines from %llu",
	    (unsigned long long)s.lines, (unsigned long long)s.first);
	finished_free(&s);
	check_row(t, "the ledger is replaced by an older one");
	if (rename(moved, ledger) != 0)
		abort();
	calls(t, b, 9, 12);
	drain(t, b);
	check_that(t,
	    books_booked(b, &mark, add_calls, &n) == STORE_OK && mark.seq == 12 && n == 12,
	    "%llu calls up to %llu", (unsigned long long)n, (unsigned long long)mark.seq);
	check_row(t, "the ledger is removed");
	if (unlink(ledger) != 0)
		abort();
	calls(t, b, 13, 14);
	drain(t, b);
	n = 0;
	check_that(t,
	    books_booked(b, &mark, add_calls, &n) == STORE_OK && mark.seq == 14 && n == 14,
	    "%llu calls up to %llu", (unsigned long long)n, (unsigned long long)mark.seq);
	books_close(b);
}

static void
test_months(struct check *t, const struct place *p)
{
	const int64_t next_ms = INT64_C(1796083200000); /* 2026-12-01 */
	static const int64_t ends_ms[] = { -1, -1, 0, -1, 1, 1 };
	struct books *b = open_books(p);
	char path[PATH_LEN];
	struct finished_sums s = { 0 };
	int fd;

	check_row(t, "a month ends within a batch");
	fd = hold_lock(p);
	for (size_t i = 0; i < ROWS(ends_ms); i++)
		check_that(t, call_at(b, i + 1, next_ms + ends_ms[i]), "call %zu", i);
	(void)close(fd);
	drain(t, b);
	audit(t, p, b, ROWS(ends_ms));
	path_of(p, "ledger-2026-11.jsonl", path);
	finished_file(&s, path);
	check_that(t, s.lines == 2, "%llu lines in November", (unsigned long long)s.lines);
	finished_free(&s);
	books_close(b);
}

static void
test_unreadable(struct check *t, const struct place *p)
{
	struct books *b = open_books(p);
	struct finished_sums s = { 0 };
	struct store_mark mark = { 0 };
	uint64_t n = 0;

	check_row(t, "a line that cannot be read stops nothing");
	calls(t, b, 1, 2);
	check_that(t, queue_text(b, SPAN("\"time\":nonsense}\n"), false), "not queued");
	calls(t, b, 4, 5);
	drain(t, b);
	check_that(t, books_booked(b, &mark, add_calls, &n) == STORE_OK && mark.seq == 5 && n == 4,
	    "%llu calls up to %llu", (unsigned long long)n, (unsigned long long)mark.seq);
	finished_folder(&s, p->folder);
	check_that(t, s.lines == 4 && s.last == 5, "%llu lines", (unsigned long long)s.lines);
	finished_free(&s);
	books_close(b);
}

#define MANY 2500 /* more than a batch holds */

static void
test_many(struct check *t, const struct place *p)
{
	struct books *b = open_books(p);
	int fd = hold_lock(p);

	check_row(t, "more lines than one batch holds");
	for (uint64_t n = 1; n <= MANY; n++)
		check_that(t, queue_call(b, n, false), "not queued");
	(void)close(fd);
	drain(t, b);
	check_that(t, !limiter_waiting(books_limiter(b)), "some are still queued");
	audit(t, p, b, MANY);
	books_close(b);
}

#define PADDING (24 * MIB) /* more than any other file has at its end */

/* A ledger of an older version, whose lines have no number. */
static void
make_old_ledger(const struct place *p)
{
	char path[PATH_LEN];
	FILE *f;

	path_of(p, LEDGER, path);
	if (mkdir(p->folder, 0700) != 0 || !(f = fopen(path, "w")))
		abort();
	for (size_t n = 0; n < PADDING; n += 15000)
		(void)fprintf(f,
		    "{\"time\":\"2026-11-01T00:00:00.000Z\",\"end\":\"done\",\"pad\":\"%0*d\"}\n",
		    14940, 0);
	if (fclose(f) != 0)
		abort();
}

/* In a child: a limit on the size of files stands in for a full disk. */
static int
fill_disk(const struct place *p)
{
	struct check quiet = { .module = "full" };
	struct rlimit limit = { 0, RLIM_INFINITY };
	struct books *b = open_books(p);
	const char *why = NULL;
	char path[PATH_LEN];
	struct stat st;

	(void)signal(SIGXFSZ, SIG_IGN);
	path_of(p, LEDGER, path);
	calls(&quiet, b, 1, 3);
	drain(&quiet, b);
	if (stat(path, &st) != 0)
		abort();
	limit.rlim_cur = (rlim_t)st.st_size + 100;
	check_that(&quiet, setrlimit(RLIMIT_FSIZE, &limit) == 0, "no limit");
	calls(&quiet, b, 4, 9);
	check_that(&quiet, books_drain(b) == STORE_BROKEN, "drained");
	check_that(&quiet, books_drain(b) == STORE_BROKEN, "drained");
	check_that(&quiet, books_probe(b, &why) == STORE_BROKEN, "the probe is content");
	audit(&quiet, p, b, 3);
	limit.rlim_cur = RLIM_INFINITY;
	check_that(&quiet, setrlimit(RLIMIT_FSIZE, &limit) == 0, "no limit");
	calls(&quiet, b, 10, 11);
	drain(&quiet, b);
	check_that(&quiet, books_probe(b, &why) == STORE_OK, "%s", why);
	audit(&quiet, p, b, 11);
	books_close(b);
	if (quiet.why[0])
		(void)fprintf(stderr, "%s\n", quiet.why);
	return quiet.why[0] != '\0';
}

static void
test_full(struct check *t, const struct place *p)
{
	pid_t pid;

	check_row(t, "a full disk: lines are kept and written later");
	make_old_ledger(p);
	pid = fork_flushed();
	if (pid == 0)
		_exit(fill_disk(p));
	check_that(t, wait_for(pid) == 0, "not so");
}

#define DRAINERS UINT64_C(4)
#define EACH	 UINT64_C(120)

static void
test_drainers(struct check *t, const struct place *p)
{
	pid_t pids[DRAINERS];
	struct books *b;

	check_row(t, "several processes open, book and drain at once");
	for (uint64_t c = 0; c < DRAINERS; c++) {
		pids[c] = fork_flushed();
		if (pids[c] == 0) {
			bool good = true;

			b = open_books(p);
			for (uint64_t n = 0; n < EACH; n++) {
				good = good && call_at(b, c * EACH + n, FINISHED_MS);
				if (n % 10 == c)
					good = good && books_drain(b) == STORE_OK;
			}
			books_close(b);
			_exit(!good);
		}
	}
	for (uint64_t c = 0; c < DRAINERS; c++)
		check_that(t, wait_for(pids[c]) == 0, "process %llu", (unsigned long long)c);
	b = open_books(p);
	audit(t, p, b, DRAINERS * EACH);
	books_close(b);
}

/* Another store. */

struct sink {
	bool away;
	uint64_t booked; /* the last line */
	uint64_t gaps;	 /* lines that were never seen before one that was */
	uint64_t due;	 /* lines that came with a settlement, and whole */
	struct rows rows;
};

static void
sink_line(struct sink *s, const struct limiter_line *line)
{
	struct buf text = buf_make(LEDGER_LINE_MAX), words = buf_make(LEDGER_LINE_MAX);
	struct ledger_entry e;
	struct tally_row row;
	struct tally t;

	if (line->seq <= s->booked)
		return;
	s->gaps += line->seq - s->booked - 1;
	s->booked = line->seq;
	s->due += line->due && span_eq(line->ask.workspace, plain_ask.workspace) &&
	    span_eq(line->ask.key, plain_ask.key) && span_eq(line->ask.model, plain_ask.model) &&
	    line->ask.quota[SCOPE_WORKSPACE].rpm == plain_ask.quota[SCOPE_WORKSPACE].rpm;
	if (ledger_begin(line->seq, &text) < 0 || buf_add(&text, line->line) < 0 ||
	    ledger_parse(span_trim(buf_span(&text)), &e, &words) < 0)
		abort();
	tally_of(&e, &row, &t);
	if (rows_add(&s->rows, &row, &t) < 0)
		abort();
	buf_free(&text);
	buf_free(&words);
}

static enum store_status
sink_book(void *arg, const char *node, const struct limiter_line *lines, size_t n, uint64_t *upto)
{
	struct sink *s = arg;

	if (s->away)
		return STORE_AWAY;
	if (strlen(node) == 0)
		return STORE_BROKEN;
	for (size_t i = 0; i < n; i++)
		sink_line(s, &lines[i]);
	*upto = s->booked;
	return STORE_OK;
}

static void
check_sink(struct check *t, const struct place *p, const struct sink *s, uint64_t lines)
{
	struct finished_sums ledger = { 0 };
	struct buf want = buf_make(MIB), got = buf_make(MIB);

	finished_folder(&ledger, p->folder);
	finished_print_rows(&ledger.rows, &want);
	finished_print_rows(&s->rows, &got);
	check_same(t, buf_span(&got), buf_span(&want));
	check_that(t, s->booked == lines && s->gaps == 0 && ledger.lines == lines && !ledger.gap,
	    "booked up to %llu with %llu lines left out, ledger %llu",
	    (unsigned long long)s->booked, (unsigned long long)s->gaps,
	    (unsigned long long)ledger.lines);
	finished_free(&ledger);
	buf_free(&want);
	buf_free(&got);
}

static void
send_away(struct sink *s, bool away)
{
	s->away = away;
}

static struct books *
open_sink(const struct place *p, struct sink *s)
{
	const struct books_sink sink = { .book = sink_book, .arg = s };
	struct books *b = books_open(p->folder, &sink, false);

	if (!b)
		abort();
	return b;
}

static void
test_sink(struct check *t, const struct place *p)
{
	struct sink s = { 0 };
	struct books *b = open_sink(p, &s);
	struct store_mark mark = { 0 };
	uint64_t n = 0;

	check_row(t, "totals of another store");
	calls(t, b, 1, 10);
	drain(t, b);
	check_sink(t, p, &s, 10);
	check_that(t,
	    books_booked(b, &mark, add_calls, &n) == STORE_OK && n == 10 && mark.seq == 10,
	    "%llu calls here", (unsigned long long)n);
	check_row(t, "it is away: the ledger goes on, and lines stay queued");
	send_away(&s, true);
	calls(t, b, 11, 14);
	check_that(t, queue_call(b, 15, true), "not queued");
	check_that(t, books_drain(b) == STORE_AWAY, "not away");
	check_that(t, books_booked(b, &mark, add_calls, &n) == STORE_OK && mark.seq == 15,
	    "the ledger is at %llu", (unsigned long long)mark.seq);
	check_that(t, limiter_waiting(books_limiter(b)), "none is queued");
	books_close(b);
	check_row(t, "it is back, in another process");
	b = open_sink(p, &s);
	send_away(&s, false);
	calls(t, b, 16, 17);
	drain(t, b);
	check_sink(t, p, &s, 17);
	check_that(t, s.due == 1, "%llu are due", (unsigned long long)s.due);
	check_that(t, !limiter_waiting(books_limiter(b)), "some are still queued");
	books_close(b);
	rows_free(&s.rows);
}

static void
test_sink_loses(struct check *t, const struct place *p)
{
	struct sink s = { 0 };
	struct books *b = open_sink(p, &s);

	check_row(t, "a store that has lost its data gets it from the ledger");
	for (uint64_t n = 1; n <= 700; n++)
		check_that(t, queue_call(b, n, false), "not queued");
	drain(t, b);
	check_sink(t, p, &s, 700);
	rows_free(&s.rows);
	s.booked = 0;
	calls(t, b, 701, 702);
	drain(t, b);
	check_sink(t, p, &s, 702);
	check_row(t, "a power cut while the store was away");
	send_away(&s, true);
	calls(t, b, 703, 706);
	check_that(t, books_drain(b) == STORE_AWAY, "not away");
	books_close(b);
	new_boot(p);
	send_away(&s, false);
	b = open_sink(p, &s);
	calls(t, b, 707, 708);
	drain(t, b);
	check_sink(t, p, &s, 708);
	books_close(b);
	rows_free(&s.rows);
}

/* Calls with lines so long that a few make the queue large. */
static bool
queue_long(struct books *b, uint64_t n)
{
	struct buf line = buf_make(LEDGER_LINE_MAX);
	struct span whole;
	bool good;

	finished_line(n, FINISHED_MS, &line);
	whole = buf_span(&line);
	line.len = whole.n - sizeof("}");
	good = buf_addf(&line, ",\"of a later version\":\"%0*d\"}\n", 12000, 0) == 0 &&
	    queue_text(b, buf_span(&line), false);
	buf_free(&line);
	return good;
}

static void
test_sink_away_long(struct check *t, const struct place *p)
{
	struct sink s = { .away = true };
	struct books *b = open_sink(p, &s);
	const uint64_t many = 2000; /* 24 million bytes */

	check_row(t, "lines for a store that is away for long are not queued for ever");
	for (uint64_t n = 1; n <= many; n++)
		check_that(t, queue_long(b, n), "not queued");
	(void)!books_drain(b);
	check_that(t, limiter_waiting(books_limiter(b)) <= 16 * MIB, "%llu bytes are queued",
	    (unsigned long long)limiter_waiting(books_limiter(b)));
	check_row(t, "and none is missing when it is back");
	calls(t, b, many + 1, many + 3);
	check_that(t, books_drain(b) == STORE_AWAY, "not away");
	send_away(&s, false);
	while (books_drain(b) == STORE_AWAY)
		pause_us(1000);
	check_sink(t, p, &s, many + 3);
	books_close(b);
	rows_free(&s.rows);
}

static void
test_sink_ahead(struct check *t, const struct place *p)
{
	struct sink s = { 0 };
	struct books *b = open_sink(p, &s);

	check_row(t, "numbers that the other store has already are not used again");
	calls(t, b, 1, 3);
	drain(t, b);
	s.booked = 40;
	calls(t, b, 4, 4);
	drain(t, b);
	check_that(t, s.booked == 40, "booked up to %llu", (unsigned long long)s.booked);
	calls(t, b, 5, 6);
	drain(t, b);
	check_that(t, s.booked == 42 && s.gaps == 0, "booked up to %llu with %llu left out",
	    (unsigned long long)s.booked, (unsigned long long)s.gaps);
	books_close(b);
	rows_free(&s.rows);
}

/* A sink that does not answer until it is let go. */
struct slow {
	_Atomic bool asked, let_go;
	_Atomic unsigned beats;
	struct drain *drain;
	struct limiter *limiter;
};

static enum store_status
slow_book(void *arg, const char *node, const struct limiter_line *lines, size_t n, uint64_t *upto)
{
	struct slow *s = arg;

	(void)node;
	s->asked = true;
	while (!s->let_go)
		pause_us(1000);
	*upto = n > 0 ? lines[n - 1].seq : 0;
	return STORE_OK;
}

static void
slow_beat(void *arg)
{
	((struct slow *)arg)->beats++;
}

static void *
drain_slowly(void *arg)
{
	struct slow *s = arg;

	if (drain_lock(s->drain, BOUND_MS) < 0 || drain_queue(s->drain, s->limiter) != STORE_OK)
		abort();
	drain_unlock(s->drain);
	return NULL;
}

static void
test_beats(struct check *t, const struct place *p)
{
	struct slow slow = { false };
	const struct books_sink sink = { slow_book, slow_beat, &slow };
	char path[PATH_LEN];
	struct totals *totals;
	pthread_t thread;

	check_row(t, "leases are kept alive while a drain lasts");
	path_of(p, "totals.mdb", path);
	if (mkdir(p->folder, 0700) != 0 || !(totals = totals_open(path, false)))
		abort();
	path_of(p, "limits.mdb", path);
	slow.limiter = limiter_open(path, 0, NULL, NULL, false);
	slow.drain = drain_open(p->folder, totals);
	if (!slow.limiter || !slow.drain)
		abort();
	drain_aim(slow.drain, &sink);
	if (pthread_create(&thread, NULL, drain_slowly, &slow) != 0)
		abort();
	while (!slow.asked)
		pause_us(1000);
	drain_beat(slow.drain);
	check_that(t, slow.beats == 1, "%u beats", slow.beats);
	slow.let_go = true;
	(void)pthread_join(thread, NULL);
	drain_close(slow.drain);
	limiter_close(slow.limiter);
	totals_close(totals);
}

static void
test_beside(struct check *t, const struct place *p)
{
	struct sink one = { 0 }, two = { 0 };
	const struct books_sink sink = { .book = sink_book, .arg = &two };
	struct books *a = open_sink(p, &one);
	struct books *b;

	check_row(t, "two users of a folder: the later one's store gets what comes");
	calls(t, a, 1, 3);
	b = books_beside(a, &sink);
	check_that(t, b && one.booked == 3, "booked up to %llu", (unsigned long long)one.booked);
	two.booked = 3;
	calls(t, a, 4, 5);
	calls(t, b, 6, 6);
	drain(t, a);
	check_that(t, one.booked == 3 && two.booked == 6, "booked up to %llu and %llu",
	    (unsigned long long)one.booked, (unsigned long long)two.booked);
	check_row(t, "when it closes the other one's does again");
	one.booked = 6;
	calls(t, b, 7, 7);
	books_close(b);
	check_that(t, two.booked == 7 && one.booked == 6, "booked up to %llu and %llu",
	    (unsigned long long)one.booked, (unsigned long long)two.booked);
	one.booked = 7;
	calls(t, a, 8, 8);
	books_close(a);
	check_that(t, one.booked == 8 && one.gaps == 0, "booked up to %llu",
	    (unsigned long long)one.booked);
	rows_free(&one.rows);
	rows_free(&two.rows);
}

static void
test_reader(struct check *t, const struct place *p)
{
	struct books *b = books_open(p->folder, NULL, true);
	struct store_mark mark = { 7 };
	uint64_t n = 0;

	check_row(t, "to a reader a missing folder is empty books, and stays missing");
	check_that(t, b != NULL, "not opened");
	check_that(t,
	    books_totals(b, &all_days, add_calls, &n) == STORE_OK &&
		books_booked(b, &mark, add_calls, &n) == STORE_OK && n == 0 && mark.seq == 0,
	    "not empty");
	books_close(b);
	check_that(t, access(p->folder, F_OK) != 0, "made");
	check_row(t, "a folder that cannot be made");
	check_that(t, !books_open("/dev/null/state", NULL, false), "opened");
}

/* Somebody looks while the first process of all makes the files. */
static void
test_read_early(struct check *t, const struct place *p)
{
	char totals[PATH_LEN], limits[PATH_LEN];

	path_of(p, "totals.mdb", totals);
	books_close(books_open(p->folder, NULL, false));
	find_limits(p, limits);
	for (off_t size = 0; size <= 4096; size += 4096) {
		for (int both = 0; both < 2; both++) {
			struct books *b;
			uint64_t n = 0;

			check_row(t, "to a reader files of %lld bytes are empty books%s",
			    (long long)size, both ? ", both" : "");
			if (truncate(limits, size) != 0 || (both && truncate(totals, size) != 0))
				abort();
			b = books_open(p->folder, NULL, true);
			if (check_that(t, b != NULL, "not opened"))
				check_that(t,
				    books_totals(b, &all_days, add_calls, &n) == STORE_OK && n == 0,
				    "not empty");
			books_close(b);
		}
	}
}

int
main(void)
{
	static void (*const tests[])(struct check *, const struct place *) = { test_keeper,
		test_close, test_queued, test_totals_while_draining, test_killed,
		test_killed_committing, test_boot, test_power_cut, test_rotated, test_months,
		test_unreadable, test_many, test_full, test_drainers, test_sink, test_sink_loses,
		test_sink_away_long, test_sink_ahead, test_beats, test_beside, test_reader,
		test_read_early };
	struct check t = { .module = "books" };

	for (size_t i = 0; i < ROWS(tests); i++) {
		struct place p = place_make();

		(void)fflush(stdout);
		tests[i](&t, &p);
		place_remove(&p);
	}
	return check_end(&t);
}
