/* sandbox: what a process that has entered it can do, and what it can't. Each row is a child that
 * enters and tries; the expectation of files and TCP holds where the kernel has landlock. */
#include "sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <valgrind/valgrind.h>

#include "unit/check.h"

#define PATH_LEN 128

static char folder[] = "/tmp/test_sandbox.XXXXXX";
static char conf[PATH_LEN], state[PATH_LEN], outside[PATH_LEN], key[PATH_LEN], link_name[PATH_LEN],
    linked[PATH_LEN];

static int
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? errno : close(fd);
}

static int
try_system(void)
{
	return opens("/etc/passwd", O_RDONLY);
}

static int
try_conf(void)
{
	return opens(conf, O_RDONLY);
}

static int
try_key(void)
{
	return opens(key, O_RDONLY);
}

static int
try_link(void)
{
	return opens(link_name, O_RDONLY);
}

static int
try_outside(void)
{
	return opens(outside, O_RDONLY);
}

static int
try_write_conf(void)
{
	return opens(conf, O_WRONLY);
}

static int
try_new_beside_conf(void)
{
	char path[PATH_LEN + 8];

	int error;

	(void)snprintf(path, sizeof(path), "%s.new", conf);
	error = opens(path, O_WRONLY | O_CREAT);
	(void)unlink(path);
	return error;
}

static int
try_state(void)
{
	char path[PATH_LEN + 8], to[PATH_LEN + 8];
	int error;

	(void)snprintf(path, sizeof(path), "%s/new", state);
	(void)snprintf(to, sizeof(to), "%s/to", state);
	error = opens(path, O_RDWR | O_CREAT | O_TRUNC);
	if (error)
		return error;
	return truncate(path, 10) || rename(path, to) || unlink(to) ? errno : 0;
}

/* Bodies that are too large for memory. */
static int
try_unnamed(void)
{
	return opens(state, O_RDWR | O_TMPFILE);
}

static int
try_bind(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&to, sizeof(to));
	int error = rc ? errno : 0;

	if (fd >= 0)
		(void)close(fd);
	return error;
}

static int
try_names(void)
{
	struct addrinfo *found = NULL;
	int rc = getaddrinfo("localhost", "80", NULL, &found);

	if (rc == 0)
		freeaddrinfo(found);
	return rc ? EHOSTUNREACH : 0;
}

static int
try_exec(void)
{
	/* It gives itself up for another program before it asks the kernel. */
	if (RUNNING_ON_VALGRIND)
		return EPERM;
	(void)execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int
try_trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? errno : 0;
}

static int
try_setuid(void)
{
	return setuid(getuid()) ? errno : 0;
}

static int
try_packets(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : close(fd);
}

static int
try_unix(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : close(fd);
}

static int
try_parent(void)
{
	return kill(getppid(), 0) ? errno : 0;
}

static const struct {
	const char *what;
	int (*attempt)(void);
	int want;     /* errno */
	int landlock; /* the version that it takes; 0: none */
} rows[] = {
	{ "files of the system are read", try_system, 0, 0 },
	{ "the configuration is read", try_conf, 0, 0 },
	{ "a secret that it names is read", try_key, 0, 0 },
	{ "a secret by a link to elsewhere is read", try_link, 0, 0 },
	{ "other files are not", try_outside, EACCES, 1 },
	{ "the configuration is not written", try_write_conf, EACCES, 1 },
	{ "nothing is made beside it", try_new_beside_conf, EACCES, 1 },
	{ "in the state folder files come and go", try_state, 0, 0 },
	{ "files without a name, too", try_unnamed, 0, 0 },
	{ "it does not listen", try_bind, EACCES, 4 },
	{ "names are found", try_names, 0, 0 },
	{ "sockets of the machine", try_unix, 0, 0 },
	{ "no packets past the kernel's protocols", try_packets, EAFNOSUPPORT, 0 },
	{ "no other program", try_exec, EPERM, 0 },
	{ "no tracing", try_trace, EPERM, 0 },
	{ "no change of accounts", try_setuid, EPERM, 0 },
	{ "its supervisor can be told", try_parent, 0, 0 },
};

static void
put(const char *path, const char *text, unsigned mode)
{
	FILE *f = fopen(path, "w");

	if (!f || fchmod(fileno(f), mode) || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

static void
write_conf(bool sandbox)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
	    "keys = \"%s/conf/keys\"\nstate = \"%s\"\nsandbox = %s\n"
	    "upstream \"one\" { kind = \"anthropic\" url = \"http://x\" api_key_file = \"%s\" }\n"
	    "upstream \"two\" { kind = \"anthropic\" url = \"http://x\" api_key_file = \"%s\" }\n",
	    folder, state, sandbox ? "true" : "false", key, link_name);
	put(conf, text, 0600);
}

static const char *const kinds[] = { "anthropic", NULL };

/* The exit status of a child that enters, and then tries: errno, or 255 when it cannot enter. */
static int
in_child(int (*attempt)(void))
{
	int status = 0;
	pid_t pid = fork();

	assert(pid >= 0);
	if (pid == 0)
		_exit(sandbox_enter(conf, kinds) ? 255 : attempt());
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void
rows_attempts(struct check *c, long version)
{
	for (size_t i = 0; i < ROWS(rows); i++) {
		int want = rows[i].landlock <= version ? rows[i].want : 0;
		int got;

		check_row(c, "%s", rows[i].what);
		got = in_child(rows[i].attempt);
		check_that(c, got == want, "%s, not %s", strerror(got), strerror(want));
	}
}

static void
rows_not(struct check *c)
{
	check_row(c, "without sandbox = true nothing changes");
	write_conf(false);
	check_that(c, in_child(try_outside) == 0 && in_child(try_setuid) == 0, "it does");
	check_row(c, "a broken configuration asks for nothing");
	put(conf, "nonsense = 1\n", 0600);
	check_that(c, in_child(try_outside) == 0, "it does");
	check_row(c, "nor does one that is not there");
	(void)unlink(conf);
	check_that(c, in_child(try_outside) == 0, "it does");
}

static int
try_hidden(void)
{
	struct rlimit limit;

	sandbox_hide();
	return prctl(PR_GET_DUMPABLE) != 0 || getrlimit(RLIMIT_CORE, &limit) || limit.rlim_max != 0;
}

int
main(void)
{
	struct check c = { .module = "sandbox" };
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
	char path[PATH_LEN / 2];

	if (!mkdtemp(folder))
		return 1;
	(void)snprintf(path, sizeof(path), "%s/conf", folder);
	(void)snprintf(conf, sizeof(conf), "%s/postern.conf", path);
	(void)snprintf(state, sizeof(state), "%s/state", folder);
	(void)snprintf(outside, sizeof(outside), "%s/outside", folder);
	(void)snprintf(key, sizeof(key), "%s/secret", path);
	(void)snprintf(link_name, sizeof(link_name), "%s/link", path);
	(void)snprintf(linked, sizeof(linked), "%s/linked/secret", folder);
	if (mkdir(path, 0700))
		return 1;
	(void)snprintf(path, sizeof(path), "%s/linked", folder);
	if (mkdir(path, 0700) || symlink(linked, link_name))
		return 1;
	put(outside, "x\n", 0600);
	put(key, "secret\n", 0600);
	put(linked, "secret\n", 0600);
	write_conf(true);
	if (version > 0) {
		check_row(&c, "the state folder is made when it is missing");
		check_that(&c, in_child(try_state) == 0, "it is not");
	} else if (mkdir(state, 0700)) {
		return 1;
	}
	rows_attempts(&c, version > 0 ? version : 0);
	rows_not(&c);
	check_row(&c, "no core dump");
	check_that(&c, in_child(try_hidden) == 0, "there may be one");
	(void)unlink(outside);
	(void)unlink(key);
	(void)unlink(link_name);
	(void)unlink(linked);
	(void)rmdir(path);
	(void)snprintf(path, sizeof(path), "%s/conf", folder);
	(void)rmdir(path);
	(void)rmdir(state);
	check_row(&c, "nothing is left behind");
	check_that(&c, rmdir(folder) == 0, "something is");
	return check_end(&c);
}
