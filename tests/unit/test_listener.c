/* listener: sockets that can be had, and reasons why not. */
#include "listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit/check.h"

static const char long_path[] =
    "unix:/tmp/012345678901234567890123456789012345678901234567890123456789012345678901234567890"
    "123456789012345678901234567";

static const char *const bad[] = { "", "unix:", long_path, "unix:/nowhere/socket", "127.0.0.1",
	":80", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "[::1:80", "256.0.0.1:80",
	"no-such-host.invalid:80" };

static bool
listens(int fd)
{
	int on = 0;
	socklen_t n = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on;
}

static void
row_unix(struct check *c)
{
	char folder[] = "/tmp/postern-listener-XXXXXX";
	char where[64];
	struct stat st;
	const char *path = where + 5;
	const char *made = mkdtemp(folder);
	mode_t before = umask(022);
	struct listener_file file, other = { 1, 1 };
	int fd, second;

	(void)snprintf(where, sizeof(where), "unix:%s/s", folder);
	check_row(c, "unix socket");
	fd = listener_open(where, &file);
	check_that(c, made && fd >= 0 && listens(fd), "it does not listen");
	check_that(c, (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "children inherit it");
	check_that(c, stat(path, &st) == 0 && (st.st_mode & 07777) == 0660, "mode %o",
	    (unsigned)st.st_mode);
	check_that(c, umask(022) == 022, "the mask was changed");
	check_row(c, "unix socket that is served");
	second = listener_open(where, &file);
	check_that(c, second < 0, "it was taken");
	check_that(c, stat(path, &st) == 0, "its file was removed");
	check_row(c, "unix socket that is left behind");
	(void)close(fd);
	fd = listener_open(where, &file);
	check_that(c, fd >= 0 && listens(fd), "it does not listen");
	(void)close(fd);
	check_row(c, "the socket of a successor is not ours to remove");
	listener_remove(where, &other);
	check_that(c, stat(path, &st) == 0, "its file was removed");
	check_row(c, "unix socket that was ours");
	listener_remove(where, &file);
	check_that(c, stat(path, &st) != 0, "its file is left");
	check_row(c, "a file that is no socket is not ours to remove");
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	check_that(c, fd >= 0 && close(fd) == 0, "cannot make it");
	fd = listener_open(where, &file);
	check_that(c, fd < 0, "it was replaced");
	if (fd >= 0)
		(void)close(fd);
	check_that(c, stat(path, &st) == 0 && S_ISREG(st.st_mode), "it is gone");
	(void)unlink(path);
	(void)rmdir(folder);
	(void)umask(before);
}

static void
row_tcp(struct check *c, const char *where, int family)
{
	struct sockaddr_storage at = { 0 };
	socklen_t n = sizeof(at);
	struct listener_file file;
	int fd = listener_open(where, &file);

	check_row(c, "%s", where);
	if (!check_that(c, fd >= 0 && listens(fd), "it does not listen"))
		return;
	check_that(c, getsockname(fd, (struct sockaddr *)&at, &n) == 0 && at.ss_family == family,
	    "family %d", at.ss_family);
	check_that(c, (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "children inherit it");
	listener_remove(where, &file);
	(void)close(fd);
}

static void
row_taken(struct check *c)
{
	char where[40];
	struct sockaddr_in at = { 0 };
	socklen_t n = sizeof(at);
	struct listener_file file;
	int fd = listener_open("127.0.0.1:0", &file);
	int second;

	check_row(c, "a port that is taken");
	if (!check_that(c, fd >= 0, "no socket"))
		return;
	check_that(c, getsockname(fd, (struct sockaddr *)&at, &n) == 0, "no port");
	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", ntohs(at.sin_port));
	second = listener_open(where, &file);
	check_that(c, second < 0, "taken twice");
	(void)close(fd);
}

static bool
has_ipv6(void)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return has;
}

int
main(void)
{
	struct listener_file file;
	struct check c = { .module = "listener" };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int saved = dup(STDERR_FILENO);

	/* The reasons are for people. */
	(void)dup2(null, STDERR_FILENO);
	for (size_t i = 0; i < ROWS(bad); i++) {
		check_row(&c, "bad: '%.40s'", bad[i]);
		check_that(&c, listener_open(bad[i], &file) < 0, "it listens");
	}
	row_unix(&c);
	row_tcp(&c, "127.0.0.1:0", AF_INET);
	row_tcp(&c, "localhost:0", AF_INET);
	if (has_ipv6())
		row_tcp(&c, "[::1]:0", AF_INET6);
	row_taken(&c);
	(void)dup2(saved, STDERR_FILENO);
	(void)close(null);
	(void)close(saved);
	return check_end(&c);
}
