/* envelope: requests, answers and chunks word for word, and whatever a model says: its events,
 * folded, are its whole answer. */
#include "dialect/envelope.h"

#include <assert.h>

#include "unit/check.h"
#include "unit/guard.h"
#include "wire/json.h"

#define NOW    1700000000
#define ROUNDS 2000
#define OUT    MIB

#define BODY(more) "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{}]" more "}"

static const struct {
	const char *what, *body, *said; /* said NULL: taken */
	bool wants_usage;
	const char *options; /* what stands at the place of stream_options */
} bodies[] = {
	{ "a request", BODY(""), NULL, false, "" },
	{ "usage is asked for", BODY(",\"stream_options\":{\"include_usage\":true}"), NULL, true,
	    "\"stream_options\":{\"include_usage\":true}" },
	{ "usage is not asked for", BODY(",\"stream_options\" : {\"include_usage\":false}"), NULL,
	    false, "\"stream_options\" : {\"include_usage\":false}" },
	{ "no options", BODY(",\"stream_options\":null"), NULL, false, "\"stream_options\":null" },
	{ "options that are none", BODY(",\"stream_options\":[]"),
	    "stream_options: must be one object", false, "" },
	{ "options twice", BODY(",\"stream_options\":{},\"stream_options\":{}"),
	    "stream_options: must be one object", false, "" },
	{ "no model", "{\"max_tokens\":1,\"messages\":[{}]}", "model: field required", false, "" },
};

static void
rows_bodies(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(bodies); i++) {
		struct span body = guard_put(g, span_of(bodies[i].body));
		struct turn turn = { 0 };
		struct refusal why = { 0 };
		const struct turn_place *p = &turn.places[TURN_STREAM_OPTIONS];
		enum fault f = dialect_envelope.parse(body, OP_MESSAGES, &turn, &why);

		check_row(c, "request: %s", bodies[i].what);
		check_that(c, (f == FAULT_NONE) == (bodies[i].said == NULL), "%s", why.message);
		check_same(c, span_of(why.message), span_of(bodies[i].said));
		check_that(c, turn.wants_usage == bodies[i].wants_usage, "usage");
		if (!f)
			check_same(c, span_cut(body, p->name_at, p->at + p->len),
			    span_of(bodies[i].options));
	}
}

static void
rows_refusals(struct check *c)
{
	struct refusal r = { 0 };
	struct buf out = buf_make(OUT);

	refusal_set(&r, FAULT_LIMIT, "slow \"down\"\n");
	check_row(c, "a refusal");
	check_that(c, dialect_envelope.refuse(&r, SPAN("req_1"), false, &out) == 0, "full");
	check_same(c, buf_span(&out),
	    SPAN(
		"{\"success\":false,\"code\":\"429\",\"message\":\"slow \\\"down\\\"\\n\",\"data\":null}"));
	check_row(c, "a refusal in a stream");
	out.len = 0;
	check_that(c, dialect_envelope.refuse(&r, SPAN("req_1"), true, &out) == 0, "full");
	check_same(c, buf_span(&out),
	    SPAN(
		"data: {\"success\":false,\"code\":\"429\",\"message\":\"slow \\\"down\\\"\\n\",\"data\":null}\n\n"));
	check_row(c, "the upstream's own words");
	out.len = 0;
	r = (struct refusal){ .fault = FAULT_UP_ERROR,
		.status = 529,
		.message = "Overloaded",
		.body = SPAN("{\"type\":\"error\"}") };
	check_that(c, dialect_envelope.refuse(&r, SPAN("req_1"), false, &out) == 0, "full");
	check_same(c, buf_span(&out),
	    SPAN("{\"success\":false,\"code\":\"529\",\"message\":\"Overloaded\",\"data\":null}"));
	buf_free(&out);
}

#define USAGE(in, out, total)                                                                \
	"{\"prompt_tokens\":" #in ",\"completion_tokens\":" #out ",\"total_tokens\":" #total \
	",\"prompt_tokens_details\":{\"cached_tokens\":0},\"input_tokens\":" #in             \
	",\"output_tokens\":" #out                                                           \
	",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0}"
#define WHOLE(message, reason)                                                                                  \
	"{\"success\":true,\"code\":\"200\",\"message\":\"successful\",\"data\":{\"id\":\"i\",\"model\":\"m\"," \
	"\"choices\":[{\"index\":0,\"message\":" message ",\"finish_reason\":\"" reason                         \
	"\"}],\"usage\":" USAGE(3, 4, 7) "}}"
#define MESSAGE(content, reason)                                                                          \
	"{\"id\":\"i\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[" content \
	"],\"stop_reason\":" reason ",\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}"

static const struct {
	const char *what, *message, *want;
} wholes[] = {
	{ "a text", MESSAGE("{\"type\":\"text\",\"text\":\"a\\n\\u00e9\xc3\xa9\"}", "\"end_turn\""),
	    WHOLE("{\"role\":\"assistant\",\"content\":\"a\\n\\u00e9\xc3\xa9\"}", "stop") },
	{ "texts with blanks between",
	    MESSAGE(" {\"text\":\"a\", \"type\" : \"text\"} , {\"type\":\"text\",\"text\":\"b\"} ",
		"\"max_tokens\""),
	    WHOLE("{\"role\":\"assistant\",\"content\":\"ab\"}", "length") },
	{ "a call",
	    MESSAGE(
		"{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"a\": 1.50, \"b\":\"\\\"\"}}",
		"\"tool_use\""),
	    WHOLE(
		"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"t\",\"type\":\"function\","
		"\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1.50, \\\"b\\\":\\\"\\\\\\\"\\\"}\"}}]}",
		"tool_calls") },
	{ "thoughts",
	    MESSAGE(
		"{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},{\"type\":\"text\",\"text\":\"\"}",
		"\"refusal\""),
	    WHOLE("{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"hm\"}",
		"content_filter") },
	{ "nothing", MESSAGE("", "null"),
	    WHOLE("{\"role\":\"assistant\",\"content\":null}", "stop") },
	{ "a reason that is new", MESSAGE("", "\"tired\""),
	    WHOLE("{\"role\":\"assistant\",\"content\":null}", "stop") },
};

static void
rows_wholes(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(wholes); i++) {
		struct buf out = buf_make(OUT);

		check_row(c, "whole: %s", wholes[i].what);
		check_that(c,
		    dialect_envelope.whole(guard_put(g, span_of(wholes[i].message)), &out) == 0,
		    "full");
		check_same(c, buf_span(&out), span_of(wholes[i].want));
		buf_free(&out);
	}
	struct buf narrow = buf_make(50);

	check_row(c, "whole: no room");
	check_that(c, dialect_envelope.whole(span_of(wholes[0].message), &narrow) < 0, "done");
	buf_free(&narrow);
}

static const struct {
	const char *name;
	enum event_type type;
} types[] = {
	{ "message_start", EVENT_MESSAGE_START },
	{ "content_block_start", EVENT_BLOCK_START },
	{ "content_block_delta", EVENT_BLOCK_DELTA },
	{ "content_block_stop", EVENT_BLOCK_STOP },
	{ "message_delta", EVENT_MESSAGE_DELTA },
	{ "message_stop", EVENT_MESSAGE_STOP },
	{ "ping", EVENT_PING },
};

static void
tell(struct check *c, struct retelling *r, struct span data, struct buf *out)
{
	struct event what = { .type = EVENT_OTHER };
	char name[32] = "";

	json_field(json_find(data, SPAN("type")), name, sizeof(name));
	for (size_t i = 0; i < ROWS(types); i++)
		if (strcmp(types[i].name, name) == 0)
			what.type = types[i].type;
	check_that(c, dialect_envelope.event(r, &what, data, out) == 0, "full");
}

#define CHUNK(choices) \
	"data: {\"id\":\"i\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m\",\"choices\":[" choices
#define DELTA(delta) CHUNK("{\"index\":0,\"delta\":{" delta "},\"finish_reason\":null}]}\n\n")
#define TOOL(rest)   DELTA("\"tool_calls\":[{\"index\":0," rest "}]")
#define ENDS(reason) CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n")
#define START \
	"{\"type\":\"message_start\",\"message\":{\"id\":\"i\",\"model\":\"m\",\"usage\":{\"input_tokens\":3}}}"

/* Events one after the other, and what each becomes. */
static const struct {
	const char *event, *want;
} steps[] = {
	{ "{\"type\":\"ping\"}", ": ping\n\n" },
	{ START, DELTA("\"role\":\"assistant\",\"content\":\"\"") },
	{ "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}",
	    "" },
	{ "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}",
	    DELTA("\"reasoning_content\":\"hm\"") },
	{ "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"s\"}}",
	    "" },
	{ "{\"type\":\"content_block_stop\",\"index\":0}", "" },
	{ "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"a\"}}",
	    DELTA("\"content\":\"a\"") },
	{ "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"\\\"\\u00e9\"}}",
	    DELTA("\"content\":\"\\\"\\u00e9\"") },
	{ "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"\"}}",
	    "" },
	{ "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"citations_delta\",\"citation\":{}}}",
	    "" },
	{ "{\"type\":\"content_block_stop\",\"index\":1}", "" },
	{ "{\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\","
	  "\"input\":{}}}",
	    TOOL(
		"\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}") },
	{ "{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\"}}",
	    TOOL("\"function\":{\"arguments\":\"{\\\"a\"}") },
	{ "{\"type\":\"content_block_stop\",\"index\":2}", "" },
	{ "{\"type\":\"new_event\",\"x\":1}", "" },
	{ "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":4}}",
	    ENDS("tool_calls") },
	{ "{\"type\":\"message_stop\"}",
	    CHUNK("],\"usage\":" USAGE(3, 4, 7) "}\n\n") "data: [DONE]\n\n" },
};

static void
rows_steps(struct check *c, const struct guard *g)
{
	struct turn turn = { .wants_usage = true };
	struct retelling r;

	dialect_envelope.begin(&turn, NOW, &r);
	for (size_t i = 0; i < ROWS(steps); i++) {
		struct buf out = buf_make(OUT);

		check_row(c, "event: %.100s", steps[i].event);
		tell(c, &r, guard_put(g, span_of(steps[i].event)), &out);
		check_same(c, buf_span(&out), span_of(steps[i].want));
		buf_free(&out);
	}
}

static void
rows_ends(struct check *c)
{
	static const char tool[] =
	    "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\","
	    "\"name\":\"f\",\"input\":{}}}";
	static const char given[] =
	    "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\","
	    "\"name\":\"f\",\"input\":{\"a\":1}}}";
	const struct span stop = SPAN("{\"type\":\"content_block_stop\",\"index\":0}");
	struct turn turn = { 0 };
	struct retelling r;
	struct buf out = buf_make(OUT);

	check_row(c, "a call without arguments has empty ones");
	dialect_envelope.begin(&turn, NOW, &r);
	tell(c, &r, SPAN(START), &out);
	tell(c, &r, span_of(tool), &out);
	out.len = 0;
	tell(c, &r, stop, &out);
	check_same(c, buf_span(&out), SPAN(TOOL("\"function\":{\"arguments\":\"{}\"}")));
	check_row(c, "a call that begins with its input");
	dialect_envelope.begin(&turn, NOW, &r);
	tell(c, &r, SPAN(START), &out);
	out.len = 0;
	tell(c, &r, span_of(given), &out);
	tell(c, &r, stop, &out);
	check_same(c, buf_span(&out),
	    SPAN(TOOL(
		"\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}")));
	check_row(c, "an end without a reason, and nobody asks for usage");
	out.len = 0;
	tell(c, &r, SPAN("{\"type\":\"message_stop\"}"), &out);
	check_same(c, buf_span(&out), SPAN(ENDS("stop") "data: [DONE]\n\n"));
	buf_free(&out);
}

/* What a model says: its blocks, as a whole and as events. */
struct speech {
	struct buf content; /* the elements of the array */
	struct buf events;  /* one on a line */
	size_t blocks;
};

static void
must(int rc)
{
	assert(rc == 0);
}

/* A text of up to 12 characters. */
static void
random_text(uint64_t *state, struct buf *out)
{
	static const char *const letters[] = { "a", "\"", "\\", "\n", "\xc3\xa9",
		"\xf0\x9f\x8c\x8d", "\xe2\x80\xa8", "/", " ", "{" };

	for (size_t n = check_pick(state, 13); n > 0; n--)
		must(buf_add(out, span_of(letters[check_pick(state, ROWS(letters))])));
}

/* A place in text where a character begins. */
static size_t
random_cut(uint64_t *state, struct span text)
{
	size_t at = check_pick(state, text.n + 1);

	while (at < text.n && (text.p[at] & 0xc0) == 0x80)
		at++;
	return at;
}

/* Deltas that together say text. */
static void
put_deltas(
    struct speech *s, uint64_t *state, const char *type, const char *member, struct span text)
{
	while (text.n > 0 || check_pick(state, 3) == 0) {
		size_t at = random_cut(state, text);

		must(buf_addf(&s->events,
		    "{\"type\":\"content_block_delta\",\"index\":%zu,\"delta\":{\"type\":\"%s\",\"%s\":",
		    s->blocks, type, member));
		must(json_put_string(&s->events, span_cut(text, 0, at)));
		must(buf_add(&s->events, SPAN("}}\n")));
		text = span_cut(text, at, text.n);
	}
}

static void
begin_block(struct speech *s, const char *start)
{
	if (s->blocks > 0)
		must(buf_add(&s->content, SPAN(",")));
	must(buf_addf(&s->events,
	    "{\"type\":\"content_block_start\",\"index\":%zu,\"content_block\":{%s}}\n", s->blocks,
	    start));
}

static void
put_said(struct speech *s, uint64_t *state, bool thinks)
{
	struct buf text = buf_make(KIB);
	const char *type = thinks ? "thinking" : "text";
	char start[64];

	(void)snprintf(start, sizeof(start), "\"type\":\"%s\",\"%s\":\"\"", type, type);
	random_text(state, &text);
	begin_block(s, start);
	put_deltas(s, state, thinks ? "thinking_delta" : "text_delta", type, buf_span(&text));
	must(buf_addf(&s->content, "{\"type\":\"%s\",\"%s\":", type, type));
	must(json_put_string(&s->content, buf_span(&text)));
	must(buf_add(&s->content, SPAN("}")));
	buf_free(&text);
}

static void
put_tool(struct speech *s, uint64_t *state)
{
	struct buf text = buf_make(KIB), input = buf_make(KIB);
	char start[96];

	(void)snprintf(start, sizeof(start),
	    "\"type\":\"tool_use\",\"id\":\"t%zu\",\"name\":\"f\",\"input\":{}", s->blocks);
	random_text(state, &text);
	must(buf_add(&input, SPAN("{\"a\": ")) || json_put_string(&input, buf_span(&text)) ||
	    buf_add(&input, SPAN("}")));
	begin_block(s, start);
	put_deltas(s, state, "input_json_delta", "partial_json", buf_span(&input));
	must(buf_addf(&s->content,
	    "{\"type\":\"tool_use\",\"id\":\"t%zu\",\"name\":\"f\",\"input\":%.*s}", s->blocks,
	    (int)input.len, input.p));
	buf_free(&text);
	buf_free(&input);
}

static void
speak(struct speech *s, uint64_t *state)
{
	*s = (struct speech){ buf_make(OUT), buf_make(OUT), 0 };
	must(buf_add(&s->events, SPAN(START "\n")));
	for (size_t n = check_pick(state, 6); n > 0; n--) {
		size_t kind = check_pick(state, 3);

		if (kind == 2)
			put_tool(s, state);
		else
			put_said(s, state, kind == 1);
		must(buf_addf(
		    &s->events, "{\"type\":\"content_block_stop\",\"index\":%zu}\n", s->blocks++));
	}
	must(buf_add(&s->events,
	    SPAN(
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":4}}\n"
		"{\"type\":\"message_stop\"}\n")));
}

/* Appends the inside of a JSON string. */
static bool
join(struct span value, struct buf *out)
{
	if (json_type(value) != 's')
		return false;
	must(buf_add(out, span_cut(value, 1, value.n - 1)));
	return true;
}

/* What chunks say together, in the order of a whole message's members. */
static void
fold(struct check *c, struct span chunks, struct buf *out)
{
	struct buf content = buf_make(OUT), thoughts = buf_make(OUT), calls = buf_make(OUT);
	struct span line;
	bool done = false;

	while (span_next(&chunks, '\n', &line)) {
		struct span choices, calling, delta;

		done = done || span_eq(line, SPAN("data: [DONE]"));
		if (!span_starts(line, SPAN("data: {")))
			continue;
		choices = json_find(span_cut(line, 6, line.n), SPAN("choices"));
		delta = json_find(json_next(&choices), SPAN("delta"));
		(void)join(json_find(delta, SPAN("content")), &content);
		(void)join(json_find(delta, SPAN("reasoning_content")), &thoughts);
		calling = json_find(delta, SPAN("tool_calls"));
		calling = json_next(&calling);
		if (json_find(calling, SPAN("id")).p)
			must(buf_add(&calls, SPAN("|")) ||
			    buf_add(&calls, json_find(calling, SPAN("id"))));
		(void)join(json_find_in(calling, "function", "arguments", NULL), &calls);
	}
	check_that(c, done, "not done");
	must(buf_addf(out, "%.*s|%.*s%.*s", (int)content.len, content.len ? content.p : "",
	    (int)thoughts.len, thoughts.len ? thoughts.p : "", (int)calls.len,
	    calls.len ? calls.p : ""));
	buf_free(&content);
	buf_free(&thoughts);
	buf_free(&calls);
}

/* The same of a whole answer. */
static void
unfold(struct span whole, struct buf *out)
{
	struct span choices = json_find_in(whole, "data", "choices", NULL);
	struct span message = json_find(json_next(&choices), SPAN("message"));
	struct span calls = json_find(message, SPAN("tool_calls"));
	struct span call;

	(void)join(json_find(message, SPAN("content")), out);
	must(buf_add(out, SPAN("|")));
	(void)join(json_find(message, SPAN("reasoning_content")), out);
	while ((call = json_next(&calls)).p) {
		must(buf_add(out, SPAN("|")) || buf_add(out, json_find(call, SPAN("id"))));
		(void)join(json_find_in(call, "function", "arguments", NULL), out);
	}
}

static void
row_random(struct check *c)
{
	uint64_t state = 20261126;

	check_row(c, "%d answers at random, as events and as a whole", ROUNDS);
	for (int i = 0; i < ROUNDS; i++) {
		struct buf message = buf_make(OUT), whole = buf_make(OUT), chunks = buf_make(OUT);
		struct buf got = buf_make(OUT), want = buf_make(OUT);
		struct turn turn = { 0 };
		struct retelling r;
		struct speech s;
		struct span rest, event;

		speak(&s, &state);
		must(buf_addf(&message, MESSAGE("%.*s", "\"end_turn\""), (int)s.content.len,
		    s.content.len ? s.content.p : ""));
		must(dialect_envelope.whole(buf_span(&message), &whole));
		dialect_envelope.begin(&turn, NOW, &r);
		rest = buf_span(&s.events);
		while (span_next(&rest, '\n', &event))
			if (event.n > 0)
				tell(c, &r, event, &chunks);
		fold(c, buf_span(&chunks), &got);
		unfold(buf_span(&whole), &want);
		check_same(c, buf_span(&got), buf_span(&want));
		buf_free(&s.content);
		buf_free(&s.events);
		buf_free(&message);
		buf_free(&whole);
		buf_free(&chunks);
		buf_free(&got);
		buf_free(&want);
	}
}

int
main(void)
{
	struct check c = { .module = "envelope" };
	struct guard g = guard_make();

	rows_bodies(&c, &g);
	rows_refusals(&c);
	rows_wholes(&c, &g);
	rows_steps(&c, &g);
	rows_ends(&c);
	row_random(&c);
	guard_free(&g);
	return check_end(&c);
}
