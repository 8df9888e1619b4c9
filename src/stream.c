/* stream: see the header. Bytes run one way, upstream -> decoder -> kind -> meter -> dialect ->
 * client, so that a ping or an error of ours never lands inside an event. */
#include "stream.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/tail.h"
#include "wire/json.h"

#define STREAM_LINES "cache-control: no-cache\r\nx-accel-buffering: no\r\n"

int
stream_begin(struct stream *s)
{
	bool verbatim = s->content_type[0] && !s->answer->dialect->event;
	const char *type = verbatim ? s->content_type : STREAM_TYPE "; charset=utf-8";

	if (buf_add(&s->lines, SPAN(STREAM_LINES)) || outcome_put_tried(s->out, &s->lines))
		return outcome_fail(s->out, FAULT_INTERNAL, "");
	return answer_begin(s->answer, 200, span_of(type), buf_span(&s->lines))
	    ? outcome_unsent(s->out, s->answer)
	    : 0;
}

static int
send_bytes(struct stream *s, struct span bytes)
{
	if (bytes.n == 0)
		return 0;
	if (!s->answer->begun && stream_begin(s))
		return -1;
	return answer_write(s->answer, bytes) ? outcome_gone(s->out) : 0;
}

static int
send_name(struct stream *s, struct span name)
{
	return send_bytes(s, SPAN("event: ")) || send_bytes(s, name) || send_bytes(s, SPAN("\n"));
}

/* Sends an error event of the upstream on as it is: it is the explicit end that the client is owed.
 */
static int
pass_error(struct stream *s, const struct sse_event *ev)
{
	if ((ev->name.n == 0 && send_name(s, SPAN("error"))) || send_bytes(s, ev->raw) ||
	    answer_flush(s->answer))
		return outcome_gone(s->out);
	s->out->told = true;
	return -1;
}

/* An error event before the message has begun can still become a status, or go to the next target;
 * later it is passed on, unless it speaks of our credential. */
static int
on_error_event(struct stream *s, const struct sse_event *ev, struct span data)
{
	struct refusal *refusal = &s->out->refusal;

	spool_clear(&s->error, HOLD_KEEP);
	if (spool_add(&s->error, data) != SPOOL_OK || spool_view(&s->error, &data))
		return outcome_fail(s->out, FAULT_UP_ANSWER, "The upstream's error is too large.");
	s->kind->refusal(&(struct complaint){ .status = 200, .body = data }, refusal);
	s->out->refusal_lines = buf_span(&s->lines);
	/* What came in another form is no event of the API's yet: it has no request id. */
	if ((s->answer->begun || s->meter.opened) && refusal->body.p && s->form == STREAM_EVENTS &&
	    !s->answer->dialect->event)
		return pass_error(s, ev);
	return -1;
}

/* What becomes of an event. */
enum pass { PASS_ON, PASS_DROP, PASS_NAMED, PASS_EDITED, PASS_ERROR, PASS_STOP };

static int
too_large(struct stream *s)
{
	return outcome_fail(
	    s->out, FAULT_UP_ANSWER, "The upstream sent an event that is too large.");
}

/* Meters an event and says once when blocks are out of order. Events that are not known may hold
 * anything. */
static int
meter(struct stream *s, const struct event *what, struct span data)
{
	bool odd = s->meter.odd;
	struct json_fault fault;
	const char *why;

	if (what->type != EVENT_OTHER && json_scan(data, JSON_DEPTH_MAX, NULL, 0, &fault))
		return outcome_fail(s->out, FAULT_UP_ANSWER,
		    "The upstream sent an event that is not JSON, or was cut off.");
	why = meter_event(&s->meter, what, data, &s->out->usage);
	if (s->meter.odd && !odd)
		log_warn("grammar",
		    "request_id=%s upstream=%s what=\"content blocks out of order\"",
		    s->answer->request_id, s->out->target->upstream->name);
	return why ? outcome_fail(s->out, FAULT_UP_ANSWER, why) : 0;
}

/* Looks at one event: checks and meters it and says what becomes of it. */
static enum pass
judge_event(
    struct stream *s, const struct sse_event *ev, const struct event *what, struct span data)
{
	if (what->type == EVENT_ERROR)
		return PASS_ERROR;
	if (what->type == EVENT_PING || what->type == EVENT_NOTHING) {
		if (!s->answer->begun && !s->meter.opened)
			return PASS_DROP;
	} else if (meter(s, what, data)) {
		return PASS_STOP;
	}
	if (what->type == EVENT_NOTHING)
		return PASS_ON;
	s->sent_ms = clock_mono_ms(); /* comments do not count: clients' timers do not see them */
	if (what->type == EVENT_MESSAGE_STOP)
		s->closed_ms = s->sent_ms;
	if (ev->name.n > 0)
		return PASS_ON;
	/* Without its name the SDKs would not see the event; one that has none to give (`[DONE]`)
	 * is not of this API. */
	return what->type_name.n > 0 ? PASS_NAMED : PASS_DROP;
}

/* Sends what the kind has made of an event in its place. */
static int
send_edited(struct stream *s, const struct sse_event *ev, const struct event *what)
{
	if (send_name(s, ev->name.n > 0 ? ev->name : what->type_name) ||
	    send_bytes(s, SPAN("data: ")) || send_bytes(s, buf_span(&s->edited)) ||
	    send_bytes(s, SPAN("\n\n")))
		return -1;
	return 0;
}

/* Lets the kind look at an event that is to be passed on. */
static enum pass
edit_event(struct stream *s, const struct event *what, struct span data, enum pass pass)
{
	if (!s->kind->edit || (pass != PASS_ON && pass != PASS_NAMED))
		return pass;
	s->edited.len = 0;
	switch (s->kind->edit(s->ask, what, data, &s->edited)) {
	case KIND_AS_IT_IS:
		return pass;
	case KIND_EDITED:
		return PASS_EDITED;
	default:
		(void)outcome_fail(
		    s->out, FAULT_UP_ANSWER, "The upstream sent an event that is none.");
		return PASS_STOP;
	}
}

/* Tells an event in the words of the client's dialect, in which it may be none. */
static int
retell(struct stream *s, const struct event *what, struct span data)
{
	s->told.len = 0;
	if (s->answer->dialect->event(&s->retelling, what, data, &s->told))
		return too_large(s);
	return send_bytes(s, buf_span(&s->told));
}

/* Passes one event on; `run` is what stands before it and has not been sent yet, and grows by the
 * event where both can go in one piece. */
static int
pass_event(struct stream *s, const struct sse_event *ev, struct span *run)
{
	struct event what;
	struct span data;
	enum pass pass;

	if (sse_data(ev, &s->joined, &data))
		return too_large(s);
	s->kind->event(ev->name, data, &what);
	pass = edit_event(s, &what, data, judge_event(s, ev, &what, data));
	if (pass == PASS_ON && !s->answer->dialect->event) {
		run->n += ev->raw.n;
		return 0;
	}
	if (send_bytes(s, *run) || pass == PASS_STOP)
		return -1;
	*run = (struct span){ ev->raw.p + ev->raw.n, 0 };
	if (pass == PASS_ERROR)
		return on_error_event(s, ev, data);
	if (pass != PASS_DROP && s->answer->dialect->event)
		return retell(s, &what, pass == PASS_EDITED ? buf_span(&s->edited) : data);
	if (pass == PASS_EDITED)
		return send_edited(s, ev, &what);
	return pass == PASS_NAMED ? send_name(s, what.type_name) || send_bytes(s, ev->raw) : 0;
}

/* Passes the whole events at the front of text on, runs of them in one piece; *used tells how much
 * that was. */
static int
pass_events(struct stream *s, struct span text, size_t *used)
{
	struct span run = span_cut(text, 0, 0);
	struct sse_event ev;

	while (!s->meter.closed && sse_next(&s->sse, span_cut(text, *used, text.n), &ev)) {
		*used += ev.raw.n;
		if (pass_event(s, &ev, &run))
			return -1;
	}
	return send_bytes(s, run);
}

/* A chunk that holds whole events is passed on out of libcurl's own buffer; only an unfinished tail
 * is kept. */
static int
on_events(struct stream *s, struct span chunk)
{
	struct span text;
	size_t used = 0;

	if (s->meter.closed) /* nothing of this API comes after message_stop */
		return 0;
	if (tail_join(&s->hold, chunk, &text))
		return too_large(s);
	if (pass_events(s, text, &used))
		return -1;
	if (tail_keep(&s->hold, span_cut(text, used, text.n)))
		return too_large(s);
	if (used > 0 && s->answer->begun && answer_flush(s->answer))
		return outcome_gone(s->out);
	return 0;
}

/* Passes on what frames or chunks have become; rc and why tell how they were taken. What came
 * before one that is broken is passed on. */
static int
pass_made(struct stream *s, struct span events, int rc, const char *why)
{
	if (events.n > 0 && on_events(s, events))
		return -1;
	return rc && !s->meter.closed ? outcome_fail(s->out, FAULT_UP_ANSWER, why) : 0;
}

int
stream_feed(struct stream *s, struct span bytes)
{
	const char *why;
	int rc;

	switch (s->form) {
	case STREAM_FRAMES:
		rc = framing_feed(&s->framing, s->kind, bytes, &why);
		return pass_made(s, buf_span(&s->framing.events), rc, why);
	case STREAM_CHUNKS:
		rc = chunking_feed(&s->chunking, bytes, &why);
		return pass_made(s, buf_span(&s->chunking.events), rc, why);
	default:
		return on_events(s, bytes);
	}
}

int
stream_end(struct stream *s)
{
	const char *why;
	int rc;

	if (s->form != STREAM_CHUNKS || s->meter.closed)
		return 0;
	rc = chunking_end(&s->chunking, &why);
	return pass_made(s, buf_span(&s->chunking.events), rc, why);
}

void
stream_take_form(struct stream *s, enum stream_form form)
{
	s->form = form;
	if (form != STREAM_EVENTS)
		s->content_type[0] = '\0';
	if (form == STREAM_CHUNKS)
		chunking_begin(&s->chunking, s->ask);
}

bool
stream_reckons(const struct stream *s, struct usage *usage)
{
	bool completed = meter_complete(&s->meter, usage);

	return completed || (s->form == STREAM_CHUNKS && chatstream_reckons(&s->chunking.chat));
}

void
stream_init(struct stream *s)
{
	*s = (struct stream){ .edited = buf_make(ANSWER_MAX),
		.told = buf_make(ANSWER_MAX),
		.hold = buf_make(EVENT_MAX),
		.joined = buf_make(EVENT_MAX),
		.lines = buf_make(HEAD_MAX) };
	framing_init(&s->framing);
	chunking_init(&s->chunking);
	spool_init(&s->error, NULL, ERROR_BODY_MAX);
}

void
stream_call(struct stream *s, struct answer *a, struct outcome *out)
{
	s->answer = a;
	s->out = out;
	s->sent_ms = clock_mono_ms();
}

void
stream_target(struct stream *s, const struct ask *ask, const struct kind *kind, const char *folder)
{
	s->ask = ask;
	s->kind = kind;
	s->sse = (struct sse){ 0 };
	s->content_type[0] = '\0';
	s->form = STREAM_EVENTS;
	s->meter = (struct meter){ 0 };
	s->error.folder = folder;
	if (s->answer->dialect->begin)
		s->answer->dialect->begin(ask->turn, clock_wall_ms() / 1000, &s->retelling);
	framing_reset(&s->framing);
	buf_reset(&s->hold, HOLD_KEEP);
	buf_reset(&s->lines, HOLD_KEEP);
	spool_clear(&s->error, HOLD_KEEP);
}

void
stream_rest(struct stream *s)
{
	framing_reset(&s->framing);
	chunking_reset(&s->chunking);
	buf_reset(&s->edited, HOLD_KEEP);
	buf_reset(&s->told, HOLD_KEEP);
	buf_reset(&s->hold, HOLD_KEEP);
	buf_reset(&s->joined, HOLD_KEEP);
	buf_reset(&s->lines, HOLD_KEEP);
	spool_clear(&s->error, HOLD_KEEP);
}

void
stream_free(struct stream *s)
{
	framing_free(&s->framing);
	chunking_free(&s->chunking);
	buf_free(&s->edited);
	buf_free(&s->told);
	buf_free(&s->hold);
	buf_free(&s->joined);
	buf_free(&s->lines);
	spool_clear(&s->error, 0);
}
