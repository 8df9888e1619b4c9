/* relay: bytes run one way, upstream -> decoder -> kind -> meter -> client. The first failure is
 * latched and stops the transfer. Only whole events go out, so that a ping or an error of ours
 * never lands inside one. */
#include "relay.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "framing.h"
#include "front/watch.h"
#include "upstream/meter.h"
#include "upstream/signing.h"
#include "wire/header.h"

/* How long the upstream's connection is read on after its last event, so that it can be kept. */
#define TAIL_MS	     250
#define STREAM_TYPE  "text/event-stream"
#define FRAMED_TYPE  "application/vnd.amazon.eventstream"
#define STREAM_LINES "cache-control: no-cache\r\nx-accel-buffering: no\r\n"

struct relay {
	struct gate *gate;
	struct transfer *transfer; /* made when first needed */
	int watch;		   /* the client and the cut, in one descriptor */
	struct hreq request;
	struct credential credential;
	struct framing framing;
	struct buf edited;  /* an event, or a whole answer, that the kind has changed */
	struct buf hold;    /* the beginning of an event whose end has not come yet */
	struct buf joined;  /* the data of an event that came in several lines */
	struct spool whole; /* an answer that is no stream */
	struct buf lines;   /* header lines that go with the answer */

	/* Of one call. */
	const struct relay_order *order;
	struct relay_result *out;
	int64_t forward_ms; /* when forwarding began */
	int64_t sent_ms;    /* when the client was last sent anything */

	/* Of one target. */
	struct ask ask;
	const struct kind *kind;
	struct sse sse;
	int status;
	char content_type[128];
	char error_type[128];
	bool streaming; /* the answer is an event stream and goes out as it comes */
	bool framed;	/* its events are in frames */
	struct meter meter;
	int64_t closed_ms; /* when message_stop came */
};

static int
fail(struct relay *r, enum fault f, const char *message)
{
	if (r->out->refusal.fault == FAULT_NONE)
		refusal_set(&r->out->refusal, f, "%s", message);
	return -1;
}

static int
gone(struct relay *r)
{
	return fail(r, FAULT_CLIENT_GONE, "");
}

/* Sends status and headers of a stream. */
static int
begin_stream(struct relay *r)
{
	const char *type =
	    r->content_type[0] && r->streaming ? r->content_type : STREAM_TYPE "; charset=utf-8";

	if (buf_add(&r->lines, SPAN(STREAM_LINES)))
		return fail(r, FAULT_INTERNAL, "");
	return answer_begin(r->order->answer, 200, span_of(type), buf_span(&r->lines)) ? gone(r)
										       : 0;
}

static int
send_bytes(struct relay *r, struct span bytes)
{
	if (bytes.n == 0)
		return 0;
	if (!r->order->answer->begun && begin_stream(r))
		return -1;
	return answer_write(r->order->answer, bytes) ? gone(r) : 0;
}

static int
send_name(struct relay *r, struct span name)
{
	return send_bytes(r, SPAN("event: ")) || send_bytes(r, name) || send_bytes(r, SPAN("\n"));
}

/* Sends an error event of the upstream on as it is: it is the explicit end that the client is owed.
 */
static int
pass_error(struct relay *r, const struct sse_event *ev)
{
	if ((ev->name.n == 0 && send_name(r, SPAN("error"))) || send_bytes(r, ev->raw) ||
	    answer_flush(r->order->answer))
		return gone(r);
	r->out->told = true;
	return -1;
}

/* An error event before the message has begun can still become a status, or go to the next target;
 * later it is passed on, unless it speaks of our credential. */
static int
on_error_event(struct relay *r, const struct sse_event *ev, struct span data)
{
	struct refusal *refusal = &r->out->refusal;

	spool_clear(&r->whole, HOLD_KEEP);
	if (spool_add(&r->whole, data) != SPOOL_OK || spool_view(&r->whole, &data))
		return fail(r, FAULT_UP_ANSWER, "The upstream's error is too large.");
	r->kind->refusal(&(struct complaint){ .status = 200, .body = data }, refusal);
	r->out->refusal_lines = buf_span(&r->lines);
	/* What came in frames is no event of the API's yet: it has no request id. */
	if ((r->order->answer->begun || r->meter.opened) && refusal->body.p && !r->framed)
		return pass_error(r, ev);
	return -1;
}

/* What becomes of an event. */
enum pass { PASS_ON, PASS_DROP, PASS_NAMED, PASS_EDITED, PASS_ERROR, PASS_STOP };

/* The data of an event, put together when it came in several lines. -1: it is too large. */
static int
data_of(struct relay *r, const struct sse_event *ev, struct span *data)
{
	*data = ev->data;
	if (!ev->split)
		return 0;
	buf_reset(&r->joined, HOLD_KEEP);
	if (sse_join(ev->raw, &r->joined))
		return fail(r, FAULT_UP_ANSWER, "The upstream sent an event that is too large.");
	*data = buf_span(&r->joined);
	return 0;
}

/* Meters an event and says once when blocks are out of order. */
static int
meter(struct relay *r, const struct event *what, struct span data)
{
	bool odd = r->meter.odd;
	const char *why = meter_event(&r->meter, what, data, &r->out->usage);

	if (r->meter.odd && !odd)
		log_warn("grammar",
		    "request_id=%s upstream=%s what=\"content blocks out of order\"",
		    r->order->answer->request_id, r->out->target->upstream->name);
	return why ? fail(r, FAULT_UP_ANSWER, why) : 0;
}

/* Looks at one event: checks and meters it and says what becomes of it. */
static enum pass
judge_event(struct relay *r, const struct sse_event *ev, const struct event *what, struct span data)
{
	if (what->type == EVENT_ERROR)
		return PASS_ERROR;
	if (what->type == EVENT_PING || what->type == EVENT_NOTHING) {
		if (!r->order->answer->begun && !r->meter.opened)
			return PASS_DROP;
	} else if (meter(r, what, data)) {
		return PASS_STOP;
	}
	if (what->type == EVENT_NOTHING)
		return PASS_ON;
	r->sent_ms = clock_mono_ms(); /* comments do not count: clients' timers do not see them */
	if (what->type == EVENT_MESSAGE_STOP)
		r->closed_ms = r->sent_ms;
	if (ev->name.n > 0)
		return PASS_ON;
	/* Without its name the SDKs would not see the event; one that has none to give (`[DONE]`)
	 * is not of this API. */
	return what->type_name.n > 0 ? PASS_NAMED : PASS_DROP;
}

/* Sends what the kind has made of an event in its place. */
static int
send_edited(struct relay *r, const struct sse_event *ev, const struct event *what)
{
	if (send_name(r, ev->name.n > 0 ? ev->name : what->type_name) ||
	    send_bytes(r, SPAN("data: ")) || send_bytes(r, buf_span(&r->edited)) ||
	    send_bytes(r, SPAN("\n\n")))
		return -1;
	return 0;
}

/* Lets the kind look at an event that is to be passed on. */
static enum pass
edit_event(struct relay *r, const struct event *what, struct span data, enum pass pass)
{
	if (!r->kind->edit || (pass != PASS_ON && pass != PASS_NAMED))
		return pass;
	r->edited.len = 0;
	switch (r->kind->edit(&r->ask, what, data, &r->edited)) {
	case KIND_AS_IT_IS:
		return pass;
	case KIND_EDITED:
		return PASS_EDITED;
	default:
		(void)fail(r, FAULT_UP_ANSWER, "The upstream sent an event that is none.");
		return PASS_STOP;
	}
}

/* Passes one event on; `run` is what stands before it and has not been sent yet, and grows by the
 * event where both can go in one piece. */
static int
pass_event(struct relay *r, const struct sse_event *ev, struct span *run)
{
	struct event what;
	struct span data;
	enum pass pass;

	if (data_of(r, ev, &data))
		return -1;
	r->kind->event(ev->name, data, &what);
	pass = edit_event(r, &what, data, judge_event(r, ev, &what, data));
	if (pass == PASS_ON) {
		run->n += ev->raw.n;
		return 0;
	}
	if (send_bytes(r, *run) || pass == PASS_STOP)
		return -1;
	*run = (struct span){ ev->raw.p + ev->raw.n, 0 };
	if (pass == PASS_ERROR)
		return on_error_event(r, ev, data);
	if (pass == PASS_EDITED)
		return send_edited(r, ev, &what);
	return pass == PASS_NAMED ? send_name(r, what.type_name) || send_bytes(r, ev->raw) : 0;
}

/* Passes the whole events at the front of text on, runs of them in one piece; *used tells how much
 * that was. */
static int
pass_events(struct relay *r, struct span text, size_t *used)
{
	struct span run = span_cut(text, 0, 0);
	struct sse_event ev;

	while (!r->meter.closed && sse_next(&r->sse, span_cut(text, *used, text.n), &ev)) {
		*used += ev.raw.n;
		if (pass_event(r, &ev, &run))
			return -1;
	}
	return send_bytes(r, run);
}

/* A chunk that holds whole events is passed on out of libcurl's own buffer; only an unfinished tail
 * is kept. */
static int
on_stream(struct relay *r, struct span chunk)
{
	struct span text = chunk;
	size_t used = 0;

	if (r->meter.closed) /* nothing of this API comes after message_stop */
		return 0;
	if (r->hold.len > 0) {
		if (buf_add(&r->hold, chunk)) {
			return fail(
			    r, FAULT_UP_ANSWER, "The upstream sent an event that is too large.");
		}
		text = buf_span(&r->hold);
	}
	if (pass_events(r, text, &used))
		return -1;
	if (r->hold.len > 0)
		buf_drop(&r->hold, used);
	else if (buf_add(&r->hold, span_cut(text, used, text.n)))
		return fail(r, FAULT_UP_ANSWER, "The upstream sent an event that is too large.");
	if (used > 0 && r->order->answer->begun && answer_flush(r->order->answer))
		return gone(r);
	return 0;
}

/* What came before a frame that is broken is passed on. */
static int
on_frames(struct relay *r, struct span chunk)
{
	const char *why;
	int rc = framing_feed(&r->framing, r->kind, chunk, &why);

	if (r->framing.events.len > 0 && on_stream(r, buf_span(&r->framing.events)))
		return -1;
	return rc && !r->meter.closed ? fail(r, FAULT_UP_ANSWER, why) : 0;
}

static bool
is_good(const struct relay *r)
{
	return r->status >= 200 && r->status < 300;
}

static int
on_head(void *arg, const struct transfer_head *head)
{
	struct relay *r = arg;

	r->status = head->status;
	r->out->first_ms = clock_mono_ms() - r->order->started_ms;
	memcpy(r->content_type, head->content_type, sizeof(r->content_type));
	memcpy(r->out->upstream_request_id, head->request_id, sizeof(r->out->upstream_request_id));
	buf_reset(&r->lines, HOLD_KEEP);
	if (buf_add(&r->lines, buf_span(&head->relay)))
		return fail(r, FAULT_UP_ANSWER, "The upstream's headers are too large.");
	if (head->encoded) {
		return fail(r, FAULT_UP_ANSWER,
		    "The upstream compressed its answer, which it was not asked to.");
	}
	r->framed = is_good(r) && r->order->turn->stream && r->kind->frame &&
	    header_is_type(span_of(r->content_type), SPAN(FRAMED_TYPE));
	if (r->framed)
		r->content_type[0] = '\0';
	r->streaming = r->framed ||
	    (is_good(r) && r->order->turn->stream &&
		header_is_type(span_of(r->content_type), SPAN(STREAM_TYPE)));
	memcpy(r->error_type, head->error_type, sizeof(r->error_type));
	r->whole.max = is_good(r) ? ANSWER_MAX : ERROR_BODY_MAX;
	return 0;
}

static int
on_data(void *arg, struct span bytes)
{
	struct relay *r = arg;

	if (r->streaming)
		return r->framed ? on_frames(r, bytes) : on_stream(r, bytes);
	switch (spool_add(&r->whole, bytes)) {
	case SPOOL_OK:
		return 0;
	case SPOOL_FULL: /* of an error's body the beginning will do */
		return is_good(r) ? fail(r, FAULT_UP_ANSWER, "The upstream's answer is too large.")
				  : 0;
	default:
		return fail(r, FAULT_INTERNAL, "");
	}
}

/* The time until the next thing that silence makes us do, having done what is due. -1: nothing. */
static int
keep_alive(struct relay *r, int64_t *wait_ms)
{
	const struct conf *c = r->order->era->conf;
	struct answer *a = r->order->answer;
	int64_t now = clock_mono_ms();
	int64_t due = a->begun ? r->sent_ms + c->ping_ms : r->forward_ms + c->commit_ms;

	if (!r->order->turn->stream || (a->begun && c->ping_ms == 0))
		return 0;
	if (!a->begun && r->status > 0 && !r->streaming) /* what comes is an error: it can wait */
		return 0;
	if (now >= due) {
		if (!a->begun && begin_stream(r))
			return -1;
		if (answer_ping(a))
			return gone(r);
		r->sent_ms = now;
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

	if (seen == WATCH_NOTHING || r->meter.closed) /* a client that has all of it may leave */
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
	if (r->meter.closed) {
		int64_t left = r->closed_ms + TAIL_MS - clock_mono_ms();

		*wait_ms = left;
		return left > 0 ? 0 : -1;
	}
	return keep_alive(r, wait_ms);
}

static const struct transfer_sink sink = { .head = on_head, .data = on_data, .tick = on_tick };

/* Latches what the upstream says as an error. */
static int
refuse_with(struct relay *r, struct span body)
{
	struct complaint c = { r->status, span_of(r->error_type), body };

	r->kind->refusal(&c, &r->out->refusal);
	r->out->refusal_lines = buf_span(&r->lines);
	return -1;
}

/* A whole answer of a good status: JSON of this API, or else it is none. */
static int
check_whole(struct relay *r, struct span body)
{
	enum { AT_TYPE, AT_USAGE };
	struct json_member m[] = { { .name = SPAN("type") }, { .name = SPAN("usage") } };
	struct json_fault fault;

	if (r->status == 204 || span_trim(body).n == 0 || json_empty(span_trim(body)))
		return fail(r, FAULT_UP_ANSWER, "The upstream answered with nothing.");
	if (json_scan(body, JSON_DEPTH_MAX, m, 2, &fault)) {
		return fail(
		    r, FAULT_UP_ANSWER, "The upstream's answer is not JSON, or it was cut off.");
	}
	if (span_eq(m[AT_TYPE].value, SPAN("\"error\""))) {
		return refuse_with(r, body);
	}
	if (r->order->turn->stream) {
		return fail(r, FAULT_UP_ANSWER,
		    "The upstream answered with JSON instead of an event stream.");
	}
	if (json_type(m[AT_USAGE].value) == 'o')
		usage_set(&r->out->usage, m[AT_USAGE].value);
	r->out->counted = r->order->op == OP_MESSAGES;
	return 0;
}

/* Lets the kind look at a whole answer; *body becomes what is to be sent. */
static int
edit_whole(struct relay *r, struct span *body)
{
	if (!r->kind->whole)
		return 0;
	r->edited.len = 0;
	switch (r->kind->whole(&r->ask, *body, &r->edited)) {
	case KIND_EDITED:
		*body = buf_span(&r->edited);
		return 0;
	case KIND_AS_IT_IS:
		return 0;
	default:
		return fail(r, FAULT_UP_ANSWER, "The upstream's answer cannot be understood.");
	}
}

static int
pass_whole(struct relay *r)
{
	struct span body;
	struct span type = r->content_type[0] ? span_of(r->content_type) : SPAN("application/json");

	if (spool_view(&r->whole, &body))
		return fail(r, FAULT_INTERNAL, "");
	if (r->status >= 400 && r->status < 600) {
		return refuse_with(r, body);
	}
	if (!is_good(r))
		return fail(r, FAULT_UP_ANSWER,
		    "The upstream answered with a status that is none of this API's.");
	if (check_whole(r, body) || edit_whole(r, &body))
		return -1;
	return answer_whole(r->order->answer, r->status, type, buf_span(&r->lines), body) ? gone(r)
											  : 0;
}

/* What the end of the transfer means, once nothing was latched before. */
static void
conclude(struct relay *r, enum fault f, const char *reason)
{
	if (r->out->refusal.fault)
		return;
	if (r->meter.closed) {
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
	(void)pass_whole(r);
}

static void
start_target(struct relay *r, const struct target *target)
{
	struct relay_result *out = r->out;

	out->target = target;
	out->refusal = (struct refusal){ 0 };
	out->refusal_lines = (struct span){ 0 };
	out->usage = (struct usage){ 0 };
	r->kind = parts_kind(gate_parts(r->gate), span_of(target->upstream->kind));
	r->sse = (struct sse){ 0 };
	r->status = 0;
	r->content_type[0] = '\0';
	r->error_type[0] = '\0';
	r->streaming = r->framed = false;
	r->meter = (struct meter){ 0 };
	framing_reset(&r->framing);
	buf_reset(&r->hold, HOLD_KEEP);
	buf_reset(&r->lines, HOLD_KEEP);
	spool_clear(&r->whole, HOLD_KEEP);
}

/* Lets the kind make its request, and signs it where that is how it gets in. */
static int
make_request(struct relay *r)
{
	struct ask *ask = &r->ask;
	const struct conf_upstream *u = ask->target->upstream;
	enum fault f = FAULT_NONE;

	if (r->kind->reads_body && spool_view(r->order->body, &ask->body))
		return fail(r, FAULT_INTERNAL, "");
	f = r->kind->request(ask, &r->request, &r->out->refusal);
	spool_unview(r->order->body);
	ask->body = (struct span){ 0 };
	if (f || !buf_str(&r->request.url))
		return fail(r, f ? f : FAULT_HEADERS, "");
	if (r->credential.access_key_id.len > 0 &&
	    signing_add(&r->request, r->order->body, u, &r->credential, clock_wall_ms() / 1000))
		return fail(r, FAULT_INTERNAL, "");
	if (r->request.dropped.len > 0)
		log_warn("beta", "request_id=%s upstream=%s dropped=\"%.*s\"",
		    r->order->answer->request_id, u->name, (int)r->request.dropped.len,
		    r->request.dropped.p);
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
		return fail(r, FAULT_CONFIG, "The gate has no credential for its upstream.");
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

	start_target(r, target);
	r->ask = (struct ask){ .target = target,
		.turn = o->turn,
		.op = o->op,
		.query = o->query,
		.params = o->params };
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
		return status == 408 || status == 429 || status >= 500 || of_account(refusal);
	return fault_row(refusal->fault)->next_target;
}

void
relay_forward(struct relay *r, const struct relay_order *order, struct relay_result *out)
{
	int client = watch_add(r->watch, order->answer->seat);

	*out = (struct relay_result){ .first_ms = -1 };
	r->whole.folder = order->era->conf->state;
	r->order = order;
	r->out = out;
	r->forward_ms = r->sent_ms = clock_mono_ms();
	for (size_t i = 0; i < order->route->n; i++) {
		try_target(r, &order->route->targets[i]);
		if (of_account(&out->refusal))
			log_error("credential",
			    "upstream=%s what=\"the upstream refuses the credential of the configuration\"",
			    out->target->upstream->name);
		if (!out->refusal.fault || order->answer->begun || !worth_another(&out->refusal))
			break;
		log_warn("target", "request_id=%s upstream=%s fault=%s status=%d",
		    order->answer->request_id, out->target->upstream->name,
		    fault_row(out->refusal.fault)->name, refusal_status(&out->refusal));
	}
	out->estimated = r->streaming && meter_complete(&r->meter, &out->usage);
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
	framing_init(&r->framing);
	r->edited = buf_make(ANSWER_MAX);
	r->hold = buf_make(EVENT_MAX);
	r->joined = buf_make(EVENT_MAX);
	r->lines = buf_make(HEAD_MAX);
	spool_init(&r->whole, NULL, ANSWER_MAX);
	return r;
}

void
relay_rest(struct relay *r)
{
	buf_reset(&r->hold, HOLD_KEEP);
	framing_reset(&r->framing);
	buf_reset(&r->edited, HOLD_KEEP);
	buf_reset(&r->joined, HOLD_KEEP);
	buf_reset(&r->lines, HOLD_KEEP);
	spool_clear(&r->whole, HOLD_KEEP);
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
	framing_free(&r->framing);
	buf_free(&r->edited);
	buf_free(&r->hold);
	buf_free(&r->joined);
	buf_free(&r->lines);
	spool_clear(&r->whole, 0);
	free(r);
}
