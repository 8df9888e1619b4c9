/* messages: the native dialect. Bodies pass as they are, so only what the gate acts on is looked
 * at, and errors are the API's own envelope. */
#include "dialect/messages.h"

#include "wire/sse.h"

/* What may be wrong with a member that the gate knows. */
static const struct rule {
	struct span name;
	char type;    /* '\0': any */
	bool counted; /* it belongs to count_tokens as well */
	const char *must_be;
} rules[] = {
	[TURN_MODEL] = { { "model", 5 }, 's', true, "must be a string" },
	[TURN_MESSAGES] = { { "messages", 8 }, 'a', true, "must be an array" },
	[TURN_MAX_TOKENS] = { { "max_tokens", 10 }, 'n', true, "must be an integer of at least 0" },
	[TURN_STREAM] = { { "stream", 6 }, 'b', false, "must be true or false" },
	[TURN_VERSION] = { { "anthropic_version", 17 }, '\0', true, "" },
	[TURN_BETA] = { { "anthropic_beta", 14 }, '\0', true, "" },
	[TURN_PROFILE] = { { "user_profile_id", 15 }, '\0', true, "" },
	[TURN_THINKING] = { { "thinking", 8 }, '\0', true, "" },
	[TURN_TOOLS] = { { "tools", 5 }, '\0', true, "" },
	[TURN_THREAD] = { { "thread", 6 }, '\0', true, "" },
	[TURN_CONTAINER] = { { "container", 9 }, '\0', true, "" },
};
#define RULES TURN_STREAM_OPTIONS
_Static_assert(sizeof(rules) / sizeof(*rules) == RULES, "a rule for each of the API's own");

/* A member that stands twice is refused: what the gate checked and what the upstream reads could
 * differ. */
static enum fault
member_check(
    const struct json_member *m, bool required, const struct rule *rule, struct refusal *why)
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
	if (rule->type && json_type(m->value) != rule->type) {
		refusal_set(
		    why, FAULT_BAD_REQUEST, "%.*s: %s", (int)m->name.n, m->name.p, rule->must_be);
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

struct turn_place
messages_place(struct span body, const struct json_member *m)
{
	struct turn_place p = { 0 };
	size_t end;

	if (m->seen == 0)
		return p;
	p.name_at = (size_t)(m->at - body.p);
	p.at = (size_t)(m->value.p - body.p);
	p.len = m->value.n;
	for (p.before = p.name_at - 1; body.p[p.before] != ',' && body.p[p.before] != '{';)
		p.before--;
	for (end = p.at + p.len; body.p[end] != ',' && body.p[end] != '}';)
		end++;
	p.after = body.p[end] == ',' ? end + 1 : 0;
	return p;
}

/* A file's id as a member, and not in some text: there its quotes would be escaped. */
static bool
names_files(struct span body)
{
	const struct span name = SPAN("\"file_id\"");
	const char *end = body.p + body.n;

	for (const char *p = body.p; (p = memmem(p, (size_t)(end - p), name.p, name.n));) {
		struct span rest;

		p += name.n;
		rest = span_trim((struct span){ p, (size_t)(end - p) });
		if (rest.n == 0 || rest.p[0] != ':')
			continue;
		rest = span_trim(span_cut(rest, 1, rest.n));
		if (rest.n > 0 && rest.p[0] == '"')
			return true;
	}
	return false;
}

static bool
given(const struct json_member *m)
{
	return m->seen > 0 && json_type(m->value) != 'z';
}

static bool
hides_thinking(struct span thinking)
{
	return span_eq(json_find(thinking, SPAN("type")), SPAN("\"disabled\"")) ||
	    span_eq(json_find(thinking, SPAN("display")), SPAN("\"omitted\""));
}

static enum fault
read_members(const struct json_member *m, struct span body, enum op op, struct turn *out,
    struct refusal *why)
{
	enum fault f = read_model(&m[TURN_MODEL], out, why);

	if (f)
		return f;
	if (json_empty(m[TURN_MESSAGES].value)) {
		refusal_set(why, FAULT_BAD_REQUEST, "messages: at least one message is required");
		return FAULT_BAD_REQUEST;
	}
	if (m[TURN_MAX_TOKENS].seen &&
	    json_u64(m[TURN_MAX_TOKENS].value, INT64_MAX, &out->max_tokens)) {
		refusal_set(why, FAULT_BAD_REQUEST, "max_tokens: must be an integer of at least 0");
		return FAULT_BAD_REQUEST;
	}
	if (op == OP_MESSAGES && m[TURN_STREAM].seen &&
	    json_bool(m[TURN_STREAM].value, &out->stream)) {
		refusal_set(why, FAULT_BAD_REQUEST, "stream: must be true or false");
		return FAULT_BAD_REQUEST;
	}
	for (size_t i = 0; i < RULES; i++)
		out->places[i] = messages_place(body, &m[i]);
	while (body.p[out->open_at] != '{')
		out->open_at++;
	out->hides_thinking = hides_thinking(m[TURN_THINKING].value);
	out->threaded = given(&m[TURN_THREAD]);
	out->bound = given(&m[TURN_CONTAINER]) || names_files(body);
	return FAULT_NONE;
}

enum fault
messages_read(
    struct span body, enum op op, struct json_member *more, struct turn *out, struct refusal *why)
{
	struct json_member m[RULES + 1] = { 0 };
	struct json_fault fault = { 0 };
	bool asks = op == OP_MESSAGES;

	for (size_t i = 0; i < RULES; i++)
		m[i].name = rules[i].name;
	if (more)
		m[RULES] = *more;
	if (span_trim(body).n == 0) {
		refusal_set(
		    why, FAULT_BAD_REQUEST, "body: a JSON object is required, and none came");
		return FAULT_BAD_REQUEST;
	}
	if (json_scan(body, JSON_DEPTH_MAX, m, RULES + (more != NULL), &fault)) {
		refusal_set(why, FAULT_BAD_REQUEST, "body: not valid JSON at byte %zu: %s",
		    fault.at, fault.what);
		return FAULT_BAD_REQUEST;
	}
	for (size_t i = 0; i < RULES; i++) {
		bool required =
		    i == TURN_MODEL || i == TURN_MESSAGES || (asks && i == TURN_MAX_TOKENS);
		enum fault f = FAULT_NONE;

		if (asks || rules[i].counted)
			f = member_check(&m[i], required, &rules[i], why);
		if (f)
			return f;
	}
	if (more)
		*more = m[RULES];
	return read_members(m, body, op, out, why);
}

static enum fault
messages_parse(struct span body, enum op op, struct turn *out, struct refusal *why)
{
	return messages_read(body, op, NULL, out, why);
}

/* The upstream's own envelope with our request id in it: same bytes otherwise. In an event it has
 * to stand on one line. */
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
	if (rc == 0)
		sse_one_line(out->p + start, out->len - start);
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
