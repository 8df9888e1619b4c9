/* supervisor: one process that does nothing but wait for signals. */
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define FORK_AGAIN_MS 1000
#define SOON_MS	      1000 /* who ends within that has not lived */
#define WAIT_FIRST_MS 1000
#define WAIT_MAX_MS   30000
/* A new image that has not said within that whether it could start could not. */
#define TRIAL_MS 10000

/* What a worker sends when it serves; the C library keeps the first ones for itself. */
#define SERVES SIGRTMIN

struct worker {
	pid_t pid; /* 0: none now */
	bool serves;
	int64_t started_ms;
	int64_t not_before_ms;
	int64_t wait_ms; /* before the next one is started; 0: it may be at once */
};

struct supervisor {
	const struct supervisor_hooks *hooks;
	struct worker *workers;
	unsigned n;
	struct handover_worker former[HANDOVER_WORKERS_MAX]; /* of images before this one */
	size_t former_n;
	pid_t trial; /* of a new image; 0: none */
	int64_t trial_until_ms;
	bool ready;
	bool stopping;
	int64_t ticked_ms;
};

static void
start(struct worker *w, const struct supervisor_hooks *hooks)
{
	pid_t parent = getpid();

	w->started_ms = clock_mono_ms();
	w->serves = false;
	w->pid = fork();
	if (w->pid < 0) {
		log_error("worker", "what=\"cannot be started: %m\"");
		w->pid = 0;
		w->not_before_ms = w->started_ms + FORK_AGAIN_MS;
		return;
	}
	if (w->pid == 0) {
		/* Without the supervisor nobody would stop it. */
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(1);
		_exit(hooks->work(hooks->arg));
	}
	log_info("worker", "pid=%ld what=\"started\"", (long)w->pid);
}

/* Starts what is due; returns the time until something else is, -1 when nothing will be. */
static int64_t
start_due(struct supervisor *s)
{
	int64_t now = clock_mono_ms();
	int64_t wait_ms = -1;

	for (unsigned i = 0; i < s->n && !s->stopping; i++) {
		struct worker *w = &s->workers[i];

		if (w->pid == 0 && w->not_before_ms <= now)
			start(w, s->hooks);
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

/* When the next one may be started in place of a worker that has ended. */
static void
wait_for(struct worker *w)
{
	bool lived = clock_mono_ms() - w->started_ms >= SOON_MS;

	w->wait_ms = lived ? 0 : w->wait_ms == 0 ? WAIT_FIRST_MS : 2 * w->wait_ms;
	if (w->wait_ms > WAIT_MAX_MS)
		w->wait_ms = WAIT_MAX_MS;
	w->not_before_ms = lived ? 0 : w->started_ms + w->wait_ms;
}

/* Hands the workers on to a new image. */
static void
renew(struct supervisor *s)
{
	struct handover_worker all[HANDOVER_WORKERS_MAX];
	size_t n = s->former_n;

	memcpy(all, s->former, s->former_n * sizeof(*all));
	for (unsigned i = 0; i < s->n; i++) {
		if (s->workers[i].pid == 0)
			continue;
		if (n == HANDOVER_WORKERS_MAX) {
			log_error("renewal", "what=\"too many old workers still end their calls\"");
			return;
		}
		all[n++] = (struct handover_worker){ s->workers[i].pid, false };
	}
	s->hooks->renew(s->hooks->arg, all, n);
}

/* Lets a new image try whether it could start. */
static void
begin_renewal(struct supervisor *s)
{
	if (s->stopping || s->trial > 0)
		return;
	s->trial = handover_try();
	s->trial_until_ms = clock_mono_ms() + TRIAL_MS;
	if (s->trial > 0)
		return;
	log_error("renewal", "what=\"cannot be tried: %m\"");
	s->trial = 0;
}

static void
end_trial(struct supervisor *s, int status)
{
	s->trial = 0;
	if (status != 0)
		log_error("renewal", "what=\"the program would not start: the old one goes on\"");
	else if (!s->stopping)
		renew(s);
}

/* The time until a trial must be over, or wait_ms, whichever comes first. */
static int64_t
watch_trial(const struct supervisor *s, int64_t wait_ms)
{
	int64_t left = s->trial_until_ms - clock_mono_ms();

	if (s->trial == 0)
		return wait_ms;
	if (left <= 0) {
		(void)kill(s->trial, SIGKILL);
		return wait_ms;
	}
	return wait_ms < 0 || left < wait_ms ? left : wait_ms;
}

static void
forget_former(struct supervisor *s, pid_t pid)
{
	for (size_t i = 0; i < s->former_n; i++)
		if (s->former[i].pid == pid)
			s->former[i--] = s->former[--s->former_n];
}

/* Takes note of children that have ended. */
static void
reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->trial) {
			end_trial(s, status);
			continue;
		}
		log_end(pid, status);
		forget_former(s, pid);
		for (unsigned i = 0; i < s->n; i++) {
			struct worker *w = &s->workers[i];

			if (w->pid == pid) {
				w->pid = 0;
				wait_for(w);
			}
		}
	}
}

static size_t
alive(const struct supervisor *s)
{
	size_t n = s->former_n;

	for (unsigned i = 0; i < s->n; i++)
		n += s->workers[i].pid > 0;
	return n;
}

/* Tells the workers of images before to end; those that know it already only when asked again:
 * a second signal ends their patience. It is another one, or it would be lost where the first is
 * still pending. */
static void
tell_former(struct supervisor *s, bool again)
{
	for (size_t i = 0; i < s->former_n; i++) {
		struct handover_worker *w = &s->former[i];

		if (!w->told || again)
			(void)kill(w->pid, again ? SIGINT : SIGTERM);
		w->told = true;
	}
}

/* The next signal, or 0 when the time is over. */
static int
wait_signal(int64_t wait_ms, siginfo_t *info)
{
	struct timespec limit = { .tv_sec = wait_ms / 1000, .tv_nsec = (wait_ms % 1000) * 1000000 };
	sigset_t all;
	int sig;

	sigfillset(&all);
	sig = wait_ms < 0 ? sigwaitinfo(&all, info) : sigtimedwait(&all, info, &limit);
	return sig < 0 ? 0 : sig;
}

/* Notes that a worker serves, and tells when all do so for the first time: then those of the image
 * before are no longer needed. */
static void
note_serving(struct supervisor *s, pid_t pid)
{
	unsigned serving = 0;

	for (unsigned i = 0; i < s->n; i++) {
		struct worker *w = &s->workers[i];

		w->serves = w->serves || w->pid == pid;
		serving += w->pid > 0 && w->serves;
	}
	if (s->ready || serving < s->n)
		return;
	s->ready = true;
	s->hooks->ready(s->hooks->arg);
	tell_former(s, false);
}

/* Ticks when it is time to; the time until the next, or until wait_ms, whichever comes first. */
static int64_t
tick(struct supervisor *s, int64_t wait_ms)
{
	int64_t every_ms = s->hooks->tick_ms;
	int64_t left = s->ticked_ms + every_ms - clock_mono_ms();

	if (every_ms < 0)
		return wait_ms;
	if (left <= 0) {
		s->hooks->tick(s->hooks->arg);
		s->ticked_ms = clock_mono_ms();
		left = every_ms;
	}
	return wait_ms < 0 || left < wait_ms ? left : wait_ms;
}

static void
stop(struct supervisor *s)
{
	bool again = s->stopping;

	if (!again)
		s->hooks->stopping(s->hooks->arg);
	s->stopping = true;
	tell_former(s, again);
	for (unsigned i = 0; i < s->n; i++)
		if (s->workers[i].pid > 0)
			(void)kill(s->workers[i].pid, again ? SIGINT : SIGTERM);
}

/* Takes over the workers of the image before. What is no child of this process is none of them. */
static void
take_over(struct supervisor *s, const struct handover *former)
{
	for (size_t i = 0; i < former->n; i++)
		if (former->workers[i].pid > 0 &&
		    waitpid(former->workers[i].pid, NULL, WNOHANG) == 0)
			s->former[s->former_n++] = former->workers[i];
}

int
supervisor_run(
    unsigned workers, const struct handover *former, const struct supervisor_hooks *hooks)
{
	struct supervisor s = { .hooks = hooks,
		.workers = calloc(workers, sizeof(*s.workers)),
		.n = workers,
		.ticked_ms = clock_mono_ms() };

	if (!s.workers)
		return 1;
	/* Where a parent ignores it, ended workers would not be told of. */
	(void)signal(SIGCHLD, SIG_DFL);
	if (former)
		take_over(&s, former);
	for (;;) {
		int64_t wait_ms = start_due(&s);
		siginfo_t info;
		int sig;

		if (s.stopping && alive(&s) == 0)
			break;
		sig = wait_signal(tick(&s, watch_trial(&s, wait_ms)), &info);
		if (sig == SIGTERM || sig == SIGINT || sig == SIGUSR1)
			stop(&s);
		else if (sig == SIGHUP || sig == SIGUSR2)
			begin_renewal(&s);
		else if (sig == SERVES)
			note_serving(&s, info.si_pid);
		reap(&s);
	}
	free(s.workers);
	return 0;
}

void
supervisor_serves(pid_t supervisor)
{
	if (getppid() == supervisor)
		(void)kill(supervisor, SERVES);
}
