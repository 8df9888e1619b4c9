/* sourced: what a source of credentials gave. */
#ifndef POSTERN_UPSTREAM_SOURCED_H
#define POSTERN_UPSTREAM_SOURCED_H

#include <stdint.h>

#include "base/buf.h"
#include "policy/awscredentials.h"

#define SOURCED_NEVER AWSCREDENTIALS_NEVER

struct sourced {
	struct buf secret;	   /* a key or token that is sent; empty: there is none */
	struct awscredentials aws; /* its access_key_id not empty: they sign */
	int64_t expires;	   /* Unix seconds, or SOURCED_NEVER */
};

enum source_end {
	SOURCE_GIVES,
	SOURCE_SCARCE, /* no descriptor or memory was left to read it with; nothing is wrong with it
			*/
	SOURCE_WRONG,  /* what stands in the file or the environment here is no good */
	SOURCE_AWAY,   /* another server did not answer, or with no credentials */
};

/* Makes it empty, with its bounds. */
void sourced_init(struct sourced *s);

/* Wipes and frees; it is empty then. */
void sourced_clear(struct sourced *s);

#endif
