/* store_local: see the header. Puts the two halves together: keys by keywatch, the ledger as one
 * open file. */
#include "store/local.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/keywatch.h"

#define LEDGER_MODE 0640
#define LEDGER_NAME 64u
#define RECHECK_MS  1000 /* how often the ledger is looked at for having been moved away */

/* The ledger file of the month, kept open. */
struct ledger_file {
	pthread_mutex_t mutex; /* guards what follows */
	char name[LEDGER_NAME];
	int fd; /* or -1 */
	int64_t checked_ms;
	bool torn;   /* the last write stopped in the middle of a line */
	bool broken; /* the log knows that it cannot be written */
};

struct local {
	struct store store;
	char *state_path;
	struct keywatch *keys;
	struct ledger_file ledger;
};

static struct local *
local_of(struct store *s)
{
	return (struct local *)(void *)s;
}

static int
ledger_path(const struct local *l, const char *name, char out[static PATH_MAX_LEN])
{
	int n = snprintf(out, PATH_MAX_LEN, "%s/%s", l->state_path, name);

	return n > 0 && (size_t)n < PATH_MAX_LEN ? 0 : -1;
}

/* True while the open file is the one that stands under its name: logrotate may have moved or
 * removed it. */
static bool
still_there(const struct ledger_file *f, const char *path)
{
	struct stat open_one;
	struct stat named;

	return fstat(f->fd, &open_one) == 0 && stat(path, &named) == 0 &&
	    open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

static void
close_file(struct ledger_file *f)
{
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
	f->torn = false;
}

/* Makes the file of this name the open one. */
static int
open_file(struct ledger_file *f, const char *path, const char *name)
{
	int64_t now_ms = clock_mono_ms();

	if (f->fd >= 0 && strcmp(f->name, name) == 0 && now_ms - f->checked_ms < RECHECK_MS)
		return 0;
	if (f->fd >= 0 && (strcmp(f->name, name) != 0 || !still_there(f, path)))
		close_file(f);
	f->checked_ms = now_ms;
	if (f->fd >= 0)
		return 0;
	f->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LEDGER_MODE);
	(void)memcpy(f->name, name, strlen(name) + 1);
	return f->fd < 0 ? -1 : 0;
}

/* One write for one line; what a full disk cut off is closed by a newline before the next. */
static int
write_line(struct ledger_file *f, struct span line)
{
	ssize_t n;

	if (f->torn && write(f->fd, "\n", 1) == 1)
		f->torn = false;
	do {
		n = write(f->fd, line.p, line.n);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)line.n)
		return 0;
	if (n > 0)
		f->torn = true;
	if (n >= 0)
		errno = ENOSPC;
	return -1;
}

/* Tells the log when it begins to fail and when it works again, not at every call. */
static void
tell(struct ledger_file *f, const char *path, bool broken)
{
	char file[LOG_VALUE_LEN];

	if (f->broken == broken)
		return;
	f->broken = broken;
	if (broken) {
		int error = errno;

		(void)log_value(span_of(path), file);
		errno = error;
		log_error("ledger", "file=%s what=\"cannot be written\" why=\"%m\"", file);
	} else {
		log_info(
		    "ledger", "file=%s what=\"is written again\"", log_value(span_of(path), file));
	}
}

static enum store_status
local_append(struct store *s, const char *name, struct span line)
{
	struct local *l = local_of(s);
	struct ledger_file *f = &l->ledger;
	char path[PATH_MAX_LEN];
	int rc;

	if (strlen(name) >= LEDGER_NAME || ledger_path(l, name, path) < 0) {
		log_error("ledger", "what=\"the path of the state folder is too long\"");
		return STORE_BROKEN;
	}
	(void)pthread_mutex_lock(&f->mutex);
	rc = open_file(f, path, name);
	if (rc == 0)
		rc = write_line(f, line);
	tell(f, path, rc < 0);
	(void)pthread_mutex_unlock(&f->mutex);
	return rc == 0 ? STORE_OK : STORE_BROKEN;
}

static enum store_status
local_find_key(struct store *s, const uint8_t hash[static HASH_LEN], struct buf *line)
{
	return keywatch_find(local_of(s)->keys, hash, line);
}

static enum store_status
local_probe(struct store *s, const char **why)
{
	const struct local *l = local_of(s);

	if (access(l->state_path, W_OK | X_OK) < 0) {
		*why = "the state folder cannot be written";
		return STORE_BROKEN;
	}
	return keywatch_probe(l->keys, why);
}

static void
local_close(struct store *s)
{
	struct local *l = local_of(s);

	keywatch_close(l->keys);
	close_file(&l->ledger);
	(void)pthread_mutex_destroy(&l->ledger.mutex);
	free(l->state_path);
	free(l);
}

static int
make_folder(const char *path)
{
	char folder[LOG_VALUE_LEN];
	struct stat st;

	if (mkdir(path, 0700) == 0 ||
	    (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	int error = errno;
	(void)log_value(span_of(path), folder);
	errno = error;
	log_error("state", "folder=%s what=\"cannot be made\" why=\"%m\"", folder);
	return -1;
}

static struct store *
local_open(const char *keys_path, const char *state_path)
{
	struct local *l;

	if (make_folder(state_path) < 0)
		return NULL;
	l = calloc(1, sizeof(*l));
	if (!l) {
		log_error("state", "what=\"out of memory\"");
		return NULL;
	}
	l->store.kind = &store_local;
	l->ledger.fd = -1;
	(void)pthread_mutex_init(&l->ledger.mutex, NULL);
	l->state_path = strdup(state_path);
	if (l->state_path)
		l->keys = keywatch_open(keys_path, state_path);
	if (!l->keys) {
		local_close(&l->store);
		return NULL;
	}
	return &l->store;
}

const struct store_kind store_local = {
	.name = "local",
	.open = local_open,
	.find_key = local_find_key,
	.append = local_append,
	.probe = local_probe,
	.close = local_close,
};
