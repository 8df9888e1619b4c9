/* echo: built in, no network. One token is one word of the answer; the input counts a token for
 * every four bytes of `messages`, so that both modes and count_tokens agree. */
#include "upstream/echo.h"

#include <inttypes.h>

#include "base/hash.h"
#include "upstream/anthropic.h"
#include "upstream/lastuser.h"
#include "wire/json.h"

#define ECHO_PREFIX   "You said: "
#define ECHO_TEXT_MAX (2 * MIB)
#define ECHO_NOTHING  "(no text)"

struct echo {
	const struct ask *ask;
	struct buf text; /* what is said, cut to max_tokens words */
	uint64_t input_tokens;
	uint64_t output_tokens;
	bool cut;
	char id[4 + 24 + 1];
};

/* The end of the word at `at`: its letters and the blanks behind it. */
static size_t
word_end(struct span text, size_t at)
{
	while (at < text.n && text.p[at] != ' ' && text.p[at] != '\n')
		at++;
	while (at < text.n && (text.p[at] == ' ' || text.p[at] == '\n'))
		at++;
	return at;
}

/* Counts the words and cuts the text behind the last one that max_tokens allows. */
static void
count_words(struct echo *e)
{
	struct span text = buf_span(&e->text);
	size_t at = 0;

	while (at < text.n && e->output_tokens < e->ask->turn->max_tokens) {
		at = word_end(text, at);
		e->output_tokens++;
	}
	e->cut = at < text.n;
	e->text.len = at;
}

/* The id is a digest of the body, so that the same request gets the same answer. */
static int
make_id(struct echo *e, struct span body)
{
	uint8_t hash[HASH_LEN];
	char hex[HASH_HEX_LEN + 1];

	if (hash_sha256(body, hash))
		return -1;
	hash_to_hex(hash, hex);
	memcpy(e->id, "msg_", 4);
	memcpy(e->id + 4, hex, 24);
	e->id[28] = '\0';
	return 0;
}

static int
echo_read(struct echo *e, const struct ask *ask, struct span body)
{
	const struct turn_place *at = &ask->turn->places[TURN_MESSAGES];
	struct span messages = span_cut(body, at->at, at->at + at->len);
	int said = 1;

	e->ask = ask;
	e->input_tokens = (messages.n + 3) / 4;
	if (ask->op == OP_COUNT_TOKENS)
		return 0;
	if (make_id(e, body) || buf_add(&e->text, SPAN(ECHO_PREFIX)))
		return -1;
	if (messages.n <= BODY_MEMORY_MAX)
		said = lastuser_text(messages, &e->text);
	if (said < 0 ||
	    ((said || e->text.len == sizeof(ECHO_PREFIX) - 1) &&
		buf_add(&e->text, SPAN(ECHO_NOTHING))))
		return -1;
	count_words(e);
	return 0;
}

static const char *
stop_reason(const struct echo *e)
{
	return e->cut ? "max_tokens" : "end_turn";
}

static int
put_usage(const struct echo *e, uint64_t output, struct buf *out)
{
	return buf_addf(out,
	    "{\"input_tokens\":%" PRIu64
	    ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
	    "\"output_tokens\":%" PRIu64 "}",
	    e->input_tokens, output);
}

/* The message up to its content. */
static int
put_head(const struct echo *e, struct buf *out)
{
	return buf_addf(out,
		   "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":",
		   e->id) ||
	    json_put_string(out, span_of(e->ask->turn->model)) ||
	    buf_add(out, SPAN(",\"content\":["));
}

static int
echo_whole(const struct echo *e, struct buf *out)
{
	return put_head(e, out) || buf_add(out, SPAN("{\"type\":\"text\",\"text\":")) ||
	    json_put_string(out, buf_span(&e->text)) ||
	    buf_addf(out,
		"}],\"stop_reason\":\"%s\",\"stop_sequence\":null,\"usage\":", stop_reason(e)) ||
	    put_usage(e, e->output_tokens, out) || buf_add(out, SPAN("}"));
}

static int
put_delta(struct span word, struct buf *out)
{
	return buf_add(out,
		   SPAN(
		       "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
		       "\"delta\":{\"type\":\"text_delta\",\"text\":")) ||
	    json_put_string(out, word) || buf_add(out, SPAN("}}\n\n"));
}

static int
put_opening(const struct echo *e, struct buf *out)
{
	return buf_add(out,
		   SPAN("event: message_start\ndata: {\"type\":\"message_start\",\"message\":")) ||
	    put_head(e, out) ||
	    buf_add(out, SPAN("],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":")) ||
	    put_usage(e, 1, out) ||
	    buf_add(out,
		SPAN(
		    "}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
		    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"));
}

static int
put_closing(const struct echo *e, struct buf *out)
{
	return buf_add(out,
		   SPAN(
		       "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
		       "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"")) ||
	    buf_addf(out, "%s\",\"stop_sequence\":null},\"usage\":", stop_reason(e)) ||
	    put_usage(e, e->output_tokens, out) ||
	    buf_add(out, SPAN("}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
}

static int
echo_stream(const struct echo *e, struct buf *out)
{
	struct span text = buf_span(&e->text);

	if (put_opening(e, out))
		return -1;
	for (size_t at = 0, end; at < text.n; at = end) {
		end = word_end(text, at);
		if (put_delta(span_cut(text, at, end), out))
			return -1;
	}
	return put_closing(e, out);
}

static int
echo_answer(const struct ask *ask, struct span body, struct buf *out)
{
	struct echo e = { .text = buf_make(ECHO_TEXT_MAX) };
	int rc = echo_read(&e, ask, body);

	if (!rc && ask->op == OP_COUNT_TOKENS)
		rc = buf_addf(out, "{\"input_tokens\":%" PRIu64 "}", e.input_tokens);
	else if (!rc)
		rc = ask->turn->stream ? echo_stream(&e, out) : echo_whole(&e, out);
	buf_free(&e.text);
	return rc ? -1 : 0;
}

const struct kind kind_echo = {
	.name = "echo",
	.event = anthropic_event,
	.answer = echo_answer,
};
