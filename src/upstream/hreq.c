/* hreq: the memory of a request to an upstream. */
#include "upstream/kind.h"

void
hreq_clear(struct hreq *r)
{
	buf_reset(&r->url, HOLD_KEEP);
	buf_wipe(&r->headers);
	buf_reset(&r->text, HOLD_KEEP);
	r->edits_n = 0;
}
