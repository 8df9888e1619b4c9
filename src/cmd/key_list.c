/* key_list: the keys of a file as a table. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/num.h"
#include "cmd/cmd.h"
#include "policy/key.h"
#include "store/keytable.h"

enum column {
	COLUMN_ID,
	COLUMN_WORKSPACE,
	COLUMN_NAME,
	COLUMN_CREATED,
	COLUMN_EXPIRES,
	COLUMN_STATE,
	COLUMN_MODELS,
	COLUMNS
};

struct cells {
	struct span v[COLUMNS];
	char created[NUM_TIME_LEN];
	char expires[NUM_TIME_LEN];
};

static struct span
or_dash(struct span s)
{
	return s.n ? s : SPAN("-");
}

static struct span
date(int64_t time_s, char out[static NUM_TIME_LEN])
{
	if (time_s == 0)
		return SPAN("-");
	num_time(time_s, out);
	return time_s % 86400 == 0 ? span_cut(span_of(out), 0, 10) : span_of(out);
}

static struct span
state(const struct key *k, int64_t now_s)
{
	enum fault f = key_state(k, now_s);

	return f == FAULT_NONE	     ? SPAN("active")
	    : f == FAULT_KEY_REVOKED ? SPAN("revoked")
				     : SPAN("expired");
}

static void
fill(struct span line, int64_t now_s, struct cells *out)
{
	struct key k;
	const char *why;

	if (key_parse(line, &k, &why) != KEY_LINE_KEY)
		return;
	out->v[COLUMN_ID] = k.id;
	out->v[COLUMN_WORKSPACE] = k.workspace;
	out->v[COLUMN_NAME] = or_dash(k.name);
	out->v[COLUMN_CREATED] = date(k.created, out->created);
	out->v[COLUMN_EXPIRES] = date(k.expires, out->expires);
	out->v[COLUMN_STATE] = state(&k, now_s);
	out->v[COLUMN_MODELS] = k.models.p ? k.models : SPAN("*");
}

/* Columns are counted in characters, not in bytes. */
static size_t
width(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void
print_row(const struct cells *row, const size_t widths[static COLUMNS])
{
	for (size_t i = 0; i < COLUMNS; i++) {
		size_t pad = i + 1 < COLUMNS ? widths[i] - width(row->v[i]) + 2 : 0;

		(void)printf("%.*s%*s", (int)row->v[i].n, row->v[i].p, (int)pad, "");
	}
	(void)putchar('\n');
}

static int
by_place(const void *a, const void *b)
{
	const struct keytable_row *one = a;
	const struct keytable_row *two = b;

	return (one->at > two->at) - (one->at < two->at);
}

static void
print_table(const struct keytable *t)
{
	const struct cells head = { .v = { SPAN("ID"), SPAN("WORKSPACE"), SPAN("NAME"),
					SPAN("CREATED"), SPAN("EXPIRES"), SPAN("STATE"),
					SPAN("MODELS") } };
	int64_t now_s = clock_wall_ms() / 1000;
	size_t widths[COLUMNS];
	struct cells row;

	for (size_t c = 0; c < COLUMNS; c++)
		widths[c] = width(head.v[c]);
	for (size_t i = 0; i < t->rows_n; i++) {
		fill(keytable_line(t, &t->rows[i]), now_s, &row);
		for (size_t c = 0; c < COLUMNS; c++)
			widths[c] = width(row.v[c]) > widths[c] ? width(row.v[c]) : widths[c];
	}
	print_row(&head, widths);
	for (size_t i = 0; i < t->rows_n; i++) {
		fill(keytable_line(t, &t->rows[i]), now_s, &row);
		print_row(&row, widths);
	}
}

static void
print_damage(const char *path, const struct keytable *t)
{
	for (size_t i = 0; i < t->damage_n; i++)
		(void)fprintf(stderr, "%s:%zu: %s\n", path, t->damage[i].line, t->damage[i].why);
	if (t->damaged > t->damage_n)
		(void)fprintf(
		    stderr, "%s: %zu more damaged lines\n", path, t->damaged - t->damage_n);
}

int
cmd_key_list(const char *keys_path)
{
	struct buf text = buf_make(KEY_FILE_MAX);
	struct keytable t = { 0 };
	int rc = file_read(keys_path, &text);

	if (rc < 0)
		(void)fprintf(stderr, "%s: cannot be read: %m\n", keys_path);
	else if ((rc = keytable_read(&t, buf_span(&text))) < 0)
		(void)fprintf(stderr, "%s: out of memory\n", keys_path);
	if (rc == 0) {
		if (t.rows_n > 0)
			qsort(t.rows, t.rows_n, sizeof(*t.rows), by_place);
		print_table(&t);
		print_damage(keys_path, &t);
	}
	if (rc == 0 && (fflush(stdout) != 0 || t.damaged > 0))
		rc = -1;
	keytable_free(&t);
	buf_free(&text);
	return rc == 0 ? 0 : 1;
}
