/* price: what tokens cost. Pure, integers only: nano-dollars per token. */
#ifndef POSTERN_POLICY_PRICE_H
#define POSTERN_POLICY_PRICE_H

#include <stdint.h>

#include "policy/usage.h"

struct price {
	uint64_t input, output, cache_write_5m, cache_write_1h,
	    cache_read; /* nano-dollars a token */
	/* A prompt of more tokens than this, cache writes and reads counted, costs the rates that
	 * follow, its output too; 0: there is no such length. */
	uint64_t long_above;
	uint64_t long_input, long_output, long_cache_write_5m, long_cache_write_1h, long_cache_read;
};

/* What a call cost. Cache writes that are not at the one-hour rate count at the five-minute one.
 * Saturates at QUOTA_NANOUSD_MAX. */
uint64_t price_cost(const struct price *p, const struct usage *u);

/* The most that a call can cost with up to so many input and output tokens: the input at the
 * dearest of the input rates. Saturates. */
uint64_t price_most(const struct price *p, uint64_t input, uint64_t output);

#endif
