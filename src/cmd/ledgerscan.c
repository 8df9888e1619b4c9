/* ledgerscan: see ledgerscan.h. */
#include "cmd/ledgerscan.h"

#include <inttypes.h>
#include <stdarg.h>

#include "policy/usage.h"

void
ledgerscan_start(struct ledgerscan *s, FILE *out, uint64_t upto, struct sums sums)
{
	*s = (struct ledgerscan){ .out = out, .upto = upto, .sums = sums };
	s->text = buf_make(LINES_MAX);
}

void
ledgerscan_find(struct ledgerscan *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(s->out, fmt, ap);
	va_end(ap);
	(void)fputc('\n', s->out);
	s->findings++;
}

/* A damaged line is told when all files are read: only then is known whether anything is missing.
 */
static void
note_damage(struct ledgerscan *s)
{
	s->damaged++;
	if (s->damage_n < LEDGERSCAN_DAMAGE_MAX)
		s->damage[s->damage_n++] =
		    (struct ledgerscan_damage){ .place = s->at, .before = s->before };
}

/* Tells the numbers that stood in the ledger before. */
static void
tell_twice(struct ledgerscan *s)
{
	const struct seqset_range r = s->twice;

	s->twice = (struct seqset_range){ 0 };
	if (r.from == 0)
		return;
	if (r.from == r.to)
		ledgerscan_find(s, "%s:%" PRIu64 ": number %" PRIu64 " stands there a second time",
		    s->twice_at.path, s->twice_at.line, r.from);
	else
		ledgerscan_find(s,
		    "%s:%" PRIu64 ": numbers %" PRIu64 " to %" PRIu64 " stand there a second time",
		    s->twice_at.path, s->twice_at.line, r.from, r.to);
}

static void
note_twice(struct ledgerscan *s, uint64_t seq)
{
	if (s->twice.from > 0 && s->twice.to == seq - 1) {
		s->twice.to = seq;
		return;
	}
	tell_twice(s);
	s->twice = (struct seqset_range){ seq, seq };
	s->twice_at = s->at;
}

/* An answer that came to its end, and for which its upstream counted nothing. */
static bool
is_empty(const struct ledger_entry *e)
{
	return e->status == 200 && span_eq(e->end, SPAN("done")) &&
	    span_eq(e->surface, SPAN("messages")) && usage_none(&e->usage);
}

/* Adds up a line whose number is seen for the first time. */
static int
add_fresh(struct ledgerscan *s, const struct ledger_entry *e)
{
	struct tally_row row;
	struct tally one;
	struct tally *sum;

	if (s->first == 0 || e->seq < s->first) {
		s->first = e->seq;
		s->first_ms = e->time_ms;
	}
	if (is_empty(e) && s->empty++ == 0)
		s->empty_at = s->at;
	if (e->seq > s->upto) {
		s->ahead++;
		return 0;
	}
	tally_of(e, &row, &one);
	sum = sums_at(&s->sums, &row);
	if (!sum)
		return -1;
	tally_add(sum, &one);
	return 0;
}

static int
add_line(struct ledgerscan *s, const struct ledger_entry *e)
{
	int was = seqset_add(&s->seen, e->seq);

	if (was < 0)
		return -1;
	if (was == 0 && e->seq < s->before)
		ledgerscan_find(s, "%s:%" PRIu64 ": number %" PRIu64 " stands behind %" PRIu64,
		    s->at.path, s->at.line, e->seq, s->before);
	for (; s->damage_from < s->damage_n; s->damage_from++)
		s->damage[s->damage_from].after = e->seq;
	s->before = e->seq;
	s->numbered++;
	s->low = s->low == 0 || e->seq < s->low ? e->seq : s->low;
	s->high = e->seq > s->high ? e->seq : s->high;
	if (was == 0)
		return add_fresh(s, e);
	note_twice(s, e->seq);
	return 0;
}

static int
read_line(struct ledgerscan *s, struct span line, bool open)
{
	struct ledger_entry e;

	if (line.n == 0)
		return 0;
	if (ledger_parse(line, &e, &s->text) < 0) {
		/* What is written at this moment has no newline yet. */
		if (open)
			(void)fprintf(s->out,
			    "%s:%" PRIu64
			    ": the last line is not whole: a write is under way, or was cut short\n",
			    s->at.path, s->at.line);
		else
			note_damage(s);
		return 0;
	}
	if (e.seq > 0)
		return add_line(s, &e);
	s->old++;
	s->old_here++;
	return 0;
}

/* By how files of gzip, zstd, xz and bzip2 begin. */
static bool
is_packed(struct span line)
{
	static const struct span marks[] = { { "\x1f\x8b", 2 }, { "\x28\xb5\x2f\xfd", 4 },
		{ "\xfd\x37zXZ", 5 }, { "BZh", 3 } };

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		if (span_starts(line, marks[i]))
			return true;
	}
	return false;
}

static int
read_lines(struct ledgerscan *s)
{
	struct span line;

	for (;;) {
		enum lines_found found = lines_next(&s->lines, &line);

		s->at.line = s->lines.number;
		switch (found) {
		case LINES_END:
			return 0;
		case LINES_LINE:
		case LINES_OPEN:
			if (s->at.line == 1 && is_packed(line)) {
				ledgerscan_find(
				    s, "%s: is compressed: unpack it first", s->at.path);
				return 0;
			}
			if (read_line(s, line, found == LINES_OPEN) < 0)
				return -1;
			break;
		case LINES_LONG:
			note_damage(s);
			break;
		case LINES_BROKEN:
			ledgerscan_find(
			    s, "%s:%" PRIu64 ": cannot be read: %m", s->at.path, s->at.line);
			return 0;
		}
	}
}

static void
tell_file(const struct ledgerscan *s)
{
	(void)fprintf(s->out, "%s: %" PRIu64 " %s", s->at.path, s->numbered,
	    s->numbered == 1 ? "line" : "lines");
	if (s->numbered > 0)
		(void)fprintf(s->out, ", %" PRIu64 " to %" PRIu64, s->low, s->high);
	if (s->old_here > 0)
		(void)fprintf(s->out, ", %" PRIu64 " without a number", s->old_here);
	(void)fputc('\n', s->out);
}

int
ledgerscan_file(struct ledgerscan *s, const char *path)
{
	size_t damage_before = s->damage_n;
	int rc;

	if (lines_open(&s->lines, path) < 0) {
		ledgerscan_find(s, "%s: cannot be read: %m", path);
		return 0;
	}
	s->at.path = path;
	s->before = s->low = s->high = s->numbered = s->old_here = 0;
	s->damage_from = s->damage_n;
	rc = read_lines(s);
	lines_close(&s->lines);
	for (size_t i = damage_before; i < s->damage_n; i++)
		s->damage[i].old = s->old_here > 0;
	tell_twice(s);
	tell_file(s);
	return rc;
}

/* A write that was cut short is closed with a newline, and its lines are written again behind it.
 * So a damaged line where no number is missing has cost nothing. */
static bool
is_harmless(const struct ledgerscan *s, const struct ledgerscan_damage *d)
{
	if (d->before > 0)
		return d->before >= s->upto || seqset_has(&s->seen, d->before + 1);
	if (d->after > 0)
		return d->after == 1 || seqset_has(&s->seen, d->after - 1);
	return d->old;
}

static void
tell_damage(struct ledgerscan *s)
{
	for (size_t i = 0; i < s->damage_n; i++) {
		const struct ledgerscan_place *at = &s->damage[i].place;

		if (is_harmless(s, &s->damage[i]))
			(void)fprintf(s->out,
			    "%s:%" PRIu64 ": a damaged line, where no number is missing\n",
			    at->path, at->line);
		else
			ledgerscan_find(s, "%s:%" PRIu64 ": a damaged line", at->path, at->line);
	}
	if (s->damaged > s->damage_n)
		ledgerscan_find(s, "%" PRIu64 " more damaged lines", s->damaged - s->damage_n);
}

static void
tell_gap(struct ledgerscan *s, uint64_t from, uint64_t to)
{
	if (from == to)
		ledgerscan_find(s, "number %" PRIu64 " is missing", from);
	else
		ledgerscan_find(s, "numbers %" PRIu64 " to %" PRIu64 " are missing", from, to);
}

/* What lies before the first number is no gap: older files may be gone. Nor is what lies above
 * upto, since a file may grow while another is read. */
static void
tell_gaps(struct ledgerscan *s)
{
	for (size_t i = 0; i < s->seen.n && s->seen.ranges[i].to < s->upto; i++) {
		uint64_t to = i + 1 < s->seen.n ? s->seen.ranges[i + 1].from - 1 : s->upto;

		tell_gap(s, s->seen.ranges[i].to + 1, to < s->upto ? to : s->upto);
	}
}

void
ledgerscan_finish(struct ledgerscan *s)
{
	tell_damage(s);
	tell_gaps(s);
}

void
ledgerscan_free(struct ledgerscan *s)
{
	sums_free(&s->sums);
	seqset_free(&s->seen);
	buf_free(&s->text);
}
