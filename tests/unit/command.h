/* command: a subcommand as an administrator runs it: in a child of its own, with what it prints in
 * files. */
#ifndef POSTERN_TESTS_UNIT_COMMAND_H
#define POSTERN_TESTS_UNIT_COMMAND_H

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND_WORDS_MAX 16

typedef int command(int argc, char **argv);

/* Runs a command line, words apart by single blanks. The exit status; -1 when it did not exit. */
static inline int
command_run(command *c, const char *line, const char *out, const char *err)
{
	char *argv[COMMAND_WORDS_MAX + 1] = { 0 };
	char words[1024];
	int argc = 0, status = 0;
	pid_t pid;

	(void)snprintf(words, sizeof(words), "%s", line);
	for (char *w = words; w && argc < COMMAND_WORDS_MAX;) {
		char *end = strchr(w, ' ');

		if (end)
			*end++ = '\0';
		argv[argc++] = w;
		w = end;
	}
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (!freopen(out, "w", stdout) || !freopen(err, "w", stderr))
			_exit(99);
		status = c(argc, argv);
		(void)fflush(NULL);
		_exit(status);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
