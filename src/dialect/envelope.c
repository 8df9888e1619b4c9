/* envelope: see the header. Texts, names and arguments are copied as the JSON strings that they are
 * already, so that nothing of them is decoded and written anew. */
#include "dialect/envelope.h"

#include <inttypes.h>

#include "dialect/messages.h"
#include "wire/json.h"

static enum fault
envelope_parse(struct span body, enum op op, struct turn *out, struct refusal *why)
{
	struct json_member m = { .name = SPAN("stream_options") };
	enum fault f = messages_read(body, op, &m, out, why);

	if (f || m.seen == 0)
		return f;
	if (m.seen > 1 || (json_type(m.value) != 'o' && json_type(m.value) != 'z')) {
		refusal_set(why, FAULT_BAD_REQUEST, "stream_options: must be one object");
		return FAULT_BAD_REQUEST;
	}
	out->places[TURN_STREAM_OPTIONS] = messages_place(body, &m);
	(void)!json_bool(json_find(m.value, SPAN("include_usage")), &out->wants_usage);
	return FAULT_NONE;
}

/* {success, code, message, data} of something that went wrong. */
static int
put_failure(const struct refusal *r, struct buf *out)
{
	return buf_addf(
		   out, "{\"success\":false,\"code\":\"%d\",\"message\":", refusal_status(r)) ||
		json_put_string(out, span_of(refusal_message(r))) ||
		buf_add(out, SPAN(",\"data\":null}"))
	    ? -1
	    : 0;
}

static int
envelope_refuse(const struct refusal *r, struct span request_id, bool event, struct buf *out)
{
	(void)request_id; /* it stands in the header */
	if (!event)
		return put_failure(r, out);
	return buf_add(out, SPAN("data: ")) || put_failure(r, out) || buf_add(out, SPAN("\n\n"))
	    ? -1
	    : 0;
}

static const struct {
	struct span reason; /* raw JSON */
	const char *told;
} endings[] = {
	{ SPAN("\"end_turn\""), "stop" },
	{ SPAN("\"stop_sequence\""), "stop" },
	{ SPAN("\"pause_turn\""), "stop" },
	{ SPAN("\"max_tokens\""), "length" },
	{ SPAN("\"model_context_window_exceeded\""), "length" },
	{ SPAN("\"tool_use\""), "tool_calls" },
	{ SPAN("\"refusal\""), "content_filter" },
};

static const char *
ending_of(struct span reason)
{
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		if (span_eq(reason, endings[i].reason))
			return endings[i].told;
	return "stop";
}

/* The counts under the names of a chat completion, and under the API's own. */
static int
put_usage(const struct usage *u, struct buf *out)
{
	uint64_t prompt = u->input + u->cache_write + u->cache_read;

	return buf_addf(out,
	    "{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64
	    ",\"total_tokens\":%" PRIu64 ",\"prompt_tokens_details\":{\"cached_tokens\":%" PRIu64
	    "},\"input_tokens\":%" PRIu64 ",\"output_tokens\":%" PRIu64
	    ",\"cache_creation_input_tokens\":%" PRIu64 ",\"cache_read_input_tokens\":%" PRIu64 "}",
	    prompt, u->output, prompt + u->output, u->cache_read, u->input, u->output,
	    u->cache_write, u->cache_read);
}

/* Whole answers. */

static bool
is_block(struct span block, struct span type)
{
	return span_eq(json_find(block, SPAN("type")), type);
}

/* Appends the texts of all blocks of a type as one JSON string. *found: there was one. */
static int
put_joined(struct span content, struct span type, struct span member, bool *found, struct buf *out)
{
	struct span block;

	*found = false;
	if (buf_add(out, SPAN("\"")))
		return -1;
	while ((block = json_next(&content)).p) {
		struct span text = json_inside(json_find(block, member));

		if (!is_block(block, type) || !text.p)
			continue;
		*found = true;
		if (buf_add(out, text))
			return -1;
	}
	return buf_add(out, SPAN("\""));
}

/* The input as the string that a function's arguments are. */
static int
put_call(struct span block, struct buf *out)
{
	return buf_add(out, SPAN("{\"id\":")) || buf_add(out, json_find(block, SPAN("id"))) ||
		buf_add(out, SPAN(",\"type\":\"function\",\"function\":{\"name\":")) ||
		buf_add(out, json_find(block, SPAN("name"))) ||
		buf_add(out, SPAN(",\"arguments\":")) ||
		json_put_string(out, json_find(block, SPAN("input"))) || buf_add(out, SPAN("}}"))
	    ? -1
	    : 0;
}

static int
put_calls(struct span content, size_t *n, struct buf *out)
{
	struct span block;

	*n = 0;
	while ((block = json_next(&content)).p) {
		if (!is_block(block, SPAN("\"tool_use\"")))
			continue;
		if (buf_add(out, (*n)++ ? SPAN(",") : SPAN(",\"tool_calls\":[")) ||
		    put_call(block, out))
			return -1;
	}
	return *n > 0 ? buf_add(out, SPAN("]")) : 0;
}

static int
put_message(struct span content, struct buf *out)
{
	size_t start, calls;
	bool found;

	if (buf_add(out, SPAN("{\"role\":\"assistant\",\"content\":")))
		return -1;
	start = out->len;
	if (put_joined(content, SPAN("\"text\""), SPAN("text"), &found, out))
		return -1;
	if (!found) {
		out->len = start;
		if (buf_add(out, SPAN("null")))
			return -1;
	}
	start = out->len;
	if (buf_add(out, SPAN(",\"reasoning_content\":")) ||
	    put_joined(content, SPAN("\"thinking\""), SPAN("thinking"), &found, out))
		return -1;
	if (!found)
		out->len = start;
	return put_calls(content, &calls, out) || buf_add(out, SPAN("}")) ? -1 : 0;
}

static int
envelope_whole(struct span body, struct buf *out)
{
	struct usage usage = { 0 };

	usage_set(&usage, json_find(body, SPAN("usage")));
	return buf_add(out,
		   SPAN(
		       "{\"success\":true,\"code\":\"200\",\"message\":\"successful\",\"data\":{\"id\":")) ||
		buf_add(out, json_find(body, SPAN("id"))) || buf_add(out, SPAN(",\"model\":")) ||
		buf_add(out, json_find(body, SPAN("model"))) ||
		buf_add(out, SPAN(",\"choices\":[{\"index\":0,\"message\":")) ||
		put_message(json_find(body, SPAN("content")), out) ||
		buf_addf(out, ",\"finish_reason\":\"%s\"}],\"usage\":",
		    ending_of(json_find(body, SPAN("stop_reason")))) ||
		put_usage(&usage, out) || buf_add(out, SPAN("}}"))
	    ? -1
	    : 0;
}

/* Streams. */

static void
envelope_begin(const struct turn *turn, int64_t now, struct retelling *out)
{
	*out = (struct retelling){ .created = now, .wants_usage = turn->wants_usage };
	memcpy(out->id, "\"\"", 3);
	memcpy(out->model, "\"\"", 3);
}

/* What every chunk begins with. */
static int
open_chunk(const struct retelling *r, struct buf *out)
{
	return buf_add(out, SPAN("data: {\"id\":")) || buf_add(out, span_of(r->id)) ||
		buf_addf(out, ",\"object\":\"chat.completion.chunk\",\"created\":%" PRId64,
		    r->created) ||
		buf_add(out, SPAN(",\"model\":")) || buf_add(out, span_of(r->model)) ||
		buf_add(out, SPAN(",\"choices\":["))
	    ? -1
	    : 0;
}

static int
open_delta(const struct retelling *r, struct buf *out)
{
	return open_chunk(r, out) || buf_add(out, SPAN("{\"index\":0,\"delta\":{")) ? -1 : 0;
}

static int
close_delta(struct buf *out)
{
	return buf_add(out, SPAN("},\"finish_reason\":null}]}\n\n"));
}

/* A chunk whose delta has one member, a JSON string as it came; nothing when it is none. */
static int
put_text(const struct retelling *r, const char *member, struct span text, struct buf *out)
{
	if (json_type(text) != 's' || text.n <= 2)
		return 0;
	return open_delta(r, out) || buf_addf(out, "\"%s\":", member) || buf_add(out, text) ||
		close_delta(out)
	    ? -1
	    : 0;
}

/* More of the open tool's arguments, a JSON string. */
static int
put_arguments(struct retelling *r, struct span part, struct buf *out)
{
	if (json_type(part) != 's' || part.n <= 2)
		return 0;
	r->argued = true;
	return open_delta(r, out) ||
		buf_addf(out, "\"tool_calls\":[{\"index\":%" PRIu64 ",\"function\":{\"arguments\":",
		    r->tools - 1) ||
		buf_add(out, part) || buf_add(out, SPAN("}}]")) || close_delta(out)
	    ? -1
	    : 0;
}

static void
keep(struct span value, char *to, size_t size)
{
	if (json_type(value) != 's' || value.n >= size)
		return;
	memcpy(to, value.p, value.n);
	to[value.n] = '\0';
}

static int
on_message_start(struct retelling *r, struct span data, struct buf *out)
{
	struct span message = json_find(data, SPAN("message"));

	keep(json_find(message, SPAN("id")), r->id, sizeof(r->id));
	keep(json_find(message, SPAN("model")), r->model, sizeof(r->model));
	usage_set(&r->usage, json_find(message, SPAN("usage")));
	return open_delta(r, out) ||
		buf_add(out, SPAN("\"role\":\"assistant\",\"content\":\"\"")) || close_delta(out)
	    ? -1
	    : 0;
}

static int
on_tool_start(struct retelling *r, struct span block, struct buf *out)
{
	struct span input = json_find(block, SPAN("input"));
	bool whole = json_type(input) == 'o' && !json_empty(input);

	r->block = BLOCK_TOOL;
	r->argued = whole;
	r->tools++;
	return open_delta(r, out) ||
		buf_addf(out, "\"tool_calls\":[{\"index\":%" PRIu64 ",\"id\":", r->tools - 1) ||
		buf_add(out, json_find(block, SPAN("id"))) ||
		buf_add(out, SPAN(",\"type\":\"function\",\"function\":{\"name\":")) ||
		buf_add(out, json_find(block, SPAN("name"))) ||
		buf_add(out, SPAN(",\"arguments\":")) ||
		(whole ? json_put_string(out, input) : buf_add(out, SPAN("\"\""))) ||
		buf_add(out, SPAN("}}]")) || close_delta(out)
	    ? -1
	    : 0;
}

static int
on_block_start(struct retelling *r, struct span data, struct buf *out)
{
	struct span block = json_find(data, SPAN("content_block"));

	r->block = BLOCK_NONE;
	if (is_block(block, SPAN("\"tool_use\"")))
		return on_tool_start(r, block, out);
	if (is_block(block, SPAN("\"text\""))) {
		r->block = BLOCK_TEXT;
		return put_text(r, "content", json_find(block, SPAN("text")), out);
	}
	if (is_block(block, SPAN("\"thinking\""))) {
		r->block = BLOCK_THINKING;
		return put_text(r, "reasoning_content", json_find(block, SPAN("thinking")), out);
	}
	return 0;
}

static int
on_block_delta(struct retelling *r, struct span data, struct buf *out)
{
	struct span delta = json_find(data, SPAN("delta"));

	switch (r->block) {
	case BLOCK_TEXT:
		return put_text(r, "content", json_find(delta, SPAN("text")), out);
	case BLOCK_THINKING:
		return put_text(r, "reasoning_content", json_find(delta, SPAN("thinking")), out);
	case BLOCK_TOOL:
		return put_arguments(r, json_find(delta, SPAN("partial_json")), out);
	default:
		return 0;
	}
}

/* Arguments of which nothing came are those of a call without any. */
static int
on_block_stop(struct retelling *r, struct buf *out)
{
	bool silent = r->block == BLOCK_TOOL && !r->argued;

	if (silent && put_arguments(r, SPAN("\"{}\""), out))
		return -1;
	r->block = BLOCK_NONE;
	return 0;
}

static int
on_message_delta(struct retelling *r, struct span data, struct buf *out)
{
	struct span reason = json_find_in(data, "delta", "stop_reason", NULL);

	usage_set(&r->usage, json_find(data, SPAN("usage")));
	if (json_type(reason) != 's' || r->finished)
		return 0;
	r->finished = true;
	return open_delta(r, out) ||
		buf_addf(out, "},\"finish_reason\":\"%s\"}]}\n\n", ending_of(reason))
	    ? -1
	    : 0;
}

static int
on_message_stop(struct retelling *r, struct buf *out)
{
	if (!r->finished &&
	    (open_delta(r, out) || buf_add(out, SPAN("},\"finish_reason\":\"stop\"}]}\n\n"))))
		return -1;
	if (r->wants_usage &&
	    (open_chunk(r, out) || buf_add(out, SPAN("],\"usage\":")) ||
		put_usage(&r->usage, out) || buf_add(out, SPAN("}\n\n"))))
		return -1;
	return buf_add(out, SPAN("data: [DONE]\n\n"));
}

#define PING ": ping\n\n"

static int
envelope_event(struct retelling *r, const struct event *what, struct span data, struct buf *out)
{
	switch (what->type) {
	case EVENT_PING:
		return buf_add(out, SPAN(PING));
	case EVENT_MESSAGE_START:
		return on_message_start(r, data, out);
	case EVENT_BLOCK_START:
		return on_block_start(r, data, out);
	case EVENT_BLOCK_DELTA:
		return on_block_delta(r, data, out);
	case EVENT_BLOCK_STOP:
		return on_block_stop(r, out);
	case EVENT_MESSAGE_DELTA:
		return on_message_delta(r, data, out);
	case EVENT_MESSAGE_STOP:
		return on_message_stop(r, out);
	default:
		return 0;
	}
}

const struct dialect dialect_envelope = {
	.name = "envelope",
	.parse = envelope_parse,
	.refuse = envelope_refuse,
	.ping = { PING, sizeof(PING) - 1 },
	.whole = envelope_whole,
	.begin = envelope_begin,
	.event = envelope_event,
};
