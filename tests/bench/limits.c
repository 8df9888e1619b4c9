/* limits: how long a take and a settlement of a store take while several processes contend for one
 * workspace and one key with all limits set.
 *
 *   limits FOLDER PROCESSES CALLS [PORT]
 *
 * The store is the local one in FOLDER, or with PORT the Redis at 127.0.0.1:PORT. Every process has
 * it open as the program has, with the thread that moves finished calls to the ledger, and takes
 * and settles CALLS calls. Prints `take_ns N take_p99_ns N settle_ns N settle_p99_ns N booked N`:
 * medians and percentiles, and how many calls the totals have in the end. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "policy/period.h"
#include "store/local.h"
#include "store/redis.h"

enum step { TAKE, SETTLE, STEPS };

struct run {
	struct conf conf;
	const struct store_kind *kind;
	size_t processes, calls;
	pthread_barrier_t *begin; /* in memory of all processes, as are the times */
	int64_t *took;		  /* of each step, of each process, of each call */
};

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

static struct admission_ask
make_ask(void)
{
	const struct quota quota = { .rpm = QUOTA_RATE_MAX,
		.tpm = QUOTA_RATE_MAX,
		.concurrent = QUOTA_CONCURRENT_MAX,
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

static void
write_line(const struct admission_ask *ask, struct buf *out)
{
	int64_t now_ms = clock_wall_ms();
	const struct ledger_entry entry = {
		.time_ms = now_ms,
		.day = period_day(now_ms),
		.request_id = ask->request_id,
		.key = ask->key,
		.workspace = ask->workspace,
		.surface = SPAN("messages"),
		.model = ask->model,
		.routed = true,
		.upstream = SPAN("anthropic"),
		.upstream_model = SPAN("claude-sonnet-4-5-20250929"),
		.upstream_request_id = SPAN("req_bbbbbbbbbbbbbbbbbbbbbbbb"),
		.status = 200,
		.end = SPAN("done"),
		.usage = { .input = 400, .output = 300 },
		.cost_nanousd = 8100,
		.reserved_tokens = 1000,
		.reserved_nanousd = 66000,
		.requests_left = 400,
		.tokens_left = 50000,
		.first_ms = 420,
		.total_ms = 3100,
	};

	if (ledger_format(&entry, out) < 0)
		die("the line does not fit");
}

static int64_t *
times(const struct run *r, enum step step, size_t process)
{
	return r->took + (step * r->processes + process) * r->calls;
}

static void
call(struct store *s, const struct admission_ask *ask, struct span line, int64_t *took[STEPS])
{
	struct admission_grant grant;
	struct store_booking booking = {
		.ask = ask, .grant = &grant, .used = { 700, 8100 }, .line = line
	};
	int64_t begun = now_ns();

	if (s->kind->take(s, ask, &grant) != STORE_OK || !grant.held)
		die("no take");
	*took[TAKE]++ = now_ns() - begun;
	begun = now_ns();
	if (s->kind->settle(s, &booking) != STORE_OK)
		die("not settled");
	*took[SETTLE]++ = now_ns() - begun;
}

static struct store *
open_store(const struct run *r)
{
	struct store *s = r->kind->open(&r->conf, NULL, false);

	if (!s)
		die("the store cannot be opened");
	return s;
}

static _Noreturn void
take_and_settle(const struct run *r, size_t process)
{
	int64_t *took[STEPS] = { times(r, TAKE, process), times(r, SETTLE, process) };
	const struct admission_ask ask = make_ask();
	struct buf line = buf_make(LEDGER_LINE_MAX);
	struct store *s = open_store(r);

	write_line(&ask, &line);
	(void)pthread_barrier_wait(r->begin);
	for (size_t i = 0; i < r->calls; i++)
		call(s, &ask, buf_span(&line), took);
	s->kind->close(s);
	buf_free(&line);
	exit(0);
}

static void
run_all(const struct run *r)
{
	int status = 0;

	for (size_t i = 0; i < r->processes; i++) {
		pid_t child = fork();

		if (child < 0)
			die("no process");
		if (child == 0)
			take_and_settle(r, i);
	}
	for (size_t i = 0; i < r->processes; i++) {
		if (wait(&status) < 0 || status != 0)
			die("a process failed");
	}
}

static int
add_calls(void *sum, const struct tally_row *row, const struct tally *t)
{
	(void)row;
	*(uint64_t *)sum += t->calls;
	return 0;
}

static uint64_t
booked(const struct run *r)
{
	const struct store_range all = { 0, INT32_MAX };
	struct store *s = open_store(r);
	uint64_t calls = 0;

	if (s->kind->totals(s, &all, add_calls, &calls) != STORE_OK)
		die("no totals");
	s->kind->close(s);
	return calls;
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void
show(const struct run *r, enum step step, const char *name)
{
	int64_t *all = times(r, step, 0);
	size_t n = r->processes * r->calls;

	qsort(all, n, sizeof(*all), compare);
	printf("%s_ns %lld %s_p99_ns %lld ", name, (long long)all[n / 2], name,
	    (long long)all[n * 99 / 100]);
}

static void *
shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("no memory");
	return p;
}

int
main(int argc, char **argv)
{
	static char keys[] = "/nonexistent", host[] = "127.0.0.1";
	pthread_barrierattr_t attributes;
	struct run r = { .kind = &store_local };

	if (argc < 4 || argc > 5)
		die("usage: limits FOLDER PROCESSES CALLS [PORT]");
	r.conf.state = argv[1];
	r.conf.keys = keys;
	r.processes = strtoul(argv[2], NULL, 10);
	r.calls = strtoul(argv[3], NULL, 10);
	if (argc == 5) {
		r.kind = &store_redis;
		r.conf.store = (struct conf_store){
			.host = host, .port = strtoul(argv[4], NULL, 10), .timeout_ms = 1000
		};
	}
	if (r.processes == 0 || r.calls == 0)
		die("nothing to do");
	r.took = shared(r.processes * r.calls * STEPS * sizeof(*r.took));
	r.begin = shared(sizeof(*r.begin));
	(void)pthread_barrierattr_init(&attributes);
	(void)pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	(void)pthread_barrier_init(r.begin, &attributes, (unsigned)r.processes);
	run_all(&r);
	show(&r, TAKE, "take");
	show(&r, SETTLE, "settle");
	printf("booked %llu\n", (unsigned long long)booked(&r));
	return 0;
}
