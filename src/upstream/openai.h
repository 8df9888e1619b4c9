/* kind_openai: any server of chat completions (POST {url}/v1/chat/completions): OpenAI's own,
 * vLLM, llama.cpp, Ollama and others. Its requests and answers are translated; doc/openai.md says
 * how. */
#ifndef POSTERN_UPSTREAM_OPENAI_H
#define POSTERN_UPSTREAM_OPENAI_H

#include "upstream/kind.h"

extern const struct kind kind_openai;

#endif
