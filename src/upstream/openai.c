/* openai: see the header. */
#include "upstream/openai.h"

#include "upstream/anthropic.h"
#include "upstream/chatanswer.h"
#include "upstream/chaterror.h"
#include "upstream/chatrequest.h"

/* Whether a url ends in the version of the API, as OpenAI's own clients want it (`/v1`, `/v4`), or
 * where Google has it. */
static bool
is_versioned(struct span url)
{
	const struct span google = SPAN("/v1beta/openai");
	const char *slash = memrchr(url.p, '/', url.n);
	struct span last = { slash, slash ? (size_t)(url.p + url.n - slash) : 0 };

	if (last.n >= 3 && slash[-1] != '/' && last.p[1] == 'v' && last.p[2] >= '0' &&
	    last.p[2] <= '9')
		return true;
	return url.n > google.n && span_eq(span_cut(url, url.n - google.n, url.n), google);
}

static int
add_url(const struct ask *ask, struct hreq *out)
{
	struct span url = span_of(ask->target->upstream->url);

	return buf_add(&out->url, url) || (!is_versioned(url) && buf_add(&out->url, SPAN("/v1"))) ||
		buf_add(&out->url, SPAN("/chat/completions"))
	    ? -1
	    : 0;
}

/* Traces alone are any other server's business; a server on the same machine may want no key. */
static bool
keeps(struct span name, void *arg)
{
	(void)arg;
	return span_starts(name, SPAN("trace"));
}

static int
add_headers(const struct ask *ask, struct hreq *out)
{
	return hreq_forward(out, ask->params, keeps, NULL) ||
		(ask->secret.n > 0 && hreq_bearer(out, ask->secret)) ||
		hreq_header(out, SPAN("content-type"), SPAN("application/json"))
	    ? -1
	    : 0;
}

static enum fault
openai_request(const struct ask *ask, struct hreq *out, struct refusal *why)
{
	if (ask->op == OP_COUNT_TOKENS) {
		refusal_set(why, FAULT_UNSUPPORTED,
		    "Tokens of this model cannot be counted: its upstream has no end point for it.");
		why->no_retry = true;
		return FAULT_UNSUPPORTED;
	}
	if (add_url(ask, out) || add_headers(ask, out))
		return FAULT_HEADERS;
	return chatrequest_put(ask, &out->body, why);
}

const struct kind kind_openai = {
	.name = "openai",
	.reads_body = true,
	.chat = true,
	.request = openai_request,
	.event = anthropic_event,
	.whole = chatanswer_put,
	.refusal = chaterror_refusal,
};
