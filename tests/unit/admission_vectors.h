/* admission_vectors: scripts of takes and settlements with what each must answer, for every
 * implementation of the rule in policy/admission.h: the pure one, the local store, Redis. Each
 * vector has a workspace and keys of its own, and the vectors go forward by days, so that one store
 * can run them all in turn. */
#ifndef POSTERN_TESTS_UNIT_ADMISSION_VECTORS_H
#define POSTERN_TESTS_UNIT_ADMISSION_VECTORS_H

#include <inttypes.h>

#include "policy/admission.h"
#include "unit/check.h"

#define VECTOR_STEPS 12
#define VECTOR_SLOTS 4
#define VECTOR_DAY   INT64_C(86400000)
#define VECTOR_HOUR  INT64_C(3600000)

enum vector_op { VECTOR_END, TAKE, SETTLE };

/* What a refused take must say. */
struct vector_refusal {
	enum limit limit; /* LIMIT_NONE: it must be let in */
	enum scope scope;
	uint64_t size, left;
	int64_t wait_ms;
};

/* full_at counts from the vector's start. limit 0: there must be no gauge. */
struct vector_gauge {
	uint64_t limit, left;
	int64_t full_at;
};

struct vector_step {
	enum vector_op op;
	int64_t at;		  /* milliseconds since the vector's start */
	size_t slot;		  /* where the grant of a take is kept, or which one is settled */
	char key;		  /* 0: 'a' */
	char model;		  /* 0: 'm' */
	bool later;		  /* under the second configuration of the vector */
	uint64_t requests;	  /* 0: 1 */
	uint64_t tokens, nanousd; /* what a take asks for, what a settlement has used */
	struct vector_refusal no;
	struct vector_gauge rpm, tpm; /* after a take */
};

struct vector {
	const char *name;
	int64_t day;			  /* since 1970; its first millisecond is the start */
	struct quota quota[SCOPES];	  /* the workspace's, the key's */
	struct quota quota_later[SCOPES]; /* after the configuration has changed */
	struct vector_step steps[VECTOR_STEPS];
};

/* clang-format off */
static const struct vector admission_vectors[] = {
	/* Buckets. */
	{ "a full bucket lets in as many requests as its limit", 20600, { { .rpm = 3 } }, { { 0 } }, {
		{ TAKE, 0, .rpm = { 3, 2, 20000 } },
		{ TAKE, 0, .rpm = { 3, 1, 40000 } },
		{ TAKE, 0, .rpm = { 3, 0, 60000 } },
		{ TAKE, 0, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 3, 0, 20000 }, .rpm = { 3, 0, 60000 } },
	} },
	{ "a request comes back at its millisecond and not before", 20602, { { .rpm = 3 } }, { { 0 } }, {
		{ TAKE, 0, .rpm = { 3, 2, 20000 } },
		{ TAKE, 0, .rpm = { 3, 1, 40000 } },
		{ TAKE, 0, .rpm = { 3, 0, 60000 } },
		{ TAKE, 19999, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 3, 0, 1 }, .rpm = { 3, 0, 60000 } },
		{ TAKE, 20000, .rpm = { 3, 0, 80000 } },
		{ TAKE, 20000, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 3, 0, 20000 }, .rpm = { 3, 0, 80000 } },
	} },
	{ "parts of a unit are kept, whatever the limit divides", 20604, { { .tpm = 7 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 7, .tpm = { 7, 0, 60000 } },
		{ TAKE, 8571, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 7, 0, 1 }, .tpm = { 7, 0, 60000 } },
		{ TAKE, 8572, .tokens = 1, .tpm = { 7, 0, 68572 } },
		{ TAKE, 17142, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 7, 0, 1 }, .tpm = { 7, 0, 68572 } },
		{ TAKE, 17143, .tokens = 1, .tpm = { 7, 0, 77143 } },
	} },
	{ "an hour fills a bucket no further than a minute", 20606, { { .rpm = 2 } }, { { 0 } }, {
		{ TAKE, 0, .rpm = { 2, 1, 30000 } },
		{ TAKE, 0, .rpm = { 2, 0, 60000 } },
		{ TAKE, VECTOR_HOUR, .rpm = { 2, 1, VECTOR_HOUR + 30000 } },
		{ TAKE, VECTOR_HOUR, .rpm = { 2, 0, VECTOR_HOUR + 60000 } },
		{ TAKE, VECTOR_HOUR, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 30000 }, .rpm = { 2, 0, VECTOR_HOUR + 60000 } },
	} },
	{ "asking again and again does not put off the time", 20608, { { .rpm = 1 } }, { { 0 } }, {
		{ TAKE, 0, .rpm = { 1, 0, 60000 } },
		{ TAKE, 20001, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 39999 }, .rpm = { 1, 0, 60000 } },
		{ TAKE, 40002, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 19998 }, .rpm = { 1, 0, 60000 } },
		{ TAKE, 59999, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 1 }, .rpm = { 1, 0, 60000 } },
		{ TAKE, 60000, .rpm = { 1, 0, 120000 } },
	} },
	{ "tokens are taken by their number", 20610, { { .tpm = 1000 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 600, .tpm = { 1000, 400, 36000 } },
		{ TAKE, 0, .tokens = 500, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 1000, 0, 6000 }, .tpm = { 1000, 400, 36000 } },
		{ TAKE, 0, .tokens = 400, .tpm = { 1000, 0, 60000 } },
		{ TAKE, 14999, .tokens = 250, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 1000, 0, 1 }, .tpm = { 1000, 249, 60000 } },
		{ TAKE, 15000, .tokens = 250, .tpm = { 1000, 0, 75000 } },
	} },
	{ "several requests at once are taken together", 20612, { { .rpm = 4 } }, { { 0 } }, {
		{ TAKE, 0, .requests = 3, .rpm = { 4, 1, 45000 } },
		{ TAKE, 0, .requests = 2, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 4, 0, 15000 }, .rpm = { 4, 1, 45000 } },
		{ TAKE, 15000, .requests = 2, .rpm = { 4, 0, 75000 } },
	} },
	{ "a cost above the limit waits for a full bucket and empties it", 20614, { { .tpm = 100 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 5000, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .tokens = 5000, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 60000 }, .tpm = { 100, 0, 60000 } },
		{ TAKE, 59999, .tokens = UINT64_MAX, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 1 }, .tpm = { 100, 99, 60000 } },
		{ TAKE, 60000, .tokens = UINT64_MAX, .tpm = { 100, 0, 120000 } },
	} },
	{ "models have buckets of their own", 20616, { { .rpm = 1, .tpm = 100 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 10, .rpm = { 1, 0, 60000 }, .tpm = { 100, 90, 6000 } },
		{ TAKE, 0, .model = 'n', .tokens = 20, .rpm = { 1, 0, 60000 }, .tpm = { 100, 80, 12000 } },
		{ TAKE, 0, .tokens = 10, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 60000 }, .rpm = { 1, 0, 60000 }, .tpm = { 100, 90, 6000 } },
	} },
	{ "nothing is taken from one bucket when another refuses", 20618, { { .rpm = 10, .tpm = 100 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 100, .rpm = { 10, 9, 6000 }, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .tokens = 50, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 30000 }, .rpm = { 10, 9, 6000 }, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .rpm = { 10, 8, 12000 }, .tpm = { 100, 0, 60000 } },
	} },
	{ "workspace and key are taken from together", 20620, { { .rpm = 4 }, { .rpm = 3 } }, { { 0 } }, {
		{ TAKE, 0, .rpm = { 3, 2, 20000 } },
		{ TAKE, 0, .rpm = { 3, 1, 40000 } },
		{ TAKE, 0, .rpm = { 3, 0, 60000 } },
		{ TAKE, 0, .no = { LIMIT_REQUESTS, SCOPE_KEY, 3, 0, 20000 }, .rpm = { 3, 0, 60000 } },
		{ TAKE, 0, .key = 'b', .rpm = { 4, 0, 60000 } },
		{ TAKE, 0, .key = 'b', .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 4, 0, 15000 }, .rpm = { 4, 0, 60000 } },
		{ TAKE, 15000, .key = 'b', .rpm = { 4, 0, 75000 } },
		{ TAKE, 30000, .key = 'b', .rpm = { 4, 0, 90000 } },
	} },
	{ "a key may be limited where its workspace is not", 20622, { { 0 }, { .rpm = 1, .tpm = 10 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 4, .rpm = { 1, 0, 60000 }, .tpm = { 10, 6, 24000 } },
		{ TAKE, 0, .tokens = 4, .no = { LIMIT_REQUESTS, SCOPE_KEY, 1, 0, 60000 }, .rpm = { 1, 0, 60000 }, .tpm = { 10, 6, 24000 } },
		{ TAKE, 0, .key = 'b', .tokens = 7, .rpm = { 1, 0, 60000 }, .tpm = { 10, 3, 42000 } },
	} },
	{ "the longest wait is told, not the first", 20624, { { .rpm = 2, .tpm = 100 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 50, .rpm = { 2, 1, 30000 }, .tpm = { 100, 50, 30000 } },
		{ TAKE, 0, .tokens = 50, .rpm = { 2, 0, 60000 }, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .tokens = 100, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 60000 }, .rpm = { 2, 0, 60000 }, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .tokens = 49, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 30000 }, .rpm = { 2, 0, 60000 }, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .tokens = 50, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 30000 }, .rpm = { 2, 0, 60000 }, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .tokens = 51, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 30600 }, .rpm = { 2, 0, 60000 }, .tpm = { 100, 0, 60000 } },
	} },
	{ "a key that waits longer than its workspace is told", 20626, { { .rpm = 2 }, { .rpm = 1 } }, { { 0 } }, {
		{ TAKE, 0, .rpm = { 1, 0, 60000 } },
		{ TAKE, 0, .key = 'b', .rpm = { 1, 0, 60000 } },
		{ TAKE, 0, .no = { LIMIT_REQUESTS, SCOPE_KEY, 1, 0, 60000 }, .rpm = { 1, 0, 60000 } },
		{ TAKE, 0, .key = 'c', .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 30000 }, .rpm = { 2, 0, 60000 } },
		{ TAKE, 30000, .key = 'c', .rpm = { 1, 0, 90000 } },
	} },
	{ "of two that wait as long the workspace is told, requests before tokens", 20628, { { .rpm = 1, .tpm = 10 }, { .rpm = 1, .tpm = 10 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 10, .rpm = { 1, 0, 60000 }, .tpm = { 10, 0, 60000 } },
		{ TAKE, 0, .tokens = 10, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 60000 }, .rpm = { 1, 0, 60000 }, .tpm = { 10, 0, 60000 } },
	} },
	{ "the gauge with fewer left is shown, of two alike the smaller limit", 20630, { { .rpm = 5, .tpm = 10 }, { .rpm = 4, .tpm = 100 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 1, .rpm = { 4, 3, 15000 }, .tpm = { 10, 9, 6000 } },
		{ TAKE, 0, .key = 'b', .tokens = 1, .rpm = { 4, 3, 15000 }, .tpm = { 10, 8, 12000 } },
		{ TAKE, 0, .key = 'c', .tokens = 1, .rpm = { 5, 2, 36000 }, .tpm = { 10, 7, 18000 } },
	} },
	{ "what is not limited is let in", 20632, { { 0 } }, { { 0 } }, {
		{ TAKE, 0, .slot = 0, .tokens = UINT64_MAX, .nanousd = UINT64_MAX },
		{ TAKE, 0, .slot = 1, .tokens = UINT64_MAX, .nanousd = UINT64_MAX },
		{ SETTLE, 1, .slot = 0, .tokens = 1000000, .nanousd = 1000000 },
		{ SETTLE, 1, .slot = 1, .tokens = 1000000, .nanousd = 1000000 },
		{ TAKE, 2, .tokens = UINT64_MAX, .nanousd = UINT64_MAX },
	} },
	{ "the largest limit and the deepest debt", 20634, { { .tpm = QUOTA_RATE_MAX } }, { { 0 } }, {
		{ TAKE, 0, .tokens = QUOTA_RATE_MAX, .tpm = { QUOTA_RATE_MAX, 0, 60000 } },
		{ TAKE, 0, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, QUOTA_RATE_MAX, 0, 1 }, .tpm = { QUOTA_RATE_MAX, 0, 60000 } },
		{ TAKE, 1, .tokens = 1, .tpm = { QUOTA_RATE_MAX, 1666665, 60001 } },
		{ SETTLE, 1, .slot = 0, .tokens = UINT64_MAX },
		{ TAKE, 1, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, QUOTA_RATE_MAX, 0, 30001 }, .tpm = { QUOTA_RATE_MAX, 0, 90001 } },
		{ TAKE, 30001, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, QUOTA_RATE_MAX, 0, 1 }, .tpm = { QUOTA_RATE_MAX, 0, 90001 } },
		{ TAKE, 30002, .tokens = 1, .tpm = { QUOTA_RATE_MAX, 1666665, 90002 } },
	} },

	/* Settlements of tokens. */
	{ "a settlement gives back what was not used", 20640, { { .tpm = 1000 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 900, .tpm = { 1000, 100, 54000 } },
		{ SETTLE, 1000, .tokens = 100 },
		{ TAKE, 1000, .tokens = 916, .tpm = { 1000, 0, 60960 } },
		{ TAKE, 1000, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 1000, 0, 20 }, .tpm = { 1000, 0, 60960 } },
	} },
	{ "a settlement takes what was used beyond, on credit", 20642, { { .tpm = 1000 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 100, .tpm = { 1000, 900, 6000 } },
		{ SETTLE, 0, .tokens = 1500 },
		{ TAKE, 0, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 1000, 0, 30060 }, .tpm = { 1000, 0, 90000 } },
		{ TAKE, 30059, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 1000, 0, 1 }, .tpm = { 1000, 0, 90000 } },
		{ TAKE, 30060, .tokens = 1, .tpm = { 1000, 0, 90060 } },
	} },
	{ "a settlement fills no further than full", 20644, { { .tpm = 1000 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 500, .tpm = { 1000, 500, 30000 } },
		{ SETTLE, 20000, .tokens = 0 },
		{ TAKE, 20000, .tokens = 1000, .tpm = { 1000, 0, 80000 } },
		{ TAKE, 20000, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 1000, 0, 60 }, .tpm = { 1000, 0, 80000 } },
	} },
	{ "as much given as taken changes nothing in a full bucket", 20646, { { .tpm = 100 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 10, .tpm = { 100, 90, 6000 } },
		{ SETTLE, 20000, .tokens = 10 },
		{ TAKE, 20000, .tokens = 100, .tpm = { 100, 0, 80000 } },
	} },
	{ "of a cost above the limit only the limit is given back", 20648, { { .tpm = 100 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 5000, .tpm = { 100, 0, 60000 } },
		{ SETTLE, 0, .tokens = 30 },
		{ TAKE, 0, .tokens = 70, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 600 }, .tpm = { 100, 0, 60000 } },
	} },
	{ "of a cost above the limit all that was used is owed", 20650, { { .tpm = 100 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 5000, .tpm = { 100, 0, 60000 } },
		{ SETTLE, 0, .tokens = 250 },
		{ TAKE, 0, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 90600 }, .tpm = { 100, 0, 150000 } },
		{ TAKE, 90599, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 1 }, .tpm = { 100, 0, 150000 } },
		{ TAKE, 90600, .tokens = 1, .tpm = { 100, 0, 150600 } },
	} },
	{ "both scopes are settled, each with what it gave", 20652, { { .tpm = 100 }, { .tpm = 60 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 80, .tpm = { 60, 0, 60000 } },
		{ SETTLE, 0, .tokens = 50 },
		{ TAKE, 0, .tokens = 11, .no = { LIMIT_TOKENS, SCOPE_KEY, 60, 0, 1000 }, .tpm = { 60, 10, 50000 } },
		{ TAKE, 0, .key = 'b', .tokens = 50, .tpm = { 100, 0, 60000 } },
	} },
	{ "a debt does not keep out a call without tokens", 20654, { { .tpm = 100, .budget_day_nanousd = 5 } }, { { 0 } }, {
		{ TAKE, 0, .tokens = 10, .tpm = { 100, 90, 6000 } },
		{ SETTLE, 0, .tokens = 500 },
		{ TAKE, 0, .tpm = { 100, 0, 300000 } },
		{ TAKE, 0, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 240600 }, .tpm = { 100, 0, 300000 } },
	} },
	{ "a settlement goes to the model that was asked", 20656, { { .tpm = 100 } }, { { 0 } }, {
		{ TAKE, 0, .slot = 0, .tokens = 60, .tpm = { 100, 40, 36000 } },
		{ TAKE, 0, .slot = 1, .model = 'n', .tokens = 60, .tpm = { 100, 40, 36000 } },
		{ SETTLE, 0, .slot = 1, .tokens = 10 },
		{ TAKE, 0, .tokens = 40, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .model = 'n', .tokens = 40, .tpm = { 100, 50, 30000 } },
	} },

	/* Calls at once. */
	{ "as many calls at once as the workspace may have", 20660, { { .concurrent = 2, .rpm = 10 } }, { { 0 } }, {
		{ TAKE, 0, .slot = 0, .rpm = { 10, 9, 6000 } },
		{ TAKE, 0, .slot = 1, .model = 'n', .rpm = { 10, 9, 6000 } },
		{ TAKE, 0, .key = 'b', .no = { LIMIT_CONCURRENT, SCOPE_WORKSPACE, 2, 0, 1000 }, .rpm = { 10, 9, 6000 } },
		{ SETTLE, 0, .slot = 0 },
		{ TAKE, 0, .slot = 0, .key = 'b', .rpm = { 10, 8, 12000 } },
		{ TAKE, 0, .no = { LIMIT_CONCURRENT, SCOPE_WORKSPACE, 2, 0, 1000 }, .rpm = { 10, 8, 12000 } },
		{ SETTLE, 0, .slot = 1 },
		{ TAKE, 0, .rpm = { 10, 7, 18000 } },
	} },
	{ "as many calls at once as the key may have", 20662, { { .concurrent = 2 }, { .concurrent = 1 } }, { { 0 } }, {
		{ TAKE, 0, .slot = 0 },
		{ TAKE, 0, .no = { LIMIT_CONCURRENT, SCOPE_KEY, 1, 0, 1000 } },
		{ TAKE, 0, .slot = 1, .key = 'b' },
		{ TAKE, 0, .key = 'b', .no = { LIMIT_CONCURRENT, SCOPE_WORKSPACE, 2, 0, 1000 } },
		{ SETTLE, 0, .slot = 1 },
		{ TAKE, 0, .no = { LIMIT_CONCURRENT, SCOPE_KEY, 1, 0, 1000 } },
		{ SETTLE, 0, .slot = 0 },
		{ TAKE, 0, .slot = 0 },
	} },
	{ "calls at once are told before requests", 20664, { { .concurrent = 1, .rpm = 1 } }, { { 0 } }, {
		{ TAKE, 0, .rpm = { 1, 0, 60000 } },
		{ TAKE, 0, .no = { LIMIT_CONCURRENT, SCOPE_WORKSPACE, 1, 0, 1000 }, .rpm = { 1, 0, 60000 } },
		{ SETTLE, 0, .slot = 0 },
		{ TAKE, 0, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 60000 }, .rpm = { 1, 0, 60000 } },
	} },
	{ "calls are counted before there is a limit to them", 20666, { { 0 } }, { { .concurrent = 2 }, { .concurrent = 9 } }, {
		{ TAKE, 0, .slot = 0 },
		{ TAKE, 0, .slot = 1 },
		{ TAKE, 0, .later = true, .no = { LIMIT_CONCURRENT, SCOPE_WORKSPACE, 2, 0, 1000 } },
		{ SETTLE, 0, .slot = 0 },
		{ TAKE, 0, .slot = 2, .later = true },
		{ TAKE, 0, .later = true, .no = { LIMIT_CONCURRENT, SCOPE_WORKSPACE, 2, 0, 1000 } },
	} },
	{ "fewer calls at once than there are", 20668, { { .concurrent = 3 } }, { { .concurrent = 1 } }, {
		{ TAKE, 0, .slot = 0 },
		{ TAKE, 0, .slot = 1 },
		{ TAKE, 0, .slot = 2 },
		{ SETTLE, 0, .slot = 1 },
		{ TAKE, 0, .later = true, .no = { LIMIT_CONCURRENT, SCOPE_WORKSPACE, 1, 0, 1000 } },
		{ SETTLE, 0, .slot = 0 },
		{ TAKE, 0, .later = true, .no = { LIMIT_CONCURRENT, SCOPE_WORKSPACE, 1, 0, 1000 } },
		{ SETTLE, 0, .slot = 2 },
		{ TAKE, 0, .later = true },
	} },

	/* Limits a minute that change. */
	{ "a limit is raised", 20670, { { .rpm = 2 } }, { { .rpm = 4 } }, {
		{ TAKE, 0, .rpm = { 2, 1, 30000 } },
		{ TAKE, 0, .rpm = { 2, 0, 60000 } },
		{ TAKE, 0, .later = true, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 4, 0, 15000 }, .rpm = { 4, 0, 60000 } },
		{ TAKE, 14999, .later = true, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 4, 0, 1 }, .rpm = { 4, 0, 60000 } },
		{ TAKE, 15000, .later = true, .rpm = { 4, 0, 75000 } },
	} },
	{ "a limit is lowered and cuts the level", 20672, { { .rpm = 4 } }, { { .rpm = 1 } }, {
		{ TAKE, 0, .rpm = { 4, 3, 15000 } },
		{ TAKE, 0, .later = true, .rpm = { 1, 0, 60000 } },
		{ TAKE, 0, .later = true, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 60000 }, .rpm = { 1, 0, 60000 } },
	} },
	{ "a limit is lowered while the clock is behind", 20673, { { .rpm = 4 } }, { { .rpm = 1 } }, {
		{ TAKE, 1000, .rpm = { 4, 3, 16000 } },
		{ TAKE, 999, .later = true, .rpm = { 1, 0, 61000 } },
		{ TAKE, 999, .later = true, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 60001 }, .rpm = { 1, 0, 61000 } },
	} },
	{ "a limit is removed", 20674, { { .rpm = 1 } }, { { 0 } }, {
		{ TAKE, 0, .rpm = { 1, 0, 60000 } },
		{ TAKE, 0, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 60000 }, .rpm = { 1, 0, 60000 } },
		{ TAKE, 0, .later = true },
		{ TAKE, 0, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 60000 }, .rpm = { 1, 0, 60000 } },
	} },
	{ "a call from before a limit of tokens owes it nothing", 20676, { { 0 } }, { { .tpm = 100 } }, {
		{ TAKE, 0, .slot = 0, .tokens = 50 },
		{ TAKE, 0, .slot = 1, .later = true, .tokens = 90, .tpm = { 100, 10, 54000 } },
		{ SETTLE, 0, .slot = 0, .tokens = 80 },
		{ TAKE, 0, .later = true, .tokens = 10, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .later = true, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 600 }, .tpm = { 100, 0, 60000 } },
	} },
	{ "a limit of tokens that was removed is still settled", 20678, { { .tpm = 100 } }, { { 0 } }, {
		{ TAKE, 0, .slot = 0, .tokens = 100, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .slot = 1, .later = true, .tokens = 500 },
		{ SETTLE, 0, .slot = 0, .tokens = 40 },
		{ SETTLE, 0, .slot = 1, .tokens = 500 },
		{ TAKE, 0, .tokens = 60, .tpm = { 100, 0, 60000 } },
		{ TAKE, 0, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 600 }, .tpm = { 100, 0, 60000 } },
	} },
	{ "a call from before a limit was raised does not cut the level", 20680, { { .tpm = 10 } }, { { .tpm = 100 } }, {
		{ TAKE, 0, .slot = 0, .tokens = 10, .tpm = { 10, 0, 60000 } },
		{ TAKE, 30000, .later = true, .slot = 1, .tokens = 10, .tpm = { 100, 40, 66000 } },
		{ SETTLE, 31000, .slot = 0, .tokens = 15 },
		{ TAKE, 36000, .later = true, .tokens = 45, .tpm = { 100, 0, 96000 } },
		{ TAKE, 36000, .later = true, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 600 }, .tpm = { 100, 0, 96000 } },
	} },

	{ "what it gives back neither cuts nor raises the level", 20682, { { .tpm = 10 } }, { { .tpm = 100 } }, {
		{ TAKE, 0, .slot = 0, .tokens = 10, .tpm = { 10, 0, 60000 } },
		{ TAKE, 30000, .later = true, .slot = 1, .tokens = 10, .tpm = { 100, 40, 66000 } },
		{ SETTLE, 31000, .slot = 0, .tokens = 2 },
		{ TAKE, 36000, .later = true, .tokens = 50, .tpm = { 100, 0, 96000 } },
		{ TAKE, 36000, .later = true, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 100, 0, 600 }, .tpm = { 100, 0, 96000 } },
	} },

	/* Budgets. */
	{ "what is reserved blocks the day's budget", 20700, { { .budget_day_nanousd = 1000 } }, { { 0 } }, {
		{ TAKE, 10 * VECTOR_HOUR, .slot = 0, .nanousd = 600 },
		{ TAKE, 10 * VECTOR_HOUR, .nanousd = 401, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 400, 14 * VECTOR_HOUR } },
		{ TAKE, 10 * VECTOR_HOUR, .slot = 1, .nanousd = 400 },
		{ TAKE, 10 * VECTOR_HOUR + 1, .nanousd = 1, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 0, 14 * VECTOR_HOUR - 1 } },
		{ SETTLE, 10 * VECTOR_HOUR + 1, .slot = 0, .nanousd = 0 },
		{ TAKE, 10 * VECTOR_HOUR + 2, .slot = 0, .nanousd = 600 },
		{ TAKE, 10 * VECTOR_HOUR + 2, .nanousd = 1, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 0, 14 * VECTOR_HOUR - 2 } },
	} },
	{ "a settlement puts what was spent in the place of what was reserved", 20702, { { .budget_day_nanousd = 1000 } }, { { 0 } }, {
		{ TAKE, 0, .nanousd = 600 },
		{ SETTLE, 1, .nanousd = 100 },
		{ TAKE, 2, .slot = 1, .nanousd = 901, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 900, VECTOR_DAY - 2 } },
		{ TAKE, 2, .slot = 1, .nanousd = 900 },
		{ TAKE, 2, .slot = 2, .nanousd = 1, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 0, VECTOR_DAY - 2 } },
		{ SETTLE, 3, .slot = 1, .nanousd = 899 },
		{ TAKE, 3, .slot = 1, .nanousd = 1 },
	} },
	{ "what cost more than was reserved is booked in full", 20704, { { .budget_day_nanousd = 1000 } }, { { 0 } }, {
		{ TAKE, 0, .slot = 0, .nanousd = 300 },
		{ TAKE, 0, .slot = 1, .nanousd = 300 },
		{ SETTLE, 1, .slot = 0, .nanousd = 5000 },
		{ TAKE, 2, .nanousd = 1, .slot = 2, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 0, VECTOR_DAY - 2 } },
		{ SETTLE, 3, .slot = 1, .nanousd = 0 },
		{ TAKE, 4, .nanousd = 1, .slot = 2, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 0, VECTOR_DAY - 4 } },
		{ TAKE, VECTOR_DAY, .slot = 2, .nanousd = 1000 },
	} },
	{ "a day's budget frees at midnight and not before", 20706, { { .budget_day_nanousd = 1000 } }, { { 0 } }, {
		{ TAKE, VECTOR_DAY - 1000, .nanousd = 1000 },
		{ SETTLE, VECTOR_DAY - 500, .nanousd = 1000 },
		{ TAKE, VECTOR_DAY - 1, .nanousd = 1, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 0, 1 } },
		{ TAKE, VECTOR_DAY, .nanousd = 1000 },
		{ TAKE, VECTOR_DAY, .nanousd = 1, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 0, VECTOR_DAY } },
	} },
	{ "a call over midnight is booked on the day it was let in", 20709, { { .budget_day_nanousd = 1000 } }, { { 0 } }, {
		{ TAKE, VECTOR_DAY - 1000, .slot = 0, .nanousd = 1000 },
		{ TAKE, VECTOR_DAY + 1000, .slot = 1, .nanousd = 700 },
		{ SETTLE, VECTOR_DAY + 2000, .slot = 0, .nanousd = 1000 },
		{ TAKE, VECTOR_DAY + 2000, .slot = 2, .nanousd = 301, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 300, VECTOR_DAY - 2000 } },
		{ TAKE, VECTOR_DAY + 2000, .slot = 2, .nanousd = 300 },
	} },
	{ "a call over midnight that is the first to be seen there", 20712, { { .budget_day_nanousd = 1000 } }, { { 0 } }, {
		{ TAKE, VECTOR_DAY - 1000, .slot = 0, .nanousd = 1000 },
		{ SETTLE, VECTOR_DAY + 1000, .slot = 0, .nanousd = 1000 },
		{ TAKE, VECTOR_DAY + 1000, .slot = 1, .nanousd = 1000 },
	} },
	{ "a month's budget lasts over midnight", 20715, { { .budget_month_nanousd = 1000 } }, { { 0 } }, {
		{ TAKE, 0, .nanousd = 600 },
		{ SETTLE, 1, .nanousd = 600 },
		{ TAKE, VECTOR_DAY, .nanousd = 401, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 1000, 400, 11 * VECTOR_DAY } },
		{ TAKE, VECTOR_DAY, .nanousd = 400 },
	} },
	{ "a month's budget frees after 30 September", 20726, { { .budget_month_nanousd = 1000, .budget_day_nanousd = 2000 } }, { { 0 } }, {
		{ TAKE, 0, .nanousd = 1000 },
		{ SETTLE, 1, .nanousd = 1000 },
		{ TAKE, VECTOR_DAY - 1, .nanousd = 1, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 1000, 0, 1 } },
		{ TAKE, VECTOR_DAY, .nanousd = 1000 },
		{ TAKE, VECTOR_DAY, .nanousd = 1, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 1000, 0, 31 * VECTOR_DAY } },
	} },
	{ "a call over the month's end is booked in the month it was let in", 20757, { { .budget_month_nanousd = 1000 } }, { { 0 } }, {
		{ TAKE, VECTOR_DAY - 1000, .slot = 0, .nanousd = 1000 },
		{ TAKE, VECTOR_DAY + 1000, .slot = 1, .nanousd = 500 },
		{ SETTLE, VECTOR_DAY + 2000, .slot = 0, .nanousd = 1000 },
		{ TAKE, VECTOR_DAY + 3000, .slot = 2, .nanousd = 501, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 1000, 500, 30 * VECTOR_DAY - 3000 } },
		{ TAKE, VECTOR_DAY + 3000, .slot = 2, .nanousd = 500 },
	} },
	{ "of budgets that block the month's is told, then the workspace's", 20762, { { .budget_month_nanousd = 100, .budget_day_nanousd = 100 }, { .budget_month_nanousd = 100, .budget_day_nanousd = 100 } }, { { .budget_day_nanousd = 100 }, { .budget_month_nanousd = 100, .budget_day_nanousd = 100 } }, {
		{ TAKE, 0, .nanousd = 90 },
		{ SETTLE, 1, .nanousd = 90 },
		{ TAKE, 2, .nanousd = 11, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 100, 10, 26 * VECTOR_DAY - 2 } },
		{ TAKE, 2, .later = true, .nanousd = 11, .no = { LIMIT_BUDGET_MONTH, SCOPE_KEY, 100, 10, 26 * VECTOR_DAY - 2 } },
		{ TAKE, 2, .later = true, .key = 'b', .nanousd = 11, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 100, 10, VECTOR_DAY - 2 } },
		{ TAKE, VECTOR_DAY, .later = true, .nanousd = 11, .no = { LIMIT_BUDGET_MONTH, SCOPE_KEY, 100, 10, 25 * VECTOR_DAY } },
		{ TAKE, VECTOR_DAY, .later = true, .key = 'b', .nanousd = 100 },
	} },
	{ "a budget is told before calls at once and requests", 20765, { { .budget_day_nanousd = 100, .concurrent = 1, .rpm = 1 } }, { { 0 } }, {
		{ TAKE, 0, .nanousd = 100, .rpm = { 1, 0, 60000 } },
		{ TAKE, 0, .nanousd = 1, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 100, 0, VECTOR_DAY }, .rpm = { 1, 0, 60000 } },
		{ SETTLE, 1, .nanousd = 10 },
		{ TAKE, 1, .nanousd = 1, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 59999 }, .rpm = { 1, 0, 60000 } },
	} },
	{ "a call that another limit refuses reserves nothing", 20767, { { .budget_day_nanousd = 1000, .rpm = 1 } }, { { 0 } }, {
		{ TAKE, 0, .nanousd = 100, .rpm = { 1, 0, 60000 } },
		{ TAKE, 0, .nanousd = 900, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 1, 0, 60000 }, .rpm = { 1, 0, 60000 } },
		{ SETTLE, 1, .nanousd = 100 },
		{ TAKE, 60000, .nanousd = 900, .rpm = { 1, 0, 120000 } },
	} },
	{ "a refusing key takes nothing of its workspace's budget", 20769, { { .budget_day_nanousd = 800 }, { .budget_day_nanousd = 500 } }, { { 0 } }, {
		{ TAKE, 0, .slot = 0, .nanousd = 400 },
		{ TAKE, 0, .slot = 1, .nanousd = 101, .no = { LIMIT_BUDGET_DAY, SCOPE_KEY, 500, 100, VECTOR_DAY } },
		{ TAKE, 0, .slot = 1, .key = 'b', .nanousd = 401, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 800, 400, VECTOR_DAY } },
		{ TAKE, 0, .slot = 1, .key = 'b', .nanousd = 400 },
		{ SETTLE, 1, .slot = 0, .nanousd = 200 },
		{ TAKE, 2, .slot = 2, .nanousd = 200 },
		{ TAKE, 2, .slot = 3, .nanousd = 1, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 800, 0, VECTOR_DAY - 2 } },
	} },
	{ "a call without a price is let in while a budget has something left", 20771, { { .budget_day_nanousd = 10 } }, { { 0 } }, {
		{ TAKE, 0, .slot = 0, .nanousd = 9 },
		{ TAKE, 0, .slot = 1, .tokens = 5 },
		{ TAKE, 0, .slot = 2, .nanousd = 1 },
		{ TAKE, 0, .slot = 3, .tokens = 5, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 10, 0, VECTOR_DAY } },
		{ SETTLE, 1, .slot = 2 },
		{ TAKE, 1, .slot = 3, .tokens = 5 },
	} },
	{ "a call that asks for requests only passes a budget that is used up", 20773, { { .budget_month_nanousd = 10, .rpm = 3 }, { .budget_day_nanousd = 10 } }, { { 0 } }, {
		{ TAKE, 0, .nanousd = 10, .rpm = { 3, 2, 20000 } },
		{ TAKE, 0, .slot = 1, .rpm = { 3, 1, 40000 } },
		{ SETTLE, 0, .slot = 1 },
		{ SETTLE, 0, .nanousd = 10 },
		{ TAKE, 0, .rpm = { 3, 0, 60000 } },
		{ TAKE, 0, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 3, 0, 20000 }, .rpm = { 3, 0, 60000 } },
		{ TAKE, 0, .nanousd = 1, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 10, 0, 15 * VECTOR_DAY }, .rpm = { 3, 0, 60000 } },
	} },
	{ "a budget is added while a call runs", 20775, { { 0 } }, { { .budget_day_nanousd = 100 } }, {
		{ TAKE, 0, .slot = 0, .nanousd = 70 },
		{ TAKE, 0, .slot = 1, .later = true, .nanousd = 50 },
		{ SETTLE, 1, .slot = 0, .nanousd = 30 },
		{ TAKE, 2, .slot = 2, .later = true, .nanousd = 21, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 100, 20, VECTOR_DAY - 2 } },
		{ SETTLE, 3, .slot = 1, .nanousd = 10 },
		{ TAKE, 4, .slot = 2, .later = true, .nanousd = 61, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 100, 60, VECTOR_DAY - 4 } },
		{ TAKE, 4, .slot = 2, .later = true, .nanousd = 60 },
	} },
	{ "a budget is away for a while", 20777, { { .budget_day_nanousd = 100 } }, { { 0 } }, {
		{ TAKE, 0, .slot = 0, .nanousd = 60 },
		{ TAKE, 1, .slot = 1, .later = true, .nanousd = 500 },
		{ SETTLE, 2, .slot = 0, .nanousd = 50 },
		{ SETTLE, 3, .slot = 1, .nanousd = 20 },
		{ TAKE, 4, .slot = 2, .nanousd = 31, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 100, 30, VECTOR_DAY - 4 } },
		{ TAKE, 4, .slot = 2, .nanousd = 30 },
	} },
	{ "a budget is lowered below what is reserved, then raised", 20779, { { .budget_day_nanousd = 100 } }, { { .budget_day_nanousd = 50 } }, {
		{ TAKE, 0, .nanousd = 60 },
		{ TAKE, 0, .later = true, .slot = 1, .nanousd = 1, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 50, 0, VECTOR_DAY } },
		{ SETTLE, 1, .nanousd = 10 },
		{ TAKE, 2, .later = true, .slot = 1, .nanousd = 41, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 50, 40, VECTOR_DAY - 2 } },
		{ TAKE, 2, .slot = 1, .nanousd = 90 },
	} },
	{ "the largest budget", 20781, { { .budget_day_nanousd = QUOTA_NANOUSD_MAX }, { .budget_day_nanousd = QUOTA_NANOUSD_MAX } }, { { 0 } }, {
		{ TAKE, 0, .slot = 0, .nanousd = UINT64_MAX, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, QUOTA_NANOUSD_MAX, QUOTA_NANOUSD_MAX, VECTOR_DAY } },
		{ TAKE, 0, .slot = 0, .nanousd = QUOTA_NANOUSD_MAX - 1 },
		{ TAKE, 0, .slot = 1, .nanousd = 2, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, QUOTA_NANOUSD_MAX, 1, VECTOR_DAY } },
		{ SETTLE, 1, .slot = 0, .nanousd = QUOTA_NANOUSD_MAX - 1 },
		{ TAKE, 1, .slot = 1, .nanousd = 1 },
		{ SETTLE, 2, .slot = 1, .nanousd = QUOTA_NANOUSD_MAX },
		{ TAKE, 2, .slot = 1, .nanousd = 1, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, QUOTA_NANOUSD_MAX, 0, VECTOR_DAY - 2 } },
	} },
	{ "a year's end is a month's end", 20818, { { .budget_month_nanousd = 10 } }, { { 0 } }, {
		{ TAKE, 0, .nanousd = 10 },
		{ SETTLE, 0, .nanousd = 10 },
		{ TAKE, 1, .nanousd = 1, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 10, 0, VECTOR_DAY - 1 } },
		{ TAKE, VECTOR_DAY, .nanousd = 10 },
		{ TAKE, VECTOR_DAY, .nanousd = 1, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 10, 0, 31 * VECTOR_DAY } },
	} },
	{ "28 February 2027 is a month's end", 20877, { { .budget_month_nanousd = 10 } }, { { 0 } }, {
		{ TAKE, 0, .nanousd = 10 },
		{ SETTLE, 0, .nanousd = 10 },
		{ TAKE, 1, .nanousd = 1, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 10, 0, VECTOR_DAY - 1 } },
		{ TAKE, VECTOR_DAY, .nanousd = 10 },
	} },
	{ "28 February 2028 is not", 21242, { { .budget_month_nanousd = 10 } }, { { 0 } }, {
		{ TAKE, 0, .nanousd = 10 },
		{ SETTLE, 0, .nanousd = 10 },
		{ TAKE, VECTOR_DAY, .nanousd = 1, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 10, 0, VECTOR_DAY } },
		{ TAKE, 2 * VECTOR_DAY, .nanousd = 10 },
	} },

	/* Clocks that step. */
	{ "a clock behind by milliseconds gets nothing twice", 21250, { { .rpm = 2 } }, { { 0 } }, {
		{ TAKE, 1000, .rpm = { 2, 1, 31000 } },
		{ TAKE, 995, .rpm = { 2, 0, 61000 } },
		{ TAKE, 990, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 30010 }, .rpm = { 2, 0, 61000 } },
		{ TAKE, 1000, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 30000 }, .rpm = { 2, 0, 61000 } },
		{ TAKE, 30999, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 1 }, .rpm = { 2, 0, 61000 } },
		{ TAKE, 31000, .rpm = { 2, 0, 91000 } },
	} },
	{ "a clock that goes back by 30 seconds catches up first", 21252, { { .rpm = 2 } }, { { 0 } }, {
		{ TAKE, 60000, .rpm = { 2, 1, 90000 } },
		{ TAKE, 60000, .rpm = { 2, 0, 120000 } },
		{ TAKE, 30000, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 60000 }, .rpm = { 2, 0, 120000 } },
		{ TAKE, 60000, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 30000 }, .rpm = { 2, 0, 120000 } },
		{ TAKE, 89999, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 1 }, .rpm = { 2, 0, 120000 } },
		{ TAKE, 90000, .rpm = { 2, 0, 150000 } },
	} },
	{ "a clock that goes back by a minute catches up first", 21254, { { .rpm = 2 } }, { { 0 } }, {
		{ TAKE, 60000, .requests = 2, .rpm = { 2, 0, 120000 } },
		{ TAKE, 0, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 90000 }, .rpm = { 2, 0, 120000 } },
		{ TAKE, 90000, .rpm = { 2, 0, 150000 } },
	} },
	{ "a clock that goes back by more than a minute begins anew", 21256, { { .rpm = 2 } }, { { 0 } }, {
		{ TAKE, 60001, .requests = 2, .rpm = { 2, 0, 120001 } },
		{ TAKE, 0, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 30000 }, .rpm = { 2, 0, 60000 } },
		{ TAKE, 29999, .no = { LIMIT_REQUESTS, SCOPE_WORKSPACE, 2, 0, 1 }, .rpm = { 2, 0, 60000 } },
		{ TAKE, 30000, .rpm = { 2, 0, 90000 } },
	} },
	{ "a clock that goes back by two hours begins anew with the level as it is", 21258, { { .tpm = 1000 } }, { { 0 } }, {
		{ TAKE, 2 * VECTOR_HOUR, .tokens = 700, .tpm = { 1000, 300, 2 * VECTOR_HOUR + 42000 } },
		{ TAKE, 0, .tokens = 400, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 1000, 0, 6000 }, .tpm = { 1000, 300, 42000 } },
		{ TAKE, 0, .tokens = 300, .tpm = { 1000, 0, 60000 } },
		{ TAKE, 2 * VECTOR_HOUR, .tokens = 1000, .tpm = { 1000, 0, 2 * VECTOR_HOUR + 60000 } },
	} },
	{ "a settlement whose clock is behind by 30 seconds", 21260, { { .tpm = 1000 } }, { { 0 } }, {
		{ TAKE, 60000, .tokens = 1000, .tpm = { 1000, 0, 120000 } },
		{ SETTLE, 30000, .tokens = 400 },
		{ TAKE, 30000, .slot = 1, .tokens = 600, .tpm = { 1000, 0, 120000 } },
		{ TAKE, 30000, .slot = 2, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 1000, 0, 30060 }, .tpm = { 1000, 0, 120000 } },
		{ TAKE, 60060, .slot = 2, .tokens = 1, .tpm = { 1000, 0, 120060 } },
	} },
	{ "a settlement whose clock went back by two hours", 21262, { { .tpm = 1000, .concurrent = 1 } }, { { 0 } }, {
		{ TAKE, 2 * VECTOR_HOUR, .tokens = 1000, .tpm = { 1000, 0, 2 * VECTOR_HOUR + 60000 } },
		{ SETTLE, 0, .tokens = 1500 },
		{ TAKE, 0, .tokens = 1, .no = { LIMIT_TOKENS, SCOPE_WORKSPACE, 1000, 0, 30060 }, .tpm = { 1000, 0, 90000 } },
		{ TAKE, 30060, .tokens = 1, .tpm = { 1000, 0, 90060 } },
	} },
	{ "a clock that goes back over midnight keeps to the day", 21264, { { .budget_day_nanousd = 1000 } }, { { 0 } }, {
		{ TAKE, VECTOR_DAY + VECTOR_HOUR, .nanousd = 600 },
		{ TAKE, VECTOR_DAY - VECTOR_HOUR, .slot = 1, .nanousd = 401, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 400, VECTOR_DAY + VECTOR_HOUR } },
		{ TAKE, VECTOR_DAY - VECTOR_HOUR, .slot = 1, .nanousd = 400 },
		{ SETTLE, VECTOR_DAY - VECTOR_HOUR, .slot = 0, .nanousd = 600 },
		{ SETTLE, VECTOR_DAY - VECTOR_HOUR, .slot = 1, .nanousd = 300 },
		{ TAKE, VECTOR_DAY + VECTOR_HOUR, .slot = 2, .nanousd = 101, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 100, VECTOR_DAY - VECTOR_HOUR } },
		{ TAKE, 2 * VECTOR_DAY, .slot = 2, .nanousd = 1000 },
	} },
	{ "a clock that goes back over the month's end keeps to the month", 21274, { { .budget_month_nanousd = 1000 } }, { { 0 } }, {
		{ TAKE, VECTOR_DAY, .nanousd = 600 },
		{ SETTLE, VECTOR_DAY - 1, .nanousd = 600 },
		{ TAKE, VECTOR_DAY - 1, .nanousd = 401, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 1000, 400, 30 * VECTOR_DAY + 1 } },
		{ TAKE, VECTOR_DAY - 1, .nanousd = 400 },
		{ TAKE, VECTOR_DAY, .slot = 1, .nanousd = 1, .no = { LIMIT_BUDGET_MONTH, SCOPE_WORKSPACE, 1000, 0, 30 * VECTOR_DAY } },
	} },
	{ "a key follows its workspace's day when the clock goes back", 21278, { { .budget_day_nanousd = 1000 }, { .budget_day_nanousd = 500 } }, { { 0 } }, {
		{ TAKE, VECTOR_DAY, .nanousd = 100 },
		{ SETTLE, VECTOR_DAY, .nanousd = 100 },
		{ TAKE, VECTOR_DAY - 1, .key = 'b', .nanousd = 200 },
		{ SETTLE, VECTOR_DAY - 1, .nanousd = 200 },
		{ TAKE, VECTOR_DAY, .key = 'b', .nanousd = 301, .no = { LIMIT_BUDGET_DAY, SCOPE_KEY, 500, 300, VECTOR_DAY } },
		{ TAKE, VECTOR_DAY, .slot = 1, .key = 'b', .nanousd = 300 },
		{ TAKE, VECTOR_DAY, .slot = 2, .nanousd = 401, .no = { LIMIT_BUDGET_DAY, SCOPE_WORKSPACE, 1000, 400, VECTOR_DAY } },
	} },
};
/* clang-format on */

/* A take and a settlement of the implementation at hand: 0, or -1 when it could not answer. The
 * settlement's ask is that of the take, with the time of the settlement in now_ms. */
typedef int admission_take_fn(
    void *arg, const struct admission_ask *ask, struct admission_grant *out);
typedef int admission_settle_fn(void *arg, const struct admission_ask *ask,
    const struct admission_grant *grant, const struct admission_used *used);

/* A call that was let in; the spans of its ask point into it. */
struct vector_slot {
	char workspace[32], key[32], model[32], request_id[32];
	struct admission_ask ask;
	struct admission_grant grant;
};

struct vector_run {
	struct check *c;
	admission_take_fn *take;
	admission_settle_fn *settle;
	void *arg;
	size_t vector;
	struct vector_slot slots[VECTOR_SLOTS];
};

/* A name that no other vector has. */
static inline struct span
vector_name(const struct vector_run *r, char out[static 32], const char *what, char which)
{
	(void)snprintf(out, 32, "%s-%zu%c", what, r->vector, which);
	return span_of(out);
}

static inline void
vector_ask(struct vector_run *r, struct vector_slot *to, size_t step)
{
	const struct vector *v = &admission_vectors[r->vector];
	const struct vector_step *s = &v->steps[step];
	const struct quota *quota = s->later ? v->quota_later : v->quota;

	to->ask = (struct admission_ask){
		.now_ms = v->day * VECTOR_DAY + s->at,
		.workspace = vector_name(r, to->workspace, "workspace", 'w'),
		.key = vector_name(r, to->key, "key", s->key ? s->key : 'a'),
		.model = vector_name(r, to->model, "model", s->model ? s->model : 'm'),
		.quota = { quota[SCOPE_WORKSPACE], quota[SCOPE_KEY] },
		.requests = s->requests > 0 ? s->requests : 1,
		.tokens = s->tokens,
		.nanousd = s->nanousd,
		.request_id = vector_name(r, to->request_id, "req", (char)('a' + step)),
	};
}

/* Compares a gauge, whose time is counted from the vector's start. */
static inline void
vector_gauge_check(struct vector_run *r, size_t step, const struct admission_gauge *got,
    const struct vector_gauge *want)
{
	int64_t begun_ms = admission_vectors[r->vector].day * VECTOR_DAY;
	int64_t full_at = got->limit > 0 ? got->full_ms - begun_ms : got->full_ms;

	check_that(r->c,
	    got->limit == want->limit && got->left == want->left && full_at == want->full_at,
	    "step %zu: gauge { %" PRIu64 ", %" PRIu64 ", %" PRId64 " }, not { %" PRIu64 ", %" PRIu64
	    ", %" PRId64 " }",
	    step, got->limit, got->left, full_at, want->limit, want->left, want->full_at);
}

static inline void
vector_grant_check(struct vector_run *r, size_t step, const struct admission_grant *g)
{
	const struct vector *v = &admission_vectors[r->vector];
	const struct vector_step *s = &v->steps[step];
	const struct vector_refusal *no = &s->no;

	check_that(r->c,
	    g->refused == no->limit && g->size == no->size && g->left == no->left &&
		g->wait_ms == no->wait_ms && (!no->limit || g->scope == no->scope),
	    "step %zu: refusal { %d, %d, %" PRIu64 ", %" PRIu64 ", %" PRId64 " }, not { %d, %d"
	    ", %" PRIu64 ", %" PRIu64 ", %" PRId64 " }",
	    step, (int)g->refused, (int)g->scope, g->size, g->left, g->wait_ms, (int)no->limit,
	    (int)no->scope, no->size, no->left, no->wait_ms);
	check_that(r->c, g->held == (g->refused == LIMIT_NONE), "step %zu: held or not", step);
	check_that(r->c, g->now_ms == v->day * VECTOR_DAY + s->at, "step %zu: its time", step);
	vector_gauge_check(r, step, &g->requests, &s->rpm);
	vector_gauge_check(r, step, &g->tokens, &s->tpm);
}

/* One take. A refused one leaves its slot as it was. */
static inline void
vector_take(struct vector_run *r, size_t step)
{
	struct vector_slot *slot = &r->slots[admission_vectors[r->vector].steps[step].slot];
	struct vector_slot refused = { 0 };
	struct admission_grant grant = { 0 };
	struct vector_slot *asked =
	    admission_vectors[r->vector].steps[step].no.limit ? &refused : slot;

	vector_ask(r, asked, step);
	if (!check_that(r->c, r->take(r->arg, &asked->ask, &grant) == 0, "step %zu: no take", step))
		return;
	vector_grant_check(r, step, &grant);
	asked->grant = grant;
}

static inline void
vector_settle(struct vector_run *r, size_t step)
{
	const struct vector *v = &admission_vectors[r->vector];
	const struct vector_step *s = &v->steps[step];
	struct vector_slot *slot = &r->slots[s->slot];
	struct admission_used used = { .tokens = s->tokens, .nanousd = s->nanousd };

	slot->ask.now_ms = v->day * VECTOR_DAY + s->at;
	check_that(r->c, r->settle(r->arg, &slot->ask, &slot->grant, &used) == 0,
	    "step %zu: not settled", step);
}

/* Runs all vectors, a row of the test each; a row ends at its first wrong answer. */
static inline void
admission_vectors_run(
    struct check *c, admission_take_fn *take, admission_settle_fn *settle, void *arg)
{
	for (size_t i = 0; i < ROWS(admission_vectors); i++) {
		const struct vector *v = &admission_vectors[i];
		struct vector_run r = {
			.c = c, .take = take, .settle = settle, .arg = arg, .vector = i
		};

		check_row(c, "%s", v->name);
		for (size_t j = 0; j < VECTOR_STEPS && v->steps[j].op && !c->why[0]; j++) {
			if (v->steps[j].op == TAKE)
				vector_take(&r, j);
			else
				vector_settle(&r, j);
		}
	}
}

#endif
