/* ledger: `postern ledger verify`. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/verify.h"
#include "policy/period.h"

static int
usage(void)
{
	(void)fputs("usage: postern ledger verify [--config F] [FILE ...]\n", stderr);
	return 2;
}

int
cmd_ledger(int argc, char **argv)
{
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' }, { 0 } };
	const char *config = NULL;
	struct conf *c;
	struct store *s;
	int status = 1;
	int which;

	if (argc < 2 || strcmp(argv[1], "verify") != 0)
		return usage();
	argc--;
	argv++;
	while ((which = getopt_long(argc, argv, "", longs, NULL)) == 'c')
		config = optarg;
	if (which != -1)
		return usage();
	c = cmd_conf_open(config);
	s = c ? cmd_store_open(c) : NULL;
	if (s) {
		struct verify v = {
			.store = s,
			.folder = c->state,
			.named = argv + optind,
			.today = period_day(clock_wall_ms()),
			.out = stdout,
		};

		status = verify(&v) == 0 ? 0 : 1;
		s->kind->close(s);
	}
	conf_free(c);
	return status;
}
