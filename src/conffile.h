/* conffile: where the configuration is and what it holds. */
#ifndef POSTERN_CONFFILE_H
#define POSTERN_CONFFILE_H

#include "base/buf.h"
#include "base/check.h"
#include "policy/conf.h"

/* The path of the configuration: the one given, else $POSTERN_CONF, else postern.conf beside the
 * program, else /etc/postern/postern.conf. out holds it zero-terminated. -1 with the reason on
 * standard error. */
MUST_CHECK int conffile_path(const char *given, struct buf *out);

/* Parses the text of the file at path, as conf_parse does; one that is no text is an error, too.
 * The list of prices is read on the way. */
MUST_CHECK struct conf *conffile_parse(const char *path, struct buf *text, const char *const *kinds,
    struct buf *errors, struct buf *warnings);

/* Where the list of prices of a configuration was looked for: the place that it names, or the
 * built-in one, where there may be none. When the file there changes, the configuration is to be
 * parsed again. */
const char *conffile_prices_path(const struct conf *c);

#endif
