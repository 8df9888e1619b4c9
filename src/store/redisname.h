/* redisname: the addresses of a host. getaddrinfo(3) keeps its own time, so it is called by a
 * thread that nobody has to wait for: a name server that does not answer holds up no call. */
#ifndef POSTERN_STORE_REDISNAME_H
#define POSTERN_STORE_REDISNAME_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/check.h"

#define REDISNAME_MAX 8u

struct redisname;

struct redisname_list {
	size_t n;
	struct {
		struct sockaddr_storage address;
		socklen_t len;
	} at[REDISNAME_MAX];
};

/* For a host, a name or an address in figures; it is copied. Looks up nothing yet. NULL when memory
 * is out. Safe for all threads. */
struct redisname *redisname_open(const char *host, uint64_t port);

/* NULL is fine. A look-up under way does not matter. */
void redisname_close(struct redisname *n);

/* The addresses as they were found lately. Waits for a look-up, until by_ms on clock_mono_ms, only
 * when there are none, and half as long when they are in doubt. -1 when there are none. */
MUST_CHECK int redisname_find(struct redisname *n, int64_t by_ms, struct redisname_list *out);

/* Says that they did not do: they are looked up again before the next use. */
void redisname_doubt(struct redisname *n);

#endif
