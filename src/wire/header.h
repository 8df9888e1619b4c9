/* header: names and values of HTTP headers, and which of them pass the gate. Pure. */
#ifndef POSTERN_WIRE_HEADER_H
#define POSTERN_WIRE_HEADER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

#define HEADER_NAME_LEN 128

/* The header name behind a CGI variable (RFC 3875 4.1.18): "HTTP_X_API_KEY" -> "x-api-key",
 * "CONTENT_TYPE" -> "content-type". -1 when the variable is no header or the name is too long. */
MUST_CHECK int header_of_param(struct span param, char out[static HEADER_NAME_LEN]);

/* True when a request header of this lower-case name goes on to an upstream that speaks the
 * Messages API: accept, user-agent, anthropic-*, x-stainless-*, x-claude-code-*,
 * x-app, traceparent, tracestate. Credentials, cookies, hop-by-hop headers and everything else do
 * not. */
bool header_forward(struct span name);

/* True when an answer header of the upstream of this lower-case name goes on to the client:
 * content-type, retry-after, retry-after-ms, x-should-retry, and anthropic-* except
 * anthropic-ratelimit-*, anthropic-organization-id, anthropic-workspace-id, anthropic-priority-*
 * and anthropic-fast-*, which describe our own account. */
bool header_relay(struct span name);

/* True when a value can stand in a header line: no control character but tab (RFC 9110 5.5). */
bool header_value_ok(struct span value);

/* Appends a line of a request's headers, "name: value" with a terminating zero. -1 when the value
 * could end its line early, or out is full; out may then hold a part of it. */
MUST_CHECK int header_put(struct buf *out, struct span name, struct span value);

/* The token of `Bearer token`, scheme without case, blanks trimmed; p NULL when it is none (RFC
 * 6750 2.1). */
struct span header_bearer(struct span authorization);

/* The value of a line in a block of header lines, each ending in CR LF, by its lower-case name; p
 * NULL: there is none. */
struct span header_find(struct span lines, struct span name);

/* The time that retry-after-ms or retry-after in such a block asks for at now (Unix seconds), in
 * milliseconds; the latter may be a date (RFC 9110 10.2.3). -1: neither is there with at most an
 * hour. Parts of a second are left out. */
int64_t header_retry_after(struct span lines, int64_t now_s);

/* True when the media type (parameters aside, without case) is `type`: "text/event-stream". */
bool header_is_type(struct span content_type, struct span type);

/* Decodes %XX of a path segment into out (which has room for s.n + 1). -1 for a broken escape or a
 * %00. */
MUST_CHECK int header_unescape(struct span s, char *out);

#endif
