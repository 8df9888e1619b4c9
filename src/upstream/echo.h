/* kind_echo: a model without a network, for the demo and for trying a set-up. It says back what the
 * last user message said, the same for the same request. */
#ifndef POSTERN_UPSTREAM_ECHO_H
#define POSTERN_UPSTREAM_ECHO_H

#include "upstream/kind.h"

extern const struct kind kind_echo;

#endif
