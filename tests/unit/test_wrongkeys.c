/* wrongkeys: which addresses count as one, how many failures are within, word by word; what several
 * processes have counted together; more addresses than there is room for. */
#include "store/wrongkeys.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/strikes.h"
#include "unit/check.h"

#define NOW    1000000
#define MINUTE 60000

static const struct {
	const char *what, *a, *b;
	bool same;
} addresses[] = {
	{ "the same", "192.0.2.7", "192.0.2.7", true },
	{ "a neighbour", "192.0.2.7", "192.0.2.8", false },
	{ "IPv4 within IPv6", "192.0.2.7", "::ffff:192.0.2.7", true },
	{ "one network of IPv6", "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true },
	{ "another network of IPv6", "2001:db8:1:2::1", "2001:db8:1:3::1", false },
	{ "two spellings", "2001:DB8::1", "2001:0db8:0:0::1", true },
	{ "no address", "unix:", "unix:", true },
	{ "two that are none", "here", "there", false },
	{ "longer than an address", "0123456789012345678901234567890123456789012345678901234567890",
	    "0123456789012345678901234567890123456789012345678901234567891", false },
};

static void
rows_addresses(struct check *c)
{
	uint64_t a = 0, b = 0;

	for (size_t i = 0; i < ROWS(addresses); i++) {
		check_row(c, "address: %s", addresses[i].what);
		check_that(c,
		    strikes_address(span_of(addresses[i].a), &a) &&
			strikes_address(span_of(addresses[i].b), &b),
		    "none");
		check_that(
		    c, (a == b) == addresses[i].same, "%s and %s", addresses[i].a, addresses[i].b);
	}
	check_row(c, "address: empty");
	check_that(c, !strikes_address(SPAN(""), &a), "one");
}

static char folder[] = "/tmp/test_wrongkeys.XXXXXX";

/* Adds so many; the wait of the last. */
static int64_t
add(struct wrongkeys *w, const char *address, int64_t now, unsigned times)
{
	int64_t last = -1;

	for (unsigned i = 0; i < times; i++)
		last = wrongkeys_add(w, span_of(address), now, 60);
	return last;
}

static void
rows_rate(struct check *c)
{
	struct wrongkeys *w = wrongkeys_open(folder);

	assert(w);
	check_row(c, "60 a minute: all at once, and no more");
	check_that(c, add(w, "a", NOW, 60) == 0, "one too few");
	check_that(c, add(w, "a", NOW, 1) == 1000, "one too many");
	check_row(c, "what was refused does not count");
	check_that(c, add(w, "a", NOW, 500) == 1000, "it does");
	check_row(c, "another address has its own");
	check_that(c, add(w, "b", NOW, 60) == 0, "it has not");
	check_row(c, "one a second then");
	check_that(c, add(w, "a", NOW + 999, 1) == 1, "too early");
	check_that(c, add(w, "a", NOW + 1000, 1) == 0, "it is refused");
	check_that(c, add(w, "a", NOW + 1000, 1) == 1000, "two");
	check_row(c, "after a minute all is forgiven");
	check_that(c, add(w, "a", NOW + 1000 + MINUTE, 60) == 0, "it is not");
	check_row(c, "none, an empty address, no table");
	for (unsigned i = 0; i < 1000; i++)
		check_that(c,
		    wrongkeys_add(w, SPAN("z"), NOW, 0) == 0 &&
			wrongkeys_add(w, SPAN(""), NOW, 60) == 0 &&
			wrongkeys_add(NULL, SPAN("z"), NOW, 60) == 0,
		    "one is refused");
	wrongkeys_close(w);
	wrongkeys_close(NULL);
	check_that(c, !wrongkeys_open("/nonexistent/folder"), "opened");
}

/* However many processes see them, the limit is one. */
static void
row_processes(struct check *c)
{
	enum { PROCESSES = 8, EACH = 100 };
	int good = 0, status;

	check_row(c, "%d processes with %d each", PROCESSES, EACH);
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		assert(pid >= 0);
		if (pid == 0) {
			struct wrongkeys *w = wrongkeys_open(folder);
			int mine = 0;

			for (int k = 0; k < EACH; k++)
				mine += wrongkeys_add(w, SPAN("shared"), NOW, 60) == 0;
			wrongkeys_close(w);
			_exit(mine);
		}
	}
	for (int i = 0; i < PROCESSES; i++)
		if (wait(&status) > 0)
			good += WEXITSTATUS(status);
	check_that(c, good == 60, "%d were within", good);
}

/* Many addresses push each other out, not one that comes again and again. */
static void
row_many(struct check *c)
{
	struct wrongkeys *w = wrongkeys_open(folder);
	unsigned refused = 0;

	assert(w);
	check_row(c, "50,000 addresses, and one that goes on");
	check_that(c, add(w, "192.0.2.1", NOW, 60) == 0, "it is refused");
	for (unsigned i = 0; i < 50000; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		refused += add(w, text, NOW + 10 * (int64_t)(i / 1000), 1) > 0;
	}
	check_that(c, refused == 0, "%u that came once are refused", refused);
	check_that(c, add(w, "192.0.2.1", NOW + 500, 1) == 500, "it is forgotten");
	wrongkeys_close(w);
}

int
main(void)
{
	struct check c = { .module = "wrongkeys" };
	char file[sizeof(folder) + 16];

	if (!mkdtemp(folder))
		return 1;
	(void)snprintf(file, sizeof(file), "%s/addresses", folder);
	rows_addresses(&c);
	rows_rate(&c);
	row_processes(&c);
	row_many(&c);
	(void)unlink(file);
	(void)rmdir(folder);
	return check_end(&c);
}
