/* settings: what a configuration says, as plain structs. Made by conf, read by everybody, changed
 * by nobody. */
#ifndef POSTERN_POLICY_SETTINGS_H
#define POSTERN_POLICY_SETTINGS_H

#include <stdint.h>

#include "base/span.h"
#include "policy/namelist.h"
#include "policy/price.h"
#include "policy/pricelist.h"
#include "policy/quota.h"

enum conf_auth { CONF_AUTH_X_API_KEY, CONF_AUTH_BEARER, CONF_AUTH_SIGV4 };

/* Where the credentials for a cloud come from. */
enum conf_credentials {
	CONF_CREDENTIALS_NONE,	   /* api_key_file or api_key_env, or nothing at all */
	CONF_CREDENTIALS_ENV,	   /* the variables that the cloud's own clients read */
	CONF_CREDENTIALS_FILE,	   /* AWS: a shared credentials file; Google: a service account's */
	CONF_CREDENTIALS_METADATA, /* the end points of a container or an instance */
	CONF_CREDENTIALS_BEARER,   /* a file that holds a token, and nothing else */
};

struct conf_upstream {
	char *name;
	char *kind;	    /* one of the names given to conf_parse */
	char *url;	    /* without a trailing slash; may be NULL for echo */
	char *api_key_file; /* or NULL */
	char *api_key_env;  /* or NULL */
	char *ca_file;	    /* certificates to trust instead of the system's, or NULL */
	enum conf_auth auth;
	enum conf_credentials credentials;
	char *credentials_file; /* of a FILE or BEARER */
	char *aws_profile;	/* in that file */
	char *aws_region;
	char *aws_service;	 /* that a signature is for */
	char *google_project;	 /* Vertex: whose quota it is */
	char *google_location;	 /* Vertex: "global", "eu", "europe-west1" ... */
	char *anthropic_version; /* of the body, instead of what the kind chooses; or NULL */
	char *workspace_id; /* sent as anthropic-workspace-id instead of the client's; or NULL */
	struct namelist beta_allow; /* globs of anthropic-beta */
	bool beta_given;	    /* beta_allow was given */
	struct namelist may_drop;   /* globs of request members; of kind openai */
	struct namelist regions;    /* never empty: default_region when not given */
	bool any_model;
	const char *owner; /* the workspace that it belongs to; NULL: everybody's */
	int64_t pace_ms;   /* echo only: time between two events */
	int line;
};

struct conf_target {
	char *name;	 /* the upstream's name */
	size_t upstream; /* index into conf.upstreams */
	char *id;	 /* the model's id there; the client-visible one when not given */
	uint64_t weight; /* its share of the calls that it is asked first for; 0: in order */
	int line;
};

struct conf_model {
	char *id;
	char *display_name; /* NULL: the id */
	int64_t created;    /* Unix seconds; 0 when not given */
	struct namelist
	    regions; /* never empty: wherever its targets' upstreams are when not given */
	struct conf_target *targets;
	size_t targets_n;
	struct price price;
	bool priced; /* price was given */
	int line;
};

struct conf_workspace {
	char *name;
	struct namelist models;	   /* globs; empty: all */
	struct namelist upstreams; /* its own; empty: those of everybody */
	struct quota quota;	   /* rpm and tpm: those of struct conf when not given */
	int line;
};

/* Where keys, limits and totals live. host and path are of a kind "redis" only. */
struct conf_store {
	char *kind;	     /* "local" or "redis" */
	char *host;	     /* of redis://[user@]host[:port][/db] and rediss:// */
	char *path;	     /* of redis+unix:/path[?db=N]: its socket; host is then NULL */
	char *user;	     /* of the ACL, or NULL */
	char *password_file; /* or NULL */
	char *password_env;  /* or NULL */
	char *ca_file;	     /* certificates to trust instead of the system's, or NULL */
	uint64_t port, db;
	bool tls;
	bool away_local;    /* store_away = "local": go on with this machine's own buckets */
	int64_t timeout_ms; /* of one question */
	int line;	    /* of store; 0: not given */
};

struct conf {
	char *keys;   /* path of the key file */
	char *state;  /* path of the state folder */
	char *prices; /* path of the list of prices, or NULL: the built-in place, if it is there */
	struct pricelist pricelist;
	struct conf_store store;
	struct quota
	    quota; /* of workspaces that do not say otherwise, and of those without a section */
	char *default_region;
	uint64_t max_body;	    /* bytes */
	int64_t commit_ms, ping_ms; /* ping_ms 0: never */
	bool envelope_usage;	    /* its streams tell usage, asked or not */
	int64_t connect_ms, first_ms, idle_ms;
	int64_t write_idle_ms; /* how long a client may take nothing of its answer */
	int64_t retry_ms;      /* how long a call tries its targets again; 0: once each */
	int64_t cooldown_ms;   /* the longest rest of an upstream that fails; 0: none */
	int64_t drain_ms;
	uint64_t auth_failures; /* a minute and address; 0: no limit */
	bool sandbox;		/* a process that serves gives up what it does not need */
	struct conf_upstream *upstreams;
	size_t upstreams_n;
	struct conf_model *models;
	size_t models_n;
	struct conf_workspace *workspaces;
	size_t workspaces_n;
};

#endif
