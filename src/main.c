/* main: argv -> subcommand. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "serve.h"

#ifndef POSTERN_VERSION
#define POSTERN_VERSION "unknown"
#endif

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

static int
cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	(void)puts("postern " POSTERN_VERSION);
	return 0;
}

static int cmd_help(int argc, char **argv);

static const struct command commands[] = {
	{ "serve", serve_main },
	{ "check", cmd_check },
	{ "key", cmd_key },
	{ "usage", cmd_usage },
	{ "ledger", cmd_ledger },
	{ "--version", cmd_version },
	{ "--help", cmd_help },
};

static void
print_usage(FILE *to)
{
	(void)fputs(
	    "usage: postern [serve] [--config F] [--listen unix:/path or host:port] [--workers N] [--threads N]\n"
	    "       postern check [--config F]\n"
	    "       postern key add --workspace W [--name S] [--expires DATE] [--models GLOBS] [--rpm N] [--tpm N]\n"
	    "               [--concurrent N] [--budget-day USD] [--budget-month USD] [--config F]\n"
	    "       postern key list | revoke ID | rotate ID [--grace 24h] | import FILE [--config F]\n"
	    "       postern usage [--by workspace,model,key,day] [--since DAY] [--until DAY] [--format table|csv|json] [--config F]\n"
	    "       postern ledger verify [--config F] [FILE ...]\n"
	    "       postern --version\n",
	    to);
}

static int
cmd_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	print_usage(stdout);
	return 0;
}

static const struct command *
find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

int
main(int argc, char **argv)
{
	const struct command *command;

	/* A file that may not grow is an error of a write and no reason to die. */
	(void)signal(SIGXFSZ, SIG_IGN);
	/* A CGI host may make arguments out of the query (RFC 3875 4.4): they are the client's, and
	 * say nothing here. */
	if (serve_as_cgi())
		return serve_main(1, argv);
	if (argc < 2 || (strncmp(argv[1], "--", 2) == 0 && !find(argv[1])))
		return serve_main(argc, argv);
	command = find(argv[1]);
	if (command)
		return command->run(argc - 1, argv + 1);
	(void)fprintf(stderr, "postern: no command '%s'\n", argv[1]);
	print_usage(stderr);
	return 2;
}
