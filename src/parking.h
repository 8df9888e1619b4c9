/* parking: the connections that wait for their hosts in an epoll, so that no thread has to: new
 * ones that have said nothing yet, idle ones that a host keeps for its next request, and lingering
 * ones whose call is over while the host still sends. */
#ifndef POSTERN_PARKING_H
#define POSTERN_PARKING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

enum parked { PARKED_NOT, PARKED_NEW, PARKED_IDLE, PARKED_LINGERING };

struct parking;

/* Makes an empty one over an epoll, which is borrowed. NULL when memory is out. */
struct parking *parking_open(int epoll_fd);

/* Frees it; parking_end_all must have been called. NULL is fine. */
void parking_close(struct parking *p);

/* Lets a connection wait, as PARKED_NEW or PARKED_IDLE until its host says something, or as
 * PARKED_LINGERING until it closes; its descriptor then becomes ready in the epoll. The connection
 * is the parking's from now on; one that cannot wait is closed. */
void parking_add(struct parking *p, int fd, enum parked as);

/* Takes a new connection: the connection itself when its host has said something; else it waits or,
 * where it is over, is closed, and the result is -1. */
int parking_sort(struct parking *p, int fd);

/* A waiting connection has become ready: as parking_sort for a new or an idle one; what comes on a
 * lingering one is thrown away, and it is closed with its host. */
int parking_ready(struct parking *p, int fd);

/* Closes what has lingered for too long; returns the time in ms until it is to be asked again, or
 * -1. */
int parking_sweep(struct parking *p);

/* Closes connections that have been silent, or lingering, for a second: descriptors are out. How
 * many these were. */
unsigned parking_make_room(struct parking *p);

/* How many new ones wait. */
unsigned parking_new(struct parking *p);

/* Closes all but the new ones, and every other that comes later. */
void parking_end(struct parking *p);

/* As parking_end, but new ones as well. */
void parking_end_all(struct parking *p);

#endif
