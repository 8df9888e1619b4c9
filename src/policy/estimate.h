/* estimate: how many input tokens a request body may come to, before anybody has counted. Pure: a
 * search through bytes that are known to be JSON, at several of them a nanosecond. */
#ifndef POSTERN_POLICY_ESTIMATE_H
#define POSTERN_POLICY_ESTIMATE_H

#include <stdint.h>

#include "base/span.h"

struct estimate {
	uint64_t
	    likely;    /* for tokens a minute: text at 4 bytes a token, an image at 1,600 tokens */
	uint64_t most; /* for money: a token has at least one byte; an image has at most 5,000 */
};

#define ESTIMATE_MAX 1000000u /* the largest context window */

/* Members `data` with more than 256 bytes of base64 are told apart by how images and PDFs begin
 * (RFC 4648; PNG, JPEG, GIF, WebP); all other bytes of the body are text, its punctuation too. What
 * a URL, a file id, a thread or a server's own tool brings in cannot be seen here and is not
 * counted; a PDF of many all but empty pages is more than it seems, and so is text that a client
 * dresses up as an image. likely is never above most, and most never above ESTIMATE_MAX. */
struct estimate estimate_input(struct span body);

#endif
