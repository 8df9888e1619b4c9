/* call: only this file knows the order of the steps. Each reads what earlier ones wrote and writes
 * its own part; none calls another; the first fault ends the walk, and the end is the same for all:
 * refuse, settle, finish, log, clear. */
#include "call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admit.h"
#include "answer.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "dialect/models.h"
#include "intake.h"
#include "policy/ledger.h"
#include "receipt.h"
#include "relay.h"
#include "who.h"
#include "wire/header.h"

#define HEALTH_TEXT SPAN("ok\n")
#define KNOCK_TEXT  SPAN("postern\n")

/* What the head says. */
struct call_head {
	const char *method;
	struct span path, query;
	struct surface_match match;
	const struct call_row *row;
	struct span region;
};

struct call {
	struct gate *gate;
	const struct front *front;
	struct front_seat *seat;
	struct relay *relay;
	struct answer answer;
	struct buf text;  /* ledger lines and listings */
	struct buf lines; /* header lines on limits */
	int64_t started_ms;
	struct era *era;
	bool accepted; /* there is a request to finish */

	/* Of one request, a step's part each. */
	struct call_head head;
	struct who who;
	struct spool body;
	struct turn turn;
	struct route route;
	struct admit_order order;
	struct admit admit;
	struct outcome result;
	struct refusal refusal;
	struct receipt receipt;
	struct store_booking booking;
};

typedef enum fault call_step(struct call *c);

/* What an operation is: its methods, its steps behind the head, and whether it is booked. */
struct call_row {
	const char *methods; /* as the Allow header lists them */
	call_step *const *steps;
	bool booked;
};

static const char *
param(struct call *c, const char *name)
{
	const char *value = c->front->param(c->seat, name);

	return value ? value : "";
}

static bool
allows_method(const char *methods, const char *method)
{
	struct span rest = span_of(methods);
	struct span one;

	while (span_next(&rest, ',', &one))
		if (span_eq(one, span_of(method)))
			return true;
	return false;
}

static const struct call_row *row_of(enum op op);

/* Which path, and whether it takes this method. */
static enum fault
step_head(struct call *c)
{
	struct call_head *h = &c->head;

	h->method = param(c, "REQUEST_METHOD");
	h->path = surface_path(
	    span_of(param(c, "REQUEST_URI")), span_of(param(c, "SCRIPT_NAME")), &h->query);
	c->answer.headless = strcmp(h->method, "HEAD") == 0;
	if (surface_find(gate_parts(c->gate)->surfaces, h->path, &h->match)) {
		refusal_set(&c->refusal, FAULT_NOT_FOUND, "Nothing is served at this path.");
		return FAULT_NOT_FOUND;
	}
	h->row = row_of(h->match.surface->op);
	c->answer.dialect = h->match.surface->dialect;
	if (!allows_method(h->row->methods, h->method)) {
		refusal_set(&c->refusal, FAULT_METHOD, "This path takes %s.", h->row->methods);
		return FAULT_METHOD;
	}
	return FAULT_NONE;
}

/* The configuration that this call keeps to its end. */
static enum fault
step_era(struct call *c)
{
	c->era = gate_enter(c->gate);
	if (!c->era) {
		refusal_set(&c->refusal, FAULT_CONFIG,
		    "The gate's configuration cannot be used; its log says why.");
		return FAULT_CONFIG;
	}
	/* The front has the usual patience by itself. */
	if (c->front->patience && c->era->conf->write_idle_ms != FRONT_WRITE_MS)
		c->front->patience(c->seat, c->era->conf->write_idle_ms);
	c->head.region =
	    c->head.match.region.p ? c->head.match.region : span_of(c->era->conf->default_region);
	return FAULT_NONE;
}

static enum fault
step_authenticate(struct call *c)
{
	enum fault f = who_find(&c->who, c->era, c->seat, c->answer.request_id);

	if (f != FAULT_WRONG_KEYS)
		return f;
	buf_reset(&c->lines, HOLD_KEEP);
	if (buf_addf(&c->lines, "retry-after: %" PRId64 "\r\n", (c->who.wait_ms + 999) / 1000))
		return FAULT_INTERNAL;
	c->answer.always = buf_span(&c->lines);
	c->refusal.no_retry = true;
	return f;
}

static enum fault
step_body(struct call *c)
{
	struct intake in = { .seat = c->seat,
		.conf = c->era->conf,
		.request_id = c->answer.request_id,
		.started_ms = c->started_ms };

	return intake_body(&in, &c->body, &c->refusal);
}

/* The client is not told that it did wrong where memory was out. */
static enum fault
in_truth(struct call *c, enum fault f)
{
	enum fault truth = fault_in_truth(f);

	if (truth != f)
		c->refusal = (struct refusal){ 0 };
	return truth;
}

static enum fault
step_parse(struct call *c)
{
	struct span bytes;
	enum fault f;

	if (spool_view(&c->body, &bytes))
		return FAULT_INTERNAL;
	errno = 0;
	f = in_truth(
	    c, c->answer.dialect->parse(bytes, c->head.match.surface->op, &c->turn, &c->refusal));
	if (!f)
		c->order.estimate = estimate_input(bytes);
	spool_unview(&c->body);
	return f;
}

static struct route_who
models_of(const struct call *c)
{
	return (struct route_who){ c->who.key.models, c->who.workspace };
}

/* Why a model cannot be had here: it may be elsewhere. */
static void
refuse_model(struct call *c, enum fault f, const char *model, const struct route_who *who)
{
	const char *elsewhere;

	buf_reset(&c->text, HOLD_KEEP);
	if (f == FAULT_MODEL_UNKNOWN &&
	    route_regions(c->era->conf, span_of(model), who, &c->text) == 0 && c->text.len > 0 &&
	    (elsewhere = buf_str(&c->text)))
		refusal_set(&c->refusal, f, "model: %s is not in region %.*s; it is in %s", model,
		    (int)c->head.region.n, c->head.region.p, elsewhere);
	else
		refusal_set(&c->refusal, f, "model: %s%s", model,
		    f == FAULT_MODEL_FORBIDDEN ? " is not allowed for this key" : "");
}

static void
draw_route(struct call *c)
{
	uint64_t seed;

	if (c->route.n > 1 && c->route.weighed && hash_random(&seed, sizeof(seed)) == 0)
		route_draw(&c->route, seed);
}

/* What is known to one account only stays with the first target that may have it, always the same
 * one (messages-api.md 2). */
static enum fault
bind_route(struct call *c)
{
	struct route *r = &c->route;
	size_t i = 0;

	if (!c->turn.threaded && !c->turn.bound) {
		draw_route(c);
		return FAULT_NONE;
	}
	while (i < r->n &&
	    !parts_kind(gate_parts(c->gate), span_of(r->targets[i].upstream->kind))->bound)
		i++;
	if (i == r->n && c->turn.threaded) {
		refusal_set(&c->refusal, FAULT_BAD_REQUEST,
		    "thread: the upstream of this model has no threads");
		c->refusal.error_code = "thread_unsupported_request";
		return FAULT_BAD_REQUEST;
	}
	r->targets[0] = r->targets[i < r->n ? i : 0];
	r->n = 1;
	return FAULT_NONE;
}

static enum fault
step_route(struct call *c)
{
	struct route_who who = models_of(c);
	enum fault f =
	    route_find(c->era->conf, c->head.region, span_of(c->turn.model), &who, &c->route);

	if (!f)
		return bind_route(c);
	refuse_model(c, f, c->turn.model, &who);
	return f;
}

static enum fault
step_admit(struct call *c)
{
	struct admit_order *o = &c->order;
	enum fault f;

	o->era = c->era;
	o->who = &c->who;
	o->turn = &c->turn;
	o->route = &c->route;
	o->op = c->head.match.surface->op;
	o->request_id = c->answer.request_id;
	f = admit_call(&c->admit, o, &c->refusal);
	buf_reset(&c->lines, HOLD_KEEP);
	if (admit_lines(&c->admit, &c->lines))
		return FAULT_INTERNAL;
	c->answer.always = buf_span(&c->lines);
	return f;
}

static enum fault
step_forward(struct call *c)
{
	struct relay_order order = { .era = c->era,
		.route = &c->route,
		.turn = &c->turn,
		.op = c->head.match.surface->op,
		.query = c->head.query,
		.params = c->front->params(c->seat),
		.body = &c->body,
		.answer = &c->answer,
		.input_estimate = c->order.estimate.likely,
		.started_ms = c->started_ms };

	relay_forward(c->relay, &order, &c->result);
	c->refusal = c->result.refusal;
	return c->refusal.fault;
}

static enum fault
answer_json(struct call *c, int failed)
{
	if (failed)
		return FAULT_INTERNAL;
	return answer_whole(&c->answer, 200, SPAN("application/json"), (struct span){ 0 },
		   buf_span(&c->text))
	    ? answer_unsent(&c->answer)
	    : FAULT_NONE;
}

static enum fault
step_models(struct call *c)
{
	struct models_query query = {
		.conf = c->era->conf, .region = c->head.region, .who = models_of(c)
	};

	if (!route_is_region(c->era->conf, c->head.region)) {
		refusal_set(&c->refusal, FAULT_NOT_FOUND, "region: %.*s is none of this gate's",
		    (int)c->head.region.n, c->head.region.p);
		return FAULT_NOT_FOUND;
	}
	if (models_query_parse(&query, c->head.query, &c->refusal))
		return FAULT_BAD_REQUEST;
	return answer_json(c, models_list(&query, &c->text));
}

static enum fault
step_model(struct call *c)
{
	struct models_query query = {
		.conf = c->era->conf, .region = c->head.region, .who = models_of(c)
	};
	char id[PATH_MAX_LEN + 1];

	if (c->head.match.id.n > PATH_MAX_LEN || header_unescape(c->head.match.id, id)) {
		refusal_set(&c->refusal, FAULT_NOT_FOUND, "model: not a name");
		return FAULT_NOT_FOUND;
	}
	switch (models_one(&query, span_of(id), &c->text)) {
	case MODELS_FOUND:
		return answer_json(c, 0);
	case MODELS_UNKNOWN:
		if (conf_model(c->era->conf, span_of(id)) && route_allows(&query.who, span_of(id)))
			refuse_model(c, FAULT_MODEL_UNKNOWN, id, &query.who);
		else
			refusal_set(
			    &c->refusal, FAULT_MODEL_UNKNOWN, "model: %.*s", (int)MODEL_MAX, id);
		return FAULT_MODEL_UNKNOWN;
	default:
		return FAULT_INTERNAL;
	}
}

static enum fault
answer_text(struct call *c, int status, struct span text)
{
	return answer_whole(
		   &c->answer, status, SPAN("text/plain; charset=utf-8"), (struct span){ 0 }, text)
	    ? answer_unsent(&c->answer)
	    : FAULT_NONE;
}

/* Asked by load balancers and by people: never a secret, but the reason. */
static enum fault
step_health(struct call *c)
{
	const char *why = "the configuration cannot be used; the log says why\n";
	struct era *e = gate_enter(c->gate);
	bool good = false;

	if (e) {
		why = "the state folder cannot be used; the log says why\n";
		good = e->store && e->store->kind->probe(e->store, &why) == STORE_OK;
		gate_leave(c->gate, e);
	}
	return answer_text(c, good ? 200 : 503, good ? HEALTH_TEXT : span_of(why));
}

static enum fault
step_knock(struct call *c)
{
	return answer_text(c, 200, KNOCK_TEXT);
}

static call_step *const turn_steps[] = { step_era, step_authenticate, step_body, step_parse,
	step_route, step_admit, step_forward, NULL };
static call_step *const models_steps[] = { step_era, step_authenticate, step_models, NULL };
static call_step *const model_steps[] = { step_era, step_authenticate, step_model, NULL };
static call_step *const health_steps[] = { step_health, NULL };
static call_step *const knock_steps[] = { step_knock, NULL };

static const struct call_row rows[] = {
	[OP_MESSAGES] = { "POST", turn_steps, true },
	[OP_COUNT_TOKENS] = { "POST", turn_steps, true },
	[OP_MODELS] = { "GET, HEAD", models_steps, false },
	[OP_MODEL] = { "GET, HEAD", model_steps, false },
	[OP_HEALTH] = { "GET, HEAD", health_steps, false },
	[OP_KNOCK] = { "GET, HEAD", knock_steps, false },
};
_Static_assert(sizeof(rows) / sizeof(*rows) == OP_COUNT, "a row for every operation");

static const struct call_row *
row_of(enum op op)
{
	return &rows[op];
}

/* Header lines of ours that go with a refusal; those of the upstream come first and only with its
 * own error. */
static int
refusal_lines(struct call *c)
{
	struct buf *t = &c->text;
	const struct refusal *r = &c->refusal;

	buf_reset(t, HOLD_KEEP);
	if (c->result.refusal_lines.n > 0 && r->fault == FAULT_UP_ERROR &&
	    buf_add(t, c->result.refusal_lines))
		return -1;
	if (outcome_put_tried(&c->result, t))
		return -1;
	if (r->fault == FAULT_METHOD && buf_addf(t, "Allow: %s\r\n", c->head.row->methods))
		return -1;
	if ((r->fault == FAULT_BUSY || r->fault == FAULT_DRAINING ||
		r->fault == FAULT_STORE_AWAY) &&
	    buf_add(t, SPAN("retry-after: 1\r\n")))
		return -1;
	if (header_find(buf_span(t), SPAN("x-should-retry")).p)
		return 0;
	/* Another try with the same key would not help; without a word clients back off for
	 * minutes. */
	return r->no_retry || fault_row(r->fault)->status == 401
	    ? buf_add(t, SPAN("x-should-retry: false\r\n"))
	    : 0;
}

static void
refuse(struct call *c)
{
	if (c->refusal.fault == FAULT_NONE || c->refusal.fault == FAULT_CLIENT_GONE ||
	    c->answer.gone || c->result.told)
		return;
	if (!c->answer.begun)
		c->front->drain(c->seat);
	/* Lines for which there is no memory are left out. */
	(void)!refusal_lines(c);
	if (answer_refuse(&c->answer, &c->refusal, buf_span(&c->text)))
		c->answer.gone = true;
}

/* Keeps what the front forgets when the request is finished. */
static void
note(struct call *c)
{
	struct receipt_facts f = { .answer = &c->answer,
		.who = &c->who,
		.turn = &c->turn,
		.admit = &c->admit,
		.result = &c->result,
		.surface = c->head.match.surface,
		.fault = c->refusal.fault,
		.routed = c->route.n > 0,
		.started_ms = c->started_ms };

	receipt_fill(&c->receipt, &f);
	receipt_request(
	    &c->receipt, span_of(param(c, "REMOTE_ADDR")), span_of(c->head.method), c->head.path);
}

/* One ledger line per call of a known key that asks a model. */
static void
settle(struct call *c)
{
	struct ledger_entry *e = &c->receipt.entry;
	struct store_booking *b = &c->booking;
	struct store *s;

	if (!c->who.known || !c->head.row || !c->head.row->booked)
		return;
	s = c->era->store;
	b->ask = &c->admit.ask;
	b->grant = &c->admit.grant;
	if (c->admit.grant.held)
		b->used = admit_used(&c->order, c->result.target, &e->usage);
	e->cost_nanousd = b->used.nanousd;
	buf_reset(&c->text, HOLD_KEEP);
	if (ledger_format(e, &c->text) == 0) {
		b->line = buf_span(&c->text);
		if (s->kind->settle(s, b) == STORE_OK)
			return;
	}
	log_error(
	    "ledger", "request_id=%s what=\"the call could not be booked\"", c->answer.request_id);
}

/* Leaves nothing of a request behind but memory for the next one. */
static void
call_clear(struct call *c)
{
	if (c->era) {
		gate_leave(c->gate, c->era);
		c->era = NULL;
	}
	relay_rest(c->relay);
	spool_clear(&c->body, HOLD_KEEP);
	buf_reset(&c->text, HOLD_KEEP);
	answer_rest(&c->answer);
	who_reset(&c->who);
	c->head = (struct call_head){ .method = "" };
	c->turn = (struct turn){ 0 };
	c->route.n = 0;
	c->order = (struct admit_order){ 0 };
	c->admit = (struct admit){ 0 };
	c->booking = (struct store_booking){ 0 };
	c->result = (struct outcome){ .first_ms = -1 };
	c->refusal = (struct refusal){ 0 };
}

/* Sees to it that a call can be refused and settled, however little memory there will be. -1: there
 * is too little now. */
static int
reserve(struct call *c)
{
	char *at;

	return buf_room(&c->text, ANSWER_RESERVE, &at) || answer_reserve(&c->answer) ? -1 : 0;
}

static void
walk(struct call *c, bool busy)
{
	enum fault f = step_head(c);

	if (!f && busy && c->head.row->steps[0] == step_era) /* knocks and health cost nothing */
		f = FAULT_BUSY;
	for (size_t i = 0; !f && c->head.row->steps[i]; i++)
		f = c->head.row->steps[i](c);
	c->refusal.fault = f;
}

static int
make_request_id(struct answer *a)
{
	memcpy(a->request_id, "req_", 4);
	return hash_random_id(a->request_id + 4, REQUEST_ID_LEN - 4);
}

void
call_run(struct call *c, int fd, bool busy)
{
	c->accepted = c->front->accept(c->seat, fd) == 0;
	if (!c->accepted)
		return;
	c->started_ms = clock_mono_ms();
	c->answer.dialect = gate_parts(c->gate)->surfaces->dialect;
	if (make_request_id(&c->answer)) {
		log_error("random", "what=\"the system gives no random bytes\"");
		(void)snprintf(c->answer.request_id, sizeof(c->answer.request_id), "req_unknown");
	}
	walk(c, busy);
	refuse(c);
	note(c);
	settle(c);
}

enum front_rest
call_finish(struct call *c, int *fd)
{
	return c->accepted ? c->front->finish(c->seat, fd) : FRONT_CLOSED;
}

void
call_book(struct call *c)
{
	if (c->booking.seq > 0 && c->era->store->kind->follow)
		c->era->store->kind->follow(c->era->store, &c->booking);
	if (c->accepted)
		receipt_log(&c->receipt);
	call_clear(c);
	(void)!reserve(c);
}

struct call *
call_open(struct gate *g, const struct front *front)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->gate = g;
	c->front = front;
	answer_init(&c->answer);
	c->text = buf_make(CONF_FILE_MAX);
	c->lines = buf_make(HEAD_MAX / 4);
	c->who.line = buf_make(KEY_LINE_MAX);
	spool_init(&c->body, NULL, 0);
	c->seat = front->open();
	c->relay = relay_open(g);
	if (!c->seat || !c->relay || reserve(c)) {
		call_close(c);
		return NULL;
	}
	c->answer.seat = c->seat;
	call_clear(c);
	return c;
}

void
call_close(struct call *c)
{
	if (!c)
		return;
	if (c->seat)
		c->front->close(c->seat);
	relay_close(c->relay);
	spool_clear(&c->body, 0);
	buf_free(&c->who.line);
	buf_free(&c->text);
	buf_free(&c->lines);
	answer_free(&c->answer);
	free(c);
}
