/* rediskeys: see the header. The keys are a hash in Redis: the SHA-256 of a key, in hexadecimal,
 * and its line. */
#include "store/rediskeys.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "policy/key.h"
#include "store/redislink.h"
#include "store/redisscript.h"

#define KEYS	    REDISSCRIPT_PREFIX "keys"
#define WAIT_MS	    30000 /* for many lines */
#define ATTEMPTS    10
#define LINES_STEP  1024u
#define WRITES_EACH 500u /* lines of one command */

/* A line, and what it is found and sorted by. The spans point elsewhere. */
struct line {
	struct span text, id;
	uint8_t hash[HASH_LEN];
	bool kept; /* of the old ones: its hash is among the new */
};

struct lines {
	struct line *at;
	size_t n, max;
};

enum edited { EDITED, EDIT_FAILED, EDIT_AGAIN };

static int PRINTF_LIKE(1, 2) complain(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("redis: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return -1;
}

static int
complain_status(struct redislink *l, const struct redislink_answer *a)
{
	const char *why = a->why ? a->why : redislink_why(l);

	return complain("%s", why ? why : "it cannot be used");
}

static int
add_line(struct lines *to, struct span text, const struct key *k)
{
	if (to->n == to->max) {
		struct line *more = reallocarray(to->at, to->max + LINES_STEP, sizeof(*to->at));

		if (!more)
			return complain("out of memory");
		to->at = more;
		to->max += LINES_STEP;
	}
	to->at[to->n] = (struct line){ .text = text, .id = k->id };
	(void)memcpy(to->at[to->n].hash, k->hash, HASH_LEN);
	to->n++;
	return 0;
}

static int
by_id(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	size_t n = x->id.n < y->id.n ? x->id.n : y->id.n;
	int order = memcmp(x->id.p, y->id.p, n);

	return order ? order : (x->id.n > y->id.n) - (x->id.n < y->id.n);
}

static int
by_hash(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return memcmp(x->hash, y->hash, HASH_LEN);
}

static void
sort(struct lines *lines, int (*order)(const void *, const void *))
{
	if (lines->n > 0)
		qsort(lines->at, lines->n, sizeof(*lines->at), order);
}

/* The good lines of an answer to HGETALL. */
static int
read_lines(const struct redislink_answer *a, struct lines *out)
{
	for (size_t i = 0; i + 1 < redislink_elements(a); i += 2) {
		struct span field = redislink_element_text(a, i);
		struct span text = redislink_element_text(a, i + 1);
		uint8_t hash[HASH_LEN];
		const char *why = NULL;
		struct key k;

		if (hash_from_hex(field, hash) < 0 || key_parse(text, &k, &why) != KEY_LINE_KEY ||
		    !hash_same(hash, k.hash))
			(void)complain("the line of %.*s is damaged%s%s", (int)field.n, field.p,
			    why ? ": " : "", why ? why : "");
		else if (add_line(out, text, &k) < 0)
			return -1;
	}
	return 0;
}

static int
write_text(struct lines *lines, struct buf *text)
{
	sort(lines, by_id);
	for (size_t i = 0; i < lines->n; i++)
		if (buf_add(text, lines->at[i].text) < 0 || buf_add(text, SPAN("\n")) < 0)
			return complain("out of memory");
	return 0;
}

/* The lines of a changed text. One that is not good is an error: it could never be found. */
static int
parse_text(struct span text, struct lines *out)
{
	struct span line;

	while (span_next(&text, '\n', &line)) {
		const char *why = NULL;
		struct key k;
		enum key_line kind = key_parse(line, &k, &why);

		if (kind == KEY_LINE_BAD)
			return complain("a line cannot be kept: %s", why);
		if (kind == KEY_LINE_KEY && add_line(out, line, &k) < 0)
			return -1;
	}
	return 0;
}

static void
add_hash(struct redislink_words *w, const struct line *line)
{
	char hex[HASH_HEX_LEN + 1];

	hash_to_hex(line->hash, hex);
	redislink_word(w, span_of(hex));
}

/* Asks over the held connection, and wants no more than an answer. */
static int
ask(struct redislink *l, struct redislink_hold *h, const struct redislink_words *w)
{
	struct redislink_answer a = { 0 };
	enum store_status status = redislink_hold_ask(l, h, w, clock_mono_ms() + WAIT_MS, &a);
	int rc = status == STORE_OK ? 0 : complain_status(l, &a);

	redislink_answer_free(&a);
	return rc;
}

static int
ask_words(struct redislink *l, struct redislink_hold *h, struct span first, struct span second)
{
	struct redislink_words w = redislink_words();
	int rc;

	redislink_word(&w, first);
	if (second.n > 0)
		redislink_word(&w, second);
	rc = ask(l, h, &w);
	redislink_words_free(&w);
	return rc;
}

/* Commands over many lines, sent some at a time. */
struct writes {
	struct redislink *link;
	struct redislink_hold *hold;
	struct span command;
	struct redislink_words words;
	size_t n;
};

static int
writes_send(struct writes *w)
{
	int rc = w->n > 0 ? ask(w->link, w->hold, &w->words) : 0;

	redislink_words_free(&w->words);
	w->n = 0;
	return rc;
}

static int
writes_add(struct writes *w, const struct line *line, bool with_text)
{
	if (w->n == 0) {
		w->words = redislink_words();
		redislink_word(&w->words, w->command);
		redislink_word(&w->words, SPAN(KEYS));
	}
	add_hash(&w->words, line);
	if (with_text)
		redislink_word(&w->words, line->text);
	return ++w->n < WRITES_EACH ? 0 : writes_send(w);
}

/* Says what differs between the old lines, sorted by hash, and the new ones. */
static int
write_difference(struct writes *set, struct writes *del, struct lines *old, const struct lines *new)
{
	for (size_t i = 0; i < new->n; i++) {
		struct line *was = old->n > 0
		    ? bsearch(&new->at[i], old->at, old->n, sizeof(*old->at), by_hash)
		    : NULL;

		if (was)
			was->kept = true;
		if ((!was || !span_eq(was->text, new->at[i].text)) &&
		    writes_add(set, &new->at[i], true) < 0)
			return -1;
	}
	for (size_t i = 0; i < old->n; i++)
		if (!old->at[i].kept && writes_add(del, &old->at[i], false) < 0)
			return -1;
	return writes_send(set) < 0 || writes_send(del) < 0 ? -1 : 0;
}

/* Ends the transaction; it has come to nothing when the keys were changed since they were read. */
static enum edited
commit(struct redislink *l, struct redislink_hold *h)
{
	struct redislink_words w = redislink_words();
	struct redislink_answer a = { 0 };
	enum edited result = EDIT_FAILED;

	redislink_word(&w, SPAN("EXEC"));
	if (redislink_hold_ask(l, h, &w, clock_mono_ms() + WAIT_MS, &a) != STORE_OK)
		(void)complain_status(l, &a);
	else
		result = redislink_is_list(&a) ? EDITED : EDIT_AGAIN;
	redislink_words_free(&w);
	redislink_answer_free(&a);
	return result;
}

static enum edited
write_lines(struct redislink *l, struct redislink_hold *h, struct lines *old, struct lines *new)
{
	struct writes set = { .link = l, .hold = h, .command = SPAN("HSET") };
	struct writes del = { .link = l, .hold = h, .command = SPAN("HDEL") };
	int rc;

	sort(old, by_hash);
	if (ask_words(l, h, SPAN("MULTI"), SPAN("")) < 0)
		return EDIT_FAILED;
	rc = write_difference(&set, &del, old, new);
	redislink_words_free(&set.words);
	redislink_words_free(&del.words);
	return rc < 0 ? EDIT_FAILED : commit(l, h);
}

/* An administrator's change, from what is read to what is written. */
struct edit {
	keyfile_change *change;
	void *arg;
	struct redislink_answer all; /* what the old lines point into */
	struct lines old, new;
	struct buf text, changed;
};

static int
read_all(struct redislink *l, struct redislink_hold *h, struct redislink_answer *a)
{
	struct redislink_words w = redislink_words();
	enum store_status status;

	redislink_word(&w, SPAN("HGETALL"));
	redislink_word(&w, SPAN(KEYS));
	status = redislink_hold_ask(l, h, &w, clock_mono_ms() + WAIT_MS, a);
	redislink_words_free(&w);
	return status == STORE_OK ? 0 : complain_status(l, a);
}

static enum edited
edit_once(struct redislink *l, struct redislink_hold *h, struct edit *e)
{
	int rc;

	if (ask_words(l, h, SPAN("WATCH"), SPAN(KEYS)) < 0 || read_all(l, h, &e->all) < 0 ||
	    read_lines(&e->all, &e->old) < 0 || write_text(&e->old, &e->text) < 0)
		return EDIT_FAILED;
	rc = e->change(e->arg, buf_span(&e->text), &e->changed);
	if (rc != 0)
		return rc < 0 ? EDIT_FAILED : EDITED;
	if (parse_text(buf_span(&e->changed), &e->new) < 0)
		return EDIT_FAILED;
	return write_lines(l, h, &e->old, &e->new);
}

/* One attempt on a connection of its own: closing it ends whatever it watches. */
static enum edited
attempt(struct redislink *l, keyfile_change *change, void *arg)
{
	struct edit e = { .change = change,
		.arg = arg,
		.text = buf_make(KEY_FILE_MAX),
		.changed = buf_make(KEY_FILE_MAX) };
	struct redislink_hold *h = NULL;
	enum edited result = EDIT_FAILED;

	if (redislink_hold(l, redislink_by_ms(l), &h) != STORE_OK)
		(void)complain_status(l, &e.all);
	else
		result = edit_once(l, h, &e);
	if (h)
		redislink_hold_end(l, h, true);
	redislink_answer_free(&e.all);
	free(e.old.at);
	free(e.new.at);
	buf_free(&e.text);
	buf_free(&e.changed);
	return result;
}

int
rediskeys_edit(const struct conf *c, keyfile_change *change, void *arg)
{
	struct redislink *l = redislink_open(&c->store);
	enum edited result = EDIT_AGAIN;

	if (!l)
		return -1;
	for (int i = 0; result == EDIT_AGAIN && i < ATTEMPTS; i++)
		result = attempt(l, change, arg);
	if (result == EDIT_AGAIN)
		(void)complain("somebody else is changing the keys all the time");
	redislink_close(l);
	return result == EDITED ? 0 : -1;
}

int
rediskeys_read(const struct conf *c, struct buf *text)
{
	struct redislink *l = redislink_open(&c->store);
	struct redislink_answer a = { 0 };
	struct redislink_hold *h = NULL;
	struct lines lines = { 0 };
	int rc = -1;

	if (!l)
		return -1;
	if (redislink_hold(l, redislink_by_ms(l), &h) != STORE_OK)
		(void)complain_status(l, &a);
	else if (read_all(l, h, &a) == 0 && read_lines(&a, &lines) == 0)
		rc = write_text(&lines, text);
	if (h)
		redislink_hold_end(l, h, false);
	redislink_answer_free(&a);
	redislink_close(l);
	free(lines.at);
	return rc;
}
