/* relay: see the header. What streams goes through stream, all else through here; the first failure
 * is latched and stops the transfer. */
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/num.h"
#include "front/watch.h"
#include "store/cooldowns.h"
#include "stream.h"
#include "upstream/signing.h"
#include "whole.h"
#include "wire/header.h"

/* How long the upstream's connection is read on after its last event, so that it can be kept. */
#define TAIL_MS	    250
#define FRAMED_TYPE "application/vnd.amazon.eventstream"

struct relay {
	struct gate *gate;
	struct transfer *transfer; /* made when first needed */
	int watch;		   /* the client and the cut, in one descriptor */
	struct hreq request;
	struct credential credential;
	struct stream stream;
	struct whole whole;

	/* Of one call. */
	const struct relay_order *order;
	struct outcome *out;
	int64_t forward_ms; /* when forwarding began */

	/* Of one target. */
	struct ask ask;
	const struct kind *kind;
	int status;
	char error_type[128];
	bool streaming; /* the answer is an event stream and goes out as it comes */
};

static int
fail(struct relay *r, enum fault f, const char *message)
{
	return outcome_fail(r->out, f, message);
}

static int
gone(struct relay *r)
{
	return outcome_gone(r->out);
}

static bool
is_good(const struct relay *r)
{
	return r->status >= 200 && r->status < 300;
}

/* Whether a stream comes, and in what form. */
static void
take_form(struct relay *r)
{
	struct span type = span_of(r->stream.content_type);
	bool wanted = is_good(r) && r->order->turn->stream;
	bool framed = wanted && r->kind->frame && header_is_type(type, SPAN(FRAMED_TYPE));

	r->streaming = framed || (wanted && header_is_type(type, SPAN(STREAM_TYPE)));
	if (framed)
		stream_take_form(&r->stream, STREAM_FRAMES);
	else if (r->streaming && r->kind->chat)
		stream_take_form(&r->stream, STREAM_CHUNKS);
}

/* A status of a fault that another upstream may not share, and that may be over soon. */
static bool
may_pass(int status)
{
	return status == 408 || status == 429 || status >= 500;
}

static int
on_head(void *arg, const struct transfer_head *head)
{
	struct relay *r = arg;

	errno = 0;
	r->status = head->status;
	r->out->first_ms = clock_mono_ms() - r->order->started_ms;
	memcpy(r->stream.content_type, head->content_type, sizeof(r->stream.content_type));
	memcpy(r->out->upstream_request_id, head->request_id, sizeof(r->out->upstream_request_id));
	buf_reset(&r->stream.lines, HOLD_KEEP);
	if (buf_add(&r->stream.lines, buf_span(&head->relay)))
		return fail(r, FAULT_UP_ANSWER, "The upstream's headers are too large.");
	if (!may_pass(r->status))
		cooldowns_good(r->order->era->cooldowns, r->out->target->upstream->name);
	if (head->encoded) {
		return fail(r, FAULT_UP_ANSWER,
		    "The upstream compressed its answer, which it was not asked to.");
	}
	take_form(r);
	memcpy(r->error_type, head->error_type, sizeof(r->error_type));
	whole_expect(&r->whole, is_good(r));
	return 0;
}

static int
on_data(void *arg, struct span bytes)
{
	struct relay *r = arg;

	errno = 0;
	if (r->streaming)
		return stream_feed(&r->stream, bytes);
	return whole_feed(&r->whole, bytes, r->out);
}

/* The time until the next thing that silence makes us do, having done what is due. -1: nothing. */
static int
keep_alive(struct relay *r, int64_t *wait_ms)
{
	const struct conf *c = r->order->era->conf;
	struct answer *a = r->order->answer;
	int64_t now = clock_mono_ms();
	int64_t due = a->begun ? r->stream.sent_ms + c->ping_ms : r->forward_ms + c->commit_ms;

	if (!r->order->turn->stream || (a->begun && c->ping_ms == 0))
		return 0;
	if (!a->begun && r->status > 0 && !r->streaming) /* what comes is an error: it can wait */
		return 0;
	if (now >= due) {
		if (!a->begun && stream_begin(&r->stream))
			return -1;
		if (answer_ping(a))
			return gone(r);
		r->stream.sent_ms = now;
		due = now + c->ping_ms;
		if (c->ping_ms == 0)
			return 0;
	}
	*wait_ms = due - now;
	return 0;
}

/* True when the client has left or calls must end now; the reason is latched. */
static bool
stopped(struct relay *r)
{
	struct answer *a = r->order->answer;
	enum watch_seen seen = watch_look(r->watch);

	if (seen == WATCH_NOTHING ||
	    r->stream.meter.closed) /* a client that has all of it may leave */
		return seen != WATCH_NOTHING;
	if (seen == WATCH_CUT && !a->seat->front->cut_means_gone) {
		(void)fail(r, FAULT_DRAINING, "");
	} else {
		a->gone = true;
		(void)gone(r);
	}
	return true;
}

static int
on_tick(void *arg, bool woken, int64_t *wait_ms)
{
	struct relay *r = arg;

	if (woken && stopped(r))
		return -1;
	if (r->stream.meter.closed) {
		int64_t left = r->stream.closed_ms + TAIL_MS - clock_mono_ms();

		*wait_ms = left;
		return left > 0 ? 0 : -1;
	}
	return keep_alive(r, wait_ms);
}

static const struct transfer_sink sink = { .head = on_head, .data = on_data, .tick = on_tick };

static void
pass_whole(struct relay *r)
{
	struct whole_facts f = { .ask = &r->ask,
		.kind = r->kind,
		.answer = r->order->answer,
		.out = r->out,
		.status = r->status,
		.content_type = r->stream.content_type,
		.error_type = r->error_type,
		.lines = &r->stream.lines };

	whole_pass(&r->whole, &f);
}

/* What the end of the transfer means, once nothing was latched before. */
static void
conclude(struct relay *r, enum fault f, const char *reason)
{
	errno = 0;
	if (r->out->refusal.fault || (r->streaming && !f && stream_end(&r->stream)))
		return;
	if (r->stream.meter.closed) {
		r->out->counted = true;
		return;
	}
	if (f && !(r->status >= 400 && f == FAULT_UP_CUT)) {
		log_warn("upstream", "request_id=%s upstream=%s fault=%s what=\"%s\"",
		    r->order->answer->request_id, r->out->target->upstream->name,
		    fault_row(f)->name, reason);
		(void)fail(r, f, "");
		return;
	}
	if (r->streaming) {
		(void)fail(r, FAULT_UP_CUT,
		    "The upstream ended its stream before the message was complete.");
		return;
	}
	pass_whole(r);
}

static void
start_target(struct relay *r, const struct target *target)
{
	struct outcome *out = r->out;

	out->target = target;
	out->refusal = (struct refusal){ 0 };
	out->refusal_lines = (struct span){ 0 };
	out->usage = (struct usage){ 0 };
	r->kind = parts_kind(gate_parts(r->gate), span_of(target->upstream->kind));
	r->status = 0;
	r->error_type[0] = '\0';
	r->streaming = false;
	stream_target(&r->stream, &r->ask, r->kind, r->order->era->conf->state);
	r->stream.retelling.wants_usage |= r->order->era->conf->envelope_usage;
	whole_begin(&r->whole, r->order->era->conf->state);
}

/* Lets the kind make its request, and signs it where that is how it gets in. */
static int
make_request(struct relay *r)
{
	struct ask *ask = &r->ask;
	const struct conf_upstream *u = ask->target->upstream;
	char quoted[LOG_VALUE_LEN];
	enum fault f = FAULT_NONE;

	if (r->kind->reads_body && spool_view(r->order->body, &ask->body))
		return fail(r, FAULT_INTERNAL, "");
	errno = 0;
	f = r->kind->request(ask, &r->request, &r->out->refusal);
	if (!f && !buf_str(&r->request.url))
		f = FAULT_HEADERS;
	if (fault_in_truth(f) != f)
		r->out->refusal = (struct refusal){ .fault = FAULT_INTERNAL };
	spool_unview(r->order->body);
	ask->body = (struct span){ 0 };
	if (f)
		return fail(r, f, "");
	if (r->credential.access_key_id.len > 0 &&
	    signing_add(&r->request, r->order->body, u, &r->credential, clock_wall_ms() / 1000))
		return fail(r, FAULT_INTERNAL, "");
	if (r->request.dropped.len > 0)
		log_warn("beta", "request_id=%s upstream=%s dropped=%s",
		    r->order->answer->request_id, u->name,
		    log_value(buf_span(&r->request.dropped), quoted));
	return 0;
}

/* Makes the transfer when it is first needed. */
static int
need_transfer(struct relay *r, struct transfer_shared *shared)
{
	if (!r->transfer)
		r->transfer = transfer_open(shared);
	return r->transfer ? 0 : fail(r, FAULT_INTERNAL, "");
}

static int
take_credential(struct relay *r)
{
	if (credentials_get(r->order->era->credentials, r->ask.target->upstream,
		clock_wall_ms() / 1000, &r->credential))
		return errno == EMFILE
		    ? fail(r, FAULT_BUSY, "")
		    : fail(r, FAULT_CONFIG, "The gate has no credential for its upstream.");
	r->ask.secret = buf_span(&r->credential.secret);
	return 0;
}

static void
ask_upstream(struct relay *r)
{
	const struct relay_order *o = r->order;
	const struct conf *c = o->era->conf;
	struct transfer_order order = { .request = &r->request,
		.ca_file = r->ask.target->upstream->ca_file,
		.body = o->body,
		.connect_ms = c->connect_ms,
		.first_ms = c->first_ms,
		.idle_ms = c->idle_ms,
		.watch_fd = r->watch };
	struct transfer_shared *shared;
	char reason[MESSAGE_MAX];
	enum fault f;

	/* libcurl's global state is there from here on, for whoever fetches a credential; the
	 * descriptors of a transfer come last, since they stay. */
	shared = gate_shared(r->gate);
	if (!shared) {
		(void)fail(r, FAULT_INTERNAL, "");
		return;
	}
	if (take_credential(r) || need_transfer(r, shared) || make_request(r))
		return;
	f = transfer_run(r->transfer, &order, &sink, r, reason);
	conclude(r, f, reason);
}

/* Waits between two events of a built-in answer as if an upstream were thinking. -1 when the call
 * is to stop. */
static int
pace(struct relay *r, int64_t pace_ms)
{
	int64_t until = clock_mono_ms() + pace_ms;

	for (;;) {
		struct pollfd fd = { .fd = r->watch, .events = POLLIN };
		int64_t left = until - clock_mono_ms();
		int64_t wait_ms = -1;

		if (left <= 0)
			return 0;
		if (on_tick(r, false, &wait_ms))
			return -1;
		wait_ms = wait_ms >= 0 && wait_ms < left ? wait_ms : left;
		if (poll(&fd, 1, (int)wait_ms) > 0 && on_tick(r, true, &wait_ms))
			return -1;
	}
}

/* Event by event, so that pace and cancellation work as with a real upstream. */
static int
feed_answer(struct relay *r, struct span answer, int64_t pace_ms)
{
	struct sse cutter = { 0 };
	struct sse_event ev;

	if (!r->streaming)
		return pace(r, pace_ms) || on_data(r, answer);
	while (sse_next(&cutter, answer, &ev)) {
		if (pace(r, pace_ms) || on_data(r, ev.raw))
			return -1;
		answer = span_cut(answer, ev.raw.n, answer.n);
	}
	return 0;
}

static void
ask_built_in(struct relay *r)
{
	struct transfer_head head = { .status = 200, .relay = buf_make(0) };
	struct buf answer = buf_make(ANSWER_MAX);
	struct span body;

	(void)snprintf(head.content_type, sizeof(head.content_type), "%s",
	    r->order->turn->stream ? STREAM_TYPE "; charset=utf-8" : "application/json");
	if (spool_view(r->order->body, &body) || r->kind->answer(&r->ask, body, &answer))
		(void)fail(r, FAULT_INTERNAL, "");
	else if (on_head(r, &head) == 0 &&
	    feed_answer(r, buf_span(&answer), r->ask.target->upstream->pace_ms) == 0)
		conclude(r, FAULT_NONE, "");
	spool_unview(r->order->body);
	buf_free(&answer);
}

static void
try_target(struct relay *r, const struct target *target)
{
	const struct relay_order *o = r->order;

	r->ask = (struct ask){ .target = target,
		.turn = o->turn,
		.op = o->op,
		.query = o->query,
		.params = o->params,
		.request_id = span_of(o->answer->request_id),
		.input_estimate = o->input_estimate };
	start_target(r, target);
	if (r->kind->answer)
		ask_built_in(r);
	else
		ask_upstream(r);
	hreq_clear(&r->request);
	credential_clear(&r->credential);
}

/* A refusal that speaks of our own account: its credential, or what it may use. */
static bool
of_account(const struct refusal *refusal)
{
	return refusal->fault == FAULT_UP_CREDENTIAL ||
	    (refusal->fault == FAULT_UP_ERROR && refusal->status == 403);
}

/* A refusal that another upstream may not share. */
static bool
worth_another(const struct refusal *refusal)
{
	int status = refusal_status(refusal);

	if (refusal->fault == FAULT_UP_ERROR)
		return may_pass(status) || of_account(refusal);
	return fault_row(refusal->fault)->next_target;
}

/* Notes that the target failed, and how: for this call, and for others where it is the upstream's
 * fault. */
static void
note_failure(struct relay *r)
{
	const struct era *era = r->order->era;
	int64_t retry_after_ms =
	    header_retry_after(buf_span(&r->stream.lines), clock_wall_ms() / 1000);
	const struct refusal *refusal = &r->out->refusal;
	const char *name = r->out->target->upstream->name;
	const char *how = fault_row(refusal->fault)->name;
	bool settled = of_account(refusal) || refusal->fault == FAULT_CONFIG;
	int status = refusal_status(refusal);
	char text[NUM_U64_LEN + 1];

	log_warn("target", "request_id=%s upstream=%s fault=%s status=%d",
	    r->order->answer->request_id, name, how, status);
	if (refusal->fault == FAULT_UP_ERROR) {
		(void)snprintf(text, sizeof(text), "%d", status);
		how = text;
	}
	attempts_failed(&r->out->attempts, name, how, !settled, retry_after_ms);
	if (!settled)
		cooldowns_failed(
		    era->cooldowns, name, clock_mono_ms(), retry_after_ms, era->conf->cooldown_ms);
}

/* Asks one target. True when that is the end of it. */
static bool
is_last(struct relay *r, const struct target *target)
{
	const struct refusal *refusal = &r->out->refusal;

	try_target(r, target);
	if (of_account(refusal))
		log_error("credential",
		    "upstream=%s what=\"the upstream refuses the credential of the configuration\"",
		    target->upstream->name);
	if (!refusal->fault || r->order->answer->begun || !worth_another(refusal))
		return true;
	note_failure(r);
	return false;
}

/* Asks target after target, those that rest last. True when that is the end of it. */
static bool
try_targets(struct relay *r)
{
	const struct route *route = r->order->route;
	struct cooldowns *cooldowns = r->order->era->cooldowns;
	bool rests[TARGETS_MAX] = { false };

	for (size_t i = 0; i < route->n; i++) {
		const char *name = route->targets[i].upstream->name;

		rests[i] = route->n > 1 &&
		    cooldowns_look(cooldowns, name, clock_mono_ms()) == COOLDOWN_RESTS;
		if (rests[i])
			attempts_failed(&r->out->attempts, name, "rests", false, -1);
		else if (is_last(r, &route->targets[i]))
			return true;
	}
	for (size_t i = 0; i < route->n; i++)
		if (rests[i] && is_last(r, &route->targets[i]))
			return true;
	return false;
}

/* Waits before all targets are tried again. False when they are not to be; the last refusal stands,
 * or why the wait ended. */
static bool
rest(struct relay *r)
{
	struct attempts *a = &r->out->attempts;
	int64_t wait_ms;
	uint64_t random;

	if (hash_random(&random, sizeof(random)))
		random = (uint64_t)r->forward_ms;
	wait_ms = attempts_wait(a, clock_mono_ms(), random);
	if (wait_ms < 0) {
		r->out->refusal.no_retry = r->out->refusal.no_retry || !a->again;
		return false;
	}
	/* Nobody answers now. */
	r->status = 0;
	r->streaming = false;
	r->out->refusal = (struct refusal){ 0 };
	return pace(r, wait_ms) == 0;
}

/* Once a stream commits there are no more tries. */
static void
begin_attempts(struct relay *r)
{
	const struct conf *c = r->order->era->conf;
	bool sooner = r->order->turn->stream && c->commit_ms < c->retry_ms;

	attempts_begin(&r->out->attempts, r->forward_ms, sooner ? c->commit_ms : c->retry_ms);
}

void
relay_forward(struct relay *r, const struct relay_order *order, struct outcome *out)
{
	int client = watch_add(r->watch, order->answer->seat);

	*out = (struct outcome){ .first_ms = -1 };
	r->order = order;
	r->out = out;
	stream_call(&r->stream, order->answer, out);
	r->forward_ms = r->stream.sent_ms;
	begin_attempts(r);
	while (!try_targets(r) && rest(r))
		;
	if (r->streaming)
		out->estimated = stream_reckons(&r->stream, &out->usage);
	out->begun = order->answer->begun;
	watch_remove(r->watch, client);
}

struct relay *
relay_open(struct gate *g)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->gate = g;
	r->watch = watch_open(gate_cut_fd(g));
	if (r->watch < 0) {
		free(r);
		return NULL;
	}
	hreq_init(&r->request);
	credential_init(&r->credential);
	stream_init(&r->stream);
	whole_init(&r->whole);
	return r;
}

void
relay_rest(struct relay *r)
{
	stream_rest(&r->stream);
	whole_rest(&r->whole);
}

void
relay_close(struct relay *r)
{
	if (!r)
		return;
	transfer_close(r->transfer);
	(void)close(r->watch);
	hreq_free(&r->request);
	credential_clear(&r->credential);
	stream_free(&r->stream);
	whole_free(&r->whole);
	free(r);
}
