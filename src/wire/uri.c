/* uri: see the header. */
#include "wire/uri.h"

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '-' || c == '.' || c == '_' || c == '~';
}

int
uri_escape(struct span s, const char *also, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char byte = (unsigned char)s.p[i];
		const char escape[] = { '%', digits[byte >> 4], digits[byte & 15] };
		bool raw = is_unreserved(s.p[i]) || (byte && strchr(also, byte));

		if (buf_add(out, raw ? span_cut(s, i, i + 1) : (struct span){ escape, 3 }))
			return -1;
	}
	return 0;
}
