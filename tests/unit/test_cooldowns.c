/* cooldowns: when an upstream rests and how long, word by word; one probe at a time over threads
 * and processes; a file of another boot, a damaged one, and more upstreams than there is room for.
 */
#include "store/cooldowns.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/cooldown.h"
#include "unit/check.h"

#define NOW 1000000
#define MAX 30000

static const struct {
	const char *what;
	uint32_t failures;
	int64_t asked_ms, want_ms;
} rests[] = {
	{ "the first failure", 1, -1, 0 },
	{ "one too few", COOLDOWN_FAILURES - 1, 60000, 0 },
	{ "enough", COOLDOWN_FAILURES, -1, 1000 },
	{ "one more", COOLDOWN_FAILURES + 1, -1, 2000 },
	{ "many more", COOLDOWN_FAILURES + 40, -1, MAX },
	{ "more than can be counted", UINT32_MAX, -1, MAX },
	{ "as long as it asks", COOLDOWN_FAILURES, 7000, 7000 },
	{ "longer than it asks", COOLDOWN_FAILURES + 2, 100, 4000 },
	{ "longer than may be", COOLDOWN_FAILURES, 3600000, MAX },
};

static void
rows_rests(struct check *c)
{
	for (size_t i = 0; i < ROWS(rests); i++) {
		check_row(c, "rest: %s", rests[i].what);
		check_that(c,
		    cooldown_ms(rests[i].failures, rests[i].asked_ms, MAX) == rests[i].want_ms,
		    "%lld", (long long)cooldown_ms(rests[i].failures, rests[i].asked_ms, MAX));
	}
}

static char folder[] = "/tmp/test_cooldowns.XXXXXX";
static char file[sizeof(folder) + 16];

static void
fail(struct cooldowns *c, const char *name, int64_t now, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		cooldowns_failed(c, name, now, -1, MAX);
}

static void
rows_states(struct check *t)
{
	struct cooldowns *c = cooldowns_open(folder);

	assert(c);
	check_row(t, "an upstream that nobody has heard of");
	check_that(t, cooldowns_look(c, "a", NOW) == COOLDOWN_NONE, "it rests");
	cooldowns_good(c, "a");
	check_row(t, "it rests, and no other does");
	fail(c, "a", NOW, COOLDOWN_FAILURES);
	check_that(t, cooldowns_look(c, "a", NOW + 999) == COOLDOWN_RESTS, "a");
	check_that(t, cooldowns_look(c, "b", NOW + 999) == COOLDOWN_NONE, "b");
	check_row(t, "one call finds out");
	check_that(t, cooldowns_look(c, "a", NOW + 1000) == COOLDOWN_PROBE, "no probe");
	check_that(t, cooldowns_look(c, "a", NOW + 1000) == COOLDOWN_RESTS, "two probes");
	check_row(t, "a probe that fails makes it rest for longer");
	fail(c, "a", NOW + 1100, 1);
	check_that(t, cooldowns_look(c, "a", NOW + 3099) == COOLDOWN_RESTS, "it does not");
	check_that(t, cooldowns_look(c, "a", NOW + 3100) == COOLDOWN_PROBE, "no probe");
	check_row(t, "a probe of which nothing is heard");
	check_that(t, cooldowns_look(c, "a", NOW + 3100 + 9999) == COOLDOWN_RESTS, "a second one");
	check_that(t, cooldowns_look(c, "a", NOW + 3100 + 10000) == COOLDOWN_PROBE, "none");
	check_row(t, "a probe that goes well");
	cooldowns_good(c, "a");
	check_that(t, cooldowns_look(c, "a", NOW + 14000) == COOLDOWN_NONE, "it rests");
	fail(c, "a", NOW + 14000, COOLDOWN_FAILURES - 1);
	check_that(t, cooldowns_look(c, "a", NOW + 14000) == COOLDOWN_NONE, "it remembers");
	check_row(t, "an answer in between");
	cooldowns_good(c, "a");
	fail(c, "a", NOW + 14000, COOLDOWN_FAILURES - 1);
	check_that(t, cooldowns_look(c, "a", NOW + 14000) == COOLDOWN_NONE, "it rests");
	check_row(t, "failures far apart");
	fail(c, "a", NOW + 14001 + COOLDOWN_APART_MS, 1);
	check_that(t, cooldowns_look(c, "a", NOW + 14001 + COOLDOWN_APART_MS) == COOLDOWN_NONE,
	    "it rests");
	check_row(t, "no rests at all");
	for (unsigned i = 0; i < 20; i++)
		cooldowns_failed(c, "never", NOW, -1, 0);
	check_that(t, cooldowns_look(c, "never", NOW) == COOLDOWN_NONE, "it rests");
	cooldowns_close(c);
	check_row(t, "no table");
	fail(NULL, "a", NOW, 20);
	cooldowns_good(NULL, "a");
	cooldowns_close(NULL);
	check_that(t, cooldowns_look(NULL, "a", NOW) == COOLDOWN_NONE, "it rests");
}

/* What one process has seen another knows; of many that look, one is the probe. */
static void
row_processes(struct check *t)
{
	enum { PROCESSES = 8, ROUNDS = 50 };
	struct cooldowns *c = cooldowns_open(folder);
	int wrong = 0;

	assert(c);
	check_row(t, "one probe over %d processes, %d times", PROCESSES, ROUNDS);
	for (int round = 0; round < ROUNDS; round++) {
		int probes = 0, status;

		cooldowns_good(c, "shared");
		fail(c, "shared", NOW, COOLDOWN_FAILURES);
		for (int i = 0; i < PROCESSES; i++) {
			pid_t pid = fork();

			assert(pid >= 0);
			if (pid == 0) {
				struct cooldowns *own = cooldowns_open(folder);

				bool probe =
				    cooldowns_look(own, "shared", NOW + 1000) == COOLDOWN_PROBE;

				cooldowns_close(own);
				cooldowns_close(c);
				_exit(probe);
			}
		}
		for (int i = 0; i < PROCESSES; i++)
			if (wait(&status) > 0)
				probes += WEXITSTATUS(status);
		wrong += probes != 1;
	}
	check_that(t, wrong == 0, "%d rounds with none or several", wrong);
	cooldowns_close(c);
}

static void
row_many(struct check *t)
{
	struct cooldowns *c = cooldowns_open(folder);
	unsigned resting = 0;

	assert(c);
	check_row(t, "more upstreams than there is room for");
	for (unsigned i = 0; i < 2000; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "u%u", i);
		fail(c, name, NOW, COOLDOWN_FAILURES);
		resting += cooldowns_look(c, name, NOW) == COOLDOWN_RESTS;
	}
	check_that(t, resting > 900 && resting <= 1024, "%u rest", resting);
	cooldowns_close(c);
}

static void
write_file(const char *text, size_t n)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ssize_t written = fd < 0 ? -1 : write(fd, text, n);

	assert(written == (ssize_t)n);
	(void)close(fd);
}

static void
rows_files(struct check *t)
{
	static char other[100000] = "00000000-0000-0000-0000-000000000000";
	struct cooldowns *c;
	struct stat st;

	check_row(t, "a file of another boot");
	memset(other + 64, 0x55, sizeof(other) - 64);
	write_file(other, sizeof(other));
	c = cooldowns_open(folder);
	check_that(t, c && cooldowns_look(c, "a", NOW) == COOLDOWN_NONE, "it is believed");
	cooldowns_close(c);
	check_row(t, "a file that is cut");
	write_file("x", 1);
	c = cooldowns_open(folder);
	fail(c, "a", NOW, COOLDOWN_FAILURES);
	check_that(t, c && cooldowns_look(c, "a", NOW) == COOLDOWN_RESTS, "it does not work");
	cooldowns_close(c);
	check_row(t, "it stays, and others may not read it");
	c = cooldowns_open(folder);
	check_that(t, c && cooldowns_look(c, "a", NOW) == COOLDOWN_RESTS, "it is forgotten");
	cooldowns_close(c);
	check_that(t, stat(file, &st) == 0 && (st.st_mode & 0777) == 0600, "%o", st.st_mode & 0777);
	check_row(t, "no folder");
	check_that(t, !cooldowns_open("/nonexistent/folder"), "opened");
}

int
main(void)
{
	struct check c = { .module = "cooldowns" };

	if (!mkdtemp(folder))
		return 1;
	(void)snprintf(file, sizeof(file), "%s/upstreams", folder);
	rows_rests(&c);
	rows_states(&c);
	row_processes(&c);
	row_many(&c);
	rows_files(&c);
	(void)unlink(file);
	(void)rmdir(folder);
	return check_end(&c);
}
