/* clock: the right century, and never back. */
#include "base/clock.h"

#include "unit/check.h"

int
main(void)
{
	struct check c = { .module = "clock" };
	int64_t before = clock_mono_ms();

	check_row(&c, "wall time counts milliseconds since 1970");
	check_that(&c, clock_wall_ms() > INT64_C(1700000000000), "too early");
	check_that(&c, clock_wall_ms() < INT64_C(32503680000000), "too late");
	check_row(&c, "monotonic time does not go back");
	for (int i = 0; i < 100000; i++) {
		int64_t now = clock_mono_ms();

		check_that(&c, now >= before, "it does");
		before = now;
	}
	return check_end(&c);
}
