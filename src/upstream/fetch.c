/* fetch: see the header. */
#include "upstream/fetch.h"

#include <errno.h>

#include <curl/curl.h>
#include <stdio.h>

#include "upstream/headerlist.h"

static size_t
take(char *p, size_t size, size_t n, void *arg)
{
	struct buf *out = arg;

	return buf_add(out, (struct span){ p, size * n }) ? 0 : size * n;
}

static int
set_body(CURL *easy, const struct fetch *f)
{
	if (strcmp(f->method, "GET") == 0)
		return 0;
	return curl_easy_setopt(easy, CURLOPT_POST, 1L) ||
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, f->method) ||
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)f->body.n) ||
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, f->body.n > 0 ? f->body.p : "")
	    ? -1
	    : 0;
}

static int
set_options(CURL *easy, const struct fetch *f, struct curl_slist *headers, struct buf *out)
{
	return curl_easy_setopt(easy, CURLOPT_URL, f->url) ||
		curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) ||
		curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") ||
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)f->limit_ms) ||
		curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(f->limit_ms / 5)) ||
		(f->direct && curl_easy_setopt(easy, CURLOPT_NOPROXY, "*")) ||
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) ||
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) ||
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, out)
	    ? -1
	    : 0;
}

static int
perform(CURL *easy, int *status, char why[static MESSAGE_MAX])
{
	char error[CURL_ERROR_SIZE] = "";
	long code = 0;
	int error_number;
	CURLcode rc;

	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
	errno = 0;
	rc = curl_easy_perform(easy);
	error_number = rc == CURLE_OUT_OF_MEMORY ? ENOMEM : errno;
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
	(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
	*status = (int)code;
	(void)snprintf(why, MESSAGE_MAX, "%s", rc && error[0] ? error : curl_easy_strerror(rc));
	errno = error_number;
	return rc ? -1 : 0;
}

int
fetch_run(const struct fetch *f, struct buf *out, int *status, char why[static MESSAGE_MAX])
{
	static const char *const without[] = { "Expect:", NULL };
	struct curl_slist *headers = headerlist_make(f->headers, without);
	CURL *easy = headers ? curl_easy_init() : NULL;
	char *room;
	int rc = -1, error;

	*status = 0;
	*out = buf_make(FETCH_ANSWER_MAX);
	(void)snprintf(why, MESSAGE_MAX, "out of memory");
	errno = ENOMEM;
	/* Growing would leave copies of a secret behind. */
	if (easy && buf_room(out, FETCH_ANSWER_MAX, &room) == 0 &&
	    set_options(easy, f, headers, out) == 0 && set_body(easy, f) == 0)
		rc = perform(easy, status, why);
	error = errno;
	curl_easy_cleanup(easy);
	headerlist_free(headers);
	errno = error;
	return rc;
}
