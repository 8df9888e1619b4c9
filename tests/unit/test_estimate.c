/* estimate: what text, images and PDFs come to, and what only looks like them. */
#include "policy/estimate.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/limits.h"
#include "unit/check.h"
#include "unit/guard.h"

#define TEMPLATE 16u
#define TOOLS	 2048u

#define BEFORE "{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\""
#define AFTER  "\",\"media_type\":\"image/png\",\"type\":\"base64\"}"

/* Text of these bytes, without media. */
static const struct {
	const char *what, *text;
	uint64_t likely, most;
} texts[] = {
	{ "an empty body", "", 0, TEMPLATE },
	{ "a byte", "1", 1, TEMPLATE + 1 },
	{ "four bytes", "\"ab\"", 1, TEMPLATE + 4 },
	{ "five bytes", "\"abc\"", 2, TEMPLATE + 5 },
	{ "escapes count as written", "\"\\u4e2d\\\"\\\\\"", 3, TEMPLATE + 12 },
	{ "a short string that begins like a PNG", "{\"data\":\"iVBORw0KGgo=\"}", 6,
	    TEMPLATE + 23 },
	{ "data that is no string", "{\"data\":[\"/9j/\",7]}", 5, TEMPLATE + 19 },
	{ "data at the end", "\"data\"", 2, TEMPLATE + 6 },
	{ "data and a colon at the end", "\"data\" : ", 3, TEMPLATE + 9 },
	{ "data that does not end", "\"data\":\"/9j/", 3, TEMPLATE + 12 },
	{ "a quote at the end", "7 \"", 1, TEMPLATE + 3 },
	{ "tools", "{\"tools\":[]}", 3, TEMPLATE + TOOLS + 12 },
	{ "tools in a text", "[\"\\\"tools\\\"\"]", 4, TEMPLATE + 13 },
};

/* A string of 400 bytes that begins so, between two texts. */
static const struct {
	const char *what, *before, *begins, *after;
	uint64_t likely, most; /* of the string; 0: it is text like the rest */
} media[] = {
	{ "a PNG, its data last", BEFORE, "iVBORw0KGgoAAAANSUhEUgAA", "\"}", 1600, 5000 },
	{ "a PNG, its data first", "{\"data\":\"", "iVBORw0KGgoAAAANSUhEUgAA", AFTER, 1600, 5000 },
	{ "a JPEG", "{\"data\":\"", "/9j/4AAQSkZJRg", AFTER, 1600, 5000 },
	{ "a JPEG with escaped slashes", "{\"data\":\"", "\\/9j\\/4AAQSkZJRg", AFTER, 1600, 5000 },
	{ "a GIF of 1987", "{\"data\":\"", "R0lGODdh", AFTER, 1600, 5000 },
	{ "a GIF of 1989", "{\"data\":\"", "R0lGODlh", AFTER, 1600, 5000 },
	{ "a WebP", "{\"data\":\"", "UklGRiQAAABXRUJQ", AFTER, 1600, 5000 },
	{ "a PDF", "{\"data\":\"", "JVBERi0xLjcK", AFTER, 15, 300 },
	{ "blanks around the colon", "{ \"data\" \r\n:\t\"", "R0lGODlh", AFTER, 1600, 5000 },
	{ "the end of the body behind it", "{\"data\":\"", "R0lGODlh", "\"", 1600, 5000 },
	{ "an unknown kind", "{\"data\":\"", "Qk02AAAA", AFTER, 0, 0 },
	{ "nothing that is base64", "{\"data\":\"", "once upon a time", AFTER, 0, 0 },
	{ "a kind that begins later", "{\"data\":\"", " R0lGODlh", AFTER, 0, 0 },
	{ "another member", "{\"text\":\"", "R0lGODlh", AFTER, 0, 0 },
	{ "a longer name", "{\"metadata\":\"", "R0lGODlh", AFTER, 0, 0 },
	{ "a name with a quote in it", "{\"x\\\"data\":\"", "R0lGODlh", AFTER, 0, 0 },
	{ "a request inside a text", "{\"text\":\"{\\\"data\\\":\\\"", "R0lGODlh", "\\\"}\"}", 0,
	    0 },
	{ "a value of that name", "[\"data\",\"", "R0lGODlh", "\"]", 0, 0 },
	{ "a string that does not end", "{\"data\":\"", "R0lGODlh", "", 0, 0 },
};

static uint64_t
quarter(uint64_t bytes)
{
	return (bytes + 3) / 4;
}

static void
check_counts(struct check *c, struct estimate got, uint64_t likely, uint64_t most)
{
	check_that(c, got.likely == likely, "likely %" PRIu64 ", not %" PRIu64, got.likely, likely);
	check_that(c, got.most == most, "most %" PRIu64 ", not %" PRIu64, got.most, most);
}

/* Appends s and then A up to n bytes. */
static void
add_string(struct buf *b, const char *s, size_t n)
{
	size_t end = b->len + n;
	int rc = buf_add(b, span_of(s));

	while (rc == 0 && b->len < end)
		rc = buf_add(b, SPAN("A"));
	assert(rc == 0);
}

static void
row_media(struct check *c, const struct guard *g, size_t i)
{
	struct buf b = buf_make(4 * KIB);

	check_row(c, "%s", media[i].what);
	add_string(&b, media[i].before, 0);

	size_t around = b.len;

	add_string(&b, media[i].begins, 400);
	add_string(&b, media[i].after, 0);
	around += strlen(media[i].after);
	if (media[i].most == 0)
		around = b.len;
	check_counts(c, estimate_input(guard_put(g, buf_span(&b))),
	    quarter(around) + media[i].likely, TEMPLATE + around + media[i].most);
	buf_free(&b);
}

/* Where text ends and media begins. */
static void
rows_length(struct check *c, const struct guard *g)
{
	for (size_t n = 256; n <= 257; n++) {
		struct buf b = buf_make(4 * KIB);
		uint64_t text = n == 256 ? 267 : 11;

		check_row(c, "an image of %zu bytes", n);
		add_string(&b, "{\"data\":\"", 0);
		add_string(&b, "R0lGODlh", n);
		add_string(&b, "\"}", 0);
		check_counts(c, estimate_input(guard_put(g, buf_span(&b))),
		    quarter(text) + (n == 256 ? 0 : 1600), TEMPLATE + text + (n == 256 ? 0 : 5000));
		buf_free(&b);
	}
}

static void
row_several(struct check *c, const struct guard *g)
{
	struct buf b = buf_make(64 * KIB);
	uint64_t text =
	    2 * (sizeof(BEFORE) - 1) + 2 + sizeof("{\"data\":\"") - 1 + sizeof(AFTER) - 1 + 2;

	check_row(c, "two images and a PDF");
	add_string(&b, BEFORE, 0);
	add_string(&b, "iVBORw0KGgo", 4000);
	add_string(&b, "\"}", 0);
	add_string(&b, "{\"data\":\"", 0);
	add_string(&b, "JVBERi", 8000);
	add_string(&b, AFTER, 0);
	add_string(&b, BEFORE, 0);
	add_string(&b, "/9j/", 300);
	add_string(&b, "\"}", 0);
	check_counts(c, estimate_input(guard_put(g, buf_span(&b))), quarter(text) + 3200 + 300,
	    TEMPLATE + text + 10000 + 6000);
	buf_free(&b);
}

static void
rows_large(struct check *c)
{
	struct buf b = buf_make(3 * MIB);

	check_row(c, "a text of 1 MiB");
	add_string(&b, "{\"text\":\"", MIB - 2);
	add_string(&b, "\"}", 0);
	check_counts(c, estimate_input(buf_span(&b)), MIB / 4, ESTIMATE_MAX);
	check_row(c, "a text of 3 MiB is never more than the largest context");
	add_string(&b, "", 2 * MIB);
	check_counts(c, estimate_input(buf_span(&b)), 3 * MIB / 4, ESTIMATE_MAX);
	check_row(c, "a PDF of 2 MiB");
	b.len = 0;
	add_string(&b, "{\"data\":\"", 0);
	add_string(&b, "JVBERi", 2 * MIB);
	add_string(&b, "\"}", 0);
	check_counts(
	    c, estimate_input(buf_span(&b)), 3 + (2 * MIB / 4 * 3 + 19) / 20, ESTIMATE_MAX);
	buf_free(&b);
}

/* More images than any context holds. */
static void
row_many(struct check *c)
{
	struct buf b = buf_make(4 * MIB);

	check_row(c, "likely is never above most");
	for (int i = 0; i < 5000; i++) {
		add_string(&b, "{\"data\":\"", 0);
		add_string(&b, "R0lGODlh", 300);
		add_string(&b, "\"}", 0);
	}
	check_counts(c, estimate_input(buf_span(&b)), ESTIMATE_MAX, ESTIMATE_MAX);
	buf_free(&b);
}

/* No beginning of a body is read past its end. */
static void
row_cut(struct check *c, const struct guard *g)
{
	struct buf b = buf_make(4 * KIB);

	add_string(&b, "{\"tools\":[],\"x\":" BEFORE, 0);
	add_string(&b, "JVBERi", 400);
	add_string(&b, AFTER "}", 0);
	check_row(c, "every beginning of a body");
	for (size_t n = 0; n <= b.len; n++) {
		struct span cut = guard_put(g, span_cut(buf_span(&b), 0, n));
		struct estimate got = estimate_input(cut);

		check_that(c, got.likely <= got.most, "likely is above most at %zu", n);
		check_that(c, got.most <= TEMPLATE + TOOLS + n, "too much at %zu", n);
		check_that(c, got.most > 0, "nothing at %zu", n);
	}
	buf_free(&b);
}

int
main(void)
{
	struct check c = { .module = "estimate" };
	struct guard g = guard_make();

	for (size_t i = 0; i < ROWS(texts); i++) {
		check_row(&c, "%s", texts[i].what);
		check_counts(&c, estimate_input(guard_put(&g, span_of(texts[i].text))),
		    texts[i].likely, texts[i].most);
	}
	check_row(&c, "no body at all");
	check_counts(&c, estimate_input((struct span){ NULL, 0 }), 0, TEMPLATE);
	for (size_t i = 0; i < ROWS(media); i++)
		row_media(&c, &g, i);
	rows_length(&c, &g);
	row_several(&c, &g);
	rows_large(&c);
	row_many(&c);
	row_cut(&c, &g);
	guard_free(&g);
	return check_end(&c);
}
