/* headerlist: header lines as libcurl takes them. */
#ifndef POSTERN_UPSTREAM_HEADERLIST_H
#define POSTERN_UPSTREAM_HEADERLIST_H

#include "base/check.h"
#include "base/span.h"

struct curl_slist;

/* A list of the lines, "name: value" each with its terminating zero, and of libcurl's own way to
 * leave out what it would send by itself: the names in `without`, NULL-ended, "Expect:" and the
 * like. NULL when memory is out. */
MUST_CHECK struct curl_slist *headerlist_make(struct span lines, const char *const *without);

/* Wipes and frees it, since a credential stands in it; NULL is fine. */
void headerlist_free(struct curl_slist *list);

#endif
