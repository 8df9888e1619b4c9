/* bedrock: the client's body without `model` and `stream`, with the version and the betas in it, to
 * the path of the model. What comes back is the Messages API's own JSON, in frames or whole. */
#include "upstream/bedrock.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"
#include "upstream/anthropic.h"
#include "upstream/bedrockerror.h"
#include "upstream/cloud.h"
#include "wire/header.h"
#include "wire/sigv4.h"
#include "wire/sse.h"

#define VERSION_OLD "bedrock-2023-05-31"
#define METRICS	    "amazon-bedrock-invocationMetrics"
#define PROFILE	    "anthropic-user-profile-id"
#define TYPE_MAX    64u /* of an event, with its quotes */

/* The end of a profile's id, behind `eu.`, `us-gov.` or `global.`, is that of the model itself,
 * which alone can count. p NULL: it does not say. */
static struct span
foundation_model(struct span id)
{
	const struct span vendor = SPAN("anthropic.");
	const char *at = memmem(id.p, id.n, vendor.p, vendor.n);

	if (!at || span_starts(id, SPAN("arn:")))
		return (struct span){ NULL, 0 };
	return span_cut(id, (size_t)(at - id.p), id.n);
}

static int
add_url(const struct ask *ask, struct hreq *out, struct span id)
{
	struct span verb = ask->op == OP_COUNT_TOKENS ? SPAN("/count-tokens")
	    : ask->turn->stream			      ? SPAN("/invoke-with-response-stream")
						      : SPAN("/invoke");

	return buf_add(&out->url, span_of(ask->target->upstream->url)) ||
		buf_add(&out->url, SPAN("/model/")) || sigv4_segment(id, &out->url) ||
		buf_add(&out->url, verb)
	    ? -1
	    : 0;
}

static int
add_headers(const struct ask *ask, struct hreq *out)
{
	struct span agent = hreq_param(ask->params, SPAN("user-agent"));
	struct span accept = ask->turn->stream && ask->op == OP_MESSAGES
	    ? SPAN("application/vnd.amazon.eventstream")
	    : SPAN("application/json");

	if (agent.n > 0 && header_value_ok(agent) && hreq_header(out, SPAN("user-agent"), agent))
		return -1;
	if (ask->secret.n > 0 && hreq_bearer(out, ask->secret))
		return -1;
	return hreq_header(out, SPAN("accept"), accept) ||
		hreq_header(out, SPAN("content-type"), SPAN("application/json"))
	    ? -1
	    : 0;
}

static int
put_betas(const struct ask *ask, struct hreq *out)
{
	struct span rest = hreq_param(ask->params, SPAN("anthropic-beta"));
	struct span beta;
	size_t n = 0;

	while ((beta = cloud_next_beta(ask, out, &rest)).p) {
		struct span before = n++ ? SPAN(",") : SPAN(",\"anthropic_beta\":[");

		if (hreq_text(out, before) || hreq_string(out, beta))
			return -1;
	}
	return n > 0 ? hreq_text(out, SPAN("]")) : 0;
}

/* A body that has such a member already has the client's word for it. */
static int
put_members(const struct ask *ask, struct hreq *out)
{
	const struct turn *t = ask->turn;
	struct span profile = hreq_param(ask->params, SPAN(PROFILE));
	struct span version =
	    cloud_version(ask, SPAN(VERSION_OLD), cloud_at_least(ask->target->model, 4, 7));
	int rc = 0;

	if (t->places[TURN_VERSION].len == 0)
		rc = hreq_text(out, SPAN(",\"anthropic_version\":")) || hreq_string(out, version);
	if (!rc && t->places[TURN_BETA].len == 0)
		rc = put_betas(ask, out);
	if (!rc && profile.n > 0 && t->places[TURN_PROFILE].len == 0)
		rc = hreq_text(out, SPAN(",\"user_profile_id\":")) || hreq_string(out, profile);
	return rc;
}

/* To count, the body has to be one that could be run: with max_tokens, above what thinking may use.
 */
static int
put_max_tokens(const struct ask *ask, struct hreq *out)
{
	const struct turn_place *p = &ask->turn->places[TURN_THINKING];
	struct span thinking = span_cut(ask->body, p->at, p->at + p->len);
	char text[64];
	uint64_t budget = 0;
	int n;

	if (ask->turn->places[TURN_MAX_TOKENS].len > 0)
		return 0;
	(void)!json_u64(json_find(thinking, SPAN("budget_tokens")), UINT32_MAX, &budget);
	n = snprintf(text, sizeof(text), ",\"max_tokens\":%" PRIu64, budget + 1);
	return hreq_text(out, (struct span){ text, (size_t)n });
}

/* Edits the client's body into one for InvokeModel. */
static int
shape_body(const struct ask *ask, struct hreq *out)
{
	const struct turn_place *tools = &ask->turn->places[TURN_TOOLS];
	enum turn_member drop[4] = { TURN_MODEL, TURN_STREAM, TURN_STREAM_OPTIONS };
	size_t n = 3;

	if (put_members(ask, out) || (ask->op == OP_COUNT_TOKENS && put_max_tokens(ask, out)))
		return -1;
	if (ask->op == OP_COUNT_TOKENS &&
	    json_empty(span_cut(ask->body, tools->at, tools->at + tools->len)))
		drop[n++] = TURN_TOOLS;
	/* The first comma leads nowhere. */
	return hreq_reshape(out, ask->turn, drop, n, out->text.len > 0 ? 1 : 0);
}

/* The body that counts: one for InvokeModel, in base64. */
static int
wrap_body(const struct ask *ask, struct hreq *out)
{
	struct buf inner = buf_make(REQUEST_BODY_MAX);
	int rc = json_splice(ask->body, out->edits, out->edits_n, &inner) ||
	    buf_add(&out->body, SPAN("{\"input\":{\"invokeModel\":{\"body\":\"")) ||
	    hash_base64(buf_span(&inner), &out->body) || buf_add(&out->body, SPAN("\"}}}"));

	buf_free(&inner);
	return rc ? -1 : 0;
}

static enum fault
bedrock_request(const struct ask *ask, struct hreq *out, struct refusal *why)
{
	bool counts = ask->op == OP_COUNT_TOKENS;
	struct span id = counts ? foundation_model(ask->target->model) : ask->target->model;

	if (!id.p) {
		refusal_set(why, FAULT_UNSUPPORTED,
		    "Tokens of this model cannot be counted: its upstream counts for foundation models only.");
		why->no_retry = true;
		return FAULT_UNSUPPORTED;
	}
	if (add_url(ask, out, id) || add_headers(ask, out) || shape_body(ask, out))
		return FAULT_HEADERS;
	return counts && wrap_body(ask, out) ? FAULT_INTERNAL : FAULT_NONE;
}

/* Moves the n last bytes of events behind the words that make an event of them; type is a part of
 * them. */
static int
put_around(struct buf *events, size_t n, struct span type)
{
	const struct span name = SPAN("event: "), data = SPAN("\ndata: "), end = SPAN("\n\n");
	size_t head = name.n + type.n + data.n;
	size_t type_at = (size_t)(type.p - events->p) + head;
	char *room, *to;

	if (buf_room(events, head + end.n, &room))
		return -1;
	to = room - n;
	memmove(to + head, to, n);
	memcpy(to, name.p, name.n);
	memcpy(to + name.n, events->p + type_at, type.n);
	memcpy(to + name.n + type.n, data.p, data.n);
	memcpy(room + head, end.p, end.n);
	events->len += head + end.n;
	return 0;
}

/* The type of an event's data goes before it, where clients look for it. */
static int
put_event(struct span payload, struct buf *events, const char **why)
{
	size_t start = events->len;
	struct span data, type;

	if (eventstream_bytes(payload, events, why))
		return -1;
	data = span_cut(buf_span(events), start, events->len);
	type = json_find(data, SPAN("type"));
	if (type.n < 3 || type.n > TYPE_MAX || json_type(type) != 's') {
		events->len = start; /* one without a type is none of this API */
		return 0;
	}
	sse_one_line(events->p + start, data.n);
	*why = "The upstream sent an event that is too large.";
	return put_around(events, data.n, span_cut(type, 1, type.n - 1));
}

/* Words of AWS's as an error event of the API. */
static int
put_error(struct span name, struct span message, struct buf *events)
{
	const struct bedrockerror *e = bedrockerror_find(name, 500);
	char words[MESSAGE_MAX];

	bedrockerror_words(e, message, words);
	return buf_add(
		   events, SPAN("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":")) ||
		json_put_string(events, span_of(bedrockerror_type(e))) ||
		buf_add(events, SPAN(",\"message\":")) ||
		json_put_string(events, words[0] ? span_of(words) : name) ||
		buf_add(events, SPAN("}}\n\n"))
	    ? -1
	    : 0;
}

static int
put_exception(const struct eventstream_frame *frame, struct buf *events)
{
	struct buf text = buf_make(MESSAGE_MAX);
	int rc;

	if (json_string(json_find(frame->payload, SPAN("message")), &text))
		text.len = 0;
	rc = put_error(eventstream_string(frame, SPAN(":exception-type")), buf_span(&text), events);
	buf_free(&text);
	return rc;
}

/* Frames of other types, and events that are no chunks, say nothing to us. */
static int
bedrock_frame(const struct eventstream_frame *frame, struct buf *events, const char **why)
{
	struct span type = eventstream_string(frame, SPAN(":message-type"));
	int rc = 0;

	if (span_eq(type, SPAN("event")))
		return span_eq(eventstream_string(frame, SPAN(":event-type")), SPAN("chunk"))
		    ? put_event(frame->payload, events, why)
		    : 0;
	*why = "The upstream sent an error that is too large.";
	if (span_eq(type, SPAN("exception")))
		rc = put_exception(frame, events);
	else if (span_eq(type, SPAN("error")))
		rc = put_error(eventstream_string(frame, SPAN(":error-code")),
		    eventstream_string(frame, SPAN(":error-message")), events);
	return rc;
}

static void
bedrock_event(struct span name, struct span data, struct event *out)
{
	anthropic_event(name, data, out);
	if (out->type == EVENT_MESSAGE_STOP)
		out->metrics = json_find(data, SPAN(METRICS));
}

static enum kind_edit
bedrock_edit(const struct ask *ask, const struct event *what, struct span data, struct buf *out)
{
	if (what->type != EVENT_MESSAGE_STOP)
		return cloud_edit(ask, what, data, out);
	switch (json_without(data, SPAN(METRICS), out)) {
	case 1:
		return KIND_EDITED;
	case 0:
		return KIND_AS_IT_IS;
	default:
		return KIND_FAILED;
	}
}

static enum kind_edit
bedrock_whole(const struct ask *ask, struct span body, struct buf *out)
{
	uint64_t tokens;

	if (ask->op != OP_COUNT_TOKENS)
		return cloud_whole(ask, body, out);
	if (json_u64(json_find(body, SPAN("inputTokens")), INT64_MAX, &tokens))
		return KIND_FAILED;
	return buf_addf(out, "{\"input_tokens\":%" PRIu64 "}", tokens) ? KIND_FAILED : KIND_EDITED;
}

const struct kind kind_bedrock = {
	.name = "bedrock",
	.reads_body = true,
	.request = bedrock_request,
	.frame = bedrock_frame,
	.event = bedrock_event,
	.edit = bedrock_edit,
	.whole = bedrock_whole,
	.refusal = bedrockerror_refusal,
};
