/* fuzz_ledger: every text is read as lines of a ledger without harm; what is one and was not longer
 * than we write it is written again and read as the same, and its tally has a row that comes back
 * from its key. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/limits.h"
#include "policy/ledger.h"
#include "policy/tally.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_short(struct span s)
{
	return s.n <= LEDGER_TEXT_MAX;
}

/* Longer texts are cut. */
static bool
comes_back(const struct ledger_entry *e)
{
	return is_short(e->request_id) && is_short(e->upstream_request_id) && is_short(e->key) &&
	    is_short(e->workspace) && is_short(e->surface) && is_short(e->model) &&
	    is_short(e->upstream) && is_short(e->upstream_model) && is_short(e->end) &&
	    is_short(e->limit);
}

static void
check_same(const struct ledger_entry *a, const struct ledger_entry *b)
{
	assert(a->seq == b->seq && a->time_ms == b->time_ms && a->day == b->day);
	assert(span_eq(a->request_id, b->request_id) && span_eq(a->key, b->key));
	assert(span_eq(a->upstream_request_id, b->upstream_request_id));
	assert(span_eq(a->workspace, b->workspace) && span_eq(a->surface, b->surface));
	assert(span_eq(a->model, b->model) && a->routed == b->routed);
	assert(span_eq(a->upstream, b->upstream) && span_eq(a->upstream_model, b->upstream_model));
	assert(a->status == b->status && span_eq(a->end, b->end) && span_eq(a->limit, b->limit));
	assert(a->stream == b->stream && a->cut == b->cut && a->estimated == b->estimated);
	assert(memcmp(&a->usage, &b->usage, sizeof(a->usage)) == 0);
	assert(a->cost_nanousd == b->cost_nanousd && a->reserved_tokens == b->reserved_tokens);
	assert(a->reserved_nanousd == b->reserved_nanousd);
	assert(a->requests_left == b->requests_left && a->tokens_left == b->tokens_left);
	assert(a->first_ms == b->first_ms && a->total_ms == b->total_ms);
}

static void
check_again(const struct ledger_entry *e)
{
	struct buf line = buf_make(LEDGER_LINE_MAX), text = buf_make(LEDGER_LINE_MAX);
	struct ledger_entry again;
	int rc = ledger_begin(e->seq, &line);

	rc |= ledger_format(e, &line);
	assert(rc == 0 && line.p[line.len - 1] == '\n');
	assert(memchr(line.p, '\n', line.len) == line.p + line.len - 1);
	rc = ledger_parse((struct span){ line.p, line.len - 1 }, &again, &text);
	assert(rc == 0);
	if (comes_back(e))
		check_same(e, &again);
	buf_free(&line);
	buf_free(&text);
}

static void
check_tally(const struct ledger_entry *e)
{
	char key[TALLY_KEY_MAX];
	struct tally_row row, back;
	struct tally t, sum = { 0 };
	size_t n;

	tally_of(e, &row, &t);
	tally_add(&sum, &t);
	assert(t.calls == 1 && tally_same(&t, &sum));
	assert(row.workspace.n > 0 && row.key.n > 0 && row.model.n > 0 && row.day >= 0);
	n = tally_key(&row, key);
	assert(n <= TALLY_KEY_MAX);

	int rc = tally_row((struct span){ key, n }, &back);

	assert(rc == 0 && back.day == row.day && span_eq(back.workspace, row.workspace));
	assert(span_eq(back.key, row.key) && span_eq(back.model, row.model));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = buf_make(LEDGER_LINE_MAX);
	struct span all = { (const char *)data, size };
	struct span rest = all, line;
	struct tally_row row;
	struct ledger_entry e;

	while (size > 0 && span_next(&rest, '\n', &line)) {
		if (ledger_parse(line, &e, &text) == 0) {
			check_again(&e);
			check_tally(&e);
		}
	}
	(void)!tally_row(all, &row);
	buf_free(&text);
	return 0;
}
