/* scrub: see the header. */
#include "upstream/scrub.h"

#include <string.h>

void
scrub(char text[static MESSAGE_MAX], scrub_account *account_at)
{
	static const char instead[] = "(account)";
	char out[MESSAGE_MAX] = "";
	size_t used = 0;
	bool begins = true;

	for (const char *p = text; *p && used + sizeof(instead) < sizeof(out);) {
		size_t n = account_at(p, begins);

		begins = n > 0 || *p < '0' || *p > '9';
		if (n > 0) {
			memcpy(out + used, instead, sizeof(instead) - 1);
			used += sizeof(instead) - 1;
			p += n;
		} else {
			out[used++] = *p++;
		}
	}
	memcpy(text, out, used);
	text[used] = '\0';
}
