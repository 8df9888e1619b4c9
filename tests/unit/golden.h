/* golden: pairs of what goes in and what must come out, out of a file of tests/unit/golden. Cases
 * are parted by blank lines; the first letter of a line says what it is: # its name, ? a setting, >
 * what goes in, < what comes out, = what is noted beside it, ! what is refused. @CR@ stands for a
 * carriage return. */
#ifndef POSTERN_TESTS_UNIT_GOLDEN_H
#define POSTERN_TESTS_UNIT_GOLDEN_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/span.h"

#define GOLDEN_LINES_MAX 32

struct golden_lines {
	struct span v[GOLDEN_LINES_MAX];
	size_t n;
};

struct golden_case {
	struct span name;
	struct golden_lines settings, in, out, notes;
	struct span refusal; /* p NULL: nothing is refused */
};

/* The whole file, to be freed. */
static inline struct buf
golden_read(const char *path)
{
	struct buf text = buf_make(4 * MIB);
	FILE *f = fopen(path, "re");
	char *room;
	size_t n;
	int rc;

	assert(f);
	do {
		rc = buf_room(&text, 64 * KIB, &room);
		assert(rc == 0);
		n = fread(room, 1, 64 * KIB, f);
		text.len += n;
	} while (n > 0);
	rc = fclose(f);
	assert(rc == 0);
	for (char *at; (at = memmem(text.p, text.len, "@CR@", 4));) {
		*at = '\r';
		memmove(at + 1, at + 4, text.len - (size_t)(at + 4 - text.p));
		text.len -= 3;
	}
	return text;
}

static inline void
golden_add(struct golden_lines *l, struct span line)
{
	assert(l->n < GOLDEN_LINES_MAX);
	l->v[l->n++] = line;
}

static inline void
golden_take(struct golden_case *c, struct span line)
{
	char what = line.p[0];
	struct span rest = span_cut(line, line.n > 1 ? 2 : 1, line.n);

	if (what == '#')
		c->name = rest;
	else if (what == '!')
		c->refusal = rest;
	else
		golden_add(what == '?' ? &c->settings
			: what == '>'  ? &c->in
			: what == '<'  ? &c->out
				       : &c->notes,
		    rest);
}

/* The next case; false behind the last. *rest begins as the whole text. */
static inline bool
golden_next(struct span *rest, struct golden_case *c)
{
	struct span line;

	*c = (struct golden_case){ 0 };
	while (rest->n > 0 && span_next(rest, '\n', &line)) {
		if (line.n > 0)
			golden_take(c, line);
		else if (c->name.p)
			return true;
	}
	return c->name.p != NULL;
}

/* Whether a setting or a note is there; *value is what stands behind its name. */
static inline bool
golden_has(const struct golden_lines *l, const char *name, struct span *value)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!span_starts(l->v[i], span_of(name)))
			continue;
		*value = span_trim(span_cut(l->v[i], strlen(name), l->v[i].n));
		return true;
	}
	return false;
}

#endif
