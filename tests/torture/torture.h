/* torture: a scenario is done over and over, each time with another of its allocations failing:
 * first that one alone, then that one and all after it. Nothing may crash or hang, nothing may be
 * left behind, and what came of it must hold what the scenario says.
 *
 * A scenario runs in a child, so that its death is a finding; another child goes on behind it. */
#ifndef POSTERN_TESTS_TORTURE_TORTURE_H
#define POSTERN_TESTS_TORTURE_TORTURE_H

#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "torture/failing.h"
#include "unit/check.h"

#define TORTURE_LIMIT_S	 20 /* for one try */
#define TORTURE_SHOWN	 24 /* findings of a scenario that are told at length */
#define TORTURE_FOUND	 24 /* findings after which a scenario ends */
#define TORTURE_FDS	 64
#define TORTURE_FRAMES	 16 /* of a stack that are told */
#define TORTURE_WARM	 3
#define TORTURE_LEAKS	 3 /* leaks of one try that are told with their stacks */
#define TORTURE_WHY	 4096
#define TORTURE_MODES	 2
#define TORTURE_DIED(st) (WIFSIGNALED(st) || (WIFEXITED(st) && WEXITSTATUS(st) != 0))

/* Only these may be told of what is the gate's own fault. */
static inline void
torture_check_status(struct check *c, int status, struct span body)
{
	check_that(c, status == 500 || status == 503 || status == 529,
	    "status %d for what is the gate's own fault: '%.*s'", status, (int)body.n,
	    body.n ? body.p : "");
}

struct torture_scenario {
	const char *name;
	void (*open)(void);  /* once in each child; NULL: nothing is to be done */
	void (*begin)(void); /* before each try */
	void (*act)(void);   /* the try: here allocations fail */
	void (*end)(void);   /* judges what came of it, and lets go of what begin and act made */
	void (*close)(void); /* once, when all tries are done; NULL as above */
	const void *data;    /* the scenario's own */
	const struct failing_exclusion *exclusion; /* NULL: every allocation may fail */
	size_t every;				   /* only each so many-th does; 0: all do */
};

struct torture_finding {
	size_t number; /* of the allocation; 0: none failed */
	bool all_after;
	char why[TORTURE_WHY];
	struct failing_stack failed;
	struct failing_stack leaks[TORTURE_LEAKS]; /* or where it died */
	size_t leaks_n;
};

/* What a child tells its parent, also by its death. */
struct torture_report {
	size_t next;		       /* the number to go on with */
	size_t mode;		       /* 0: alone, 1: and all after it */
	size_t tries;		       /* in which one failed */
	size_t numbers[TORTURE_MODES]; /* how many allocations the scenario has */
	bool over;
	struct failing_stack failed; /* of the try under way */
	struct failing_stack died;
	size_t found;
	struct torture_finding shown[TORTURE_SHOWN];
};

static struct {
	const struct torture_scenario *scenario;
	struct torture_report *report; /* shared with the children */
	struct check *check;	       /* takes the reasons of one try */
	bool unfailed;		       /* nothing fails in this try */
	int failed;		       /* scenarios with a finding */
} torture;

/* libconfuse 3.3: its scanner exits when it finds no memory (yy_fatal_error), asserts it in qputc,
 * and cfg_setopt and cfg_free use what cfg_dupopt_array could not allocate. The gate looks
 * beforehand whether there is plenty. */
static const struct failing_exclusion torture_confuse = { "libconfuse", "cfg_parse_buf" };

/* Writes a file anew. */
static inline void
torture_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n = (ssize_t)strlen(text);

	if (fd < 0 || write(fd, text, (size_t)n) != n || close(fd) < 0)
		abort();
}

static inline int
torture_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* Removes a folder with all that is in it. */
static inline void
torture_remove(const char *path)
{
	(void)nftw(path, torture_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Makes a folder for a child, in memory where that can be. */
static inline void
torture_folder(char *out, size_t size)
{
	const char *top = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	int n = snprintf(out, size, "%s/postern-torture-XXXXXX", top);

	if (n < 0 || (size_t)n >= size || !mkdtemp(out))
		abort();
}

/* Makes a file of what goes to this descriptor. */
static inline int
torture_capture(int fd)
{
	int file = memfd_create("said", MFD_CLOEXEC);

	if (file < 0 || fcntl(file, F_SETFL, O_APPEND) < 0 || dup2(file, fd) < 0)
		abort();
	return file;
}

/* Whether the last try came as far as the allocation of that number. */
static inline bool
torture_reached(size_t number)
{
	return failing.count >= number;
}

static inline int
torture_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < TORTURE_FDS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Takes a place for a finding, or counts it alone. */
static inline struct torture_finding *
torture_found(const char *why)
{
	struct torture_report *r = torture.report;
	struct torture_finding *f = NULL;

	if (r->found < TORTURE_SHOWN) {
		f = &r->shown[r->found];
		*f = (struct torture_finding){ .number = torture.unfailed ? 0 : r->next,
			.all_after = r->mode == 1,
			.failed = r->failed };
		(void)snprintf(f->why, sizeof(f->why), "%s", why);
	}
	r->found++;
	return f;
}

static void
torture_dies(int signal_number)
{
	struct failing_stack *died = &torture.report->died;

	failing_armed = false;
	torture.report->failed = failing.stack;
	died->n = backtrace(died->at, FAILING_STACK);
	(void)signal(signal_number, SIG_DFL);
	(void)raise(signal_number);
}

/* One try. The reason why it was not good stands in torture.check. */
static inline void
torture_try(size_t number, bool all_after)
{
	const struct torture_scenario *s = torture.scenario;

	torture.unfailed = number == 0;
	torture.check->why[0] = '\0';
	(void)alarm(TORTURE_LIMIT_S);
	failing.hit = false;
	s->begin();
	failing_arm(number, all_after);
	s->act();
	failing_disarm();
	torture.report->failed = failing.stack;
	s->end();
	(void)alarm(0);
}

static inline void
torture_note_leaks(struct torture_finding *f)
{
	for (size_t i = 0; f && failing.traces && i < FAILING_TRACED; i++)
		if (failing.traces[i].number > 0 && f->leaks_n < TORTURE_LEAKS)
			f->leaks[f->leaks_n++] = failing.traces[i].stack;
}

/* What is left of a try that is done once more, so that what a library keeps from its first failure
 * on is no leak. */
static inline void
torture_look_again(size_t number, bool all_after)
{
	long lives = atomic_load(&failing.lives), bytes = atomic_load(&failing.bytes);
	int fds = torture_descriptors();
	char why[128];

	failing_trace(true);
	torture_try(number, all_after);
	lives = atomic_load(&failing.lives) - lives;
	bytes = atomic_load(&failing.bytes) - bytes;
	fds = torture_descriptors() - fds;
	if (lives != 0 || bytes != 0 || fds != 0) {
		(void)snprintf(why, sizeof(why),
		    "left behind: %ld allocations, %ld bytes, %d "
		    "descriptors",
		    lives, bytes, fds);
		torture_note_leaks(torture_found(why));
	}
	failing_trace(false);
}

/* One try with all that is looked at around it. */
static inline void
torture_probe(size_t number, bool all_after)
{
	long lives = atomic_load(&failing.lives), bytes = atomic_load(&failing.bytes);
	int fds = torture_descriptors();

	torture_try(number, all_after);
	if (torture.check->why[0])
		(void)torture_found(torture.check->why);
	else if (lives != atomic_load(&failing.lives) || bytes != atomic_load(&failing.bytes) ||
	    fds != torture_descriptors())
		torture_look_again(number, all_after);
}

static inline bool
torture_skips(size_t number)
{
	size_t every = torture.scenario->every;

	return (every > 0 && number % every != 0) ||
	    (number < FAILING_NOTED && failing.excluded[number]);
}

/* All tries from where the last child came to. */
static inline void
torture_child(void)
{
	static const int deaths[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGALRM };
	const struct torture_scenario *s = torture.scenario;
	struct torture_report *r = torture.report;

	for (size_t i = 0; i < ROWS(deaths); i++)
		(void)signal(deaths[i], torture_dies);
	failing.exclusion = s->exclusion;
	if (s->open)
		s->open();
	for (int i = 0; i < TORTURE_WARM; i++)
		torture_try(0, false);
	failing.notes = s->exclusion != NULL;
	torture_try(0, false);
	failing.notes = false;
	torture_probe(0, false);
	for (; r->mode < TORTURE_MODES; r->mode++, r->next = 1) {
		for (;; r->next++) {
			if (torture_skips(r->next))
				continue;
			torture_probe(r->next, r->mode == 1);
			if (!torture_reached(r->next) || r->found >= TORTURE_FOUND)
				break;
			r->tries += failing.hit;
		}
		r->numbers[r->mode] = r->next - 1;
	}
	if (s->close)
		s->close();
	r->over = true;
}

/* Has addresses of this program and its libraries named on standard output. */
static inline void
torture_show_stack(const char *what, const struct failing_stack *s)
{
	printf("  %s:\n", what);
	(void)fflush(stdout);
	for (int i = 0; i < s->n && i < TORTURE_FRAMES; i++) {
		char offset[32];
		Dl_info in;
		pid_t pid;

		if (!dladdr(s->at[i], &in) || !in.dli_fname)
			continue;
		if (!strstr(in.dli_fname, "torture/")) {
			printf("    %s in %s\n", in.dli_sname ? in.dli_sname : "?", in.dli_fname);
			(void)fflush(stdout);
			continue;
		}
		(void)snprintf(
		    offset, sizeof(offset), "0x%tx", (char *)s->at[i] - (char *)in.dli_fbase - 1);
		pid = fork();
		if (pid == 0) {
			execlp("addr2line", "addr2line", "-fsipe", in.dli_fname, offset, NULL);
			_exit(1);
		}
		(void)waitpid(pid, NULL, 0);
	}
}

static inline void
torture_show(const struct torture_finding *f)
{
	printf("  allocation %zu%s: %s\n", f->number,
	    f->all_after    ? " and all after it"
		: f->number ? " alone"
			    : " (none fails)",
	    f->why);
	if (f->number)
		torture_show_stack("it fails in", &f->failed);
	for (size_t i = 0; i < f->leaks_n; i++)
		torture_show_stack("left or died in", &f->leaks[i]);
}

/* The child has died: that is a finding, and the next one goes on behind it. */
static inline void
torture_note_death(int status)
{
	struct torture_report *r = torture.report;
	struct torture_finding *f;
	char why[128];

	torture.unfailed = r->next == 0;
	(void)snprintf(why, sizeof(why),
	    WIFSIGNALED(status) ? "died of signal %d" : "exited with %d",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	f = torture_found(why);
	if (f) {
		f->leaks[0] = r->died;
		f->leaks_n = 1;
	}
	r->tries++;
	r->next++;
}

static inline void
torture_run(const struct torture_scenario *s)
{
	struct torture_report *r = torture.report;

	torture.scenario = s;
	*r = (struct torture_report){ .next = 1 };
	while (!r->over && r->found < TORTURE_FOUND) {
		int status = 0;
		pid_t pid;

		(void)fflush(NULL);
		pid = fork();
		if (pid == 0) {
			torture_child();
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			abort();
		if (!r->over)
			torture_note_death(status);
	}
	torture.scenario = NULL;
	if (r->found == 0) {
		printf("ok %s: %s, %zu allocations, %zu failures\n", torture.check->module, s->name,
		    r->numbers[0], r->tries);
		return;
	}
	torture.failed++;
	printf("not ok %s: %s - %zu findings in %zu failures of %zu allocations\n",
	    torture.check->module, s->name, r->found, r->tries, r->numbers[0]);
	for (size_t i = 0; i < r->found && i < TORTURE_SHOWN; i++)
		torture_show(&r->shown[i]);
}

/* Makes ready; c takes the reasons. */
static inline void
torture_open(struct check *c)
{
	void *at = mmap(NULL, sizeof(*torture.report), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct failing_stack first;

	if (at == MAP_FAILED)
		abort();
	torture.report = at;
	torture.check = c;
	failing_note(&first); /* loads what walks the stack */
}

#endif
