/* log: one line in one write, cut and cleaned; read back through a pipe. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/limits.h"
#include "unit/check.h"

static char got[2 * LOG_LINE_MAX];

/* Puts a pipe in the place of standard error; returns its end for reading. */
static int
pipe_stderr(int *old)
{
	int ends[2];

	if (pipe(ends) < 0 || (*old = dup(STDERR_FILENO)) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		return -1;
	(void)close(ends[1]);
	return ends[0];
}

static struct span
line_read(int from)
{
	ssize_t n = read(from, got, sizeof(got));

	return (struct span){ got, n > 0 ? (size_t)n : 0 };
}

static void
rows_line(struct check *c, int from)
{
	char big[3 * LOG_LINE_MAX];

	check_row(c, "time, level and event come first");
	errno = ENOENT;
	log_warn("key", "line=%d reason=%s", 7, "none");
	check_that(c, errno == ENOENT, "errno is not kept");

	struct span s = line_read(from);

	check_that(c, span_starts(s, SPAN("time=20")) && s.n > 30 && s.p[28] == 'Z', "no time");
	check_same(c, span_cut(s, 29, s.n), SPAN(" level=warn event=key line=7 reason=none\n"));

	check_row(c, "a value cannot forge a line");
	log_info("x", "a=%s", "1\nlevel=error\x1b[0m\r");
	s = line_read(from);
	check_same(c, span_cut(s, 29, s.n), SPAN(" level=info event=x a=1 level=error [0m\n"));

	check_row(c, "a long line is cut between two characters");
	for (size_t i = 0; i + 2 < sizeof(big); i += 2)
		memcpy(big + i, "\xc3\xa4", 3);
	log_error("x", "%s%s", "a", big);
	s = line_read(from);
	check_that(c, s.n <= LOG_LINE_MAX && s.n > LOG_LINE_MAX - 4, "%zu bytes", s.n);
	check_that(c, s.n > 3 && memcmp(s.p + s.n - 3, "\xc3\xa4\n", 3) == 0, "bad end");
}

static void
rows_value(struct check *c)
{
	char out[LOG_VALUE_LEN], big[4 * LOG_VALUE_LEN];

	check_row(c, "a value is quoted");
	check_same(
	    c, span_of(log_value(SPAN("a \"b\" \\ c\n"), out)), SPAN("\"a \\\"b\\\" \\\\ c \""));
	check_same(c, span_of(log_value((struct span){ NULL, 0 }, out)), SPAN("\"\""));

	check_row(c, "a long value is cut and says so");
	memset(big, '"', sizeof(big));
	for (size_t n = 100; n <= sizeof(big); n++) {
		size_t len = strlen(log_value((struct span){ big, n }, out));

		check_that(c, len < LOG_VALUE_LEN && out[len - 1] == '"', "length %zu", n);
	}
	check_same(c, span_cut(span_of(out), strlen(out) - 6, strlen(out)), SPAN("\\\"...\""));
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = "\xe2\x82\xac"[i % 3];
	for (size_t n = sizeof(big) - 3; n <= sizeof(big); n++) {
		(void)log_value((struct span){ big, n }, out);
		check_same(c, span_cut(span_of(out), strlen(out) - 7, strlen(out)),
		    SPAN("\xe2\x82\xac...\""));
	}
}

int
main(void)
{
	struct check c = { .module = "log" };
	int old = -1;
	int from = pipe_stderr(&old);

	if (from >= 0)
		rows_line(&c, from);
	(void)dup2(old, STDERR_FILENO);
	check_row(&c, "standard error can be read");
	check_that(&c, from >= 0, "no pipe");
	rows_value(&c);
	return check_end(&c);
}
