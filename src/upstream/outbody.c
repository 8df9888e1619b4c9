/* outbody: see the header. */
#include "upstream/outbody.h"

#define PIECE (16 * KIB)

uint64_t
outbody_len(const struct hreq *r, const struct spool *body)
{
	uint64_t len = body->len;

	if (r->body.len > 0)
		return r->body.len;
	for (size_t i = 0; i < r->edits_n; i++)
		len = len - r->edits[i].cut + r->edits[i].put.n;
	return len;
}

static long
copy_from(struct span s, uint64_t at, char *to, size_t n)
{
	size_t left = at < s.n ? s.n - (size_t)at : 0;

	n = left < n ? left : n;
	if (n > 0)
		memcpy(to, s.p + at, n);
	return (long)n;
}

long
outbody_read(const struct hreq *r, const struct spool *body, uint64_t at, char *to, size_t n)
{
	uint64_t source = 0; /* where the run of unchanged bytes begins in the client's body */
	uint64_t result = 0; /* and in the edited one */

	if (r->body.len > 0)
		return copy_from(buf_span(&r->body), at, to, n);
	for (size_t i = 0; i < r->edits_n; i++) {
		const struct json_edit *e = &r->edits[i];
		uint64_t plain = e->at - source;

		if (at < result + plain) {
			uint64_t left = result + plain - at;

			return spool_read(
			    body, source + (at - result), to, left < n ? (size_t)left : n);
		}
		result += plain;
		if (at < result + e->put.n)
			return copy_from(e->put, at - result, to, n);
		result += e->put.n;
		source = e->at + e->cut;
	}
	return spool_read(body, source + (at - result), to, n);
}

int
outbody_hash(const struct hreq *r, const struct spool *body, uint8_t out[static HASH_LEN])
{
	struct hash_stream *h = hash_start();
	char piece[PIECE];
	uint64_t at = 0;
	long n;

	if (!h)
		return -1;
	while ((n = outbody_read(r, body, at, piece, sizeof(piece))) > 0) {
		if (hash_add(h, (struct span){ piece, (size_t)n }))
			n = -1;
		if (n < 0)
			break;
		at += (uint64_t)n;
	}
	return hash_finish(h, out) || n < 0 ? -1 : 0;
}
