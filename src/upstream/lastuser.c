/* lastuser: see the header. */
#include "upstream/lastuser.h"

#include "wire/json.h"

static bool
is(struct span object, struct span name, struct span value)
{
	return span_eq(json_find(object, name), value);
}

/* The text blocks of a message's content, joined by newlines. */
static int
add_blocks(struct span blocks, struct buf *out)
{
	struct span block;
	int rc = 1;

	while ((block = json_next(&blocks)).p) {
		struct span text = json_find(block, SPAN("text"));

		if (json_type(text) != 's' || !is(block, SPAN("type"), SPAN("\"text\"")))
			continue;
		if ((rc == 0 && buf_add(out, SPAN("\n"))) || json_string(text, out))
			return -1;
		rc = 0;
	}
	return rc;
}

int
lastuser_text(struct span messages, struct buf *out)
{
	struct span content = { NULL, 0 };
	struct span message;
	size_t before = out->len;
	int rc = 1;

	while ((message = json_next(&messages)).p)
		if (is(message, SPAN("role"), SPAN("\"user\"")))
			content = json_find(message, SPAN("content"));
	if (json_type(content) == 's')
		rc = json_string(content, out) ? -1 : 0;
	else if (json_type(content) == 'a')
		rc = add_blocks(content, out);
	if (rc < 0)
		out->len = before;
	return rc;
}
