/* key_import: brings the keys of a key file to where the configuration keeps its own. A line goes
 * as it is; comments and damaged lines stay behind. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/limits.h"
#include "cmd/cmd.h"
#include "policy/finding.h"
#include "policy/key.h"
#include "store/keytable.h"

struct import {
	const char *where;
	struct keytable lines; /* of the file, in its order */
	struct findings found; /* about the file */
	size_t added, there;
};

/* The row with this hash, which begins with `head`; NULL when there is none. */
static const struct keytable_row *
find(const struct keytable *t, uint64_t head, const uint8_t hash[static HASH_LEN])
{
	uint8_t other[HASH_LEN];
	size_t from = 0;

	for (size_t to = t->rows_n; from < to;) {
		size_t middle = from + (to - from) / 2;

		if (t->rows[middle].hash < head)
			from = middle + 1;
		else
			to = middle;
	}
	for (; from < t->rows_n && t->rows[from].hash == head; from++) {
		keytable_hash(t, &t->rows[from], other);
		if (hash_same(other, hash))
			return &t->rows[from];
	}
	return NULL;
}

/* Appends all good lines of the file behind the text. */
static int
append_all(const struct import *im, struct span text, struct buf *out)
{
	int rc = buf_add(out, text);

	if (rc == 0 && out->len > 0 && out->p[out->len - 1] != '\n')
		rc = buf_add(out, SPAN("\n"));
	for (size_t i = 0; rc == 0 && i < im->lines.rows_n; i++) {
		rc = buf_add(out, keytable_line(&im->lines, &im->lines.rows[i]));
		rc = rc == 0 ? buf_add(out, SPAN("\n")) : rc;
	}
	return rc;
}

static bool
same_id(struct span a, struct span b)
{
	struct key one, two;
	const char *why;

	return key_parse(a, &one, &why) == KEY_LINE_KEY &&
	    key_parse(b, &two, &why) == KEY_LINE_KEY && span_eq(one.id, two.id);
}

/* Says why a good line of the file cannot be added; there is the line that has its key, p NULL when
 * none has. */
static void
judge(struct import *im, int number, struct span line, struct span there)
{
	if (!there.p)
		finding_error(&im->found, number, "another key has this id there");
	else if (!same_id(line, there))
		finding_error(&im->found, number, "this key is there under another id");
	else
		im->there++;
}

/* The number of the line that begins at `to`, when number is that of the one at `from`. */
static int
count_lines(struct span text, int number, size_t from, size_t to)
{
	for (; from < to; from++)
		number += text.p[from] == '\n';
	return number;
}

/* Appends those lines of the file whose places in the table of all lines are good there: neither id
 * nor hash stands in front of them. `at` is the place of the first. */
static int
append_new(struct import *im, const struct keytable *all, size_t at, struct buf *out)
{
	const struct keytable *t = &im->lines;
	int number = 1;

	for (size_t i = 0; i < t->rows_n; i++) {
		struct span line = keytable_line(t, &t->rows[i]);
		const struct keytable_row *row;
		uint8_t hash[HASH_LEN];

		number = count_lines(t->text, number, i ? t->rows[i - 1].at : 0, t->rows[i].at);
		keytable_hash(t, &t->rows[i], hash);
		row = find(all, t->rows[i].hash, hash);
		if (!row || row->at != at)
			judge(im, number, line,
			    row ? keytable_line(all, row) : (struct span){ NULL, 0 });
		else if (buf_add(out, line) < 0 || buf_add(out, SPAN("\n")) < 0)
			return -1;
		else
			im->added++;
		at += line.n + 1;
	}
	return 0;
}

static void
note_damage(struct import *im)
{
	for (size_t i = 0; i < im->lines.damage_n; i++)
		finding_error(
		    &im->found, (int)im->lines.damage[i].line, "%s", im->lines.damage[i].why);
}

/* May be called again when somebody else has changed the keys meanwhile. */
static int
change_import(void *arg, struct span text, struct buf *out)
{
	struct import *im = arg;
	struct buf joined = buf_make(KEY_FILE_MAX);
	struct keytable all = { 0 };
	size_t first;
	int rc = append_all(im, text, &joined);

	finding_free(&im->found);
	im->added = im->there = 0;
	note_damage(im);
	if (rc == 0)
		rc = keytable_read(&all, buf_span(&joined));
	if (rc == 0) {
		first = text.n + (text.n > 0 && text.p[text.n - 1] != '\n');
		rc = buf_add(out, span_cut(buf_span(&joined), 0, first));
		rc = rc == 0 ? append_new(im, &all, first, out) : rc;
	}
	if (rc < 0)
		(void)fprintf(stderr, "%s: there is no room for these keys\n", im->where);
	keytable_free(&all);
	buf_free(&joined);
	return rc == 0 && im->added == 0 ? 1 : rc;
}

static int
by_place(const void *a, const void *b)
{
	const struct keytable_row *one = a;
	const struct keytable_row *two = b;

	return (one->at > two->at) - (one->at < two->at);
}

static void
print_found(struct import *im, const char *file)
{
	struct buf text = buf_make(CONF_FILE_MAX);

	finding_print(&im->found, file, &text, &text);
	(void)fprintf(stderr, "%.*s", (int)text.len, text.len ? text.p : "");
	if (im->lines.damaged > im->lines.damage_n)
		(void)fprintf(stderr, "%s: %zu more damaged lines\n", file,
		    im->lines.damaged - im->lines.damage_n);
	buf_free(&text);
}

int
cmd_key_import(const struct conf *c, const char *file)
{
	struct buf text = buf_make(KEY_FILE_MAX);
	struct import im = { .where = cmd_keys_name(c) };
	int rc = file_read(file, &text);

	if (rc < 0)
		(void)fprintf(stderr, "%s: cannot be read: %m\n", file);
	else if ((rc = keytable_read(&im.lines, buf_span(&text))) < 0)
		(void)fprintf(stderr, "%s: out of memory\n", file);
	if (rc == 0 && im.lines.rows_n > 0)
		qsort(im.lines.rows, im.lines.rows_n, sizeof(*im.lines.rows), by_place);
	if (rc == 0)
		rc = cmd_keys_edit(c, change_import, &im);
	if (rc == 0) {
		print_found(&im, file);
		(void)printf("%zu added, %zu there already\n", im.added, im.there);
		rc = fflush(stdout) != 0 || im.found.errors > 0 ? -1 : 0;
	}
	finding_free(&im.found);
	keytable_free(&im.lines);
	buf_free(&text);
	return rc == 0 ? 0 : 1;
}
