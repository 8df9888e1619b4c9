/* confscan: walks over a text by the rules of libconfuse's lexer, blanks the comments and refuses
 * what that lexer gets wrong. libconfuse 3.3 counts a comment as several lines and takes none
 * inside a list; it drops a `*` outside quotes without a word, so that a glob would change its
 * meaning; it cuts a string at an escaped zero byte; and it does not count the lines inside `${}`.
 */
#include "policy/confscan.h"

#include <limits.h>
#include <stdlib.h>

#include "base/num.h"

#define BRACES_MAX 4u /* a list in a target in a model makes three */

struct scan {
	char *p;
	size_t n;
	size_t at;
	int line;
	int opened[BRACES_MAX]; /* the lines of the braces that are open */
	size_t depth;
	struct findings *found;
};

static char
peek(const struct scan *s, size_t ahead)
{
	return s->at + ahead < s->n ? s->p[s->at + ahead] : '\0';
}

/* Goes one byte on and counts the line that ends there. */
static void
step(struct scan *s)
{
	if (peek(s, 0) == '\n')
		s->line++;
	s->at++;
}

/* Blanks up to the end of the line. */
static void
blank_line(struct scan *s)
{
	for (; s->at < s->n && s->p[s->at] != '\n'; s->at++)
		s->p[s->at] = ' ';
}

static int
blank_block(struct scan *s)
{
	int from = s->line;

	while (s->at < s->n && !(peek(s, 0) == '*' && peek(s, 1) == '/')) {
		char was = peek(s, 0);

		step(s);
		if (was != '\n')
			s->p[s->at - 1] = ' ';
	}
	if (s->at >= s->n) {
		finding_error(s->found, from, "a comment begins here with /* and has no */");
		return -1;
	}
	s->p[s->at++] = ' ';
	s->p[s->at++] = ' ';
	return 0;
}

/* Stands on the $ of `${`; its end must be on the same line and before the quotes end. */
static int
pass_environment(struct scan *s)
{
	for (size_t i = s->at + 2; i < s->n && !strchr("\"'\n\\", s->p[i]); i++) {
		if (s->p[i] == '}') {
			s->at = i + 1;
			return 0;
		}
	}
	finding_error(s->found, s->line, "${ without its }: write ${NAME} or ${NAME:-default}");
	return -1;
}

/* Stands on the digits of an escape: one to three octal ones, not zero and not over 255. */
static int
pass_octal(struct scan *s)
{
	unsigned value = 0;
	size_t digits = 0;

	for (; peek(s, 0) >= '0' && peek(s, 0) <= '9'; s->at++) {
		if (digits++ < 4 && peek(s, 0) < '8')
			value = value * 8 + (unsigned)(peek(s, 0) - '0');
		else
			value = UINT_MAX;
		if (value > 255)
			break;
	}
	if (digits <= 3 && value > 0 && value <= 255)
		return 0;
	finding_error(s->found, s->line,
	    "an escape in a string is \\1 to \\377 in octal digits, \\x01 to \\xff, or "
	    "a backslash and a letter");
	return -1;
}

/* Stands on the backslash inside double quotes. */
static int
pass_escape(struct scan *s)
{
	s->at++;
	if (peek(s, 0) >= '0' && peek(s, 0) <= '9')
		return pass_octal(s);
	if (peek(s, 0) == 'x' && peek(s, 1) == '0' &&
	    (peek(s, 2) == '0' || num_hex(peek(s, 2)) < 0)) {
		finding_error(s->found, s->line, "a string cannot hold a zero byte");
		return -1;
	}
	if (s->at < s->n)
		step(s);
	return 0;
}

/* Stands on the opening quote; goes past the closing one. */
static int
pass_quoted(struct scan *s)
{
	const char quote = peek(s, 0);
	const int from = s->line;
	int rc = 0;

	s->at++;
	while (rc == 0 && s->at < s->n && peek(s, 0) != quote) {
		if (quote == '"' && peek(s, 0) == '\\') {
			rc = pass_escape(s);
		} else if (quote == '"' && peek(s, 0) == '$' && peek(s, 1) == '{') {
			rc = pass_environment(s);
		} else if (peek(s, 0) == '\\' && s->at + 1 < s->n) {
			s->at++;
			step(s);
		} else {
			step(s);
		}
	}
	if (rc == 0 && s->at >= s->n) {
		finding_error(s->found, from, "a string begins here and has no closing %c", quote);
		return -1;
	}
	s->at++;
	return rc;
}

static bool
word_char(char c)
{
	return c != '\0' && !strchr(" #\"'\t\n\r={}()+,*", c);
}

static int
pass_word(struct scan *s)
{
	while (word_char(peek(s, 0))) {
		if (peek(s, 0) == '$' && peek(s, 1) == '{') {
			finding_error(s->found, s->line,
			    "a value with ${NAME} inside wants quotes around it");
			return -1;
		}
		s->at++;
	}
	return 0;
}

/* Stands on a brace. libconfuse takes the end of the text for the end of every section that is
 * open, so that half a file would pass for a whole one. */
static int
pass_brace(struct scan *s)
{
	if (s->p[s->at++] == '}') {
		s->depth -= s->depth > 0;
		return 0;
	}
	if (s->depth == BRACES_MAX) {
		finding_error(s->found, s->line, "braces inside braces, more than any option has");
		return -1;
	}
	s->opened[s->depth++] = s->line;
	return 0;
}

/* Stands on a byte that is neither a word nor the beginning of anything longer. */
static int
pass_sign(struct scan *s)
{
	if (peek(s, 0) == '*' || (peek(s, 0) == '+' && peek(s, 1) != '=')) {
		finding_error(
		    s->found, s->line, "a value with %c in it wants quotes around it", peek(s, 0));
		return -1;
	}
	if (peek(s, 0) == '{' || peek(s, 0) == '}')
		return pass_brace(s);
	step(s);
	return 0;
}

static int
pass_token(struct scan *s)
{
	char c = peek(s, 0);

	if (c == '#' || (c == '/' && peek(s, 1) == '/')) {
		blank_line(s);
		return 0;
	}
	if (c == '/' && peek(s, 1) == '*')
		return blank_block(s);
	if (c == '"' || c == '\'')
		return pass_quoted(s);
	if (c == '$' && peek(s, 1) == '{')
		return pass_environment(s);
	return word_char(c) ? pass_word(s) : pass_sign(s);
}

int
confscan(const char *text, struct buf *out, struct findings *f)
{
	struct span all = span_of(text);
	struct scan s = { .line = 1, .found = f };
	size_t before = out->len;

	/* Editors on some systems begin a file with a byte order mark. */
	if (span_starts(all, SPAN("\xef\xbb\xbf")))
		all = span_cut(all, 3, all.n);
	if (buf_add(out, all) < 0) {
		finding_error(f, 0, "the file is too large");
		return -1;
	}
	if (all.n == 0)
		return 0;
	s.p = out->p + before;
	s.n = all.n;
	while (s.at < s.n) {
		if (pass_token(&s) < 0)
			return -1;
	}
	if (s.depth > 0) {
		finding_error(f, s.opened[s.depth - 1], "a { on this line has no }");
		return -1;
	}
	return 0;
}
