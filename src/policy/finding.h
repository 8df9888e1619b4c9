/* finding: what a check has found in a file: line by line, each thing said once. Pure. */
#ifndef POSTERN_POLICY_FINDING_H
#define POSTERN_POLICY_FINDING_H

#include <stdarg.h>

#include "base/buf.h"
#include "base/check.h"

enum finding_weight { FINDING_ERROR, FINDING_WARNING };

struct finding {
	enum finding_weight weight;
	int line; /* 0: the file as a whole */
	char *text;
};

struct findings {
	struct finding *v;
	size_t n;
	size_t errors;
	bool full; /* FINDINGS_MAX is reached, or memory is out: nothing more is taken */
};

/* Notes one thing; the same words for the same line count once. Control characters become `?`. */
void finding_error(struct findings *f, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As finding_error, for what is a doubt only. */
void finding_warn(struct findings *f, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As finding_error. */
void finding_error_va(struct findings *f, int line, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);

/* True when an error was noted for this line. */
bool finding_error_at(const struct findings *f, int line);

/* Appends `file:line: text` lines (`file:line: warning: text`), in the order of the lines and those
 * without one last, errors to one buf and warnings to the other. What does not fit is left out. */
void finding_print(struct findings *f, const char *file, struct buf *errors, struct buf *warnings);

/* Frees what was noted. */
void finding_free(struct findings *f);

#endif
