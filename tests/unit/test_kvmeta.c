/* kvmeta: a process is killed at every instruction of its commits. A victim is stepped through
 * them, and each state of the file that it leaves on the way is opened as one that it died in. */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "store/kv.h"
#include "unit/check.h"

#define WARM_UP	  20 /* commits before those that are stepped through */
#define COMMITS	  6
#define SEEN	  (16 * 4096ul) /* of the file: more than it uses */
#define STEPS_MAX 20000000u

static const char *const names[] = { "first", "second", "third" };

static void
must(bool good)
{
	if (!good)
		abort();
}

/* Sets all numbers to n, in one transaction. */
static void
set_numbers(struct kv *kv, uint64_t n)
{
	struct kv_txn t;

	must(kv_begin(kv, true, &t) == KV_OK);
	for (size_t i = 0; i < ROWS(names); i++)
		must(
		    kv_put(&t, span_of(names[i]), (struct span){ (char *)&n, sizeof(n) }) == KV_OK);
	must(kv_commit(&t) == KV_OK);
}

/* The program again, to be stepped through: by a checker of memory it would be too slow. */
static int
victim(const char *path)
{
	struct kv *kv = kv_open(path, KV_VOLATILE, false);

	must(kv != NULL);
	for (uint64_t n = 1; n <= WARM_UP; n++)
		set_numbers(kv, n);
	must(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	(void)kill(getpid(), SIGSTOP);
	for (uint64_t n = WARM_UP + 1; n <= WARM_UP + COMMITS; n++)
		set_numbers(kv, n);
	(void)kill(getpid(), SIGSTOP);
	_exit(0);
}

static bool
write_file(const char *path, const void *bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool good = fd >= 0 && write(fd, bytes, SEEN) == (ssize_t)SEEN;

	if (fd >= 0)
		(void)close(fd);
	return good;
}

/* The number that all names have; 0 when they differ or are not there. */
static uint64_t
number_in(struct kv *kv)
{
	uint64_t numbers[ROWS(names)] = { 0 };
	bool good = true;
	struct kv_txn t;

	must(kv_begin(kv, false, &t) == KV_OK);
	for (size_t i = 0; i < ROWS(names); i++) {
		struct span value;

		good = kv_get(&t, span_of(names[i]), &value) == KV_OK &&
		    value.n == sizeof(numbers[i]) && good;
		if (good)
			memcpy(&numbers[i], value.p, sizeof(numbers[i]));
		good = good && numbers[i] == numbers[0];
	}
	kv_abort(&t);
	return good ? numbers[0] : 0;
}

/* Opens a state as the next process would; *number is what is in it. Then it has to take changes.
 */
static bool
is_good(const char *copy, const void *state, uint64_t *number)
{
	char lock[160];
	struct kv *kv;
	bool good = true;

	(void)snprintf(lock, sizeof(lock), "%s-lock", copy);
	(void)unlink(lock);
	must(write_file(copy, state));
	kv = kv_open(copy, KV_VOLATILE, false);
	if (!kv)
		return false;
	*number = number_in(kv);
	for (uint64_t n = 1000; n < 1004; n++) {
		set_numbers(kv, n);
		good = good && number_in(kv) == n;
	}
	kv_close(kv);
	return good && *number > 0;
}

/* In a child, since LMDB ends a process that finds a broken file. -1: it is broken. */
static int
number_of(const char *copy, const void *state)
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		uint64_t number = 0;

		_exit(is_good(copy, state, &number) ? (int)number : 255);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : -1;
}

struct walk {
	struct check *c;
	const char *copy;
	const char *map;  /* the victim's file */
	char state[SEEN]; /* as it was last seen */
	unsigned states;  /* that differed */
	int number;	  /* that was last in it */
};

static void
look(struct walk *w)
{
	int number;

	if (memcmp(w->state, w->map, SEEN) == 0)
		return;
	memcpy(w->state, w->map, SEEN);
	w->states++;
	number = number_of(w->copy, w->state);
	check_that(w->c, number > 0, "state %u after number %d is broken", w->states, w->number);
	check_that(w->c, number < 0 || number == w->number || number == w->number + 1,
	    "state %u holds number %d after %d", w->states, number, w->number);
	w->number = number > 0 ? number : w->number;
}

static pid_t
start_victim(const char *program, const char *path)
{
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)execl(program, program, path, (char *)NULL);
		_exit(1);
	}
	return pid;
}

static bool
stopped_by(pid_t pid, int signal)
{
	int status = 0;

	return waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) &&
	    WSTOPSIG(status) == signal;
}

static void
step_through(struct walk *w, pid_t pid)
{
	unsigned steps = 0;

	while (steps++ < STEPS_MAX && ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0 &&
	    stopped_by(pid, SIGTRAP))
		look(w);
	check_that(w->c, steps > 1000, "only %u steps", steps);
}

static void
test_commits(struct check *c, const char *program, const char *folder)
{
	char path[128], copy[128];
	struct walk *w = calloc(1, sizeof(*w));
	int fd;
	pid_t pid;

	must(w != NULL);
	(void)snprintf(path, sizeof(path), "%s/file", folder);
	(void)snprintf(copy, sizeof(copy), "%s/copy", folder);
	check_row(c, "a process is killed at every instruction of its commits");
	pid = start_victim(program, path);
	must(pid > 0);
	if (!check_that(c, stopped_by(pid, SIGSTOP), "the victim did not come to its commits"))
		goto out;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	*w = (struct walk){ .c = c, .copy = copy, .number = WARM_UP };
	w->map = mmap(NULL, SEEN, PROT_READ, MAP_SHARED, fd, 0);
	(void)close(fd);
	must(w->map != MAP_FAILED);
	look(w);
	step_through(w, pid);
	check_that(c, w->number == WARM_UP + COMMITS, "came to number %d", w->number);
	check_that(c, w->states > 20 * COMMITS, "%u states", w->states);
	(void)munmap((void *)(uintptr_t)w->map, SEEN);
out:
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	free(w);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

int
main(int argc, char *argv[])
{
	struct check c = { .module = "kvmeta" };
	char folder[64] = "/tmp/test_kvmeta.XXXXXX";

	if (argc == 2)
		return victim(argv[1]);
	must(mkdtemp(folder) != NULL);
	test_commits(&c, argv[0], folder);
	(void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return check_end(&c);
}
