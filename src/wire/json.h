/* json: what the gate needs of JSON. The strict scanner finds members and the first fault without
 * building a tree, so that a body of any size costs no memory and keeps its bytes. Pure. */
#ifndef POSTERN_WIRE_JSON_H
#define POSTERN_WIRE_JSON_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

/* A member of the outermost object that the caller looks for. */
struct json_member {
	struct span name; /* in: its unescaped name */
	struct span
	    value; /* out: its raw bytes, p NULL when absent; the last one when it stands twice */
	const char *at; /* out: where the quote before its name stands; of the same one */
	unsigned seen;	/* out: how often it stands there, however its name is escaped */
};

struct json_fault {
	size_t at;	  /* byte offset of the first fault */
	const char *what; /* what is wrong there, a fixed text */
};

/* Checks that text is exactly one JSON object (RFC 8259, strict: UTF-8 is valid, numbers and
 * escapes by the grammar, nested at most depth_max) and finds the n members. -1 with *fault set at
 * the first byte that is wrong. */
MUST_CHECK int json_scan(struct span text, unsigned depth_max, struct json_member *members,
    size_t n, struct json_fault *fault);

/* The raw value of a member of an object whose syntax is known to be good or does not matter (p
 * NULL when it is not there, when object is no object, or when broken bytes come before it). Stops
 * at the first match: for the few members of an event. */
struct span json_find(struct span object, struct span name);

/* json_find along a path: json_find_in(o, "message", "usage", NULL). */
struct span json_find_in(struct span object, ...) __attribute__((sentinel));

/* Walks over the elements of an array whose syntax is known to be good or does not matter: *rest
 * begins as the array. The raw bytes of the next one; p NULL behind the last, and where it breaks.
 */
struct span json_next(struct span *rest);

/* The same of an object's members: *name is the raw string before the colon. Of a member without a
 * value or a name that is none, p is NULL. */
struct span json_next_member(struct span *rest, struct span *name);

/* Appends the unescaped text of a JSON string to out. -1 when value is no string, or out is full.
 */
MUST_CHECK int json_string(struct span value, struct buf *out);

/* What stands between the quotes of a JSON string, as it is; p NULL for what is none. */
struct span json_inside(struct span value);

/* Whether value is one good JSON string, and nothing else. */
bool json_is_string(struct span value);

/* Copies a JSON string into a field of that size. What is no string or does not fit leaves it as it
 * was. */
void json_field(struct span value, char *to, size_t size);

/* Appends the object without its member of that name, everything else byte for byte. 1: done, 0: it
 * has none and nothing was appended, -1: it is no object, has several, or out is full. */
MUST_CHECK int json_without(struct span object, struct span name, struct buf *out);

/* A JSON integer from 0 to max; -1 for anything else (1.0 and 1e3 included). */
MUST_CHECK int json_u64(struct span value, uint64_t max, uint64_t *out);

/* true, false; -1 for anything else. */
MUST_CHECK int json_bool(struct span value, bool *out);

/* What a raw value is, by its first byte: 'o'bject 'a'rray 's'tring 'n'umber 'b'oolean 'z' null, 0
 * when none. */
char json_type(struct span value);

/* True for an array or object without elements. */
bool json_empty(struct span value);

/* Appends s as a JSON string, quoted and escaped; bytes that are not UTF-8 become U+FFFD. -1 when
 * out is full. */
MUST_CHECK int json_put_string(struct buf *out, struct span s);

/* One change to a text: `cut` bytes at offset `at` are replaced by `put`. */
struct json_edit {
	size_t at;
	size_t cut;
	struct span put;
};

/* Appends text to out with the edits made; edits are in ascending order and do not overlap.
 * Everything outside them is byte for byte what it was. -1 when out is full. */
MUST_CHECK int json_splice(
    struct span text, const struct json_edit *edits, size_t n, struct buf *out);

#endif
