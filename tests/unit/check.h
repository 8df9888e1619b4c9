/* check: rows of a unit test. Each prints one line, `ok <module>: <row>` or `not ok <module>: <row>
 * - why`; only the first reason of a row is told. */
#ifndef POSTERN_TESTS_UNIT_CHECK_H
#define POSTERN_TESTS_UNIT_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/check.h"
#include "base/span.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

struct check {
	const char *module;
	char row[128]; /* empty: none is open */
	char why[512]; /* empty: all is well so far */
	int failed;
};

/* Ends the open row, if any. */
static inline void
check_close(struct check *c)
{
	if (!c->row[0])
		return;
	if (c->why[0]) {
		printf("not ok %s: %s - %s\n", c->module, c->row, c->why);
		c->failed++;
	} else {
		printf("ok %s: %s\n", c->module, c->row);
	}
	c->row[0] = '\0';
	c->why[0] = '\0';
}

/* Begins a row of this name. */
static inline void PRINTF_LIKE(2, 3) check_row(struct check *c, const char *fmt, ...)
{
	va_list ap;

	check_close(c);
	va_start(ap, fmt);
	(void)vsnprintf(c->row, sizeof(c->row), fmt, ap);
	va_end(ap);
}

/* Fails the row with a reason unless good. Returns good. */
static inline bool PRINTF_LIKE(3, 4) check_that(struct check *c, bool good, const char *fmt, ...)
{
	va_list ap;

	if (good || c->why[0])
		return good;
	va_start(ap, fmt);
	(void)vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	return false;
}

/* Fails the row unless both hold the same bytes. */
static inline bool
check_same(struct check *c, struct span got, struct span want)
{
	bool same = got.n == want.n && (got.n == 0 || (got.p && want.p && span_eq(got, want)));

	return check_that(c, same, "got '%.*s', not '%.*s'", (int)got.n, got.p ? got.p : "",
	    (int)want.n, want.p ? want.p : "");
}

/* Ends the test: what main returns. */
static inline int
check_end(struct check *c)
{
	check_close(c);
	return c->failed > 0;
}

/* A small generator (xorshift64) for tests of properties: the same numbers at each run. */
static inline uint64_t
check_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A number from 0 to n - 1. */
static inline size_t
check_pick(uint64_t *state, size_t n)
{
	return (size_t)(check_random(state) % n);
}

#endif
