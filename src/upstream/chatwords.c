/* chatwords: see the header. */
#include "upstream/chatwords.h"

#include <inttypes.h>

#include "base/limits.h"
#include "wire/json.h"

#define TOKEN_BYTES 4u /* about so many are a token of text */

static const struct {
	struct span finish; /* raw */
	const char *reason; /* NULL: it has none */
	bool failed;
} endings[] = {
	{ SPAN("\"stop\""), NULL, false }, { SPAN("\"tool_calls\""), "tool_use", false },
	{ SPAN("\"function_call\""), "tool_use", false },
	{ SPAN("\"length\""), "max_tokens", false },
	{ SPAN("\"max_tokens\""), "max_tokens", false },
	{ SPAN("\"content_filter\""), "refusal", false },
	{ SPAN("\"stop_sequence\""), "stop_sequence", false },	  /* TGI */
	{ SPAN("\"error\""), NULL, true },			  /* OpenRouter */
	{ SPAN("\"abort\""), NULL, true },			  /* vLLM, SGLang */
	{ SPAN("\"insufficient_system_resource\""), NULL, true }, /* DeepSeek */
};

void
chatwords_stop(struct chatstop *s, struct span finish, struct span matched)
{
	if (json_type(finish) != 's')
		return;
	s->told = true;
	s->reason = NULL;
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		if (!span_eq(finish, endings[i].finish))
			continue;
		s->reason = endings[i].reason;
		s->failed = endings[i].failed;
	}
	if (!s->reason && json_type(matched) == 's' && matched.n > 2 &&
	    matched.n <= CHAT_STOP_MAX) {
		memcpy(s->matched, matched.p, matched.n);
		s->matched[matched.n] = '\0';
	}
}

static const char *
reason_of(const struct chatstop *s)
{
	if (s->refused)
		return "refusal";
	if (s->reason)
		return s->reason;
	if (s->calls)
		return "tool_use";
	return s->matched[0] ? "stop_sequence" : "end_turn";
}

bool
chatwords_ran_out(const struct chatstop *s)
{
	return s->reason && strcmp(s->reason, "max_tokens") == 0;
}

int
chatwords_put_stop(const struct chatstop *s, struct buf *out)
{
	const char *reason = reason_of(s);
	bool matched = s->matched[0] && strcmp(reason, "stop_sequence") == 0;

	return buf_addf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":%s", reason,
	    matched ? s->matched : "null");
}

bool
chatwords_usage(struct usage *u, struct span usage)
{
	uint64_t prompt = 0, output = 0, cached = 0;

	if (json_type(usage) != 'o')
		return false;
	(void)!json_u64(json_find(usage, SPAN("prompt_tokens")), TOKENS_MAX, &prompt);
	(void)!json_u64(json_find(usage, SPAN("completion_tokens")), TOKENS_MAX, &output);
	if (prompt == 0 && output == 0)
		return false;
	(void)!json_u64(
	    json_find_in(usage, "prompt_tokens_details", "cached_tokens", NULL), prompt, &cached);
	*u = (struct usage){ .input = prompt - cached, .output = output, .cache_read = cached };
	return true;
}

void
chatwords_reckon(struct usage *u, const struct ask *ask, uint64_t told)
{
	*u = (struct usage){ .input = ask->input_estimate,
		.output = (told + TOKEN_BYTES - 1) / TOKEN_BYTES };
}

int
chatwords_put_usage(const struct usage *u, struct buf *out)
{
	return buf_addf(out,
	    "{\"input_tokens\":%" PRIu64
	    ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":%" PRIu64
	    ",\"output_tokens\":%" PRIu64 "}",
	    u->input, u->cache_read, u->output);
}

int
chatwords_put_head(const struct ask *ask, struct span id, struct buf *out)
{
	struct span text = json_inside(id);
	bool own = text.n == 0 || text.n > CHAT_ID_MAX;

	return buf_add(out, own ? SPAN("{\"id\":\"msg_") : SPAN("{\"id\":\"")) ||
		buf_add(out, own ? ask->request_id : text) ||
		buf_add(out, SPAN("\",\"type\":\"message\",\"role\":\"assistant\",\"model\":")) ||
		json_put_string(out, span_of(ask->turn->model)) ||
		buf_add(out, SPAN(",\"content\":["))
	    ? -1
	    : 0;
}

int
chatwords_put_call_id(const struct ask *ask, struct span id, size_t nth, struct buf *out)
{
	if (id.n > 0)
		return buf_add(out, SPAN("\"")) || buf_add(out, id) || buf_add(out, SPAN("\"")) ? -1
												: 0;
	return buf_addf(out, "\"toolu_%.*s_%zu\"", (int)ask->request_id.n, ask->request_id.p, nth);
}

enum chat_arguments
chatwords_arguments(struct span arguments, struct buf *out)
{
	struct buf text = buf_make(arguments.n);
	enum chat_arguments found = ARGUMENTS_BAD;
	struct json_fault fault;
	struct span object;
	bool good = json_string(arguments, &text) == 0;

	object = span_trim(buf_span(&text));
	if (good && (object.n == 0 || span_eq(object, SPAN("null"))))
		found = ARGUMENTS_NONE;
	else if (good && json_scan(object, JSON_DEPTH_MAX, NULL, 0, &fault) == 0 &&
	    (!out || buf_add(out, object) == 0))
		found = ARGUMENTS_OBJECT;
	buf_free(&text);
	return found;
}

static int
said_in_thoughts(struct span thoughts, chatwords_take *take, void *arg)
{
	struct span one;

	while ((one = json_next(&thoughts)).p) {
		struct span text = json_find(one, SPAN("text"));

		if (json_type(text) != 's' || take(arg, CHAT_THINKING, json_inside(text)))
			return -1;
	}
	return 0;
}

/* What a model of Mistral's says is a list of texts and of lists of thoughts. */
static int
said_in_list(struct span list, chatwords_take *take, void *arg)
{
	struct span thoughts;
	struct span one;

	while ((one = json_next(&list)).p) {
		struct span text = json_find(one, SPAN("text"));
		int rc = -1;

		thoughts = json_find(one, SPAN("thinking"));
		if (json_type(text) == 's')
			rc = take(arg, CHAT_TEXT, json_inside(text));
		else if (json_type(thoughts) == 's')
			rc = take(arg, CHAT_THINKING, json_inside(thoughts));
		else if (json_type(thoughts) == 'a')
			rc = said_in_thoughts(thoughts, take, arg);
		if (rc)
			return -1;
	}
	return 0;
}

static int
said(struct span value, enum chat_piece kind, chatwords_take *take, void *arg)
{
	switch (json_type(value)) {
	case 's':
		return take(arg, kind, json_inside(value));
	case 'a':
		return said_in_list(value, take, arg);
	case 'z':
	case '\0':
		return 0;
	default:
		return -1;
	}
}

int
chatwords_said(struct span message, chatwords_take *take, void *arg)
{
	struct span reasoning = { NULL, 0 }, content = reasoning, refusal = reasoning;
	struct span name, value;

	while ((value = json_next_member(&message, &name)).p) {
		if (span_eq(name, SPAN("\"content\"")))
			content = value;
		else if (span_eq(name, SPAN("\"refusal\"")))
			refusal = value;
		else if (span_eq(name, SPAN("\"reasoning_content\"")) ||
		    (span_eq(name, SPAN("\"reasoning\"")) && json_type(reasoning) != 's'))
			reasoning = value;
	}
	return said(reasoning, CHAT_THINKING, take, arg) || said(content, CHAT_TEXT, take, arg) ||
		said(refusal, CHAT_REFUSAL, take, arg)
	    ? -1
	    : 0;
}
