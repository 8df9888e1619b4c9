/* fuzz_openai: however a stream of a chat completion is cut into pieces, its events are the same
 * and it breaks at the same place; what comes out is whole events whose grammar holds, and a
 * message that has ended says nothing more. The same bytes as a whole answer, and as a request,
 * become good JSON or are refused. The first byte of the input chooses the pieces. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/limits.h"
#include "chunking.h"
#include "dialect/messages.h"
#include "upstream/chatrequest.h"
#include "upstream/meter.h"
#include "upstream/openai.h"
#include "wire/json.h"
#include "wire/sse.h"

#define OUT_MAX (1u << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feeds it in pieces. True when it broke. */
static bool
feed(const struct ask *ask, struct span in, size_t step, struct buf *out)
{
	struct chunking k;
	const char *why = NULL;
	bool broken = false;
	int rc;

	chunking_init(&k);
	chunking_begin(&k, ask);
	for (size_t at = 0; at < in.n && !broken; at += step) {
		size_t to = at + step < in.n ? at + step : in.n;

		broken = chunking_feed(&k, span_cut(in, at, to), &why) != 0;
		rc = buf_add(out, buf_span(&k.events));
		assert(rc == 0);
	}
	if (!broken) {
		broken = chunking_end(&k, &why) != 0;
		rc = buf_add(out, buf_span(&k.events));
		assert(rc == 0);
	}
	assert(!broken || why);
	chunking_free(&k);
	return broken;
}

/* Reads the events as a stream does. */
static void
read_events(struct span text)
{
	struct meter meter = { 0 };
	struct usage usage = { 0 };
	struct sse cutter = { 0 };
	struct json_fault fault;
	struct sse_event ev;
	bool failed = false;

	while (sse_next(&cutter, text, &ev)) {
		struct event what;

		assert(!meter.closed && ev.name.n > 0 && !ev.split);
		assert(json_scan(ev.data, JSON_DEPTH_MAX, NULL, 0, &fault) == 0);
		kind_openai.event(ev.name, ev.data, &what);
		failed = failed || what.type == EVENT_ERROR;
		if (!failed)
			assert(meter_event(&meter, &what, ev.data, &usage) == NULL && !meter.odd);
		text = span_cut(text, ev.raw.n, text.n);
	}
	assert(text.n == 0);
}

static void
read_whole(const struct ask *ask, struct span in)
{
	struct buf out = buf_make(OUT_MAX);
	struct refusal r = { 0 };
	struct json_fault fault;

	kind_openai.refusal(&(struct complaint){ .status = 200, .body = in }, &r);
	assert(r.fault && refusal_status(&r) >= 400);
	if (json_scan(in, JSON_DEPTH_MAX, NULL, 0, &fault) == 0 &&
	    kind_openai.whole(ask, in, &out) != KIND_FAILED)
		assert(json_scan(buf_span(&out), JSON_DEPTH_MAX, NULL, 0, &fault) == 0);
	buf_free(&out);
}

static void
read_request(struct ask ask, struct span in)
{
	struct buf out = buf_make(OUT_MAX);
	struct turn turn = { 0 };
	struct refusal why = { 0 };
	struct json_fault fault;

	ask.turn = &turn;
	ask.body = in;
	if (dialect_messages.parse(in, OP_MESSAGES, &turn, &why) == FAULT_NONE &&
	    chatrequest_put(&ask, &out, &why) == FAULT_NONE)
		assert(json_scan(buf_span(&out), JSON_DEPTH_MAX, NULL, 0, &fault) == 0);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char url[] = "http://h";
	struct conf_upstream upstream = { .url = url };
	struct target target = { .upstream = &upstream, .model = SPAN("m") };
	struct turn turn = { .model = "m" };
	struct ask ask = { .target = &target, .turn = &turn, .request_id = SPAN("req_1") };
	struct buf whole = buf_make(OUT_MAX), pieces = buf_make(OUT_MAX);
	struct span in;
	char *copy;
	bool broken;

	if (size == 0)
		return 0;
	copy = malloc(size); /* its end is watched by the sanitizer */
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	in = (struct span){ copy + 1, size - 1 };
	broken = feed(&ask, in, in.n + 1, &whole);
	assert(broken == feed(&ask, in, data[0] % 17 + 1u, &pieces));
	assert(span_eq(buf_span(&whole), buf_span(&pieces)));
	read_events(buf_span(&whole));
	read_whole(&ask, in);
	read_request(ask, in);
	buf_free(&whole);
	buf_free(&pieces);
	free(copy);
	return 0;
}
