/* attempts: what was tried, word for word; waits grow, differ by chance, keep to what servers ask
 * for, and end with the time. */
#include "policy/attempts.h"

#include "unit/check.h"

#define NOW 5000

static void
row_words(struct check *c)
{
	struct attempts a;

	check_row(c, "what was tried");
	attempts_begin(&a, NOW, 1000);
	check_same(c, span_of(a.tried), SPAN(""));
	attempts_failed(&a, "eu", "503", true, -1);
	attempts_failed(&a, "us", "up-connect", true, -1);
	check_same(c, span_of(a.tried), SPAN("eu=503, us=up-connect"));
	check_row(c, "more than there is room for");
	for (int i = 0; i < 100; i++)
		attempts_failed(&a, "some-upstream", "503", true, -1);
	check_that(c, strlen(a.tried) <= LEDGER_TEXT_MAX && strlen(a.tried) > LEDGER_TEXT_MAX - 20,
	    "%zu", strlen(a.tried));
	check_that(c, strcmp(a.tried + strlen(a.tried) - 4, "=503") == 0, "cut in a word");
}

static void
rows_waits(struct check *c)
{
	int64_t most = 250, now = NOW;
	struct attempts a;
	bool differ = false;

	check_row(c, "waits grow, and differ");
	attempts_begin(&a, NOW, 1000000);
	for (int i = 0; i < 10; i++) {
		int64_t wait;

		attempts_failed(&a, "u", "503", true, -1);
		wait = attempts_wait(&a, now, (uint64_t)i * 399);
		check_that(c, wait >= most / 2 && wait <= most, "%d: %lld", i, (long long)wait);
		differ = differ || wait < most * 9 / 10;
		now += wait;
		most = most < 8000 ? 2 * most : most;
	}
	check_that(c, differ, "all are the longest");
	check_row(c, "no time at all");
	attempts_begin(&a, NOW, 0);
	attempts_failed(&a, "u", "503", true, -1);
	check_that(c, attempts_wait(&a, NOW, 0) < 0, "it waits");
	check_row(c, "the time is used up");
	attempts_begin(&a, NOW, 1000);
	attempts_failed(&a, "u", "503", true, -1);
	check_that(c, attempts_wait(&a, NOW + 900, 0) < 0, "it waits");
	check_row(c, "nobody may do better");
	attempts_begin(&a, NOW, 1000);
	attempts_failed(&a, "u", "up-credential", false, -1);
	check_that(c, attempts_wait(&a, NOW, 0) < 0, "it waits");
	check_row(c, "one of them may");
	attempts_failed(&a, "v", "503", true, -1);
	check_that(c, attempts_wait(&a, NOW, 0) > 0, "it does not");
}

static void
rows_asked(struct check *c)
{
	struct attempts a;

	check_row(c, "the shortest of what servers ask for");
	attempts_begin(&a, NOW, 10000);
	attempts_failed(&a, "u", "429", true, 7000);
	attempts_failed(&a, "v", "429", true, 3000);
	attempts_failed(&a, "w", "429", true, 5000);
	check_that(c, attempts_wait(&a, NOW, 0) == 3000, "another");
	check_row(c, "it holds for one round");
	attempts_failed(&a, "u", "503", true, -1);
	check_that(c, attempts_wait(&a, NOW, 0) <= 500, "it does not");
	check_row(c, "more than the time allows");
	attempts_failed(&a, "u", "429", true, 20000);
	check_that(c, attempts_wait(&a, NOW, 0) < 0, "it waits");
}

int
main(void)
{
	struct check c = { .module = "attempts" };

	row_words(&c);
	rows_waits(&c);
	rows_asked(&c);
	return check_end(&c);
}
