/* confscan: what must be true of a text before libconfuse may read it. Pure. */
#ifndef POSTERN_POLICY_CONFSCAN_H
#define POSTERN_POLICY_CONFSCAN_H

#include "base/buf.h"
#include "base/check.h"
#include "policy/finding.h"

/* Appends text to out with every comment blanked and every newline kept. -1 when the text holds
 * something that libconfuse would take in silence for something else, or when memory is out; why is
 * in the findings. */
MUST_CHECK int confscan(const char *text, struct buf *out, struct findings *f);

#endif
