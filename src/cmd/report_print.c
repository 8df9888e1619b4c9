/* report_print: the formats of a report, one row of a table each. */
#include <string.h>

#include "base/limits.h"
#include "cmd/cells.h"
#include "cmd/report.h"
#include "cmd/shown.h"
#include "policy/period.h"

#define COLUMNS_MAX    (SUMS_MEMBERS + CELLS_SUMS)
#define LINE_MAX       (16 * KIB)
#define TABLE_DECIMALS 4u

struct printer {
	const struct report *report;
	FILE *to;
	struct buf line;
	struct buf cell;
	size_t widths[COLUMNS_MAX]; /* of a table */
	size_t rows;		    /* printed so far */
};

/* Each appends to the line; -1 when it does not fit, which is when memory is out. */
struct report_format {
	const char *name;
	int (*head)(struct printer *p);
	int (*row)(struct printer *p, const struct sums_row *row);
	int (*tail)(struct printer *p);
};

/* Writes the line out. */
static int
flush_line(struct printer *p)
{
	size_t n = p->line.len;
	size_t done = n > 0 ? fwrite(p->line.p, 1, n, p->to) : 0;

	buf_reset(&p->line, LINE_MAX);
	return done == n ? 0 : -1;
}

/* The text of a member of a row, or of the i-th sum, as a table shows it. */
static int
table_cell(struct printer *p, const struct tally_row *row, const struct tally *t, size_t column)
{
	const struct sums_by *by = &p->report->ask.by;
	char day[PERIOD_DAY_LEN];

	buf_reset(&p->cell, LINE_MAX);
	if (column >= by->n)
		return cells_put_sum(&p->cell, &cells_sums[column - by->n], t, TABLE_DECIMALS);
	if (!row)
		return column == 0 ? buf_add(&p->cell, SPAN("total")) : 0;
	return shown_put(&p->cell, cells_member(row, by->member[column], day));
}

static int
table_head_cell(struct printer *p, size_t column)
{
	static const char *const heads[SUMS_MEMBERS] = { "DAY", "WORKSPACE", "KEY", "MODEL" };
	const struct sums_by *by = &p->report->ask.by;

	buf_reset(&p->cell, LINE_MAX);
	return buf_add(&p->cell,
	    span_of(column < by->n ? heads[by->member[column]] : cells_sums[column - by->n].head));
}

static void
widen(struct printer *p, size_t column)
{
	size_t n = shown_width(buf_span(&p->cell));

	if (n > p->widths[column])
		p->widths[column] = n;
}

/* Texts stand at the left of their column, numbers at the right. */
static int
table_put(struct printer *p, size_t column)
{
	int pad = (int)(p->widths[column] - shown_width(buf_span(&p->cell)));
	bool text = column < p->report->ask.by.n;

	if (buf_addf(&p->line, "%s%*s", column ? "  " : "", text ? 0 : pad, "") < 0 ||
	    buf_add(&p->line, buf_span(&p->cell)) < 0)
		return -1;
	return buf_addf(&p->line, "%*s", text ? pad : 0, "");
}

static size_t
columns(const struct printer *p)
{
	return p->report->ask.by.n + CELLS_SUMS;
}

static int
table_line(struct printer *p, const struct tally_row *row, const struct tally *t)
{
	for (size_t c = 0; c < columns(p); c++) {
		if (table_cell(p, row, t, c) < 0 || table_put(p, c) < 0)
			return -1;
	}
	return buf_add(&p->line, SPAN("\n"));
}

static int
table_widen(struct printer *p, const struct tally_row *row, const struct tally *t)
{
	for (size_t c = 0; c < columns(p); c++) {
		if (table_cell(p, row, t, c) < 0)
			return -1;
		widen(p, c);
	}
	return 0;
}

static int
table_head(struct printer *p)
{
	const struct report *r = p->report;

	for (size_t i = 0; i < r->sums.n; i++) {
		const struct sums_row *row = r->sums.slots[i];

		if (table_widen(p, &row->row, &row->tally) < 0)
			return -1;
	}
	if (table_widen(p, NULL, &r->total) < 0)
		return -1;
	for (size_t c = 0; c < columns(p); c++) {
		if (table_head_cell(p, c) < 0)
			return -1;
		widen(p, c);
		if (table_put(p, c) < 0)
			return -1;
	}
	return buf_add(&p->line, SPAN("\n"));
}

static int
table_row(struct printer *p, const struct sums_row *row)
{
	return table_line(p, &row->row, &row->tally);
}

static int
table_tail(struct printer *p)
{
	return table_line(p, NULL, &p->report->total);
}

/* A cell that begins so is a formula to a spreadsheet, and who names a model could write one. A
 * lone dash, which stands for nothing, is none. */
static bool
is_formula(struct span s)
{
	return s.n > 0 && strchr("=+-@", s.p[0]) && s.p[0] != '\0' && !span_eq(s, SPAN("-"));
}

/* RFC 4180 2: quotes are doubled inside quotes. */
static int
csv_text(struct printer *p, struct span s)
{
	const char *text;

	buf_reset(&p->cell, LINE_MAX);
	if ((is_formula(s) && buf_add(&p->cell, SPAN("'")) < 0) || shown_put(&p->cell, s) < 0)
		return -1;
	text = buf_str(&p->cell);
	if (!text || !strpbrk(text, ",\""))
		return text ? buf_add(&p->line, buf_span(&p->cell)) : -1;
	if (buf_add(&p->line, SPAN("\"")) < 0)
		return -1;
	for (; *text; text++) {
		if (buf_addf(&p->line, "%s%c", *text == '"' ? "\"" : "", *text) < 0)
			return -1;
	}
	return buf_add(&p->line, SPAN("\""));
}

static int
csv_head(struct printer *p)
{
	const struct sums_by *by = &p->report->ask.by;

	for (size_t i = 0; i < by->n; i++) {
		if (buf_addf(&p->line, "%s%s", i ? "," : "", cells_members[by->member[i]]) < 0)
			return -1;
	}
	for (size_t i = 0; i < CELLS_SUMS; i++) {
		if (buf_addf(&p->line, ",%s", cells_sums[i].name) < 0)
			return -1;
	}
	return buf_add(&p->line, SPAN("\n"));
}

static int
csv_row(struct printer *p, const struct sums_row *row)
{
	const struct sums_by *by = &p->report->ask.by;
	char day[PERIOD_DAY_LEN];

	for (size_t i = 0; i < by->n; i++) {
		if ((i > 0 && buf_add(&p->line, SPAN(",")) < 0) ||
		    csv_text(p, cells_member(&row->row, by->member[i], day)) < 0)
			return -1;
	}
	for (size_t i = 0; i < CELLS_SUMS; i++) {
		if (buf_add(&p->line, SPAN(",")) < 0 ||
		    cells_put_sum(&p->line, &cells_sums[i], &row->tally, CELLS_USD_EXACT) < 0)
			return -1;
	}
	return buf_add(&p->line, SPAN("\n"));
}

static int
csv_tail(struct printer *p)
{
	(void)p;
	return 0;
}

static int
json_head(struct printer *p)
{
	const struct report_ask *ask = &p->report->ask;
	char first[PERIOD_DAY_LEN], last[PERIOD_DAY_LEN];

	period_day_text(ask->range.first, first);
	period_day_text(ask->range.last, last);
	if (buf_addf(&p->line, "{\"since\":\"%s\",\"until\":\"%s\",\"by\":[", first, last) < 0)
		return -1;
	for (size_t i = 0; i < ask->by.n; i++) {
		if (buf_addf(&p->line, "%s\"%s\"", i ? "," : "", cells_members[ask->by.member[i]]) <
		    0)
			return -1;
	}
	return buf_add(&p->line, SPAN("],\"rows\":["));
}

static int
json_sums(struct printer *p, const struct tally *t)
{
	for (size_t i = 0; i < CELLS_SUMS; i++) {
		if (buf_addf(&p->line, "%s\"%s\":", i ? "," : "", cells_sums[i].name) < 0 ||
		    cells_put_sum(&p->line, &cells_sums[i], t, CELLS_USD_EXACT) < 0)
			return -1;
	}
	return buf_add(&p->line, SPAN("}"));
}

static int
json_row(struct printer *p, const struct sums_row *row)
{
	const struct sums_by *by = &p->report->ask.by;
	char day[PERIOD_DAY_LEN];

	if (buf_add(&p->line, p->rows > 0 ? SPAN(",\n{") : SPAN("\n{")) < 0)
		return -1;
	for (size_t i = 0; i < by->n; i++) {
		if (buf_addf(&p->line, "\"%s\":", cells_members[by->member[i]]) < 0 ||
		    shown_put_json(&p->line, cells_member(&row->row, by->member[i], day)) < 0 ||
		    buf_add(&p->line, SPAN(",")) < 0)
			return -1;
	}
	return json_sums(p, &row->tally);
}

static int
json_tail(struct printer *p)
{
	if (buf_add(&p->line, p->rows > 0 ? SPAN("\n],\"total\":{") : SPAN("],\"total\":{")) < 0 ||
	    json_sums(p, &p->report->total) < 0)
		return -1;
	return buf_add(&p->line, SPAN("}\n"));
}

static const struct report_format formats[] = {
	{ "table", table_head, table_row, table_tail },
	{ "csv", csv_head, csv_row, csv_tail },
	{ "json", json_head, json_row, json_tail },
};

const struct report_format *
report_format(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	}
	return NULL;
}

int
report_print(const struct report *r, FILE *to)
{
	const struct report_format *f = r->ask.format;
	struct printer p = {
		.report = r,
		.to = to,
		.line = buf_make(LINE_MAX),
		.cell = buf_make(LINE_MAX),
	};
	int rc = f->head(&p) < 0 || flush_line(&p) < 0 ? -1 : 0;

	for (; rc == 0 && p.rows < r->sums.n; p.rows++)
		rc = f->row(&p, r->sums.slots[p.rows]) < 0 || flush_line(&p) < 0 ? -1 : 0;
	if (rc == 0 && (f->tail(&p) < 0 || flush_line(&p) < 0 || fflush(to) != 0))
		rc = -1;
	buf_free(&p.line);
	buf_free(&p.cell);
	return rc;
}
