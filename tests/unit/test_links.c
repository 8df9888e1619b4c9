/* links: two connections to a listening socket of this machine, and what the peer of one sends
 * when. */
#include "upstream/links.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static struct links links;

/* The ends of a connection that is watched. */
struct pair {
	int here, there;
	long port;
};

static struct pair
connected(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct pair p = { .here = socket(AF_INET, SOCK_STREAM, 0) };

	assert(bind(listener, (struct sockaddr *)&at, n) == 0 && listen(listener, 1) == 0);
	assert(getsockname(listener, (struct sockaddr *)&at, &n) == 0);
	links_opened(&links, p.here);
	assert(connect(p.here, (struct sockaddr *)&at, n) == 0);
	p.there = accept(listener, NULL, NULL);
	assert(getsockname(p.here, (struct sockaddr *)&at, &n) == 0);
	p.port = ntohs(at.sin_port);
	(void)close(listener);
	return p;
}

static void
closed(const struct pair *p)
{
	links_closed(&links, p->here);
	(void)close(p->here);
	(void)close(p->there);
}

/* The peer says something, and it has arrived. */
static void
says(const struct pair *p)
{
	struct pollfd fd = { .fd = p->here, .events = POLLIN };

	assert(send(p->there, "x", 1, 0) == 1 && poll(&fd, 1, 10000) == 1);
}

/* Each letter is a step: a asks, s lets the peer speak, m says that answers are told apart, o asks
 * the other one, f forgets the peer's end. */
static const struct {
	const char *what;
	const char *steps;
	bool may; /* be asked then */
} rows[] = {
	{ "a new one", "", true },
	{ "a new one whose server speaks first", "s", true },
	{ "one that was kept", "aa", true },
	{ "one on which something came", "as", false },
	{ "one on which something came long ago", "aaas", false },
	{ "one of HTTP/2 on which something came", "ams", true },
	{ "one whose peer has closed", "af", true },
	{ "one beside another", "oas", false },
};

static void
row_steps(struct check *c, size_t i)
{
	struct pair other = connected();
	struct pair one = connected();

	check_row(c, "%s", rows[i].what);
	for (const char *p = rows[i].steps; *p; p++) {
		if (*p == 'a')
			check_that(c, links_ask(&links, one.port), "refused too soon");
		else if (*p == 's')
			says(&one);
		else if (*p == 'm')
			links_mixed(&links, one.port);
		else if (*p == 'f')
			(void)shutdown(one.there, SHUT_RDWR);
		else
			check_that(c, links_ask(&links, other.port), "the other is refused");
	}
	check_that(c, links_ask(&links, one.port) == rows[i].may, "may be asked: %d", !rows[i].may);
	check_that(c, links_ask(&links, other.port), "the other may not be asked");
	closed(&one);
	closed(&other);
	check_that(c, links.n == 0, "%zu are left", links.n);
}

static void
row_many(struct check *c)
{
	check_row(c, "more than are watched");
	for (int fd = 1000; fd < 1000 + 2 * (int)LINKS_MAX; fd++)
		links_opened(&links, fd);
	check_that(c, links.n == LINKS_MAX, "%zu are watched", links.n);
	check_that(c, links_ask(&links, 1), "one that is not watched may not be asked");
	for (int fd = 1000; fd < 1000 + 2 * (int)LINKS_MAX; fd++)
		links_closed(&links, fd);
	check_that(c, links.n == 0, "%zu are left", links.n);
	links_opened(&links, -1);
	check_that(c, links.n == 0, "none is one");
}

int
main(void)
{
	struct check c = { .module = "links" };

	for (size_t i = 0; i < ROWS(rows); i++)
		row_steps(&c, i);
	row_many(&c);
	return check_end(&c);
}
