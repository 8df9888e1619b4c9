/* strikes: see the header. The rate is kept as one point in time, the generic cell rate algorithm
 * (ITU-T I.371): each failure moves it on by its share of a minute, and it may be a minute ahead.
 */
#include "policy/strikes.h"

#include <arpa/inet.h>

#define MINUTE_MS   60000
#define UNTIL_BITS  40
#define UNTIL_MASK  ((UINT64_C(1) << UNTIL_BITS) - 1)
#define NETWORK_LEN 8u /* bytes of the network in an IPv6 address */

static bool
is_mapped(const struct in6_addr *a)
{
	return IN6_IS_ADDR_V4MAPPED(a);
}

bool
strikes_address(struct span text, uint64_t *out)
{
	char name[INET6_ADDRSTRLEN];
	struct in6_addr a;
	struct span what = text;

	if (text.n == 0)
		return false;
	if (text.n < sizeof(name)) {
		memcpy(name, text.p, text.n);
		name[text.n] = '\0';
		if (inet_pton(AF_INET6, name, &a) == 1)
			what = is_mapped(&a)
			    ? (struct span){ (const char *)&a.s6_addr[12], 4 }
			    : (struct span){ (const char *)a.s6_addr, NETWORK_LEN };
		else if (inet_pton(AF_INET, name, &a) == 1)
			what = (struct span){ (const char *)&a, 4 };
	}
	*out = span_hash(what);
	return true;
}

bool
strikes_is(uint64_t cell, uint64_t address)
{
	return cell != 0 && cell >> UNTIL_BITS == address >> UNTIL_BITS;
}

int64_t
strikes_until_ms(uint64_t cell)
{
	return (int64_t)(cell & UNTIL_MASK);
}

uint64_t
strikes_add(uint64_t cell, uint64_t address, int64_t now_ms, uint32_t per_minute, int64_t *wait_ms)
{
	int64_t share_ms = MINUTE_MS / per_minute;
	int64_t until_ms = strikes_until_ms(cell);

	if (until_ms < now_ms)
		until_ms = now_ms;
	until_ms += share_ms;
	*wait_ms = until_ms > now_ms + MINUTE_MS ? until_ms - now_ms - MINUTE_MS : 0;
	if (*wait_ms > 0)
		return cell;
	return (address & ~UNTIL_MASK) | ((uint64_t)until_ms & UNTIL_MASK);
}
