/* conf: postern.conf (libconfuse syntax) as one immutable struct. Pure but for ${NAME} in a value,
 * which libconfuse takes from the environment: the text comes in, the struct and the list of what
 * is wrong go out. The list of prices, whose place the text names, is read by a function of the
 * caller's. The home of confuse.h, which is not re-entrant: callers hold one lock around
 * conf_parse. */
#ifndef POSTERN_POLICY_CONF_H
#define POSTERN_POLICY_CONF_H

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"
#include "policy/settings.h"

/* What a configuration is made of. */
struct conf_source {
	const char *text;
	const char *file;	  /* the name used in messages */
	const char *const *kinds; /* of upstreams that this program has, NULL-ended */
	const char
	    *prices; /* where the list of prices is when the text does not say; NULL: nowhere */
	/* Appends the text of a list of prices to out. -1 with errno set. Only called when there is
	 * a place to read from. */
	int (*read)(const char *path, struct buf *out);
};

/* Parses a configuration. Every fault found in it or in the list of prices is a line `file:line:
 * what is wrong and what would be right` in *errors, and every doubt (an option without use; a
 * secret readable by all is not its business) a line in *warnings. A list that the text names must
 * be there; the other may be missing. Returns the new conf, owned by the caller (conf_free), or
 * NULL when there is at least one error: errno is ENOMEM when memory was out and the text may be
 * good, else 0. */
MUST_CHECK struct conf *conf_parse(
    const struct conf_source *s, struct buf *errors, struct buf *warnings);

/* Frees a conf; NULL is fine. */
void conf_free(struct conf *c);

/* The model of that name; NULL when there is none. */
const struct conf_model *conf_model(const struct conf *c, struct span id);

/* The workspace of that name; NULL when there is none. */
const struct conf_workspace *conf_workspace(const struct conf *c, struct span name);

/* What a token of a model costs: the model's own price, else that of the first pattern of the list
 * that matches its name, else that of its name at the upstream. NULL when there is none. */
const struct price *conf_price(const struct conf *c, struct span model, struct span upstream_model);

/* The limits of a workspace, with or without a section. */
const struct quota *conf_quota(const struct conf *c, const struct conf_workspace *w);

#endif
