/* serve: options, the process and its signals. All signals are blocked in every thread; this thread
 * alone waits for them, because libfcgi's own handler would wake one thread and leave the rest
 * (hosting.md 0.1). */
#include "serve.h"

#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "call.h"
#include "conffile.h"
#include "front/cgi.h"
#include "front/fcgi.h"
#include "gate.h"
#include "handover.h"
#include "listener.h"
#include "notify.h"
#include "pool.h"
#include "registry.h"
#include "sandbox.h"
#include "supervisor.h"

#define THREADS_DEFAULT 256
#define WORKERS_MAX	256
/* A web server that started us kills soon after its SIGTERM: everything has to be over within a
 * second. */
#define HOSTED_DRAIN_MS 300
#define CUT_WAIT_MS	500
#define CUT_CGI_S	2
/* How often a drain looks for a second signal. */
#define STOP_LOOK_MS 100
/* When calls were told to end, those that still write to a client that does not read are left
 * behind. */
#define CUT_WAIT_ALONE_MS 3000

struct serve {
	struct buf conf_path;
	const char *where; /* --listen; NULL: descriptor 0 */
	unsigned workers;  /* 0: this process serves itself */
	unsigned threads;
	int listen_fd;
	struct listener_file made; /* by --listen; removed when the stop begins */
	bool by_web_server;
	pid_t supervisor; /* whose worker this process may be */
	enum handover_way way;
	struct handover former; /* what an image before this one has left */
};

static bool
is_listening(int fd)
{
	int on = 0;
	socklen_t n = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on;
}

bool
serve_as_cgi(void)
{
	return getenv("GATEWAY_INTERFACE") && !is_listening(STDIN_FILENO);
}

/* True when the parent is a web server, which expects us to be gone within a second of its SIGTERM.
 */
static bool
parent_is_web_server(void)
{
	static const char *const servers[] = { "apache2", "httpd", "lighttpd" };
	char path[64], name[32] = "";
	FILE *f;

	if (snprintf(path, sizeof(path), "/proc/%ld/comm", (long)getppid()) < 0 ||
	    !(f = fopen(path, "re")))
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	(void)fclose(f);
	for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++)
		if (span_eq(span_trim(span_of(name)), span_of(servers[i])))
			return true;
	return false;
}

static void
block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	/* Faults of our own must still end the process where they happen. */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

/* A closed standard descriptor would be given to the next file or socket, and log lines would go
 * into it. */
static void
fill_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

/* A thread needs about five descriptors, a thousand streams more than most shells allow. */
static void
raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Who has asked for a stop how often. A supervisor passes on what a terminal sends to its workers
 * as well, so that one wish reaches a worker twice, from two sides. */
struct stops {
	unsigned by_parent, by_others;
};

static void
stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1);
}

static void
note_stop(struct stops *s, const siginfo_t *info)
{
	if (info->si_pid == getppid())
		s->by_parent++;
	else
		s->by_others++;
}

/* Returns who has asked. While it waits a service manager hears from its watchdog, if it has one.
 */
static pid_t
await_stop(struct stops *s)
{
	int64_t tick_ms = notify_watchdog_ms();
	struct timespec limit = { .tv_sec = tick_ms / 1000, .tv_nsec = (tick_ms % 1000) * 1000000 };
	sigset_t set;
	siginfo_t info;

	stop_signals(&set);
	while (sigtimedwait(&set, &info, tick_ms > 0 ? &limit : NULL) < 0)
		if (tick_ms > 0)
			notify_send("WATCHDOG=1");
	note_stop(s, &info);
	return info.si_pid;
}

/* True when one side has asked a second time: its patience has ended. */
static bool
asked_again(struct stops *s)
{
	struct timespec now = { 0 };
	sigset_t set;
	siginfo_t info;

	stop_signals(&set);
	while (sigtimedwait(&set, &info, &now) > 0)
		note_stop(s, &info);
	return s->by_parent > 1 || s->by_others > 1;
}

/* How long running calls may go on after a stop. */
static int64_t
drain_ms(struct gate *g, bool by_web_server)
{
	struct era *e = by_web_server ? NULL : gate_enter(g);
	int64_t ms = e ? e->conf->drain_ms : HOSTED_DRAIN_MS;

	if (e)
		gate_leave(g, e);
	return ms;
}

static void
cut_calls(int cut_fd)
{
	uint64_t one = 1;

	if (write(cut_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_error("serve", "what=\"calls cannot be told to end: %m\"");
}

/* Waits for the calls to end; a second signal ends the patience. */
static bool
drain(struct pool *p, int64_t wait_ms, struct stops *stops)
{
	int64_t until = clock_mono_ms() + wait_ms;

	for (;;) {
		int64_t left = until - clock_mono_ms();

		if (pool_wait(p, left < 0 ? 0 : left < STOP_LOOK_MS ? left : STOP_LOOK_MS))
			return true;
		if (left <= 0 || asked_again(stops))
			return false;
	}
}

static void
stop(struct pool *p, struct gate *g, const struct serve *s, int cut_fd, struct stops *stops)
{
	log_info("serve", "pid=%ld what=\"stopping\"", (long)getpid());
	if (s->workers == 0 && s->where)
		listener_remove(s->where, &s->made);
	pool_stop(p);
	if (drain(p, drain_ms(g, s->by_web_server), stops))
		return;
	cut_calls(cut_fd);
	if (!pool_wait(p, s->by_web_server ? CUT_WAIT_MS : CUT_WAIT_ALONE_MS)) {
		log_warn("serve", "pid=%ld what=\"ended with calls that would not end\"",
		    (long)getpid());
		_exit(0);
	}
}

/* One process that serves FastCGI until it is told to stop. */
static int
work(void *arg)
{
	const struct serve *s = arg;
	int cut_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct stops stops = { 0 };
	struct gate *g;
	struct pool *p;

	if (cut_fd < 0 || sandbox_enter(s->conf_path.p, registry()->kind_names) ||
	    front_fcgi_init() || !(g = gate_open(registry(), s->conf_path.p, cut_fd))) {
		log_error("serve", "what=\"cannot start: %m\"");
		return 1;
	}
	p = pool_start(g, &front_fcgi, s->listen_fd, s->threads);
	if (!p) {
		gate_close(g);
		return 1;
	}
	log_info("serve", "pid=%ld threads=%u what=\"ready\"", (long)getpid(), s->threads);
	if (s->workers > 0)
		supervisor_serves(s->supervisor);
	else
		notify_send("READY=1");
	(void)await_stop(&stops);
	if (s->workers == 0)
		notify_send("STOPPING=1");
	stop(p, g, s, cut_fd, &stops);
	pool_free(p);
	gate_close(g);
	(void)close(cut_fd);
	return 0;
}

/* A CGI host that stops, or whose client has left, says so by SIGTERM. The call ends by itself,
 * unless it waits for a host that neither sends the rest of the body nor closes. */
static void *
cut_on_signal(void *arg)
{
	const int *cut_fd = arg;
	struct timespec patience = { .tv_sec = CUT_CGI_S };
	struct stops stops = { 0 };
	sigset_t set;
	siginfo_t info;

	if (await_stop(&stops) == getpid()) /* the call is over */
		return NULL;
	cut_calls(*cut_fd);
	stop_signals(&set);
	do {
		if (sigtimedwait(&set, &info, &patience) < 0)
			_exit(0);
	} while (info.si_pid != getpid());
	return NULL;
}

static int
serve_cgi(const struct serve *s)
{
	int cut_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct gate *g = cut_fd < 0 || sandbox_enter(s->conf_path.p, registry()->kind_names)
	    ? NULL
	    : gate_open(registry(), s->conf_path.p, cut_fd);
	struct call *c = g ? call_open(g, &front_cgi) : NULL;
	pthread_t waiter;
	int fd;

	if (!c || pthread_create(&waiter, NULL, cut_on_signal, &cut_fd)) {
		log_error("serve", "what=\"cannot start: %m\"");
		return 1;
	}
	call_run(c, -1, false);
	(void)call_finish(c, &fd);
	call_book(c);
	(void)pthread_kill(waiter, SIGUSR1); /* one of those it waits for */
	(void)pthread_join(waiter, NULL);
	call_close(c);
	gate_close(g);
	(void)close(cut_fd);
	return 0;
}

static int
usage(void)
{
	(void)fputs(
	    "usage: postern [serve] [--config F] [--listen unix:/path or host:port] [--workers N] [--threads N]\n",
	    stderr);
	return 2;
}

static int
read_count(const char *option, const char *text, unsigned min, unsigned max, unsigned *out)
{
	uint64_t n;

	if (num_u64(span_of(text), max, &n) || n < min) {
		(void)fprintf(stderr, "postern: %s %s: must be a number from %u to %u\n", option,
		    text, min, max);
		return 2;
	}
	*out = (unsigned)n;
	return 0;
}

static int
read_options(int argc, char **argv, struct serve *s)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		{ "listen", required_argument, NULL, 'l' },
		{ "workers", required_argument, NULL, 'w' },
		{ "threads", required_argument, NULL, 't' }, { 0 } };
	const char *conf = NULL;
	int o, rc = 0;

	while (rc == 0 && (o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			conf = optarg;
			break;
		case 'l':
			s->where = optarg;
			break;
		case 'w':
			rc = read_count("--workers", optarg, 1, WORKERS_MAX, &s->workers);
			break;
		case 't':
			rc = read_count(
			    "--threads", optarg, POOL_THREADS_MIN, POOL_THREADS_MAX, &s->threads);
			break;
		default:
			rc = usage();
		}
	}
	if (rc == 0 && optind < argc)
		rc = usage();
	return rc ? rc : conffile_path(conf, &s->conf_path);
}

/* A configuration that is broken from the start is said at once to whoever starts the program by
 * hand or from a unit; under a web server it is said to the clients, until it is mended. */
static int
check_conf(const struct serve *s)
{
	struct gate *g = gate_open(registry(), s->conf_path.p, -1);
	struct era *e = g ? gate_enter(g) : NULL;

	if (e)
		gate_leave(g, e);
	gate_close(g);
	return e ? 0 : 1;
}

/* The socket's file goes before the socket: once nobody listens, a successor may put its own there.
 */
static void
stop_listening(void *arg)
{
	const struct serve *s = arg;

	notify_send("STOPPING=1");
	if (s->where)
		listener_remove(s->where, &s->made);
	(void)close(s->listen_fd);
}

static void
tell_ready(void *arg)
{
	(void)arg;
	notify_send("READY=1");
}

static void
tell_alive(void *arg)
{
	(void)arg;
	notify_send("WATCHDOG=1");
}

/* A new binary in the same process, with the socket and the workers of this one. */
static void
hand_over(void *arg, const struct handover_worker *workers, size_t n)
{
	const struct serve *s = arg;
	struct handover h = { .listen_fd = s->listen_fd, .made = s->made, .n = n };

	memcpy(h.workers, workers, n * sizeof(*workers));
	log_info("renewal", "pid=%ld what=\"the program starts anew\"", (long)getpid());
	notify_reloading();
	handover_go(&h);
	log_error("renewal", "what=\"the program cannot start anew: %m\"");
	notify_send("READY=1");
}

static int
supervise(struct serve *s)
{
	const struct handover *former = s->way == HANDOVER_TAKEN ? &s->former : NULL;
	struct supervisor_hooks hooks = { .work = work,
		.ready = tell_ready,
		.tick = tell_alive,
		.tick_ms = notify_watchdog_ms(),
		.stopping = stop_listening,
		.renew = hand_over,
		.arg = s };

	s->supervisor = getpid();
	return supervisor_run(s->workers, former, &hooks);
}

/* The listening socket: the one of the image before, or one of its own, or descriptor 0. */
static int
find_socket(struct serve *s)
{
	if (s->way == HANDOVER_TAKEN && is_listening(s->former.listen_fd)) {
		s->made = s->former.made;
		return s->former.listen_fd;
	}
	if (s->way == HANDOVER_TAKEN) {
		log_error("renewal", "what=\"no socket was handed over\"");
		return -1;
	}
	return s->where ? listener_open(s->where, &s->made) : STDIN_FILENO;
}

static int
serve_fcgi(struct serve *s)
{
	if (s->way == HANDOVER_TRIAL)
		return check_conf(s);
	if (s->where && s->way == HANDOVER_NONE && check_conf(s))
		return 1;
	s->listen_fd = find_socket(s);
	if (s->listen_fd < 0)
		return 1;
	return s->workers > 0 ? supervise(s) : work(s);
}

int
serve_main(int argc, char **argv)
{
	struct serve s = { .conf_path = buf_make(PATH_MAX_LEN), .threads = THREADS_DEFAULT };
	int rc = read_options(argc, argv, &s);

	if (rc) {
		buf_free(&s.conf_path);
		return rc < 0 ? 1 : rc;
	}
	s.way = handover_take(&s.former);
	fill_descriptors();
	block_signals();
	raise_descriptors();
	sandbox_hide();
	/* Threads that come and go by the hundred would otherwise each keep a heap of their own. */
	(void)mallopt(M_ARENA_MAX, 4);
	/* Each call takes and frees some large blocks, and glibc clears its fast bins at every one.
	 */
	(void)mallopt(M_MXFAST, 0);
	if (geteuid() == 0)
		log_warn("serve",
		    "what=\"runs as root, which it need not: give it an account of its own\"");
	s.by_web_server = parent_is_web_server();
	if (serve_as_cgi()) {
		rc = serve_cgi(&s);
	} else if (s.where || is_listening(STDIN_FILENO)) {
		rc = serve_fcgi(&s);
	} else {
		(void)fputs(
		    "postern: no listening socket on descriptor 0; give --listen\n", stderr);
		rc = usage();
	}
	buf_free(&s.conf_path);
	return rc;
}
