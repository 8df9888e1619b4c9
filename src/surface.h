/* surface: a row of the path table: which path, what it asks for, in which dialect. */
#ifndef POSTERN_SURFACE_H
#define POSTERN_SURFACE_H

#include "base/check.h"
#include "dialect/dialect.h"

struct surface {
	const char *name; /* in the ledger and the log */
	const char *path; /* `{id}` and `{region}` stand for one segment */
	enum op op;
	const struct dialect *dialect;
};

/* What a path says, as spans into it. */
struct surface_match {
	const struct surface *surface;
	struct span id; /* raw; p NULL when the row has none */
	struct span region;
};

/* Finds the row of a path (raw, without its query) in a table that ends in a row without a path. -1
 * when there is none. */
MUST_CHECK int surface_find(
    const struct surface *table, struct span path, struct surface_match *out);

/* The path that counts, out of what the web server says (RFC 3875): REQUEST_URI without scheme,
 * host and query. Where the program is mounted below the root as a CGI, the mount point in
 * script_name is taken off: `/cgi-bin/postern.cgi` when the request names the program, `/portal`
 * when `/portal/postern.cgi` was reached by a rewrite. */
struct span surface_path(struct span request_uri, struct span script_name, struct span *query);

#endif
