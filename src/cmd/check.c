/* check: `postern check`. Looks at everything a server would need and changes nothing: not even a
 * lock file, which would belong to whoever runs the check. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "cmd/checks.h"
#include "cmd/cmd.h"
#include "conffile.h"
#include "policy/finding.h"
#include "policy/key.h"
#include "store/keytable.h"
#include "store/redis.h"
#include "upstream/secretfile.h"

/* Prints what was found about one file. The number of errors. */
static size_t
print_findings(struct findings *f, const char *file)
{
	struct buf text = buf_make(CONF_FILE_MAX);
	size_t errors = f->errors;

	finding_print(f, file, &text, &text);
	if (errors > 0 && text.len == 0)
		(void)printf("%s: out of memory\n", file);
	(void)printf("%.*s", (int)text.len, text.len ? text.p : "");
	buf_free(&text);
	finding_free(f);
	return errors;
}

/* A secret has one line of something. */
static void
check_secret_file(const struct conf_store *s, struct findings *f)
{
	char why[MESSAGE_MAX];
	struct buf text;
	struct span secret;

	if (secretfile_read(s->password_file, &text, why)) {
		finding_error(f, s->line, "store: store_password_file %s", why);
	} else {
		secret = span_trim(buf_span(&text));
		if (secret.n == 0)
			finding_error(f, s->line, "store: store_password_file \"%s\" is empty",
			    s->password_file);
		else if (memchr(secret.p, '\n', secret.n) || memchr(secret.p, '\0', secret.n))
			finding_error(f, s->line,
			    "store: store_password_file \"%s\" holds more than one line",
			    s->password_file);
	}
	buf_wipe(&text);
}

static size_t
check_upstreams(const struct conf *c, const char *conf_path)
{
	struct findings f = { 0 };

	checks_upstreams(c, &f);
	return print_findings(&f, conf_path);
}

static bool
in_redis(const struct conf *c)
{
	return strcmp(c->store.kind, "redis") == 0;
}

static void
check_password(const struct conf_store *s, struct findings *f)
{
	const char *value = s->password_env ? getenv(s->password_env) : NULL;

	if (s->password_file)
		check_secret_file(s, f);
	if (s->ca_file && access(s->ca_file, R_OK) < 0)
		finding_error(
		    f, s->line, "store: store_ca_file \"%s\" cannot be read: %m", s->ca_file);
	if (s->password_env && (!value || !*value))
		finding_error(f, s->line,
		    "store: the variable %s is not set here; the server needs it in its environment",
		    s->password_env);
}

static size_t
check_store(const struct conf *c, const char *conf_path)
{
	struct findings f = { 0 };

	if (in_redis(c))
		check_password(&c->store, &f);
	return print_findings(&f, conf_path);
}

/* Keys of workspaces that have no section are refused; says so once per line. */
static void
check_workspaces(const struct conf *c, struct span text, struct findings *f)
{
	struct span rest = text;
	struct span line;

	for (int number = 1; c->workspaces_n > 0 && span_next(&rest, '\n', &line); number++) {
		struct key k;
		const char *why;

		if (key_parse(line, &k, &why) == KEY_LINE_KEY && !conf_workspace(c, k.workspace))
			finding_error(f, number,
			    "workspace \"%.*s\" has no section in the configuration: the key is refused",
			    (int)k.workspace.n, k.workspace.p);
	}
}

static void
check_key_mode(const char *path, struct findings *f)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		finding_error(f, 0,
		    "others than its owner may write it, so that every key is refused: chmod go-w");
}

static void
check_key_text(const struct conf *c, struct span text, struct findings *f)
{
	struct keytable t;

	if (keytable_read(&t, text) < 0)
		finding_error(f, 0, "out of memory");
	for (size_t i = 0; i < t.damage_n; i++)
		finding_error(f, (int)t.damage[i].line, "%s", t.damage[i].why);
	if (t.rows_n == 0 && t.damaged == 0)
		finding_warn(f, 0, "it holds no key: make one with `postern key add`");
	keytable_free(&t);
	check_workspaces(c, text, f);
}

/* The last check: it waits for a server. */
static size_t
check_redis(const struct conf *c, const char *conf_path)
{
	struct buf text = buf_make(KEY_FILE_MAX);
	struct findings f = { 0 };
	const char *why = redis_check(c);
	const char *doubt = why ? NULL : redis_warn(c);
	size_t errors;

	if (why)
		finding_error(&f, c->store.line, "store: %s", why);
	if (doubt)
		finding_warn(&f, c->store.line, "store: %s", doubt);
	errors = print_findings(&f, conf_path);
	if (!why && cmd_keys_read(c, &text) < 0)
		finding_error(&f, 0, "cannot be read");
	else if (!why)
		check_key_text(c, buf_span(&text), &f);
	buf_free(&text);
	return errors + print_findings(&f, cmd_keys_name(c));
}

static size_t
check_keys(const struct conf *c)
{
	struct buf text = buf_make(KEY_FILE_MAX);
	struct findings f = { 0 };

	if (file_read(c->keys, &text) == 0)
		check_key_text(c, buf_span(&text), &f);
	else if (errno == ENOENT)
		finding_error(&f, 0, "the key file is not there: make it with `postern key add`");
	else
		finding_error(&f, 0, "the key file cannot be read: %m");
	check_key_mode(c->keys, &f);
	buf_free(&text);
	return print_findings(&f, c->keys);
}

/* File systems of other machines, where neither the locks nor the memory maps of LMDB work; their
 * numbers from statfs(2). */
static bool
is_remote(const char *path)
{
	static const unsigned long kinds[] = { 0x6969 /* NFS */, 0xff534d42 /* CIFS */,
		0xfe534d42 /* SMB2 */, 0x01021997 /* 9P */, 0x5346414f /* AFS */,
		0x00c36400 /* Ceph */ };
	struct statfs st;

	if (statfs(path, &st) < 0)
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if ((unsigned long)st.f_type == kinds[i])
			return true;
	}
	return false;
}

static void
check_folder(const char *path, const struct stat *st, struct findings *f)
{
	if (!S_ISDIR(st->st_mode))
		finding_error(f, 0, "this is no folder");
	else if (access(path, R_OK | W_OK | X_OK) < 0)
		finding_error(f, 0, "the state folder cannot be written: %m");
	if (st->st_uid != geteuid())
		finding_warn(f, 0,
		    "it belongs to user %u and this check runs as user %u: run it as the server's user",
		    (unsigned)st->st_uid, (unsigned)geteuid());
	if (st->st_mode & S_IWOTH)
		finding_error(f, 0, "every user can write it: chmod o-w");
	if (is_remote(path))
		finding_error(f, 0,
		    "this lies on another machine; the state folder needs a local file system");
}

/* The folder is not there: whether the server can make it. */
static void
check_parent(const char *path, struct findings *f)
{
	char parent[PATH_MAX_LEN * 2] = "";
	const char *slash = strrchr(path, '/');
	int n;

	if (slash)
		n = snprintf(
		    parent, sizeof(parent), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	else
		n = snprintf(parent, sizeof(parent), ".");
	if (n <= 0 || (size_t)n >= sizeof(parent) || access(parent, W_OK | X_OK) < 0)
		finding_error(
		    f, 0, "the state folder is not there and cannot be made in \"%s\"", parent);
}

static size_t
check_state(const struct conf *c)
{
	struct findings f = { 0 };
	struct stat st;

	if (stat(c->state, &st) == 0)
		check_folder(c->state, &st, &f);
	else if (errno == ENOENT)
		check_parent(c->state, &f);
	else
		finding_error(&f, 0, "the state folder cannot be looked at: %m");
	return print_findings(&f, c->state);
}

static size_t
print_reach(const struct conf *c)
{
	struct buf text = buf_make(REACH_MAX);
	size_t errors = checks_reach(c, &text) ? 1 : 0;

	if (errors)
		(void)puts("what is reachable for whom is too much to be shown");
	else
		(void)printf("%.*s", (int)text.len, text.len ? text.p : "");
	buf_free(&text);
	return errors;
}

static size_t
check_all(const char *conf_path)
{
	struct buf said = buf_make(CONF_FILE_MAX);
	struct conf *c = cmd_conf_load(conf_path, &said, &said);
	size_t errors = c ? 0 : 1;

	(void)printf("%.*s", (int)said.len, said.len ? said.p : "");
	if (c) {
		errors += check_upstreams(c, conf_path);
		errors += check_store(c, conf_path);
		errors += in_redis(c) ? 0 : check_keys(c);
		errors += check_state(c);
		errors += in_redis(c) ? check_redis(c, conf_path) : 0;
		errors += print_reach(c);
	}
	conf_free(c);
	buf_free(&said);
	return errors;
}

int
cmd_check(int argc, char **argv)
{
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' }, { 0 } };
	struct buf path = buf_make(PATH_MAX_LEN);
	const char *given = NULL;
	size_t errors = 1;
	int which;

	while ((which = getopt_long(argc, argv, "", longs, NULL)) == 'c')
		given = optarg;
	if (which != -1 || optind < argc) {
		(void)fputs("usage: postern check [--config F]\n", stderr);
		return 2;
	}
	if (conffile_path(given, &path) == 0)
		errors = check_all(buf_str(&path));
	buf_free(&path);
	if (errors == 0)
		(void)puts("ok");
	return fflush(stdout) != 0 || errors > 0 ? 1 : 0;
}
