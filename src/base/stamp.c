/* stamp: see the header. */
#include "base/stamp.h"

#include <sys/stat.h>
#include <time.h>

/* File times move in steps of a kernel tick, 10 ms at the coarsest in use. */
#define TICK_NS 20000000

static int64_t
ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int
stamp_of(const char *path, struct stamp *out)
{
	struct timespec now;
	struct stat st;

	if (stat(path, &st))
		return -1;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct stamp){ .dev = (uint64_t)st.st_dev,
		.ino = (uint64_t)st.st_ino,
		.size = (uint64_t)st.st_size,
		.mtime_ns = ns_of(st.st_mtim),
		.ctime_ns = ns_of(st.st_ctim),
		.taken_ns = ns_of(now) };
	return 0;
}

bool
stamp_same(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	    a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

bool
stamp_settled(const struct stamp *read, const struct stamp *now)
{
	return read->taken_ns != 0 && stamp_same(read, now) &&
	    read->taken_ns - read->mtime_ns > TICK_NS && read->taken_ns - read->ctime_ns > TICK_NS;
}
