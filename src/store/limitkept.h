/* limitkept: finished calls that could not be settled or queued, kept for another attempt. They are
 * in memory and live as long as the process; for some of them there is memory in reserve. */
#ifndef POSTERN_STORE_LIMITKEPT_H
#define POSTERN_STORE_LIMITKEPT_H

#include <pthread.h>
#include <stdbool.h>

#include "base/check.h"
#include "store/store.h"

/* One of them, with copies of all that a booking points to. */
struct limitkept_one {
	struct limitkept_one *next;
	struct store_booking booking;
	struct admission_ask ask;
	struct admission_grant grant;
	bool settles, due;
	char bytes[];
};

/* Used by all threads at once. */
struct limitkept {
	pthread_mutex_t mutex;
	struct limitkept_one *first, **end;
	char *reserve;		     /* places for some, should memory be out */
	struct limitkept_one *spare; /* those that are free */
};

/* Starts empty. -1 when memory is out for the reserve, without which it works, too. */
MUST_CHECK int limitkept_init(struct limitkept *k);

/* Frees what is kept; how many calls that were. */
size_t limitkept_free(struct limitkept *k);

/* Keeps a copy. settles: the booking is to be settled, not only queued. -1 when memory is out and
 * the reserve is used up, or the booking too long for it. */
MUST_CHECK int limitkept_add(
    struct limitkept *k, const struct store_booking *b, bool settles, bool due);

/* Takes the oldest out, which is then the caller's; NULL when there is none. */
struct limitkept_one *limitkept_take(struct limitkept *k);

/* Puts it back to its place. */
void limitkept_put_back(struct limitkept *k, struct limitkept_one *one);

/* Frees one that was taken out. */
void limitkept_give(struct limitkept *k, struct limitkept_one *one);

#endif
