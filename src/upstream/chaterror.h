/* chaterror: errors of servers of chat completions
 * (https://platform.openai.com/docs/guides/error-codes; vLLM, llama.cpp and what is built with
 * FastAPI have shapes of their own). Pure. */
#ifndef POSTERN_UPSTREAM_CHATERROR_H
#define POSTERN_UPSTREAM_CHATERROR_H

#include "upstream/kind.h"

/* A kind's refusal: an answer with an error status, or the data of an error in a stream. Its words
 * go on, without the names of our account; a prompt that is too long is told as the API tells it,
 * by which clients repair themselves. */
void chaterror_refusal(const struct complaint *c, struct refusal *out);

#endif
