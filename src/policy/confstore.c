/* confstore: reads the place of a store. It connects to nothing. */
#include "policy/confstore.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/num.h"

#define PORT_DEFAULT 6379
#define PORT_MAX     65535
#define DB_MAX	     65535
#define HOST_MAX     255u
#define SOCKET_MAX   107u /* sun_path, without its zero */

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS	"0123456789"

/* The parts of a place, as spans into its text. */
struct place {
	struct span user, host, path;
	uint64_t port, db;
};

static bool
cut_prefix(struct span *s, struct span prefix)
{
	if (!span_starts(*s, prefix))
		return false;
	*s = span_cut(*s, prefix.n, s->n);
	return true;
}

/* Cuts the longest run of these characters off s. */
static struct span
cut_run(struct span *s, const char *of)
{
	struct span run = { s->p, 0 };

	while (run.n < s->n && strchr(of, s->p[run.n]) && s->p[run.n] != '\0')
		run.n++;
	*s = span_cut(*s, run.n, s->n);
	return run;
}

/* `user:password@`, and what others write for it. */
static bool
holds_password(struct span s)
{
	const char *end;

	if (s.n == 0)
		return false;
	end = memrchr(s.p, '@', s.n);
	return (end && memchr(s.p, ':', (size_t)(end - s.p))) ||
	    memmem(s.p, s.n, "password=", sizeof("password=") - 1) != NULL;
}

/* `user@`, which may be left out. */
static bool
read_user(struct span *rest, struct place *out)
{
	struct span after = *rest;
	struct span user = cut_run(&after, LETTERS DIGITS "-_.+~!$&'*,;=");

	if (!cut_prefix(&after, SPAN("@")))
		return !memchr(rest->p, '@', rest->n);
	out->user = user;
	*rest = after;
	return user.n > 0 && user.n <= NAME_MAX_LEN;
}

/* A name, an address, or an IPv6 address in brackets, which are left away. */
static bool
read_host(struct span *rest, struct place *out)
{
	bool brackets = cut_prefix(rest, SPAN("["));

	out->host = cut_run(rest, brackets ? DIGITS "abcdefABCDEF:." : LETTERS DIGITS "-_.");
	if (brackets && !cut_prefix(rest, SPAN("]")))
		return false;
	return out->host.n > 0 && out->host.n <= HOST_MAX;
}

static bool
read_net(struct span rest, struct place *out)
{
	out->port = PORT_DEFAULT;
	if (rest.n == 0 || !read_user(&rest, out) || !read_host(&rest, out))
		return false;
	if (cut_prefix(&rest, SPAN(":")) &&
	    (num_u64(cut_run(&rest, DIGITS), PORT_MAX, &out->port) < 0 || out->port == 0))
		return false;
	if (cut_prefix(&rest, SPAN("/")) && rest.n > 0 &&
	    num_u64(cut_run(&rest, DIGITS), DB_MAX, &out->db) < 0)
		return false;
	return rest.n == 0;
}

static bool
read_unix(struct span rest, struct place *out)
{
	const char *query = rest.n > 0 ? memchr(rest.p, '?', rest.n) : NULL;

	out->path = span_cut(rest, 0, query ? (size_t)(query - rest.p) : rest.n);
	rest = span_cut(rest, out->path.n, rest.n);
	if (query && (!cut_prefix(&rest, SPAN("?db=")) || num_u64(rest, DB_MAX, &out->db) < 0))
		return false;
	return span_starts(out->path, SPAN("/")) && out->path.n <= SOCKET_MAX;
}

static bool
read_place(struct span text, bool *tls, struct place *out)
{
	*tls = cut_prefix(&text, SPAN("rediss://"));
	if (*tls || cut_prefix(&text, SPAN("redis://")))
		return read_net(text, out);
	return cut_prefix(&text, SPAN("redis+unix:")) && read_unix(text, out);
}

/* NULL for nothing. */
static char *
copy(const struct confvalue *v, struct span s)
{
	char *out = s.n > 0 ? span_dup(s) : NULL;

	if (s.n > 0 && !out)
		*v->broken = true;
	return out;
}

static void
refuse(const struct confvalue *v, const char *right)
{
	finding_error(v->found, v->line, "%s: %s", v->row->name, right);
}

void
confstore_place(const struct confvalue *v)
{
	struct conf_store *s = &((struct conf *)v->object)->store;
	struct span text = span_of(v->text);
	struct span rest = text;
	struct place place = { 0 };

	s->line = v->line;
	if (span_eq(text, SPAN("local"))) {
		s->kind = copy(v, text);
		return;
	}
	(void)cut_run(&rest, LETTERS DIGITS "+-.");
	(void)cut_prefix(&rest, SPAN(":"));
	if (holds_password(rest)) {
		refuse(v,
		    "a password does not belong here: give store_password_file = \"/path\" or store_password_env = \"NAME\"");
	} else if (!confvalue_printable(v->text) || !read_place(text, &s->tls, &place)) {
		refuse(v,
		    "give \"local\", \"redis://[user@]host[:port][/db]\", the same with rediss:// for TLS, or "
		    "\"redis+unix:/path[?db=N]\"");
	} else {
		s->kind = copy(v, SPAN("redis"));
		s->user = copy(v, place.user);
		s->host = copy(v, place.host);
		s->path = copy(v, place.path);
		s->port = place.port;
		s->db = place.db;
	}
}

void
confstore_away(const struct confvalue *v)
{
	struct conf_store *s = &((struct conf *)v->object)->store;

	s->away_local = strcmp(v->text, "local") == 0;
	if (!s->away_local && strcmp(v->text, "refuse") != 0)
		finding_error(v->found, v->line, "%s = \"%.64s\": give \"refuse\" or \"local\"",
		    v->row->name, v->text);
}
