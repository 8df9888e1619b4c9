/* meter: streams as rows of letters, and what a meter has to say of them. */
#include "upstream/meter.h"

#include "check.h"

#define TEXT \
	"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\""

/* S message_start, s content_block_start, d a delta, e content_block_stop, u message_delta with a
 * count, v one without, E message_stop, o something newer. A digit is the index of the block events
 * behind it. */
static const struct {
	const char *what;
	const char *events;
	const char *fault; /* a word of it; NULL: none */
	bool odd, closed;
} rows[] = {
	{ "a whole message", "S0sdde1sdeuE", NULL, false, true },
	{ "nothing but begin and end", "SE", NULL, false, true },
	{ "newer events anywhere", "oSo0sodoeuEo", NULL, false, true },
	{ "two beginnings", "SS", "twice", false, false },
	{ "a block before the beginning", "0s", "message_start", false, false },
	{ "a delta before the beginning", "0d", "message_start", false, false },
	{ "an end before the beginning", "E", "message_start", false, false },
	{ "a count before the beginning", "u", "message_start", false, false },
	{ "a block within a block", "S0s1s", NULL, true, false },
	{ "a delta without a block", "S0d", NULL, true, false },
	{ "a delta of another block", "S0s1d", NULL, true, false },
	{ "a block that ends twice", "S0see", NULL, true, false },
	{ "a block left out", "S0se2s", NULL, true, false },
	{ "an index that is none", "S9s", NULL, true, false },
};

static struct event
event_of(char letter, uint64_t index)
{
	static const struct {
		char letter;
		enum event_type type;
	} letters[] = { { 'S', EVENT_MESSAGE_START }, { 's', EVENT_BLOCK_START },
		{ 'd', EVENT_BLOCK_DELTA }, { 'e', EVENT_BLOCK_STOP }, { 'u', EVENT_MESSAGE_DELTA },
		{ 'v', EVENT_MESSAGE_DELTA }, { 'E', EVENT_MESSAGE_STOP } };
	struct event e = { .type = EVENT_OTHER, .index = index };

	for (size_t i = 0; i < ROWS(letters); i++)
		if (letters[i].letter == letter)
			e.type = letters[i].type;
	if (letter == 'S')
		e.usage = SPAN("{\"input_tokens\":11,\"output_tokens\":1}");
	if (letter == 'u')
		e.usage = SPAN("{\"output_tokens\":7}");
	return e;
}

/* Feeds the letters; the last fault. */
static const char *
feed(struct meter *m, const char *letters, struct span delta, struct usage *usage)
{
	const char *fault = NULL;
	uint64_t index = UINT64_MAX;

	for (const char *p = letters; *p && !fault; p++) {
		struct event e;

		if (*p >= '0' && *p <= '9') {
			index = (uint64_t)(*p - '0');
			continue;
		}
		e = event_of(*p, index);
		fault = meter_event(m, &e, delta, usage);
	}
	return fault;
}

static void
row_grammar(struct check *c, size_t i)
{
	struct meter m = { 0 };
	struct usage usage = { 0 };
	const char *fault = feed(&m, rows[i].events, SPAN(TEXT "hello\"}}"), &usage);

	check_row(c, "%s", rows[i].what);
	check_that(c, !fault == !rows[i].fault && (!fault || strstr(fault, rows[i].fault)),
	    "it says '%s'", fault ? fault : "nothing");
	check_that(c, m.odd == rows[i].odd, "odd %d", m.odd);
	check_that(c, m.closed == rows[i].closed, "closed %d", m.closed);
}

static void
row_counts(struct check *c)
{
	static const struct {
		const char *what;
		const char *events;
		struct span delta;
		uint64_t output;
		bool changed;
	} cuts[] = {
		{ "a whole message is booked as counted", "S0sddeuE", SPAN(TEXT "hello\"}}"), 7,
		    false },
		{ "so is one that is cut after its count", "S0sddeu", SPAN(TEXT "hello\"}}"), 7,
		    false },
		{ "one cut before it is booked with what went by", "S0sdd",
		    SPAN(TEXT "forty characters of text are ten tokens.\"}}"), 20, true },
		{ "a delta of one letter is a token", "S0sddd", SPAN(TEXT "a\"}}"), 3, true },
		{ "a count without numbers is none", "S0sdddv", SPAN(TEXT "a\"}}"), 3, true },
		{ "what is less than was said does not count", "S0sd", SPAN(TEXT "a\"}}"), 1,
		    false },
		{ "a signature is no output", "S0sdd",
		    SPAN(
			"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":"
			"\"0123456789012345678901234567890123456789012345678901234567890123456789\"}}"),
		    1, false },
	};

	for (size_t i = 0; i < ROWS(cuts); i++) {
		struct meter m = { 0 };
		struct usage usage = { 0 };

		check_row(c, "%s", cuts[i].what);
		check_that(c, !feed(&m, cuts[i].events, cuts[i].delta, &usage), "refused");
		check_that(c, meter_complete(&m, &usage) == cuts[i].changed, "changed or not");
		check_that(c, usage.output == cuts[i].output && usage.input == 11, "%d in, %d out",
		    (int)usage.input, (int)usage.output);
	}
}

int
main(void)
{
	struct check c = { .module = "meter" };

	for (size_t i = 0; i < ROWS(rows); i++)
		row_grammar(&c, i);
	row_counts(&c);
	return check_end(&c);
}
