/* fault: see fault.h. Statuses and types are those of the Messages API, so that its clients raise
 * the right exception and retry what is worth a retry. */
#include "base/fault.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define INVALID	   "invalid_request_error"
#define AUTH	   "authentication_error"
#define BILLING	   "billing_error"
#define PERMISSION "permission_error"
#define NOT_FOUND  "not_found_error"
#define CONFLICT   "conflict_error"
#define TOO_LARGE  "request_too_large"
#define RATE_LIMIT "rate_limit_error"
#define API	   "api_error"
#define TIMEOUT	   "timeout_error"
#define OVERLOADED "overloaded_error"

static const struct fault_row rows[] = {
	[FAULT_NONE] = { "none", 200, API, false, "no fault" },
	[FAULT_BAD_REQUEST] = { "bad-request", 400, INVALID, false, "the request is not valid" },
	[FAULT_ENCODING] = { "encoding", 400, INVALID, false,
	    "compressed request bodies are not supported: send the body without content-encoding" },
	[FAULT_NO_KEY] = { "no-key", 401, AUTH, false,
	    "an API key is required: send it as x-api-key or as Authorization: Bearer" },
	[FAULT_BAD_KEY] = { "bad-key", 401, AUTH, false, "the API key is not known" },
	[FAULT_KEY_EXPIRED] = { "key-expired", 401, AUTH, false, "the API key has expired" },
	[FAULT_KEY_REVOKED] = { "key-revoked", 401, AUTH, false, "the API key was revoked" },
	[FAULT_WRONG_KEYS] = { "wrong-keys", 429, RATE_LIMIT, false,
	    "too many requests without a good API key came from this address" },
	[FAULT_WORKSPACE] = { "workspace", 403, PERMISSION, false,
	    "the workspace of the API key is not configured" },
	[FAULT_MODEL_FORBIDDEN] = { "model-forbidden", 403, PERMISSION, false,
	    "the API key may not use this model" },
	[FAULT_MODEL_UNKNOWN] = { "model-unknown", 404, NOT_FOUND, false,
	    "the model does not exist here" },
	[FAULT_NOT_FOUND] = { "not-found", 404, NOT_FOUND, false, "there is nothing at this path" },
	[FAULT_METHOD] = { "method", 405, INVALID, false, "this path does not take this method" },
	[FAULT_UNSUPPORTED] = { "unsupported", 501, API, true,
	    "the upstream of this model does not do that" },
	[FAULT_TOO_LARGE] = { "too-large", 413, TOO_LARGE, false,
	    "the request exceeds the maximum size" },
	[FAULT_SLOW_BODY] = { "slow-body", 408, TIMEOUT, false,
	    "the request's body came too slowly" },
	[FAULT_HEADERS] = { "headers", 431, INVALID, false, "the request's headers are too large" },
	[FAULT_CLIENT_GONE] = { "client-gone", 499, INVALID, false,
	    "the client closed the request" },
	[FAULT_LIMIT] = { "limit", 429, RATE_LIMIT, false, "a rate limit is exceeded" },
	[FAULT_BUDGET] = { "budget", 429, BILLING, false, "the budget is used up" },
	[FAULT_UNPRICED] = { "unpriced", 500, API, false,
	    "the model has no price in the gateway's configuration, but there is a budget" },
	[FAULT_LOST] = { "lost", 500, API, false, "the process that served the call died" },
	[FAULT_STORE_AWAY] = { "store-away", 529, OVERLOADED, false,
	    "the gateway cannot reach its store: try again shortly" },
	[FAULT_BUSY] = { "busy", 529, OVERLOADED, false, "the gateway is busy: try again shortly" },
	[FAULT_DRAINING] = { "draining", 529, OVERLOADED, false,
	    "the gateway is restarting: try again shortly" },
	[FAULT_STORE] = { "store", 503, API, false,
	    "the gateway cannot read its keys or its state" },
	[FAULT_CONFIG] = { "config", 500, API, true, "the gateway is not configured correctly" },
	[FAULT_INTERNAL] = { "internal", 500, API, false, "internal error of the gateway" },
	[FAULT_UP_CONNECT] = { "up-connect", 502, API, true, "the upstream cannot be reached" },
	[FAULT_UP_TIMEOUT] = { "up-timeout", 504, TIMEOUT, true,
	    "the upstream did not answer in time" },
	[FAULT_UP_IDLE] = { "up-idle", 504, TIMEOUT, true,
	    "the upstream fell silent in the middle of its answer" },
	[FAULT_UP_CUT] = { "up-cut", 502, API, true, "the upstream ended before its answer did" },
	[FAULT_UP_ANSWER] = { "up-answer", 502, API, true,
	    "the upstream's answer cannot be understood" },
	[FAULT_UP_CREDENTIAL] = { "up-credential", 502, API, true,
	    "the upstream refused the gateway's own credential" },
	[FAULT_UP_ERROR] = { "up-error", 502, API, true, "the upstream answered with an error" },
};
static_assert(sizeof(rows) / sizeof(rows[0]) == FAULT_COUNT, "every fault has its row");

/* Order matters for the way back from type to status: the first row of a type is its status. */
static const struct {
	int status;
	const char *type;
} types[] = {
	{ 400, INVALID }, { 401, AUTH }, { 402, BILLING }, { 403, PERMISSION }, { 404, NOT_FOUND },
	{ 409, CONFLICT }, { 413, TOO_LARGE }, { 429, RATE_LIMIT }, { 500, API }, { 504, TIMEOUT },
	{ 529, OVERLOADED }, { 408, TIMEOUT },
	{ 424, API }, /* a model of Bedrock failed: not the client's fault */
};

const struct fault_row *
fault_row(enum fault f)
{
	return &rows[(unsigned)f < FAULT_COUNT ? f : FAULT_INTERNAL];
}

enum fault
fault_in_truth(enum fault f)
{
	return f != FAULT_NONE && errno == ENOMEM ? FAULT_INTERNAL : f;
}

const char *
fault_type_of_status(int status)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].status == status)
			return types[i].type;
	}
	return status >= 400 && status < 500 ? INVALID : API;
}

int
fault_status_of_type(const char *type)
{
	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].type, type) == 0)
			return types[i].status;
	}
	return 500;
}
