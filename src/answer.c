/* answer: see the header. */
#include "answer.h"

static int
failed(struct answer *a)
{
	a->gone = true;
	return -1;
}

static int
put_head(struct answer *a, int status, struct span content_type, struct span more)
{
	struct buf *t = &a->text;

	buf_reset(t, HOLD_KEEP);
	return buf_addf(t, "Status: %d\r\nContent-Type: ", status) || buf_add(t, content_type) ||
	    buf_addf(t, "\r\nrequest-id: %s\r\n", a->request_id) || buf_add(t, a->always) ||
	    buf_add(t, more);
}

static int
send_head(struct answer *a, int status)
{
	if (buf_add(&a->text, SPAN("\r\n")))
		return -1;
	if (a->seat->front->write(a->seat, buf_span(&a->text)))
		return failed(a);
	a->begun = true;
	a->status = status;
	return 0;
}

void
answer_init(struct answer *a)
{
	*a = (struct answer){ .text = buf_make(2 * ERROR_BODY_MAX),
		.error = buf_make(2 * ERROR_BODY_MAX) };
}

int
answer_reserve(struct answer *a)
{
	char *at;

	return buf_room(&a->text, ANSWER_RESERVE, &at) || buf_room(&a->error, ANSWER_RESERVE, &at)
	    ? -1
	    : 0;
}

void
answer_rest(struct answer *a)
{
	buf_reset(&a->text, HOLD_KEEP);
	buf_reset(&a->error, HOLD_KEEP);
	a->always = (struct span){ 0 };
	a->begun = a->gone = a->headless = false;
	a->status = 0;
}

void
answer_free(struct answer *a)
{
	buf_free(&a->text);
	buf_free(&a->error);
}

enum fault
answer_unsent(const struct answer *a)
{
	return a->gone ? FAULT_CLIENT_GONE : FAULT_INTERNAL;
}

int
answer_begin(struct answer *a, int status, struct span content_type, struct span more)
{
	return put_head(a, status, content_type, more) || send_head(a, status) ? -1 : 0;
}

int
answer_write(struct answer *a, struct span s)
{
	if (a->headless)
		return 0;
	return a->gone || a->seat->front->write(a->seat, s) ? failed(a) : 0;
}

int
answer_flush(struct answer *a)
{
	return a->gone || a->seat->front->flush(a->seat) ? failed(a) : 0;
}

int
answer_whole(
    struct answer *a, int status, struct span content_type, struct span more, struct span body)
{
	return put_head(a, status, content_type, more) ||
		buf_addf(&a->text, "Content-Length: %zu\r\n", body.n) || send_head(a, status) ||
		answer_write(a, body)
	    ? -1
	    : 0;
}

static int
refuse_in_stream(struct answer *a, const struct refusal *r)
{
	buf_reset(&a->error, HOLD_KEEP);
	return a->dialect->refuse(r, span_of(a->request_id), true, &a->error) ||
		answer_write(a, buf_span(&a->error)) || answer_flush(a)
	    ? -1
	    : 0;
}

static int
refuse_whole(struct answer *a, const struct refusal *r, struct span more)
{
	buf_reset(&a->error, HOLD_KEEP);
	return a->dialect->refuse(r, span_of(a->request_id), false, &a->error) ||
		answer_whole(
		    a, refusal_status(r), SPAN("application/json"), more, buf_span(&a->error))
	    ? -1
	    : 0;
}

static int
refuse(struct answer *a, const struct refusal *r, struct span more)
{
	return a->begun ? refuse_in_stream(a, r) : refuse_whole(a, r, more);
}

int
answer_refuse(struct answer *a, const struct refusal *r, struct span more)
{
	const struct refusal internal = { .fault = FAULT_INTERNAL };

	if (refuse(a, r, more) == 0)
		return 0;
	return a->gone ? -1 : refuse(a, &internal, (struct span){ 0 });
}

int
answer_ping(struct answer *a)
{
	return answer_write(a, a->dialect->ping) || answer_flush(a) ? -1 : 0;
}
