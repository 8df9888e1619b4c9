/* watch: an epoll over the client's connection and the cut descriptor. Only the end of the
 * connection counts: a host may leave records of its own unread on it. */
#include "front/watch.h"

#include <sys/epoll.h>
#include <unistd.h>

int
watch_open(int cut_fd)
{
	struct epoll_event cut = { .events = EPOLLIN, .data.u32 = WATCH_CUT };
	int watch = epoll_create1(EPOLL_CLOEXEC);

	if (watch >= 0 && cut_fd >= 0 && epoll_ctl(watch, EPOLL_CTL_ADD, cut_fd, &cut)) {
		(void)close(watch);
		return -1;
	}
	return watch;
}

int
watch_add(int watch, struct front_seat *seat)
{
	uint32_t events = 0;
	int fd = seat->front->watch_fd(seat, &events);
	struct epoll_event client = { .events = events, .data.u32 = WATCH_CLIENT_GONE };

	if (fd < 0 || epoll_ctl(watch, EPOLL_CTL_ADD, fd, &client))
		return -1;
	return fd;
}

void
watch_remove(int watch, int client_fd)
{
	if (client_fd >= 0)
		(void)epoll_ctl(watch, EPOLL_CTL_DEL, client_fd, NULL);
}

enum watch_seen
watch_look(int watch)
{
	struct epoll_event seen[2];
	int n = epoll_wait(watch, seen, 2, 0);
	enum watch_seen what = WATCH_NOTHING;

	for (int i = 0; i < n; i++) {
		if (seen[i].data.u32 == WATCH_CLIENT_GONE)
			return WATCH_CLIENT_GONE;
		what = WATCH_CUT;
	}
	return what;
}
