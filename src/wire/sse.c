/* sse: see sse.h. A blank line ends an event; its fields are read only then, so that the search for
 * line ends is all that is done while an event comes in. */
#include "wire/sse.h"

#include "base/word.h"

static const struct span byte_order_mark = { "\xef\xbb\xbf", 3 };

/* Where the line that begins at `from` ends, text.n when it does not. */
static size_t
line_end(struct span text, size_t from)
{
	while (text.n - from >= 8) {
		uint64_t x = word_at(text.p + from);

		if (word_has(x, '\n') || word_has(x, '\r'))
			break;
		from += 8;
	}
	while (from < text.n && text.p[from] != '\n' && text.p[from] != '\r')
		from++;
	return from;
}

/* Behind the line end at `at`, which is LF, CR or both. */
static size_t
line_next(struct span text, size_t at)
{
	bool both = text.p[at] == '\r' && at + 1 < text.n && text.p[at + 1] == '\n';

	return at + (both ? 2 : 1);
}

struct field {
	struct span name;
	struct span value;
};

/* A line without its end as a field; a comment gives an empty name. */
static struct field
field_of(struct span line)
{
	const char *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
	size_t name_n = colon ? (size_t)(colon - line.p) : line.n;
	size_t value_at = colon ? name_n + 1 : line.n;

	if (value_at < line.n && line.p[value_at] == ' ')
		value_at++;
	return (struct field){
		.name = span_cut(line, 0, name_n),
		.value = span_cut(line, value_at, line.n),
	};
}

/* Takes the next line off rest; false at the end. */
static bool
field_next(struct span *rest, struct field *out)
{
	if (rest->n == 0)
		return false;

	size_t end = line_end(*rest, 0);

	*out = field_of(span_cut(*rest, 0, end));
	*rest = span_cut(*rest, end < rest->n ? line_next(*rest, end) : end, rest->n);
	return true;
}

static struct sse_event
event_of(struct span raw)
{
	struct sse_event ev = { .raw = raw };
	struct field f;

	while (field_next(&raw, &f)) {
		if (span_eq(f.name, SPAN("event"))) {
			ev.name = f.value;
		} else if (span_eq(f.name, SPAN("data"))) {
			ev.split = ev.data.p != NULL;
			if (!ev.split)
				ev.data = f.value;
		}
	}
	return ev;
}

/* The first n bytes are an event. */
static int
event_done(struct sse *s, struct span text, size_t n, struct sse_event *ev)
{
	*ev = event_of(span_cut(text, 0, n));
	*s = (struct sse){ .started = true };
	return 1;
}

int
sse_next(struct sse *s, struct span text, struct sse_event *ev)
{
	if (!s->started) {
		/* A byte order mark is an event of its own, without name and data. */
		if (span_starts(text, byte_order_mark))
			return event_done(s, text, byte_order_mark.n, ev);
		if (span_starts(byte_order_mark, text))
			return 0;
		s->started = true;
	}
	while (s->seen < text.n) {
		size_t end = line_end(text, s->seen);

		if (end == text.n) {
			s->seen = end;
			break;
		}

		size_t next = line_next(text, end);
		/* The LF of a CRLF that came in two pieces ends no second line. */
		bool rest_of_crlf =
		    text.p[end] == '\n' && end == s->line && end > 0 && text.p[end - 1] == '\r';

		if (end == s->line && !rest_of_crlf)
			return event_done(s, text, next, ev);
		s->seen = s->line = next;
	}
	return 0;
}

int
sse_join(struct span raw, struct buf *out)
{
	size_t before = out->len;
	bool first = true;
	struct field f;

	while (field_next(&raw, &f)) {
		if (!span_eq(f.name, SPAN("data")))
			continue;
		if ((!first && buf_add(out, SPAN("\n")) < 0) || buf_add(out, f.value) < 0) {
			out->len = before;
			return -1;
		}
		first = false;
	}
	return 0;
}

int
sse_data(const struct sse_event *ev, struct buf *joined, struct span *data)
{
	*data = ev->data;
	if (!ev->split)
		return 0;
	joined->len = 0;
	if (sse_join(ev->raw, joined))
		return -1;
	*data = buf_span(joined);
	return 0;
}

void
sse_one_line(char *p, size_t n)
{
	if (n == 0 || (!memchr(p, '\n', n) && !memchr(p, '\r', n)))
		return;
	for (size_t i = 0; i < n; i++)
		if (p[i] == '\n' || p[i] == '\r')
			p[i] = ' ';
}
