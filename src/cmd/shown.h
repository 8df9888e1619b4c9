/* shown: texts of foreign origin as they may be shown on a terminal. Pure. What moves a cursor,
 * rings, turns the direction of writing or cannot be seen comes out as its bytes, `\x1b`; so does
 * what is not UTF-8. */
#ifndef POSTERN_CMD_SHOWN_H
#define POSTERN_CMD_SHOWN_H

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

/* Appends the text. -1 when it does not fit. */
MUST_CHECK int shown_put(struct buf *out, struct span s);

/* Appends it as a JSON string, exact, with those characters as `\u001b`. -1 when it does not fit.
 */
MUST_CHECK int shown_put_json(struct buf *out, struct span s);

/* How many characters a terminal gives it. */
size_t shown_width(struct span s);

#endif
