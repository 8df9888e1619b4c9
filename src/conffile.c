/* conffile: see conffile.h. */
#include "conffile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"

#ifndef POSTERN_PRICES
#define POSTERN_PRICES "/usr/share/postern/prices"
#endif

#define DEFAULT_PATH "/etc/postern/postern.conf"

/* postern.conf in the folder of the program, when there is one. */
static int
beside_program(char out[static PATH_MAX_LEN])
{
	char exe[PATH_MAX_LEN];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;
	int made;

	if (n <= 0)
		return -1;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return -1;
	*slash = '\0';
	made = snprintf(out, PATH_MAX_LEN, "%s/postern.conf", exe);
	return made > 0 && made < (int)PATH_MAX_LEN && access(out, F_OK) == 0 ? 0 : -1;
}

int
conffile_path(const char *given, struct buf *out)
{
	char beside[PATH_MAX_LEN];
	const char *path = given ? given : getenv("POSTERN_CONF");

	if (!path || !*path)
		path = beside_program(beside) ? DEFAULT_PATH : beside;
	if (buf_add(out, span_of(path)) || !buf_str(out)) {
		(void)fprintf(stderr, "postern: the path of the configuration is too long\n");
		return -1;
	}
	return 0;
}

struct conf *
conffile_parse(const char *path, struct buf *text, const char *const *kinds, struct buf *errors,
    struct buf *warnings)
{
	struct conf_source s = { .text = buf_str(text),
		.file = path,
		.kinds = kinds,
		.prices = POSTERN_PRICES,
		.read = file_read };

	if (s.text && strlen(s.text) == text->len)
		return conf_parse(&s, errors, warnings);
	/* With errors full there is still no configuration. */
	(void)!buf_addf(
	    errors, "%s: %s\n", path, s.text ? "this is not a text file" : "out of memory");
	errno = s.text ? 0 : ENOMEM;
	return NULL;
}

const char *
conffile_prices_path(const struct conf *c)
{
	return c->prices ? c->prices : POSTERN_PRICES;
}
