/* kind_anthropic: anything that speaks the Messages API over HTTP, Anthropic's own end point first.
 */
#ifndef POSTERN_UPSTREAM_ANTHROPIC_H
#define POSTERN_UPSTREAM_ANTHROPIC_H

#include "upstream/kind.h"

extern const struct kind kind_anthropic;

/* Reads an event of the Messages API (messages-api.md 4); for every kind whose answers carry such
 * events. */
void anthropic_event(struct span name, struct span data, struct event *out);

#endif
