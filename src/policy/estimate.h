/* estimate: how many input tokens a request body may come to, before anybody has counted. Pure: one
 * pass over bytes that are known to be JSON. */
#ifndef POSTERN_POLICY_ESTIMATE_H
#define POSTERN_POLICY_ESTIMATE_H

#include <stdint.h>

#include "base/span.h"

struct estimate {
	uint64_t
	    likely;    /* for tokens a minute: text at 4 bytes a token, an image at 1,600 tokens */
	uint64_t most; /* for money: a token has at least one byte; an image has at most 5,000 */
};

/* Long strings of base64 are told apart by how images and PDFs begin (RFC 4648; PNG, JPEG, GIF,
 * WebP). What a URL or a file id stands for cannot be seen here and is not counted. most is never
 * above ESTIMATE_MAX, the largest context window. */
#define ESTIMATE_MAX 1000000u
struct estimate estimate_input(struct span body);

#endif
