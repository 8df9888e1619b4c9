/* uri: every byte, as it stands in a URI. */
#include "wire/uri.h"

#include <stdio.h>

#include "unit/check.h"

/* Every byte but those that RFC 3986 2.3 and `also` name. */
static void
row_bytes(struct check *c, const char *also)
{
	static const char unreserved[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	check_row(c, "every byte, and '%s' as it is", also);
	for (unsigned byte = 0; byte < 256; byte++) {
		char in = (char)byte, want[8];
		struct buf out = buf_make(8);
		bool raw = byte && (strchr(unreserved, (int)byte) || strchr(also, (int)byte));

		(void)snprintf(want, sizeof(want), raw ? "%c" : "%%%02X", byte);
		check_that(c, uri_escape((struct span){ &in, 1 }, also, &out) == 0, "full");
		check_same(c, buf_span(&out), span_of(want));
		buf_free(&out);
	}
}

int
main(void)
{
	struct check c = { .module = "uri" };
	struct buf out = buf_make(8);

	row_bytes(&c, "");
	row_bytes(&c, "@/");
	check_row(&c, "several");
	check_that(&c, uri_escape(SPAN("a/b@"), "@", &out) == 0, "full");
	check_same(&c, buf_span(&out), SPAN("a%2Fb@"));
	check_row(&c, "no room");
	check_that(&c, uri_escape(SPAN("//"), "", &out) < 0, "taken");
	buf_free(&out);
	return check_end(&c);
}
