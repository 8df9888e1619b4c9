/* eventstream: frames of application/vnd.amazon.eventstream, in which Bedrock streams, pulled one
 * whole frame at a time out of bytes that are collected elsewhere. Both checksums, all lengths and
 * every header are checked before anything of a frame is handed out. Pure; copies nothing. */
#ifndef POSTERN_WIRE_EVENTSTREAM_H
#define POSTERN_WIRE_EVENTSTREAM_H

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

struct eventstream_frame {
	struct span raw; /* the whole frame, byte for byte */
	struct span
	    headers; /* as they came, all of them well formed; eventstream_string reads them */
	struct span payload; /* empty when there is none */
};

/* Looks for a whole frame at the front of text (all bytes after the last frame returned, old ones
 * first). 1: *frame is set, all spans point into text; the caller drops frame->raw.n bytes from the
 * front before the next call. 0: no whole frame yet; call again with the same bytes and more behind
 * them; at the end of the stream what is left then is a frame cut short. -1: broken, *why is a
 * fixed text; nothing behind that place can be read. What the first twelve bytes tell is judged as
 * soon as they are there, so that neither garbage nor a length beyond EVENTSTREAM_FRAME_MAX is
 * waited for. */
MUST_CHECK int eventstream_next(
    struct span text, struct eventstream_frame *frame, const char **why);

/* The value of the first header of exactly this name; p NULL when there is none or it is no string
 * (an empty string has its place). Any bytes may stand in it: nobody checked that they are UTF-8.
 */
struct span eventstream_string(const struct eventstream_frame *frame, struct span name);

/* Appends what the payload of a `chunk` holds: the first member `bytes` of a JSON object, decoded
 * from base64 (RFC 4648 4, strict: padded, no other characters, unused bits are zero). What stands
 * behind that member is not looked at, and whether what came out is JSON is the caller's question.
 * -1 with *why, a fixed text, when there is no such member, it is no base64, or out is full; out
 * then holds what it did before. */
MUST_CHECK int eventstream_bytes(struct span payload, struct buf *out, const char **why);

#endif
