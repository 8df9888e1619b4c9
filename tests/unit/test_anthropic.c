/* anthropic: how events are read and errors are judged. What is asked of an upstream is tested in
 * whole calls (call/test_headers, call/test_bodies). */
#include "upstream/anthropic.h"

#include "unit/check.h"
#include "unit/guard.h"

static const struct {
	const char *what, *name;
	struct span data; /* p NULL: none */
	enum event_type type;
	const char *type_name, *usage; /* NULL: none */
} events[] = {
	{ "start", "message_start",
	    SPAN("{\"type\":\"message_start\",\"message\":{\"usage\":{\"a\":1}}}"),
	    EVENT_MESSAGE_START, NULL, "{\"a\":1}" },
	{ "start without usage", "message_start", SPAN("{\"message\":{}}"), EVENT_MESSAGE_START,
	    NULL, NULL },
	{ "usage where it does not belong", "message_start", SPAN("{\"usage\":{}}"),
	    EVENT_MESSAGE_START, NULL, NULL },
	{ "delta", "message_delta", SPAN("{\"delta\":{\"usage\":1},\"usage\":{\"b\":2}}"),
	    EVENT_MESSAGE_DELTA, NULL, "{\"b\":2}" },
	{ "stop", "message_stop", SPAN("{}"), EVENT_MESSAGE_STOP, NULL, NULL },
	{ "block start", "content_block_start", SPAN("{}"), EVENT_BLOCK_START, NULL, NULL },
	{ "block delta", "content_block_delta", SPAN("{\"usage\":{}}"), EVENT_BLOCK_DELTA, NULL,
	    NULL },
	{ "block stop", "content_block_stop", SPAN("{}"), EVENT_BLOCK_STOP, NULL, NULL },
	{ "ping", "ping", SPAN("{}"), EVENT_PING, NULL, NULL },
	{ "error", "error", SPAN("{}"), EVENT_ERROR, NULL, NULL },
	{ "unknown", "news", SPAN("{\"type\":\"message_stop\"}"), EVENT_OTHER, NULL, NULL },
	{ "a prefix of a name", "message_sto", SPAN("{}"), EVENT_OTHER, NULL, NULL },
	{ "more than a name", "message_stops", SPAN("{}"), EVENT_OTHER, NULL, NULL },
	{ "another case", "Ping", SPAN("{}"), EVENT_OTHER, NULL, NULL },
	{ "no data", "message_stop", { 0 }, EVENT_NOTHING, NULL, NULL },
	{ "no name", "", SPAN("{\"type\":\"message_delta\",\"usage\":{\"b\":2}}"),
	    EVENT_MESSAGE_DELTA, "message_delta", "{\"b\":2}" },
	{ "no name, unknown", "", SPAN("{\"type\":\"news\"}"), EVENT_OTHER, "news", NULL },
	{ "no name, no type", "", SPAN("{}"), EVENT_OTHER, NULL, NULL },
	{ "no name, no JSON", "", SPAN("[DONE]"), EVENT_OTHER, NULL, NULL },
	{ "no name, empty", "", SPAN(""), EVENT_OTHER, NULL, NULL },
	{ "no name, a number for a type", "", SPAN("{\"type\":1234}"), EVENT_OTHER, NULL, NULL },
	{ "no name, null for a type", "", SPAN("{\"type\":null}"), EVENT_OTHER, NULL, NULL },
	{ "no name, an object for a type", "", SPAN("{\"type\":{\"a\":\n1}}"), EVENT_OTHER, NULL,
	    NULL },
	{ "no name, an empty type", "", SPAN("{\"type\":\"\"}"), EVENT_OTHER, NULL, NULL },
};

static void
row_event(struct check *c, const struct guard *g, size_t i)
{
	struct event ev;
	struct span data = events[i].data.p ? guard_put(g, events[i].data) : events[i].data;

	check_row(c, "event: %s", events[i].what);
	anthropic_event(span_of(events[i].name), data, &ev);
	check_that(c, ev.type == events[i].type, "type %d", ev.type);
	check_same(c, ev.type_name, span_of(events[i].type_name));
	check_same(c, ev.usage, span_of(events[i].usage));
}

#define ERROR(type) "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"words\"}}"

static const struct {
	int status;
	int want;
	struct span body;
	const char *type;
	enum fault fault;
	bool passed; /* the body goes on */
} errors[] = {
	{ 400, 400, SPAN(ERROR("invalid_request_error")), "invalid_request_error", FAULT_UP_ERROR,
	    true },
	{ 400, 400, SPAN("\n " ERROR("new_error") " "), "new_error", FAULT_UP_ERROR, true },
	{ 401, 502, SPAN(ERROR("authentication_error")), "api_error", FAULT_UP_CREDENTIAL, false },
	{ 402, 502, SPAN(ERROR("billing_error")), "api_error", FAULT_UP_CREDENTIAL, false },
	{ 403, 502, SPAN(""), "api_error", FAULT_UP_CREDENTIAL, false },
	{ 404, 404, SPAN(ERROR("not_found_error")), "not_found_error", FAULT_UP_ERROR, true },
	{ 404, 502, SPAN("<html>"), "api_error", FAULT_UP_ANSWER, false },
	{ 413, 413, SPAN("{}"), "request_too_large", FAULT_UP_ERROR, false },
	{ 429, 429, SPAN("{\"error\":\"x\"}"), "rate_limit_error", FAULT_UP_ERROR, false },
	{ 500, 500, SPAN("{\"error\":{\"type\":5}}"), "api_error", FAULT_UP_ERROR, false },
	{ 502, 502, SPAN(ERROR("api_error") "x"), "api_error", FAULT_UP_ERROR, false },
	{ 529, 529, SPAN(ERROR("overloaded_error")), "overloaded_error", FAULT_UP_ERROR, true },
	{ 200, 529, SPAN(ERROR("overloaded_error")), "overloaded_error", FAULT_UP_ERROR, true },
	{ 200, 429, SPAN(ERROR("rate_limit_error")), "rate_limit_error", FAULT_UP_ERROR, true },
	{ 200, 500, SPAN(ERROR("new_error")), "new_error", FAULT_UP_ERROR, true },
	{ 200, 502, SPAN(ERROR("permission_error")), "api_error", FAULT_UP_CREDENTIAL, false },
	{ 200, 500, SPAN("oh"), "api_error", FAULT_UP_ERROR, false },
};

static void
row_error(struct check *c, const struct guard *g, size_t i)
{
	struct refusal r = { 0 };
	struct span body = guard_put(g, errors[i].body);

	check_row(c, "error: %d '%.*s'", errors[i].status, (int)body.n, body.p);
	kind_anthropic.refusal(&(struct complaint){ .status = errors[i].status, .body = body }, &r);
	check_that(c, r.fault == errors[i].fault, "fault %d", r.fault);
	check_that(c, refusal_status(&r) == errors[i].want, "status %d", refusal_status(&r));
	check_same(c, span_of(refusal_type(&r)), span_of(errors[i].type));
	check_that(c, (r.body.p != NULL) == errors[i].passed, "body");
	check_that(c, r.no_retry == (r.fault == FAULT_UP_CREDENTIAL), "no_retry");
	if (errors[i].passed) {
		check_same(c, r.body, span_trim(body));
		check_same(c, span_of(r.message), SPAN("words"));
	}
}

int
main(void)
{
	struct check c = { .module = "anthropic" };
	struct guard g = guard_make();

	for (size_t i = 0; i < ROWS(events); i++)
		row_event(&c, &g, i);
	for (size_t i = 0; i < ROWS(errors); i++)
		row_error(&c, &g, i);
	guard_free(&g);
	return check_end(&c);
}
