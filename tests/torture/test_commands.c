/* commands: what an administrator runs while memory runs out. A command that says that it has done
 * its work has done it and told all of it; one that has not says why, and leaves files that are
 * whole. */
#include <fcntl.h>
#include <getopt.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "torture/torture.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "cmd/cmd.h"
#include "policy/key.h"
#include "store/local.h"
#include "unit/finished.h"

#define WORDS_MAX 16
#define CALLS	  9u /* in the books */

struct errand {
	int (*run)(int argc, char **argv);
	const char *line; /* without --config */
	bool adds;	  /* a key, which it prints */
};

static struct {
	struct check check;
	char top[64], state[96], keys[96], conf[96];
	int out, err;	   /* what it prints */
	struct buf golden; /* that on standard output when nothing fails */
	struct buf said, complaint, file;
	int status;
} commands = { .check = { .module = "torture commands" } };

static const char conf_format[] =
    "keys = \"%s\"\nstate = \"%s\"\nprices = \"%s/prices\"\n"
    "upstream \"echo\" { kind = \"echo\" }\n"
    "model \"said\" { target \"echo\" { } }\n"
    "model \"other\" { target \"echo\" { } display_name = \"O\" price = { 3, 15, 3.75, 6, 0.3 } }\n"
    "workspace \"default\" { rpm = 100 }\nworkspace \"narrow\" { models = { \"sa*\" } }\n";

static const char keys_text[] =
    "# id  sha256-of-key  name=value ...\n"
    "one1 000000000000000000000000000000000000000000000000000000000000aaaa workspace=default name=\"One\"\n"
    "two2 000000000000000000000000000000000000000000000000000000000000bbbb workspace=narrow rpm=7\n"
    "three 000000000000000000000000000000000000000000000000000000000000cccc workspace=default "
    "revoked=2026-01-01T00:00:00Z\n";

static const struct {
	const char *name;
	struct errand errand;
} rows[] = {
	{ "check", { cmd_check, "check", false } },
	{ "key list", { cmd_key, "key list", false } },
	{ "key add", { cmd_key, "key add --workspace default --name N --rpm 5", true } },
	{ "key rotate", { cmd_key, "key rotate one1", true } },
	{ "key revoke", { cmd_key, "key revoke two2", false } },
	{ "usage", { cmd_usage, "usage --since 2026-11-01 --until 2026-11-30", false } },
	{ "usage as JSON",
	    { cmd_usage,
		"usage --by workspace,key --format json --since 2026-11-01 --until 2026-11-30",
		false } },
	{ "ledger verify", { cmd_ledger, "ledger verify", false } },
};

static const struct errand *
errand(void)
{
	return torture.scenario->data;
}

/* Some calls in the ledger and in the totals. */
static void
fill_books(void)
{
	static char local[] = "local";
	const struct conf c = {
		.keys = commands.keys, .state = commands.state, .store = { .kind = local }
	};
	struct store *s = store_local.open(&c, NULL, false);
	struct buf line = buf_make(LEDGER_LINE_MAX);

	for (uint64_t n = 0; s && n < CALLS; n++) {
		const struct admission_ask ask = { .workspace = SPAN("w"), .key = SPAN("k") };
		const struct admission_grant none = { 0 };
		struct store_booking b = { .ask = &ask, .grant = &none };

		finished_line(n, FINISHED_MS, &line);
		b.line = buf_span(&line);
		if (s->kind->settle(s, &b) != STORE_OK)
			abort();
	}
	if (!s)
		abort();
	s->kind->close(s);
	buf_free(&line);
}

static void
open_place(void)
{
	char text[2048], prices[96];

	torture_folder(commands.top, sizeof(commands.top));
	(void)snprintf(commands.state, sizeof(commands.state), "%s/state", commands.top);
	(void)snprintf(commands.keys, sizeof(commands.keys), "%s/keys", commands.top);
	(void)snprintf(commands.conf, sizeof(commands.conf), "%s/conf", commands.top);
	(void)snprintf(prices, sizeof(prices), "%s/prices", commands.top);
	(void)snprintf(
	    text, sizeof(text), conf_format, commands.keys, commands.state, commands.top);
	commands.out = torture_capture(STDOUT_FILENO);
	commands.err = torture_capture(STDERR_FILENO);
	torture_write(commands.conf, text);
	torture_write(commands.keys, keys_text);
	torture_write(prices, "said 1 2 3 4 5\n");
	fill_books();
	commands.golden.len = 0;
}

static void
close_place(void)
{
	torture_remove(commands.top);
}

static void
before(void)
{
	if (ftruncate(commands.out, 0) < 0 || ftruncate(commands.err, 0) < 0)
		abort();
	clearerr(stdout);
	torture_write(commands.keys, keys_text);
	optind = 0; /* getopt(3) begins anew */
}

static void
during(void)
{
	static char words[512];
	const struct errand *e = errand();
	char *argv[WORDS_MAX + 1] = { 0 };
	int argc = 0;
	int n = snprintf(words, sizeof(words), "%s --config %s", e->line, commands.conf);

	if (n < 0 || (size_t)n >= sizeof(words))
		abort();
	for (char *w = words; w && argc < WORDS_MAX;) {
		char *next = strchr(w, ' ');

		if (next)
			*next++ = '\0';
		argv[argc++] = w;
		w = next;
	}
	commands.status = e->run(argc, argv);
	(void)fflush(stdout);
}

static void
read_said(int fd, struct buf *out)
{
	struct stat st;
	char *at;

	out->len = 0;
	if (fstat(fd, &st) < 0 || buf_room(out, (size_t)st.st_size + 1, &at) < 0 ||
	    pread(fd, at, (size_t)st.st_size, 0) != st.st_size)
		abort();
	out->len = (size_t)st.st_size;
}

/* Every line of the key file is whole and good. */
static void
check_keys(size_t *n)
{
	struct span rest, line;
	struct key k;
	const char *why = "";

	*n = 0;
	commands.file.len = 0;
	if (file_read(commands.keys, &commands.file))
		abort();
	rest = buf_span(&commands.file);
	check_that(&commands.check, rest.n > 0 && rest.p[rest.n - 1] == '\n', "half a line");
	while (rest.n > 0 && span_next(&rest, '\n', &line)) {
		enum key_line kind = key_parse(line, &k, &why);

		check_that(
		    &commands.check, kind != KEY_LINE_BAD, "the key file is broken: %s", why);
		*n += kind == KEY_LINE_KEY;
	}
}

/* The key that was printed is in the file. */
static void
check_added(void)
{
	struct span said = buf_span(&commands.said);
	const char *at = said.n > 0 ? memmem(said.p, said.n, "sk-postern-", 11) : NULL;
	uint8_t hash[HASH_LEN];
	char hex[HASH_HEX_LEN + 1];
	struct span text;

	if (!check_that(&commands.check, at != NULL, "no key in '%.*s'", (int)said.n, said.p))
		return;
	text = (struct span){ at, KEY_TEXT_LEN };
	if (hash_sha256(text, hash))
		abort();
	hash_to_hex(hash, hex);
	check_that(&commands.check,
	    memmem(commands.file.p, commands.file.len, hex, HASH_HEX_LEN) != NULL,
	    "the key that was printed is not in the file");
}

static void
check_done(void)
{
	struct check *c = &commands.check;
	size_t n;

	check_keys(&n);
	if (errand()->adds) {
		check_that(c, n == 4, "%zu keys", n);
		check_added();
		return;
	}
	if (torture.unfailed && commands.golden.len == 0 &&
	    buf_add(&commands.golden, buf_span(&commands.said)))
		abort();
	check_same(c, buf_span(&commands.said), buf_span(&commands.golden));
}

static void
after(void)
{
	struct check *c = &commands.check;
	size_t n;

	read_said(commands.out, &commands.said);
	read_said(commands.err, &commands.complaint);
	ERR_clear_error(); /* its words are kept until a thread's next error */
	if (commands.status == 0) {
		check_done();
		return;
	}
	check_that(c, !torture.unfailed, "status %d: %.*s", commands.status,
	    (int)commands.complaint.len, commands.complaint.p);
	check_that(c, commands.status == 1, "status %d", commands.status);
	check_that(c, commands.complaint.len + commands.said.len > 0, "it does not say why");
	check_keys(&n);
}

static void
make_room(struct buf *b)
{
	char *at;

	*b = buf_make(MIB);
	if (buf_room(b, 64 * KIB, &at))
		abort();
}

int
main(int argc, char **argv)
{
	make_room(&commands.golden);
	make_room(&commands.said);
	make_room(&commands.complaint);
	make_room(&commands.file);
	torture_open(&commands.check);
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct torture_scenario s = { .name = rows[i].name,
			.open = open_place,
			.begin = before,
			.act = during,
			.end = after,
			.close = close_place,
			.data = &rows[i].errand,
			.exclusion = &torture_confuse };

		if (argc < 2 || strstr(rows[i].name, argv[1]))
			torture_run(&s);
	}
	buf_free(&commands.golden);
	buf_free(&commands.said);
	buf_free(&commands.complaint);
	buf_free(&commands.file);
	return torture.failed > 0;
}
