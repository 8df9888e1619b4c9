/* chatblocks: see the header. Pieces of text go on as the JSON strings that they are. */
#include "upstream/chatblocks.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/num.h"
#include "wire/json.h"

#define TOO_LARGE    "The upstream sent an event that is too large."
#define NO_ARGUMENTS "The upstream's model called a tool with arguments that are no JSON object."
#define NO_NAME	     "The upstream's model called a tool without its name."
#define MANY_PARTS   "The upstream's answer has too many blocks."
#define NOT_TOLD     "The upstream sent more of a call that was complete."

static int
fail(struct chatblocks *b, const char *why)
{
	b->why = why;
	return -1;
}

/* The text of blocks. */

#define NO_CHARACTER "\\ufffd"

#define DELTA "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"

static struct span
delta_head(enum chatpart_kind kind)
{
	switch (kind) {
	case PART_TEXT:
		return SPAN(",\"delta\":{\"type\":\"text_delta\",\"text\":\"");
	case PART_THINKING:
		return SPAN(",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"");
	default:
		return SPAN(",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"");
	}
}

enum half { NO_HALF, FIRST_HALF, SECOND_HALF };

/* What the escape at `at` is of a pair for one character: from \ud800 on its first half, from
 * \udc00 on its second. */
static enum half
half_at(struct span text, size_t at)
{
	const char *p = text.p + at;

	if (text.n < at + CHATBLOCKS_HALF || p[0] != '\\' || p[1] != 'u' ||
	    (p[2] != 'd' && p[2] != 'D') || num_hex(p[3]) < 8)
		return NO_HALF;
	return num_hex(p[3]) < 12 ? FIRST_HALF : SECOND_HALF;
}

/* Whether the inside of a JSON string ends in the first half of a pair: servers that cut their
 * texts by UTF-16 send halves. */
static bool
ends_in_half(struct span text)
{
	size_t at = text.n - CHATBLOCKS_HALF;
	size_t slashes = 0;

	if (text.n < CHATBLOCKS_HALF || half_at(text, at) != FIRST_HALF)
		return false;
	while (slashes < at && text.p[at - 1 - slashes] == '\\')
		slashes++;
	return slashes % 2 == 0;
}

static int
put_delta(struct chatblocks *b, struct span text)
{
	struct span held = { b->held, b->held_n };
	struct span half = { NULL, 0 };

	if (text.n == 0)
		return 0;
	if (held.n > 0 && half_at(text, 0) != SECOND_HALF)
		held = SPAN(NO_CHARACTER);
	if (ends_in_half(text)) {
		half = span_cut(text, text.n - CHATBLOCKS_HALF, text.n);
		text.n -= CHATBLOCKS_HALF;
	}
	if (text.n + held.n > 0 &&
	    (buf_add(b->out, SPAN(DELTA)) || buf_add_u64(b->out, b->at) ||
		buf_add(b->out, delta_head(b->parts[b->at].kind)) || buf_add(b->out, held) ||
		buf_add(b->out, text) || buf_add(b->out, SPAN("\"}}\n\n"))))
		return -1;
	b->held_n = half.n;
	if (half.n > 0)
		memcpy(b->held, half.p, half.n);
	return 0;
}

/* Blocks. */

static int
put_block_start(struct chatblocks *b)
{
	const struct chatpart *p = &b->parts[b->at];

	if (buf_add(b->out,
		SPAN("event: content_block_start\ndata: {\"type\":\"content_block_start\","
		     "\"index\":")) ||
	    buf_add_u64(b->out, b->at))
		return -1;
	switch (p->kind) {
	case PART_TEXT:
		return buf_add(
		    b->out, SPAN(",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"));
	case PART_THINKING:
		return buf_add(b->out,
		    SPAN(",\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\","
			 "\"signature\":\"\"}}\n\n"));
	default:
		return buf_add(b->out, SPAN(",\"content_block\":{\"type\":\"tool_use\",\"id\":")) ||
			chatwords_put_call_id(b->ask, buf_span(&p->id), b->at, b->out) ||
			buf_add(b->out, SPAN(",\"name\":\"")) ||
			buf_add(b->out, buf_span(&p->name)) ||
			buf_add(b->out, SPAN("\",\"input\":{}}}\n\n"))
		    ? -1
		    : 0;
	}
}

/* Sends what waits of the open block. Of a call nothing goes before its first brace: servers send
 * blanks, or null, for no arguments. */
static int
flush_part(struct chatblocks *b)
{
	struct chatpart *p = &b->parts[b->at];

	if (p->kind == PART_CALL && !p->args.begun)
		return 0;
	if (put_delta(b, span_cut(buf_span(&p->text), p->sent, p->text.len)))
		return -1;
	p->sent = p->text.len;
	return 0;
}

/* Whether a call's arguments are what the whole answer could have as its input; when max_tokens cut
 * them short they are what there is. */
static int
check_call(struct chatblocks *b, const struct chatpart *p)
{
	struct buf quoted = buf_make(p->text.len + 2);
	bool bad = buf_add(&quoted, SPAN("\"")) || buf_add(&quoted, buf_span(&p->text)) ||
	    buf_add(&quoted, SPAN("\"")) ||
	    chatwords_arguments(buf_span(&quoted), NULL) == ARGUMENTS_BAD;

	buf_free(&quoted);
	return bad && !chatwords_ran_out(&b->stop) ? fail(b, NO_ARGUMENTS) : 0;
}

static int
end_block(struct chatblocks *b)
{
	struct chatpart *p = &b->parts[b->at];

	/* The other half never came. */
	if (b->held_n > 0) {
		b->held_n = 0;
		if (put_delta(b, SPAN(NO_CHARACTER)))
			return -1;
	}
	if (p->kind == PART_CALL && check_call(b, p))
		return -1;
	b->waiting -= p->text.len;
	buf_reset(&p->text, HOLD_KEEP);
	if (buf_add(b->out,
		SPAN("event: content_block_stop\ndata: {\"type\":\"content_block_stop\","
		     "\"index\":")) ||
	    buf_add_u64(b->out, b->at) || buf_add(b->out, SPAN("}\n\n")))
		return -1;
	b->open = false;
	b->at++;
	return 0;
}

static int
begin_block(struct chatblocks *b)
{
	const struct chatpart *p = &b->parts[b->at];

	if (p->kind == PART_CALL && p->name.len == 0)
		return fail(b, NO_NAME);
	b->open = true;
	return put_block_start(b) || flush_part(b) ? -1 : 0;
}

static bool
may_begin(const struct chatpart *p)
{
	return p->kind != PART_CALL || p->name.len > 0;
}

static bool
may_end(const struct chatpart *p)
{
	return p->kind != PART_CALL || p->args.complete;
}

/* Ends and begins blocks as far as what has come allows it. */
static int
advance(struct chatblocks *b)
{
	for (;;) {
		if (!b->open && (b->at == b->n || !may_begin(&b->parts[b->at])))
			return 0;
		if (!b->open && begin_block(b))
			return -1;
		if (b->at + 1 == b->n || !may_end(&b->parts[b->at]))
			return 0;
		if (end_block(b))
			return -1;
	}
}

/* Parts. */

static struct chatpart *
add_part(struct chatblocks *b, enum chatpart_kind kind)
{
	struct chatpart *p;

	if (!b->parts || b->n == b->parts_cap) {
		size_t cap = b->parts_cap ? 2 * b->parts_cap : 4;
		struct chatpart *more =
		    cap > CHAT_PARTS_MAX ? NULL : reallocarray(b->parts, cap, sizeof(*more));

		if (!more) {
			(void)fail(b, MANY_PARTS);
			return NULL;
		}
		memset(more + b->n, 0, (cap - b->n) * sizeof(*more));
		b->parts = more;
		b->parts_cap = cap;
	}
	p = &b->parts[b->n++];
	p->kind = kind;
	p->index = UINT64_MAX;
	p->sent = 0;
	p->args = (struct chatargs){ 0 };
	p->text.max = p->id.max = p->name.max = EVENT_MAX;
	p->text.len = p->id.len = p->name.len = 0;
	return p;
}

/* Keeps a piece that cannot go on at once, or of a call. */
static int
keep(struct chatblocks *b, struct chatpart *p, struct span text)
{
	if (text.n > CHAT_WAITING_MAX - b->waiting || buf_add(&p->text, text))
		return fail(b, TOO_LARGE);
	b->waiting += text.n;
	return 0;
}

static bool
is_open(const struct chatblocks *b, const struct chatpart *p)
{
	return b->open && p == &b->parts[b->at];
}

int
chatblocks_text(void *arg, enum chat_piece piece, struct span text)
{
	struct chatblocks *b = arg;
	enum chatpart_kind kind = piece == CHAT_THINKING ? PART_THINKING : PART_TEXT;
	struct chatpart *p = b->n > 0 ? &b->parts[b->n - 1] : NULL;

	b->told += text.n;
	if (text.n == 0 || (kind == PART_THINKING && b->ask->turn->hides_thinking))
		return 0;
	b->stop.refused = b->stop.refused || piece == CHAT_REFUSAL;
	if (p && p->kind == kind && is_open(b, p))
		return put_delta(b, text);
	if (!p || p->kind != kind)
		p = add_part(b, kind);
	return !p || keep(b, p, text) || advance(b) ? -1 : 0;
}

/* Calls. */

/* A call's piece, as it came. */
struct piece {
	uint64_t index;
	struct span id, name; /* insides of JSON strings */
	struct span arguments;
};

static bool
is_same(const struct chatpart *p, const struct piece *call)
{
	bool same_id = call->id.n > 0 && span_eq(buf_span(&p->id), call->id);

	if (p->kind != PART_CALL)
		return false;
	if (call->index != UINT64_MAX && p->index != UINT64_MAX)
		return p->index == call->index && (call->id.n == 0 || p->id.len == 0 || same_id);
	return call->id.n == 0 || same_id;
}

/* The call that a piece belongs to: the server's index tells, but for servers that give all calls
 * the same and tell them apart by their ids, or give none. */
static struct chatpart *
part_of(struct chatblocks *b, const struct piece *call)
{
	struct chatpart *p;

	for (size_t i = b->n; i > 0; i--)
		if (is_same(&b->parts[i - 1], call))
			return &b->parts[i - 1];
	p = add_part(b, PART_CALL);
	if (p)
		p->index = call->index;
	return p;
}

static int
take_arguments(struct chatblocks *b, struct chatpart *p, struct span text)
{
	bool ended = p < &b->parts[b->at];

	if (text.n == 0)
		return 0;
	b->told += text.n;
	chatargs_feed(&p->args, text);
	if (p->args.behind)
		return fail(b, ended ? NOT_TOLD : NO_ARGUMENTS);
	if (ended)
		return 0;
	return keep(b, p, text) || (is_open(b, p) && flush_part(b)) ? -1 : 0;
}

/* Some servers give the arguments as the object itself. */
static int
take_object(struct chatblocks *b, struct chatpart *p, struct span object)
{
	struct buf quoted = buf_make(EVENT_MAX);
	int rc = json_put_string(&quoted, object) ||
	    take_arguments(b, p, json_inside(buf_span(&quoted)));

	buf_free(&quoted);
	return rc ? -1 : 0;
}

int
chatblocks_call(struct chatblocks *b, struct span call)
{
	struct span function = json_find(call, SPAN("function"));
	struct piece piece = { .index = UINT64_MAX,
		.id = json_inside(json_find(call, SPAN("id"))),
		.name = json_inside(json_find(function, SPAN("name"))),
		.arguments = json_find(function, SPAN("arguments")) };
	struct chatpart *p;
	int rc;

	(void)!json_u64(json_find(call, SPAN("index")), INT64_MAX, &piece.index);
	p = part_of(b, &piece);
	if (!p || (p->id.len == 0 && buf_add(&p->id, piece.id)) ||
	    (p->name.len == 0 && buf_add(&p->name, piece.name)))
		return -1;
	b->stop.calls = true;
	rc = json_type(piece.arguments) == 'o' ? take_object(b, p, piece.arguments)
					       : take_arguments(b, p, json_inside(piece.arguments));
	return rc ? -1 : advance(b);
}

int
chatblocks_end(struct chatblocks *b)
{
	while (b->at < b->n)
		if ((!b->open && begin_block(b)) || end_block(b))
			return -1;
	return 0;
}

void
chatblocks_begin(struct chatblocks *b, const struct ask *ask)
{
	chatblocks_rest(b);
	*b = (struct chatblocks){ .ask = ask, .parts = b->parts, .parts_cap = b->parts_cap };
}

void
chatblocks_rest(struct chatblocks *b)
{
	if (b->parts_cap > CHAT_PARTS_KEEP)
		chatblocks_free(b);
	for (size_t i = 0; i < b->parts_cap; i++) {
		buf_reset(&b->parts[i].text, CHAT_KEEP);
		buf_reset(&b->parts[i].id, CHAT_KEEP);
		buf_reset(&b->parts[i].name, CHAT_KEEP);
	}
	b->n = 0;
}

void
chatblocks_free(struct chatblocks *b)
{
	for (size_t i = 0; i < b->parts_cap; i++) {
		buf_free(&b->parts[i].text);
		buf_free(&b->parts[i].id);
		buf_free(&b->parts[i].name);
	}
	free(b->parts);
	*b = (struct chatblocks){ 0 };
}
