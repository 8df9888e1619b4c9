/* kind_anthropic: anything that speaks the Messages API over HTTP, Anthropic's own end point first.
 */
#ifndef POSTERN_UPSTREAM_ANTHROPIC_H
#define POSTERN_UPSTREAM_ANTHROPIC_H

#include "upstream/kind.h"

extern const struct kind kind_anthropic;

/* Reads an event of the Messages API (messages-api.md 4); for every kind whose answers carry such
 * events. */
void anthropic_event(struct span name, struct span data, struct event *out);

/* Reads an error in the API's own envelope, of an answer or of an event. */
void anthropic_refusal(const struct complaint *c, struct refusal *out);

/* Whether a status that comes without words of the API's says that there is nothing at the path:
 * then some other server said so, and it is our configuration's fault. */
bool anthropic_not_there(int status);

/* Makes a refusal of what speaks of our own account: the client is told that it is the gate's
 * fault, not to log in again. status: the upstream's, for the message. */
void anthropic_refuse_credential(int status, struct refusal *out);

#endif
