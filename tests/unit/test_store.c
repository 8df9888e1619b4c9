/* store: what the local store answers while files change, processes die and indexes break. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/num.h"
#include "policy/key.h"
#include "store/keyfile.h"
#include "store/keyindex.h"
#include "store/local.h"
#include "unit/check.h"
#include "unit/finished.h"

#define PATH_LEN 512
#define MANY	 10000 /* lines that take a while to index */

struct place {
	char folder[64];
	char keys[128], state[128];
};

static struct place
place_make(void)
{
	struct place p = { .folder = "/tmp/test_store.XXXXXX" };

	if (!mkdtemp(p.folder))
		abort();
	(void)snprintf(p.keys, sizeof(p.keys), "%s/keys", p.folder);
	(void)snprintf(p.state, sizeof(p.state), "%s/state", p.folder);
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

static void
put_file(const char *path, struct span text)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0)
		abort();
}

static void
hash_of(int number, uint8_t out[static HASH_LEN])
{
	char text[32];
	int n = snprintf(text, sizeof(text), "key%d", number);

	if (hash_sha256((struct span){ text, (size_t)n }, out) < 0)
		abort();
}

/* Appends the line of key `number`; its name tells versions apart. */
static void
add_line(struct buf *out, int number, int version)
{
	char id[16], name[16];
	struct key k = { .workspace = SPAN("w") };

	(void)snprintf(id, sizeof(id), "id%d", number);
	(void)snprintf(name, sizeof(name), "v%d", version);
	k.id = span_of(id);
	k.name = span_of(name);
	hash_of(number, k.hash);
	if (key_format(&k, out) < 0)
		abort();
}

/* Writes a file of the keys from `from` up to `to`: in place, or by a rename. */
static void
write_keys(const struct place *p, int from, int to, int version, bool rename_it)
{
	struct buf text = buf_make(KEY_FILE_MAX);
	char other[PATH_LEN];

	for (int i = from; i < to; i++)
		add_line(&text, i, version);
	(void)snprintf(other, sizeof(other), "%s.new", p->keys);
	put_file(rename_it ? other : p->keys, buf_span(&text));
	if (rename_it && rename(other, p->keys) != 0)
		abort();
	buf_free(&text);
}

/* No test makes sense without one. */
static struct store *
open_beside(const struct place *p, struct store *beside, bool reader)
{
	struct conf *c = calloc(1, sizeof(*c));
	struct store *s;

	if (!c)
		abort();
	c->keys = strdup(p->keys);
	c->state = strdup(p->state);
	s = store_local.open(c, beside, reader);
	free(c->keys);
	free(c->state);
	free(c);
	return s;
}

static struct store *
must(struct store *s)
{
	if (!s)
		abort();
	return s;
}

static struct store *
open_store(const struct place *p)
{
	return must(open_beside(p, NULL, false));
}

/* The version of a key as the store has it; -1 when it is not there, -2 when the store is broken.
 */
static int
version_of(struct store *s, int number)
{
	struct buf line = buf_make(KEY_LINE_MAX);
	uint8_t hash[HASH_LEN];
	enum store_status status;
	const char *why;
	struct key k = { 0 };
	uint64_t number_read;
	int version = -3;

	hash_of(number, hash);
	status = s->kind->find_key(s, hash, &line);
	if (status != STORE_OK)
		version = status == STORE_NOT_FOUND ? -1 : -2;
	else if (key_parse(buf_span(&line), &k, &why) == KEY_LINE_KEY &&
	    memcmp(k.hash, hash, HASH_LEN) == 0 && k.name.n > 1 &&
	    num_u64(span_cut(k.name, 1, k.name.n), 1000, &number_read) == 0)
		version = (int)number_read;
	buf_free(&line);
	return version;
}

static void
expect(struct check *t, struct store *s, int number, int version)
{
	int got = version_of(s, number);

	check_that(t, got == version, "key %d: %d, not %d", number, got, version);
}

static void
pause_ms(int ms)
{
	struct timespec pause = { ms / 1000, ms % 1000 * 1000000L };

	(void)nanosleep(&pause, NULL);
}

static void
test_look_up(struct check *t, const struct place *p)
{
	struct stat st;
	struct store *s;

	write_keys(p, 0, 10, 1, false);
	s = open_store(p);
	check_row(t, "look-up");
	expect(t, s, 0, 1);
	expect(t, s, 9, 1);
	expect(t, s, 10, -1);
	check_that(t, stat(p->state, &st) == 0 && (st.st_mode & 07777) == 0700,
	    "mode of the state folder");
	s->kind->close(s);
	s = open_store(p);
	check_row(t, "look-up after a restart");
	expect(t, s, 3, 1);
	expect(t, s, 11, -1);
	s->kind->close(s);
}

/* Changes as fast as they can come, most of them within one tick of the clock and of one size. */
static void
test_changes(struct check *t, const struct place *p)
{
	struct store *s = open_store(p);

	for (int way = 0; way < 2; way++) {
		check_row(t, "every change is seen by the next look-up, %s",
		    way ? "by a rename" : "in place");
		for (int i = 0; i < 50; i++) {
			write_keys(p, 0, 5, 10 + i, way == 1);
			expect(t, s, i % 5, 10 + i);
		}
		write_keys(p, 2, 5, 99, way == 1);
		expect(t, s, 1, -1);
		expect(t, s, 2, 99);
	}
	check_row(t, "the same content under another stamp");
	(void)utimensat(AT_FDCWD, p->keys, NULL, 0);
	expect(t, s, 2, 99);
	check_row(t, "a time to come");
	const struct timespec future[2] = { { 4000000000, 0 }, { 4000000000, 0 } };

	(void)utimensat(AT_FDCWD, p->keys, future, 0);
	expect(t, s, 2, 99);
	write_keys(p, 2, 5, 98, false);
	(void)utimensat(AT_FDCWD, p->keys, future, 0);
	expect(t, s, 2, 98);
	s->kind->close(s);
}

static int
change_line(void *arg, struct span text, struct buf *out)
{
	const int *number = arg;
	struct span rest = text;
	struct span line;

	while (span_next(&rest, '\n', &line)) {
		const char *why;
		uint8_t hash[HASH_LEN];
		struct key k;

		hash_of(*number, hash);
		if (key_parse(line, &k, &why) != KEY_LINE_KEY)
			continue;
		if (memcmp(k.hash, hash, HASH_LEN) == 0)
			k.name = SPAN("v77");
		if (key_format(&k, out) < 0)
			return -1;
	}
	return 0;
}

static void
test_one_of_many(struct check *t, const struct place *p)
{
	struct store *s;
	int number = MANY / 2;

	write_keys(p, 0, MANY, 1, true);
	s = open_store(p);
	expect(t, s, number, 1);
	check_row(t, "one changed line among many");
	check_that(t, keyfile_edit(p->keys, change_line, &number) == 0, "not edited");
	expect(t, s, number, 77);
	expect(t, s, number + 1, 1);
	check_row(t, "most lines gone");
	write_keys(p, 0, 10, 2, true);
	expect(t, s, 5, 2);
	expect(t, s, number, -1);
	s->kind->close(s);
}

static void
test_trouble(struct check *t, const struct place *p)
{
	struct store *s = open_store(p);
	const char *why = NULL;
	char other[PATH_LEN];

	write_keys(p, 0, 3, 1, false);
	expect(t, s, 1, 1);
	check_row(t, "no key file: every key is refused");
	(void)snprintf(other, sizeof(other), "%s.away", p->keys);
	check_that(t, rename(p->keys, other) == 0, "not renamed");
	expect(t, s, 1, -2);
	check_that(t, s->kind->probe(s, &why) == STORE_BROKEN && strstr(why, "key file"), "probe");
	check_row(t, "the key file is back");
	check_that(t, rename(other, p->keys) == 0, "not renamed");
	expect(t, s, 1, 1);
	check_that(t, s->kind->probe(s, &why) == STORE_OK, "probe: %s", why);
	check_row(t, "a folder in its place");
	check_that(t, unlink(p->keys) == 0 && mkdir(p->keys, 0700) == 0, "no folder");
	expect(t, s, 1, -2);
	check_that(t, rmdir(p->keys) == 0, "not removed");
	write_keys(p, 0, 3, 2, false);
	expect(t, s, 1, 2);
	check_row(t, "an empty file");
	put_file(p->keys, SPAN(""));
	expect(t, s, 1, -1);
	check_row(t, "no state folder can be made");
	struct place nowhere = *p;

	(void)snprintf(nowhere.state, sizeof(nowhere.state), "/dev/null/state");
	check_that(t, !open_beside(&nowhere, NULL, false), "opened");
	s->kind->close(s);
}

static void
test_damage(struct check *t, const struct place *p)
{
	struct buf text = buf_make(KEY_FILE_MAX);
	struct store *s = open_store(p);
	char hex[HASH_HEX_LEN + 1];
	uint8_t hash[HASH_LEN];

	add_line(&text, 1, 1);
	hash_of(2, hash);
	hash_to_hex(hash, hex);
	check_row(t, "damaged lines refuse only themselves");
	if (buf_addf(&text, "id2 %s workspace=w expire=2099-01-01\n", hex) < 0 ||
	    buf_add(&text, SPAN("\0\xff\n")) < 0)
		abort();
	add_line(&text, 3, 1);
	put_file(p->keys, buf_span(&text));
	expect(t, s, 1, 1);
	expect(t, s, 2, -1);
	expect(t, s, 3, 1);
	check_row(t, "of two lines with one hash or one id the later is refused");
	add_line(&text, 3, 2);
	hash_of(4, hash);
	hash_to_hex(hash, hex);
	if (buf_addf(&text, "id1 %s workspace=w name=v1\n", hex) < 0)
		abort();
	add_line(&text, 5, 1);
	text.len--; /* the last line lacks its newline */
	put_file(p->keys, buf_span(&text));
	expect(t, s, 3, 1);
	expect(t, s, 4, -1);
	expect(t, s, 5, 1);
	s->kind->close(s);
	buf_free(&text);
}

/* Overwrites n bytes of a file with 0xff, or cuts it at `at` when n is 0. */
static void
spoil(const char *path, off_t at, size_t n)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t bytes[4096];

	memset(bytes, 0xff, sizeof(bytes));
	if (fd < 0 || (n ? pwrite(fd, bytes, n, at) != (ssize_t)n : ftruncate(fd, at) != 0))
		abort();
	(void)close(fd);
}

static const struct {
	const char *what;
	off_t at;
	size_t n;
} spoilt[] = {
	{ "nothing left", 0, 0 },
	{ "one page left", 4096, 0 },
	{ "its end missing", 8192, 0 },
	{ "another magic", 16, 4 },
	{ "another version", 20, 2 },
	{ "both heads overwritten", 0, 4096 },
};

static void
test_spoilt(struct check *t, const struct place *p)
{
	struct keyindex_place at;

	check_row(t, "the index's place");
	check_that(t, keyindex_place(p->keys, p->state, &at) == 0, "none");
	for (size_t i = 0; i < ROWS(spoilt); i++) {
		struct store *s;

		write_keys(p, 0, 100, (int)i, false);
		check_row(t, "an index with %s is made anew", spoilt[i].what);
		s = open_store(p);
		expect(t, s, 50, (int)i);
		s->kind->close(s);
		spoil(at.data, spoilt[i].at, spoilt[i].n);
		if (spoilt[i].at == 0 && spoilt[i].n > 0)
			spoil(at.data, 4096, spoilt[i].n);
		s = open_store(p);
		expect(t, s, 50, (int)i);
		s->kind->close(s);
	}
}

static void
test_removed(struct check *t, const struct place *p)
{
	struct store *s;
	struct keyindex_place at;

	write_keys(p, 0, 10, 1, false);
	s = open_store(p);
	expect(t, s, 1, 1);
	check_row(t, "an index that was removed while in use");
	check_that(t, keyindex_place(p->keys, p->state, &at) == 0, "no place");
	keyindex_remove(&at);
	expect(t, s, 1, 1);
	write_keys(p, 0, 10, 2, false);
	expect(t, s, 1, 2);
	check_that(t, access(at.data, F_OK) == 0, "not made again");
	s->kind->close(s);
}

/* What is buffered is written first: some checkers write it once more when the child ends. */
static pid_t
fork_flushed(void)
{
	(void)fflush(stdout);
	return fork();
}

/* A process that answers on a pipe: a byte with a number asks for that key's version. */
struct worker {
	pid_t pid;
	int ask, answer;
};

static void
work(const struct place *p, int ask, int answer)
{
	struct store *s = open_store(p);
	uint8_t number;

	while (read(ask, &number, 1) == 1) {
		int version = version_of(s, number);

		if (write(answer, &version, sizeof(version)) != (ssize_t)sizeof(version))
			break;
	}
	_exit(0);
}

static struct worker
worker_start(const struct place *p)
{
	struct worker w;
	int ask[2], answer[2];

	if (pipe2(ask, O_CLOEXEC) != 0 || pipe2(answer, O_CLOEXEC) != 0)
		abort();
	w.pid = fork_flushed();
	if (w.pid == 0) {
		(void)close(ask[1]);
		(void)close(answer[0]);
		work(p, ask[0], answer[1]);
	}
	(void)close(ask[0]);
	(void)close(answer[1]);
	w.ask = ask[1];
	w.answer = answer[0];
	return w;
}

static int
worker_ask(const struct worker *w, uint8_t number)
{
	int version = -4;

	if (write(w->ask, &number, 1) != 1 ||
	    read(w->answer, &version, sizeof(version)) != (ssize_t)sizeof(version))
		return -5;
	return version;
}

static void
worker_stop(const struct worker *w)
{
	(void)close(w->ask);
	(void)close(w->answer);
	(void)waitpid(w->pid, NULL, 0);
}

#define WORKERS 3

static void
test_processes(struct check *t, const struct place *p)
{
	struct worker w[WORKERS];
	int number = 7;

	write_keys(p, 0, 100, 1, false);
	for (int i = 0; i < WORKERS; i++)
		w[i] = worker_start(p);
	check_row(t, "every process sees a change at its next call");
	for (int v = 2; v < 30; v++) {
		write_keys(p, 0, 100, v, v % 2 == 0);
		for (int i = 0; i < WORKERS; i++) {
			int got = worker_ask(&w[i], (uint8_t)v);

			check_that(t, got == v, "process %d has %d, not %d", i, got, v);
		}
	}
	check_row(t, "every process sees an edit of the key file");
	check_that(t, keyfile_edit(p->keys, change_line, &number) == 0, "not edited");
	for (int i = 0; i < WORKERS; i++)
		check_that(
		    t, worker_ask(&w[i], 7) == 77 && worker_ask(&w[i], 8) == 29, "process %d", i);
	/* The later ones hold the pipes of the earlier ones, too. */
	for (int i = WORKERS; i-- > 0;)
		worker_stop(&w[i]);
}

/* A process is killed at any moment of its indexing; the next one is right all the same. */
static void
test_killed(struct check *t, const struct place *p)
{
	check_row(t, "killed while indexing");
	for (int i = 0; i < 12; i++) {
		struct store *s;
		pid_t pid;

		write_keys(p, i % 3, MANY + i, 100 + i, true);
		pid = fork_flushed();
		if (pid == 0) {
			s = open_store(p);
			_exit(version_of(s, 5) != 100 + i);
		}
		pause_ms(i * 6);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		s = open_store(p);
		expect(t, s, 5, 100 + i);
		expect(t, s, MANY + i - 1, 100 + i);
		expect(t, s, MANY + i, -1);
		s->kind->close(s);
	}
}

/* Somebody holds the guard, as a process does that indexes a large file. */
static void
test_patience(struct check *t, const struct place *p)
{
	struct keyindex_place at;
	struct store *s, *other;
	int64_t from_ms;
	int fd;

	write_keys(p, 0, 10, 1, false);
	s = open_store(p);
	expect(t, s, 1, 1);
	check_row(t, "a look-up waits for others' work, but not for long");
	check_that(t, keyindex_place(p->keys, p->state, &at) == 0, "no place");
	fd = open(at.guard, O_RDWR | O_CLOEXEC);
	check_that(t, fd >= 0 && flock(fd, LOCK_EX) == 0, "no guard");
	write_keys(p, 0, 10, 2, false);
	from_ms = clock_mono_ms();
	expect(t, s, 1, 1);
	check_that(t, clock_mono_ms() - from_ms >= 200 && clock_mono_ms() - from_ms < 2000,
	    "waited %lld ms", (long long)(clock_mono_ms() - from_ms));
	check_row(t, "the next look-ups do not wait again");
	from_ms = clock_mono_ms();
	for (int i = 0; i < 20; i++)
		expect(t, s, 1, 1);
	check_that(t, clock_mono_ms() - from_ms < 200, "waited %lld ms",
	    (long long)(clock_mono_ms() - from_ms));
	check_row(t, "what is indexed already needs no guard");
	(void)flock(fd, LOCK_UN);
	expect(t, s, 1, 2);
	(void)flock(fd, LOCK_EX);
	s->kind->close(s);
	from_ms = clock_mono_ms();
	other = open_store(p);
	expect(t, other, 1, 2);
	check_that(t, clock_mono_ms() - from_ms < 1000, "waited %lld ms",
	    (long long)(clock_mono_ms() - from_ms));
	other->kind->close(other);
	(void)close(fd);
}

/* Threads look up while the file changes: each answer is one of the versions written, and they
 * never go back. */
struct looker {
	struct store *store;
	int stop_at;
	bool good;
};

static void *
look(void *arg)
{
	struct looker *l = arg;
	int last = 0;

	l->good = true;
	while (l->good && last < l->stop_at) {
		int version = version_of(l->store, 3);

		l->good = version >= last;
		last = version;
	}
	return NULL;
}

#define LOOKERS 4

static void
test_threads(struct check *t, const struct place *p)
{
	struct looker lookers[LOOKERS];
	pthread_t threads[LOOKERS];
	struct store *s;

	write_keys(p, 0, 200, 1, true);
	s = open_store(p);
	check_row(t, "threads look up while the file changes");
	for (int i = 0; i < LOOKERS; i++) {
		lookers[i] = (struct looker){ .store = s, .stop_at = 40 };
		if (pthread_create(&threads[i], NULL, look, &lookers[i]) != 0)
			abort();
	}
	for (int v = 2; v <= 40; v++) {
		write_keys(p, 0, 200, v, true);
		pause_ms(2);
	}
	for (int i = 0; i < LOOKERS; i++) {
		(void)pthread_join(threads[i], NULL);
		check_that(t, lookers[i].good, "thread %d saw an older version or none", i);
	}
	s->kind->close(s);
}

/* Calls. */

static const struct admission_ask asked = {
	.now_ms = FINISHED_MS,
	.workspace = SPAN("alpha"),
	.key = SPAN("k1"),
	.model = SPAN("model-a"),
	.requests = 1,
	.quota = { { .rpm = 3 }, { 0 } },
};

/* Books call n with what a take has given. */
static bool
settle(struct store *s, const struct admission_grant *grant, uint64_t n)
{
	struct buf line = buf_make(LEDGER_LINE_MAX);
	struct store_booking b = { .ask = &asked, .grant = grant };
	bool good;

	finished_line(n, FINISHED_MS, &line);
	b.line = buf_span(&line);
	good = s->kind->settle(s, &b) == STORE_OK;
	buf_free(&line);
	return good;
}

static int
add_calls(void *arg, const struct tally_row *row, const struct tally *tally)
{
	uint64_t *n = arg;

	(void)row;
	*n += tally->calls;
	return 0;
}

static void
expect_calls(struct check *t, struct store *s, uint64_t want)
{
	const struct store_range all = { 0, INT32_MAX };
	uint64_t n = 0;

	check_that(t, s->kind->totals(s, &all, add_calls, &n) == STORE_OK && n == want,
	    "%llu calls, not %llu", (unsigned long long)n, (unsigned long long)want);
}

static void
test_calls(struct check *t, const struct place *p)
{
	struct admission_grant grant = { 0 };
	struct store_mark mark = { 0 };
	struct store *s;
	uint64_t n = 0;

	write_keys(p, 0, 1, 1, false);
	s = open_store(p);
	check_row(t, "calls are let in up to the limit");
	for (uint64_t i = 1; i <= 3; i++)
		check_that(t,
		    s->kind->take(s, &asked, &grant) == STORE_OK && grant.held &&
			settle(s, &grant, i),
		    "call %llu", (unsigned long long)i);
	check_that(t,
	    s->kind->take(s, &asked, &grant) == STORE_OK && grant.refused == LIMIT_REQUESTS &&
		!grant.held,
	    "refused by %d", (int)grant.refused);
	check_row(t, "a refused call is booked, too");
	check_that(t, settle(s, &grant, 4), "not booked");
	expect_calls(t, s, 4);
	s->kind->close(s);
	check_row(t, "all of it is on disk when the store is closed");
	s = open_store(p);
	check_that(t,
	    s->kind->booked(s, &mark, add_calls, &n) == STORE_OK && n == 4 && mark.seq == 4,
	    "%llu calls up to %llu", (unsigned long long)n, (unsigned long long)mark.seq);
	check_row(t, "a process that starts anew forgets no limit");
	check_that(t,
	    s->kind->take(s, &asked, &grant) == STORE_OK && grant.refused == LIMIT_REQUESTS,
	    "refused by %d", (int)grant.refused);
	s->kind->close(s);
}

/* As after a reload of the configuration: both go on until the calls in the old one have ended. */
static void
test_beside(struct check *t, const struct place *p)
{
	const struct admission_grant none = { 0 };
	struct place other = *p;
	struct store *old, *same, *moved;
	const char *why = NULL;

	check_row(t, "a store beside another one over the same folder");
	write_keys(p, 0, 10, 1, false);
	(void)snprintf(other.keys, sizeof(other.keys), "%s/other", p->folder);
	write_keys(&other, 0, 10, 2, false);
	old = open_store(p);
	same = must(open_beside(p, old, false));
	moved = must(open_beside(&other, old, false));
	expect(t, old, 1, 1);
	expect(t, same, 1, 1);
	expect(t, moved, 1, 2);
	check_that(t, settle(old, &none, 1) && settle(same, &none, 2) && settle(moved, &none, 3),
	    "not booked");
	expect_calls(t, old, 3);
	old->kind->close(old);
	check_row(t, "it stays when the other one is closed");
	check_that(t, settle(same, &none, 4) && settle(moved, &none, 5), "not booked");
	expect(t, same, 1, 1);
	expect_calls(t, same, 5);
	check_that(t, same->kind->probe(same, &why) == STORE_OK, "%s", why ? why : "");
	same->kind->close(same);
	expect(t, moved, 1, 2);
	moved->kind->close(moved);
}

static void
test_reader(struct check *t, const struct place *p)
{
	const struct admission_grant none = { 0 };
	struct admission_grant grant;
	struct store *s = must(open_beside(p, NULL, true));
	const char *why = NULL;

	check_row(t, "a reader makes nothing");
	expect_calls(t, s, 0);
	check_that(t, s->kind->probe(s, &why) == STORE_OK, "%s", why ? why : "");
	check_that(t, s->kind->take(s, &asked, &grant) == STORE_BROKEN, "taken");
	s->kind->close(s);
	check_that(t, access(p->state, F_OK) != 0, "made");
	check_row(t, "a reader sees what is there, and changes nothing");
	write_keys(p, 0, 1, 1, false);
	s = open_store(p);
	check_that(t, settle(s, &none, 1), "not booked");
	s->kind->close(s);
	s = must(open_beside(p, NULL, true));
	expect_calls(t, s, 1);
	check_that(t, !settle(s, &none, 2), "booked");
	check_that(t, version_of(s, 0) == -2, "it looks for keys");
	s->kind->close(s);
}

#define WRITERS	     4
#define EDITED_BYTES INT64_C(500) /* of 4 times 25 lines of 5 bytes */

static int
append_line(void *arg, struct span text, struct buf *out)
{
	return buf_add(out, text) < 0 || buf_add(out, span_of(arg)) < 0 ? -1 : 0;
}

static int
leave_alone(void *arg, struct span text, struct buf *out)
{
	(void)text;
	return buf_add(out, SPAN("never")) < 0 ? -1 : *(int *)arg;
}

static void
test_edit(struct check *t, const struct place *p)
{
	static char line[] = "one more\n";
	struct buf text = buf_make(MIB);
	char link[PATH_LEN];
	int keep = 1, fail = -1;
	struct stat st;

	check_row(t, "edit: bytes, mode and link stay");
	put_file(p->keys, SPAN("# comment\n\ndamaged \0 line\n"));
	(void)snprintf(link, sizeof(link), "%s.link", p->keys);
	check_that(t, chmod(p->keys, 0604) == 0 && symlink("keys", link) == 0, "no link");
	check_that(t, keyfile_edit(link, append_line, line) == 0, "not edited");
	check_that(t, file_read(p->keys, &text) == 0, "cannot be read");
	check_same(t, buf_span(&text), SPAN("# comment\n\ndamaged \0 line\none more\n"));
	check_that(t, stat(p->keys, &st) == 0 && (st.st_mode & 07777) == 0604, "mode %o",
	    (unsigned)st.st_mode);
	check_that(t, lstat(link, &st) == 0 && S_ISLNK(st.st_mode), "the link is gone");
	check_row(t, "edit: left as it is");
	check_that(t, keyfile_edit(p->keys, leave_alone, &keep) == 0, "an error");
	check_that(t, keyfile_edit(p->keys, leave_alone, &fail) == -1, "no error");
	buf_reset(&text, 0);
	check_that(t, file_read(p->keys, &text) == 0 && text.len == 35, "changed");
	check_row(t, "edit: a new file");
	check_that(
	    t, unlink(p->keys) == 0 && keyfile_edit(p->keys, append_line, line) == 0, "not made");
	check_that(t, stat(p->keys, &st) == 0 && (st.st_mode & 07777) == 0640 && st.st_size == 9,
	    "mode or size");
	buf_free(&text);
}

static void
test_editors(struct check *t, const struct place *p)
{
	static char line[] = "line\n";
	struct stat st;

	check_row(t, "edit: several at once lose nothing");
	put_file(p->keys, SPAN(""));
	for (int i = 0; i < WRITERS; i++) {
		if (fork_flushed() == 0) {
			int rc = 0;

			for (int n = 0; n < 25 && rc == 0; n++)
				rc = keyfile_edit(p->keys, append_line, line);
			_exit(rc != 0);
		}
	}
	while (wait(NULL) > 0)
		;
	check_that(t, stat(p->keys, &st) == 0 && st.st_size == EDITED_BYTES, "%lld bytes",
	    (long long)st.st_size);
}

int
main(void)
{
	static void (*const tests[])(struct check *, const struct place *) = { test_look_up,
		test_changes, test_one_of_many, test_trouble, test_damage, test_spoilt,
		test_removed, test_processes, test_killed, test_patience, test_threads, test_calls,
		test_beside, test_reader, test_edit, test_editors };
	struct check t = { .module = "store" };

	for (size_t i = 0; i < ROWS(tests); i++) {
		struct place p = place_make();

		(void)fflush(stdout);
		tests[i](&t, &p);
		place_remove(&p);
	}
	return check_end(&t);
}
