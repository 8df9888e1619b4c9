/* chatargs: see the header. */
#include "upstream/chatargs.h"

#include "base/num.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
in_string(struct chatargs *a, char c)
{
	if (a->escaped)
		a->escaped = false;
	else if (c == '\\')
		a->escaped = true;
	else if (c == '"')
		a->string = false;
}

static void
take(struct chatargs *a, char c)
{
	if (a->string) {
		in_string(a, c);
		return;
	}
	if (a->complete) {
		a->behind = a->behind || !is_blank(c);
	} else if (c == '{' || (c == '[' && a->begun)) {
		a->begun = true;
		a->depth++;
	} else if (a->begun && (c == '}' || c == ']')) {
		a->complete = --a->depth == 0;
	} else if (a->begun && c == '"') {
		a->string = true;
	}
}

/* The character that the escape at p stands for, as far as it means anything here, and how long the
 * escape is. */
static char
unescape(const char *p, const char *end, size_t *used)
{
	unsigned value = 0;

	*used = end - p < 2 ? 1 : 2;
	if (*used == 1)
		return ' ';
	switch (p[1]) {
	case 'n':
	case 'r':
	case 't':
		return ' ';
	case 'u':
		break;
	default:
		return p[1] == 'b' || p[1] == 'f' ? 'x' : p[1];
	}
	for (int i = 2; i < 6; i++) {
		int digit = end - p > i ? num_hex(p[i]) : -1;

		if (digit < 0)
			return 'x';
		value = value * 16 + (unsigned)digit;
		*used = (size_t)i + 1;
	}
	return value < 0x80 ? (char)value : 'x';
}

void
chatargs_feed(struct chatargs *a, struct span piece)
{
	const char *end = piece.p + piece.n;
	size_t used;

	for (const char *p = piece.p; p < end; p += used) {
		used = 1;
		take(a, *p == '\\' ? unescape(p, end, &used) : *p);
	}
}
