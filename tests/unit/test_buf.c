/* buf: bounds hold, content survives growing, a failed call changes nothing. */
#include "base/buf.h"

#include <errno.h>

#include "unit/check.h"

static void
row_bounds(struct check *c)
{
	struct buf b = buf_make(4);

	check_row(c, "nothing goes over the maximum");
	errno = 0;
	check_that(c, buf_add(&b, SPAN("abcde")) < 0 && b.len == 0, "five bytes fit in four");
	check_that(c, errno == EMSGSIZE, "errno %d", errno);
	check_that(c, buf_add(&b, SPAN("abc")) == 0, "three do not");
	check_that(c, buf_add(&b, SPAN("de")) < 0, "five in two pieces");
	check_that(c, buf_addf(&b, "%s", "de") < 0, "five by format");
	check_same(c, buf_span(&b), SPAN("abc"));
	check_that(c, buf_addf(&b, "%c", 'd') == 0, "a full buf by format");
	check_that(c, b.cap <= b.max, "cap %zu", b.cap);
	buf_free(&b);
}

static void
row_string(struct check *c)
{
	struct buf b = buf_make(3);
	const char *s;

	check_row(c, "a full buf is still a string");
	check_that(c, buf_add(&b, SPAN("abc")) == 0, "does not fit");
	s = buf_str(&b);
	check_that(c, s && strcmp(s, "abc") == 0 && b.len == 3, "got %s", s ? s : "NULL");
	buf_free(&b);

	check_row(c, "an empty buf is the empty string");
	s = buf_str(&b);
	check_that(c, s && *s == '\0' && b.len == 0, "it is not");
	buf_free(&b);

	b = buf_make(0);
	check_row(c, "a buf of no bytes");
	check_that(c, buf_add(&b, SPAN("")) == 0, "nothing does not fit");
	check_that(c, buf_addf(&b, "%s", "") == 0, "nothing by format does not fit");
	check_that(c, buf_add(&b, SPAN("a")) < 0, "a byte fits");
	buf_free(&b);
}

static void
row_format(struct check *c)
{
	struct buf b = buf_make(4096);

	check_row(c, "formatted text that is longer than the memory held");
	check_that(c, buf_addf(&b, "%d:%0*d", 7, 2000, 5) == 0, "does not fit");
	check_that(c, b.len == 2002, "length %zu", b.len);
	check_same(c, span_cut(buf_span(&b), 0, 4), SPAN("7:00"));
	check_that(c, b.p[b.len - 1] == '5', "end is cut");
	buf_free(&b);
}

static void
row_growth(struct check *c)
{
	struct buf b = buf_make(100000);
	bool same = true;

	check_row(c, "content survives growing and dropping");
	for (unsigned i = 0; i < 100000; i++) {
		char byte = (char)(i % 251);

		same = same && buf_add(&b, (struct span){ &byte, 1 }) == 0;
	}
	check_that(c, same && buf_add(&b, SPAN("x")) < 0, "wrong number of bytes fit");
	for (unsigned i = 0; i < 100000; i++)
		same = same && b.p[i] == (char)(i % 251);
	check_that(c, same, "bytes changed");
	buf_drop(&b, 99998);
	check_that(c, b.len == 2 && b.p[1] == (char)(99999 % 251), "the end is not there");
	buf_drop(&b, 0);
	buf_drop(&b, 2);
	check_that(c, b.len == 0, "not empty");
	buf_drop(&b, 0);
	buf_free(&b);
}

static void
row_room(struct check *c)
{
	struct buf b = buf_make(10);
	char *at = NULL;

	check_row(c, "room is there and no more than asked for");
	check_that(c, buf_room(&b, 11, &at) < 0 && !at, "eleven in ten");
	check_that(c, buf_room(&b, 10, &at) == 0 && at, "ten in ten");
	memcpy(at, "0123456789", 10);
	b.len += 10;
	check_same(c, buf_span(&b), SPAN("0123456789"));
	check_that(c, buf_room(&b, 1, &at) < 0, "one more");
	check_that(c, buf_room(&b, 0, &at) == 0 && at == b.p + 10, "none more");
	buf_free(&b);
}

static void
row_reset(struct check *c)
{
	struct buf b = buf_make(1000);

	check_row(c, "reset keeps little memory and gives back much");
	check_that(c, buf_addf(&b, "%0*d", 900, 0) == 0, "does not fit");
	buf_reset(&b, 2000);
	check_that(c, b.len == 0 && b.p, "memory is gone");
	buf_reset(&b, 100);
	check_that(c, !b.p && b.cap == 0 && b.max == 1000, "memory is still there");
	check_that(c, buf_add(&b, SPAN("again")) == 0, "not usable again");
	buf_wipe(&b);
	check_that(c, !b.p && b.len == 0 && b.max == 1000, "wiped buf holds memory");
	buf_wipe(&b);
}

static void
row_number(struct check *c)
{
	struct buf b = buf_make(41);

	check_row(c, "numbers in decimal, whole or not at all");
	check_that(c, buf_add_u64(&b, 0) == 0 && buf_add_u64(&b, UINT64_MAX) == 0, "does not fit");
	check_that(c, buf_add_u64(&b, UINT64_C(10000000000)) == 0, "does not fit");
	check_that(c, buf_add_u64(&b, UINT64_C(1000000000)) < 0, "fits");
	check_that(c, buf_add_u64(&b, 907) == 0, "does not fit");
	check_same(c, buf_span(&b), SPAN("01844674407370955161510000000000907"));
	buf_free(&b);
}

int
main(void)
{
	struct check c = { .module = "buf" };

	row_bounds(&c);
	row_string(&c);
	row_format(&c);
	row_number(&c);
	row_growth(&c);
	row_room(&c);
	row_reset(&c);
	return check_end(&c);
}
