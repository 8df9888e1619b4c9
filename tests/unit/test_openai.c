/* openai: requests, answers and streams word for word out of golden files, in whatever pieces they
 * come; whatever a model says, its events, folded, are its whole answer; errors and addresses. */
#include "upstream/openai.h"

#include <assert.h>

#include "chunking.h"
#include "unit/asking.h"
#include "unit/check.h"
#include "unit/golden.h"
#include "unit/guard.h"
#include "upstream/chatanswer.h"
#include "upstream/chatrequest.h"
#include "upstream/meter.h"
#include "wire/json.h"
#include "wire/sse.h"

#define FOLDER "tests/unit/golden/"
#define OUT    (4 * MIB)
#define ROUNDS 1000
#define NAMES  16

#define BODY_SMALL \
	"{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"

/* A call as the kind is told of it. */
struct told {
	struct conf_upstream upstream;
	struct target target;
	struct turn turn;
	struct ask ask;
	char *drops[NAMES];
	char url[256];
};

static void
told_of(struct told *t, const struct golden_case *g)
{
	struct span value;

	*t = (struct told){ .turn = { .model = "m" } };
	(void)snprintf(t->url, sizeof(t->url), "http://127.0.0.1:8000");
	if (golden_has(&g->settings, "url", &value))
		(void)snprintf(t->url, sizeof(t->url), "%.*s", (int)value.n, value.p);
	t->upstream.url = t->url;
	t->target = (struct target){ .upstream = &t->upstream, .model = SPAN("m") };
	if (golden_has(&g->settings, "model", &value))
		t->target.model = value;
	if (golden_has(&g->settings, "may_drop", &value)) {
		struct span name;

		while (span_next(&value, ' ', &name)) {
			assert(t->upstream.may_drop.n < NAMES);
			t->drops[t->upstream.may_drop.n++] = span_dup(name);
		}
		t->upstream.may_drop.v = t->drops;
	}
	t->turn.hides_thinking = golden_has(&g->settings, "hides thinking", &value);
	t->ask = (struct ask){ .target = &t->target,
		.turn = &t->turn,
		.params = asking_no_params,
		.request_id = SPAN("req_1"),
		.input_estimate = 25 };
}

static void
told_free(struct told *t)
{
	for (size_t i = 0; i < NAMES; i++)
		free(t->drops[i]);
}

static void
rows_requests(struct check *c, const struct guard *guard)
{
	struct buf text = golden_read(FOLDER "openai-requests.txt");
	struct span rest = buf_span(&text);
	struct golden_case g;

	while (golden_next(&rest, &g)) {
		struct buf out = buf_make(OUT);
		struct refusal why = { 0 };
		struct told t;
		enum fault f;

		check_row(c, "request: %.*s", (int)g.name.n, g.name.p);
		told_of(&t, &g);
		t.ask.body = guard_put(guard, g.in.v[0]);
		f = dialect_messages.parse(t.ask.body, OP_MESSAGES, &t.turn, &why);
		check_that(c, f == FAULT_NONE, "%s", why.message);
		f = chatrequest_put(&t.ask, &out, &why);
		check_that(c, f == (g.refusal.p ? FAULT_BAD_REQUEST : FAULT_NONE), "%s %s",
		    fault_row(f)->name, why.message);
		check_same(c, span_of(why.message), g.refusal);
		if (!f)
			check_same(c, buf_span(&out), g.out.v[0]);
		told_free(&t);
		buf_free(&out);
	}
	buf_free(&text);
}

static void
row_no_room(struct check *c)
{
	struct refusal why = { 0 };
	struct golden_case g = { 0 };
	struct told t;

	check_row(c, "request: no room for it");
	told_of(&t, &g);
	t.ask.body = SPAN("{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\","
			  "\"content\":\"0123456789\"}]}");
	for (size_t max = 0; max < 60; max++) {
		struct buf out = buf_make(max);

		check_that(c, chatrequest_put(&t.ask, &out, &why) == FAULT_INTERNAL, "%zu", max);
		buf_free(&out);
	}
}

static void
rows_answers(struct check *c, const struct guard *guard)
{
	struct buf text = golden_read(FOLDER "openai-answers.txt");
	struct span rest = buf_span(&text), value;
	struct golden_case g;

	while (golden_next(&rest, &g)) {
		struct buf out = buf_make(OUT);
		struct told t;
		enum kind_edit got, want = KIND_EDITED;

		check_row(c, "answer: %.*s", (int)g.name.n, g.name.p);
		told_of(&t, &g);
		if (g.refusal.p)
			want = KIND_FAILED;
		else if (golden_has(&g.notes, "reckoned", &value))
			want = KIND_RECKONED;
		got = kind_openai.whole(&t.ask, guard_put(guard, g.in.v[0]), &out);
		check_that(c, got == want, "%d", (int)got);
		if (got != KIND_FAILED)
			check_same(c, buf_span(&out), g.out.v[0]);
		told_free(&t);
		buf_free(&out);
	}
	buf_free(&text);
}

/* Streams. */

#define STEPS_ALL 0

/* Feeds a stream in pieces of that size and lets it end. What it made, or why it broke. */
static const char *
feed(struct chunking *k, const struct ask *ask, struct span in, size_t step, struct buf *out)
{
	const char *why = NULL;
	int rc = 0;

	chunking_begin(k, ask);
	step = step == STEPS_ALL ? in.n : step;
	for (size_t at = 0; at < in.n && !rc; at += step) {
		rc = chunking_feed(k, span_cut(in, at, at + step < in.n ? at + step : in.n), &why);
		assert(!rc || why);
		assert(buf_add(out, buf_span(&k->events)) == 0);
	}
	if (!rc) {
		rc = chunking_end(k, &why);
		assert(buf_add(out, buf_span(&k->events)) == 0);
	}
	return rc ? why : NULL;
}

static void
put_chunks(const struct golden_lines *in, const char *end, struct buf *out)
{
	for (size_t i = 0; i < in->n; i++) {
		int rc = buf_addf(out, "data: %.*s%s%s", (int)in->v[i].n, in->v[i].p, end, end);

		assert(rc == 0);
	}
}

/* Each event's name is its data's type, and the data is what the file has, in its order. */
static void
same_events(struct check *c, struct span text, const struct golden_lines *want)
{
	struct sse cutter = { 0 };
	struct sse_event ev;
	size_t n = 0;

	while (sse_next(&cutter, text, &ev)) {
		struct span type = json_find(ev.data, SPAN("type"));

		check_that(c, n < want->n, "more: '%.*s'", (int)ev.raw.n, ev.raw.p);
		if (n < want->n)
			check_same(c, ev.data, want->v[n]);
		if (span_eq(ev.name, SPAN("error")) == false)
			check_same(c, ev.name, span_cut(type, 1, type.n - 1));
		text = span_cut(text, ev.raw.n, text.n);
		n++;
	}
	check_that(c, text.n == 0 && n == want->n, "%zu events of %zu", n, want->n);
}

static void
rows_streams(struct check *c, const struct guard *guard)
{
	static const size_t steps[] = { STEPS_ALL, 1, 2, 3, 7, 64 };
	struct buf text = golden_read(FOLDER "openai-streams.txt");
	struct span rest = buf_span(&text), value;
	struct golden_case g;
	struct chunking k;

	chunking_init(&k);
	while (golden_next(&rest, &g)) {
		struct told t;

		check_row(c, "stream: %.*s", (int)g.name.n, g.name.p);
		told_of(&t, &g);
		for (size_t i = 0; i < ROWS(steps); i++) {
			struct buf in = buf_make(OUT), out = buf_make(OUT);
			const char *why;

			put_chunks(&g.in, i % 2 ? "\r\n" : "\n", &in);
			why = feed(&k, &t.ask, guard_put(guard, buf_span(&in)), steps[i], &out);
			check_same(c, span_of(why ? why : ""), g.refusal);
			same_events(c, buf_span(&out), &g.out);
			check_that(c,
			    !g.refusal.p || golden_has(&g.notes, "reckoned", &value) ||
				!chatstream_reckons(&k.chat),
			    "it reckons");
			buf_free(&in);
			buf_free(&out);
		}
		check_that(c,
		    chatstream_reckons(&k.chat) == golden_has(&g.notes, "reckoned", &value),
		    "whether it reckons");
		told_free(&t);
	}
	chunking_free(&k);
	buf_free(&text);
}

static void
row_last_blank_line(struct check *c)
{
	static const char *const tails[] = { "data: [DONE]", "data:[DONE]\n", "data: [DONE]\r\n" };
	struct golden_case g = { 0 };
	struct chunking k;
	struct told t;

	told_of(&t, &g);
	chunking_init(&k);
	check_row(c, "stream: no blank line behind its last");
	for (size_t i = 0; i < ROWS(tails); i++) {
		struct buf in = buf_make(OUT), out = buf_make(OUT);
		int rc = buf_addf(&in,
		    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n%s",
		    tails[i]);

		assert(rc == 0);
		check_that(c, !feed(&k, &t.ask, buf_span(&in), STEPS_ALL, &out), "it broke");
		check_that(c, k.chat.closed, "no end");
		buf_free(&in);
		buf_free(&out);
	}
	chunking_free(&k);
}

/* What waits is bounded, and so are the blocks. */
static void
row_bounds(struct check *c)
{
	struct golden_case g = { 0 };
	struct buf piece = buf_make(2 * MIB);
	const char *why = NULL;
	struct chunking k;
	struct told t;
	int rc = 0;

	told_of(&t, &g);
	chunking_init(&k);
	check_row(c, "stream: more than may wait");
	rc = buf_add(&piece,
	    SPAN("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\","
		 "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\""));
	while (piece.len < MIB)
		rc = rc || buf_add(&piece, SPAN("0123456789abcdef"));
	rc = rc || buf_add(&piece, SPAN("\"}}]}}]}\n\n"));
	assert(rc == 0);
	chunking_begin(&k, &t.ask);
	for (int i = 0; i < 40 && !rc; i++)
		rc = chunking_feed(&k, buf_span(&piece), &why);
	check_that(c, rc && k.chat.blocks.waiting <= CHAT_WAITING_MAX, "it took all");
	check_same(c, span_of(why), SPAN("The upstream sent an event that is too large."));
	check_row(c, "stream: more blocks than there may be");
	chunking_begin(&k, &t.ask);
	rc = 0;
	for (int i = 0; i < 2000 && !rc; i++) {
		piece.len = 0;
		rc = buf_addf(&piece, "data: {\"choices\":[{\"delta\":{\"%s\":\"x\"}}]}\n\n",
		    i % 2 ? "content" : "reasoning");
		assert(rc == 0);
		rc = chunking_feed(&k, buf_span(&piece), &why);
	}
	check_that(c, rc && k.chat.blocks.n == CHAT_PARTS_MAX, "%zu", k.chat.blocks.n);
	check_same(c, span_of(why), SPAN("The upstream's answer has too many blocks."));
	chunking_reset(&k);
	check_that(c, k.chat.blocks.parts_cap == 0, "it keeps their memory");
	chunking_free(&k);
	buf_free(&piece);
}

/* Whatever a model says. */

/* Pieces of text as they stand inside of a JSON string. */
static const char *const tokens[] = { "a", " ", "\\n", "\\\"", "\\\\", "\xc3\xa9", "\\u00e9",
	"\\ud83d\\ude00", "\xf0\x9f\x8c\x8d", "{", "}", "[", "0" };

#define PIECES_MAX 8
#define CALLS_MAX  4

/* A text, and where it may be cut. */
struct saying {
	struct buf text;
	size_t cuts[256];
	size_t cuts_n;
	size_t at; /* so much was told */
};

static void
saying_add(struct saying *s, struct span text)
{
	int rc = buf_add(&s->text, text);

	assert(rc == 0);
	if (s->cuts_n < ROWS(s->cuts))
		s->cuts[s->cuts_n++] = s->text.len;
}

static void
saying_random(struct saying *s, uint64_t *state)
{
	s->text = buf_make(64 * KIB);
	for (size_t n = check_pick(state, 20); n > 0; n--) {
		const char *token = tokens[check_pick(state, ROWS(tokens))];

		if (strlen(token) == 12) /* between the halves of a pair as well */
			saying_add(s, (struct span){ token, 6 });
		saying_add(s, span_of(strlen(token) == 12 ? token + 6 : token));
	}
}

/* Arguments: a JSON object as it stands inside of a JSON string. */
static void
arguments_random(struct saying *s, uint64_t *state)
{
	struct saying value = { 0 };
	struct buf object = buf_make(64 * KIB), quoted = buf_make(64 * KIB);
	int rc = 0;

	s->text = buf_make(64 * KIB);
	saying_random(&value, state);
	rc = check_pick(state, 4) == 0
	    ? buf_add(&object, SPAN("{}"))
	    : buf_addf(&object, "{\"k\": [1, {\"v\":\"%.*s\"}],\"n\":-1.5e3 }", (int)value.text.len,
		  value.text.len ? value.text.p : "");
	rc = rc || json_put_string(&quoted, buf_span(&object));
	assert(rc == 0);
	for (size_t i = 1; i + 1 < quoted.len;) {
		size_t n = quoted.p[i] == '\\' ? 2 : 1;

		while ((quoted.p[i + n] & 0xc0) == 0x80)
			n++;
		saying_add(s, span_cut(buf_span(&quoted), i, i + n));
		i += n;
	}
	buf_free(&value.text);
	buf_free(&object);
	buf_free(&quoted);
}

/* The next piece of a saying, up to some cut. */
static struct span
saying_piece(struct saying *s, uint64_t *state)
{
	size_t from = s->at, to = s->text.len, left = 0;

	for (size_t i = 0; i < s->cuts_n; i++)
		left += s->cuts[i] > from;
	if (left > 0) {
		size_t skip = check_pick(state, left);

		for (size_t i = 0; i < s->cuts_n; i++)
			if (s->cuts[i] > from && skip-- == 0) {
				to = s->cuts[i];
				break;
			}
	}
	s->at = to;
	return span_cut(buf_span(&s->text), from, to);
}

struct answer_random {
	struct saying thoughts, text, calls[CALLS_MAX];
	size_t calls_n;
};

static void
put_whole(const struct answer_random *r, struct buf *out)
{
	int rc = buf_addf(out,
	    "{\"id\":\"c\",\"choices\":[{\"message\":{\"reasoning_content\":\"%.*s\",\"content\":"
	    "\"%.*s\",\"tool_calls\":[",
	    (int)r->thoughts.text.len, r->thoughts.text.len ? r->thoughts.text.p : "",
	    (int)r->text.text.len, r->text.text.len ? r->text.text.p : "");

	for (size_t i = 0; i < r->calls_n; i++)
		rc = rc ||
		    buf_addf(out,
			"%s{\"id\":\"t%zu\",\"function\":{\"name\":\"f\",\"arguments\":\"%.*s\"}}",
			i ? "," : "", i, (int)r->calls[i].text.len, r->calls[i].text.p);
	rc = rc ||
	    buf_add(out,
		SPAN("]},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"
		     "\"completion_tokens\":4}}"));
	assert(rc == 0);
}

static void
put_piece(const char *member, struct span piece, struct buf *out)
{
	int rc =
	    buf_addf(out, "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"%s\":\"%.*s\"}}]}\n\n",
		member, (int)piece.n, piece.n ? piece.p : "");

	assert(rc == 0);
}

/* The pieces of all calls in any order, each call's in its own. */
static void
put_calls(struct answer_random *r, uint64_t *state, struct buf *out)
{
	size_t left = r->calls_n;
	bool begun[CALLS_MAX] = { false }, done[CALLS_MAX] = { false };
	size_t next = 0;

	while (left > 0) {
		size_t i = check_pick(state, r->calls_n);
		struct span piece;
		int rc;

		if (done[i] || i > next)
			continue;
		next += i == next;
		piece = saying_piece(&r->calls[i], state);
		rc = buf_addf(out,
		    "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%zu,%s",
		    i, "");
		if (!begun[i])
			rc = rc || buf_addf(out, "\"id\":\"t%zu\",", i);
		rc = rc ||
		    buf_addf(out, "\"function\":{%s\"arguments\":\"%.*s\"}}]}}]}\n\n",
			begun[i] ? "" : "\"name\":\"f\",", (int)piece.n, piece.n ? piece.p : "");
		assert(rc == 0);
		begun[i] = true;
		if (r->calls[i].at == r->calls[i].text.len) {
			done[i] = true;
			left--;
		}
	}
}

static void
put_stream(struct answer_random *r, uint64_t *state, struct buf *out)
{
	int rc;

	while (r->thoughts.at < r->thoughts.text.len)
		put_piece("reasoning_content", saying_piece(&r->thoughts, state), out);
	while (r->text.at < r->text.text.len)
		put_piece("content", saying_piece(&r->text, state), out);
	put_calls(r, state, out);
	rc = buf_add(out,
	    SPAN("data: {\"id\":\"c\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],"
		 "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n"));
	assert(rc == 0);
}

/* A stream as a client folds it. */
struct folding {
	struct buf content; /* the blocks, as the whole answer has them */
	struct buf input;   /* of the open call, inside of a JSON string */
	struct buf ending;  /* message_delta's members */
	struct meter meter;
	struct usage usage;
	bool wrong;
};

static int
fold_start(struct folding *f, struct span block)
{
	struct span type = json_find(block, SPAN("type"));
	int rc = f->content.len > 0 ? buf_add(&f->content, SPAN(",")) : 0;

	f->input.len = 0;
	if (span_eq(type, SPAN("\"tool_use\"")))
		return rc ||
		    buf_add(&f->content, span_cut(block, 0, block.n - 3)); /* without {}} */
	/* Text goes before what ends the block. */
	return rc ||
	    buf_add(&f->content,
		span_eq(type, SPAN("\"text\"")) ? SPAN("{\"type\":\"text\",\"text\":\"")
						: SPAN("{\"type\":\"thinking\",\"thinking\":\""));
}

static int
fold_delta(struct folding *f, struct span delta)
{
	struct span text = json_find(delta, SPAN("text"));
	struct span part = json_find(delta, SPAN("partial_json"));

	if (part.p)
		return buf_add(&f->input, json_inside(part));
	if (!text.p)
		text = json_find(delta, SPAN("thinking"));
	return buf_add(&f->content, json_inside(text));
}

static int
fold_stop(struct folding *f, bool call, bool thinking)
{
	struct buf quoted = buf_make(OUT);
	int rc;

	if (!call)
		return buf_add(
		    &f->content, thinking ? SPAN("\",\"signature\":\"\"}") : SPAN("\"}"));
	rc = buf_addf(&quoted, "\"%.*s\"", (int)f->input.len, f->input.len ? f->input.p : "") ||
	    (f->input.len ? json_string(buf_span(&quoted), &f->content)
			  : buf_add(&f->content, SPAN("{}"))) ||
	    buf_add(&f->content, SPAN("}"));
	buf_free(&quoted);
	return rc;
}

static void
fold(struct folding *f, struct span text)
{
	struct sse cutter = { 0 };
	struct sse_event ev;
	bool call = false, thinking = false;
	int rc = 0;

	while (sse_next(&cutter, text, &ev)) {
		struct event what;
		struct span block = json_find(ev.data, SPAN("content_block"));
		struct span type = json_find(block, SPAN("type"));

		kind_openai.event(ev.name, ev.data, &what);
		f->wrong = f->wrong || meter_event(&f->meter, &what, ev.data, &f->usage);
		if (what.type == EVENT_BLOCK_START) {
			call = span_eq(type, SPAN("\"tool_use\""));
			thinking = span_eq(type, SPAN("\"thinking\""));
			rc = rc || fold_start(f, block);
		} else if (what.type == EVENT_BLOCK_DELTA) {
			rc = rc || fold_delta(f, json_find(ev.data, SPAN("delta")));
		} else if (what.type == EVENT_BLOCK_STOP) {
			rc = rc || fold_stop(f, call, thinking);
		} else if (what.type == EVENT_MESSAGE_DELTA) {
			struct span delta = json_find(ev.data, SPAN("delta"));

			rc = rc || buf_add(&f->ending, span_cut(delta, 1, delta.n - 1));
		}
		text = span_cut(text, ev.raw.n, text.n);
	}
	f->wrong = f->wrong || rc || text.n > 0 || f->meter.odd || !f->meter.closed;
}

static void
free_random(struct answer_random *r)
{
	buf_free(&r->thoughts.text);
	buf_free(&r->text.text);
	for (size_t i = 0; i < r->calls_n; i++)
		buf_free(&r->calls[i].text);
}

static void
round_random(struct check *c, struct chunking *k, const struct ask *ask, uint64_t *state)
{
	struct answer_random r = { 0 };
	struct buf whole = buf_make(OUT), message = buf_make(OUT), in = buf_make(OUT);
	struct buf out = buf_make(OUT), want = buf_make(OUT);
	struct folding f = {
		.content = buf_make(OUT), .input = buf_make(OUT), .ending = buf_make(OUT)
	};
	struct span content;
	int rc;

	saying_random(&r.thoughts, state);
	saying_random(&r.text, state);
	r.calls_n = check_pick(state, CALLS_MAX + 1);
	for (size_t i = 0; i < r.calls_n; i++)
		arguments_random(&r.calls[i], state);
	put_whole(&r, &whole);
	check_that(c, chatanswer_put(ask, buf_span(&whole), &message) == KIND_EDITED, "'%.*s'",
	    (int)whole.len, whole.p);
	put_stream(&r, state, &in);
	check_that(c, !feed(k, ask, buf_span(&in), check_pick(state, 200), &out), "'%.*s'",
	    (int)in.len, in.p);
	fold(&f, buf_span(&out));
	check_that(c, !f.wrong && f.usage.input == 3 && f.usage.output == 4, "'%.*s'", (int)out.len,
	    out.len ? out.p : "");
	content = json_find(buf_span(&message), SPAN("content"));
	rc = buf_add(&want, SPAN("[")) || buf_add(&want, buf_span(&f.content)) ||
	    buf_add(&want, SPAN("]"));
	assert(rc == 0);
	check_same(c, content, buf_span(&want));
	check_that(c,
	    message.p && f.ending.p && memmem(message.p, message.len, f.ending.p, f.ending.len),
	    "'%.*s'", (int)f.ending.len, f.ending.len ? f.ending.p : "");
	free_random(&r);
	buf_free(&whole);
	buf_free(&message);
	buf_free(&in);
	buf_free(&out);
	buf_free(&want);
	buf_free(&f.content);
	buf_free(&f.input);
	buf_free(&f.ending);
}

static void
row_random(struct check *c)
{
	struct golden_case g = { 0 };
	uint64_t state = 20261126;
	struct chunking k;
	struct told t;

	told_of(&t, &g);
	chunking_init(&k);
	check_row(c, "%d answers at random: their events, folded, are the whole", ROUNDS);
	for (int i = 0; i < ROUNDS; i++)
		round_random(c, &k, &t.ask, &state);
	chunking_free(&k);
}

/* Addresses and headers. */

#define TYPE "content-type: application/json\n"

static char agent[] = "HTTP_USER_AGENT=a", version[] = "HTTP_ANTHROPIC_VERSION=2023-06-01";
static char key[] = "HTTP_X_API_KEY=k", bearer[] = "HTTP_AUTHORIZATION=Bearer k";
static char parent[] = "HTTP_TRACEPARENT=00-1", trace[] = "HTTP_TRACESTATE=s";
static char beta[] = "HTTP_ANTHROPIC_BETA=b";
static char *const params[] = { agent, version, key, bearer, parent, trace, beta, NULL };

static const struct {
	const char *url, *want;
} urls[] = {
	{ "http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/chat/completions\n" TYPE },
	{ "https://h/v1", "https://h/v1/chat/completions\n" TYPE },
	{ "https://h/openai/v1", "https://h/openai/v1/chat/completions\n" TYPE },
	{ "https://h/api/paas/v4", "https://h/api/paas/v4/chat/completions\n" TYPE },
	{ "https://h/v1beta/openai", "https://h/v1beta/openai/chat/completions\n" TYPE },
	{ "https://h/vllm", "https://h/vllm/v1/chat/completions\n" TYPE },
	{ "https://v1", "https://v1/v1/chat/completions\n" TYPE },
};

/* The address and the headers of a request, each on a line. */
static void
row_made(struct check *c, const char *url, char *const *sent, struct span secret, const char *want)
{
	struct buf made = buf_make(KIB);
	struct asking a;

	asking_open(&a, SPAN(BODY_SMALL), OP_MESSAGES, NULL);
	a.upstream.url = strdup(url);
	a.ask.params = sent;
	a.ask.secret = secret;
	check_that(c, asking_make(&a, &kind_openai) == FAULT_NONE, "%s", a.why.message);
	check_that(c,
	    buf_add(&made, buf_span(&a.request.url)) == 0 && buf_add(&made, SPAN("\n")) == 0,
	    "full");
	asking_headers(&a, &made);
	check_same(c, buf_span(&made), span_of(want));
	free(a.upstream.url);
	asking_close(&a);
	buf_free(&made);
}

static void
rows_requests_made(struct check *c)
{
	const struct span nothing = { NULL, 0 };
	struct asking a;

	for (size_t i = 0; i < ROWS(urls); i++) {
		check_row(c, "url: %s", urls[i].url);
		row_made(c, urls[i].url, asking_no_params, nothing, urls[i].want);
	}
	check_row(c, "headers");
	row_made(c, "https://h", params, SPAN("secret"),
	    "https://h/v1/chat/completions\ntraceparent: 00-1\ntracestate: s\n"
	    "authorization: Bearer secret\n" TYPE);
	check_row(c, "tokens are not counted");
	asking_open(&a, SPAN(BODY_SMALL), OP_COUNT_TOKENS, NULL);
	check_that(c, asking_make(&a, &kind_openai) == FAULT_UNSUPPORTED, "%s", a.why.message);
	asking_close(&a);
}

#define ERROR(message, type, code)                                    \
	SPAN("{\"error\":{\"message\":\"" message "\",\"type\":" type \
	     ",\"param\":null,\"code\":" code "}}")
#define OURS  "The upstream refused the gate's own credential or account (HTTP "
#define ADMIN "). The administrator of this gate has to mend it."

static const struct asking_error errors[] = {
	{ 400, "", ERROR("temperature: too hot", "\"invalid_request_error\"", "null"),
	    FAULT_UP_ERROR, 400, "invalid_request_error", "temperature: too hot" },
	{ 400, "",
	    ERROR("This model's maximum context length is 8192 tokens.",
		"\"invalid_request_error\"", "\"context_length_exceeded\""),
	    FAULT_UP_ERROR, 400, "invalid_request_error",
	    "prompt is too long: This model's maximum context length is 8192 tokens." },
	{ 400, "",
	    ERROR("the request exceeds the available context size", "\"exceed_context_size_error\"",
		"400"),
	    FAULT_UP_ERROR, 400, "invalid_request_error",
	    "prompt is too long: the request exceeds the available context size" },
	{ 400, "",
	    SPAN(
		"{\"object\":\"error\",\"message\":\"no\",\"type\":\"BadRequestError\",\"param\":null,"
		"\"code\":400}"),
	    FAULT_UP_ERROR, 400, "invalid_request_error", "no" },
	{ 422, "", SPAN("{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\"}]}"),
	    FAULT_UP_ERROR, 400, "invalid_request_error", "field required" },
	{ 404, "", SPAN("{\"detail\":\"Not Found\"}"), FAULT_UP_ERROR, 404, "not_found_error",
	    "Not Found" },
	{ 404, "", SPAN("{\"error\":\"model \\\"x\\\" not found\"}"), FAULT_UP_ERROR, 404,
	    "not_found_error", "model \"x\" not found" },
	{ 404, "", SPAN("<html>"), FAULT_UP_ANSWER, 502, "api_error",
	    "The upstream answered HTTP 404 without an error of a chat completion's." },
	{ 401, "", ERROR("Incorrect API key provided: sk-abc", "null", "\"invalid_api_key\""),
	    FAULT_UP_CREDENTIAL, 502, "api_error", OURS "401" ADMIN },
	{ 403, "", SPAN(""), FAULT_UP_CREDENTIAL, 502, "api_error", OURS "403" ADMIN },
	{ 429, "", ERROR("You exceeded your current quota", "\"insufficient_quota\"", "null"),
	    FAULT_UP_CREDENTIAL, 502, "api_error", OURS "429" ADMIN },
	{ 429, "",
	    ERROR("Rate limit reached for gpt-4 in organization org-abcdefgh12 on requests",
		"\"requests\"", "\"rate_limit_exceeded\""),
	    FAULT_UP_ERROR, 429, "rate_limit_error",
	    "Rate limit reached for gpt-4 in organization (account) on requests" },
	{ 413, "", SPAN("{\"error\":\"too much\"}"), FAULT_UP_ERROR, 413, "request_too_large",
	    "too much" },
	{ 500, "", ERROR("oh", "\"server_error\"", "null"), FAULT_UP_ERROR, 500, "api_error",
	    "oh" },
	{ 503, "", ERROR("Loading model", "\"unavailable_error\"", "503"), FAULT_UP_ERROR, 529,
	    "overloaded_error", "Loading model" },
	{ 502, "", SPAN("<html>Bad Gateway"), FAULT_UP_ERROR, 502, "api_error",
	    "The upstream answered HTTP 502 without a reason." },
	/* In a stream, or with a good status. */
	{ 200, "", ERROR("busy", "\"overloaded_error\"", "null"), FAULT_UP_ERROR, 529,
	    "overloaded_error", "busy" },
	{ 200, "", ERROR("slow", "null", "\"rate_limit_exceeded\""), FAULT_UP_ERROR, 429,
	    "rate_limit_error", "slow" },
	{ 200, "", ERROR("Provider disconnected", "null", "502"), FAULT_UP_ERROR, 502, "api_error",
	    "Provider disconnected" },
	{ 200, "", ERROR("no", "null", "401"), FAULT_UP_CREDENTIAL, 502, "api_error",
	    OURS "401" ADMIN },
	{ 200, "", ERROR("what", "\"\\u00e9\"", "7"), FAULT_UP_ERROR, 500, "api_error", "what" },
	{ 200, "", SPAN("{\"error\":{}}"), FAULT_UP_ERROR, 500, "api_error",
	    "The upstream answered HTTP 500 without a reason." },
};

int
main(void)
{
	struct check c = { .module = "openai" };
	struct guard g = guard_make();

	rows_requests(&c, &g);
	row_no_room(&c);
	rows_answers(&c, &g);
	rows_streams(&c, &g);
	row_last_blank_line(&c);
	row_bounds(&c);
	row_random(&c);
	rows_requests_made(&c);
	asking_rows_errors(&c, &g, &kind_openai, errors, ROWS(errors));
	guard_free(&g);
	return check_end(&c);
}
