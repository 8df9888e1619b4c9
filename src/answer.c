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
	if (buf_add(&a->text, SPAN("\r\n")) || a->seat->front->write(a->seat, buf_span(&a->text)))
		return failed(a);
	a->begun = true;
	a->status = status;
	return 0;
}

int
answer_begin(struct answer *a, int status, struct span content_type, struct span more)
{
	if (put_head(a, status, content_type, more))
		return failed(a);
	return send_head(a, status);
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
	if (put_head(a, status, content_type, more) ||
	    buf_addf(&a->text, "Content-Length: %zu\r\n", body.n))
		return failed(a);
	return send_head(a, status) || answer_write(a, body) ? -1 : 0;
}

static int
refuse_in_stream(struct answer *a, const struct refusal *r)
{
	buf_reset(&a->text, HOLD_KEEP);
	if (a->dialect->refuse(r, span_of(a->request_id), true, &a->text))
		return failed(a);
	return answer_write(a, buf_span(&a->text)) || answer_flush(a) ? -1 : 0;
}

int
answer_refuse(struct answer *a, const struct refusal *r, struct span more)
{
	struct buf body = buf_make(2 * ERROR_BODY_MAX);
	int rc;

	if (a->begun)
		return refuse_in_stream(a, r);
	rc = a->dialect->refuse(r, span_of(a->request_id), false, &body) ||
	    answer_whole(a, refusal_status(r), SPAN("application/json"), more, buf_span(&body));
	buf_free(&body);
	return rc ? -1 : 0;
}

int
answer_ping(struct answer *a)
{
	return answer_write(a, a->dialect->ping) || answer_flush(a) ? -1 : 0;
}
