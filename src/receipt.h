/* receipt: what is left of a call when it is over: its ledger entry and its line in the access log.
 */
#ifndef POSTERN_RECEIPT_H
#define POSTERN_RECEIPT_H

#include "admit.h"
#include "answer.h"
#include "base/log.h"
#include "policy/ledger.h"
#include "relay.h"
#include "surface.h"
#include "who.h"

/* Where the call ended, as the steps have left it; all borrowed. */
struct receipt_facts {
	const struct answer *answer;
	const struct who *who;
	const struct turn *turn;
	const struct admit *admit;
	const struct outcome *result;
	const struct surface *surface; /* NULL: none matched */
	enum fault fault;	       /* what ended it */
	bool routed;
	int64_t started_ms; /* monotonic */
};

/* Its spans point into what the facts pointed to, never into the request. */
struct receipt {
	struct ledger_entry entry; /* without what it cost, which the settlement knows */
	bool empty;		   /* a message came to its end and nothing was counted */
	char method[LOG_VALUE_LEN], path[LOG_VALUE_LEN], client[LOG_VALUE_LEN];
};

/* Writes down how the call ended. */
void receipt_fill(struct receipt *r, const struct receipt_facts *f);

/* Copies what the log says of the request, which the front forgets before the log is written. */
void receipt_request(struct receipt *r, struct span client, struct span method, struct span path);

/* Writes the line of the access log, and an error when a finished call has no token count. */
void receipt_log(const struct receipt *r);

#endif
