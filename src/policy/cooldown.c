/* cooldown: see the header. */
#include "policy/cooldown.h"

#define FIRST_MS 1000

int64_t
cooldown_ms(uint32_t failures, int64_t retry_after_ms, int64_t max_ms)
{
	int64_t rest_ms = FIRST_MS;

	if (failures < COOLDOWN_FAILURES)
		return 0;
	for (uint32_t i = COOLDOWN_FAILURES; i < failures && rest_ms < max_ms; i++)
		rest_ms *= 2;
	if (rest_ms < retry_after_ms)
		rest_ms = retry_after_ms;
	return rest_ms < max_ms ? rest_ms : max_ms;
}
