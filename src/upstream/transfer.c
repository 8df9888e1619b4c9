/* transfer: one request over libcurl's multi interface, so that one wait sees the upstream and the
 * client alike. Holds no policy: what an answer means is the sink's business. */
#include "upstream/transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "upstream/headerlist.h"
#include "upstream/links.h"
#include "upstream/outbody.h"
#include "wire/header.h"

/* libcurl's smallest: an upload buffer of 64 KiB, made and freed per call, makes glibc consolidate
 * its heap each time. */
#define UPLOAD_BUFFER	 (16L * 1024)
#define RECEIVE_BUFFER	 (16L * 1024)
#define CONNECTIONS_KEPT 4L
/* The longest single wait; without a reason to wake, the loop just goes round. */
#define WAIT_MAX_MS 60000

struct transfer_shared {
	CURLSH *share;
	pthread_mutex_t locks[CURL_LOCK_DATA_LAST];
};

struct transfer {
	struct transfer_shared *shared;
	struct links links;
	CURLM *multi;
	CURL *easy;
	struct transfer_head head;
	struct buf spliced; /* the body with its edits, when it is small and has any */
};

/* One run. */
struct run {
	struct transfer *t;
	const struct transfer_order *order;
	const struct transfer_sink *sink;
	void *arg;
	struct curl_slist *headers;
	uint64_t sent; /* bytes of the edited body that were handed over */
	int64_t started_ms;
	int64_t heard_ms; /* when the last byte came; 0: none yet */
	bool answered;	  /* a line of an answer has come */
	bool headed;	  /* the sink has the head */
	bool stopped;	  /* the sink has said stop */
	bool spoilt;	  /* the kept connection must not be asked */
	char error[CURL_ERROR_SIZE];
};

static void
share_lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *arg)
{
	struct transfer_shared *s = arg;

	(void)easy;
	(void)access;
	pthread_mutex_lock(&s->locks[data]);
}

static void
share_unlock(CURL *easy, curl_lock_data data, void *arg)
{
	struct transfer_shared *s = arg;

	(void)easy;
	pthread_mutex_unlock(&s->locks[data]);
}

struct transfer_shared *
transfer_shared_open(void)
{
	struct transfer_shared *s;

	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s || !(s->share = curl_share_init())) {
		free(s);
		return NULL;
	}
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_init(&s->locks[i], NULL);
	curl_share_setopt(s->share, CURLSHOPT_LOCKFUNC, share_lock);
	curl_share_setopt(s->share, CURLSHOPT_UNLOCKFUNC, share_unlock);
	curl_share_setopt(s->share, CURLSHOPT_USERDATA, s);
	curl_share_setopt(s->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
	curl_share_setopt(s->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	return s;
}

void
transfer_shared_close(struct transfer_shared *s)
{
	if (!s)
		return;
	curl_share_cleanup(s->share);
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_destroy(&s->locks[i]);
	free(s);
	curl_global_cleanup();
}

static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	curl_socket_t fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);

	(void)purpose;
	links_opened(arg, fd);
	return fd;
}

static int
on_close(void *arg, curl_socket_t fd)
{
	links_closed(arg, fd);
	return close(fd);
}

static CURL *
make_easy(struct transfer *t)
{
	CURL *easy = curl_easy_init();

	if (easy) {
		(void)curl_easy_setopt(easy, CURLOPT_SHARE, t->shared->share);
		(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
		(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &t->links);
		(void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
		(void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &t->links);
	}
	return easy;
}

struct transfer *
transfer_open(struct transfer_shared *shared)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->head.relay = buf_make(HEAD_MAX);
	t->spliced = buf_make(BODY_MEMORY_MAX + HEADER_VALUE_MAX);
	t->multi = curl_multi_init();
	t->shared = shared;
	t->easy = make_easy(t);
	if (!t->multi || !t->easy) {
		transfer_close(t);
		return NULL;
	}
	curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
	return t;
}

void
transfer_close(struct transfer *t)
{
	if (!t)
		return;
	curl_easy_cleanup(t->easy);
	curl_multi_cleanup(t->multi);
	buf_free(&t->head.relay);
	buf_free(&t->spliced);
	free(t);
}

/* A new answer begins: a 100 Continue or a proxy's head before it is forgotten. */
static void
head_start(struct transfer_head *h, struct span line)
{
	struct span rest = line;
	struct span part;
	uint64_t status = 0;
	bool versioned;

	h->status = 0;
	h->content_type[0] = '\0';
	h->request_id[0] = '\0';
	h->error_type[0] = '\0';
	h->encoded = false;
	buf_reset(&h->relay, HOLD_KEEP);
	versioned = span_next(&rest, ' ', &part);
	if (versioned && span_next(&rest, ' ', &part) && num_u64(part, 999, &status) == 0)
		h->status = (int)status;
}

static void
take_value(struct span value, char *to, size_t size)
{
	if (value.n < size && header_value_ok(value)) {
		memcpy(to, value.p, value.n);
		to[value.n] = '\0';
	}
}

/* Anthropic's, AWS's and OpenAI's. */
static bool
is_request_id(const char *name)
{
	return strcmp(name, "request-id") == 0 || strcmp(name, "x-amzn-requestid") == 0 ||
	    strcmp(name, "x-request-id") == 0;
}

static int
head_line(struct transfer_head *h, struct span name, struct span value)
{
	char lower[HEADER_NAME_LEN];

	if (name.n >= sizeof(lower) || !header_value_ok(value))
		return 0;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	lower[name.n] = '\0';
	if (strcmp(lower, "content-type") == 0) {
		take_value(value, h->content_type, sizeof(h->content_type));
	} else if (is_request_id(lower) && (lower[0] != 'x' || !h->request_id[0])) {
		take_value(value, h->request_id, sizeof(h->request_id));
	} else if (strcmp(lower, "x-amzn-errortype") == 0) {
		take_value(value, h->error_type, sizeof(h->error_type));
	} else if (strcmp(lower, "content-encoding") == 0) {
		h->encoded = !span_eq_nocase(value, SPAN("identity"));
	} else if (header_relay(span_of(lower)) &&
	    name.n + value.n + 4 <=
		h->relay.max - h->relay.len) { /* what does not fit is left out */
		return buf_add(&h->relay, span_of(lower)) || buf_add(&h->relay, SPAN(": ")) ||
		    buf_add(&h->relay, value) || buf_add(&h->relay, SPAN("\r\n"));
	}
	return 0;
}

/* `HTTP/1.1 200 OK`, and no header of such a name. */
static bool
is_status_line(struct span line)
{
	return span_starts(line, SPAN("HTTP/")) && line.n > 5 && line.p[5] >= '0' &&
	    line.p[5] <= '9';
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct run *r = arg;
	struct transfer_head *h = &r->t->head;
	struct span line = { p, size * n };
	struct span trimmed = span_trim(line);
	const char *colon = memchr(trimmed.p, ':', trimmed.n);

	r->answered = true;
	if (r->headed) /* trailers of a chunked answer */
		return line.n;
	if (is_status_line(trimmed)) {
		head_start(h, trimmed);
		return line.n;
	}
	if (trimmed.n > 0) {
		size_t at = colon ? (size_t)(colon - trimmed.p) : 0;

		if (colon &&
		    head_line(h, span_cut(trimmed, 0, at),
			span_trim(span_cut(trimmed, at + 1, trimmed.n))))
			return 0;
		return line.n;
	}
	if (h->status >= 100 && h->status < 200 && h->status != 101)
		return line.n; /* the answer is still to come, and its limit goes on */
	r->heard_ms = clock_mono_ms();
	r->headed = true;
	r->stopped = r->sink->head(r->arg, h) != 0;
	return r->stopped ? 0 : line.n;
}

static size_t
on_data(char *p, size_t size, size_t n, void *arg)
{
	struct run *r = arg;

	r->heard_ms = clock_mono_ms();
	r->stopped = r->stopped || r->sink->data(r->arg, (struct span){ p, size * n }) != 0;
	r->heard_ms =
	    clock_mono_ms(); /* a client that reads slowly is not the upstream's silence */
	return r->stopped ? 0 : size * n;
}

static size_t
on_read(char *to, size_t size, size_t n, void *arg)
{
	struct run *r = arg;
	long got = outbody_read(r->order->request, r->order->body, r->sent, to, size * n);

	if (got < 0)
		return CURL_READFUNC_ABORT;
	r->sent += (uint64_t)got;
	return (size_t)got;
}

/* libcurl rewinds when a kept connection turns out to be dead and the request goes out once more.
 */
static int
on_seek(void *arg, curl_off_t offset, int origin)
{
	struct run *r = arg;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_FAIL;
	r->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static int
on_ask(void *arg, char *there, char *here, int there_port, int here_port)
{
	struct run *r = arg;

	(void)there;
	(void)here;
	(void)there_port;
	r->spoilt = !links_ask(&r->t->links, here_port);
	return r->spoilt ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* Notes whether the connection carries frames of HTTP/2. */
static void
note_link(struct run *r)
{
	long port, version;

	if (curl_easy_getinfo(r->t->easy, CURLINFO_HTTP_VERSION, &version) == CURLE_OK &&
	    version >= CURL_HTTP_VERSION_2_0 &&
	    curl_easy_getinfo(r->t->easy, CURLINFO_LOCAL_PORT, &port) == CURLE_OK)
		links_mixed(&r->t->links, port);
}

static int
set_headers(struct run *r)
{
	/* Without these libcurl would wait for a 100 Continue and make up a type for the body. */
	static const char *const without[] = { "Expect:", "Accept-Encoding:", NULL };

	r->headers = headerlist_make(buf_span(&r->order->request->headers), without);
	return !r->headers || curl_easy_setopt(r->t->easy, CURLOPT_HTTPHEADER, r->headers) ? -1 : 0;
}

/* A small body goes out together with the headers in one write; a large one is read from its file
 * piece by piece. */
static int
set_body(struct run *r)
{
	CURL *easy = r->t->easy;
	const struct transfer_order *o = r->order;
	struct span body;
	int rc;

	rc = curl_easy_setopt(easy, CURLOPT_POST, 1L) ||
	    curl_easy_setopt(
		easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)outbody_len(o->request, o->body));
	if (o->request->body.len > 0)
		return rc || curl_easy_setopt(easy, CURLOPT_POSTFIELDS, o->request->body.p) ? -1
											    : 0;
	if (o->body->fd >= 0) {
		return rc || curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read) ||
			curl_easy_setopt(easy, CURLOPT_READDATA, r) ||
			curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek) ||
			curl_easy_setopt(easy, CURLOPT_SEEKDATA, r)
		    ? -1
		    : 0;
	}
	body = buf_span(&o->body->mem);
	if (o->request->edits_n > 0) {
		if (json_splice(body, o->request->edits, o->request->edits_n, &r->t->spliced))
			return -1;
		body = buf_span(&r->t->spliced);
	}
	return rc || curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.p) ? -1 : 0;
}

static int
set_options(struct run *r)
{
	CURL *easy = r->t->easy;
	const struct transfer_order *o = r->order;
	const char *url = o->request->url.p;

	return curl_easy_setopt(easy, CURLOPT_URL, url) ||
		curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) ||
		curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) ||
		curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") ||
		curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) ||
		curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_ms) ||
		curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER) ||
		curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER) ||
		curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) ||
		curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) ||
		(o->ca_file && curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file)) ||
		curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, r->error) ||
		curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ask) ||
		curl_easy_setopt(easy, CURLOPT_PREREQDATA, r) ||
		curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) ||
		curl_easy_setopt(easy, CURLOPT_HEADERDATA, r) ||
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data) ||
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, r)
	    ? -1
	    : 0;
}

/* Which limit ends next, and whether it has. */
static enum fault
check_limits(const struct run *r, int64_t now, int64_t *wait_ms)
{
	int64_t since = r->heard_ms ? r->heard_ms : r->started_ms;
	int64_t limit = r->heard_ms ? r->order->idle_ms : r->order->first_ms;
	int64_t left = since + limit - now;

	if (left <= 0)
		return r->heard_ms ? FAULT_UP_IDLE : FAULT_UP_TIMEOUT;
	if (*wait_ms < 0 || *wait_ms > left)
		*wait_ms = left;
	return FAULT_NONE;
}

/* True when at least a byte of an answer has come. */
static bool
has_answered(const struct run *r)
{
	curl_off_t first_us = 0;

	return curl_easy_getinfo(r->t->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_us) ==
	    CURLE_OK &&
	    first_us > 0;
}

static enum fault
fault_of(const struct run *r, CURLcode code)
{
	/* For want of memory libcurl says this and that. */
	if (code != CURLE_OK && !r->stopped && errno == ENOMEM)
		return FAULT_INTERNAL;
	switch (code) {
	case CURLE_OK:
		return FAULT_NONE;
	case CURLE_OUT_OF_MEMORY: /* what libcurl says of a header line over its limit, too */
		return has_answered(r) ? FAULT_UP_ANSWER : FAULT_INTERNAL;
	case CURLE_UNSUPPORTED_PROTOCOL: /* an answer that is no HTTP: the URL was checked */
	case CURLE_WEIRD_SERVER_REPLY:
		return FAULT_UP_ANSWER;
	case CURLE_ABORTED_BY_CALLBACK:
		return FAULT_INTERNAL;
	case CURLE_URL_MALFORMAT:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_OPERATION_TIMEDOUT: /* only connecting has a limit inside libcurl */
		return FAULT_UP_CONNECT;
	default:
		return r->stopped ? FAULT_NONE : FAULT_UP_CUT;
	}
}

/* The end of the one transfer, if it has ended. */
static bool
finished(const struct run *r, enum fault *out)
{
	int left;
	CURLMsg *msg = curl_multi_info_read(r->t->multi, &left);

	if (!msg || msg->msg != CURLMSG_DONE)
		return false;
	*out = fault_of(r, msg->data.result);
	/* To libcurl a connection that is closed in a head is the end of it. */
	if (*out == FAULT_NONE && !r->headed)
		*out = FAULT_UP_CUT;
	return true;
}

static enum fault
run_loop(struct run *r)
{
	struct curl_waitfd watch = { .fd = r->order->watch_fd, .events = CURL_WAIT_POLLIN };
	enum fault f = FAULT_NONE;

	for (;;) {
		int running;
		int64_t wait_ms = -1;

		errno = 0;
		if (curl_multi_perform(r->t->multi, &running) != CURLM_OK)
			return FAULT_INTERNAL;
		if (finished(r, &f) || r->stopped)
			return r->stopped ? FAULT_NONE : f;
		r->stopped =
		    r->sink->tick(r->arg, (watch.revents & CURL_WAIT_POLLIN) != 0, &wait_ms) != 0;
		if (r->stopped)
			return FAULT_NONE;
		f = check_limits(r, clock_mono_ms(), &wait_ms);
		if (f)
			return f;
		watch.revents = 0;
		if (curl_multi_poll(r->t->multi, &watch, watch.fd >= 0,
			(int)(wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS), NULL) != CURLM_OK)
			return FAULT_INTERNAL;
	}
}

/* Lets libcurl let go of the caller's bytes. A transfer that is not over takes its connection with
 * it, so that the upstream sees at once that nobody listens; the handle is made anew for the next
 * run, since libcurl 7.88 keeps a stale pointer to the last header of this one over a reset. */
static void
run_end(struct run *r, bool over)
{
	struct transfer *t = r->t;

	if (!over)
		(void)curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
	curl_multi_remove_handle(t->multi, t->easy);
	curl_easy_cleanup(t->easy);
	t->easy = make_easy(t);
	headerlist_free(r->headers);
	buf_reset(&t->spliced, HOLD_KEEP);
}

/* One try. *stale: a kept connection turned out to be dead before a byte of an answer came, or must
 * not be asked. */
static enum fault
run_once(struct run *r, bool fresh, bool *stale)
{
	enum fault f = FAULT_INTERNAL;
	long connects = 1;

	*stale = false;
	if (!r->t->easy) /* there was no memory for it when the last one ended */
		r->t->easy = make_easy(r->t);
	if (r->t->easy && set_options(r) == 0 && set_body(r) == 0 && set_headers(r) == 0 &&
	    (!fresh || curl_easy_setopt(r->t->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK) &&
	    curl_multi_add_handle(r->t->multi, r->t->easy) == CURLM_OK) {
		f = run_loop(r);
		note_link(r);
		*stale = r->spoilt;
		if (f == FAULT_UP_CUT && !r->answered && !r->stopped &&
		    curl_easy_getinfo(r->t->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK)
			*stale = connects == 0;
	}
	run_end(r, f == FAULT_NONE && !r->stopped);
	return f;
}

enum fault
transfer_run(struct transfer *t, const struct transfer_order *order,
    const struct transfer_sink *sink, void *arg, char reason[static MESSAGE_MAX])
{
	struct run r = {
		.t = t, .order = order, .sink = sink, .arg = arg, .started_ms = clock_mono_ms()
	};
	bool stale;
	enum fault f;

	reason[0] = '\0';
	head_start(&t->head, (struct span){ 0 });
	f = run_once(&r, false, &stale);
	if (stale) {
		r.spoilt = false;
		r.sent = 0;
		r.headers = NULL;
		f = run_once(&r, true, &stale);
	}
	if (f)
		(void)snprintf(
		    reason, MESSAGE_MAX, "%s", r.error[0] ? r.error : fault_row(f)->message);
	return f;
}
