/* chatmessages: see the header. Texts and names are copied as the JSON strings that they are. */
#include "upstream/chatmessages.h"

#include "wire/json.h"

/* The messages while they are told. */
struct telling {
	struct chatpath *path;
	struct buf *out;
	size_t messages; /* so many were put */
	size_t parts;	 /* of the message that is open */
};

static const struct span here = { NULL, 0 };

static bool
is(struct span object, const char *member, const char *want)
{
	struct span value = json_inside(json_find(object, span_of(member)));

	return value.p && span_eq(value, span_of(want));
}

static bool
is_type(struct span block, const char *type)
{
	return is(block, "type", type);
}

/* A member that must be a string. */
static int
need_text(struct telling *t, struct span object, const char *name, struct span *text)
{
	*text = json_find(object, span_of(name));
	return json_type(*text) == 's' ? 0
				       : chatpath_refuse(t->path, span_of(name),
					     text->p ? "must be a string" : "field required");
}

/* Begins a message, up to its content. */
static int
open_message(struct telling *t, const char *role)
{
	t->parts = 0;
	return buf_addf(t->out, "%s{\"role\":\"%s\",\"content\":", t->messages++ ? "," : "", role);
}

/* Begins a part of the user's message, and the message with its first. */
static int
open_part(struct telling *t)
{
	if (t->parts == 0 && (open_message(t, "user") || buf_add(t->out, SPAN("["))))
		return -1;
	return t->parts++ > 0 ? buf_add(t->out, SPAN(",")) : 0;
}

static int
close_parts(struct telling *t)
{
	return t->parts > 0 ? buf_add(t->out, SPAN("]}")) : 0;
}

static int
check_text(struct telling *t, struct span block, struct span *text)
{
	static const char *const known[] = { "type", "text" };

	return chatpath_check(t->path, block, CHATPATH_NAMES(known)) ||
		need_text(t, block, "text", text)
	    ? -1
	    : 0;
}

/* A list while it is walked over. */
struct walk {
	struct span rest;
	size_t n; /* so many were seen */
	struct chatpath_end end;
};

static struct walk
walk_over(const struct telling *t, struct span list)
{
	return (struct walk){ .rest = list, .end = chatpath_here(t->path) };
}

/* The next element, with the path in it; behind the last false, and the path where it was. */
static bool
next_block(struct telling *t, struct walk *w, struct span *block)
{
	chatpath_leave(t->path, w->end);
	*block = json_next(&w->rest);
	if (block->p)
		(void)chatpath_item(t->path, w->n++);
	return block->p;
}

/* What is inside a text, or inside blocks of text, each on a line of its own. */
static int
put_texts(struct telling *t, struct span content)
{
	struct walk walk = walk_over(t, content);
	struct span block, text;

	if (json_type(content) == 's')
		return buf_add(t->out, json_inside(content));
	if (json_type(content) != 'a')
		return chatpath_refuse(t->path, here, "must be a string or a list of blocks");
	while (next_block(t, &walk, &block)) {
		if (!is_type(block, "text"))
			return chatpath_refuse(t->path, SPAN("type"),
			    "the upstream of this model takes text alone here");
		if (check_text(t, block, &text) || (walk.n > 1 && buf_add(t->out, SPAN("\\n"))) ||
		    buf_add(t->out, json_inside(text)))
			return -1;
	}
	return 0;
}

/* A message that is a text. */
static int
put_text_message(struct telling *t, const char *role, struct span content)
{
	return open_message(t, role) || buf_add(t->out, SPAN("\"")) || put_texts(t, content) ||
		buf_add(t->out, SPAN("\"}"))
	    ? -1
	    : 0;
}

static int
put_text_part(struct telling *t, struct span block)
{
	struct span text;

	return check_text(t, block, &text) || open_part(t) ||
		buf_add(t->out, SPAN("{\"type\":\"text\",\"text\":")) || buf_add(t->out, text) ||
		buf_add(t->out, SPAN("}"))
	    ? -1
	    : 0;
}

static int
put_image_url(struct telling *t, struct span source)
{
	struct span url, data, media;

	if (is_type(source, "url"))
		return need_text(t, source, "url", &url) || buf_add(t->out, url) ? -1 : 0;
	if (!is_type(source, "base64"))
		return chatpath_refuse(t->path, SPAN("type"),
		    "the upstream of this model takes images as base64 or url");
	return need_text(t, source, "media_type", &media) || need_text(t, source, "data", &data) ||
		buf_add(t->out, SPAN("\"data:")) || buf_add(t->out, json_inside(media)) ||
		buf_add(t->out, SPAN(";base64,")) || buf_add(t->out, json_inside(data)) ||
		buf_add(t->out, SPAN("\""))
	    ? -1
	    : 0;
}

static int
put_image_part(struct telling *t, struct span block)
{
	static const char *const known[] = { "type", "source" };
	struct chatpath_end end;

	if (chatpath_check(t->path, block, CHATPATH_NAMES(known)) || open_part(t) ||
	    buf_add(t->out, SPAN("{\"type\":\"image_url\",\"image_url\":{\"url\":")))
		return -1;
	end = chatpath_enter(t->path, "source");
	if (put_image_url(t, json_find(block, SPAN("source"))))
		return -1;
	chatpath_leave(t->path, end);
	return buf_add(t->out, SPAN("}}"));
}

/* What stands before a document's text. */
static int
put_heading(struct telling *t, struct span heading)
{
	struct span text = json_inside(heading);

	return text.p && (buf_add(t->out, text) || buf_add(t->out, SPAN("\\n"))) ? -1 : 0;
}

static int
put_document_text(struct telling *t, struct span source)
{
	bool plain = is_type(source, "text");
	const char *member = plain ? "data" : "content";
	struct chatpath_end end;

	if (!plain && !is_type(source, "content"))
		return chatpath_refuse(t->path, SPAN("type"),
		    "the upstream of this model takes documents as text alone");
	end = chatpath_enter(t->path, member);
	if (put_texts(t, json_find(source, span_of(member))))
		return -1;
	chatpath_leave(t->path, end);
	return 0;
}

static int
check_document(struct telling *t, struct span block)
{
	static const char *const known[] = { "type", "source", "title", "context", "citations" };
	bool cites = false;

	(void)!json_bool(json_find_in(block, "citations", "enabled", NULL), &cites);
	if (cites && !chatpath_drops(t->path, SPAN("citations")))
		return chatpath_refuse_extra(t->path, SPAN("citations"));
	return chatpath_check(t->path, block, CHATPATH_NAMES(known));
}

static int
put_document_part(struct telling *t, struct span block)
{
	struct chatpath_end end;

	if (check_document(t, block) || open_part(t) ||
	    buf_add(t->out, SPAN("{\"type\":\"text\",\"text\":\"")) ||
	    put_heading(t, json_find(block, SPAN("title"))) ||
	    put_heading(t, json_find(block, SPAN("context"))))
		return -1;
	end = chatpath_enter(t->path, "source");
	if (put_document_text(t, json_find(block, SPAN("source"))))
		return -1;
	chatpath_leave(t->path, end);
	return buf_add(t->out, SPAN("\"}"));
}

static int
put_part(struct telling *t, struct span block)
{
	if (is_type(block, "text"))
		return put_text_part(t, block);
	if (is_type(block, "image"))
		return put_image_part(t, block);
	if (is_type(block, "document"))
		return put_document_part(t, block);
	return chatpath_refuse(
	    t->path, SPAN("type"), "the upstream of this model has no such block");
}

/* What tools gave. */

/* A result's blocks that are texts; its images are put elsewhere. */
static int
put_result_texts(struct telling *t, struct span content)
{
	struct walk walk = walk_over(t, content);
	struct span block, text;
	size_t texts = 0;

	if (json_type(content) != 'a')
		return put_texts(t, content);
	while (next_block(t, &walk, &block)) {
		if (is_type(block, "image"))
			continue;
		if (!is_type(block, "text"))
			return chatpath_refuse(t->path, SPAN("type"),
			    "the upstream of this model takes text and images alone from a tool");
		if (check_text(t, block, &text) || (texts++ > 0 && buf_add(t->out, SPAN("\\n"))) ||
		    buf_add(t->out, json_inside(text)))
			return -1;
	}
	return 0;
}

static int
put_result(struct telling *t, struct span block)
{
	static const char *const known[] = { "type", "tool_use_id", "content", "is_error" };
	struct span content = json_find(block, SPAN("content"));
	struct chatpath_end end;
	struct span id;
	bool failed = false;

	(void)!json_bool(json_find(block, SPAN("is_error")), &failed);
	if (chatpath_check(t->path, block, CHATPATH_NAMES(known)) ||
	    need_text(t, block, "tool_use_id", &id) || open_message(t, "tool") ||
	    buf_add(t->out, failed ? SPAN("\"Error: ") : SPAN("\"")))
		return -1;
	end = chatpath_enter(t->path, "content");
	if (content.p && json_type(content) != 'z' && put_result_texts(t, content))
		return -1;
	chatpath_leave(t->path, end);
	return buf_add(t->out, SPAN("\",\"tool_call_id\":")) || buf_add(t->out, id) ||
		buf_add(t->out, SPAN("}"))
	    ? -1
	    : 0;
}

static int
put_results(struct telling *t, struct span content)
{
	struct walk walk = walk_over(t, content);
	struct span block;

	while (next_block(t, &walk, &block))
		if (is_type(block, "tool_result") && put_result(t, block))
			return -1;
	return 0;
}

static int
put_result_images(struct telling *t, struct span content)
{
	struct chatpath_end outer = chatpath_enter(t->path, "content");
	struct walk walk = walk_over(t, content);
	struct span block;

	while (next_block(t, &walk, &block))
		if (is_type(block, "image") && put_image_part(t, block))
			return -1;
	chatpath_leave(t->path, outer);
	return 0;
}

/* The turns of a talk. */

/* One text alone is a string, as every server takes it. */
static bool
is_plain(struct span content)
{
	struct span block = json_next(&content);

	return is_type(block, "text") && !json_next(&content).p;
}

static int
put_said_by_user(struct telling *t, struct span content)
{
	struct walk walk = walk_over(t, content);
	struct span block;
	int rc = 0;

	t->parts = 0;
	while (!rc && next_block(t, &walk, &block))
		rc = is_type(block, "tool_result")
		    ? put_result_images(t, json_find(block, SPAN("content")))
		    : put_part(t, block);
	return rc || close_parts(t) ? -1 : 0;
}

static int
put_user(struct telling *t, struct span content)
{
	if (json_type(content) == 'a' && !is_plain(content))
		return put_results(t, content) || put_said_by_user(t, content) ? -1 : 0;
	return put_text_message(t, "user", content);
}

static int
check_call(struct telling *t, struct span block)
{
	static const char *const known[] = { "type", "id", "name", "input", "caller" };
	struct span caller = json_find(block, SPAN("caller"));

	if (caller.p && json_type(caller) != 'z' && !is_type(caller, "direct"))
		return chatpath_refuse_extra(t->path, SPAN("caller"));
	if (json_type(json_find(block, SPAN("input"))) != 'o')
		return chatpath_refuse(t->path, SPAN("input"), "must be an object");
	return chatpath_check(t->path, block, CHATPATH_NAMES(known));
}

static int
put_call(struct telling *t, struct span block, bool first)
{
	struct span id, name;

	return check_call(t, block) || need_text(t, block, "id", &id) ||
		need_text(t, block, "name", &name) ||
		buf_add(t->out, first ? SPAN(",\"tool_calls\":[{\"id\":") : SPAN(",{\"id\":")) ||
		buf_add(t->out, id) ||
		buf_add(t->out, SPAN(",\"type\":\"function\",\"function\":{\"name\":")) ||
		buf_add(t->out, name) || buf_add(t->out, SPAN(",\"arguments\":")) ||
		json_put_string(t->out, json_find(block, SPAN("input"))) ||
		buf_add(t->out, SPAN("}}"))
	    ? -1
	    : 0;
}

static int
put_calls(struct telling *t, struct span content)
{
	struct walk walk = walk_over(t, content);
	struct span block;
	bool first = true;

	while (next_block(t, &walk, &block)) {
		if (!is_type(block, "tool_use"))
			continue;
		if (put_call(t, block, first))
			return -1;
		first = false;
	}
	return first ? 0 : buf_add(t->out, SPAN("]"));
}

static bool
is_thought(struct span block)
{
	return is_type(block, "thinking") || is_type(block, "redacted_thinking");
}

/* What an assistant's blocks say; null when they only call. */
static int
put_said_by_model(struct telling *t, struct span content)
{
	size_t start = t->out->len;
	struct walk walk = walk_over(t, content);
	size_t texts = 0, calls = 0;
	struct span block, text;

	if (buf_add(t->out, SPAN("\"")))
		return -1;
	while (next_block(t, &walk, &block)) {
		if (is_type(block, "text")) {
			texts++;
			if (check_text(t, block, &text) || buf_add(t->out, json_inside(text)))
				return -1;
		} else if (is_type(block, "tool_use")) {
			calls++;
		} else if (!is_thought(block)) {
			return chatpath_refuse(
			    t->path, SPAN("type"), "the upstream of this model has no such block");
		}
	}
	if (texts > 0 || calls == 0)
		return buf_add(t->out, SPAN("\""));
	t->out->len = start;
	return buf_add(t->out, SPAN("null"));
}

static int
put_assistant(struct telling *t, struct span content)
{
	if (json_type(content) != 'a')
		return put_text_message(t, "assistant", content);
	return open_message(t, "assistant") || put_said_by_model(t, content) ||
		put_calls(t, content) || buf_add(t->out, SPAN("}"))
	    ? -1
	    : 0;
}

static int
put_system(struct telling *t, struct span content)
{
	return put_text_message(t, "system", content);
}

static const struct {
	const char *role;
	int (*put)(struct telling *t, struct span content);
} roles[] = {
	{ "user", put_user },
	{ "assistant", put_assistant },
	{ "system", put_system },
};

static int
put_message(struct telling *t, struct span message)
{
	static const char *const known[] = { "role", "content" };
	struct span content = json_find(message, SPAN("content"));
	struct chatpath_end end;

	if (chatpath_check(t->path, message, CHATPATH_NAMES(known)))
		return -1;
	if (!content.p)
		return chatpath_refuse(t->path, SPAN("content"), "field required");
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		if (!is(message, "role", roles[i].role))
			continue;
		end = chatpath_enter(t->path, "content");
		if (roles[i].put(t, content))
			return -1;
		chatpath_leave(t->path, end);
		return 0;
	}
	return chatpath_refuse(t->path, SPAN("role"), "must be user, assistant or system");
}

static int
put_prompt(struct telling *t, struct span system)
{
	struct chatpath_end end = chatpath_enter(t->path, "system");

	if (system.p && json_type(system) != 'z' && !json_empty(system) && put_system(t, system))
		return -1;
	chatpath_leave(t->path, end);
	return 0;
}

int
chatmessages_put(struct chatpath *path, struct span body, struct buf *out)
{
	struct telling t = { .path = path, .out = out };
	struct span messages = json_find(body, SPAN("messages"));
	struct span message, last = { NULL, 0 };
	struct chatpath_end outer;
	struct walk walk;

	if (put_prompt(&t, json_find(body, SPAN("system"))))
		return -1;
	outer = chatpath_enter(path, "messages");
	walk = walk_over(&t, messages);
	while (next_block(&t, &walk, &message)) {
		if (put_message(&t, message))
			return -1;
		last = message;
	}
	if (is(last, "role", "assistant")) {
		(void)chatpath_item(path, walk.n - 1);
		return chatpath_refuse(path, SPAN("role"),
		    "the last message must be the user's: the upstream of this model cannot go on with an answer");
	}
	chatpath_leave(path, outer);
	return 0;
}
