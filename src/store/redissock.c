/* redissock: see the header. The socket never blocks. TLS runs over buffers in memory, so that the
 * same two functions send and receive for both kinds of stream, without a SIGPIPE. */
#include "store/redissock.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "store/redisname.h"

#define TLS_STEP     4096
#define KEEPALIVE_S  30
#define KEEPALIVES   3
#define ADDRESS_ROOM (sizeof(struct in6_addr))

struct redissock_peer {
	const struct conf_store *conf;
	struct redisname *name; /* NULL: the server is at a path */
	SSL_CTX *context;	/* NULL: no TLS */
};

static const char *
trust(struct redissock_peer *p)
{
	const char *ca_file = p->conf->ca_file;

	p->context = SSL_CTX_new(TLS_client_method());
	if (!p->context)
		return "out of memory";
	SSL_CTX_set_verify(p->context, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_set_min_proto_version(p->context, TLS1_2_VERSION) == 1 &&
	    (ca_file ? SSL_CTX_load_verify_locations(p->context, ca_file, NULL)
		     : SSL_CTX_set_default_verify_paths(p->context)) == 1)
		return NULL;
	ERR_clear_error();
	return "the certificates to trust cannot be read";
}

struct redissock_peer *
redissock_peer_open(const struct conf_store *c, const char **why)
{
	struct redissock_peer *p = calloc(1, sizeof(*p));

	*why = "out of memory";
	if (!p)
		return NULL;
	p->conf = c;
	if (c->host)
		p->name = redisname_open(c->host, c->port);
	if (p->name || !c->host)
		*why = c->tls ? trust(p) : NULL;
	if (!*why)
		return p;
	redissock_peer_close(p);
	return NULL;
}

void
redissock_peer_close(struct redissock_peer *p)
{
	if (!p)
		return;
	SSL_CTX_free(p->context);
	redisname_close(p->name);
	free(p);
}

/* Waits until the socket can be read or written. -1 when the time is over. */
static int
wait_for(int fd, short events, int64_t deadline_ms)
{
	for (;;) {
		int64_t left_ms = deadline_ms - clock_mono_ms();
		struct pollfd p = { .fd = fd, .events = events };
		int n;

		if (left_ms <= 0)
			return -1;
		n = poll(&p, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

static bool
try_again(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

static int
send_all(int fd, struct span bytes, int64_t deadline_ms)
{
	while (bytes.n > 0) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n > 0)
			bytes = span_cut(bytes, (size_t)n, bytes.n);
		else if (n < 0 && errno == EINTR)
			continue;
		else if (n == 0 || !try_again() || wait_for(fd, POLLOUT, deadline_ms) < 0)
			return -1;
	}
	return 0;
}

static ssize_t
receive(int fd, char *out, size_t n, int64_t deadline_ms)
{
	for (;;) {
		ssize_t got = recv(fd, out, n, 0);

		if (got >= 0)
			return got;
		if (errno == EINTR)
			continue;
		if (!try_again() || wait_for(fd, POLLIN, deadline_ms) < 0)
			return -1;
	}
}

/* Sends what TLS has ready to be sent. */
static int
tls_flush(const struct redissock *s, int64_t deadline_ms)
{
	BIO *out = SSL_get_wbio(s->tls);
	char step[TLS_STEP];
	int n;

	while ((n = BIO_read(out, step, sizeof(step))) > 0)
		if (send_all(s->fd, (struct span){ step, (size_t)n }, deadline_ms) < 0)
			return -1;
	return 0;
}

/* After a call of TLS that gave rc: sends what is to be sent, and brings what it waits for. 0: the
 * call is to be made again; 1: the peer has ended; -1: broken. */
static int
tls_turn(const struct redissock *s, int rc, int64_t deadline_ms)
{
	int error = SSL_get_error(s->tls, rc);
	char step[TLS_STEP];
	ssize_t n;

	if (tls_flush(s, deadline_ms) < 0)
		return -1;
	if (error == SSL_ERROR_ZERO_RETURN)
		return 1;
	if (error != SSL_ERROR_WANT_READ)
		return -1;
	n = receive(s->fd, step, sizeof(step), deadline_ms);
	if (n <= 0)
		return n == 0 ? 1 : -1;
	return BIO_write(SSL_get_rbio(s->tls), step, (int)n) == (int)n ? 0 : -1;
}

static int
tls_handshake(const struct redissock *s, int64_t deadline_ms)
{
	int rc;

	for (;;) {
		ERR_clear_error();
		rc = SSL_connect(s->tls);
		if (rc == 1)
			return tls_flush(s, deadline_ms);
		if (tls_turn(s, rc, deadline_ms) != 0)
			return -1;
	}
}

static bool
is_address(const char *host)
{
	uint8_t address[ADDRESS_ROOM];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Only names go into SNI (RFC 6066 3); a certificate is for either. */
static int
tls_expect(SSL *tls, char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1 ? 0 : -1;
	SSL_set_hostflags(tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(tls, host) == 1 && SSL_set_tlsext_host_name(tls, host) == 1 ? 0 : -1;
}

static const char *
tls_start(struct redissock *s, const struct redissock_peer *p, int64_t by_ms)
{
	BIO *in = BIO_new(BIO_s_mem());
	BIO *out = BIO_new(BIO_s_mem());
	const char *why = NULL;

	s->tls = SSL_new(p->context);
	if (!s->tls || !in || !out) {
		BIO_free(in);
		BIO_free(out);
		return "out of memory";
	}
	SSL_set_bio(s->tls, in, out);
	if (tls_expect(s->tls, p->conf->host) < 0)
		why = "its name cannot be verified";
	else if (tls_handshake(s, by_ms) < 0)
		why = SSL_get_verify_result(s->tls) == X509_V_OK
		    ? "TLS could not be begun"
		    : "its certificate is not trusted or not for this name";
	ERR_clear_error();
	return why;
}

/* Connects a new socket; the stream's fd is open on 0. */
static int
try_address(struct redissock *s, const struct sockaddr *address, socklen_t len, int64_t deadline_ms)
{
	socklen_t error_len = sizeof(int);
	int error = 0;

	s->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -1;
	if (connect(s->fd, address, len) == 0)
		return 0;
	if ((errno == EINPROGRESS || errno == EINTR) &&
	    wait_for(s->fd, POLLOUT, deadline_ms) == 0 &&
	    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &error_len) == 0 && error == 0)
		return 0;
	redissock_close(s);
	return -1;
}

static const char *
connect_unix(struct redissock *s, const char *path, int64_t deadline_ms)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(path);

	if (n >= sizeof(a.sun_path))
		return "the path of its socket is too long";
	(void)memcpy(a.sun_path, path, n);
	return try_address(s, (const struct sockaddr *)(const void *)&a, sizeof(a), deadline_ms) ==
		0
	    ? NULL
	    : "it cannot be connected to";
}

/* A peer that has vanished is noticed within two minutes also while nothing is asked. */
static void
tune_tcp(int fd)
{
	const int yes = 1, idle_s = KEEPALIVE_S, probes = KEEPALIVES;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

/* Every address gets its share of the time. */
static const char *
connect_tcp(struct redissock *s, struct redisname *name, int64_t deadline_ms)
{
	struct redisname_list list;

	if (redisname_find(name, deadline_ms, &list) < 0)
		return "its name cannot be resolved";
	for (size_t i = 0; i < list.n && s->fd < 0; i++) {
		int64_t now_ms = clock_mono_ms();
		int64_t share_ms = (deadline_ms - now_ms) / (int64_t)(list.n - i);

		(void)try_address(s, (const struct sockaddr *)(const void *)&list.at[i].address,
		    list.at[i].len, now_ms + share_ms);
	}
	if (s->fd < 0)
		return "it cannot be connected to";
	tune_tcp(s->fd);
	return NULL;
}

int
redissock_connect(
    struct redissock *s, struct redissock_peer *p, int64_t deadline_ms, const char **why)
{
	*s = (struct redissock){ .fd = -1 };
	*why = p->name ? connect_tcp(s, p->name, deadline_ms)
		       : connect_unix(s, p->conf->path, deadline_ms);
	if (!*why && p->context)
		*why = tls_start(s, p, deadline_ms);
	if (!*why)
		return 0;
	if (p->name)
		redisname_doubt(p->name);
	redissock_close(s);
	return -1;
}

int
redissock_write(struct redissock *s, struct span bytes, int64_t deadline_ms)
{
	if (!s->tls)
		return send_all(s->fd, bytes, deadline_ms);
	while (bytes.n > 0) {
		size_t n = 0;
		int rc;

		ERR_clear_error();
		rc = SSL_write_ex(s->tls, bytes.p, bytes.n, &n);
		if (rc == 1)
			bytes = span_cut(bytes, n, bytes.n);
		else if (tls_turn(s, rc, deadline_ms) != 0)
			return -1;
	}
	return tls_flush(s, deadline_ms);
}

ssize_t
redissock_read(struct redissock *s, char *out, size_t n, int64_t deadline_ms)
{
	if (!s->tls)
		return receive(s->fd, out, n, deadline_ms);
	for (;;) {
		size_t got = 0;
		int rc;

		ERR_clear_error();
		rc = SSL_read_ex(s->tls, out, n, &got);
		if (rc == 1)
			return (ssize_t)got;
		rc = tls_turn(s, rc, deadline_ms);
		if (rc != 0)
			return rc > 0 ? 0 : -1;
	}
}

bool
redissock_quiet(const struct redissock *s)
{
	char byte;

	return s->fd >= 0 && recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && try_again();
}

void
redissock_close(struct redissock *s)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	SSL_free(s->tls);
	s->tls = NULL;
	if (s->fd < 0)
		return;
	(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(s->fd);
	s->fd = -1;
}
