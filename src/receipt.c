/* receipt: see the header. */
#include "receipt.h"

#include <inttypes.h>

#include "base/clock.h"
#include "policy/period.h"

static bool
is_done(const struct receipt_facts *f)
{
	return f->fault == FAULT_NONE && !f->answer->gone;
}

static const char *
end_of(const struct receipt_facts *f)
{
	if (is_done(f))
		return "done";
	return fault_row(f->fault ? f->fault : FAULT_CLIENT_GONE)->name;
}

/* Whether the upstream's answer had begun, or may have, and its end was not waited for. */
static bool
was_cut(const struct receipt_facts *f)
{
	if (!f->result->target || is_done(f))
		return false;
	return f->answer->gone || f->fault == FAULT_CLIENT_GONE || f->fault == FAULT_DRAINING ||
	    f->result->begun;
}

static int64_t
left_of(const struct admission_gauge *g)
{
	return g->limit ? (int64_t)g->left : -1;
}

static void
fill_admission(const struct admit *a, struct ledger_entry *e)
{
	const struct admission_grant *g = &a->grant;
	uint64_t taken = g->taken[SCOPE_WORKSPACE];

	e->day = period_day(e->time_ms);
	e->requests_left = e->tokens_left = -1;
	if (!a->asked)
		return;
	e->requests_left = left_of(&g->requests);
	e->tokens_left = left_of(&g->tokens);
	e->limit = admit_limit(a);
	if (!g->held)
		return;
	e->day = g->day;
	e->reserved_tokens = taken ? taken : g->taken[SCOPE_KEY];
	e->reserved_nanousd = g->nanousd;
}

static void
fill_names(const struct receipt_facts *f, struct ledger_entry *e)
{
	const struct target *t = f->result->target;

	e->request_id = span_of(f->answer->request_id);
	e->surface = span_of(f->surface ? f->surface->name : "");
	e->model = span_of(f->turn->model);
	e->end = span_of(end_of(f));
	if (f->who->known) {
		e->key = f->who->key.id;
		e->workspace = f->who->key.workspace;
	}
	if (t) {
		e->upstream = span_of(t->upstream->name);
		e->upstream_model = t->model;
		e->upstream_request_id = span_of(f->result->upstream_request_id);
		e->tried = span_of(f->result->attempts.tried);
	}
}

void
receipt_fill(struct receipt *r, const struct receipt_facts *f)
{
	const struct outcome *result = f->result;

	r->entry = (struct ledger_entry){ .time_ms = clock_wall_ms(),
		.routed = f->routed,
		.status = f->answer->status,
		.cut = was_cut(f),
		.stream = f->turn->stream,
		.usage = result->usage,
		.estimated = result->estimated,
		.first_ms = result->target ? result->first_ms : -1,
		.total_ms = clock_mono_ms() - f->started_ms };
	r->empty = result->counted && usage_none(&result->usage);
	fill_names(f, &r->entry);
	fill_admission(f->admit, &r->entry);
}

void
receipt_request(struct receipt *r, struct span client, struct span method, struct span path)
{
	(void)log_value(client, r->client);
	(void)log_value(method, r->method);
	(void)log_value(path, r->path);
}

void
receipt_log(const struct receipt *r)
{
	const struct ledger_entry *e = &r->entry;
	char model[LOG_VALUE_LEN];

	if (r->empty) {
		log_error("usage",
		    "request_id=%.*s upstream=%.*s what=\"a finished call without any token count\"",
		    (int)e->request_id.n, e->request_id.p, (int)e->upstream.n, e->upstream.p);
	}
	log_info("call",
	    "request_id=%.*s client=%s method=%s path=%s status=%d end=%.*s key=%.*s workspace=%.*s model=%s upstream=%.*s "
	    "first_ms=%" PRId64 " total_ms=%" PRId64,
	    (int)e->request_id.n, e->request_id.p, r->client, r->method, r->path, e->status,
	    (int)e->end.n, e->end.p, (int)e->key.n, e->key.p ? e->key.p : "", (int)e->workspace.n,
	    e->workspace.p ? e->workspace.p : "", log_value(e->model, model), (int)e->upstream.n,
	    e->upstream.p ? e->upstream.p : "", e->first_ms, e->total_ms);
}
