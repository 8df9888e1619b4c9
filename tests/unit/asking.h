/* asking: a request that a kind makes of a client's body, as it would go out. */
#ifndef POSTERN_TESTS_UNIT_ASKING_H
#define POSTERN_TESTS_UNIT_ASKING_H

#include <assert.h>

#include "base/limits.h"
#include "dialect/messages.h"
#include "unit/check.h"
#include "upstream/kind.h"

struct asking {
	struct conf_upstream upstream;
	struct target target;
	struct turn turn;
	struct ask ask;
	struct hreq request;
	struct refusal why;
	struct buf body; /* as it goes out */
};

static char *const asking_no_params[] = { NULL };

/* A client's body for a model with that name there; NULL: what the client calls it. */
static inline void
asking_open(struct asking *a, struct span body, enum op op, const char *model)
{
	struct refusal why = { 0 };
	enum fault f;

	*a = (struct asking){ .body = buf_make(REQUEST_BODY_MAX) };
	f = dialect_messages.parse(body, op, &a->turn, &why);
	assert(f == FAULT_NONE);
	a->target = (struct target){ &a->upstream, span_of(model ? model : a->turn.model) };
	a->ask = (struct ask){ .target = &a->target,
		.turn = &a->turn,
		.op = op,
		.body = body,
		.params = asking_no_params };
	hreq_init(&a->request);
}

/* Lets the kind make the request and its body. */
static inline enum fault
asking_make(struct asking *a, const struct kind *kind)
{
	enum fault f = kind->request(&a->ask, &a->request, &a->why);
	int rc = 0;

	if (f)
		return f;
	if (a->request.body.len > 0)
		rc = buf_add(&a->body, buf_span(&a->request.body));
	else
		rc = json_splice(a->ask.body, a->request.edits, a->request.edits_n, &a->body);
	assert(rc == 0);
	return FAULT_NONE;
}

/* The headers, each on a line. */
static inline void
asking_headers(const struct asking *a, struct buf *out)
{
	struct span rest = buf_span(&a->request.headers);

	while (rest.n > 0) {
		size_t used = strlen(rest.p) + 1;
		int rc = buf_addf(out, "%s\n", rest.p);

		assert(rc == 0);
		rest = span_cut(rest, used, rest.n);
	}
}

static inline void
asking_close(struct asking *a)
{
	hreq_free(&a->request);
	buf_free(&a->body);
}

/* A random value, as somebody might write it, without blanks outside of strings. */
static inline void
asking_value(uint64_t *state, struct buf *out)
{
	static const char *const values[] = { "0", "-1.50", "1e+2", "1E400", "true", "null", "\"\"",
		"\"a b\"", "\"\\u00e9\\n\"", "\"\xc3\xa9 , : } ] \\\" \\\\\"", "[]", "{}",
		"[1,\"model\"]", "{\"model\":\"x\",\"stream\":true}", "12345678901234567890" };
	int rc = buf_add(out, span_of(values[check_pick(state, ROWS(values))]));

	assert(rc == 0);
}

#define ASKING_MEMBERS_MAX 12

/* A random body: its text, and what stays of each member when blanks are gone. */
struct asking_body {
	struct buf text;
	struct buf compact[ASKING_MEMBERS_MAX];
	bool named[ASKING_MEMBERS_MAX]; /* one of those that are to go */
	size_t n;
	size_t named_n;
};

static inline void
asking_blank(uint64_t *state, struct buf *out)
{
	static const char *const blanks[] = { "", "", " ", "\n", "\r\n\t", "  " };
	int rc = buf_add(out, span_of(blanks[check_pick(state, ROWS(blanks))]));

	assert(rc == 0);
}

static inline void
asking_member(struct asking_body *b, uint64_t *state, const char *name, const char *value)
{
	struct buf text = buf_make(KIB);
	struct buf *compact = &b->compact[b->n];
	int rc = 0;

	*compact = buf_make(KIB);
	if (value)
		rc = buf_add(&text, span_of(value));
	else
		asking_value(state, &text);
	rc = rc || buf_addf(compact, "\"%s\":%.*s", name, (int)text.len, text.p) ||
	    (b->n > 0 && buf_add(&b->text, SPAN(",")));
	asking_blank(state, &b->text);
	rc = rc || buf_addf(&b->text, "\"%s\"", name);
	asking_blank(state, &b->text);
	rc = rc || buf_add(&b->text, SPAN(":"));
	asking_blank(state, &b->text);
	rc = rc || buf_add(&b->text, buf_span(&text));
	asking_blank(state, &b->text);
	assert(rc == 0);
	buf_free(&text);
	b->n++;
}

/* Members of a request in any order, up to five unknown ones between them. */
static inline void
asking_random(struct asking_body *b, uint64_t *state)
{
	static const struct {
		const char *name, *value;
		bool named;
	} known[] = {
		{ "model", "\"m\"", true },
		{ "stream", "false", true },
		{ "max_tokens", "64", false },
		{ "messages", "[{\"role\":\"user\",\"content\":\"x\"}]", false },
	};
	bool done[ROWS(known)] = { false };
	size_t left = ROWS(known), more = check_pick(state, 6);
	int rc;

	*b = (struct asking_body){ .text = buf_make(64 * KIB) };
	done[1] = check_pick(state, 3) == 0; /* without stream */
	left -= done[1];
	rc = buf_add(&b->text, SPAN(" {"));
	while (left + more > 0) {
		size_t i = check_pick(state, ROWS(known) + more);
		char name[16];

		if (i < ROWS(known) && !done[i]) {
			b->named[b->n] = known[i].named;
			b->named_n += known[i].named;
			asking_member(b, state, known[i].name, known[i].value);
			done[i] = true;
			left--;
		} else if (i >= ROWS(known)) {
			(void)snprintf(name, sizeof(name), "x_%zu", more--);
			asking_member(b, state, name, NULL);
		}
	}
	rc = rc || buf_add(&b->text, SPAN("}\n"));
	assert(rc == 0);
}

static inline void
asking_random_free(struct asking_body *b)
{
	for (size_t i = 0; i < b->n; i++)
		buf_free(&b->compact[i]);
	buf_free(&b->text);
}

/* A JSON text without the blanks outside of its strings. */
static inline void
asking_compact(struct span text, struct buf *out)
{
	bool inside = false, escaped = false;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
		int rc = inside || !blank ? buf_add(out, span_cut(text, i, i + 1)) : 0;

		assert(rc == 0);
		if (c == '"' && !escaped)
			inside = !inside;
		escaped = inside && c == '\\' && !escaped;
	}
}

#endif
