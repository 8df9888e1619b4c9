/* kv: what is in a file while processes, threads and disks come to their ends. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/kv.h"
#include "unit/check.h"

struct place {
	char folder[64];
	char file[128];
};

static struct place
place_make(void)
{
	struct place p = { .folder = "/tmp/test_kv.XXXXXX" };

	if (!mkdtemp(p.folder))
		abort();
	(void)snprintf(p.file, sizeof(p.file), "%s/file", p.folder);
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

static void
must(enum kv_status status)
{
	if (status != KV_OK)
		abort();
}

static struct kv *
open_kv(const struct place *p, enum kv_mode mode)
{
	struct kv *kv = kv_open(p->file, mode, false);

	if (!kv)
		abort();
	return kv;
}

/* One change in a transaction of its own. */
static void
put(struct kv *kv, struct span key, struct span value)
{
	struct kv_txn t;

	must(kv_begin(kv, true, &t));
	must(kv_put(&t, key, value));
	must(kv_commit(&t));
}

static void
expect(struct check *c, struct kv *kv, struct span key, struct span want)
{
	struct kv_txn t;
	struct span value;

	must(kv_begin(kv, false, &t));
	if (check_that(c, kv_get(&t, key, &value) == KV_OK, "%.*s is not there", (int)key.n, key.p))
		check_same(c, value, want);
	kv_abort(&t);
}

static const struct {
	const char *name;
	enum kv_mode mode;
} modes[] = { { "durable", KV_DURABLE }, { "volatile", KV_VOLATILE } };

static void
test_values(struct check *c, const struct place *p)
{
	for (size_t i = 0; i < ROWS(modes); i++) {
		struct kv *kv = open_kv(p, modes[i].mode);
		struct kv_txn t;
		struct span value;
		struct stat st;
		char *at = NULL;

		check_row(c, "%s: values are put, replaced and removed", modes[i].name);
		put(kv, SPAN("a"), SPAN("1"));
		put(kv, SPAN("a"), SPAN("22"));
		must(kv_begin(kv, true, &t));
		must(kv_room(&t, SPAN("b"), 3, &at));
		memset(at, '3', 3);
		must(kv_put(&t, SPAN("c"), SPAN("")));
		must(kv_del(&t, SPAN("c")));
		check_that(c, kv_del(&t, SPAN("c")) == KV_NOT_FOUND, "removed twice");
		check_that(c, kv_get(&t, SPAN("c"), &value) == KV_NOT_FOUND, "still there");
		must(kv_commit(&t));
		must(kv_begin(kv, true, &t));
		must(kv_put(&t, SPAN("a"), SPAN("4")));
		must(kv_del(&t, SPAN("b")));
		kv_abort(&t);
		expect(c, kv, SPAN("a"), SPAN("22"));
		expect(c, kv, SPAN("b"), SPAN("333"));
		kv_close(kv);
		kv = open_kv(p, modes[i].mode);
		expect(c, kv, SPAN("b"), SPAN("333"));
		check_that(c, stat(p->file, &st) == 0 && (st.st_mode & 07777) == 0600, "mode %o",
		    (unsigned)st.st_mode);
		kv_close(kv);
		(void)unlink(p->file);
	}
}

static void
test_walk(struct check *c, const struct place *p)
{
	struct kv *kv = open_kv(p, KV_VOLATILE);
	struct span key, value;
	struct kv_txn t;

	check_row(c, "a walk goes in the order of bytes, from where it is told");
	must(kv_begin(kv, false, &t));
	check_that(c, kv_seek(&t, SPAN(""), &key, &value) == KV_NOT_FOUND, "something in nothing");
	kv_abort(&t);
	put(kv, SPAN("b"), SPAN("2"));
	put(kv, SPAN("a"), SPAN("1"));
	put(kv, SPAN("b\xff"), SPAN("3"));
	must(kv_begin(kv, false, &t));
	check_that(c, kv_seek(&t, SPAN(""), &key, &value) == KV_OK && span_eq(key, SPAN("a")), "a");
	check_that(
	    c, kv_seek(&t, SPAN("aa"), &key, &value) == KV_OK && span_eq(key, SPAN("b")), "b");
	check_that(c, kv_next(&t, &key, &value) == KV_OK && span_eq(value, SPAN("3")), "3");
	check_that(c, kv_next(&t, &key, &value) == KV_NOT_FOUND, "a fourth");
	check_that(c, kv_seek(&t, SPAN("c"), &key, &value) == KV_NOT_FOUND, "one behind the last");
	kv_abort(&t);
	kv_close(kv);
}

#define WALKED 3000

/* Removes by chance while walking, and puts elsewhere; then compares with what is to be left. */
static void
test_walk_and_remove(struct check *c, const struct place *p)
{
	struct kv *kv = open_kv(p, KV_DURABLE);
	uint64_t random = 7;
	bool there[WALKED] = { 0 };
	char text[16];

	check_row(c, "a walk goes on after what it stands on was removed");
	for (int round = 0; round < 6; round++) {
		struct span key, value;
		struct kv_txn t;
		enum kv_status status;
		int next = 0;

		must(kv_begin(kv, true, &t));
		for (int i = 0; i < WALKED; i++) {
			int n = snprintf(text, sizeof(text), "%06d", i);

			must(kv_put(&t, (struct span){ text, (size_t)n }, SPAN("some value")));
			there[i] = true;
		}
		status = kv_seek(&t, SPAN(""), &key, &value);
		while (status == KV_OK) {
			int at;

			if (key.n != 6)
				break;
			memcpy(text, key.p, 6);
			text[6] = '\0';
			at = 0;
			for (int i = 0; i < 6; i++)
				at = at * 10 + (text[i] - '0');
			check_that(c, at == next, "at %d, not %d", at, next);
			next = at + 1;
			if (check_pick(&random, 6) < (size_t)round) {
				must(kv_del(&t, (struct span){ text, 6 }));
				there[at] = false;
				if (check_pick(&random, 4) == 0)
					must(kv_put(&t, SPAN("~"), SPAN("beyond all")));
			}
			status = kv_next(&t, &key, &value);
		}
		check_that(c, next == WALKED, "came to %d", next);
		must(kv_commit(&t));
		must(kv_begin(kv, false, &t));
		for (int i = 0; i < WALKED; i++) {
			int n = snprintf(text, sizeof(text), "%06d", i);

			status = kv_get(&t, (struct span){ text, (size_t)n }, &value);
			check_that(c, (status == KV_OK) == there[i], "%d", i);
		}
		kv_abort(&t);
	}
	kv_close(kv);
}

static void
test_bound(struct check *c, const struct place *p)
{
	static const struct {
		const char *what;
		size_t size;
		int least, most; /* changes that fit */
	} rows[] = {
		{ "small values", 100, KV_CHANGES, KV_CHANGES },
		{ "values of a page", 4096, 20, KV_CHANGES },
		{ "values of 100 KiB", 100 * KIB, 5, 10 },
		{ "values of 2 MiB", 2 * MIB, 0, 0 },
	};
	char *bytes = calloc(1, 2 * MIB);
	struct kv *kv = open_kv(p, KV_VOLATILE);

	if (!bytes)
		abort();
	for (size_t i = 0; i < ROWS(rows); i++) {
		enum kv_status status = KV_OK;
		struct kv_txn t;
		int n = 0;

		check_row(c, "one transaction is bounded: %s", rows[i].what);
		must(kv_begin(kv, true, &t));
		while (status == KV_OK && n < 1000) {
			char key[16];
			int len = snprintf(key, sizeof(key), "%zu-%d", i, n++);

			status = kv_put(&t, (struct span){ key, (size_t)len },
			    (struct span){ bytes, rows[i].size });
		}
		check_that(c, status == KV_FULL, "status %d", status);
		check_that(c, n - 1 >= rows[i].least && n - 1 <= rows[i].most, "%d fit", n - 1);
		kv_abort(&t);
	}
	free(bytes);
	kv_close(kv);
}

static void
write_file(const char *path, const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
		abort();
}

static void
test_opening(struct check *c, const struct place *p)
{
	char *bytes = calloc(1, 64 * KIB);
	char elsewhere[160];
	struct kv *kv;

	if (!bytes)
		abort();
	check_row(c, "a reader makes no file");
	check_that(c, !kv_open(p->file, KV_DURABLE, true) && errno == ENOENT, "errno %d", errno);
	check_that(c, access(p->file, F_OK) < 0, "made");
	check_row(c, "a folder that is not there");
	(void)snprintf(elsewhere, sizeof(elsewhere), "%s/none/file", p->folder);
	check_that(c, !kv_open(elsewhere, KV_VOLATILE, false), "opened");
	for (size_t n = 0; n < 2; n++) {
		check_row(c, "a file of %zu bytes, whose maker was killed", n * 4096);
		memset(bytes, 7, 64 * KIB);
		write_file(p->file, bytes, n * 4096);
		check_that(c, !kv_open(p->file, KV_VOLATILE, true) && errno == ENOENT,
		    "a reader has it: errno %d", errno);
		kv = kv_open(p->file, KV_VOLATILE, false);
		if (check_that(c, kv != NULL, "not made anew"))
			put(kv, SPAN("k"), SPAN("v"));
		kv_close(kv);
		kv = kv_open(p->file, KV_VOLATILE, true);
		if (check_that(c, kv != NULL, "not for readers"))
			expect(c, kv, SPAN("k"), SPAN("v"));
		kv_close(kv);
	}
	check_row(c, "a file of something else is left alone");
	write_file(p->file, bytes, 64 * KIB);
	check_that(c, !kv_open(p->file, KV_VOLATILE, false), "opened");
	free(bytes);
}

/* Somebody else's file, which root looks at first. */
static void
test_others(struct check *c, const struct place *p)
{
	char lock[160];
	struct stat st;

	if (geteuid() != 0) {
		printf("skip kv: root looks at a file of another - this is not root\n");
		return;
	}
	check_row(c, "what a reader makes is the owner's of the file");
	(void)snprintf(lock, sizeof(lock), "%s-lock", p->file);
	kv_close(open_kv(p, KV_DURABLE));
	if (unlink(lock) != 0 || chown(p->file, 65534, 65533) != 0)
		abort();
	kv_close(kv_open(p->file, KV_DURABLE, true));
	if (stat(lock, &st) != 0)
		abort();
	check_that(c, st.st_uid == 65534 && st.st_gid == 65533, "it is %u's", (unsigned)st.st_uid);
	check_that(c, (st.st_mode & 0777) == 0600, "mode %o", (unsigned)st.st_mode);
}

static void
test_cut_off(struct check *c, const struct place *p)
{
	struct kv *kv = open_kv(p, KV_DURABLE);
	struct span value;
	struct kv_txn t;
	char key[16];

	check_row(c, "a file that lost its end is an error, not the end of the process");
	must(kv_begin(kv, true, &t));
	for (int i = 0; i < 2000; i++) {
		int n = snprintf(key, sizeof(key), "%d", i);

		must(kv_put(&t, (struct span){ key, (size_t)n },
		    SPAN("something that fills pages, so that there are many of them")));
	}
	must(kv_commit(&t));
	kv_close(kv);
	check_that(c, truncate(p->file, (off_t)(3 * 4096)) == 0, "not cut");
	kv = kv_open(p->file, KV_DURABLE, false);
	if (!kv)
		return;
	must(kv_begin(kv, false, &t));
	check_that(c, kv_get(&t, SPAN("1000"), &value) == KV_BROKEN, "no error");
	kv_abort(&t);
	kv_close(kv);
}

/* Adds one to two numbers in one transaction. */
static void
count_up(struct kv *kv)
{
	uint64_t numbers[2] = { 0, 0 };
	struct span value;
	struct kv_txn t;

	must(kv_begin(kv, true, &t));
	for (int i = 0; i < 2; i++) {
		struct span key = i == 0 ? SPAN("first") : SPAN("second");

		if (kv_get(&t, key, &value) == KV_OK)
			memcpy(&numbers[i], value.p, sizeof(numbers[i]));
		numbers[i]++;
		must(kv_put(&t, key, (struct span){ (char *)&numbers[i], sizeof(numbers[i]) }));
	}
	must(kv_commit(&t));
}

static uint64_t
count_of(struct kv *kv, struct span key)
{
	uint64_t number = 0;
	struct span value;
	struct kv_txn t;

	must(kv_begin(kv, false, &t));
	if (kv_get(&t, key, &value) == KV_OK)
		memcpy(&number, value.p, sizeof(number));
	kv_abort(&t);
	return number;
}

#define COUNTERS 4
#define COUNTS	 300

static void *
count_in_thread(void *arg)
{
	for (int i = 0; i < COUNTS; i++)
		count_up(arg);
	return NULL;
}

static void
test_counters(struct check *c, const struct place *p)
{
	pthread_t threads[COUNTERS];
	struct kv *kv;

	check_row(c, "no change of a process or a thread is lost");
	for (int i = 0; i < COUNTERS; i++) {
		if (fork_flushed() == 0) {
			kv = open_kv(p, KV_VOLATILE);
			for (int n = 0; n < COUNTS; n++)
				count_up(kv);
			kv_close(kv);
			_exit(0);
		}
	}
	kv = open_kv(p, KV_VOLATILE);
	for (int i = 0; i < COUNTERS; i++)
		if (pthread_create(&threads[i], NULL, count_in_thread, kv) != 0)
			abort();
	for (int i = 0; i < COUNTERS; i++)
		(void)pthread_join(threads[i], NULL);
	while (wait(NULL) > 0)
		;
	check_that(c, count_of(kv, SPAN("first")) == UINT64_C(2) * COUNTERS * COUNTS, "%llu",
	    (unsigned long long)count_of(kv, SPAN("first")));
	kv_close(kv);
}

/* A number that parent and child see. */
static _Atomic uint64_t *
shared_number(void)
{
	void *p =
	    mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

#define WAIT_MAX_MS 60000

static void
wait_for(const _Atomic uint64_t *number, uint64_t least)
{
	int64_t begun_ms = clock_mono_ms();

	while (*number < least) {
		if (clock_mono_ms() - begun_ms > WAIT_MAX_MS)
			abort();
		(void)sched_yield();
	}
}

/* Counts until it is killed. */
static pid_t
start_counting(const struct place *p, enum kv_mode mode, _Atomic uint64_t *done)
{
	pid_t pid = fork_flushed();

	if (pid == 0) {
		struct kv *kv;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		kv = open_kv(p, mode);
		for (;;) {
			count_up(kv);
			++*done;
		}
	}
	return pid;
}

static void
test_killed(struct check *c, const struct place *p)
{
	_Atomic uint64_t *done = shared_number();

	for (size_t i = 0; i < ROWS(modes); i++) {
		uint64_t random = 11;
		uint64_t before = 0;

		*done = 0;
		check_row(c, "%s: a process is killed at any moment", modes[i].name);
		for (int round = 0; round < 20; round++) {
			pid_t pid = start_counting(p, modes[i].mode, done);
			struct kv *kv;
			uint64_t first, second;

			wait_for(done, *done + 1 + check_pick(&random, 20));
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
			kv = open_kv(p, modes[i].mode);
			first = count_of(kv, SPAN("first"));
			second = count_of(kv, SPAN("second"));
			check_that(c, first == second, "%llu and %llu", (unsigned long long)first,
			    (unsigned long long)second);
			check_that(c, first >= *done && first <= *done + (uint64_t)round + 1,
			    "%llu after %llu", (unsigned long long)first,
			    (unsigned long long)*done);
			check_that(c, first > before, "nothing new");
			count_up(kv);
			before = first + 1;
			++*done;
			kv_close(kv);
		}
		(void)unlink(p->file);
	}
	(void)munmap(done, sizeof(uint64_t));
}

#define CROWD	     4
#define CROWD_ROUNDS 100

/* While one has the file, others wait for it, and one of those is killed. */
static void
test_killed_in_a_crowd(struct check *c, const struct place *p)
{
	_Atomic uint64_t *done[CROWD];
	pid_t pids[CROWD];
	uint64_t random = 13;
	struct kv *kv;

	check_row(c, "processes that are killed leave nobody waiting");
	for (int i = 0; i < CROWD; i++) {
		done[i] = shared_number();
		pids[i] = start_counting(p, KV_VOLATILE, done[i]);
	}
	for (int round = 0; round < CROWD_ROUNDS; round++) {
		size_t i = check_pick(&random, CROWD);

		wait_for(done[i], *done[i] + 1 + check_pick(&random, 20));
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
		pids[i] = start_counting(p, KV_VOLATILE, done[i]);
	}
	for (int i = 0; i < CROWD; i++) {
		wait_for(done[i], *done[i] + 1);
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
		(void)munmap(done[i], sizeof(uint64_t));
	}
	kv = open_kv(p, KV_VOLATILE);
	check_that(c, count_of(kv, SPAN("first")) == count_of(kv, SPAN("second")), "not the same");
	kv_close(kv);
}

#define WIDE 8

/* Replaces the same values again and again. *low: as at the begin. */
static enum kv_status
replace(struct kv *kv, bool *low)
{
	static const char bytes[100 * 1000]; /* WIDE of them are most of what one may write */
	enum kv_status status;
	struct kv_txn t;

	status = kv_begin(kv, true, &t);
	if (status != KV_OK)
		return status;
	*low = t.low;
	for (int i = 0; i < WIDE && status == KV_OK; i++) {
		char key[16];
		int len = snprintf(key, sizeof(key), "wide%d", i);

		status = kv_put(
		    &t, (struct span){ key, (size_t)len }, (struct span){ bytes, sizeof(bytes) });
	}
	if (status == KV_OK)
		return kv_commit(&t);
	kv_abort(&t);
	return status;
}

static void
test_pinned(struct check *c, const struct place *p)
{
	struct kv *kv = open_kv(p, KV_VOLATILE);
	enum kv_status status = KV_OK;
	size_t before = 0, reserve = 0;
	struct kv_txn reader;
	bool low = false;

	check_row(c, "a read that does not end fills the map, whose last part is a reserve");
	must(replace(kv, &low));
	must(kv_begin(kv, false, &reader));
	while (status == KV_OK) {
		before += !low;
		reserve += low;
		status = replace(kv, &low);
	}
	check_that(c, status == KV_FULL, "status %d", status);
	check_that(c, reserve > before / 10, "%zu of %zu", reserve, before);
	kv_abort(&reader);
	check_row(c, "a map that was full is good again");
	must(replace(kv, &low));
	while (low)
		must(replace(kv, &low));
	for (int i = 0; i < 200; i++)
		must(replace(kv, &low));
	check_that(c, !low, "low for ever");
	kv_close(kv);
}

/* Dies while it reads. */
static void
die_reading(const struct place *p)
{
	if (fork_flushed() == 0) {
		struct kv *kv = open_kv(p, KV_VOLATILE);
		struct kv_txn t;

		must(kv_begin(kv, false, &t));
		(void)raise(SIGKILL);
	}
	(void)wait(NULL);
}

static void
test_dead_readers(struct check *c, const struct place *p)
{
	struct kv *kv = open_kv(p, KV_VOLATILE);
	struct stat st;

	check_row(c, "a reader that died does not make the file grow");
	count_up(kv);
	for (int i = 0; i < 3; i++) {
		die_reading(p);
		for (int n = 0; n < 700; n++)
			count_up(kv);
	}
	kv_tidy(kv);
	if (stat(p->file, &st) != 0)
		abort();
	check_that(
	    c, st.st_blocks < (off_t)(16 * MIB / 512), "%lld blocks", (long long)st.st_blocks);
	kv_close(kv);
}

/* Puts values of 3,000 bytes until there is no room; how many were committed. *low: some of them
 * while the disk was low. */
static int
fill(struct kv *kv, bool *low, enum kv_status *status)
{
	char bytes[3000] = { 0 };
	struct kv_txn t;
	int n = 0;

	*low = false;
	for (;;) {
		char key[16];
		int len = snprintf(key, sizeof(key), "fill%d", n);

		*status = kv_begin(kv, true, &t);
		if (*status != KV_OK)
			return n;
		*low = *low || t.low;
		*status = kv_put(
		    &t, (struct span){ key, (size_t)len }, (struct span){ bytes, sizeof(bytes) });
		if (*status != KV_OK) {
			kv_abort(&t);
			return n;
		}
		*status = kv_commit(&t);
		if (*status != KV_OK)
			return n;
		n++;
	}
}

/* Whether the values of fill are there, all n and no more. */
static bool
filled(struct kv *kv, int n)
{
	struct span value;
	struct kv_txn t;
	bool good = true;

	must(kv_begin(kv, false, &t));
	for (int i = 0; i <= n; i++) {
		char key[16];
		int len = snprintf(key, sizeof(key), "fill%d", i);
		enum kv_status status = kv_get(&t, (struct span){ key, (size_t)len }, &value);

		good = good && (status == KV_OK) == (i < n);
	}
	kv_abort(&t);
	return good;
}

/* In a child: a limit on the size of files stands in for a full disk. */
static int
fill_limited(const struct place *p)
{
	struct rlimit limit = { 2 * MIB, RLIM_INFINITY };
	enum kv_status status;
	struct kv *kv;
	bool low, good;
	int n;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 2;
	kv = open_kv(p, KV_VOLATILE);
	n = fill(kv, &low, &status);
	good = status == KV_FULL && n > 100 && filled(kv, n);
	limit.rlim_cur = 3 * MIB;
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 2;
	put(kv, SPAN("more"), SPAN("room"));
	good = good && filled(kv, n);
	kv_close(kv);
	return good ? 0 : 1;
}

/* In a child that has mounted a disk of its own. 77: it may not. */
static int
fill_disk(const struct place *p)
{
	enum kv_status status;
	struct kv *kv;
	bool low, good;
	int n, again;

	if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return 77;
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, "") != 0 ||
	    mount("none", p->folder, "tmpfs", 0, "size=12m") != 0)
		return 77;
	kv = open_kv(p, KV_VOLATILE);
	n = fill(kv, &low, &status);
	good = status == KV_FULL && n > 100 && low && filled(kv, n);
	kv_close(kv);
	kv = open_kv(p, KV_VOLATILE);
	again = fill(kv, &low, &status);
	good = good && status == KV_FULL && again == 0 && filled(kv, n);
	if (mount("none", p->folder, "tmpfs", MS_REMOUNT, "size=16m") != 0)
		return 77;
	put(kv, SPAN("more"), SPAN("room"));
	good = good && filled(kv, n);
	kv_close(kv);
	return good ? 0 : 1;
}

static void
test_full(struct check *c, const struct place *p)
{
	int status = -1;
	pid_t pid;

	check_row(c, "a file that may not grow is full, and good again when it may");
	pid = fork_flushed();
	if (pid == 0)
		_exit(fill_limited(p));
	(void)waitpid(pid, &status, 0);
	check_that(c, status == 0, "status %d", status);
	pid = fork_flushed();
	if (pid == 0)
		_exit(fill_disk(p));
	(void)waitpid(pid, &status, 0);
	check_close(c);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("skip kv: a full disk - no disk can be mounted here\n");
		return;
	}
	check_row(c, "a full disk fails a begin, after a reserve, and never a store into the map");
	check_that(c, status == 0, "status %d", status);
}

int
main(void)
{
	static void (*const tests[])(struct check *, const struct place *) = { test_values,
		test_walk, test_walk_and_remove, test_bound, test_opening, test_others,
		test_cut_off, test_counters, test_killed, test_killed_in_a_crowd, test_pinned,
		test_dead_readers, test_full };
	struct check c = { .module = "kv" };

	for (size_t i = 0; i < ROWS(tests); i++) {
		struct place p = place_make();

		(void)fflush(stdout);
		tests[i](&c, &p);
		place_remove(&p);
	}
	return check_end(&c);
}
