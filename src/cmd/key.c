/* key: `postern key add | list | revoke | rotate | import`. The text of a key is made here, printed
 * once and wiped; only its hash is written down. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/num.h"
#include "cmd/cmd.h"
#include "policy/key.h"

#define ID_LEN	8u
#define GRACE_S INT64_C(86400)
#define HEAD	"# id  sha256-of-key  name=value ...\n"

/* The limits of a key, as its line calls them, and the options that set them. */
static const char *const limits[] = { "rpm", "tpm", "concurrent", "budget_day", "budget_month" };

#define LIMITS_N (sizeof(limits) / sizeof(*limits))

enum limit_option { OPTION_RPM = 256, OPTION_TPM, OPTION_CONCURRENT, OPTION_DAY, OPTION_MONTH };

/* What the command line says. */
struct options {
	const char *config;
	const char *workspace;
	const char *name;
	const char *expires;
	const char *models;
	const char *grace;
	const char *limits[LIMITS_N];
	const char *id; /* or the file of import */
};

/* A change of the key file under way. */
struct change {
	const struct conf *conf;
	const char *where; /* the keys are, for messages */
	const char *id;	   /* the line that is to change */
	struct key fresh; /* the line that is to come: its id and hash are set when it is written */
	int64_t now_s;
	int64_t grace_s;
	int64_t ends_s; /* out: when the changed line's key ends */
	char fresh_id[ID_LEN + 1];
	char text[KEY_TEXT_LEN + 1]; /* the secret */
};

struct action {
	const char *name;
	bool takes_id; /* or a file */
	int (*run)(const struct options *o, const struct conf *c);
};

static int
complain(const char *what, const char *why)
{
	(void)fprintf(stderr, "postern key: %s: %s\n", what, why);
	return -1;
}

/* Walks over the lines of a text; false after the last. */
static bool
next_line(struct span *rest, struct span *line)
{
	const char *end = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;
	size_t n = end ? (size_t)(end - rest->p) : rest->n;

	if (rest->n == 0)
		return false;
	*line = span_cut(*rest, 0, n);
	*rest = span_cut(*rest, end ? n + 1 : n, rest->n);
	return true;
}

static bool
id_taken(struct span text, struct span id)
{
	struct span line;
	struct key k;
	const char *why;

	while (next_line(&text, &line)) {
		if (key_parse(line, &k, &why) != KEY_LINE_BLANK && span_eq(k.id, id))
			return true;
	}
	return false;
}

/* Makes a secret and its hash. */
static int
make_secret(struct change *c)
{
	uint8_t random[KEY_RANDOM_LEN];

	if (hash_random(random, sizeof(random)) < 0)
		return -1;
	key_text(random, c->text);
	hash_wipe(random, sizeof(random));
	return hash_sha256(span_of(c->text), c->fresh.hash);
}

/* Gives the new key an id that the file does not have, a secret and its hash. */
static int
make_fresh(struct change *c, struct span text)
{
	if (make_secret(c) < 0)
		return complain("no key can be made", "the system gives no random bytes");
	do {
		if (hash_random_id(c->fresh_id, ID_LEN) < 0)
			return complain("no key can be made", "the system gives no random bytes");
		c->fresh.id = span_of(c->fresh_id);
	} while (id_taken(text, c->fresh.id));
	return 0;
}

/* Appends the line of the new key. */
static int
append_fresh(struct change *c, struct buf *out)
{
	if (out->len == 0 && buf_add(out, SPAN(HEAD)) < 0)
		return complain(c->where, "out of memory");
	if (out->len > 0 && out->p[out->len - 1] != '\n' && buf_add(out, SPAN("\n")) < 0)
		return complain(c->where, "out of memory");
	if (key_format(&c->fresh, out) < 0)
		return complain("this cannot stand in the key file",
		    "a workspace has 1 to 64 bytes, models are globs with commas between them and no blanks, and no value "
		    "holds quotes or control characters");
	return 0;
}

static int
change_add(void *arg, struct span text, struct buf *out)
{
	struct change *c = arg;

	if (make_fresh(c, text) < 0)
		return -1;
	if (buf_add(out, text) < 0)
		return complain(c->where, "out of memory");
	return append_fresh(c, out);
}

/* Finds the key with the id and the place of its line in the text. -1 when there is none, or only a
 * damaged one. */
static int
find_line(struct span text, const char *id, struct key *k, struct span *found)
{
	const char *why = "no key has this id";
	struct span rest = text;
	struct span line;

	while (next_line(&rest, &line)) {
		const char *bad = NULL;
		enum key_line what = key_parse(line, k, &bad);

		if (what == KEY_LINE_BLANK || !span_eq(k->id, span_of(id)))
			continue;
		*found = line;
		if (what == KEY_LINE_KEY)
			return 0;
		why = "its line is damaged and refused as it is";
	}
	return complain(id, why);
}

/* Appends the text with one line of it replaced by that of a key. */
static int
replace_line(const struct change *c, struct span text, struct span line, const struct key *k,
    struct buf *out)
{
	size_t from = (size_t)(line.p - text.p);
	size_t to = from + line.n;

	if (buf_add(out, span_cut(text, 0, from)) < 0 || key_format(k, out) < 0 ||
	    buf_add(out, span_cut(text, to < text.n ? to + 1 : to, text.n)) < 0)
		return complain(c->where, "out of memory");
	return 0;
}

static int
change_revoke(void *arg, struct span text, struct buf *out)
{
	struct change *c = arg;
	struct span line;
	struct key k;

	if (find_line(text, c->id, &k, &line) < 0)
		return -1;
	if (k.revoked) {
		(void)fprintf(stderr, "%s was revoked before\n", c->id);
		return 1;
	}
	k.revoked = c->now_s;
	return replace_line(c, text, line, &k, out);
}

static int
change_rotate(void *arg, struct span text, struct buf *out)
{
	struct change *c = arg;
	struct span line;
	struct key old;

	if (find_line(text, c->id, &old, &line) < 0)
		return -1;
	if (key_state(&old, c->now_s) != FAULT_NONE)
		return complain(c->id, "it is revoked or expired; add a new key instead");
	c->fresh = old;
	c->fresh.created = c->now_s;
	if (make_fresh(c, text) < 0)
		return -1;
	if (!old.expires || old.expires > c->now_s + c->grace_s)
		old.expires = c->now_s + c->grace_s;
	c->ends_s = old.expires;
	if (replace_line(c, text, line, &old, out) < 0)
		return -1;
	return append_fresh(c, out);
}

/* Writes the key and nothing else to standard output, past stdio, whose buffer nobody would wipe.
 */
static int
print_key(const char text[static KEY_TEXT_LEN + 1])
{
	char line[KEY_TEXT_LEN + 1];
	size_t done = 0;

	memcpy(line, text, KEY_TEXT_LEN);
	line[KEY_TEXT_LEN] = '\n';
	while (done < sizeof(line)) {
		ssize_t n = write(STDOUT_FILENO, line + done, sizeof(line) - done);

		if (n <= 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	hash_wipe(line, sizeof(line));
	return done == sizeof(line) ? 0 : -1;
}

/* Changes the keys, prints the new one and forgets it. */
static int
edit_and_print(struct change *c, keyfile_change *change)
{
	int rc = cmd_keys_edit(c->conf, change, c);

	if (rc == 0 && print_key(c->text) < 0)
		rc = complain(
		    c->fresh_id, "the key could not be printed; revoke it and add another");
	else if (rc == 0)
		(void)fprintf(stderr, "id %s\n", c->fresh_id);
	hash_wipe(c->text, sizeof(c->text));
	return rc;
}

static int
check_workspace(const struct conf *c, const char *workspace)
{
	if (!workspace)
		return complain("add", "--workspace is missing");
	if (c->workspaces_n == 0 || conf_workspace(c, span_of(workspace)))
		return 0;
	(void)fprintf(
	    stderr, "postern key: no workspace \"%s\" in the configuration; it has", workspace);
	for (size_t i = 0; i < c->workspaces_n; i++)
		(void)fprintf(stderr, "%s \"%s\"", i ? "," : "", c->workspaces[i].name);
	(void)fputc('\n', stderr);
	return -1;
}

/* A date, or how long from now. */
static int
read_expires(const char *text, int64_t now_s, int64_t *out)
{
	int64_t duration_s;

	if (!text)
		return 0;
	if (num_date(span_of(text), out) < 0) {
		if (num_duration(span_of(text), &duration_s) < 0)
			return complain(text,
			    "--expires takes 2027-01-01, 2027-01-01T12:00:00Z, or a time from now such as 30d");
		*out = now_s + duration_s;
	}
	return *out > now_s ? 0 : complain(text, "--expires lies in the past");
}

static int
read_limits(const struct options *o, struct key *k)
{
	for (size_t i = 0; i < LIMITS_N; i++) {
		const char *text = o->limits[i];
		const char *why = text ? key_set(k, span_of(limits[i]), span_of(text)) : NULL;

		if (why)
			return complain(text, why);
	}
	return 0;
}

static struct change
change_of(const struct options *o, const struct conf *conf)
{
	return (struct change){ .conf = conf,
		.where = cmd_keys_name(conf),
		.id = o->id,
		.now_s = clock_wall_ms() / 1000 };
}

static int
run_add(const struct options *o, const struct conf *conf)
{
	struct change c = change_of(o, conf);

	c.fresh.workspace = span_of(o->workspace);
	c.fresh.name = span_of(o->name);
	c.fresh.models = span_of(o->models);
	c.fresh.created = c.now_s;
	if (check_workspace(conf, o->workspace) < 0 ||
	    read_expires(o->expires, c.now_s, &c.fresh.expires) < 0 || read_limits(o, &c.fresh) < 0)
		return -1;
	return edit_and_print(&c, change_add);
}

static int
run_revoke(const struct options *o, const struct conf *conf)
{
	struct change c = change_of(o, conf);

	return cmd_keys_edit(conf, change_revoke, &c);
}

static int
run_rotate(const struct options *o, const struct conf *conf)
{
	struct change c = change_of(o, conf);
	char ends[NUM_TIME_LEN];

	c.grace_s = GRACE_S;
	if (o->grace && num_duration(span_of(o->grace), &c.grace_s) < 0)
		return complain(o->grace, "--grace takes a time such as 24h or 30m");
	if (edit_and_print(&c, change_rotate) < 0)
		return -1;
	num_time(c.ends_s, ends);
	(void)fprintf(stderr, "%s ends at %s\n", o->id, ends);
	return 0;
}

static int
run_list(const struct options *o, const struct conf *conf)
{
	(void)o;
	return cmd_key_list(conf) == 0 ? 0 : -1;
}

static int
run_import(const struct options *o, const struct conf *conf)
{
	return cmd_key_import(conf, o->id) == 0 ? 0 : -1;
}

static const struct action actions[] = {
	{ "add", false, run_add },
	{ "list", false, run_list },
	{ "revoke", true, run_revoke },
	{ "rotate", true, run_rotate },
	{ "import", true, run_import },
};

static int
usage(void)
{
	(void)fputs(
	    "usage: postern key add --workspace W [--name S] [--expires DATE] [--models GLOBS] [--rpm N] [--tpm N]\n"
	    "           [--concurrent N] [--budget-day USD] [--budget-month USD] [--config F]\n"
	    "       postern key list [--config F]\n"
	    "       postern key revoke ID [--config F]\n"
	    "       postern key rotate ID [--grace 24h] [--config F]\n"
	    "       postern key import FILE [--config F]\n",
	    stderr);
	return 2;
}

static int
read_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "workspace", required_argument, NULL, 'w' },
		{ "name", required_argument, NULL, 'n' },
		{ "expires", required_argument, NULL, 'e' },
		{ "models", required_argument, NULL, 'm' },
		{ "grace", required_argument, NULL, 'g' },
		{ "rpm", required_argument, NULL, OPTION_RPM },
		{ "tpm", required_argument, NULL, OPTION_TPM },
		{ "concurrent", required_argument, NULL, OPTION_CONCURRENT },
		{ "budget-day", required_argument, NULL, OPTION_DAY },
		{ "budget-month", required_argument, NULL, OPTION_MONTH },
		{ 0 },
	};
	int which;

	while ((which = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		const char **to = which == 'c' ? &o->config
		    : which == 'w'	       ? &o->workspace
		    : which == 'n'	       ? &o->name
		    : which == 'e'	       ? &o->expires
		    : which == 'm'	       ? &o->models
		    : which == 'g'	       ? &o->grace
		    : which >= OPTION_RPM      ? &o->limits[which - OPTION_RPM]
					       : NULL;

		if (!to)
			return -1;
		*to = optarg;
	}
	if (optind < argc)
		o->id = argv[optind++];
	return optind == argc ? 0 : -1;
}

/* An option that the action does not know is a slip that could cost a restriction. */
static bool
fits(const struct action *a, const struct options *o)
{
	bool add = strcmp(a->name, "add") == 0;
	bool rotate = strcmp(a->name, "rotate") == 0;
	bool limited = false;

	for (size_t i = 0; i < LIMITS_N; i++)
		limited = limited || o->limits[i];
	if (!add && (o->workspace || o->name || o->expires || o->models || limited))
		return false;
	if (!rotate && o->grace)
		return false;
	return a->takes_id == (o->id != NULL);
}

static int
run(const struct action *a, const struct options *o)
{
	struct conf *conf = cmd_conf_open(o->config);
	int rc = conf ? a->run(o, conf) : -1;

	conf_free(conf);
	return rc == 0 ? 0 : 1;
}

int
cmd_key(int argc, char **argv)
{
	struct options o = { 0 };

	for (size_t i = 0; argc > 1 && i < sizeof(actions) / sizeof(*actions); i++) {
		if (strcmp(actions[i].name, argv[1]) != 0)
			continue;
		if (read_options(argc - 1, argv + 1, &o) < 0 || !fits(&actions[i], &o))
			return usage();
		return run(&actions[i], &o);
	}
	return usage();
}
