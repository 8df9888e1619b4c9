/* chaterror: see the header. */
#include "upstream/chaterror.h"

#include <stdio.h>

#include "upstream/anthropic.h"
#include "upstream/scrub.h"
#include "wire/json.h"

/* What a server says of an error. */
struct saying {
	char words[MESSAGE_MAX];
	char type[64], code[64];
	uint64_t number; /* a code that is an HTTP status; 0: it is none */
};

/* An HTTP status where the answer had none of its own: by type or code, beside the API's own types.
 */
static const struct {
	const char *name;
	int status;
} names[] = {
	{ "insufficient_quota", 402 },
	{ "billing_hard_limit_reached", 402 },
	{ "billing_not_active", 402 },
	{ "invalid_api_key", 401 },
	{ "rate_limit_exceeded", 429 },
	{ "requests", 429 },
	{ "tokens", 429 },
	{ "BadRequestError", 400 },
	{ "context_length_exceeded", 400 },
	{ "exceed_context_size_error", 400 },
	{ "NotFoundError", 404 },
	{ "model_not_found", 404 },
	{ "unavailable_error", 529 },
	{ "engine_overloaded_error", 529 },
};

/* The status of a name; 0: it is none of these servers' own. */
static int
status_of_name(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i].name) == 0)
			return names[i].status;
	return 0;
}

static int
status_of(const struct saying *s)
{
	int status = (int)s->number;

	if (!status)
		status = status_of_name(s->code);
	if (!status)
		status = status_of_name(s->type);
	return status ? status : fault_status_of_type(s->type);
}

/* Whether it speaks of an account without money: the status of that is a limit's. */
static bool
is_unpaid(const struct saying *s)
{
	return status_of_name(s->code) == 402 || status_of_name(s->type) == 402;
}

static void
take_words(struct span value, struct saying *s)
{
	struct buf text = buf_make(ERROR_BODY_MAX);

	if (json_string(value, &text) == 0)
		(void)snprintf(
		    s->words, sizeof(s->words), "%.*s", (int)text.len, text.len ? text.p : "");
	buf_free(&text);
}

/* What FastAPI says of a request that it does not take: a text, or a list of what is wrong. */
static void
take_detail(struct span detail, struct saying *s)
{
	struct span one;

	if (json_type(detail) == 'a') {
		one = json_next(&detail);
		take_words(json_find(one, SPAN("msg")), s);
	} else {
		take_words(detail, s);
	}
}

static void
read_saying(struct span body, struct saying *s)
{
	struct span error = json_find(body, SPAN("error"));
	struct span code;

	if (json_type(error) != 'o' && json_type(error) != 's')
		error = body;	       /* vLLM of old */
	if (json_type(error) == 's') { /* Ollama */
		take_words(error, s);
		return;
	}
	take_words(json_find(error, SPAN("message")), s);
	json_field(json_find(error, SPAN("type")), s->type, sizeof(s->type));
	code = json_find(error, SPAN("code"));
	json_field(code, s->code, sizeof(s->code));
	if (json_u64(code, 599, &s->number) || s->number < 400)
		s->number = 0;
	if (!s->words[0])
		take_detail(json_find(error, SPAN("detail")), s);
}

#define NAME_LETTERS "*-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME_MIN     8u /* behind its beginning; shorter ones are words */

/* How long a name of our account at text is, as OpenAI's words have it; 0: none is there. */
static size_t
account_at(const char *text, bool begins)
{
	static const char *const beginnings[] = { "org-", "proj_", "sk-" };

	(void)begins;
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(*beginnings); i++) {
		size_t n = strlen(beginnings[i]);
		size_t rest;

		if (strncmp(text, beginnings[i], n) != 0)
			continue;
		rest = strspn(text + n, NAME_LETTERS);
		return rest >= NAME_MIN ? n + rest : 0;
	}
	return 0;
}

static bool
is_too_long(const struct saying *s)
{
	return strcmp(s->code, "context_length_exceeded") == 0 ||
	    strcmp(s->type, "exceed_context_size_error") == 0 ||
	    strstr(s->words, "maximum context length");
}

static void
refuse_with(int status, const struct saying *s, struct refusal *out)
{
	bool long_prompt = status == 400 && is_too_long(s);

	out->fault = FAULT_UP_ERROR;
	out->status = status;
	(void)snprintf(out->type, sizeof(out->type), "%s", fault_type_of_status(status));
	refusal_set(
	    out, FAULT_UP_ERROR, "%s%s", long_prompt ? "prompt is too long: " : "", s->words);
}

/* The statuses that the API has, for those that only these servers use. */
static int
api_status(int status)
{
	switch (status) {
	case 422:
		return 400;
	case 503:
		return 529;
	default:
		return status;
	}
}

void
chaterror_refusal(const struct complaint *c, struct refusal *out)
{
	struct saying s = { 0 };
	int said, status;

	read_saying(span_trim(c->body), &s);
	said = c->status >= 400 ? c->status : status_of(&s);
	status = api_status(said);
	*out = (struct refusal){ 0 };
	if (status == 401 || status == 402 || status == 403 || is_unpaid(&s)) {
		anthropic_refuse_credential(said, out);
		return;
	}
	scrub(s.words, account_at);
	if (s.words[0]) {
		refuse_with(status, &s, out);
		return;
	}
	if (anthropic_not_there(status)) {
		refusal_set(out, FAULT_UP_ANSWER,
		    "The upstream answered HTTP %d without an error of a chat completion's.", said);
		return;
	}
	(void)snprintf(
	    s.words, sizeof(s.words), "The upstream answered HTTP %d without a reason.", said);
	refuse_with(status, &s, out);
}
