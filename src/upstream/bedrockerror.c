/* bedrockerror: see the header. */
#include "upstream/bedrockerror.h"

#include <stdio.h>

#include "upstream/anthropic.h"
#include "upstream/scrub.h"

#define ACCOUNT_DIGITS 12u

struct bedrockerror {
	struct span name; /* without `Exception` */
	int status;	  /* the client's; 0: it speaks of our own account */
};

static const struct bedrockerror table[] = {
	{ { "Validation", 10 }, 400 },
	{ { "Conflict", 8 }, 400 },
	{ { "ServiceQuotaExceeded", 20 }, 429 },
	{ { "AccessDenied", 12 }, 403 },
	{ { "ExpiredToken", 12 }, 0 },
	{ { "UnrecognizedClient", 18 }, 0 },
	{ { "InvalidSignature", 16 }, 0 },
	{ { "SignatureDoesNotMatch", 21 }, 0 },
	{ { "IncompleteSignature", 19 }, 0 },
	{ { "MissingAuthenticationToken", 26 }, 0 },
	{ { "InvalidClientTokenId", 20 }, 0 },
	{ { "OptInRequired", 13 }, 0 },
	{ { "RequestExpired", 14 }, 0 },
	{ { "ResourceNotFound", 16 }, 404 },
	{ { "ModelTimeout", 12 }, 504 },
	{ { "ModelError", 10 }, 500 },
	{ { "ModelStreamError", 16 }, 500 },
	{ { "Throttling", 10 }, 429 },
	{ { "ModelNotReady", 13 }, 529 },
	{ { "InternalServer", 14 }, 500 },
	{ { "InternalFailure", 15 }, 500 },
	{ { "ServiceUnavailable", 18 }, 529 },
};

/* Names that are not known, by the status that they came with. */
static const struct {
	int from;
	struct bedrockerror row;
} by_status[] = {
	{ 401, { { "", 0 }, 0 } },
	{ 402, { { "", 0 }, 0 } },
	{ 403, { { "", 0 }, 0 } },
	{ 408, { { "", 0 }, 504 } },
	{ 413, { { "", 0 }, 413 } },
	{ 404, { { "", 0 }, 404 } },
	{ 424, { { "", 0 }, 500 } },
	{ 429, { { "", 0 }, 429 } },
	{ 503, { { "", 0 }, 529 } },
	{ 504, { { "", 0 }, 504 } },
};

static const struct bedrockerror bad_request = { { "", 0 }, 400 };
static const struct bedrockerror failed = { { "", 0 }, 500 };

/* `com.amazon.coral#ValidationException:http://...` is a Validation. */
static struct span
bare_name(struct span name)
{
	const struct span suffix = SPAN("Exception");
	const char *mark = name.n > 0 ? memchr(name.p, '#', name.n) : NULL;

	if (mark)
		name = span_cut(name, (size_t)(mark - name.p) + 1, name.n);
	mark = name.n > 0 ? memchr(name.p, ':', name.n) : NULL;
	if (mark)
		name = span_cut(name, 0, (size_t)(mark - name.p));
	name = span_trim(name);
	if (name.n > suffix.n && span_eq(span_cut(name, name.n - suffix.n, name.n), suffix))
		name.n -= suffix.n;
	return name;
}

const struct bedrockerror *
bedrockerror_find(struct span name, int status)
{
	name = bare_name(name);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (span_eq_nocase(name, table[i].name))
			return &table[i];
	for (size_t i = 0; i < sizeof(by_status) / sizeof(*by_status); i++)
		if (by_status[i].from == status)
			return &by_status[i].row;
	return status >= 400 && status < 500 ? &bad_request : &failed;
}

const char *
bedrockerror_type(const struct bedrockerror *e)
{
	return fault_type_of_status(e->status ? e->status : 500);
}

/* How many bytes at the front of text name an account: an ARN, or its number. */
static size_t
account_at(const char *text, bool begins)
{
	size_t digits = strspn(text, "0123456789");

	if (strncmp(text, "arn:", 4) == 0)
		return strcspn(text, " \t\"'<>(),;");
	return begins && digits == ACCOUNT_DIGITS ? digits : 0;
}

void
bedrockerror_words(const struct bedrockerror *e, struct span message, char to[static MESSAGE_MAX])
{
	if (e->status == 0)
		(void)snprintf(
		    to, MESSAGE_MAX, "The upstream refused the gate's own credential or account.");
	else
		(void)snprintf(
		    to, MESSAGE_MAX, "%.*s", (int)message.n, message.n > 0 ? message.p : "");
	if (e->status != 400 && e->status != 413)
		scrub(to, account_at);
}

static void
take_message(const struct bedrockerror *e, struct span body, struct refusal *out)
{
	struct buf text = buf_make(MESSAGE_MAX);

	if (json_string(json_find(body, SPAN("message")), &text) || text.len == 0)
		(void)!json_string(json_find(body, SPAN("Message")), &text);
	bedrockerror_words(e, buf_span(&text), out->message);
	buf_free(&text);
}

void
bedrockerror_refusal(const struct complaint *c, struct refusal *out)
{
	char name[128] = "";
	struct span type = c->type;
	const struct bedrockerror *e;

	if (c->status < 400) { /* an event, which is in the API's own words by now */
		anthropic_refusal(c, out);
		return;
	}
	if (type.n == 0) {
		json_field(json_find(c->body, SPAN("__type")), name, sizeof(name));
		type = span_of(name);
	}
	e = bedrockerror_find(type, c->status);
	if (e->status == 0) {
		anthropic_refuse_credential(c->status, out);
		return;
	}
	take_message(e, c->body, out);
	out->fault = FAULT_UP_ERROR;
	out->status = e->status;
	(void)snprintf(out->type, sizeof(out->type), "%s", bedrockerror_type(e));
	if (out->message[0])
		return;
	if (type.n == 0 && anthropic_not_there(c->status))
		*out = (struct refusal){ .fault = FAULT_UP_ANSWER };
	refusal_set(out, out->fault, "The upstream answered HTTP %d without a reason.", c->status);
}
