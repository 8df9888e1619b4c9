/* http_request: what the servers of tests need to know of an HTTP/1.1 request that comes in. */
#ifndef POSTERN_TESTS_UNIT_HTTP_REQUEST_H
#define POSTERN_TESTS_UNIT_HTTP_REQUEST_H

#include <stddef.h>
#include <string.h>

/* How long the request is with its body; 0: its head is not whole yet. */
static inline size_t
http_request_length(const char *request)
{
	const char *end = strstr(request, "\r\n\r\n");
	const char *length = strcasestr(request, "content-length: ");
	size_t body = 0;

	if (!end)
		return 0;
	if (length && length < end)
		for (const char *p = length + 16; *p >= '0' && *p <= '9'; p++)
			body = body * 10 + (size_t)(*p - '0');
	return (size_t)(end - request) + 4 + body;
}

#endif
