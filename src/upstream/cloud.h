/* cloud: what Bedrock and Vertex have in common, where the Messages API is one of many: the version
 * stands in the body, anthropic-beta is filtered, and models have names of the cloud's own. Pure.
 */
#ifndef POSTERN_UPSTREAM_CLOUD_H
#define POSTERN_UPSTREAM_CLOUD_H

#include "upstream/kind.h"

/* The API's version that came with SDK 1.0 (messages-api.md 0). */
#define CLOUD_VERSION_NEW "2026-10-21"

/* The version for the body: the upstream's own, or the new one when the client asked for it and
 * takes_new, else old. */
struct span cloud_version(const struct ask *ask, struct span old, bool takes_new);

/* Whether a model's name, of any of the spellings in use, is one of Claude major.minor or later.
 * False when it does not say. */
bool cloud_at_least(struct span model, unsigned major, unsigned minor);

/* Walks over the values of the client's anthropic-beta: the next one that the upstream may be sent;
 * p NULL behind the last. Those that it may not are noted in r->dropped. *rest begins as the
 * header's value. */
struct span cloud_next_beta(const struct ask *ask, struct hreq *r, struct span *rest);

/* A kind's edit: the model in message_start is named as the client named it. */
enum kind_edit cloud_edit(
    const struct ask *ask, const struct event *what, struct span data, struct buf *out);

/* A kind's whole: the same in a whole answer. */
enum kind_edit cloud_whole(const struct ask *ask, struct span body, struct buf *out);

#endif
