/* sourced: see the header. */
#include "upstream/sourced.h"

#include "base/limits.h"

void
sourced_init(struct sourced *s)
{
	*s = (struct sourced){ .secret = buf_make(SECRET_FILE_MAX), .expires = SOURCED_NEVER };
}

void
sourced_clear(struct sourced *s)
{
	buf_wipe(&s->secret);
	awscredentials_clear(&s->aws);
	sourced_init(s);
}
