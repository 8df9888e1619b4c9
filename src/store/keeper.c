/* keeper: see the header. All signals are blocked in the thread: they are for the one that waits
 * for them. */
#include "store/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#define SOON_MS	     20 /* so that the lines of calls that end together are written together */
#define KEEPER_STACK (256 * KIB)
#define RESTART_MS   1000 /* between attempts to start a thread */

struct keeper {
	struct keeper_work work;
	pthread_t thread;
	pthread_cond_t wake;

	pthread_mutex_t mutex; /* guards what follows; never held while work is done */
	bool started, stop;
	bool told;	  /* there is something to do ... */
	int64_t told_ms;  /* ... when this time has come */
	int64_t every_ms; /* when it is time in any case */
	int64_t retry_ms; /* when to try again to start the thread */
};

static void
wait_until(struct keeper *k, int64_t until_ms)
{
	struct timespec until = { .tv_sec = (time_t)(until_ms / 1000),
		.tv_nsec = (long)(until_ms % 1000) * 1000000L };

	(void)pthread_cond_timedwait(&k->wake, &k->mutex, &until);
}

/* Called with the mutex held, which is let go of during the work. */
static void
run(struct keeper *k)
{
	int64_t again_ms, now_ms;

	k->told = false;
	(void)pthread_mutex_unlock(&k->mutex);
	again_ms = k->work.run(k->work.arg);
	(void)pthread_mutex_lock(&k->mutex);
	now_ms = clock_mono_ms();
	k->every_ms = now_ms + k->work.every_ms;
	if (again_ms > 0) {
		k->told = true;
		k->told_ms = now_ms + again_ms;
	}
}

/* When there is something to do; INT64_MAX: nobody knows yet. */
static int64_t
due_ms(const struct keeper *k)
{
	int64_t due = k->work.every_ms > 0 ? k->every_ms : INT64_MAX;

	return k->told && k->told_ms < due ? k->told_ms : due;
}

static void *
keep(void *arg)
{
	struct keeper *k = arg;

	(void)pthread_mutex_lock(&k->mutex);
	while (!k->stop) {
		int64_t due = due_ms(k);

		if (due == INT64_MAX)
			(void)pthread_cond_wait(&k->wake, &k->mutex);
		else if (clock_mono_ms() < due)
			wait_until(k, due);
		else
			run(k);
	}
	(void)pthread_mutex_unlock(&k->mutex);
	return NULL;
}

/* The new thread inherits the mask of signals of this one. */
static int
start_thread(struct keeper *k)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int error = pthread_attr_init(&attr);

	if (error)
		return error;
	(void)sigfillset(&all);
	(void)pthread_attr_setstacksize(&attr, KEEPER_STACK);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&k->thread, &attr, keep, k);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return error;
}

/* Called with the mutex held. */
static void
start(struct keeper *k)
{
	int64_t now_ms = clock_mono_ms();

	if (k->started || now_ms < k->retry_ms)
		return;
	k->every_ms = now_ms + k->work.every_ms;
	errno = start_thread(k);
	k->started = errno == 0;
	if (k->started)
		return;
	k->retry_ms = now_ms + RESTART_MS;
	log_error("keeper", "what=\"the thread cannot be started: %m\"");
}

struct keeper *
keeper_open(const struct keeper_work *work)
{
	struct keeper *k = calloc(1, sizeof(*k));
	pthread_condattr_t attr;

	if (!k || pthread_condattr_init(&attr) != 0) {
		log_error("keeper", "what=\"out of memory\"");
		free(k);
		return NULL;
	}
	k->work = *work;
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&k->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	(void)pthread_mutex_init(&k->mutex, NULL);
	return k;
}

void
keeper_start(struct keeper *k)
{
	(void)pthread_mutex_lock(&k->mutex);
	start(k);
	(void)pthread_mutex_unlock(&k->mutex);
}

void
keeper_tell(struct keeper *k)
{
	bool wake = false;

	(void)pthread_mutex_lock(&k->mutex);
	start(k);
	if (!k->told) {
		k->told = true;
		k->told_ms = clock_mono_ms() + SOON_MS;
		wake = true;
	}
	(void)pthread_mutex_unlock(&k->mutex);
	if (wake)
		(void)pthread_cond_signal(&k->wake);
}

void
keeper_close(struct keeper *k)
{
	if (!k)
		return;
	(void)pthread_mutex_lock(&k->mutex);
	k->stop = true;
	(void)pthread_mutex_unlock(&k->mutex);
	(void)pthread_cond_signal(&k->wake);
	if (k->started)
		(void)pthread_join(k->thread, NULL);
	(void)pthread_cond_destroy(&k->wake);
	(void)pthread_mutex_destroy(&k->mutex);
	free(k);
}
