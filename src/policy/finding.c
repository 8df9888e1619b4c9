/* finding: collects what is wrong with a file, puts it in the order of the lines and prints it. It
 * judges nothing. */
#include "policy/finding.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"

static bool
already_said(const struct findings *f, int line, const char *text)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].line == line && strcmp(f->v[i].text, text) == 0)
			return true;
	}
	return false;
}

static void
clean(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

static void
note(struct findings *f, enum finding_weight weight, int line, const char *text)
{
	struct finding *v = reallocarray(f->v, f->n + 1, sizeof(*v));
	char *copy = strdup(text);

	if (v)
		f->v = v;
	/* An error that cannot be kept still counts, so that a broken file never passes. */
	if (weight == FINDING_ERROR)
		f->errors++;
	if (!v || !copy) {
		free(copy);
		f->full = true;
		return;
	}
	f->v[f->n++] = (struct finding){ .weight = weight, .line = line, .text = copy };
}

static void PRINTF_LIKE(4, 0)
    note_va(struct findings *f, enum finding_weight weight, int line, const char *fmt, va_list ap)
{
	char text[MESSAGE_MAX];

	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		return;
	clean(text);
	if (f->full || already_said(f, line, text))
		return;
	note(f, weight, line, text);
	if (f->n == FINDINGS_MAX) {
		note(f, FINDING_ERROR, line, "too many faults; the rest is not shown");
		f->full = true;
	}
}

void
finding_error_va(struct findings *f, int line, const char *fmt, va_list ap)
{
	note_va(f, FINDING_ERROR, line, fmt, ap);
}

void
finding_error(struct findings *f, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note_va(f, FINDING_ERROR, line, fmt, ap);
	va_end(ap);
}

void
finding_warn(struct findings *f, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note_va(f, FINDING_WARNING, line, fmt, ap);
	va_end(ap);
}

bool
finding_error_at(const struct findings *f, int line)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].weight == FINDING_ERROR && f->v[i].line == line)
			return true;
	}
	return false;
}

/* Moves the findings into the order of their lines without changing the order within a line. There
 * are few of them. */
static void
sort(struct findings *f)
{
	for (size_t i = 1; i < f->n; i++) {
		struct finding one = f->v[i];
		int rank = one.line ? one.line : INT_MAX;
		size_t at = i;

		while (at > 0 && (f->v[at - 1].line ? f->v[at - 1].line : INT_MAX) > rank) {
			f->v[at] = f->v[at - 1];
			at--;
		}
		f->v[at] = one;
	}
}

static int
print_one(const struct finding *one, const char *file, struct buf *out)
{
	const char *weight = one->weight == FINDING_WARNING ? "warning: " : "";

	if (one->line)
		return buf_addf(out, "%s:%d: %s%s\n", file, one->line, weight, one->text);
	return buf_addf(out, "%s: %s%s\n", file, weight, one->text);
}

void
finding_print(struct findings *f, const char *file, struct buf *errors, struct buf *warnings)
{
	sort(f);
	for (size_t i = 0; i < f->n; i++) {
		struct buf *out = f->v[i].weight == FINDING_ERROR ? errors : warnings;

		if (print_one(&f->v[i], file, out) < 0)
			continue;
	}
}

void
finding_free(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].text);
	free(f->v);
	*f = (struct findings){ 0 };
}
