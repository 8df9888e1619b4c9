/* models: see the header. */
#include "dialect/models.h"

#include "base/num.h"
#include "wire/header.h"
#include "wire/json.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX     1000

static void
take_anchor(struct models_query *q, struct span value, bool back)
{
	q->anchored = true;
	q->back = back;
	if (value.n >= sizeof(q->anchor) || header_unescape(value, q->anchor))
		q->anchor[0] = '\0'; /* no model has this name */
}

int
models_query_parse(struct models_query *q, struct span query, struct refusal *why)
{
	struct span part;

	q->limit = LIMIT_DEFAULT;
	while (span_next(&query, '&', &part)) {
		struct span value = part;
		struct span name;

		if (!span_next(&value, '=', &name))
			continue;
		if (span_eq(name, SPAN("after_id")) || span_eq(name, SPAN("before_id"))) {
			take_anchor(q, value, span_eq(name, SPAN("before_id")));
		} else if (span_eq(name, SPAN("limit")) &&
		    (num_u64(value, LIMIT_MAX, &q->limit) || q->limit == 0)) {
			refusal_set(why, FAULT_BAD_REQUEST,
			    "limit: must be an integer from 1 to %d", LIMIT_MAX);
			return -1;
		}
	}
	return 0;
}

static bool
is_listed(const struct models_query *q, const struct conf_model *m)
{
	return route_has(q->conf, q->region, m, &q->who) && route_allows(&q->who, span_of(m->id));
}

static int
put_model(const struct conf_model *m, struct buf *out)
{
	char created[NUM_TIME_LEN];

	num_time(m->created, created);
	return buf_add(out, SPAN("{\"type\":\"model\",\"id\":")) ||
		json_put_string(out, span_of(m->id)) || buf_add(out, SPAN(",\"display_name\":")) ||
		json_put_string(out, span_of(m->display_name ? m->display_name : m->id)) ||
		buf_addf(out, ",\"created_at\":\"%s\"}", created)
	    ? -1
	    : 0;
}

/* The page as a range [from, to) of the configuration's models; *more tells whether the list goes
 * on behind it (before it, when it was asked for backwards). */
static void
find_page(const struct models_query *q, size_t *from, size_t *to, bool *more)
{
	const struct conf *c = q->conf;
	bool back = q->back;
	size_t at = q->anchored ? c->models_n : 0;
	uint64_t left = q->limit;

	for (size_t i = 0; q->anchored && i < c->models_n; i++) {
		if (strcmp(q->anchor, c->models[i].id) == 0) {
			at = back ? i : i + 1;
			break;
		}
	}
	*from = *to = back && at == c->models_n ? 0 : at;
	*more = false;
	for (size_t i = *from; back ? i > 0 : i < c->models_n; back ? i-- : i++) {
		if (!is_listed(q, &c->models[back ? i - 1 : i]))
			continue;
		if (left-- == 0) {
			*more = true;
			return;
		}
		*(back ? from : to) = back ? i - 1 : i + 1;
	}
}

static int
put_end(const struct conf_model *first, const struct conf_model *last, bool more, struct buf *out)
{
	if (buf_addf(out, "],\"has_more\":%s,\"first_id\":", more ? "true" : "false"))
		return -1;
	if (!first)
		return buf_add(out, SPAN("null,\"last_id\":null}"));
	return json_put_string(out, span_of(first->id)) || buf_add(out, SPAN(",\"last_id\":")) ||
		json_put_string(out, span_of(last->id)) || buf_add(out, SPAN("}"))
	    ? -1
	    : 0;
}

int
models_list(const struct models_query *q, struct buf *out)
{
	const struct conf_model *first = NULL;
	const struct conf_model *last = NULL;
	size_t from, to;
	bool more;

	find_page(q, &from, &to, &more);
	if (buf_add(out, SPAN("{\"data\":[")))
		return -1;
	for (size_t i = from; i < to; i++) {
		const struct conf_model *m = &q->conf->models[i];

		if (!is_listed(q, m))
			continue;
		if ((first && buf_add(out, SPAN(","))) || put_model(m, out))
			return -1;
		first = first ? first : m;
		last = m;
	}
	return put_end(first, last, more, out);
}

enum models_found
models_one(const struct models_query *q, struct span id, struct buf *out)
{
	const struct conf_model *m = conf_model(q->conf, id);

	if (!m || !is_listed(q, m))
		return MODELS_UNKNOWN;
	return put_model(m, out) ? MODELS_BROKEN : MODELS_FOUND;
}
