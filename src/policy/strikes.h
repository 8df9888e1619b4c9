/* strikes: how often an address may come with a wrong key. Pure. */
#ifndef POSTERN_POLICY_STRIKES_H
#define POSTERN_POLICY_STRIKES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/span.h"

/* What an address, as the web server writes it, counts as: an IPv4 address for itself, also where
 * it is written as one of IPv6; one of IPv6 for its network of 64 bits, which one customer has; any
 * other text for itself. False for none. */
MUST_CHECK bool strikes_address(struct span text, uint64_t *out);

/* A cell is what is known of an address: which it is, and when all of its failures will be
 * forgiven; 0: nothing. It is one word, for atomic exchange. */

/* True when the cell is that of the address. */
bool strikes_is(uint64_t cell, uint64_t address);

/* When all that it holds is forgiven, in ms. */
int64_t strikes_until_ms(uint64_t cell);

/* Counts a failure at now_ms: what the cell becomes. *wait_ms: 0 when it is within per_minute (1 to
 * 6000), which may come all at once; else the time until the next one would be, and the cell stays.
 * `cell` is the address' own or 0. */
uint64_t strikes_add(
    uint64_t cell, uint64_t address, int64_t now_ms, uint32_t per_minute, int64_t *wait_ms);

#endif
