/* chatstream: see the header. */
#include "upstream/chatstream.h"

#include "base/limits.h"
#include "wire/json.h"
#include "wire/sse.h"

#define TOO_LARGE "The upstream sent an event that is too large."
#define NO_CHUNK  "The upstream sent a chunk that is none of a chat completion's."
#define BROKE_OFF "The upstream ended its stream before the message was complete."

static int
fail(struct chatstream *c, const char *why)
{
	c->blocks.why = why;
	return -1;
}

/* A chunk while it is taken. */
struct taking {
	struct chatstream *c;
	size_t pieces;
	struct span text; /* the last one, and its kind */
	enum chat_piece kind;
	bool more; /* it says something else too */
};

static int
take_piece(void *arg, enum chat_piece kind, struct span text)
{
	struct taking *t = arg;

	t->pieces++;
	t->text = text;
	t->kind = kind;
	return chatblocks_text(&t->c->blocks, kind, text);
}

static int
take_delta(struct taking *t, struct span delta)
{
	struct chatblocks *b = &t->c->blocks;
	struct span calls = json_find(delta, SPAN("tool_calls"));
	struct span call;

	if (chatwords_said(delta, take_piece, t))
		return b->why ? -1 : fail(t->c, NO_CHUNK);
	while ((call = json_next(&calls)).p) {
		t->more = true;
		if (chatblocks_call(b, call))
			return -1;
	}
	return 0;
}

/* The first choice is the only one that was asked for. */
static int
take_choice(struct taking *t, struct span choice)
{
	struct span delta = { NULL, 0 }, finish = delta, matched = delta, name, value;
	struct chatstop *stop = &t->c->blocks.stop;
	uint64_t index = 0;

	while ((value = json_next_member(&choice, &name)).p) {
		if (span_eq(name, SPAN("\"delta\"")))
			delta = value;
		else if (span_eq(name, SPAN("\"finish_reason\"")))
			finish = value;
		else if (span_eq(name, SPAN("\"index\"")))
			(void)!json_u64(value, INT64_MAX, &index);
		else if (span_eq(name, SPAN("\"stop_reason\"")) ||
		    span_eq(name, SPAN("\"matched_stop\"")))
			matched = json_type(value) == 's' ? value : matched;
	}
	if (index != 0)
		return 0;
	if (take_delta(t, delta))
		return -1;
	chatwords_stop(stop, finish, matched);
	t->more = t->more || json_type(finish) == 's';
	return stop->failed ? fail(t->c, BROKE_OFF) : 0;
}

static int
put_message_start(struct chatstream *c, struct span id)
{
	struct buf *out = c->blocks.out;
	struct usage usage = { 0 };

	c->opened = true;
	chatwords_reckon(&usage, c->blocks.ask, 0);
	return buf_add(out,
		   SPAN("event: message_start\ndata: {\"type\":\"message_start\",\"message\":")) ||
		chatwords_put_head(c->blocks.ask, id, out) ||
		buf_add(out, SPAN("],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":")) ||
		chatwords_put_usage(&usage, out) || buf_add(out, SPAN("}}\n\n"))
	    ? -1
	    : 0;
}

/* An error in the server's words. */
static int
put_error(struct buf *out, struct span data)
{
	size_t start;

	if (buf_add(out, SPAN("event: error\ndata: ")))
		return -1;
	start = out->len;
	if (buf_add(out, data))
		return -1;
	sse_one_line(out->p + start, data.n);
	return buf_add(out, SPAN("\n\n"));
}

static int
end_message(struct chatstream *c)
{
	struct chatblocks *b = &c->blocks;

	if (chatblocks_end(b))
		return -1;
	if (!c->counted)
		chatwords_reckon(&c->usage, b->ask, b->told);
	c->closed = true;
	return buf_add(b->out,
		   SPAN("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{")) ||
		chatwords_put_stop(&b->stop, b->out) || buf_add(b->out, SPAN("},\"usage\":")) ||
		chatwords_put_usage(&c->usage, b->out) ||
		buf_add(
		    b->out, SPAN("}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"))
	    ? -1
	    : 0;
}

static int
take_chunk(struct chatstream *c, struct span data)
{
	enum { AT_CHOICES, AT_USAGE, AT_ID, AT_ERROR, AT_MESSAGE, AT_DETAIL, MEMBERS };
	struct json_member m[MEMBERS] = { { .name = SPAN("choices") }, { .name = SPAN("usage") },
		{ .name = SPAN("id") }, { .name = SPAN("error") }, { .name = SPAN("message") },
		{ .name = SPAN("detail") } };
	struct span *choices = &m[AT_CHOICES].value;
	struct taking t = { .c = c };
	struct json_fault fault;
	struct span choice;

	if (json_scan(data, JSON_DEPTH_MAX, m, MEMBERS, &fault))
		return fail(c, NO_CHUNK);
	if ((m[AT_ERROR].value.p && json_type(m[AT_ERROR].value) != 'z') ||
	    (!choices->p && (m[AT_MESSAGE].value.p || m[AT_DETAIL].value.p)))
		return put_error(c->blocks.out, data);
	if (!c->opened && choices->p && put_message_start(c, m[AT_ID].value))
		return -1;
	t.more = chatwords_usage(&c->usage, m[AT_USAGE].value);
	c->counted = c->counted || t.more;
	while ((choice = json_next(choices)).p)
		if (take_choice(&t, choice))
			return -1;
	if (t.pieces == 1 && !t.more)
		chatlike_note(&c->like, data, t.text, t.kind);
	return 0;
}

static int
take(struct chatstream *c, struct span data)
{
	struct span text;

	if (c->closed)
		return 0;
	text = chatlike_text(&c->like, data);
	if (text.p)
		return chatblocks_text(&c->blocks, c->like.kind, text);
	if (!span_eq(span_trim(data), SPAN("[DONE]")))
		return take_chunk(c, data);
	return c->blocks.stop.told ? end_message(c) : fail(c, BROKE_OFF);
}

/* Ends what began with events: *why tells what went wrong. */
static int
told(struct chatstream *c, int rc, const char **why)
{
	*why = c->blocks.why ? c->blocks.why : TOO_LARGE;
	c->blocks.out = NULL;
	return rc;
}

int
chatstream_take(struct chatstream *c, struct span data, struct buf *events, const char **why)
{
	c->blocks.out = events;
	return told(c, take(c, data), why);
}

int
chatstream_end(struct chatstream *c, struct buf *events, const char **why)
{
	bool whole = c->opened && !c->closed && c->blocks.stop.told && c->counted;

	c->blocks.out = events;
	return told(c, whole ? end_message(c) : 0, why);
}

bool
chatstream_reckons(const struct chatstream *c)
{
	return c->opened && !c->counted;
}

void
chatstream_begin(struct chatstream *c, const struct ask *ask)
{
	chatblocks_begin(&c->blocks, ask);
	chatlike_forget(&c->like);
	*c = (struct chatstream){ .blocks = c->blocks, .like = c->like };
}

void
chatstream_rest(struct chatstream *c)
{
	chatblocks_rest(&c->blocks);
}

void
chatstream_free(struct chatstream *c)
{
	chatblocks_free(&c->blocks);
	chatlike_free(&c->like);
}
