/* redissock: one byte stream to a Redis server, over TCP, a Unix socket or TLS; every wait ends at
 * a deadline on clock_mono_ms. It knows nothing of what the bytes mean. The home of libssl. */
#ifndef POSTERN_STORE_REDISSOCK_H
#define POSTERN_STORE_REDISSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/check.h"
#include "base/span.h"
#include "policy/settings.h"

/* Which server is meant and whom TLS trusts; shared by all streams, safe for all threads. */
struct redissock_peer;

/* For the server of c, which is borrowed: with TLS the certificates of its ca_file, or the
 * system's. NULL with *why set when they cannot be read. */
struct redissock_peer *redissock_peer_open(const struct conf_store *c, const char **why);

/* Frees; NULL is fine. */
void redissock_peer_close(struct redissock_peer *p);

struct redissock {
	int fd;	   /* -1: not open */
	void *tls; /* OpenSSL's own, or NULL */
};

/* Connects to the server. With TLS, 1.2 or later is spoken, and the certificate must be valid for
 * the host as it was configured, a name or an address. -1 with *why set to a fixed text. */
MUST_CHECK int redissock_connect(
    struct redissock *s, struct redissock_peer *p, int64_t deadline_ms, const char **why);

/* Writes all of it. -1: the stream is broken or the time is over. */
MUST_CHECK int redissock_write(struct redissock *s, struct span bytes, int64_t deadline_ms);

/* Reads what is there, waiting for at least one byte. 0 at the end of the stream, -1 when it is
 * broken or the time is over. */
MUST_CHECK ssize_t redissock_read(struct redissock *s, char *out, size_t n, int64_t deadline_ms);

/* True when the stream is open and nothing waits to be read: as it has to be between a whole answer
 * and the next question. */
bool redissock_quiet(const struct redissock *s);

/* Closes. What was written and is not on its way yet is thrown away, so that the server does not
 * get it later. */
void redissock_close(struct redissock *s);

#endif
