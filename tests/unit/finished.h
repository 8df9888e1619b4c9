/* finished: calls that ended, made up for tests of what keeps books, and the ledger added up again.
 */
#ifndef POSTERN_TESTS_UNIT_FINISHED_H
#define POSTERN_TESTS_UNIT_FINISHED_H

#include <dirent.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/limits.h"
#include "policy/ledger.h"
#include "policy/tally.h"
#include "store/rows.h"
#include "store/store.h"

#define FINISHED_MS   INT64_C(1795305600000) /* 2026-11-22 */
#define FINISHED_COST UINT64_C(1500)

/* Call n: of one of three workspaces, keys and models. */
static inline void
finished_line(uint64_t n, int64_t time_ms, struct buf *out)
{
	static const char *const workspaces[] = { "alpha", "beta", "gamma" };
	static const char *const keys[] = { "k1", "k2", "k3" };
	static const char *const models[] = { "model-a", "model-b", "model-c" };
	char id[32];
	struct ledger_entry e = { .time_ms = time_ms,
		.day = period_day(time_ms),
		.key = span_of(keys[n % 3]),
		.workspace = span_of(workspaces[n % 3]),
		.surface = SPAN("messages"),
		.model = span_of(models[n / 3 % 3]),
		.routed = true,
		.upstream = SPAN("u"),
		.upstream_model = SPAN("um"),
		.status = 200,
		.end = SPAN("done"),
		.usage = { .input = n, .output = 2 * n },
		.cost_nanousd = FINISHED_COST,
		.requests_left = -1,
		.tokens_left = -1,
		.first_ms = -1 };

	(void)snprintf(id, sizeof(id), "req_%llu", (unsigned long long)n);
	e.request_id = span_of(id);
	out->len = 0;
	if (ledger_format(&e, out) < 0)
		abort();
}

/* What a ledger says, added up. */
struct finished_sums {
	uint64_t lines;
	uint64_t first, last; /* numbers */
	bool gap;	      /* they are not one after the other */
	struct rows rows;
	uint8_t *seen; /* calls, by their n */
	size_t seen_max;
};

static inline void
finished_add(struct finished_sums *s, const struct ledger_entry *e)
{
	struct tally_row row;
	struct tally t;
	uint64_t n = e->usage.input;

	if (e->seq == 0)
		return;
	s->gap = s->gap || (s->lines > 0 && e->seq != s->last + 1);
	s->first = s->lines++ ? s->first : e->seq;
	s->last = e->seq;
	if (n < s->seen_max)
		s->seen[n]++;
	tally_of(e, &row, &t);
	if (rows_add(&s->rows, &row, &t) < 0)
		abort();
}

static inline void
finished_file(struct finished_sums *s, const char *path)
{
	struct buf text = buf_make(64 * MIB);
	struct buf words = buf_make(LEDGER_LINE_MAX);
	struct span rest, line;
	struct ledger_entry e;

	if (file_read(path, &text) < 0)
		abort();
	rest = buf_span(&text);
	while (rest.n > 0 && span_next(&rest, '\n', &line))
		if (line.n > 0 && ledger_parse(line, &e, &words) == 0)
			finished_add(s, &e);
	buf_free(&text);
	buf_free(&words);
}

/* Adds up all files of the ledger in a folder, in the order of their names. */
static inline void
finished_folder(struct finished_sums *s, const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[512];

		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (span_starts(span_of(names[i]->d_name), SPAN("ledger-")))
			finished_file(s, path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static inline void
finished_free(struct finished_sums *s)
{
	rows_free(&s->rows);
	free(s->seen);
}

/* A store_row that writes rows down, for comparing them; arg is a struct buf. */
static inline int
finished_print(void *arg, const struct tally_row *row, const struct tally *t)
{
	if (buf_addf(arg, "%d %.*s %.*s %.*s calls=%llu in=%llu out=%llu nanousd=%llu\n", row->day,
		(int)row->workspace.n, row->workspace.p, (int)row->key.n, row->key.p,
		(int)row->model.n, row->model.p, (unsigned long long)t->calls,
		(unsigned long long)t->input, (unsigned long long)t->output,
		(unsigned long long)t->nanousd) < 0)
		abort();
	return 0;
}

static inline void
finished_print_rows(const struct rows *rows, struct buf *out)
{
	struct rows_merge m = { .rows = rows, .fn = finished_print, .arg = out };

	rows_rest(&m);
}

#endif
