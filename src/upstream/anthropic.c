/* anthropic: the native kind, AWS's own Messages end points too. The body goes as the client wrote
 * it, but for the model's name where the route renames it; headers go by the forwarding rule
 * (wire/header), the client's credential never. */
#include "upstream/anthropic.h"

#include <stdio.h>

#include "wire/header.h"

#define VERSION	  "anthropic-version"
#define WORKSPACE "anthropic-workspace-id"

/* For clients that send none; the API demands one. */
#define VERSION_DEFAULT "2023-06-01"

static bool
keeps(struct span name, void *arg)
{
	const struct ask *ask = arg;

	return !ask->target->upstream->workspace_id || !span_eq(name, SPAN(WORKSPACE));
}

static int
add_credential(const struct ask *ask, struct hreq *out)
{
	if (ask->secret.n == 0)
		return 0;
	if (ask->target->upstream->auth == CONF_AUTH_X_API_KEY)
		return hreq_header(out, SPAN("x-api-key"), ask->secret);
	return hreq_bearer(out, ask->secret);
}

static int
add_headers(struct ask *ask, struct hreq *out)
{
	const char *workspace = ask->target->upstream->workspace_id;

	if (hreq_forward(out, ask->params, keeps, ask) || add_credential(ask, out) ||
	    (workspace && hreq_header(out, SPAN(WORKSPACE), span_of(workspace))))
		return -1;
	if (hreq_param(ask->params, SPAN(VERSION)).n == 0 &&
	    hreq_header(out, SPAN(VERSION), SPAN(VERSION_DEFAULT)))
		return -1;
	/* The body has been read as JSON, whatever the client called it. */
	return hreq_header(out, SPAN("content-type"), SPAN("application/json"));
}

static int
shape_body(const struct ask *ask, struct hreq *out)
{
	static const enum turn_member foreign = TURN_STREAM_OPTIONS;
	const struct turn_place *p = &ask->turn->places[TURN_MODEL];

	if (!span_eq(ask->target->model, span_of(ask->turn->model)) &&
	    (hreq_string(out, ask->target->model) || hreq_edit(out, p->at, p->len, 0)))
		return -1;
	return hreq_reshape(out, ask->turn, &foreign, 1, out->text.len);
}

/* Old SDKs mark beta calls by the query as well as by the header; no other query means anything to
 * the API. */
static int
add_url(const struct ask *ask, struct hreq *out)
{
	int rc = buf_add(&out->url, span_of(ask->target->upstream->url)) ||
	    buf_add(&out->url, SPAN("/v1/messages"));

	if (!rc && ask->op == OP_COUNT_TOKENS)
		rc = buf_add(&out->url, SPAN("/count_tokens"));
	if (!rc && span_eq(ask->query, SPAN("beta=true")))
		rc = buf_add(&out->url, SPAN("?beta=true"));
	return rc ? -1 : 0;
}

static enum fault
anthropic_request(const struct ask *ask, struct hreq *out, struct refusal *why)
{
	struct ask mine = *ask;

	(void)why;
	return add_url(ask, out) || add_headers(&mine, out) || shape_body(ask, out) ? FAULT_HEADERS
										    : FAULT_NONE;
}

static const struct {
	struct span name;
	enum event_type type;
} event_names[] = {
	{ { "content_block_delta", 19 }, EVENT_BLOCK_DELTA },
	{ { "content_block_start", 19 }, EVENT_BLOCK_START },
	{ { "content_block_stop", 18 }, EVENT_BLOCK_STOP },
	{ { "message_start", 13 }, EVENT_MESSAGE_START },
	{ { "message_delta", 13 }, EVENT_MESSAGE_DELTA },
	{ { "message_stop", 12 }, EVENT_MESSAGE_STOP },
	{ { "ping", 4 }, EVENT_PING },
	{ { "error", 5 }, EVENT_ERROR },
};

static enum event_type
type_of(struct span name)
{
	for (size_t i = 0; i < sizeof(event_names) / sizeof(*event_names); i++)
		if (span_eq(name, event_names[i].name))
			return event_names[i].type;
	return EVENT_OTHER;
}

/* The type that the data says, when it is one that can stand in an `event:` line. */
static struct span
name_in(struct span data)
{
	struct span raw = json_find(data, SPAN("type"));
	struct span name;

	if (json_type(raw) != 's' || raw.n < 3)
		return (struct span){ 0 };
	name = span_cut(raw, 1, raw.n - 1);
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] != '_' && (name.p[i] < 'a' || name.p[i] > 'z'))
			return (struct span){ 0 };
	}
	return name;
}

void
anthropic_event(struct span name, struct span data, struct event *out)
{
	*out = (struct event){ .type = EVENT_NOTHING, .index = UINT64_MAX };
	if (!data.p)
		return;
	if (name.n == 0)
		name = out->type_name = name_in(data);
	out->type = type_of(name);
	if (out->type >= EVENT_BLOCK_START && out->type <= EVENT_BLOCK_STOP)
		(void)!json_u64(json_find(data, SPAN("index")), INT64_MAX, &out->index);
	else if (out->type == EVENT_MESSAGE_START)
		out->usage = json_find_in(data, "message", "usage", NULL);
	else if (out->type == EVENT_MESSAGE_DELTA)
		out->usage = json_find(data, SPAN("usage"));
}

/* 401, 402 and 403 speak of our own account: the client is told that it is the gate's fault, not to
 * log in again. */
void
anthropic_refuse_credential(int status, struct refusal *out)
{
	*out = (struct refusal){ 0 };
	refusal_set(out, FAULT_UP_CREDENTIAL,
	    "The upstream refused the gate's own credential or account (HTTP %d). %s", status,
	    "The administrator of this gate has to mend it.");
	out->no_retry = true;
}

bool
anthropic_not_there(int status)
{
	return status == 404 || status == 405 || status == 407;
}

void
anthropic_refusal(const struct complaint *c, struct refusal *out)
{
	struct json_fault fault;
	struct span error = { 0 };
	struct span body = span_trim(c->body);
	int status = c->status;

	if (json_scan(body, JSON_DEPTH_MAX, NULL, 0, &fault) == 0)
		error = json_find(body, SPAN("error"));
	out->fault = FAULT_UP_ERROR;
	json_field(json_find(error, SPAN("type")), out->type, sizeof(out->type));
	if (status < 400) /* an error event, or an error in the body of a good status */
		status = fault_status_of_type(out->type);
	if (status == 401 || status == 402 || status == 403) {
		anthropic_refuse_credential(status, out);
		return;
	}
	out->status = status;
	if (json_type(error) == 'o' && out->type[0]) {
		out->body = body.n <= ERROR_BODY_MAX ? body : (struct span){ 0 };
		json_field(json_find(error, SPAN("message")), out->message, sizeof(out->message));
		return;
	}
	if (!out->type[0])
		(void)snprintf(out->type, sizeof(out->type), "%s", fault_type_of_status(status));
	json_field(json_find(error, SPAN("message")), out->message, sizeof(out->message));
	if (out->message[0])
		return;
	if (anthropic_not_there(status))
		*out = (struct refusal){ .fault = FAULT_UP_ANSWER };
	refusal_set(out, out->fault,
	    "The upstream answered HTTP %d without an error of the Messages API.", status);
}

const struct kind kind_anthropic = {
	.name = "anthropic",
	.bound = true,
	.request = anthropic_request,
	.event = anthropic_event,
	.refusal = anthropic_refusal,
};
