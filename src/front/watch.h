/* watch: one descriptor that becomes readable when the client leaves or when calls must end now; it
 * stands beside the upstream's socket in every wait. */
#ifndef POSTERN_FRONT_WATCH_H
#define POSTERN_FRONT_WATCH_H

#include "base/check.h"
#include "front/front.h"

enum watch_seen { WATCH_NOTHING, WATCH_CLIENT_GONE, WATCH_CUT };

/* Makes the descriptor (an epoll), watching cut_fd. -1 with errno set. */
MUST_CHECK int watch_open(int cut_fd);

/* Watches the client of a call until its connection is closed or watch_remove is called. Returns
 * the descriptor watched, or -1 when this front cannot know. */
int watch_add(int watch, struct front_seat *seat);

/* Ends what watch_add began; client_fd is what it returned. */
void watch_remove(int watch, int client_fd);

/* What there is to see, without waiting. */
enum watch_seen watch_look(int watch);

#endif
