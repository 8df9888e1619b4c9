/* hreq: see the header. */
#include "upstream/hreq.h"

#include "base/limits.h"
#include "wire/header.h"

void
hreq_init(struct hreq *r)
{
	*r = (struct hreq){ .url = buf_make(PATH_MAX_LEN),
		.headers = buf_make(REQUEST_HEADERS_MAX),
		.text = buf_make(HEADER_VALUE_MAX),
		.body = buf_make(REQUEST_BODY_MAX),
		.dropped = buf_make(LOG_LINE_MAX / 2) };
}

void
hreq_clear(struct hreq *r)
{
	buf_reset(&r->url, HOLD_KEEP);
	buf_wipe(&r->headers);
	buf_reset(&r->text, HOLD_KEEP);
	buf_reset(&r->body, HOLD_KEEP);
	buf_reset(&r->dropped, HOLD_KEEP);
	r->edits_n = 0;
}

void
hreq_free(struct hreq *r)
{
	hreq_clear(r);
	buf_free(&r->url);
	buf_free(&r->text);
	buf_free(&r->body);
	buf_free(&r->dropped);
}

int
hreq_header(struct hreq *r, struct span name, struct span value)
{
	return header_put(&r->headers, name, value);
}

int
hreq_bearer(struct hreq *r, struct span token)
{
	return !header_value_ok(token) || buf_add(&r->headers, SPAN("authorization: Bearer ")) ||
		buf_add(&r->headers, token) || buf_add(&r->headers, (struct span){ "", 1 })
	    ? -1
	    : 0;
}

/* Splits a CGI variable that is a header. */
static int
split(const char *param, char name[static HEADER_NAME_LEN], struct span *value)
{
	const char *eq = strchr(param, '=');

	if (!eq || header_of_param(span_cut(span_of(param), 0, (size_t)(eq - param)), name))
		return -1;
	*value = span_of(eq + 1);
	return 0;
}

int
hreq_forward(
    struct hreq *r, char *const *params, bool (*keep)(struct span name, void *arg), void *arg)
{
	for (size_t i = 0; params[i]; i++) {
		char name[HEADER_NAME_LEN];
		struct span value;

		if (split(params[i], name, &value) || value.n == 0 ||
		    !header_forward(span_of(name)) || !header_value_ok(value) ||
		    (keep && !keep(span_of(name), arg)))
			continue;
		if (hreq_header(r, span_of(name), value))
			return -1;
	}
	return 0;
}

struct span
hreq_param(char *const *params, struct span name)
{
	for (size_t i = 0; params[i]; i++) {
		char one[HEADER_NAME_LEN];
		struct span value;

		if (split(params[i], one, &value) == 0 && span_eq(span_of(one), name))
			return value;
	}
	return (struct span){ NULL, 0 };
}

/* All of the room is made at once, so that growing never moves what edits point to. */
int
hreq_text(struct hreq *r, struct span s)
{
	char *at;

	if (r->text.cap < r->text.max && buf_room(&r->text, r->text.max - r->text.len, &at))
		return -1;
	return buf_add(&r->text, s);
}

int
hreq_string(struct hreq *r, struct span s)
{
	return hreq_text(r, (struct span){ 0 }) ? -1 : json_put_string(&r->text, s);
}

int
hreq_edit(struct hreq *r, size_t at, size_t cut, size_t from)
{
	size_t i = r->edits_n;

	if (i == HREQ_EDITS_MAX)
		return -1;
	for (; i > 0 && r->edits[i - 1].at > at; i--)
		r->edits[i] = r->edits[i - 1];
	r->edits[i] =
	    (struct json_edit){ at, cut, span_cut(buf_span(&r->text), from, r->text.len) };
	r->edits_n++;
	return 0;
}

/* The places to drop that are there, in ascending order. */
static size_t
order(const struct turn *t, const enum turn_member *drop, size_t n, const struct turn_place **out)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		const struct turn_place *p = &t->places[drop[i]];
		size_t at = found;

		if (p->len == 0)
			continue;
		for (; at > 0 && out[at - 1]->name_at > p->name_at; at--)
			out[at] = out[at - 1];
		out[at] = p;
		found++;
	}
	return found;
}

/* A member goes with the comma before it; one that has nothing before it, with the one behind. */
static int
drop_one(struct hreq *r, const struct turn_place *p, bool first, bool leading)
{
	size_t from = first ? p->name_at : p->before;
	size_t to = p->at + p->len;

	if (leading) {
		from = p->name_at;
		to = p->after ? p->after : to;
	}
	return hreq_edit(r, from, to - from, r->text.len);
}

int
hreq_reshape(
    struct hreq *r, const struct turn *t, const enum turn_member *drop, size_t n, size_t from)
{
	const struct turn_place *places[TURN_MEMBERS];
	size_t found = order(t, drop, n, places);
	bool puts = r->text.len > from;
	bool front = true; /* all members so far are dropped */
	bool empties = found > 0 && places[0]->before == t->open_at;

	if (puts &&
	    ((!empties && hreq_text(r, SPAN(","))) || hreq_edit(r, t->open_at + 1, 0, from)))
		return -1;
	for (size_t i = 0; i < found; i++) {
		const struct turn_place *p = places[i];
		bool first = p->before == t->open_at;

		front = front && (first || (i > 0 && p->before + 1 == places[i - 1]->after));
		if (drop_one(r, p, first, front && !puts))
			return -1;
	}
	return 0;
}
