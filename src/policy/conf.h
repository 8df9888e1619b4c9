/* conf: postern.conf (libconfuse syntax) as one immutable struct. Pure but for ${NAME} in a value,
 * which libconfuse takes from the environment: the text comes in, the struct and the list of what
 * is wrong go out. The home of confuse.h, which is not re-entrant: callers hold one lock around
 * conf_parse. */
#ifndef POSTERN_POLICY_CONF_H
#define POSTERN_POLICY_CONF_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

struct conf_list { /* strings, in the order of the file */
	char **v;
	size_t n;
};

enum conf_auth { CONF_AUTH_X_API_KEY, CONF_AUTH_BEARER };

struct conf_upstream {
	char *name;
	char *kind;	    /* one of the names given to conf_parse */
	char *url;	    /* without a trailing slash; may be NULL for echo */
	char *api_key_file; /* or NULL */
	char *api_key_env;  /* or NULL */
	char *ca_file;      /* certificates to trust instead of the system's, or NULL */
	enum conf_auth auth;
	struct conf_list regions; /* never empty: default_region when not given */
	bool any_model;
	int64_t pace_ms; /* echo only: time between two events */
	int line;
};

struct conf_target {
	char *name;	 /* the upstream's name */
	size_t upstream; /* index into conf.upstreams */
	char *id;	 /* the model's id there; the client-visible one when not given */
	int line;
};

#define CONF_PRICES 5 /* input, output, cache write 5m, cache write 1h, cache read */

struct conf_model {
	char *id;
	char *display_name; /* NULL: the id */
	int64_t created;    /* Unix seconds; 0 when not given */
	struct conf_list
	    regions; /* never empty: wherever its targets' upstreams are when not given */
	struct conf_target *targets;
	size_t targets_n;
	uint64_t price_nanousd[CONF_PRICES]; /* per token */
	bool priced;
	int line;
};

struct conf_workspace {
	char *name;
	struct conf_list models; /* globs; empty: all */
	uint64_t rpm, tpm;
	uint64_t budget_month_nanousd; /* 0: none */
	int line;
};

struct conf {
	char *keys;  /* path of the key file */
	char *state; /* path of the state folder */
	char *default_region;
	uint64_t max_body;	    /* bytes */
	int64_t commit_ms, ping_ms; /* ping_ms 0: never */
	int64_t connect_ms, first_ms, idle_ms;
	int64_t drain_ms;
	struct conf_upstream *upstreams;
	size_t upstreams_n;
	struct conf_model *models;
	size_t models_n;
	struct conf_workspace *workspaces;
	size_t workspaces_n;
};

/* Parses text. file is the name used in messages. kinds lists the kinds of upstream that this
 * program has (NULL-ended). Every fault found is a line `file:line: what is wrong and what would be
 * right` in *errors, and every doubt (an option that is read but not in force yet, a secret
 * readable by all is not its business) a line in *warnings. Returns the new conf, owned by the
 * caller (conf_free), or NULL when there is at least one error. */
MUST_CHECK struct conf *conf_parse(const char *text, const char *file, const char *const *kinds,
    struct buf *errors, struct buf *warnings);

/* Frees a conf; NULL is fine. */
void conf_free(struct conf *c);

/* Finds by name; NULL when there is none. */
const struct conf_model *conf_model(const struct conf *c, struct span id);
const struct conf_workspace *conf_workspace(const struct conf *c, struct span name);

/* True when the list holds the name. */
bool conf_list_has(const struct conf_list *l, struct span name);

/* Appends a copy of the name. -1 when memory is out. */
MUST_CHECK int conf_list_add(struct conf_list *l, const char *name);

#endif
