/* forward: see the header. Lines are copied out of the queue first: a walk over it must not last as
 * long as an answer from another machine takes. */
#include "store/forward.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/ledgerfile.h"

#define BATCH_LINES 256u
#define BATCH_BYTES (256 * KIB)
#define QUEUE_MAX   (16 * MIB) /* of what is in the ledger and waits for a sink that is away */
#define JOURNEY_MS  5000       /* so long lines that end meanwhile may wait for the ledger */

/* One journey, in batches. */
struct forward {
	const struct books_sink *sink;
	struct limiter *limiter;
	int64_t until_ms; /* when the journey is broken off, to be gone on with next time */
	const char *node;
	uint64_t booked; /* as far as the sink has told */
	uint64_t upto;	 /* lines beyond are not looked at */
	enum store_status status;

	struct limiter_line *lines;
	size_t n;
	struct buf bytes; /* what the lines' spans point into: it has its size from the start */
	struct buf line;  /* of the ledger */
};

/* A copy of the bytes in the batch, where there is room for them. */
static struct span
keep(struct buf *bytes, struct span s)
{
	struct span copy = { bytes->p + bytes->len, s.n };

	if (s.n == 0)
		return (struct span){ 0 };
	memcpy(bytes->p + bytes->len, s.p, s.n);
	bytes->len += s.n;
	return copy;
}

/* Puts a line into the batch; false when it is full. */
static bool
put_line(struct forward *f, const struct limiter_line *line)
{
	const struct admission_ask *a = &line->ask;
	struct limiter_line *to;
	size_t n = line->line.n;

	if (line->due)
		n += a->workspace.n + a->key.n + a->model.n + a->request_id.n;
	if (f->n == BATCH_LINES || n > f->bytes.max - f->bytes.len)
		return false;
	to = &f->lines[f->n++];
	*to = *line;
	to->line = keep(&f->bytes, line->line);
	if (!line->due)
		return true;
	to->ask.workspace = keep(&f->bytes, a->workspace);
	to->ask.key = keep(&f->bytes, a->key);
	to->ask.model = keep(&f->bytes, a->model);
	to->ask.request_id = keep(&f->bytes, a->request_id);
	return true;
}

/* Sends the batch, if there is one, and empties it. A batch of nothing asks how far the sink is. */
static enum store_status
send_batch(struct forward *f)
{
	uint64_t booked = f->booked;
	uint64_t last = f->n > 0 ? f->lines[f->n - 1].seq : 0;

	f->status = f->sink->book(f->sink->arg, f->node, f->lines, f->n, &booked);
	f->n = 0;
	f->bytes.len = 0;
	if (f->status != STORE_OK)
		return f->status;
	f->booked = booked;
	if (booked >= last) {
		if (clock_mono_ms() >= f->until_ms)
			f->status = STORE_AWAY;
		return f->status;
	}
	log_error("books", "what=\"the other store did not take all lines\" booked=%llu sent=%llu",
	    (unsigned long long)booked, (unsigned long long)last);
	f->status = STORE_BROKEN;
	return f->status;
}

/* What the queue has no more. */

/* A line of the ledger as it stood in the queue. */
static int
replay_line(void *arg, const struct ledger_entry *e)
{
	struct forward *f = arg;
	struct limiter_line line = { .seq = e->seq };

	if (e->seq > f->upto)
		return 1;
	f->line.len = 0;
	if (ledger_format(e, &f->line) < 0) {
		log_error("books", "what=\"out of memory\"");
		f->status = STORE_BROKEN;
		return 1;
	}
	line.line = buf_span(&f->line);
	if (put_line(f, &line))
		return 0;
	return send_batch(f) != STORE_OK || !put_line(f, &line);
}

/* A mark without a file makes all files be looked at. That the walk is ended early is no failure of
 * it; one that failed by itself is tried again at the next drain. */
static enum store_status
replay(struct forward *f, const char *folder, uint64_t upto)
{
	struct totals_mark from = { .seq = f->booked };

	log_info("books", "what=\"lines are booked from the ledger\" after=%llu upto=%llu",
	    (unsigned long long)f->booked, (unsigned long long)upto);
	f->upto = upto;
	if (ledgerfile_catch_up(folder, &from, replay_line, f) < 0 && f->status != STORE_OK)
		return f->status;
	return f->n > 0 ? send_batch(f) : STORE_OK;
}

/* What is queued. */

static int
first_line(void *arg, const struct limiter_line *line)
{
	*(uint64_t *)arg = line->seq;
	return 1;
}

static int
queued_line(void *arg, const struct limiter_line *line)
{
	struct forward *f = arg;

	return line->seq > f->upto || !put_line(f, line);
}

static enum store_status
send_queue(struct forward *f, uint64_t upto)
{
	struct limiter *l = f->limiter;
	enum store_status status;
	size_t sent;

	f->upto = upto;
	do {
		status = limiter_lines(l, f->booked, queued_line, f);
		sent = f->n;
		if (status == STORE_OK && sent > 0)
			status = send_batch(f);
		if (status == STORE_OK)
			status = limiter_forget(l, f->booked < upto ? f->booked : upto);
	} while (status == STORE_OK && sent > 0 && f->booked < upto);
	return status;
}

/* The sink has lines under numbers that were not given here yet: those of this folder as it was
 * before it was put back to an older state, or of a copy of it. What it has passed over stays in
 * the ledger alone; no number is used again. */
static enum store_status
pass(struct forward *f, uint64_t upto)
{
	log_error("books",
	    "what=\"the other store is ahead of this ledger: is the state folder a copy, or an older one?\" "
	    "booked=%llu written=%llu",
	    (unsigned long long)f->booked, (unsigned long long)upto);
	return limiter_pass(f->limiter, f->booked);
}

static enum store_status
forward(struct forward *f, const char *folder, uint64_t upto)
{
	uint64_t first = upto + 1;
	enum store_status status = send_batch(f);

	if (status == STORE_OK && f->booked > upto)
		status = pass(f, upto);
	if (status == STORE_OK)
		status = limiter_lines(f->limiter, f->booked, first_line, &first);
	if (status == STORE_OK && f->booked < upto && first > f->booked + 1)
		status = replay(f, folder, (first <= upto ? first : upto + 1) - 1);
	return status == STORE_OK ? send_queue(f, upto) : status;
}

/* What is in the ledger is not lost with the queue: it is booked from there then. */
static void
make_room(struct limiter *l, uint64_t upto)
{
	if (limiter_waiting(l) > QUEUE_MAX && limiter_forget(l, upto) == STORE_OK)
		log_info("books", "what=\"lines are not queued any longer\" upto=%llu",
		    (unsigned long long)upto);
}

enum store_status
forward_lines(const struct books_sink *sink, struct limiter *l, const char *folder,
    const struct totals_mark *mark)
{
	struct forward f = { .sink = sink,
		.limiter = l,
		.until_ms = clock_mono_ms() + JOURNEY_MS,
		.node = mark->node,
		.bytes = buf_make(BATCH_BYTES),
		.line = buf_make(LEDGER_LINE_MAX) };
	enum store_status status = STORE_BROKEN;
	char *room;

	f.lines = calloc(BATCH_LINES, sizeof(*f.lines));
	if (f.lines && buf_room(&f.bytes, BATCH_BYTES, &room) == 0)
		status = forward(&f, folder, mark->seq);
	else
		log_error("books", "what=\"out of memory\"");
	free(f.lines);
	buf_free(&f.bytes);
	buf_free(&f.line);
	if (status != STORE_OK)
		make_room(l, mark->seq);
	return status;
}
