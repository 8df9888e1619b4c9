/* key_list: all keys as a table. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/num.h"
#include "cmd/cmd.h"
#include "policy/key.h"
#include "store/keytable.h"

#define LIMITS_MAX 256u /* bytes of the limits of a key */

enum column {
	COLUMN_ID,
	COLUMN_WORKSPACE,
	COLUMN_NAME,
	COLUMN_CREATED,
	COLUMN_EXPIRES,
	COLUMN_STATE,
	COLUMN_MODELS,
	COLUMN_LIMITS, /* shown when a key has any */
	COLUMNS
};

struct cells {
	struct span v[COLUMNS];
	struct buf limits;
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

static int
add_count(struct buf *out, const char *name, uint64_t n)
{
	return n ? buf_addf(out, "%s%s=%" PRIu64, out->len ? " " : "", name, n) : 0;
}

static int
add_budget(struct buf *out, const char *name, uint64_t nanousd)
{
	if (nanousd == 0)
		return 0;
	if (buf_addf(out, "%s%s=$", out->len ? " " : "", name) < 0)
		return -1;
	return key_usd(nanousd, 2, out);
}

static struct span
limits(const struct quota *q, struct buf *out)
{
	buf_reset(out, LIMITS_MAX);
	if (add_count(out, "rpm", q->rpm) < 0 || add_count(out, "tpm", q->tpm) < 0 ||
	    add_count(out, "concurrent", q->concurrent) < 0 ||
	    add_budget(out, "day", q->budget_day_nanousd) < 0 ||
	    add_budget(out, "month", q->budget_month_nanousd) < 0)
		return SPAN("?");
	return or_dash(buf_span(out));
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
	out->v[COLUMN_LIMITS] = limits(&k.quota, &out->limits);
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
print_row(const struct cells *row, const size_t widths[static COLUMNS], size_t columns)
{
	for (size_t i = 0; i < columns; i++) {
		size_t pad = i + 1 < columns ? widths[i] - width(row->v[i]) + 2 : 0;

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

/* -1 when memory is out; nothing is printed then. */
static int
print_table(const struct keytable *t)
{
	const struct cells head = { .v = { SPAN("ID"), SPAN("WORKSPACE"), SPAN("NAME"),
					SPAN("CREATED"), SPAN("EXPIRES"), SPAN("STATE"),
					SPAN("MODELS"), SPAN("LIMITS") } };
	int64_t now_s = clock_wall_ms() / 1000;
	size_t columns = COLUMN_LIMITS;
	size_t widths[COLUMNS];
	struct cells row = { .limits = buf_make(LIMITS_MAX) };
	char *at;

	/* A row is filled twice, and is to be the same both times. */
	if (buf_room(&row.limits, LIMITS_MAX, &at) < 0)
		return -1;
	for (size_t c = 0; c < COLUMNS; c++)
		widths[c] = width(head.v[c]);
	for (size_t i = 0; i < t->rows_n; i++) {
		fill(keytable_line(t, &t->rows[i]), now_s, &row);
		for (size_t c = 0; c < COLUMNS; c++)
			widths[c] = width(row.v[c]) > widths[c] ? width(row.v[c]) : widths[c];
		columns = row.limits.len > 0 ? COLUMNS : columns;
	}
	print_row(&head, widths, columns);
	for (size_t i = 0; i < t->rows_n; i++) {
		fill(keytable_line(t, &t->rows[i]), now_s, &row);
		print_row(&row, widths, columns);
	}
	buf_free(&row.limits);
	return 0;
}

static void
print_damage(const char *where, const struct keytable *t)
{
	for (size_t i = 0; i < t->damage_n; i++)
		(void)fprintf(stderr, "%s:%zu: %s\n", where, t->damage[i].line, t->damage[i].why);
	if (t->damaged > t->damage_n)
		(void)fprintf(
		    stderr, "%s: %zu more damaged lines\n", where, t->damaged - t->damage_n);
}

int
cmd_key_list(const struct conf *c)
{
	struct buf text = buf_make(KEY_FILE_MAX);
	struct keytable t = { 0 };
	int rc = cmd_keys_read(c, &text);

	if (rc == 0) {
		rc = keytable_read(&t, buf_span(&text));
		if (rc == 0 && t.rows_n > 0)
			qsort(t.rows, t.rows_n, sizeof(*t.rows), by_place);
		if (rc == 0)
			rc = print_table(&t);
		if (rc == 0)
			print_damage(cmd_keys_name(c), &t);
		else
			(void)fprintf(stderr, "%s: out of memory\n", cmd_keys_name(c));
	}
	if (rc == 0 && (fflush(stdout) != 0 || t.damaged > 0))
		rc = -1;
	keytable_free(&t);
	buf_free(&text);
	return rc == 0 ? 0 : 1;
}
