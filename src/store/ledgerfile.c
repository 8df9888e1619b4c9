/* ledgerfile: see the header. Nothing is kept open between two calls, so that a rotation needs no
 * signal: the file is looked for by its name each time. */
#include "store/ledgerfile.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"

#define FILE_MODE 0640
#define BLOCK	  (64 * KIB) /* read at once */
#define OPEN_WAYS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

#define NAME_BEGIN   "ledger-"
#define NAME_PATTERN "ledger-0000-00.jsonl" /* 0: any digit */
static_assert(sizeof(NAME_PATTERN) <= LEDGER_NAME_LEN, "names fit");

static int
fail(const char *name, const char *what)
{
	int error = errno;
	char file[LOG_VALUE_LEN];

	(void)log_value(span_of(name), file);
	errno = error;
	log_error("ledger", "file=%s what=\"%s\" why=\"%m\"", file, what);
	return -1;
}

/* Opens a plain file of the folder and looks at it. The descriptor, or -1 with errno set. */
static int
open_plain(int folder, const char *name, int flags, struct stat *st)
{
	int fd = openat(folder, name, flags | OPEN_WAYS, FILE_MODE);
	int error;

	if (fd < 0)
		return -1;
	if (fstat(fd, st) == 0) {
		if (S_ISREG(st->st_mode))
			return fd;
		errno = EINVAL;
	}
	error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

/* Whether the bytes before an offset end with a whole line; -1 with errno set when they cannot be
 * read. */
static int
line_ends(int fd, uint64_t at)
{
	char last = '\n';
	ssize_t n = 1;

	if (at > 0)
		n = pread(fd, &last, 1, (off_t)at - 1);
	return n < 0 ? -1 : n == 1 && last == '\n';
}

/* Writes all; -1 with errno set. A write that is short is followed by one that says why. */
static int
write_all(int fd, struct span text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n == 0)
			errno = ENOSPC;
		if (n == 0 || (n < 0 && errno != EINTR))
			return -1;
		if (n > 0)
			text = span_cut(text, (size_t)n, text.n);
	}
	return 0;
}

/* Catching up. */

struct walk {
	DIR *folder;
	struct totals_mark mark; /* as far as it was read */
	ledgerfile_line *fn;
	void *arg;
	struct buf held; /* bytes of a file that were not looked at yet */
	struct buf text; /* of the line that is looked at */
};

/* A file that is being read. */
struct source {
	int fd;
	const char *name;
	uint64_t at;   /* where the held bytes stand in it */
	bool too_long; /* they belong to a line that has no end so far and is none */
	bool closed;   /* a torn end got its newline */
	uint64_t taken, damaged, damaged_at;
};

/* One line, without its newline; one that the text has no room for is too long to be one. -1 when
 * the caller wants no more. */
static int
take_line(struct walk *w, struct source *f, struct span line)
{
	struct ledger_entry e;

	if (line.n == 0 && !f->too_long)
		return 0;
	if (f->too_long || ledger_parse(line, &e, &w->text) < 0) {
		f->too_long = false;
		if (f->damaged++ == 0)
			f->damaged_at = f->at;
		return 0;
	}
	if (e.seq <= w->mark.seq)
		return 0;
	if (w->fn(w->arg, &e) != 0)
		return -1;
	w->mark.seq = e.seq;
	f->taken++;
	return 0;
}

/* All whole lines that are held. */
static int
take_lines(struct walk *w, struct source *f)
{
	const char *end;
	size_t used = 0;
	int rc = 0;

	while (rc == 0 && (end = memchr(w->held.p + used, '\n', w->held.len - used))) {
		size_t n = (size_t)(end - w->held.p) - used;

		rc = take_line(w, f, (struct span){ w->held.p + used, n });
		used += n + 1;
		f->at += n + 1;
	}
	buf_drop(&w->held, used);
	if (w->held.len > LEDGER_LINE_MAX) {
		f->too_long = true;
		f->at += w->held.len;
		w->held.len = 0;
	}
	return rc;
}

/* Holds more of the file. As read(2). */
static ssize_t
hold_more(struct walk *w, const struct source *f)
{
	ssize_t n;
	char *to;

	if (buf_room(&w->held, BLOCK, &to) < 0) {
		errno = ENOMEM;
		return -1;
	}
	do {
		n = pread(f->fd, to, BLOCK, (off_t)(f->at + w->held.len));
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		w->held.len += (size_t)n;
	return n;
}

/* Reads whole lines to the end of the file; what is held then has no newline. */
static int
read_lines(struct walk *w, struct source *f)
{
	ssize_t n;

	w->held.len = 0;
	while ((n = hold_more(w, f)) > 0) {
		if (take_lines(w, f) < 0)
			return -1;
	}
	return n < 0 ? fail(f->name, "cannot be read") : 0;
}

/* A line whose newline alone is missing is a whole one, since it will be one as soon as it is
 * closed; all else is closed so that the next line does not stick to it. */
static int
close_end(struct walk *w, struct source *f)
{
	if (w->held.len == 0 && !f->too_long)
		return 0;
	if (take_line(w, f, buf_span(&w->held)) < 0)
		return -1;
	if (write_all(f->fd, SPAN("\n")) < 0)
		return fail(f->name, "its torn end cannot be closed");
	f->at += w->held.len + 1;
	w->held.len = 0;
	f->closed = true;
	return 0;
}

static void
tell_damage(const struct source *f)
{
	char file[LOG_VALUE_LEN];

	if (f->damaged > 0)
		log_warn("ledger",
		    "file=%s lines=%llu offset=%llu what=\"damaged lines are passed over\"",
		    log_value(span_of(f->name), file), (unsigned long long)f->damaged,
		    (unsigned long long)f->damaged_at);
}

/* What counts from now on must not be lost in a power cut: its writer may have died before it could
 * see to that. */
static int
sync_found(const struct walk *w, const struct source *f)
{
	if (fdatasync(f->fd) < 0 || fsync(dirfd(w->folder)) < 0)
		return fail(f->name, "cannot be written to the disk");
	return 0;
}

/* The file is the mark's from now on when it was so before, or when it has gone on with it. */
static void
move_mark(struct walk *w, const struct source *f, const struct stat *st)
{
	if (f->taken == 0 && strcmp(f->name, w->mark.file) != 0)
		return;
	memmove(w->mark.file, f->name, strlen(f->name) + 1);
	w->mark.dev = st->st_dev;
	w->mark.ino = st->st_ino;
	w->mark.size = f->at;
}

/* Reads a file from the mark on when it is the one that the mark means and has only grown, else
 * from its start: lines that were there before are known by their numbers. */
static int
read_named(struct walk *w, const char *name)
{
	struct source f = { .name = name };
	struct stat st;
	int rc;

	f.fd = open_plain(dirfd(w->folder), name, O_RDWR | O_APPEND, &st);
	if (f.fd < 0)
		return errno == ENOENT ? 0 : fail(name, "cannot be opened");
	if (st.st_dev == w->mark.dev && st.st_ino == w->mark.ino &&
	    (uint64_t)st.st_size >= w->mark.size && line_ends(f.fd, w->mark.size) > 0)
		f.at = w->mark.size;
	rc = read_lines(w, &f);
	if (rc == 0)
		rc = close_end(w, &f);
	if (rc == 0 && (f.taken > 0 || f.closed))
		rc = sync_found(w, &f);
	(void)close(f.fd);
	if (rc == 0) {
		move_mark(w, &f, &st);
		tell_damage(&f);
	}
	return rc;
}

/* The mark's file under the name that a rotation gave it. What is written there belongs to the
 * rotation, so that whole lines are taken and nothing is changed. */
static int
read_renamed(struct walk *w, const char *name)
{
	struct source f = { .name = name, .at = w->mark.size };
	struct stat st;
	int rc = 0;

	f.fd = open_plain(dirfd(w->folder), name, O_RDONLY, &st);
	if (f.fd < 0)
		return 0;
	if (st.st_dev == w->mark.dev && st.st_ino == w->mark.ino &&
	    (uint64_t)st.st_size > w->mark.size && line_ends(f.fd, w->mark.size) > 0)
		rc = read_lines(w, &f);
	if (rc == 0 && f.taken > 0) {
		rc = sync_found(w, &f);
		w->mark.size = f.at;
	}
	(void)close(f.fd);
	return rc;
}

/* Looks for the file that stood under the mark's name, in the same folder. */
static int
read_moved(struct walk *w)
{
	const struct dirent *entry;
	int rc = 0;

	rewinddir(w->folder);
	while (rc == 0 && (entry = readdir(w->folder))) {
		if (entry->d_ino == w->mark.ino &&
		    span_starts(span_of(entry->d_name), SPAN(NAME_BEGIN)))
			rc = read_renamed(w, entry->d_name);
	}
	return rc;
}

/* The mark's own file. */
static int
read_known(struct walk *w)
{
	char name[LEDGER_NAME_LEN];
	struct stat st;
	bool there, same;

	if (!w->mark.file[0])
		return 0;
	memcpy(name, w->mark.file, sizeof(name));
	there = fstatat(dirfd(w->folder), name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!there && errno != ENOENT)
		return fail(name, "cannot be looked at");
	same = there && st.st_dev == w->mark.dev && st.st_ino == w->mark.ino;
	if (same && (uint64_t)st.st_size == w->mark.size)
		return 0;
	if (!same && read_moved(w) < 0)
		return -1;
	return there ? read_named(w, name) : 0;
}

static bool
is_name(const char *name)
{
	static const char pattern[] = NAME_PATTERN;

	for (size_t i = 0; i < sizeof(pattern); i++) {
		bool digit = name[i] >= '0' && name[i] <= '9';

		if (pattern[i] == '0' ? !digit : name[i] != pattern[i])
			return false;
	}
	return true;
}

/* The first file of a month after that of a name; false when there is none. The order of names is
 * that of months. */
static bool
find_next(struct walk *w, const char *after, char out[static LEDGER_NAME_LEN])
{
	const struct dirent *entry;

	out[0] = '\0';
	rewinddir(w->folder);
	while ((entry = readdir(w->folder))) {
		if (is_name(entry->d_name) && strcmp(entry->d_name, after) > 0 &&
		    (!out[0] || strcmp(entry->d_name, out) < 0))
			memcpy(out, entry->d_name, sizeof(NAME_PATTERN));
	}
	return out[0] != '\0';
}

static int
read_later(struct walk *w)
{
	char last[LEDGER_NAME_LEN], name[LEDGER_NAME_LEN];
	int rc = 0;

	memcpy(last, w->mark.file, sizeof(last));
	while (rc == 0 && find_next(w, last, name)) {
		rc = read_named(w, name);
		memcpy(last, name, sizeof(last));
	}
	return rc;
}

int
ledgerfile_catch_up(const char *folder, struct totals_mark *mark, ledgerfile_line *fn, void *arg)
{
	struct walk w = { .mark = *mark,
		.fn = fn,
		.arg = arg,
		.folder = opendir(folder),
		.held = buf_make(LEDGER_LINE_MAX + BLOCK),
		.text = buf_make(LEDGER_LINE_MAX) };
	char *room;
	int rc = -1;

	/* With its room made before, no line is taken for a damaged one for want of memory. */
	if (!w.folder)
		(void)fail(folder, "the folder cannot be read");
	else if (buf_room(&w.text, LEDGER_LINE_MAX, &room) < 0)
		log_error("ledger", "what=\"out of memory\"");
	else
		rc = read_known(&w);
	if (rc == 0)
		rc = read_later(&w);
	if (rc == 0)
		*mark = w.mark;
	if (w.folder)
		(void)closedir(w.folder);
	buf_free(&w.held);
	buf_free(&w.text);
	return rc;
}

/* Appending. */

static int
append_text(int fd, const struct stat *before, struct span text)
{
	int whole = line_ends(fd, (uint64_t)before->st_size);

	if (whole < 0 || (whole == 0 && write_all(fd, SPAN("\n")) < 0) || write_all(fd, text) < 0)
		return -1;
	return fdatasync(fd);
}

/* Appends to a file of the folder, which is made when it is missing. *st is the file after it. */
static int
append_file(int folder, const char *name, struct span text, struct stat *st)
{
	int fd = open_plain(folder, name, O_RDWR | O_APPEND | O_CREAT, st);
	off_t before;
	int rc, error;

	if (fd < 0)
		return -1;
	before = st->st_size;
	rc = append_text(fd, st, text);
	if (rc == 0 && before == 0)
		rc = fsync(folder);
	if (rc == 0)
		rc = fstat(fd, st);
	error = errno;
	/* When this fails, too, the next catching up finds what was left. */
	if (rc < 0)
		(void)!ftruncate(fd, before);
	(void)close(fd);
	errno = error;
	return rc;
}

int
ledgerfile_append(
    const char *folder, const char *name, struct span text, uint64_t seq, struct totals_mark *mark)
{
	size_t name_len = strlen(name);
	struct stat st;
	int fd, rc, error;

	if (name_len >= sizeof(mark->file)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (strcmp(name, mark->file) < 0)
		name = mark->file;
	rc = append_file(fd, name, text, &st);
	error = errno;
	(void)close(fd);
	errno = error;
	if (rc < 0)
		return -1;
	if (name != mark->file)
		memcpy(mark->file, name, name_len + 1);
	mark->dev = st.st_dev;
	mark->ino = st.st_ino;
	mark->size = (uint64_t)st.st_size;
	mark->seq = seq;
	return 0;
}
