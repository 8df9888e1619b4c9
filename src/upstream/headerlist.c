/* headerlist: see the header. */
#include "upstream/headerlist.h"

#include <curl/curl.h>

/* Appends a line. On failure the list is freed and *list NULL. */
static int
add(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (!longer)
		headerlist_free(*list);
	*list = longer;
	return longer ? 0 : -1;
}

struct curl_slist *
headerlist_make(struct span lines, const char *const *without)
{
	struct curl_slist *list = NULL;

	for (; *without; without++)
		if (add(&list, *without))
			return NULL;
	while (lines.n > 0) {
		if (add(&list, lines.p))
			return NULL;
		lines = span_cut(lines, strlen(lines.p) + 1, lines.n);
	}
	return list;
}

void
headerlist_free(struct curl_slist *list)
{
	for (struct curl_slist *at = list; at; at = at->next)
		explicit_bzero(at->data, strlen(at->data));
	curl_slist_free_all(list);
}
