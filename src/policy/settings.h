/* settings: what a configuration says, as plain structs. Made by conf, read by everybody, changed
 * by nobody. */
#ifndef POSTERN_POLICY_SETTINGS_H
#define POSTERN_POLICY_SETTINGS_H

#include <stdint.h>

#include "base/span.h"
#include "policy/namelist.h"

enum conf_auth { CONF_AUTH_X_API_KEY, CONF_AUTH_BEARER };

struct conf_upstream {
	char *name;
	char *kind;	    /* one of the names given to conf_parse */
	char *url;	    /* without a trailing slash; may be NULL for echo */
	char *api_key_file; /* or NULL */
	char *api_key_env;  /* or NULL */
	char *ca_file;	    /* certificates to trust instead of the system's, or NULL */
	enum conf_auth auth;
	struct namelist regions; /* never empty: default_region when not given */
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
	struct namelist
	    regions; /* never empty: wherever its targets' upstreams are when not given */
	struct conf_target *targets;
	size_t targets_n;
	uint64_t price_nanousd[CONF_PRICES]; /* per token */
	bool priced;
	int line;
};

struct conf_workspace {
	char *name;
	struct namelist models; /* globs; empty: all */
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

#endif
