/* admit: see the header. */
#include "admit.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/num.h"

/* What a limit is called, and what it is counted in. */
static const struct {
	const char *name[SCOPES]; /* in the ledger */
	const char *unit;	  /* of its size, in a message */
} limits[] = {
	[LIMIT_NONE] = { { "", "" }, "" },
	[LIMIT_BUDGET_MONTH] = { { "workspace month", "key month" }, "month" },
	[LIMIT_BUDGET_DAY] = { { "workspace day", "key day" }, "day" },
	[LIMIT_CONCURRENT] = { { "workspace concurrent", "key concurrent" }, "calls at once" },
	[LIMIT_REQUESTS] = { { "workspace requests", "key requests" }, "requests per minute" },
	[LIMIT_TOKENS] = { { "workspace tokens", "key tokens" }, "tokens per minute" },
};
_Static_assert(sizeof(limits) / sizeof(*limits) == LIMITS, "a row for every limit");

static uint64_t
sum(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static const struct price *
price_of(const struct admit_order *o, const struct target *t)
{
	return conf_price(o->era->conf, span_of(o->turn->model), t->model);
}

static bool
has_budget(const struct quota *q)
{
	return q->budget_day_nanousd || q->budget_month_nanousd;
}

/* The most that the call may cost, at the dearest of its targets. -1: a target has no price. */
static int
most_nanousd(const struct admit_order *o, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < o->route->n; i++) {
		const struct price *p = price_of(o, &o->route->targets[i]);
		uint64_t most = p ? price_most(p, o->estimate.most, o->turn->max_tokens) : 0;

		if (!p)
			return -1;
		*out = most > *out ? most : *out;
	}
	return 0;
}

/* A count of tokens asks for a request and nothing else. */
static enum fault
fill_ask(struct admit *a, const struct admit_order *o, struct refusal *why)
{
	struct admission_ask *ask = &a->ask;

	*ask = (struct admission_ask){ .workspace = o->who->key.workspace,
		.key = o->who->key.id,
		.model = span_of(o->turn->model),
		.quota = { *conf_quota(o->era->conf, o->who->workspace), o->who->key.quota },
		.requests = 1,
		.request_id = span_of(o->request_id) };
	if (o->op != OP_MESSAGES)
		return FAULT_NONE;
	ask->tokens = sum(o->estimate.likely, o->turn->max_tokens);
	if (most_nanousd(o, &ask->nanousd) == 0 ||
	    (!has_budget(&ask->quota[SCOPE_WORKSPACE]) && !has_budget(&ask->quota[SCOPE_KEY])))
		return FAULT_NONE;
	refusal_set(why, FAULT_UNPRICED,
	    "model: %s has no price in the gateway's configuration, but a budget applies to this call.",
	    o->turn->model);
	why->no_retry = true;
	return FAULT_UNPRICED;
}

/* Dollars as people write them: cents, or what there is below a cent. */
static void
put_usd(uint64_t nanousd, char out[static 32])
{
	(void)snprintf(out, 32, "$%" PRIu64 ".%0*" PRIu64, nanousd / 1000000000,
	    nanousd % 10000000 ? 9 : 2,
	    nanousd % 10000000 ? nanousd % 1000000000 : nanousd % 1000000000 / 10000000);
}

static const char *
owner(const struct admit *a, struct span *name)
{
	*name = a->grant.scope == SCOPE_KEY ? a->ask.key : a->ask.workspace;
	return a->grant.scope == SCOPE_KEY ? "key" : "workspace";
}

static enum fault
refuse_budget(const struct admit *a, struct refusal *why)
{
	const struct admission_grant *g = &a->grant;
	char size[32], left[32], most[32], when[NUM_TIME_LEN];
	struct span name;
	const char *what = owner(a, &name);

	put_usd(g->size, size);
	put_usd(g->left, left);
	put_usd(a->ask.nanousd, most);
	num_time((g->now_ms + g->wait_ms) / 1000, when);
	refusal_set(why, FAULT_BUDGET,
	    "The budget of %s per %s of %s %.*s does not allow this call: %s of it is left, with what calls under way may still "
	    "cost taken off, and this call may cost up to %s. The next %s begins at %s.",
	    size, limits[g->refused].unit, what, (int)name.n, name.p, left, most,
	    limits[g->refused].unit, when);
	why->no_retry = true;
	return FAULT_BUDGET;
}

static enum fault
refuse_limit(const struct admit *a, struct refusal *why)
{
	const struct admission_grant *g = &a->grant;
	char when[NUM_TIME_LEN];
	struct span name;
	const char *what = owner(a, &name);

	if (g->refused == LIMIT_CONCURRENT) {
		refusal_set(why, FAULT_LIMIT,
		    "The limit of %" PRIu64
		    " calls at once of %s %.*s is reached. It frees when one of them ends.",
		    g->size, what, (int)name.n, name.p);
		return FAULT_LIMIT;
	}
	num_time_ms(g->now_ms + g->wait_ms, when);
	if (g->refused == LIMIT_TOKENS) {
		refusal_set(why, FAULT_LIMIT,
		    "This call would exceed the limit of %" PRIu64
		    " tokens per minute of %s %.*s for model %.*s: it is reckoned at up to %" PRIu64
		    " tokens. It can be let in at %s.",
		    g->size, what, (int)name.n, name.p, (int)a->ask.model.n, a->ask.model.p,
		    a->ask.tokens, when);
	} else {
		refusal_set(why, FAULT_LIMIT,
		    "This call would exceed the limit of %" PRIu64
		    " requests per minute of %s %.*s for model %.*s. It can be let in at %s.",
		    g->size, what, (int)name.n, name.p, (int)a->ask.model.n, a->ask.model.p, when);
	}
	return FAULT_LIMIT;
}

enum fault
admit_call(struct admit *a, const struct admit_order *o, struct refusal *why)
{
	struct store *s = o->era->store;
	enum fault f = fill_ask(a, o, why);

	if (f)
		return f;
	switch (s->kind->take(s, &a->ask, &a->grant)) {
	case STORE_OK:
		break;
	case STORE_AWAY:
		return FAULT_STORE_AWAY;
	default:
		return FAULT_STORE;
	}
	a->asked = true;
	switch (a->grant.refused) {
	case LIMIT_NONE:
		return FAULT_NONE;
	case LIMIT_BUDGET_DAY:
	case LIMIT_BUDGET_MONTH:
		return refuse_budget(a, why);
	default:
		return refuse_limit(a, why);
	}
}

/* The three lines on one gauge under one name. */
static int
put_gauge(struct buf *out, const char *name, const struct admission_gauge *g, struct span full)
{
	struct span head = SPAN("anthropic-ratelimit-");
	struct span n = span_of(name);

	return buf_add(out, head) || buf_add(out, n) || buf_add(out, SPAN("-limit: ")) ||
	    buf_add_u64(out, g->limit) || buf_add(out, SPAN("\r\n")) || buf_add(out, head) ||
	    buf_add(out, n) || buf_add(out, SPAN("-remaining: ")) || buf_add_u64(out, g->left) ||
	    buf_add(out, SPAN("\r\n")) || buf_add(out, head) || buf_add(out, n) ||
	    buf_add(out, SPAN("-reset: ")) || buf_add(out, full) || buf_add(out, SPAN("\r\n"));
}

/* One bucket holds tokens of either kind, so its level is what is left of each. */
static int
put_gauges(struct buf *out, const struct admission_grant *g)
{
	static const char *const token_names[] = { "tokens", "input-tokens", "output-tokens" };
	char full[NUM_TIME_LEN];

	num_time((g->requests.full_ms + 999) / 1000, full);
	if (g->requests.limit && put_gauge(out, "requests", &g->requests, span_of(full)))
		return -1;
	num_time((g->tokens.full_ms + 999) / 1000, full);
	for (size_t i = 0; g->tokens.limit && i < 3; i++)
		if (put_gauge(out, token_names[i], &g->tokens, span_of(full)))
			return -1;
	return 0;
}

int
admit_lines(const struct admit *a, struct buf *out)
{
	const struct admission_grant *g = &a->grant;

	if (!a->asked)
		return 0;
	if (put_gauges(out, g))
		return -1;
	if (g->refused < LIMIT_CONCURRENT)
		return 0;
	return buf_addf(out, "retry-after: %" PRId64 "\r\nretry-after-ms: %" PRId64 "\r\n",
	    (g->wait_ms + 999) / 1000, g->wait_ms);
}

struct admission_used
admit_used(const struct admit_order *o, const struct target *target, const struct usage *u)
{
	const struct price *p = target ? price_of(o, target) : NULL;

	return (struct admission_used){
		.tokens = sum(sum(u->input, u->cache_write), u->output),
		.nanousd = p && o->op == OP_MESSAGES ? price_cost(p, u) : 0,
	};
}

struct span
admit_limit(const struct admit *a)
{
	if (!a->asked)
		return (struct span){ 0 };
	return span_of(limits[a->grant.refused].name[a->grant.scope]);
}
