/* transfer_replay: upstreams out of a script. Takes the place of upstream/transfer.c: answers come
 * in pieces cut anywhere, with silences in the time of clock_mem, and end as the script says; what
 * was asked is recorded. The sink is asked as transfer.c asks it. */
#ifndef POSTERN_TESTS_CALL_TRANSFER_REPLAY_H
#define POSTERN_TESTS_CALL_TRANSFER_REPLAY_H

#include <stdio.h>
#include <stdlib.h>

#include "call/clock_mem.h"
#include "upstream/transfer.h"
#include "wire/header.h"

#define REPLAY_WAITS	4
#define REPLAY_REQUESTS 8
#define REPLAY_BODY_MAX (64u * 1024 * 1024)

/* Silence before the byte `at` of the body. */
struct replay_wait {
	size_t at;
	int64_t ms;
};

/* How an upstream behaves. */
struct replay {
	int status;	     /* 0: no head ever comes */
	const char *headers; /* "name: value\n" each, names in lower case */
	struct span body;
	size_t piece;	 /* 0: the body comes at once */
	int64_t head_ms; /* silence before the head */
	struct replay_wait waits[REPLAY_WAITS];
	enum fault end; /* how the transfer ends */
};

/* What an upstream was asked. */
struct replay_request {
	char url[PATH_MAX_LEN];
	struct buf headers; /* "name: value\n" each */
	struct buf body;    /* with its edits */
	bool stopped;	    /* the sink stopped the answer */
	size_t given;	    /* bytes of the answer's body that it took */
};

static struct {
	const struct replay *answers; /* one per request, in their order */
	size_t answers_n;
	struct replay_request requests[REPLAY_REQUESTS];
	size_t requests_n;
	int opened; /* transfers and shares that are open */
} replay;

struct transfer_shared {
	int nothing;
};

struct transfer {
	struct transfer_head head;
};

struct replay_run {
	const struct replay *script;
	const struct transfer_order *order;
	const struct transfer_sink *sink;
	void *arg;
	struct replay_request *request;
	int64_t started_ms, heard_ms;
};

/* Forgets what was asked. */
static inline void
replay_reset(void)
{
	for (size_t i = 0; i < REPLAY_REQUESTS; i++) {
		struct replay_request *r = &replay.requests[i];

		buf_free(&r->headers);
		buf_free(&r->body);
		*r = (struct replay_request){ .headers = buf_make(REQUEST_HEADERS_MAX),
			.body = buf_make(REPLAY_BODY_MAX) };
	}
	replay.answers = NULL;
	replay.answers_n = replay.requests_n = 0;
}

struct transfer_shared *
transfer_shared_open(void)
{
	static struct transfer_shared shared;

	replay.opened++;
	return &shared;
}

void
transfer_shared_close(struct transfer_shared *s) /* cppcheck-suppress constParameter */
{
	replay.opened -= s ? 1 : 0;
}

struct transfer *
transfer_open(struct transfer_shared *shared)
{
	struct transfer *t = calloc(1, sizeof(*t));

	(void)shared;
	if (t) {
		replay.opened++;
		t->head.relay = buf_make(HEAD_MAX);
	}
	return t;
}

void
transfer_close(struct transfer *t)
{
	if (!t)
		return;
	replay.opened--;
	buf_free(&t->head.relay);
	free(t);
}

static inline bool
replay_record(struct replay_request *r, const struct transfer_order *o)
{
	struct span headers = buf_span(&o->request->headers);
	struct span body;
	int rc = 0;

	(void)snprintf(r->url, sizeof(r->url), "%s", o->request->url.p);
	while (headers.n > 0) {
		size_t n = strlen(headers.p);

		rc |= buf_add(&r->headers, span_cut(headers, 0, n)) |
		    buf_add(&r->headers, SPAN("\n"));
		headers = span_cut(headers, n + 1, headers.n);
	}
	rc |= spool_view(o->body, &body);
	if (rc == 0)
		rc = json_splice(body, o->request->edits, o->request->edits_n, &r->body);
	spool_unview(o->body);
	return rc == 0;
}

/* Fills the head as transfer.c does. */
static inline bool
replay_head(const struct replay *script, struct transfer_head *h)
{
	struct span rest = span_of(script->headers);
	struct span line;
	int rc = 0;

	buf_reset(&h->relay, HOLD_KEEP);
	*h = (struct transfer_head){ .status = script->status, .relay = h->relay };
	while (span_next(&rest, '\n', &line)) {
		struct span value = line;
		struct span name;

		if (line.n == 0 || !span_next(&value, ':', &name))
			continue;
		value = span_trim(value);
		if (span_eq(name, SPAN("content-type")))
			(void)snprintf(h->content_type, sizeof(h->content_type), "%.*s",
			    (int)value.n, value.p);
		else if (span_eq(name, SPAN("request-id")))
			(void)snprintf(
			    h->request_id, sizeof(h->request_id), "%.*s", (int)value.n, value.p);
		else if (span_eq(name, SPAN("content-encoding")))
			h->encoded = !span_eq(value, SPAN("identity"));
		else if (header_relay(name))
			rc |= buf_add(&h->relay, line) | buf_add(&h->relay, SPAN("\r\n"));
	}
	return rc == 0;
}

/* One round of the loop: asks the sink and looks at the limits. True when the run is over. */
static inline bool
replay_tick(struct replay_run *r, int64_t *wait_ms, enum fault *f)
{
	struct pollfd fd = { .fd = r->order->watch_fd, .events = POLLIN };
	bool woken = fd.fd >= 0 && clock_mem_look(&fd, 1) > 0;
	int64_t since = r->heard_ms ? r->heard_ms : r->started_ms;
	int64_t limit = r->heard_ms ? r->order->idle_ms : r->order->first_ms;

	*wait_ms = -1;
	*f = FAULT_NONE;
	if (r->sink->tick(r->arg, woken, wait_ms)) {
		r->request->stopped = true;
		return true;
	}

	int64_t left = since + limit - clock_mono_ms();

	if (left <= 0) {
		*f = r->heard_ms ? FAULT_UP_IDLE : FAULT_UP_TIMEOUT;
		return true;
	}
	if (*wait_ms < 0 || *wait_ms > left)
		*wait_ms = left;
	return false;
}

/* Lets ms of silence go by. True when the run is over. */
static inline bool
replay_silence(struct replay_run *r, int64_t ms, enum fault *f)
{
	int64_t wait_ms;

	if (replay_tick(r, &wait_ms, f))
		return true;
	while (ms > 0) {
		ms -= clock_mem_wait(wait_ms < ms ? wait_ms : ms);
		if (replay_tick(r, &wait_ms, f))
			return true;
	}
	return false;
}

/* Where the next piece ends: at the piece size, but not behind the next silence. */
static inline size_t
replay_end(const struct replay *s, size_t at)
{
	size_t end = s->piece > 0 && s->body.n - at > s->piece ? at + s->piece : s->body.n;

	for (size_t i = 0; i < REPLAY_WAITS; i++)
		if (s->waits[i].ms > 0 && s->waits[i].at > at && s->waits[i].at < end)
			end = s->waits[i].at;
	return end;
}

/* The silences before the byte `at`. True when the run is over. */
static inline bool
replay_waits(struct replay_run *r, size_t at, enum fault *f)
{
	for (size_t i = 0; i < REPLAY_WAITS; i++) {
		const struct replay_wait *w = &r->script->waits[i];

		if (w->ms > 0 && w->at == at && replay_silence(r, w->ms, f))
			return true;
	}
	return false;
}

static inline enum fault
replay_body(struct replay_run *r)
{
	struct span body = r->script->body;
	enum fault f = FAULT_NONE;
	size_t at = 0;

	for (;;) {
		int64_t wait_ms;

		if (replay_waits(r, at, &f))
			return f;
		if (at == body.n)
			return r->script->end;
		if (replay_tick(r, &wait_ms, &f))
			return f;

		size_t end = replay_end(r->script, at);

		r->heard_ms = clock_mono_ms();
		if (r->sink->data(r->arg, span_cut(body, at, end))) {
			r->request->stopped = true;
			return FAULT_NONE;
		}
		at = r->request->given = end;
	}
}

static inline enum fault
replay_all(struct transfer *t, struct replay_run *r)
{
	enum fault f;

	if (replay_silence(r, r->script->head_ms, &f))
		return f;
	if (r->script->status == 0)
		return r->script->end;
	r->heard_ms = clock_mono_ms();
	if (!replay_head(r->script, &t->head))
		return FAULT_INTERNAL;
	if (r->sink->head(r->arg, &t->head)) {
		r->request->stopped = true;
		return FAULT_NONE;
	}
	return replay_body(r);
}

enum fault
transfer_run(struct transfer *t, const struct transfer_order *order,
    const struct transfer_sink *sink, void *arg, char reason[static MESSAGE_MAX])
{
	struct replay_run r = {
		.order = order, .sink = sink, .arg = arg, .started_ms = clock_mono_ms()
	};
	size_t i = replay.requests_n;

	(void)snprintf(reason, MESSAGE_MAX, "replayed");
	if (i >= replay.answers_n || i >= REPLAY_REQUESTS)
		return FAULT_UP_CONNECT;
	replay.requests_n++;
	r.script = &replay.answers[i];
	r.request = &replay.requests[i];
	return replay_record(r.request, order) ? replay_all(t, &r) : FAULT_INTERNAL;
}

#endif
