/* vertex: the client's body without `model`, with the version in it, to the path of the model. What
 * comes back is the Messages API's own; errors may come from Google's front end instead. */
#include "upstream/vertex.h"

#include <stdio.h>

#include "upstream/anthropic.h"
#include "upstream/cloud.h"
#include "wire/uri.h"

#define VERSION_OLD "vertex-2023-10-16"
#define BETA	    "anthropic-beta"

static int
add_url(const struct ask *ask, struct hreq *out)
{
	const struct conf_upstream *u = ask->target->upstream;
	bool counts = ask->op == OP_COUNT_TOKENS;
	struct span verb = ask->turn->stream ? SPAN(":streamRawPredict") : SPAN(":rawPredict");

	if (buf_addf(&out->url, "%s/projects/%s/locations/%s/publishers/anthropic/models/", u->url,
		u->google_project, u->google_location))
		return -1;
	return uri_escape(counts ? SPAN("count-tokens") : ask->target->model, "@", &out->url) ||
		buf_add(&out->url, verb)
	    ? -1
	    : 0;
}

static bool
keeps(struct span name, void *arg)
{
	(void)arg;
	return !span_eq(name, SPAN("anthropic-version")) && !span_eq(name, SPAN(BETA));
}

/* The betas that may go, in one header. */
static int
add_betas(const struct ask *ask, struct hreq *out)
{
	struct span rest = hreq_param(ask->params, SPAN(BETA));
	struct buf value = buf_make(HEADER_VALUE_MAX);
	struct span beta;
	int rc = 0;

	while (!rc && (beta = cloud_next_beta(ask, out, &rest)).p)
		rc = (value.len > 0 && buf_add(&value, SPAN(","))) || buf_add(&value, beta);
	if (!rc && value.len > 0)
		rc = hreq_header(out, SPAN(BETA), buf_span(&value));
	buf_free(&value);
	return rc ? -1 : 0;
}

static int
add_headers(const struct ask *ask, struct hreq *out)
{
	const char *project = ask->target->upstream->google_project;

	return hreq_forward(out, ask->params, keeps, NULL) || add_betas(ask, out) ||
		(ask->secret.n > 0 && hreq_bearer(out, ask->secret)) ||
		hreq_header(out, SPAN("x-goog-user-project"), span_of(project)) ||
		hreq_header(out, SPAN("content-type"), SPAN("application/json"))
	    ? -1
	    : 0;
}

/* To count, the model stays, under its name there. A body that has a version already has the
 * client's word for it. */
static int
shape_body(const struct ask *ask, struct hreq *out)
{
	static const enum turn_member drop[] = { TURN_STREAM_OPTIONS, TURN_MODEL };
	const struct turn_place *p = &ask->turn->places[TURN_MODEL];
	bool counts = ask->op == OP_COUNT_TOKENS;
	size_t from;

	if (counts && (hreq_string(out, ask->target->model) || hreq_edit(out, p->at, p->len, 0)))
		return -1;
	from = out->text.len;
	if (ask->turn->places[TURN_VERSION].len == 0 &&
	    (hreq_text(out, SPAN("\"anthropic_version\":")) ||
		hreq_string(out, cloud_version(ask, SPAN(VERSION_OLD), true))))
		return -1;
	return hreq_reshape(out, ask->turn, drop, counts ? 1 : 2, from);
}

static enum fault
vertex_request(const struct ask *ask, struct hreq *out, struct refusal *why)
{
	(void)why;
	return add_url(ask, out) || add_headers(ask, out) || shape_body(ask, out) ? FAULT_HEADERS
										  : FAULT_NONE;
}

/* Google's own words for what went wrong (google.rpc.Code). */
static const struct {
	struct span name;
	int status; /* the client's; 0: it speaks of our own account */
} codes[] = {
	{ { "INVALID_ARGUMENT", 16 }, 400 },
	{ { "FAILED_PRECONDITION", 19 }, 400 },
	{ { "OUT_OF_RANGE", 12 }, 400 },
	{ { "UNAUTHENTICATED", 15 }, 0 },
	{ { "PERMISSION_DENIED", 17 }, 0 },
	{ { "NOT_FOUND", 9 }, 404 },
	{ { "ABORTED", 7 }, 500 },
	{ { "RESOURCE_EXHAUSTED", 18 }, 429 },
	{ { "CANCELLED", 9 }, 500 },
	{ { "INTERNAL", 8 }, 500 },
	{ { "UNKNOWN", 7 }, 500 },
	{ { "UNAVAILABLE", 11 }, 529 },
	{ { "DEADLINE_EXCEEDED", 17 }, 504 },
};

static int
status_of(struct span name, int status)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (span_eq(name, codes[i].name))
			return codes[i].status;
	if (status == 401 || status == 402 || status == 403)
		return 0;
	return status == 503 ? 529 : status;
}

/* The first object of an array of one, which Google sends for what was to be a stream. */
static struct span
unwrap(struct span body)
{
	body = span_trim(body);
	if (json_type(body) == 'a' && body.n > 2)
		body = span_trim(span_cut(body, 1, body.n - 1));
	return body;
}

static void
vertex_refusal(const struct complaint *c, struct refusal *out)
{
	struct span body = unwrap(c->body);
	struct span error = json_find(body, SPAN("error"));
	struct complaint plain = { c->status, c->type, body };
	char name[64] = "";
	int status;

	if (c->status < 400 || json_find(error, SPAN("type")).p) { /* the model's own */
		anthropic_refusal(&plain, out);
		return;
	}
	json_field(json_find(error, SPAN("status")), name, sizeof(name));
	status = status_of(span_of(name), c->status);
	if (status == 0) {
		anthropic_refuse_credential(c->status, out);
		return;
	}
	if (!name[0]) {
		plain.status = status;
		anthropic_refusal(&plain, out);
		return;
	}
	out->fault = FAULT_UP_ERROR;
	out->status = status;
	(void)snprintf(out->type, sizeof(out->type), "%s", fault_type_of_status(status));
	json_field(json_find(error, SPAN("message")), out->message, sizeof(out->message));
	if (!out->message[0])
		refusal_set(out, out->fault, "The upstream answered %s.", name);
}

const struct kind kind_vertex = {
	.name = "vertex",
	.request = vertex_request,
	.event = anthropic_event,
	.edit = cloud_edit,
	.whole = cloud_whole,
	.refusal = vertex_refusal,
};
