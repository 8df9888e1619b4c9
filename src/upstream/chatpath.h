/* chatpath: where in a request its translation stands, for what is said of a member that cannot be
 * translated, and for the upstream's may_drop. Pure. */
#ifndef POSTERN_UPSTREAM_CHATPATH_H
#define POSTERN_UPSTREAM_CHATPATH_H

#include "base/check.h"
#include "upstream/kind.h"

struct chatpath {
	const struct ask *ask;
	struct refusal *why;
	char place[160]; /* "messages.0.content.2"; empty: the request itself */
	char shape[80];	 /* the same without numbers, as may_drop has it */
};

/* The two last arguments of chatpath_check. */
#define CHATPATH_NAMES(a) (a), sizeof(a) / sizeof(*(a))

/* Where a path ends. */
struct chatpath_end {
	size_t place, shape;
};

/* Where it ends now. */
struct chatpath_end chatpath_here(const struct chatpath *p);

/* Goes into a member. Returns where the path ended, for chatpath_leave. */
struct chatpath_end chatpath_enter(struct chatpath *p, const char *name);

/* Goes into an element of the member that it stands in. */
struct chatpath_end chatpath_item(struct chatpath *p, size_t at);

/* Goes back. */
void chatpath_leave(struct chatpath *p, struct chatpath_end end);

/* Whether may_drop names this member of where it stands. */
bool chatpath_drops(const struct chatpath *p, struct span name);

/* Refuses a member (empty: where it stands itself). -1. */
int chatpath_refuse(struct chatpath *p, struct span name, const char *what);

/* Refuses a member in the words that the API has for one that it does not know, by which clients
 * repair themselves (messages-api.md 5). -1. */
int chatpath_refuse_extra(struct chatpath *p, struct span name);

/* Looks at an object's members: each must be one of the n known, say nothing (null, or empty, or a
 * hint on caches), or be one that may be dropped. -1: one is not, and why names it. */
MUST_CHECK int chatpath_check(
    struct chatpath *p, struct span object, const char *const *known, size_t n);

#endif
