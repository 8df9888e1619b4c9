/* chatrequest: see the header. Strings, schemas and inputs are copied as the JSON that they are;
 * only what stands around them is written anew. */
#include "upstream/chatrequest.h"

#include <inttypes.h>

#include "base/hash.h"
#include "upstream/chatmessages.h"
#include "upstream/chatpath.h"
#include "wire/json.h"

/* What OpenAI takes of a user's name. */
#define USER_MAX 64u

/* Up to so many tokens of thinking are little, and from so many on they are much. */
#define BUDGET_LITTLE 4096u
#define BUDGET_MUCH   16384u

/* A body while it is made. */
struct making {
	struct chatpath path;
	struct buf *out;
	struct span effort; /* raw, of output_config */
	uint64_t budget;    /* of thinking; 0: none */
};

/* Appends `,"name":value`. */
static int
put_member(struct making *m, const char *name, struct span value)
{
	return buf_addf(m->out, ",\"%s\":", name) || buf_add(m->out, value) ? -1 : 0;
}

/* OpenAI's own models take the newer name alone, most other servers the older. */
static int
put_max_tokens(struct making *m, struct span value)
{
	struct span url = span_of(m->path.ask->target->upstream->url);
	const struct span hosts[] = { SPAN("//api.openai.com"), SPAN(".openai.azure.com") };
	const char *name = "max_tokens";

	for (size_t i = 0; i < 2; i++)
		if (url.n > 0 && memmem(url.p, url.n, hosts[i].p, hosts[i].n))
			name = "max_completion_tokens";
	return put_member(m, name, value);
}

static int
put_stop(struct making *m, struct span value)
{
	return json_empty(value) ? 0 : put_member(m, "stop", value);
}

/* A name that is too long goes as its hash, which tells users apart as well. */
static int
put_user(struct making *m, struct span user)
{
	uint8_t hash[HASH_LEN];
	char hex[HASH_HEX_LEN + 1];

	if (user.n <= USER_MAX + 2)
		return put_member(m, "user", user);
	if (hash_sha256(json_inside(user), hash))
		return -1;
	hash_to_hex(hash, hex);
	return buf_addf(m->out, ",\"user\":\"%s\"", hex);
}

static int
put_metadata(struct making *m, struct span value)
{
	static const char *const known[] = { "user_id" };
	struct span user = json_find(value, SPAN("user_id"));

	if (chatpath_check(&m->path, value, CHATPATH_NAMES(known)))
		return -1;
	return json_type(user) == 's' ? put_user(m, user) : 0;
}

static int
put_stream(struct making *m, struct span value)
{
	(void)value;
	return m->path.ask->turn->stream
	    ? buf_add(m->out, SPAN(",\"stream\":true,\"stream_options\":{\"include_usage\":true}"))
	    : 0;
}

/* Tools. */

static int
check_tool(struct making *m, struct span tool)
{
	static const char *const known[] = { "type", "name", "description", "input_schema",
		"strict", "eager_input_streaming" };
	struct span type = json_find(tool, SPAN("type"));

	if (json_type(type) == 's' && !span_eq(type, SPAN("\"custom\"")))
		return chatpath_refuse(&m->path, SPAN("type"),
		    "the upstream of this model has tools of type custom only");
	if (json_type(json_find(tool, SPAN("name"))) != 's')
		return chatpath_refuse(&m->path, SPAN("name"), "field required");
	return chatpath_check(&m->path, tool, CHATPATH_NAMES(known));
}

static int
put_function(struct making *m, struct span tool)
{
	static const struct {
		struct span name;
		const char *there;
	} parts[] = {
		{ SPAN("description"), "description" },
		{ SPAN("input_schema"), "parameters" },
		{ SPAN("strict"), "strict" },
	};

	if (buf_add(m->out, SPAN("{\"type\":\"function\",\"function\":{\"name\":")) ||
	    buf_add(m->out, json_find(tool, SPAN("name"))))
		return -1;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		struct span value = json_find(tool, parts[i].name);

		if (value.p && json_type(value) != 'z' && put_member(m, parts[i].there, value))
			return -1;
	}
	return buf_add(m->out, SPAN("}}"));
}

static int
put_tools(struct making *m, struct span value)
{
	struct span tool;
	size_t at = 0;

	if (json_empty(value))
		return 0;
	if (json_type(value) != 'a')
		return chatpath_refuse(&m->path, (struct span){ 0 }, "must be a list");
	if (buf_add(m->out, SPAN(",\"tools\":[")))
		return -1;
	while ((tool = json_next(&value)).p) {
		struct chatpath_end end = chatpath_item(&m->path, at);

		if ((at++ > 0 && buf_add(m->out, SPAN(","))) || check_tool(m, tool) ||
		    put_function(m, tool))
			return -1;
		chatpath_leave(&m->path, end);
	}
	return buf_add(m->out, SPAN("]"));
}

static int
put_choice(struct making *m, struct span value)
{
	struct span type = json_find(value, SPAN("type"));

	if (span_eq(type, SPAN("\"auto\"")) || span_eq(type, SPAN("\"none\"")))
		return put_member(m, "tool_choice", type);
	if (span_eq(type, SPAN("\"any\"")))
		return put_member(m, "tool_choice", SPAN("\"required\""));
	if (!span_eq(type, SPAN("\"tool\"")))
		return chatpath_refuse(&m->path, SPAN("type"), "must be auto, any, tool or none");
	return buf_add(m->out,
		   SPAN(",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":")) ||
		buf_add(m->out, json_find(value, SPAN("name"))) || buf_add(m->out, SPAN("}}"))
	    ? -1
	    : 0;
}

static int
put_tool_choice(struct making *m, struct span value)
{
	static const char *const known[] = { "type", "name", "disable_parallel_tool_use" };
	bool single = false;

	(void)!json_bool(json_find(value, SPAN("disable_parallel_tool_use")), &single);
	return chatpath_check(&m->path, value, CHATPATH_NAMES(known)) || put_choice(m, value) ||
		(single && put_member(m, "parallel_tool_calls", SPAN("false")))
	    ? -1
	    : 0;
}

/* Thinking and output. */

static int
take_thinking(struct making *m, struct span value)
{
	static const char *const known[] = { "type", "budget_tokens", "display" };
	static const struct span types[] = { SPAN("\"enabled\""), SPAN("\"adaptive\""),
		SPAN("\"disabled\"") };
	struct span type = json_find(value, SPAN("type"));

	(void)!json_u64(json_find(value, SPAN("budget_tokens")), UINT32_MAX, &m->budget);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (span_eq(type, types[i]))
			return chatpath_check(&m->path, value, CHATPATH_NAMES(known));
	return chatpath_refuse(
	    &m->path, SPAN("type"), "must be enabled, adaptive or disabled for this model");
}

static int
put_schema(struct making *m, struct span format)
{
	static const char *const known[] = { "type", "schema" };
	struct span schema = json_find(format, SPAN("schema"));

	if (chatpath_check(&m->path, format, CHATPATH_NAMES(known)))
		return -1;
	if (!span_eq(json_find(format, SPAN("type")), SPAN("\"json_schema\"")))
		return chatpath_refuse(&m->path, SPAN("type"), "must be json_schema");
	if (json_type(schema) != 'o')
		return chatpath_refuse(&m->path, SPAN("schema"), "must be an object");
	return buf_add(m->out,
		   SPAN(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
			"\"name\":\"output\",\"strict\":true,\"schema\":")) ||
		buf_add(m->out, schema) || buf_add(m->out, SPAN("}}"))
	    ? -1
	    : 0;
}

static int
put_output_config(struct making *m, struct span value)
{
	static const char *const known[] = { "effort", "format" };
	struct span format = json_find(value, SPAN("format"));
	struct chatpath_end end;

	if (chatpath_check(&m->path, value, CHATPATH_NAMES(known)))
		return -1;
	if (!chatpath_drops(&m->path, SPAN("effort")))
		m->effort = json_find(value, SPAN("effort"));
	if (!format.p || json_type(format) == 'z')
		return 0;
	end = chatpath_enter(&m->path, "format");
	if (put_schema(m, format))
		return -1;
	chatpath_leave(&m->path, end);
	return 0;
}

/* How hard to think: what the effort says, else what the budget of thinking comes to. */
static int
put_effort(struct making *m)
{
	static const struct span high[] = { SPAN("\"xhigh\""), SPAN("\"max\"") };
	struct span effort = m->effort;

	for (size_t i = 0; i < 2; i++)
		if (span_eq(effort, high[i]))
			effort = SPAN("\"high\"");
	if (json_type(effort) != 's' && m->budget > 0)
		effort = m->budget < BUDGET_LITTLE ? SPAN("\"low\"")
		    : m->budget < BUDGET_MUCH	   ? SPAN("\"medium\"")
						   : SPAN("\"high\"");
	return json_type(effort) == 's' ? put_member(m, "reasoning_effort", effort) : 0;
}

/* Of no effect on what is answered: both are served alike there. */
static int
check_tier(struct making *m, struct span value)
{
	if (span_eq(value, SPAN("\"auto\"")) || span_eq(value, SPAN("\"standard_only\"")))
		return 0;
	return chatpath_refuse(
	    &m->path, (struct span){ 0 }, "must be auto or standard_only for this model");
}

/* It is put elsewhere, or has no effect on what is answered. */
static int
pass_over(struct making *m, struct span value)
{
	(void)m;
	(void)value;
	return 0;
}

static const struct {
	const char *name;
	int (*put)(struct making *m, struct span value); /* NULL: it goes as it is */
	bool may_stay; /* not every server knows it, so that may_drop can name it as well */
} members[] = {
	{ "model", pass_over, false },
	{ "messages", pass_over, false },
	{ "system", pass_over, false },
	{ "stream_options", pass_over, false },
	{ "cache_control", pass_over, false },
	{ "diagnostics", pass_over, false },
	{ "max_tokens", put_max_tokens, false },
	{ "temperature", NULL, true },
	{ "top_p", NULL, true },
	{ "stop_sequences", put_stop, true },
	{ "metadata", put_metadata, true },
	{ "service_tier", check_tier, true },
	{ "stream", put_stream, false },
	{ "tools", put_tools, false },
	{ "tool_choice", put_tool_choice, false },
	{ "thinking", take_thinking, true },
	{ "output_config", put_output_config, true },
	{ "output_format", put_schema, true },
};

static int
put_one(struct making *m, struct span name, struct span value)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		struct chatpath_end end;

		if (!span_eq(name, span_of(members[i].name)))
			continue;
		if (members[i].may_stay && chatpath_drops(&m->path, name))
			return 0;
		if (!members[i].put)
			return put_member(m, members[i].name, value);
		end = chatpath_enter(&m->path, members[i].name);
		if (members[i].put(m, value))
			return -1;
		chatpath_leave(&m->path, end);
		return 0;
	}
	return json_empty(value) || chatpath_drops(&m->path, name)
	    ? 0
	    : chatpath_refuse_extra(&m->path, name);
}

static int
put_members(struct making *m, struct span body)
{
	struct span raw, value;

	while ((value = json_next_member(&body, &raw)).p)
		if (json_type(value) != 'z' && put_one(m, json_inside(raw), value))
			return -1;
	return put_effort(m);
}

enum fault
chatrequest_put(const struct ask *ask, struct buf *out, struct refusal *why)
{
	struct making m = { .path = { .ask = ask, .why = why }, .out = out };
	char *room;

	/* It comes to about the same size, and grows in one piece that way. */
	if (buf_room(out, ask->body.n + KIB, &room) || buf_add(out, SPAN("{\"model\":")) ||
	    json_put_string(out, ask->target->model) || buf_add(out, SPAN(",\"messages\":[")) ||
	    chatmessages_put(&m.path, ask->body, out) || buf_add(out, SPAN("]")) ||
	    put_members(&m, ask->body) || buf_add(out, SPAN("}")))
		return why->fault ? why->fault : FAULT_INTERNAL;
	return FAULT_NONE;
}
