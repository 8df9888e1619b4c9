/* tail: whatever the pieces, all whole things are seen once and in order, where they lie when
 * nothing was kept; and what is kept is bounded. */
#include "base/tail.h"

#include <assert.h>

#include "unit/check.h"
#include "unit/guard.h"

/* Reads things that end in a dot, and appends them with a bar behind each. */
static int
read_dots(struct buf *tail, struct span piece, struct buf *out)
{
	struct span text;
	const char *dot;

	if (tail_join(tail, piece, &text))
		return -1;
	while (text.n > 0 && (dot = memchr(text.p, '.', text.n))) {
		size_t n = (size_t)(dot - text.p) + 1;
		int rc = buf_add(out, span_cut(text, 0, n)) || buf_add(out, SPAN("|"));

		assert(rc == 0);
		text = span_cut(text, n, text.n);
	}
	return tail_keep(tail, text);
}

static void
rows_pieces(struct check *c, const struct guard *g)
{
	const struct span whole = SPAN("one.two..three.rest");

	for (size_t step = 1; step <= whole.n; step++) {
		struct buf tail = buf_make(8), out = buf_make(64);

		check_row(c, "pieces of %zu", step);
		for (size_t at = 0; at < whole.n; at += step) {
			size_t to = at + step < whole.n ? at + step : whole.n;
			struct span piece = guard_put(g, span_cut(whole, at, to));

			/* The tail holds what came before too; larger pieces need more room. */
			tail.max = 8 + step;
			check_that(c, read_dots(&tail, piece, &out) == 0, "full");
		}
		check_same(c, buf_span(&out), SPAN("one.|two.|.|three.|"));
		check_same(c, buf_span(&tail), SPAN("rest"));
		buf_free(&tail);
		buf_free(&out);
	}
}

static void
rows_bounds(struct check *c)
{
	struct buf tail = buf_make(4), out = buf_make(64);
	const struct span piece = SPAN("ab.cd");
	struct span text;

	check_row(c, "a whole piece is not copied");
	check_that(c, tail_join(&tail, piece, &text) == 0 && text.p == piece.p, "it is");
	check_that(
	    c, tail_keep(&tail, span_cut(text, text.n, text.n)) == 0 && !tail.p, "it is kept");
	check_row(c, "more than may be kept");
	check_that(c, read_dots(&tail, SPAN("abcde"), &out) < 0, "it is kept");
	check_row(c, "more behind what is kept than there is room for");
	check_that(c, read_dots(&tail, SPAN("abc"), &out) == 0, "it is not kept");
	check_that(c, read_dots(&tail, SPAN("de"), &out) < 0, "it is joined");
	check_same(c, buf_span(&tail), SPAN("abc"));
	buf_free(&tail);
	buf_free(&out);
}

int
main(void)
{
	struct check c = { .module = "tail" };
	struct guard g = guard_make();

	rows_pieces(&c, &g);
	rows_bounds(&c);
	guard_free(&g);
	return check_end(&c);
}
