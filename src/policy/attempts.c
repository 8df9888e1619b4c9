/* attempts: see the header. */
#include "policy/attempts.h"

#include <stdio.h>
#include <string.h>

#define WAIT_FIRST_MS 250
#define WAIT_MAX_MS   8000
#define SHARES	      1024u /* of a wait, of which chance takes some */

void
attempts_begin(struct attempts *a, int64_t now_ms, int64_t budget_ms)
{
	*a = (struct attempts){ .until_ms = now_ms + budget_ms, .retry_after_ms = -1 };
}

void
attempts_failed(
    struct attempts *a, const char *upstream, const char *how, bool again, int64_t retry_after_ms)
{
	size_t n = strlen(a->tried);
	size_t need = (n > 0 ? 2 : 0) + strlen(upstream) + 1 + strlen(how);

	if (n + need < sizeof(a->tried))
		(void)snprintf(a->tried + n, sizeof(a->tried) - n, "%s%s=%s", n > 0 ? ", " : "",
		    upstream, how);
	a->again = a->again || again;
	if (retry_after_ms >= 0 && (a->retry_after_ms < 0 || retry_after_ms < a->retry_after_ms))
		a->retry_after_ms = retry_after_ms;
}

int64_t
attempts_wait(struct attempts *a, int64_t now_ms, uint64_t random)
{
	int64_t wait_ms = WAIT_FIRST_MS;

	for (unsigned i = 0; i < a->rounds && wait_ms < WAIT_MAX_MS; i++)
		wait_ms *= 2;
	wait_ms -= wait_ms / 2 * (int64_t)(random % SHARES) / SHARES;
	if (wait_ms < a->retry_after_ms)
		wait_ms = a->retry_after_ms;
	if (!a->again || now_ms + wait_ms > a->until_ms)
		return -1;
	a->rounds++;
	a->again = false;
	a->retry_after_ms = -1;
	return wait_ms;
}
