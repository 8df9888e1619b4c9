/* cmd: `postern key` and `postern check` as an administrator sees them: what is printed where, the
 * exit status, and what is then in the key file. Each runs in a child of its own. */
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/num.h"
#include "cmd/cmd.h"
#include "policy/key.h"
#include "unit/check.h"

#define PATH_LEN 256
#define ARGS_MAX 16

struct place {
	char folder[64];
	char list[PATH_LEN]; /* of prices */
	char conf[PATH_LEN], keys[PATH_LEN], state[PATH_LEN], out[PATH_LEN], err[PATH_LEN];
};

/* What a command left behind. */
struct result {
	int status;
	struct buf out, err;
};

static void
put_file(const char *path, struct span text)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0)
		abort();
}

static void
put_conf(const struct place *p, const char *more)
{
	struct buf text = buf_make(CONF_FILE_MAX);

	if (buf_addf(&text, "keys = \"%s\"\nstate = \"%s\"\nupstream \"e\" { kind = \"echo\" }\n%s",
		p->keys, p->state, more) < 0)
		abort();
	put_file(p->conf, buf_span(&text));
	buf_free(&text);
}

/* A configuration with a budget that wants the list of prices. */
static void
put_limited(const struct place *p)
{
	char more[2 * PATH_LEN];

	(void)snprintf(more, sizeof(more),
	    "prices = \"%s\"\nmodel \"m\" { target \"e\" { } }\nworkspace \"w\" { budget_day = 5 }\n",
	    p->list);
	put_conf(p, more);
}

static struct place
place_make(void)
{
	struct place p = { .folder = "/tmp/test_cmd.XXXXXX" };

	if (!mkdtemp(p.folder))
		abort();
	(void)snprintf(p.conf, sizeof(p.conf), "%s/postern.conf", p.folder);
	(void)snprintf(p.list, sizeof(p.list), "%s/prices", p.folder);
	(void)snprintf(p.keys, sizeof(p.keys), "%s/keys", p.folder);
	(void)snprintf(p.state, sizeof(p.state), "%s/state", p.folder);
	(void)snprintf(p.out, sizeof(p.out), "%s/out", p.folder);
	(void)snprintf(p.err, sizeof(p.err), "%s/err", p.folder);
	put_conf(&p, "");
	return p;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void
read_back(const char *path, struct buf *out)
{
	buf_reset(out, MIB);
	if (file_read(path, out) < 0 || !buf_str(out))
		abort();
}

/* Runs a command line, words apart by single blanks, `~` for a blank inside a word. */
static void
run(const struct place *p, struct result *r, const char *line)
{
	char words[512];
	char *argv[ARGS_MAX] = { 0 };
	int argc = 0;
	pid_t pid;

	(void)snprintf(words, sizeof(words), "%s", line);
	for (char *w = words; w && argc < ARGS_MAX - 1;) {
		char *end = strchr(w, ' ');

		argv[argc++] = w;
		if (end)
			*end++ = '\0';
		for (char *c = w; *c; c++)
			*c = *c == '~' ? ' ' : *c;
		w = end;
	}
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (!freopen(p->out, "w", stdout) || !freopen(p->err, "w", stderr) ||
		    setenv("POSTERN_CONF", p->conf, 1) != 0)
			_exit(99);
		int rc =
		    strcmp(argv[0], "check") == 0 ? cmd_check(argc, argv) : cmd_key(argc, argv);

		(void)fflush(NULL);
		_exit(rc);
	}
	(void)waitpid(pid, &r->status, 0);
	r->status = WIFEXITED(r->status) ? WEXITSTATUS(r->status) : -1;
	read_back(p->out, &r->out);
	read_back(p->err, &r->err);
}

static bool
says(struct check *t, const struct buf *b, const char *what)
{
	return check_that(t, strstr(b->p, what) != NULL, "'%s' is not in: %s", what, b->p);
}

/* The key with this hash as it stands in the key file; false when there is none. */
static bool
find_by_text(const struct place *p, struct buf *file, struct span text, struct key *out)
{
	uint8_t hash[HASH_LEN];
	struct span rest, line;
	const char *why;

	*out = (struct key){ 0 };
	read_back(p->keys, file);
	rest = buf_span(file);
	if (hash_sha256(text, hash) < 0)
		return false;
	while (span_next(&rest, '\n', &line)) {
		if (key_parse(line, out, &why) == KEY_LINE_KEY &&
		    memcmp(out->hash, hash, HASH_LEN) == 0)
			return true;
	}
	return false;
}

static void
test_add(struct check *t, const struct place *p, struct result *r)
{
	struct buf file = buf_make(MIB);
	int64_t now_s = clock_wall_ms() / 1000;
	struct key k;

	run(p, r,
	    "key add --workspace default --name intranet~portal --expires 30d --models claude-*,m");
	check_row(t, "add prints the key alone, and the id on standard error");
	check_that(t, r->status == 0, "status %d: %s", r->status, r->err.p);
	check_that(t, r->out.len == KEY_TEXT_LEN + 1 && r->out.p[KEY_TEXT_LEN] == '\n',
	    "printed %s", r->out.p);
	check_that(
	    t, strncmp(r->out.p, KEY_PREFIX, strlen(KEY_PREFIX)) == 0, "printed %s", r->out.p);
	check_row(t, "add writes the hash and the attributes, not the key");
	if (check_that(t, find_by_text(p, &file, span_trim(buf_span(&r->out)), &k), "not found")) {
		check_same(t, k.workspace, SPAN("default"));
		check_same(t, k.name, SPAN("intranet portal"));
		check_same(t, k.models, SPAN("claude-*,m"));
		check_that(
		    t, k.created >= now_s && k.expires - k.created == INT64_C(2592000), "times");
		check_that(t, span_starts(buf_span(&r->err), SPAN("id ")), "no id");
		check_same(t, span_trim(span_cut(buf_span(&r->err), 3, r->err.len)), k.id);
	}
	check_that(t, !strstr(file.p, KEY_PREFIX), "the key is in the file");
	run(p, r, "key add --workspace=default --expires 2099-01-01");
	check_row(t, "two keys differ, and a date is taken");
	check_that(t,
	    find_by_text(p, &file, span_trim(buf_span(&r->out)), &k) && k.expires == 4070908800,
	    "not found");
	check_that(t, strncmp(file.p, "# id", 4) == 0, "no head line");
	buf_free(&file);
}

static void
test_add_limits(struct check *t, const struct place *p, struct result *r)
{
	struct buf file = buf_make(MIB);
	struct key k;

	run(p, r,
	    "key add --workspace w --rpm 20 --tpm 40000 --concurrent 4 --budget-day 2.50 --budget-month 50");
	check_row(t, "add with limits");
	check_that(t, r->status == 0, "status %d: %s", r->status, r->err.p);
	if (check_that(t, find_by_text(p, &file, span_trim(buf_span(&r->out)), &k), "not found"))
		check_that(t,
		    k.quota.rpm == 20 && k.quota.tpm == 40000 && k.quota.concurrent == 4 &&
			k.quota.budget_day_nanousd == 2500000000 &&
			k.quota.budget_month_nanousd == 50000000000,
		    "limits");
	says(t, &file, " rpm=20 tpm=40000 concurrent=4 budget_day=2.5 budget_month=50\n");
	run(p, r, "key add --workspace w --budget-month 0.000000001");
	check_row(t, "add with one limit");
	check_that(t, r->status == 0, "status %d: %s", r->status, r->err.p);
	says(t, &file, "workspace=w");
	read_back(p->keys, &file);
	says(t, &file, "Z budget_month=0.000000001\n");
	buf_free(&file);
}

static const struct {
	const char *what, *line;
	int status;
	const char *said; /* on standard error */
} refusals[] = {
	{ "no action", "key", 2, "usage:" },
	{ "an unknown action", "key make", 2, "usage:" },
	{ "no workspace", "key add", 1, "--workspace is missing" },
	{ "an unknown option", "key add --workspace a --color red", 2, "usage:" },
	{ "an option of another action", "key add --workspace a --grace 1h", 2, "usage:" },
	{ "restrictions where they mean nothing", "key revoke abc --expires 2099-01-01", 2,
	    "usage:" },
	{ "revoke whom", "key revoke", 2, "usage:" },
	{ "two ids", "key revoke a b", 2, "usage:" },
	{ "an unknown workspace", "key add --workspace nope", 1,
	    "no workspace \"nope\" in the configuration; it has \"a\", \"b c\"" },
	{ "an end in the past", "key add --workspace a --expires 2020-01-01", 1,
	    "lies in the past" },
	{ "an end that is none", "key add --workspace a --expires soon", 1, "--expires takes" },
	{ "no requests at all", "key add --workspace a --rpm 0", 1,
	    "0: rpm wants a whole number from 1 to 100000000000" },
	{ "tokens that are no number", "key add --workspace a --tpm 60k", 1,
	    "60k: tpm wants a whole number from 1 to 100000000000" },
	{ "too many calls at once", "key add --workspace a --concurrent 1000001", 1,
	    "1000001: concurrent wants a whole number from 1 to 1000000" },
	{ "a budget that is too fine", "key add --workspace a --budget-day 0.0000000001", 1,
	    "budget_day wants US dollars" },
	{ "a budget that is too large", "key add --workspace a --budget-month 9000000.1", 1,
	    "budget_month wants US dollars" },
	{ "an empty limit", "key add --workspace a --rpm=", 1, "rpm wants" },
	{ "a limit for a key that is there", "key rotate a --rpm 5", 2, "usage:" },
	{ "import what", "key import", 2, "usage:" },
	{ "two files", "key import a b", 2, "usage:" },
	{ "an option that import has not", "key import a --workspace a", 2, "usage:" },
	{ "a file that is not there", "key import /nowhere/keys", 1,
	    "/nowhere/keys: cannot be read: No such file" },
	{ "an empty glob", "key add --workspace a --models x,,y", 1, "globs with commas" },
	{ "a quote in the name", "key add --workspace a --name x\"y", 1, "quotes" },
	{ "an unknown id", "key revoke nobody12", 1, "nobody12: no key has this id" },
	{ "an unknown id to rotate", "key rotate nobody12", 1, "nobody12: no key has this id" },
	{ "a grace that is none", "key rotate nobody12 --grace long", 1, "--grace takes" },
	{ "no such configuration", "key list --config /nowhere/postern.conf", 1,
	    "/nowhere/postern.conf: cannot be read: No such file" },
};

static void
test_refusals(struct check *t, const struct place *p, struct result *r)
{
	put_conf(p, "workspace \"a\" { }\nworkspace \"b c\" { }\n");
	for (size_t i = 0; i < ROWS(refusals); i++) {
		run(p, r, refusals[i].line);
		check_row(t, "refused: %s", refusals[i].what);
		check_that(t, r->status == refusals[i].status, "status %d", r->status);
		check_that(t, r->out.len == 0, "printed %s", r->out.p);
		says(t, &r->err, refusals[i].said);
	}
	check_row(t, "refused: nothing was written");
	check_that(t, access(p->keys, F_OK) != 0, "a key file");
	run(p, r, "key add --workspace b~c");
	check_row(t, "a workspace that the configuration has");
	check_that(t, r->status == 0, "%s", r->err.p);
}

#define HEX_A "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
#define HEX_B "6e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
#define HEX_C "7e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"

static void
test_list(struct check *t, const struct place *p, struct result *r)
{
	put_file(p->keys,
	    SPAN("# head\nold1 " HEX_B " workspace=w expires=2020-01-01 models=x\nbad line\n"
		 "new1 " HEX_A " workspace=default name=\"a b\" created=2026-11-21\n"
		 "gone " HEX_C " workspace=w revoked=2026-11-21T10:00:00Z\nnew1 " HEX_A
		 " workspace=w\n"));
	run(p, r, "key list");
	check_row(t, "list");
	check_same(t, buf_span(&r->out),
	    SPAN("ID    WORKSPACE  NAME  CREATED     EXPIRES     STATE    MODELS\n"
		 "old1  w          -     -           2020-01-01  expired  x\n"
		 "new1  default    a b   2026-11-21  -           active   *\n"
		 "gone  w          -     -           -           revoked  *\n"));
	check_row(t, "list: damaged lines by number, and the exit status");
	check_that(t, r->status == 1, "status %d", r->status);
	says(t, &r->err, "/keys:3: the second word must be the key's SHA-256");
	says(t, &r->err, "/keys:6: an earlier line has this id");
}

static void
test_list_limits(struct check *t, const struct place *p, struct result *r)
{
	put_file(p->keys,
	    SPAN("none " HEX_B " workspace=w\n"
		 "all " HEX_A
		 " workspace=w rpm=20 tpm=40000 concurrent=4 budget_day=2.5 budget_month=0.00125\n"
		 "some " HEX_C " workspace=w models=m rpm=20 budget_month=5\n"));
	run(p, r, "key list");
	check_row(t, "list: limits, when a key has any");
	check_that(t, r->status == 0, "status %d: %s", r->status, r->err.p);
	check_same(t, buf_span(&r->out),
	    SPAN(
		"ID    WORKSPACE  NAME  CREATED  EXPIRES  STATE   MODELS  LIMITS\n"
		"none  w          -     -        -        active  *       -\n"
		"all   w          -     -        -        active  *       rpm=20 tpm=40000 concurrent=4 day=$2.50 month=$0.00125\n"
		"some  w          -     -        -        active  m       rpm=20 month=$5.00\n"));
}

static void
import(const struct place *p, struct result *r, struct span text)
{
	char line[PATH_LEN + 16];
	char from[PATH_LEN];

	(void)snprintf(from, sizeof(from), "%s/from", p->folder);
	put_file(from, text);
	(void)snprintf(line, sizeof(line), "key import %s", from);
	run(p, r, line);
}

#define KEY_A "a  " HEX_A "  workspace=w rpm=5\n"
#define KEY_B "b\t" HEX_B " workspace=\"x y\" revoked=2026-11-21"

static void
test_import(struct check *t, const struct place *p, struct result *r)
{
	struct buf file = buf_make(MIB);

	import(p, r, SPAN("# head\n" KEY_A "\n  " KEY_B " \n"));
	read_back(p->keys, &file);
	check_row(t, "import to where nothing is: good lines as they are");
	check_that(t, r->status == 0, "status %d: %s", r->status, r->err.p);
	check_same(t, buf_span(&r->out), SPAN("2 added, 0 there already\n"));
	check_same(t, buf_span(&file), SPAN(KEY_A KEY_B "\n"));
	import(p, r, buf_span(&file));
	check_row(t, "import of what is there already");
	check_that(t, r->status == 0 && r->err.len == 0, "status %d: %s", r->status, r->err.p);
	check_same(t, buf_span(&r->out), SPAN("0 added, 2 there already\n"));
	put_file(p->keys, SPAN("# mine\nx\n" KEY_B));
	import(p, r, SPAN(KEY_A KEY_B));
	read_back(p->keys, &file);
	check_row(t, "import behind a last line without its newline; what is there stays");
	check_that(t, r->status == 0, "status %d: %s", r->status, r->err.p);
	check_same(t, buf_span(&r->out), SPAN("1 added, 1 there already\n"));
	check_same(t, buf_span(&file), SPAN("# mine\nx\n" KEY_B "\n" KEY_A));
	import(p, r, SPAN(""));
	check_row(t, "import of nothing");
	check_that(t, r->status == 0, "status %d: %s", r->status, r->err.p);
	check_same(t, buf_span(&r->out), SPAN("0 added, 0 there already\n"));
	buf_free(&file);
}

static void
test_import_refused(struct check *t, const struct place *p, struct result *r)
{
	struct buf file = buf_make(MIB);

	put_file(p->keys, SPAN(KEY_A));
	import(p, r,
	    SPAN("# one\nbad line\na " HEX_C " workspace=w\nz " HEX_A " workspace=w\n" KEY_B
		 "\n\nb " HEX_C " workspace=w\nc " HEX_B " workspace=w\nd " HEX_C
		 " workspace=w colour=red\n"));
	read_back(p->keys, &file);
	check_row(t, "import: what is damaged or in the way is said, the rest is added");
	check_that(t, r->status == 1, "status %d", r->status);
	check_same(t, buf_span(&r->out), SPAN("1 added, 0 there already\n"));
	check_same(t, buf_span(&file), SPAN(KEY_A KEY_B "\n"));
	says(t, &r->err, "/from:2: the second word must be the key's SHA-256");
	says(t, &r->err, "/from:3: another key has this id there\n");
	says(t, &r->err, "/from:4: this key is there under another id\n");
	says(t, &r->err, "/from:7: an earlier line has this id\n");
	says(t, &r->err, "/from:8: an earlier line has this hash\n");
	says(t, &r->err, "/from:9: unknown attribute");
	buf_free(&file);
}

static void
test_revoke(struct check *t, const struct place *p, struct result *r)
{
	struct buf file = buf_make(MIB);

	put_file(p->keys,
	    SPAN("# head\n\nk1 " HEX_A " workspace=w\nbad  line\nk2 " HEX_B " workspace=w"));
	run(p, r, "key revoke k1");
	read_back(p->keys, &file);
	check_row(t, "revoke writes the time and leaves all other lines alone");
	check_that(t, r->status == 0, "status %d: %s", r->status, r->err.p);
	check_that(t, strncmp(file.p, "# head\n\nk1  " HEX_A "  workspace=w revoked=20", 97) == 0,
	    "%s", file.p);
	says(t, &file, "Z\nbad  line\nk2 " HEX_B " workspace=w");
	run(p, r, "key revoke k1");
	check_row(t, "revoked before");
	check_that(t, r->status == 0 && strstr(r->err.p, "was revoked before"), "status %d: %s",
	    r->status, r->err.p);
	run(p, r, "key revoke k2");
	check_row(t, "revoke the last line, which lacks its newline");
	check_that(t, r->status == 0, "status %d: %s", r->status, r->err.p);
	run(p, r, "key rotate k2");
	check_row(t, "a revoked key is not rotated");
	check_that(t, r->status == 1 && r->out.len == 0 && strstr(r->err.p, "revoked or expired"),
	    "%s", r->err.p);
	buf_free(&file);
}

static const struct {
	const char *what, *grace;
	bool limited;  /* the old key has an end of its own, in an hour */
	int64_t end_s; /* of the old key after it, from now */
} rotations[] = {
	{ "a day of grace", "", false, 86400 },
	{ "half an hour of grace", " --grace 30m", true, 1800 },
	{ "no grace", " --grace 0", false, 0 },
	{ "an end before the grace stays", " --grace 36500d", true, 3600 },
};

static void
check_rotated(
    struct check *t, size_t i, const struct key *old, const struct key *fresh, int64_t now_s)
{
	int64_t end_s = old->expires - now_s;

	check_that(t, !span_eq(fresh->id, SPAN("k1")) && span_eq(fresh->workspace, SPAN("w")),
	    "id or workspace");
	check_that(t, span_eq(fresh->name, SPAN("n")) && span_eq(fresh->models, SPAN("a,b")),
	    "name or models");
	check_that(t, fresh->expires == (rotations[i].limited ? now_s + 3600 : 0),
	    "the end of the new key");
	check_that(t,
	    memcmp(&fresh->quota, &old->quota, sizeof(old->quota)) == 0 && fresh->quota.rpm == 20,
	    "limits");
	check_that(t, fresh->created >= now_s, "the beginning of the new key");
	check_that(t, end_s >= rotations[i].end_s && end_s <= rotations[i].end_s + 60,
	    "the old one ends in %lld s", (long long)end_s);
}

static void
rotate(struct check *t, const struct place *p, struct result *r, size_t i)
{
	struct buf file = buf_make(MIB);
	int64_t now_s = clock_wall_ms() / 1000;
	struct key line = { .id = SPAN("k1"),
		.workspace = SPAN("w"),
		.name = SPAN("n"),
		.models = SPAN("a,b"),
		.quota = { .rpm = 20,
		    .tpm = 40000,
		    .concurrent = 4,
		    .budget_day_nanousd = 1,
		    .budget_month_nanousd = 2 } };
	struct key old = { 0 }, fresh;
	char command[128];
	const char *why = "";

	line.expires = rotations[i].limited ? now_s + 3600 : 0;
	if (key_format(&line, &file) < 0)
		abort();
	put_file(p->keys, buf_span(&file));
	(void)snprintf(command, sizeof(command), "key rotate k1%s", rotations[i].grace);
	run(p, r, command);
	check_that(t, r->status == 0, "status %d: %s", r->status, r->err.p);
	says(t, &r->err, "k1 ends at 20");
	if (check_that(
		t, find_by_text(p, &file, span_trim(buf_span(&r->out)), &fresh), "no new key") &&
	    check_that(t,
		key_parse(span_cut(buf_span(&file), 0, strcspn(file.p, "\n")), &old, &why) ==
		    KEY_LINE_KEY,
		"%s", why))
		check_rotated(t, i, &old, &fresh, now_s);
	buf_free(&file);
}

static void
test_rotate(struct check *t, const struct place *p, struct result *r)
{
	for (size_t i = 0; i < ROWS(rotations); i++) {
		check_row(t, "rotate: %s", rotations[i].what);
		rotate(t, p, r, i);
	}
}

static void
test_check_good(struct check *t, const struct place *p, struct result *r)
{
	put_file(p->keys, SPAN("k1 " HEX_A " workspace=w\n"));
	check_that(t, chmod(p->keys, 0640) == 0, "chmod");
	run(p, r, "check");
	check_row(t, "check: fine");
	check_that(t, r->status == 0, "status %d", r->status);
	check_same(t, buf_span(&r->out), SPAN("ok\n"));
	check_row(t, "check: makes nothing");
	check_that(t, access(p->state, F_OK) != 0, "the state folder");
	put_conf(p, "store_away = local workspace \"w\" { }\n");
	run(p, r, "check");
	check_row(t, "check: a warning is no error");
	check_that(t, r->status == 0, "status %d", r->status);
	says(t, &r->out,
	    "postern.conf:4: warning: store_away: the store is \"local\", which has no use for it\nok\n");
	put_file(p->list, SPAN("# none\nm 1 2 3 4 5\n"));
	put_limited(p);
	run(p, r, "check");
	check_row(t, "check: a budget and a list of prices");
	check_that(t, r->status == 0, "status %d", r->status);
	check_same(t, buf_span(&r->out), SPAN("ok\n"));
	run(p, r, "check more");
	check_row(t, "check: takes no argument");
	check_that(t, r->status == 2, "status %d", r->status);
}

/* What check says about each thing that can be wrong: a line of the configuration, the key file's
 * text and mode, a file to make in the state folder's place, the secret's text and mode. */
#define STORE "store = \"redis+unix:/nowhere/redis.sock\"\n"

static const struct {
	const char *what, *conf, *keys;
	const char *secret; /* NULL: no file */
	const char *said;
	unsigned keys_mode, secret_mode;
	int status;
} wrongs[] = {
	{ "the configuration", "max_bdy = 5", "", NULL,
	    "postern.conf:4: unknown option \"max_bdy\": did you mean \"max_body\"?", 0640, 0, 1 },
	{ "no key yet", "", "# none\n", NULL, "keys: warning: it holds no key", 0640, 0, 0 },
	{ "no key file", "", NULL, NULL,
	    "keys: the key file is not there: make it with `postern key add`", 0, 0, 1 },
	{ "a damaged line", "", "\nx\n", NULL, "keys:2: the second word must be", 0640, 0, 1 },
	{ "an id twice", "", "a " HEX_A " workspace=w\na " HEX_B " workspace=w\n", NULL,
	    "keys:2: an earlier line has this id", 0640, 0, 1 },
	{ "a hash twice", "", "a " HEX_A " workspace=w\nb " HEX_A " workspace=w\n", NULL,
	    "keys:2: an earlier line has this hash", 0640, 0, 1 },
	{ "a workspace without a section", "workspace v { }",
	    "a " HEX_A " workspace=v\nb " HEX_B " workspace=w\n", NULL,
	    "keys:2: workspace \"w\" has no section in the configuration", 0640, 0, 1 },
	{ "a key file open to all", "", "a " HEX_A " workspace=w\n", NULL,
	    "keys: others than its owner may write it", 0646, 0, 1 },
	{ "a key file open to its group", "", "a " HEX_A " workspace=w\n", NULL,
	    "keys: others than its owner may write it", 0660, 0, 1 },
	{ "a secret that is not there", "SECRET", "a " HEX_A " workspace=w\n", NULL,
	    "secret\" cannot be read", 0640, 0, 1 },
	{ "an empty secret", "SECRET", "a " HEX_A " workspace=w\n", " \n", "secret\" is empty",
	    0640, 0600, 1 },
	{ "a secret of two lines", "SECRET", "a " HEX_A " workspace=w\n", "a\nb\n",
	    "secret\" holds more than one line", 0640, 0600, 1 },
	{ "a secret open to all", "SECRET", "a " HEX_A " workspace=w\n", "s3cret\n",
	    "secret\" is open to others: chmod 0600", 0640, 0644, 1 },
	{ "a good secret", "SECRET", "a " HEX_A " workspace=w\n", "s3cret\n", "ok\n", 0640, 0600,
	    0 },
	{ "certificates that are not there",
	    "upstream u { kind = anthropic url = https://x api_key_env = HOME ca_file = /nowhere }",
	    "a " HEX_A " workspace=w\n", NULL,
	    "ca_file \"/nowhere\" cannot be read: No such file or directory", 0640, 0, 1 },
	{ "a list of prices that is not there", "prices = \"/nowhere\"",
	    "a " HEX_A " workspace=w\n", NULL,
	    "postern.conf:4: prices: \"/nowhere\" cannot be read: No such file or directory", 0640,
	    0, 1 },
	{ "a password of the store that is not there", "STORE", "", NULL,
	    "store: store_password_file \"/tmp/test_cmd.", 0640, 0, 1 },
	{ "an empty password of the store", "STORE", "", "\n", "secret\" is empty", 0640, 0600, 1 },
	{ "a password of the store that is open to all", "STORE", "", "s3cret\n",
	    "secret\" is open to others: chmod 0600", 0640, 0644, 1 },
	{ "a password of the store in a variable that is not set",
	    STORE "store_password_env = TEST_CMD_NOT_SET", "", NULL,
	    "store: the variable TEST_CMD_NOT_SET is not set here", 0640, 0, 1 },
	{ "certificates of the store that are not there", STORE "store_ca_file = \"/nowhere\"", "",
	    NULL, "store: store_ca_file \"/nowhere\" cannot be read", 0640, 0, 1 },
	{ "a store that is not there", STORE, "", NULL, "", 0640, 0, 1 },
	{ "a variable that is not set",
	    "upstream u { kind = anthropic url = https://x api_key_env = TEST_CMD_NOT_SET }",
	    "a " HEX_A " workspace=w\n", NULL, "the variable TEST_CMD_NOT_SET is not set here",
	    0640, 0, 1 },
};

static void
make_wrong(const struct place *p, size_t i)
{
	char conf[2 * PATH_LEN], store[2 * PATH_LEN], secret[PATH_LEN];

	(void)snprintf(secret, sizeof(secret), "%s/secret", p->folder);
	(void)snprintf(conf, sizeof(conf),
	    "upstream u { kind = anthropic url = https://x api_key_file = \"%s\" }", secret);
	(void)snprintf(store, sizeof(store), STORE "store_password_file = \"%s\"", secret);
	put_conf(p,
	    strcmp(wrongs[i].conf, "SECRET") == 0      ? conf
		: strcmp(wrongs[i].conf, "STORE") == 0 ? store
						       : wrongs[i].conf);
	(void)unlink(p->keys);
	(void)unlink(secret);
	if (wrongs[i].keys) {
		put_file(p->keys, span_of(wrongs[i].keys));
		(void)chmod(p->keys, wrongs[i].keys_mode);
	}
	if (wrongs[i].secret) {
		put_file(secret, span_of(wrongs[i].secret));
		(void)chmod(secret, wrongs[i].secret_mode);
	}
}

static void
test_check_wrong(struct check *t, const struct place *p, struct result *r)
{
	for (size_t i = 0; i < ROWS(wrongs); i++) {
		make_wrong(p, i);
		run(p, r, "check");
		check_row(t, "check: %s", wrongs[i].what);
		check_that(t, r->status == wrongs[i].status, "status %d: %s", r->status, r->out.p);
		says(t, &r->out, wrongs[i].said);
		check_that(t, !strstr(r->out.p, "s3cret"), "tells the secret");
	}
}

/* What is reachable for whom, where that differs. */
static const struct {
	const char *what, *conf, *said;
} reaches[] = {
	{ "one region for all", "workspace w { }", "ok\n" },
	{ "two regions",
	    "default_region = us\n"
	    "upstream a { kind = echo regions = { us } }\nupstream b { kind = echo regions = { eu, us } }\n"
	    "model m { target a { } target b { } }\nmodel n { target b { } }\n",
	    "every workspace in region us: m (a, then b), n (b)\n"
	    "every workspace in region eu: m (b), n (b)\nok\n" },
	{ "an own upstream",
	    "upstream a { kind = echo any_model = true }\nupstream b { kind = echo }\n"
	    "model m { target a { } target b { } }\n"
	    "workspace w { models = { \"m\", \"x-*\" } }\nworkspace v { upstreams = { b } }\n"
	    "workspace u { models = { none } upstreams = { } }\n",
	    "workspace \"w\" in region us: m (a), any other model that its list allows (a)\n"
	    "workspace \"v\" in region us: m (b)\n"
	    "workspace \"u\" in region us: any other model that its list allows (a)\nok\n" },
};

static void
test_check_reach(struct check *t, const struct place *p, struct result *r)
{
	put_file(p->keys, SPAN("k1 " HEX_A " workspace=w\n"));
	for (size_t i = 0; i < ROWS(reaches); i++) {
		put_conf(p, reaches[i].conf);
		run(p, r, "check");
		check_row(t, "check: reachable: %s", reaches[i].what);
		check_that(t, r->status == 0, "status %d", r->status);
		check_same(t, buf_span(&r->out), span_of(reaches[i].said));
	}
}

static void
test_check_state(struct check *t, const struct place *p, struct result *r)
{
	put_file(p->keys, SPAN("k1 " HEX_A " workspace=w\n"));
	put_file(p->state, SPAN(""));
	run(p, r, "check");
	check_row(t, "check: the state folder is a file");
	check_that(t, r->status == 1, "status %d", r->status);
	says(t, &r->out, "state: this is no folder");
	check_that(t,
	    unlink(p->state) == 0 && mkdir(p->state, 0700) == 0 && chmod(p->state, 0707) == 0,
	    "no folder");
	run(p, r, "check");
	check_row(t, "check: the state folder is open to all");
	check_that(t, r->status == 1, "status %d", r->status);
	says(t, &r->out, "state: every user can write it: chmod o-w");
	check_row(t, "check: no folder to make it in");
	check_that(t, rmdir(p->state) == 0, "not removed");
	put_conf(p, "");
	struct place other = *p;

	(void)snprintf(other.state, sizeof(other.state), "%s/a/b", p->folder);
	put_conf(&other, "");
	run(&other, r, "check");
	check_that(t, r->status == 1, "status %d", r->status);
	says(t, &r->out, "the state folder is not there and cannot be made");
}

int
main(void)
{
	static void (*const tests[])(struct check *, const struct place *,
	    struct result *) = { test_add, test_add_limits, test_refusals, test_list,
		test_list_limits, test_import, test_import_refused, test_revoke, test_rotate,
		test_check_good, test_check_reach, test_check_wrong, test_check_state };
	struct check t = { .module = "cmd" };

	for (size_t i = 0; i < ROWS(tests); i++) {
		struct place p = place_make();
		struct result r = { .out = buf_make(MIB), .err = buf_make(MIB) };

		tests[i](&t, &p, &r);
		(void)nftw(p.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
		buf_free(&r.out);
		buf_free(&r.err);
	}
	return check_end(&t);
}
