/* limits: how long a take and a settlement of the local limits take while several processes contend
 * for them.
 *
 *   limits FILE PROCESSES CALLS
 *
 * Each process takes and settles CALLS calls of one workspace and one key, with all limits set;
 * FILE is made and removed. Meanwhile the finished calls are forgotten as a drain would, some
 * hundreds at a time. Prints `take_us median N p90 N p99 N settle_us median N p90 N p99 N`. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/limiter.h"

#define FORGET_EVERY 500u

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "limits: %s\n", what);
	exit(1);
}

/* As long as lines of the ledger are. */
static const char line[] =
    "\"time\":\"2026-11-22T12:00:00.000Z\",\"day\":\"2026-11-22\",\"request_id\":"
    "\"req_aaaaaaaaaaaaaaaaaaaaaaaa\",\"key\":\"k_aaaaaaaa\",\"workspace\":\"bench\","
    "\"surface\":\"messages\",\"model\":\"claude-sonnet-4-5\",\"routed\":true,\"upstream\":"
    "\"anthropic\",\"upstream_model\":\"claude-sonnet-4-5\",\"upstream_request_id\":"
    "\"req_bbbbbbbbbbbbbbbbbbbbbbbb\",\"stream\":true,\"cut\":false,\"estimated\":false,"
    "\"status\":200,\"end\":\"done\",\"input_tokens\":1200,\"output_tokens\":300,"
    "\"cache_creation_input_tokens\":0,\"cache_creation_1h_input_tokens\":0,"
    "\"cache_read_input_tokens\":0,\"cost_nanousd\":8100000,\"reserved_tokens\":2200,"
    "\"reserved_nanousd\":66000000,\"limit\":null,\"requests_left\":400,\"tokens_left\":50000,"
    "\"first_ms\":420,\"total_ms\":3100}\n";

static struct admission_ask
make_ask(void)
{
	const struct quota quota = { .rpm = QUOTA_RATE_MAX,
		.tpm = QUOTA_RATE_MAX,
		.concurrent = 1000,
		.budget_day_nanousd = QUOTA_NANOUSD_MAX / 2,
		.budget_month_nanousd = QUOTA_NANOUSD_MAX };

	return (struct admission_ask){
		.workspace = SPAN("bench"),
		.key = SPAN("k_aaaaaaaa"),
		.model = SPAN("claude-sonnet-4-5"),
		.quota = { quota, quota },
		.requests = 1,
		.tokens = 1000,
		.nanousd = 66000,
		.request_id = SPAN("req_aaaaaaaaaaaaaaaaaaaaaaaa"),
	};
}

/* Takes and settles; the times go to took, takes first. */
static void
run(const char *path, size_t calls, int64_t *took)
{
	struct limiter *l = limiter_open(path, 0, NULL, NULL, false);
	const struct admission_ask ask = make_ask();
	struct admission_grant grant;
	const struct store_booking b = {
		.ask = &ask,
		.grant = &grant,
		.used = { 700, 8100 },
		.line = { line, sizeof(line) - 1 },
	};

	if (!l)
		die("the file cannot be opened");
	for (size_t i = 0; i < calls; i++) {
		int64_t begun = now_ns();

		if (limiter_take(l, &ask, &grant) != STORE_OK || !grant.held)
			die("no take");
		took[i] = now_ns() - begun;
		begun = now_ns();
		if (limiter_settle(l, &b, false) != STORE_OK)
			die("not settled");
		took[calls + i] = now_ns() - begun;
	}
	limiter_close(l);
	_exit(0);
}

struct newest {
	uint64_t seq;
	size_t n;
};

static int
see(void *arg, const struct limiter_line *at)
{
	struct newest *newest = arg;

	newest->seq = at->seq;
	return ++newest->n == FORGET_EVERY;
}

/* Forgets what is queued until all processes have ended. */
static void
drain(const char *path, size_t processes)
{
	struct limiter *l = limiter_open(path, 0, NULL, NULL, false);
	const struct timespec pause = { .tv_nsec = 20000000 };
	bool good = l != NULL;

	while (good && processes > 0) {
		struct newest newest = { 0 };
		int status = 0;

		if (waitpid(-1, &status, WNOHANG) > 0) {
			good = status == 0;
			processes--;
			continue;
		}
		good = limiter_lines(l, 0, see, &newest) == STORE_OK &&
		    limiter_forget(l, newest.seq) == STORE_OK;
		if (newest.n < FORGET_EVERY)
			(void)nanosleep(&pause, NULL);
	}
	if (!good)
		die("a process failed");
	limiter_close(l);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* One kind of time of all processes. */
static void
show(const char *what, const int64_t *took, size_t processes, size_t calls)
{
	size_t n = processes * calls;
	int64_t *all = malloc(n * sizeof(*all));

	if (!all)
		die("no memory");
	for (size_t i = 0; i < processes; i++)
		memcpy(all + i * calls, took + i * 2 * calls, calls * sizeof(*all));
	qsort(all, n, sizeof(*all), compare);
	printf("%s median %.2f p90 %.2f p99 %.2f", what, (double)all[n / 2] / 1000,
	    (double)all[n * 9 / 10] / 1000, (double)all[n * 99 / 100] / 1000);
	free(all);
}

int
main(int argc, char **argv)
{
	unsigned long processes = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long calls = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	size_t bytes = processes * calls * 2 * sizeof(int64_t);
	int64_t *took = bytes
	    ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
	    : MAP_FAILED;
	char lock[4096];

	if (took == MAP_FAILED)
		die("usage: limits FILE PROCESSES CALLS");
	for (size_t i = 0; i < processes; i++) {
		if (fork() == 0)
			run(argv[1], calls, took + i * 2 * calls);
	}
	drain(argv[1], processes);
	show("take_us", took, processes, calls);
	show(" settle_us", took + calls, processes, calls);
	putchar('\n');
	(void)snprintf(lock, sizeof(lock), "%s-lock", argv[1]);
	(void)unlink(argv[1]);
	(void)unlink(lock);
	return 0;
}
