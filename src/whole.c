/* whole: see the header. */
#include "whole.h"

#include "base/limits.h"
#include "wire/header.h"

static int
fail(const struct whole_facts *f, enum fault fault, const char *message)
{
	return outcome_fail(f->out, fault, message);
}

/* Latches what the upstream says as an error. */
static int
refuse_with(const struct whole_facts *f, struct span body)
{
	struct complaint c = { f->status, span_of(f->error_type), body };

	f->kind->refusal(&c, &f->out->refusal);
	f->out->refusal_lines = buf_span(f->lines);
	return -1;
}

/* An answer of a good status: JSON that is no error, or else it is none. */
static int
check(const struct whole_facts *f, struct span body)
{
	enum { AT_TYPE, AT_ERROR };
	struct json_member m[] = { { .name = SPAN("type") }, { .name = SPAN("error") } };
	struct json_fault fault;
	bool error;

	if (f->status == 204 || span_trim(body).n == 0 || json_empty(span_trim(body)))
		return fail(f, FAULT_UP_ANSWER, "The upstream answered with nothing.");
	if (json_scan(body, JSON_DEPTH_MAX, m, 2, &fault)) {
		return fail(
		    f, FAULT_UP_ANSWER, "The upstream's answer is not JSON, or it was cut off.");
	}
	error = span_eq(m[AT_TYPE].value, SPAN("\"error\"")) ||
	    (f->kind->chat && m[AT_ERROR].value.p && json_type(m[AT_ERROR].value) != 'z');
	if (error)
		return refuse_with(f, body);
	if (f->ask->turn->stream) {
		return fail(f, FAULT_UP_ANSWER,
		    "The upstream answered with JSON instead of an event stream.");
	}
	return 0;
}

/* Lets the kind look at it; *body becomes what is to be sent. */
static int
edit(struct whole *w, const struct whole_facts *f, struct span *body)
{
	enum kind_edit made = KIND_AS_IT_IS;

	w->edited.len = 0;
	if (f->kind->whole)
		made = f->kind->whole(f->ask, *body, &w->edited);
	f->out->estimated = made == KIND_RECKONED;
	if (made == KIND_EDITED || made == KIND_RECKONED)
		*body = buf_span(&w->edited);
	else if (made != KIND_AS_IT_IS)
		return fail(f, FAULT_UP_ANSWER, "The upstream's answer cannot be understood.");
	return 0;
}

static void
count(const struct whole_facts *f, struct span body)
{
	struct span usage = json_find(body, SPAN("usage"));

	if (json_type(usage) == 'o')
		usage_set(&f->out->usage, usage);
	f->out->counted = f->ask->op == OP_MESSAGES;
}

/* Tells a message in the words of the client's dialect; *body becomes what is to be sent. */
static int
retell(struct whole *w, const struct whole_facts *f, struct span *body)
{
	const struct dialect *d = f->answer->dialect;

	if (!d->whole || f->ask->op != OP_MESSAGES)
		return 0;
	w->told.len = 0;
	if (d->whole(*body, &w->told))
		return fail(f, FAULT_UP_ANSWER, "The upstream's answer is too large.");
	*body = buf_span(&w->told);
	return 0;
}

static int
send(const struct whole_facts *f, struct span body)
{
	const struct span json = SPAN("application/json");
	/* It has been read as JSON, whatever the upstream called it; SDKs go by the name. */
	bool theirs = !f->answer->dialect->whole && header_is_type(span_of(f->content_type), json);
	struct span type = theirs ? span_of(f->content_type) : json;

	if (outcome_put_tried(f->out, f->lines))
		return fail(f, FAULT_INTERNAL, "");
	return answer_whole(f->answer, f->status, type, buf_span(f->lines), body)
	    ? outcome_unsent(f->out, f->answer)
	    : 0;
}

void
whole_pass(struct whole *w, const struct whole_facts *f)
{
	struct span body;

	if (spool_view(&w->body, &body)) {
		(void)fail(f, FAULT_INTERNAL, "");
	} else if (f->status >= 400 && f->status < 600) {
		(void)refuse_with(f, body);
	} else if (f->status < 200 || f->status >= 300) {
		(void)fail(f, FAULT_UP_ANSWER,
		    "The upstream answered with a status that is none of this API's.");
	} else if (check(f, body) == 0 && edit(w, f, &body) == 0) {
		count(f, body);
		if (retell(w, f, &body) == 0)
			(void)!send(f, body);
	}
}

int
whole_feed(struct whole *w, struct span bytes, struct outcome *out)
{
	switch (spool_add(&w->body, bytes)) {
	case SPOOL_OK:
		return 0;
	case SPOOL_FULL: /* of an error's body the beginning will do */
		return w->good
		    ? outcome_fail(out, FAULT_UP_ANSWER, "The upstream's answer is too large.")
		    : 0;
	default:
		return outcome_fail(out, FAULT_INTERNAL, "");
	}
}

void
whole_expect(struct whole *w, bool good)
{
	w->good = good;
	w->body.max = good ? ANSWER_MAX : ERROR_BODY_MAX;
}

void
whole_init(struct whole *w)
{
	*w = (struct whole){ .edited = buf_make(ANSWER_MAX), .told = buf_make(ANSWER_MAX) };
	spool_init(&w->body, NULL, ANSWER_MAX);
}

void
whole_begin(struct whole *w, const char *folder)
{
	w->body.folder = folder;
	spool_clear(&w->body, HOLD_KEEP);
}

void
whole_rest(struct whole *w)
{
	buf_reset(&w->edited, HOLD_KEEP);
	buf_reset(&w->told, HOLD_KEEP);
	spool_clear(&w->body, HOLD_KEEP);
}

void
whole_free(struct whole *w)
{
	buf_free(&w->edited);
	buf_free(&w->told);
	spool_clear(&w->body, 0);
}
