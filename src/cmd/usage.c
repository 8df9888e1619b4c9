/* usage: `postern usage`. What was used in a range of days, out of the totals of the store. */
#include <getopt.h>
#include <stdio.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/report.h"
#include "policy/period.h"

static int
usage(void)
{
	(void)fputs(
	    "usage: postern usage [--by key,workspace,model,day] [--since DAY] [--until DAY] [--format table|csv|json]\n"
	    "                     [--config F]\n",
	    stderr);
	return 2;
}

static int
read_options(int argc, char **argv, struct report_words *words, const char **config)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "by", required_argument, NULL, 'b' },
		{ "since", required_argument, NULL, 's' },
		{ "until", required_argument, NULL, 'u' },
		{ "format", required_argument, NULL, 'f' },
		{ 0 },
	};
	int which;

	while ((which = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		const char **to = which == 'c' ? config
		    : which == 'b'	       ? &words->by
		    : which == 's'	       ? &words->since
		    : which == 'u'	       ? &words->until
		    : which == 'f'	       ? &words->format
					       : NULL;

		if (!to)
			return -1;
		*to = optarg;
	}
	return optind == argc ? 0 : -1;
}

/* Prints the report. The exit status. */
static int
run(struct store *s, const struct report_ask *ask)
{
	struct report r;
	int rc = report_gather(&r, ask, s);

	if (rc == 0 && report_print(&r, stdout) < 0) {
		(void)fprintf(stderr, "postern usage: the report cannot be written: %m\n");
		rc = -1;
	}
	report_clear(&r);
	return rc == 0 ? 0 : 1;
}

int
cmd_usage(int argc, char **argv)
{
	struct report_words words = { 0 };
	struct report_ask ask;
	const char *config = NULL;
	struct conf *c;
	struct store *s;
	int status = 1;

	if (read_options(argc, argv, &words, &config) < 0)
		return usage();
	if (report_ask(&words, period_day(clock_wall_ms()), &ask) < 0)
		return 2;
	c = cmd_conf_open(config);
	s = c ? cmd_store_open(c) : NULL;
	if (s) {
		status = run(s, &ask);
		s->kind->close(s);
	}
	conf_free(c);
	return status;
}
