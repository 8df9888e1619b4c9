/* hreq: a request to an upstream while a kind makes it. The body is the client's with a few bytes
 * changed, so that all else of it stays as it was written. Pure. */
#ifndef POSTERN_UPSTREAM_HREQ_H
#define POSTERN_UPSTREAM_HREQ_H

#include "base/buf.h"
#include "base/check.h"
#include "dialect/dialect.h"
#include "wire/json.h"

#define HREQ_EDITS_MAX 8u

struct hreq {
	struct buf url;
	struct buf headers;			/* "name: value", each with its terminating zero */
	struct json_edit edits[HREQ_EDITS_MAX]; /* of the client's body, in ascending order */
	size_t edits_n;
	struct buf text;    /* what the edits put; they point into it */
	struct buf body;    /* not empty: sent instead of the client's */
	struct buf dropped; /* names of anthropic-beta that were left out, with commas between */
};

/* All bounds set, all empty. */
void hreq_init(struct hreq *r);

/* Empties it for the next request; its header memory held a credential and is wiped. */
void hreq_clear(struct hreq *r);

/* Frees it. */
void hreq_free(struct hreq *r);

/* Appends a header line. -1 when there is no room, or the value could end its line early. */
MUST_CHECK int hreq_header(struct hreq *r, struct span name, struct span value);

/* Appends `authorization: Bearer`. -1 as hreq_header. */
MUST_CHECK int hreq_bearer(struct hreq *r, struct span token);

/* Appends those headers of the client's that go on to an upstream (header_forward) and that keep
 * lets pass; NULL lets all. A value that could end its line early is dropped: it would forge a
 * header. -1 when there is no room. */
MUST_CHECK int hreq_forward(
    struct hreq *r, char *const *params, bool (*keep)(struct span name, void *arg), void *arg);

/* The value of a header of the client's, by its lower-case name; p NULL: it did not come. */
struct span hreq_param(char *const *params, struct span name);

/* Appends to text, which the edits point into. -1 when it is full. */
MUST_CHECK int hreq_text(struct hreq *r, struct span s);

/* Appends s as a JSON string. -1 as hreq_text. */
MUST_CHECK int hreq_string(struct hreq *r, struct span s);

/* Puts what was appended to text since `from` in the place of `cut` bytes of the body at `at`. -1
 * when there are too many edits. */
MUST_CHECK int hreq_edit(struct hreq *r, size_t at, size_t cut, size_t from);

/* Drops members of the body that are there, and puts what was appended to text since `from`,
 * members with commas between them or nothing, before the others. -1 as hreq_edit. */
MUST_CHECK int hreq_reshape(
    struct hreq *r, const struct turn *t, const enum turn_member *drop, size_t n, size_t from);

#endif
