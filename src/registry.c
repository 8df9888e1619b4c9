/* registry: tables only. */
#include "registry.h"

#include "dialect/envelope.h"
#include "dialect/messages.h"
#include "store/local.h"
#include "store/redis.h"
#include "upstream/anthropic.h"
#include "upstream/bedrock.h"
#include "upstream/echo.h"
#include "upstream/openai.h"
#include "upstream/vertex.h"

/* clang-format off */
static const struct surface surfaces[] = {
	{ "messages",  "/v1/messages",                            OP_MESSAGES,     &dialect_messages },
	{ "messages",  "/messages",                               OP_MESSAGES,     &dialect_messages },
	{ "messages",  "/api/anthropic/v1/messages",              OP_MESSAGES,     &dialect_messages },
	{ "messages",  "/anthropic/{region}/v1/messages",         OP_MESSAGES,     &dialect_messages },
	{ "envelope",  "/api/v1/messages",                        OP_MESSAGES,     &dialect_envelope },
	{ "count",     "/v1/messages/count_tokens",               OP_COUNT_TOKENS, &dialect_messages },
	{ "count",     "/messages/count_tokens",                  OP_COUNT_TOKENS, &dialect_messages },
	{ "count",     "/api/anthropic/v1/messages/count_tokens", OP_COUNT_TOKENS, &dialect_messages },
	{ "count",     "/api/v1/messages/count_tokens",           OP_COUNT_TOKENS, &dialect_messages },
	{ "count",     "/anthropic/{region}/v1/messages/count_tokens", OP_COUNT_TOKENS, &dialect_messages },
	{ "models",    "/v1/models",                              OP_MODELS,       &dialect_messages },
	{ "models",    "/api/anthropic/v1/models",                OP_MODELS,       &dialect_messages },
	{ "models",    "/api/v1/models",                          OP_MODELS,       &dialect_messages },
	{ "models",    "/anthropic/{region}/v1/models",           OP_MODELS,       &dialect_messages },
	{ "models",    "/v1/models/{id}",                         OP_MODEL,        &dialect_messages },
	{ "models",    "/api/anthropic/v1/models/{id}",           OP_MODEL,        &dialect_messages },
	{ "models",    "/api/v1/models/{id}",                     OP_MODEL,        &dialect_messages },
	{ "models",    "/anthropic/{region}/v1/models/{id}",      OP_MODEL,        &dialect_messages },
	{ "health",    "/healthz",                                OP_HEALTH,       &dialect_messages },
	{ "knock",     "/",                                       OP_KNOCK,        &dialect_messages },
	{ "knock",     "/api/hello",                              OP_KNOCK,        &dialect_messages },
	{ 0 },
};
/* clang-format on */

static const struct kind *const kinds[] = { &kind_anthropic, &kind_bedrock, &kind_vertex,
	&kind_openai, &kind_echo, NULL };
static const char *const kind_names[] = { "anthropic", "bedrock", "vertex", "openai", "echo",
	NULL };
static const struct store_kind *const stores[] = { &store_local, &store_redis, NULL };

_Static_assert(sizeof(kinds) / sizeof(*kinds) == sizeof(kind_names) / sizeof(*kind_names),
    "a name for every kind");

static const struct parts parts = {
	.surfaces = surfaces,
	.kinds = kinds,
	.stores = stores,
	.kind_names = kind_names,
};

const struct parts *
registry(void)
{
	return &parts;
}
