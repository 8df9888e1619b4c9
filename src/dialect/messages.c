/* messages: the native dialect. Bodies pass as they are, so only what the gate acts on is looked
 * at, and errors are the API's own envelope. */
#include "dialect/messages.h"

#include "wire/json.h"

enum { AT_MODEL, AT_MESSAGES, AT_MAX_TOKENS, AT_STREAM, AT_COUNT };

/* A member that stands twice is refused: what the gate checked and what the upstream reads could
 * differ. */
static enum fault
member_check(
    const struct json_member *m, bool required, char type, const char *must_be, struct refusal *why)
{
	if (m->seen > 1) {
		refusal_set(why, FAULT_BAD_REQUEST, "%.*s: given more than once", (int)m->name.n,
		    m->name.p);
		return FAULT_BAD_REQUEST;
	}
	if (m->seen == 0) {
		if (required) {
			refusal_set(why, FAULT_BAD_REQUEST, "%.*s: field required", (int)m->name.n,
			    m->name.p);
			return FAULT_BAD_REQUEST;
		}
		return FAULT_NONE;
	}
	if (json_type(m->value) != type) {
		refusal_set(why, FAULT_BAD_REQUEST, "%.*s: %s", (int)m->name.n, m->name.p, must_be);
		return FAULT_BAD_REQUEST;
	}
	return FAULT_NONE;
}

static enum fault
read_model(const struct json_member *m, struct turn *out, struct refusal *why)
{
	struct buf text = buf_make(MODEL_MAX);
	int bad = json_string(m->value, &text) || text.len == 0 || memchr(text.p, '\0', text.len);

	if (bad) {
		refusal_set(
		    why, FAULT_BAD_REQUEST, "model: must be a string of 1 to %u bytes", MODEL_MAX);
	} else {
		memcpy(out->model, text.p, text.len);
		out->model[text.len] = '\0';
	}
	buf_free(&text);
	return bad ? FAULT_BAD_REQUEST : FAULT_NONE;
}

static enum fault
read_members(const struct json_member *m, struct span body, enum op op, struct turn *out,
    struct refusal *why)
{
	enum fault f = read_model(&m[AT_MODEL], out, why);

	if (f)
		return f;
	if (json_empty(m[AT_MESSAGES].value)) {
		refusal_set(why, FAULT_BAD_REQUEST, "messages: at least one message is required");
		return FAULT_BAD_REQUEST;
	}
	if (m[AT_MAX_TOKENS].seen &&
	    json_u64(m[AT_MAX_TOKENS].value, INT64_MAX, &out->max_tokens)) {
		refusal_set(why, FAULT_BAD_REQUEST, "max_tokens: must be an integer of at least 0");
		return FAULT_BAD_REQUEST;
	}
	if (op == OP_MESSAGES && m[AT_STREAM].seen && json_bool(m[AT_STREAM].value, &out->stream)) {
		refusal_set(why, FAULT_BAD_REQUEST, "stream: must be true or false");
		return FAULT_BAD_REQUEST;
	}
	out->model_at = (size_t)(m[AT_MODEL].value.p - body.p);
	out->model_len = m[AT_MODEL].value.n;
	out->messages_at = (size_t)(m[AT_MESSAGES].value.p - body.p);
	out->messages_len = m[AT_MESSAGES].value.n;
	return FAULT_NONE;
}

static enum fault
messages_parse(struct span body, enum op op, struct turn *out, struct refusal *why)
{
	struct json_member m[AT_COUNT] = {
		[AT_MODEL] = { .name = SPAN("model") },
		[AT_MESSAGES] = { .name = SPAN("messages") },
		[AT_MAX_TOKENS] = { .name = SPAN("max_tokens") },
		[AT_STREAM] = { .name = SPAN("stream") },
	};
	struct json_fault fault = { 0 };
	bool asks = op == OP_MESSAGES;
	enum fault f;

	if (span_trim(body).n == 0) {
		refusal_set(
		    why, FAULT_BAD_REQUEST, "body: a JSON object is required, and none came");
		return FAULT_BAD_REQUEST;
	}
	if (json_scan(body, JSON_DEPTH_MAX, m, AT_COUNT, &fault)) {
		refusal_set(why, FAULT_BAD_REQUEST, "body: not valid JSON at byte %zu: %s",
		    fault.at, fault.what);
		return FAULT_BAD_REQUEST;
	}
	f = member_check(&m[AT_MODEL], true, 's', "must be a string", why);
	if (!f)
		f = member_check(&m[AT_MESSAGES], true, 'a', "must be an array", why);
	if (!f) {
		f = member_check(
		    &m[AT_MAX_TOKENS], asks, 'n', "must be an integer of at least 0", why);
	}
	if (!f && asks)
		f = member_check(&m[AT_STREAM], false, 'b', "must be true or false", why);
	return f ? f : read_members(m, body, op, out, why);
}

/* The upstream's own envelope with our request id in it: same bytes otherwise. In an event it has
 * to stand on one line; JSON has line ends only between its tokens, where a blank does as well. */
static int
put_envelope(struct span body, struct span request_id, struct buf *out)
{
	struct buf id = buf_make(2 * NAME_MAX_LEN + 64);
	struct span old = json_find(body, SPAN("request_id"));
	struct json_edit edit = { 0 };
	size_t start = out->len;
	int rc = -1;

	body = span_trim(body);
	if (old.p) {
		edit = (struct json_edit){ (size_t)(old.p - body.p), old.n, { 0 } };
	} else {
		edit = (struct json_edit){ body.n - 1, 0, { 0 } };
		rc = buf_add(&id, SPAN(",\"request_id\":"));
	}
	if ((old.p || rc == 0) && json_put_string(&id, request_id) == 0) {
		edit.put = buf_span(&id);
		rc = json_splice(body, &edit, 1, out);
	}
	for (size_t i = start; rc == 0 && i < out->len; i++)
		if (out->p[i] == '\n' || out->p[i] == '\r')
			out->p[i] = ' ';
	buf_free(&id);
	return rc;
}

static int
put_error(const struct refusal *r, struct span request_id, struct buf *out)
{
	int rc = buf_add(out, SPAN("{\"type\":\"error\",\"error\":{\"type\":")) ||
	    json_put_string(out, span_of(refusal_type(r))) || buf_add(out, SPAN(",\"message\":")) ||
	    json_put_string(out, span_of(refusal_message(r)));

	if (!rc && r->error_code) {
		rc = buf_add(out, SPAN(",\"details\":{\"error_code\":")) ||
		    json_put_string(out, span_of(r->error_code)) || buf_add(out, SPAN("}"));
	}
	return rc || buf_add(out, SPAN("},\"request_id\":")) || json_put_string(out, request_id) ||
		buf_add(out, SPAN("}"))
	    ? -1
	    : 0;
}

static int
messages_refuse(const struct refusal *r, struct span request_id, bool event, struct buf *out)
{
	int rc = event ? buf_add(out, SPAN("event: error\ndata: ")) : 0;

	if (!rc) {
		rc = r->body.p ? put_envelope(r->body, request_id, out)
			       : put_error(r, request_id, out);
	}
	if (!rc && event)
		rc = buf_add(out, SPAN("\n\n"));
	return rc;
}

static const char ping[] = "event: ping\ndata: {\"type\":\"ping\"}\n\n";

const struct dialect dialect_messages = {
	.name = "messages",
	.parse = messages_parse,
	.refuse = messages_refuse,
	.ping = { ping, sizeof(ping) - 1 },
};
