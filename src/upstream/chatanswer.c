/* chatanswer: see the header. Texts are copied as the JSON strings that they are; the arguments of
 * calls become JSON of the answer byte for byte. */
#include "upstream/chatanswer.h"

#include "base/limits.h"
#include "upstream/chatwords.h"
#include "wire/json.h"

enum open_block { OPEN_NONE, OPEN_TEXT, OPEN_THINKING };

/* A message while it is made. */
struct answering {
	const struct ask *ask;
	struct buf *out;
	struct chatstop stop;
	size_t blocks;
	enum open_block open;
	size_t calls;
	uint64_t told; /* bytes of what was said */
};

static int
close_block(struct answering *a)
{
	enum open_block open = a->open;

	a->open = OPEN_NONE;
	if (open == OPEN_NONE)
		return 0;
	return buf_add(a->out, open == OPEN_TEXT ? SPAN("\"}") : SPAN("\",\"signature\":\"\"}"));
}

static int
open_block(struct answering *a, struct span head)
{
	return close_block(a) || (a->blocks++ > 0 && buf_add(a->out, SPAN(","))) ||
		buf_add(a->out, head)
	    ? -1
	    : 0;
}

static int
put_piece(void *arg, enum chat_piece kind, struct span text)
{
	struct answering *a = arg;
	enum open_block want = kind == CHAT_THINKING ? OPEN_THINKING : OPEN_TEXT;

	a->told += text.n;
	if (text.n == 0 || (kind == CHAT_THINKING && a->ask->turn->hides_thinking))
		return 0;
	a->stop.refused = a->stop.refused || kind == CHAT_REFUSAL;
	if (want != a->open &&
	    open_block(a,
		want == OPEN_TEXT ? SPAN("{\"type\":\"text\",\"text\":\"")
				  : SPAN("{\"type\":\"thinking\",\"thinking\":\"")))
		return -1;
	a->open = want;
	return buf_add(a->out, text);
}

/* Appends the object that a call's arguments are, which some servers give as it is; a call without
 * any has an empty one, and so has one that max_tokens have cut short. */
static int
put_input(struct answering *a, struct span arguments)
{
	if (json_type(arguments) == 'o') {
		a->told += arguments.n;
		return buf_add(a->out, arguments);
	}
	a->told += json_inside(arguments).n;
	switch (
	    json_type(arguments) == 's' ? chatwords_arguments(arguments, a->out) : ARGUMENTS_NONE) {
	case ARGUMENTS_OBJECT:
		return 0;
	case ARGUMENTS_BAD:
		if (!chatwords_ran_out(&a->stop))
			return -1;
		break;
	default:
		break;
	}
	return buf_add(a->out, SPAN("{}"));
}

static int
put_call(struct answering *a, struct span call)
{
	struct span function = json_find(call, SPAN("function"));
	struct span name = json_find(function, SPAN("name"));
	struct span id = json_inside(json_find(call, SPAN("id")));

	a->stop.calls = true;
	if (json_type(name) != 's')
		return -1;
	return open_block(a, SPAN("{\"type\":\"tool_use\",\"id\":")) ||
		chatwords_put_call_id(a->ask, id, a->calls++, a->out) ||
		buf_add(a->out, SPAN(",\"name\":")) || buf_add(a->out, name) ||
		buf_add(a->out, SPAN(",\"input\":")) ||
		put_input(a, json_find(function, SPAN("arguments"))) || buf_add(a->out, SPAN("}"))
	    ? -1
	    : 0;
}

static int
put_calls(struct answering *a, struct span calls)
{
	struct span call;

	while ((call = json_next(&calls)).p)
		if (put_call(a, call))
			return -1;
	return 0;
}

static void
take_stop(struct answering *a, struct span choice)
{
	struct span matched = json_find(choice, SPAN("stop_reason"));

	if (json_type(matched) != 's')
		matched = json_find(choice, SPAN("matched_stop"));
	chatwords_stop(&a->stop, json_find(choice, SPAN("finish_reason")), matched);
}

static int
put_usage(struct answering *a, struct span usage, bool *reckoned)
{
	struct usage counts;

	*reckoned = !chatwords_usage(&counts, usage);
	if (*reckoned)
		chatwords_reckon(&counts, a->ask, a->told);
	return buf_add(a->out, SPAN(",\"usage\":")) || chatwords_put_usage(&counts, a->out) ||
		buf_add(a->out, SPAN("}"))
	    ? -1
	    : 0;
}

enum kind_edit
chatanswer_put(const struct ask *ask, struct span body, struct buf *out)
{
	struct answering a = { .ask = ask, .out = out };
	struct span choices = json_find(body, SPAN("choices"));
	struct span choice = json_next(&choices);
	struct span message = json_find(choice, SPAN("message"));
	bool reckoned = false;

	take_stop(&a, choice);
	if (json_type(message) != 'o' || a.stop.failed ||
	    chatwords_put_head(ask, json_find(body, SPAN("id")), out) ||
	    chatwords_said(message, put_piece, &a) || close_block(&a) ||
	    put_calls(&a, json_find(message, SPAN("tool_calls"))) || buf_add(out, SPAN("],")) ||
	    chatwords_put_stop(&a.stop, out) ||
	    put_usage(&a, json_find(body, SPAN("usage")), &reckoned))
		return KIND_FAILED;
	return reckoned ? KIND_RECKONED : KIND_EDITED;
}
