/* jsontree: see the header. The only home of json-c. */
#include "wire/jsontree.h"

#include <limits.h>

#include <json-c/json.h>

#include "base/limits.h"

/* Parses a string with json-c; NULL when it is not valid or too large for it. */
static struct json_object *
tree_parse(struct span value)
{
	struct json_tokener *t;
	struct json_object *tree;

	if (!value.p || value.p[0] != '"' || value.n > INT_MAX)
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

int
jsontree_string(struct span value, struct buf *out)
{
	struct json_object *tree = tree_parse(value);
	int rc = -1;

	if (json_object_is_type(tree, json_type_string))
		rc = buf_add(out,
		    (struct span){
			json_object_get_string(tree), (size_t)json_object_get_string_len(tree) });
	json_object_put(tree);
	return rc;
}
