/* jsontree: see the header. The only home of json-c. */
#include "wire/jsontree.h"

#include <limits.h>

#include <json-c/json.h>

#include "base/limits.h"

/* Parses a whole value with json-c; NULL when it is not valid or too large for it. */
static struct json_object *
tree_parse(struct span value)
{
	struct json_tokener *t;
	struct json_object *tree;

	if (!value.p || value.n > INT_MAX)
		return NULL;
	t = json_tokener_new_ex((int)JSON_DEPTH_MAX);
	if (!t)
		return NULL;
	json_tokener_set_flags(t, JSON_TOKENER_STRICT);
	tree = json_tokener_parse_ex(t, value.p, (int)value.n);
	if (tree && json_tokener_get_parse_end(t) != value.n) {
		json_object_put(tree);
		tree = NULL;
	}
	json_tokener_free(t);
	return tree;
}

static int
tree_add_string(struct json_object *tree, struct buf *out)
{
	if (!json_object_is_type(tree, json_type_string))
		return -1;
	return buf_add(out,
	    (struct span){
		json_object_get_string(tree),
		(size_t)json_object_get_string_len(tree),
	    });
}

int
jsontree_string(struct span value, struct buf *out)
{
	struct json_object *tree = tree_parse(value);
	int rc = tree_add_string(tree, out);

	json_object_put(tree);
	return rc;
}

/* The text blocks of a message's content, joined by newlines. */
static int
tree_add_blocks(struct json_object *blocks, struct buf *out)
{
	size_t n = json_object_array_length(blocks);
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *block = json_object_array_get_idx(blocks, i);
		struct json_object *type, *text;

		if (!json_object_object_get_ex(block, "type", &type) ||
		    !json_object_object_get_ex(block, "text", &text) ||
		    !json_object_is_type(text, json_type_string) ||
		    !span_eq(span_of(json_object_get_string(type)), SPAN("text")))
			continue;
		if (found++ > 0 && buf_add(out, SPAN("\n")) < 0)
			return -1;
		if (tree_add_string(text, out) < 0)
			return -1;
	}
	return found > 0 ? 0 : -1;
}

static struct json_object *
tree_last_user(struct json_object *messages)
{
	size_t n =
	    json_object_is_type(messages, json_type_array) ? json_object_array_length(messages) : 0;

	while (n-- > 0) {
		struct json_object *message = json_object_array_get_idx(messages, n);
		struct json_object *role;

		if (json_object_object_get_ex(message, "role", &role) &&
		    span_eq(span_of(json_object_get_string(role)), SPAN("user")))
			return message;
	}
	return NULL;
}

int
jsontree_last_user_text(struct span messages, struct buf *out)
{
	struct json_object *tree = tree_parse(messages);
	struct json_object *content = NULL;
	size_t before = out->len;
	int rc = -1;

	if (!json_object_object_get_ex(tree_last_user(tree), "content", &content))
		goto out;
	if (json_object_is_type(content, json_type_array))
		rc = tree_add_blocks(content, out);
	else
		rc = tree_add_string(content, out);
	if (rc < 0)
		out->len = before;
out:
	json_object_put(tree);
	return rc;
}
