/* cloud: see the header. */
#include "upstream/cloud.h"

#include "base/num.h"
#include "policy/glob.h"
#include "wire/header.h"

/* What clouds are known to take when the configuration does not say (messages-api.md 7): an unknown
 * value is a 400 there. */
static const char *const betas[] = { "interleaved-thinking-*", "tool-search-tool-*",
	"thinking-token-count-*", "fine-grained-tool-streaming-*" };

struct span
cloud_version(const struct ask *ask, struct span old, bool takes_new)
{
	const char *own = ask->target->upstream->anthropic_version;
	struct span asked = hreq_param(ask->params, SPAN("anthropic-version"));

	if (own)
		return span_of(own);
	return takes_new && span_eq(span_trim(asked), SPAN(CLOUD_VERSION_NEW))
	    ? SPAN(CLOUD_VERSION_NEW)
	    : old;
}

/* A number of one or two digits; longer ones are dates. */
static bool
small_number(struct span part, uint64_t *out)
{
	size_t n = 0;

	while (n < part.n && part.p[n] >= '0' && part.p[n] <= '9')
		n++;
	return n > 0 && n < 3 && num_u64(span_cut(part, 0, n), 99, out) == 0;
}

/* `claude-opus-4-6-v1`, `claude-sonnet-4-5@20250929` and, of old, `claude-3-7-sonnet-20250219`. */
bool
cloud_at_least(struct span model, unsigned major, unsigned minor)
{
	const struct span word = SPAN("claude-");
	const char *at = model.n > 0 ? memmem(model.p, model.n, word.p, word.n) : NULL;
	struct span rest, part;
	uint64_t first = 0, second = 0;

	if (!at)
		return false;
	rest = span_cut(model, (size_t)(at - model.p) + word.n, model.n);
	while (span_next(&rest, '-', &part)) {
		if (!small_number(part, &first))
			continue;
		if (span_next(&rest, '-', &part))
			(void)small_number(part, &second);
		return first > major || (first == major && second >= minor);
	}
	return false;
}

static bool
allowed(const struct conf_upstream *u, struct span beta)
{
	for (size_t i = 0; u->beta_given && i < u->beta_allow.n; i++)
		if (glob_match(span_of(u->beta_allow.v[i]), beta))
			return true;
	for (size_t i = 0; !u->beta_given && i < sizeof(betas) / sizeof(*betas); i++)
		if (glob_match(span_of(betas[i]), beta))
			return true;
	return false;
}

struct span
cloud_next_beta(const struct ask *ask, struct hreq *r, struct span *rest)
{
	struct span beta;

	while (span_next(rest, ',', &beta)) {
		if (beta.n == 0 || !header_value_ok(beta))
			continue;
		if (allowed(ask->target->upstream, beta))
			return beta;
		if (r->dropped.len + beta.n + 1 <= r->dropped.max &&
		    (r->dropped.len == 0 || buf_add(&r->dropped, SPAN(",")) == 0))
			(void)!buf_add(&r->dropped, beta);
	}
	return (struct span){ NULL, 0 };
}

/* Names the model, whose raw value stands in text, as the client did. */
static enum kind_edit
rename_model(const struct ask *ask, struct span text, struct span model, struct buf *out)
{
	struct buf name = buf_make(MODEL_MAX * 6ul + 2);
	enum kind_edit made = KIND_FAILED;

	if (json_put_string(&name, span_of(ask->turn->model)) == 0) {
		struct json_edit edit = { (size_t)(model.p - text.p), model.n, buf_span(&name) };

		if (span_eq(model, edit.put))
			made = KIND_AS_IT_IS;
		else if (json_splice(text, &edit, 1, out) == 0)
			made = KIND_EDITED;
	}
	buf_free(&name);
	return made;
}

enum kind_edit
cloud_edit(const struct ask *ask, const struct event *what, struct span data, struct buf *out)
{
	struct span model;

	if (what->type != EVENT_MESSAGE_START)
		return KIND_AS_IT_IS;
	model = json_find_in(data, "message", "model", NULL);
	return model.p ? rename_model(ask, data, model, out) : KIND_AS_IT_IS;
}

enum kind_edit
cloud_whole(const struct ask *ask, struct span body, struct buf *out)
{
	struct span model = json_find(body, SPAN("model"));

	return model.p ? rename_model(ask, body, model, out) : KIND_AS_IT_IS;
}
