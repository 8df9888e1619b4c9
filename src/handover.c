/* handover: see the header. */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/num.h"

#define WORD	     "POSTERN_HANDOVER"
#define WORD_TRIAL   "trial"
#define WORD_MAX     (32ul * 1024)
#define CMDLINE_MAX  (1024ul * 1024)
#define CMDLINE_FILE "/proc/self/cmdline"

static bool
read_worker(struct span text, struct handover *h)
{
	bool told = span_starts(text, SPAN("-"));
	uint64_t pid;

	if (h->n == HANDOVER_WORKERS_MAX ||
	    num_u64(span_cut(text, told ? 1 : 0, text.n), INT32_MAX, &pid))
		return false;
	h->workers[h->n++] = (struct handover_worker){ (pid_t)pid, told };
	return true;
}

/* "descriptor device inode pid -pid …", with a minus before those that were told to end. */
static bool
read_word(struct span word, struct handover *h)
{
	uint64_t fd;
	struct span part;

	*h = (struct handover){ 0 };
	if (!span_next(&word, ' ', &part) || num_u64(part, INT32_MAX, &fd) ||
	    !span_next(&word, ' ', &part) || num_u64(part, UINT64_MAX, &h->made.dev) ||
	    !span_next(&word, ' ', &part) || num_u64(part, UINT64_MAX, &h->made.ino))
		return false;
	h->listen_fd = (int)fd;
	while (span_next(&word, ' ', &part))
		if (!read_worker(part, h))
			return false;
	return true;
}

static int
write_word(struct buf *out, const struct handover *h)
{
	int rc = buf_addf(out, "%d %llu %llu", h->listen_fd, (unsigned long long)h->made.dev,
	    (unsigned long long)h->made.ino);

	for (size_t i = 0; i < h->n && rc == 0; i++)
		rc =
		    buf_addf(out, " %s%ld", h->workers[i].told ? "-" : "", (long)h->workers[i].pid);
	return rc;
}

enum handover_way
handover_take(struct handover *h)
{
	const char *word = getenv(WORD);
	bool trial = word && span_eq(span_of(word), SPAN(WORD_TRIAL));

	if (!word)
		return HANDOVER_NONE;
	if (!trial && !read_word(span_of(word), h))
		*h = (struct handover){ .listen_fd = -1 };
	(void)unsetenv(WORD);
	if (trial)
		return HANDOVER_TRIAL;
	if (h->listen_fd > STDERR_FILENO)
		(void)fcntl(h->listen_fd, F_SETFD, FD_CLOEXEC);
	return HANDOVER_TAKEN;
}

/* The arguments in the text of a command line, each of which ends in a zero; NULL-ended, for
 * free(). NULL when there are none or memory is out. */
static char **
arguments(struct buf *text)
{
	size_t n = 0, at = 0;
	char **argv;

	for (size_t i = 0; i < text->len; i++)
		n += text->p[i] == '\0' ? 1 : 0;
	argv = n > 0 && text->p[text->len - 1] == '\0' ? calloc(n + 1, sizeof(*argv)) : NULL;
	for (size_t i = 0; argv && i < n; i++) {
		argv[i] = text->p + at;
		at += strlen(argv[i]) + 1;
	}
	return argv;
}

/* Executes the program with the arguments of this process and the word. Returns only when that
 * fails, with errno. */
static void
execute(const char *word)
{
	struct buf text = buf_make(CMDLINE_MAX);
	char **argv = file_read(CMDLINE_FILE, &text) == 0 ? arguments(&text) : NULL;
	int error;

	if (argv && setenv(WORD, word, 1) == 0)
		(void)execvp(argv[0], argv);
	error = errno;
	(void)unsetenv(WORD);
	free(argv);
	buf_free(&text);
	errno = error;
}

pid_t
handover_try(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	execute(WORD_TRIAL);
	_exit(1);
}

void
handover_go(const struct handover *h)
{
	struct buf word = buf_make(WORD_MAX);
	const char *text = write_word(&word, h) == 0 ? buf_str(&word) : NULL;
	int flags = fcntl(h->listen_fd, F_GETFD);
	int error = ENOMEM;

	if (text && flags >= 0 && fcntl(h->listen_fd, F_SETFD, flags & ~FD_CLOEXEC) == 0) {
		execute(text);
		error = errno;
		(void)fcntl(h->listen_fd, F_SETFD, flags);
	}
	buf_free(&word);
	errno = error;
}
