/* check_upstreams: see checks.h. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/checks.h"
#include "upstream/source.h"

static void
check_credential(const struct conf_upstream *u, const char *owner, struct findings *f)
{
	struct sourced got;
	char why[MESSAGE_MAX];

	sourced_init(&got);
	switch (source_read(u, clock_wall_ms() / 1000, &got, why)) {
	case SOURCE_SCARCE:
	case SOURCE_WRONG:
		finding_error(f, u->line, "%s: %s", owner, why);
		break;
	case SOURCE_AWAY:
		finding_warn(f, u->line, "%s: %s", owner, why);
		break;
	default:
		break;
	}
	sourced_clear(&got);
}

void
checks_upstreams(const struct conf *c, struct findings *f)
{
	for (size_t i = 0; i < c->upstreams_n; i++) {
		const struct conf_upstream *u = &c->upstreams[i];
		char owner[NAME_MAX_LEN + sizeof("upstream \"\"")];

		if (snprintf(owner, sizeof(owner), "upstream \"%s\"", u->name) < 0)
			continue;
		check_credential(u, owner, f);
		if (u->ca_file && access(u->ca_file, R_OK) < 0)
			finding_error(
			    f, u->line, "%s: ca_file \"%s\" cannot be read: %m", owner, u->ca_file);
	}
}
