/* asking: a request that a kind makes of a client's body, as it would go out. */
#ifndef POSTERN_TESTS_UNIT_ASKING_H
#define POSTERN_TESTS_UNIT_ASKING_H

#include <assert.h>

#include "base/limits.h"
#include "dialect/messages.h"
#include "unit/check.h"
#include "unit/guard.h"
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
	a->target = (struct target){ .upstream = &a->upstream,
		.model = span_of(model ? model : a->turn.model) };
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
#define ASKING_BODIES	   3000

/* A random body: its text, and what stays of each member when blanks are gone. */
struct asking_body {
	struct buf text;
	struct buf compact[ASKING_MEMBERS_MAX];
	size_t n;
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
	} known[] = {
		{ "model", "\"m\"" },
		{ "stream", "false" },
		{ "max_tokens", "64" },
		{ "messages", "[{\"role\":\"user\",\"content\":\"x\"}]" },
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

/* Whether a member is one of those. */
static inline bool
asking_goes(struct span member, const char *const *names)
{
	for (; *names; names++) {
		size_t n = strlen(*names);

		if (member.n > n + 2 && member.p[n + 1] == '"' &&
		    span_eq(span_cut(member, 1, n + 1), span_of(*names)))
			return true;
	}
	return false;
}

/* A row of many random bodies: what a kind makes of one is what it puts before all others, and what
 * is not to go (`goes`, NULL-ended), in its order, byte for byte. */
static inline void
asking_row_random(struct check *c, const struct kind *kind, const struct conf_upstream *u,
    const char *puts, const char *const *goes)
{
	uint64_t state = 20260921;

	check_row(c, "body: %d at random", ASKING_BODIES);
	for (int round = 0; round < ASKING_BODIES; round++) {
		struct buf want = buf_make(64 * KIB), got = buf_make(64 * KIB);
		struct asking_body b;
		struct asking a;
		enum fault f;
		int rc = buf_addf(&want, "{%s", puts);

		asking_random(&b, &state);
		asking_open(&a, buf_span(&b.text), OP_MESSAGES, "m");
		a.upstream = *u;
		f = asking_make(&a, kind);
		check_that(c, f == FAULT_NONE, "%s", fault_row(f)->name);
		for (size_t i = 0; i < b.n && !rc; i++)
			if (!asking_goes(buf_span(&b.compact[i]), goes))
				rc = buf_add(&want, SPAN(",")) ||
				    buf_add(&want, buf_span(&b.compact[i]));
		rc = rc || buf_add(&want, SPAN("}"));
		assert(rc == 0);
		asking_compact(buf_span(&a.body), &got);
		check_same(c, buf_span(&got), buf_span(&want));
		/* Nothing but blanks went with what goes. */
		check_that(c,
		    a.body.len <= b.text.len + strlen(puts) + 1 && a.body.p[0] == ' ' &&
			a.body.p[a.body.len - 1] == '\n',
		    "'%.*s'", (int)a.body.len, a.body.p);
		buf_free(&want);
		buf_free(&got);
		asking_close(&a);
		asking_random_free(&b);
	}
}

/* An error of an upstream, and what a client is told of it. */
struct asking_error {
	int status;
	const char *type; /* x-amzn-errortype */
	struct span body;
	enum fault fault;
	int want;
	const char *kind, *message; /* message NULL: any */
};

static inline void
asking_rows_errors(struct check *c, const struct guard *g, const struct kind *kind,
    const struct asking_error *rows, size_t n)
{
	for (const struct asking_error *e = rows; e < rows + n; e++) {
		struct refusal r = { 0 };
		struct complaint said = { e->status, span_of(e->type), guard_put(g, e->body) };

		check_row(c, "error: %d %s '%.*s'", e->status, e->type, (int)e->body.n, e->body.p);
		kind->refusal(&said, &r);
		check_that(c, r.fault == e->fault, "%s", fault_row(r.fault)->name);
		check_that(c, refusal_status(&r) == e->want, "%d", refusal_status(&r));
		check_same(c, span_of(refusal_type(&r)), span_of(e->kind));
		if (e->message)
			check_same(c, span_of(refusal_message(&r)), span_of(e->message));
		check_that(c, !strstr(refusal_message(&r), "arn:"), "it tells an account");
	}
}

#endif
