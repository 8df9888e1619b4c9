/* supervisor: one process that does nothing but wait for signals. */
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define SOON_MS 1000

struct worker {
	pid_t pid; /* 0: none now */
	int64_t started_ms;
	int64_t not_before_ms;
};

struct supervisor {
	struct worker *workers;
	unsigned n;
	bool stopping;
};

static void
start(struct worker *w, supervisor_work *work, void *arg)
{
	pid_t parent = getpid();

	w->started_ms = clock_mono_ms();
	w->pid = fork();
	if (w->pid < 0) {
		log_error("worker", "what=\"cannot be started: %m\"");
		w->pid = 0;
		w->not_before_ms = w->started_ms + SOON_MS;
		return;
	}
	if (w->pid == 0) {
		/* Without the supervisor nobody would stop it. */
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(1);
		_exit(work(arg));
	}
	log_info("worker", "pid=%ld what=\"started\"", (long)w->pid);
}

/* Starts what is due; returns the time until something else is, -1 when nothing will be. */
static int64_t
start_due(struct supervisor *s, supervisor_work *work, void *arg)
{
	int64_t now = clock_mono_ms();
	int64_t wait_ms = -1;

	for (unsigned i = 0; i < s->n && !s->stopping; i++) {
		struct worker *w = &s->workers[i];

		if (w->pid == 0 && w->not_before_ms <= now)
			start(w, work, arg);
		if (w->pid == 0 && (wait_ms < 0 || w->not_before_ms - now < wait_ms))
			wait_ms = w->not_before_ms > now ? w->not_before_ms - now : 1;
	}
	return wait_ms;
}

static void
log_end(pid_t pid, int status)
{
	if (WIFSIGNALED(status)) {
		log_error(
		    "worker", "pid=%ld what=\"killed by signal %d\"", (long)pid, WTERMSIG(status));
	} else if (WEXITSTATUS(status) != 0) {
		log_error("worker", "pid=%ld what=\"exited with status %d\"", (long)pid,
		    WEXITSTATUS(status));
	} else {
		log_info("worker", "pid=%ld what=\"ended\"", (long)pid);
	}
}

/* Takes note of workers that have ended. */
static void
reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < s->n; i++) {
			struct worker *w = &s->workers[i];

			if (w->pid == pid) {
				log_end(pid, status);
				w->pid = 0;
				w->not_before_ms = clock_mono_ms() - w->started_ms < SOON_MS
				    ? w->started_ms + SOON_MS
				    : 0;
			}
		}
	}
}

static unsigned
alive(const struct supervisor *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += s->workers[i].pid > 0;
	return n;
}

static void
send_all(const struct supervisor *s, int sig)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->workers[i].pid > 0)
			(void)kill(s->workers[i].pid, sig);
}

static int
wait_signal(int64_t wait_ms)
{
	struct timespec limit = { .tv_sec = wait_ms / 1000, .tv_nsec = (wait_ms % 1000) * 1000000 };
	sigset_t all;

	sigfillset(&all);
	return wait_ms < 0 ? sigwaitinfo(&all, NULL) : sigtimedwait(&all, NULL, &limit);
}

int
supervisor_run(unsigned workers, supervisor_work *work, supervisor_stop *stopping, void *arg)
{
	struct supervisor s = { .workers = calloc(workers, sizeof(*s.workers)), .n = workers };

	if (!s.workers)
		return 1;
	/* Where a parent ignores it, ended workers would not be told of. */
	(void)signal(SIGCHLD, SIG_DFL);
	for (;;) {
		int64_t wait_ms = start_due(&s, work, arg);
		int sig;

		if (s.stopping && alive(&s) == 0)
			break;
		sig = wait_signal(wait_ms);
		if (sig == SIGTERM || sig == SIGINT || sig == SIGUSR1) {
			if (!s.stopping)
				stopping(arg);
			s.stopping = true;
			send_all(&s, SIGTERM);
		}
		reap(&s);
	}
	free(s.workers);
	return 0;
}
