/* admit: the admit step: what a call asks of the store, what its answer says of limits, and what it
 * has cost in the end. */
#ifndef POSTERN_ADMIT_H
#define POSTERN_ADMIT_H

#include "base/buf.h"
#include "base/check.h"
#include "dialect/dialect.h"
#include "gate.h"
#include "policy/estimate.h"
#include "policy/route.h"
#include "who.h"

/* What is known of the call; all borrowed, and as long as the admission. */
struct admit_order {
	const struct era *era;
	const struct who *who;
	const struct turn *turn;
	const struct route *route;
	enum op op;
	struct estimate estimate;
	const char *request_id;
};

struct admit {
	struct admission_ask ask;
	struct admission_grant grant;
	bool asked; /* the store has decided, and grant says what */
};

/* Asks the store to let the call in. FAULT_NONE, or why not, with a message that names the limit,
 * its size and when it frees. */
MUST_CHECK enum fault admit_call(struct admit *a, const struct admit_order *o, struct refusal *why);

/* Appends the header lines on limits that every answer of the call has (anthropic-ratelimit-*), and
 * after a refusal those that say when to come again. -1 when they do not fit. */
MUST_CHECK int admit_lines(const struct admit *a, struct buf *out);

/* What the call has used, at the price of the target that served it; NULL: nobody did. */
struct admission_used admit_used(
    const struct admit_order *o, const struct target *target, const struct usage *usage);

/* The limit that refused the call, as the ledger names it ("workspace tokens"); empty: none did. */
struct span admit_limit(const struct admit *a);

#endif
