/* messages: what is read of a request, and how a refusal is written. That bodies are refused in the
 * right words is tested in whole calls (call/test_bodies). */
#include "dialect/messages.h"

#include "unit/check.h"
#include "unit/guard.h"
#include "wire/json.h"

#define MSGS "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"

static const struct {
	const char *what;
	struct span body;
	const char *model; /* NULL: refused */
	uint64_t max_tokens;
	enum op op;
	bool stream;
} turns[] = {
	{ "a turn", SPAN("{\"model\":\"m\",\"max_tokens\":7," MSGS "}"), "m", 7, OP_MESSAGES,
	    false },
	{ "a stream",
	    SPAN("{\"stream\" : true,\"max_tokens\":0," MSGS ",\"model\": \"a-\\u00e9\\/\" }"),
	    "a-\xc3\xa9/", 0, OP_MESSAGES, true },
	{ "as many tokens as there are numbers",
	    SPAN("{\"model\":\"m\",\"max_tokens\":9223372036854775807," MSGS "}"), "m",
	    9223372036854775807u, OP_MESSAGES, false },
	{ "more tokens than there are numbers",
	    SPAN("{\"model\":\"m\",\"max_tokens\":9223372036854775808," MSGS "}"), NULL, 0,
	    OP_MESSAGES, false },
	{ "1e3 tokens", SPAN("{\"model\":\"m\",\"max_tokens\":1e3," MSGS "}"), NULL, 0, OP_MESSAGES,
	    false },
	{ "no tokens to count", SPAN("{\"model\":\"m\"," MSGS "}"), "m", 0, OP_COUNT_TOKENS,
	    false },
	{ "counting is never a stream", SPAN("{\"model\":\"m\",\"stream\":true," MSGS "}"), "m", 0,
	    OP_COUNT_TOKENS, false },
	{ "nothing", SPAN(""), NULL, 0, OP_MESSAGES, false },
};

static struct span
place_in(struct span body, const struct turn *turn, enum turn_member member)
{
	const struct turn_place *p = &turn->places[member];

	return span_cut(body, p->at, p->at + p->len);
}

static void
row_turn(struct check *c, const struct guard *g, size_t i)
{
	struct turn turn = { 0 };
	struct refusal why = { 0 };
	struct span body = guard_put(g, turns[i].body);
	enum fault f = dialect_messages.parse(body, turns[i].op, &turn, &why);

	check_row(c, "%s", turns[i].what);
	check_that(c, f == (turns[i].model ? FAULT_NONE : FAULT_BAD_REQUEST), "fault %d: %s", f,
	    why.message);
	if (f) {
		check_that(c, why.fault == f && why.message[0], "no reason");
		return;
	}
	if (!turns[i].model)
		return;
	check_same(c, span_of(turn.model), span_of(turns[i].model));
	check_that(c, turn.stream == turns[i].stream, "stream");
	check_that(c, turn.max_tokens == turns[i].max_tokens, "max_tokens");

	struct span raw = place_in(body, &turn, TURN_MODEL);
	struct span messages = place_in(body, &turn, TURN_MESSAGES);

	check_that(c, raw.p[0] == '"' && raw.p[raw.n - 1] == '"', "the model is not there");
	check_same(c, messages, SPAN("[{\"role\":\"user\",\"content\":\"x\"}]"));
}

/* Cut anywhere and changed anywhere: an answer, and never a byte too many. */
static void
row_any(struct check *c, const struct guard *g)
{
	char text[] = "{\"model\":\"m\\u0061\",\"max_tokens\":7," MSGS ",\"stream\":true}";
	uint64_t seed = 7;

	check_row(c, "anything");
	for (size_t i = 0; i < 20000; i++) {
		char copy[sizeof(text)];
		struct turn turn = { 0 };
		struct refusal why = { 0 };
		struct span body = { copy, check_pick(&seed, sizeof(text)) };

		memcpy(copy, text, sizeof(text));
		for (size_t n = check_pick(&seed, 3); n > 0; n--)
			copy[check_pick(&seed, sizeof(text) - 1)] = (char)check_random(&seed);
		body = guard_put(g, body);

		enum fault f = dialect_messages.parse(body, OP_MESSAGES, &turn, &why);

		check_that(c, f == FAULT_NONE || f == FAULT_BAD_REQUEST, "fault %d", f);
		check_that(c,
		    f || turn.places[TURN_MODEL].at + turn.places[TURN_MODEL].len <= body.n,
		    "behind the end");
	}
}

#define UPSTREAM(id) "{\"type\":\"error\",\"error\":{\"type\":\"t\",\"message\":\"m\"}" id "}"

static const struct {
	const char *what;
	struct refusal refusal;
	bool event;
	const char *want;
} refusals[] = {
	{ "the fault's own words", { .fault = FAULT_NO_KEY }, false,
	    "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"an API key "
	    "is required: send it as x-api-key or as Authorization: Bearer\"},\"request_id\":\"req_1\"}" },
	{ "other words", { .fault = FAULT_BAD_REQUEST, .message = "model: \"a\"\n\x01" }, false,
	    "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"model: "
	    "\\\"a\\\"\\n\\u0001\"},\"request_id\":\"req_1\"}" },
	{ "with a code",
	    { .fault = FAULT_BAD_REQUEST, .message = "m", .error_code = "code", .type = "t" },
	    false,
	    "{\"type\":\"error\",\"error\":{\"type\":\"t\",\"message\":\"m\",\"details\":{\"error_code\":"
	    "\"code\"}},\"request_id\":\"req_1\"}" },
	{ "in an event", { .fault = FAULT_UP_CUT, .message = "m\n\nevent: x" }, true,
	    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\\n\\"
	    "nevent: x\"},\"request_id\":\"req_1\"}\n\n" },
	{ "the upstream's, with an id",
	    { .fault = FAULT_UP_ERROR, .body = SPAN(UPSTREAM(",\"request_id\" : \"theirs\"")) },
	    false, UPSTREAM(",\"request_id\" : \"req_1\"") },
	{ "the upstream's, with null",
	    { .fault = FAULT_UP_ERROR, .body = SPAN(UPSTREAM(",\"request_id\":null")) }, false,
	    UPSTREAM(",\"request_id\":\"req_1\"") },
	{ "the upstream's, without",
	    { .fault = FAULT_UP_ERROR, .body = SPAN(" " UPSTREAM("") "\n") }, false,
	    UPSTREAM(",\"request_id\":\"req_1\"") },
	{ "the upstream's over lines, in an event",
	    { .fault = FAULT_UP_ERROR, .body = SPAN("{\n\"error\" :\r\n{ } }") }, true,
	    "event: error\ndata: { \"error\" :  { } ,\"request_id\":\"req_1\"}\n\n" },
};

static void
row_refusal(struct check *c, size_t i)
{
	struct buf out = buf_make(4096);

	check_row(c, "refusal: %s", refusals[i].what);
	check_that(c,
	    dialect_messages.refuse(&refusals[i].refusal, SPAN("req_1"), refusals[i].event, &out) ==
		0,
	    "full");
	check_same(c, buf_span(&out), span_of(refusals[i].want));
	buf_free(&out);
}

#define FILE_ID "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"content\":["

/* What is bound to an account. */
static const struct {
	const char *what, *body;
	bool threaded, bound;
} bonds[] = {
	{ "nothing", "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{}]}", false, false },
	{ "a thread",
	    "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{}],\"thread\":{\"type\":\"create\"}}",
	    true, false },
	{ "no thread", "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{}],\"thread\":null}",
	    false, false },
	{ "a container", "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{}],\"container\":\"c\"}",
	    false, true },
	{ "no container", "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{}],\"container\":null}",
	    false, false },
	{ "a file", FILE_ID "{\"source\":{\"file_id\" : \"f\"}}]}]}", false, true },
	{ "a file's name in a text", FILE_ID "\"say \\\"file_id\\\": \\\"f\\\"\"]}]}", false,
	    false },
	{ "a file's name as a value", FILE_ID "\"file_id\"]}]}", false, false },
	{ "a file that is null", FILE_ID "{\"file_id\":null}]}]}", false, false },
};

static void
rows_bonds(struct check *c, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(bonds); i++) {
		struct turn turn = { 0 };
		struct refusal why = { 0 };
		enum fault f = dialect_messages.parse(
		    guard_put(g, span_of(bonds[i].body)), OP_MESSAGES, &turn, &why);

		check_row(c, "bound: %s", bonds[i].what);
		check_that(c, f == FAULT_NONE, "%s", why.message);
		check_that(c, turn.threaded == bonds[i].threaded, "a thread: %d", turn.threaded);
		check_that(c, turn.bound == bonds[i].bound, "bound: %d", turn.bound);
	}
}

static void
row_places(struct check *c)
{
	const struct span body =
	    SPAN(" { \"x\":1 , \"model\" : \"m\",\"max_tokens\":1,\"messages\":[{}] }");
	struct turn turn = { 0 };
	struct refusal why = { 0 };
	const struct turn_place *p = &turn.places[TURN_MODEL];
	enum fault f = dialect_messages.parse(body, OP_MESSAGES, &turn, &why);

	check_row(c, "places");
	check_that(c, f == FAULT_NONE && turn.open_at == 1, "%zu", turn.open_at);
	check_same(c, span_cut(body, p->name_at, p->at), SPAN("\"model\" : "));
	check_same(c, span_cut(body, p->before, p->name_at), SPAN(", "));
	check_same(c, span_cut(body, p->at + p->len, p->after), SPAN(","));
	check_that(c, turn.places[TURN_MESSAGES].after == 0, "something after the last");
	check_that(c, turn.places[TURN_STREAM].len == 0, "a stream");
}

int
main(void)
{
	struct check c = { .module = "messages" };
	struct guard g = guard_make();
	struct buf small = buf_make(20);

	for (size_t i = 0; i < ROWS(turns); i++)
		row_turn(&c, &g, i);
	row_any(&c, &g);
	for (size_t i = 0; i < ROWS(refusals); i++)
		row_refusal(&c, i);
	check_row(&c, "a refusal that does not fit");
	check_that(&c,
	    dialect_messages.refuse(&refusals[0].refusal, SPAN("req_1"), false, &small) != 0,
	    "it fits");
	check_row(&c, "the ping");
	check_same(&c, dialect_messages.ping, SPAN("event: ping\ndata: {\"type\":\"ping\"}\n\n"));
	check_row(&c, "a message that is too long is cut");
	{
		struct refusal r = { 0 };
		char text[2 * MESSAGE_MAX];

		memset(text, 'x', sizeof(text));
		text[sizeof(text) - 1] = '\0';
		refusal_set(&r, FAULT_INTERNAL, "%s", text);
		check_that(&c, strlen(r.message) == MESSAGE_MAX - 1, "%zu", strlen(r.message));
	}
	buf_free(&small);
	rows_bonds(&c, &g);
	row_places(&c);
	guard_free(&g);
	return check_end(&c);
}
