/* conf: reads postern.conf with libconfuse and frees what it made. libconfuse gives the grammar;
 * every value comes here as text, with its line, and is read by the row of its option. The home of
 * confuse.h. */
#include "policy/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <confuse.h>

#include "base/limits.h"
#include "policy/confcheck.h"
#include "policy/confrow.h"
#include "policy/confscan.h"
#include "policy/finding.h"

/* libconfuse hands its callbacks no pointer of ours, so the first option of every section is a
 * hidden one that carries it, and the second a hidden one with a default value, which is read when
 * a section opens. Their names end in =, which libconfuse cuts off every name that it looks up. */
#define PLENTY_MIN    (256 * KIB)
#define PLENTY_FACTOR 64
#define HIDDEN_READER "reader="
#define HIDDEN_OPEN   "open="
#define HIDDEN_N      2

struct reader {
	struct confread read;
	cfg_t *section[CONFLEVELS]; /* the one that is open now */
	bool refused;		    /* no more sections can be taken */
	bool complete;		    /* the end of the text was reached */
};

static struct reader *
reader_of(cfg_t *cfg)
{
	return (struct reader *)cfg->opts[0].simple_value.ptr;
}

static bool
stopped(const struct reader *r)
{
	return r->refused || r->read.broken || r->read.found.full;
}

/* The level and the row of an option are kept in the number of its default, which text options do
 * not use. */
static long
opt_number(enum conflevel level, size_t row)
{
	return (long)((size_t)level * CONFROWS_MAX + row);
}

static enum conflevel
opt_level(const cfg_opt_t *opt)
{
	return (enum conflevel)((size_t)opt->def.number / CONFROWS_MAX);
}

static size_t
opt_index(const cfg_opt_t *opt)
{
	return (size_t)opt->def.number % CONFROWS_MAX;
}

static const struct confrow *
opt_row(const cfg_opt_t *opt)
{
	return &confsections[opt_level(opt)].rows[opt_index(opt)];
}

static void
set(struct confread *r, enum conflevel level, const struct confvalue *given)
{
	struct confvalue v = *given;

	v.object = r->object[level];
	v.kinds = r->kinds;
	v.found = &r->found;
	v.broken = &r->broken;
	if (v.index >= CONF_LIST_MAX)
		finding_error(
		    v.found, v.line, "%s: more than %u entries", v.row->name, CONF_LIST_MAX);
	else
		v.row->set(&v);
}

/* A value was read. The text that libconfuse would keep is of no use to us. */
static int
on_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	struct reader *r = reader_of(cfg);
	const struct confsection *s = &confsections[opt_level(opt)];
	struct confvalue v = {
		.row = opt_row(opt), .text = text, .index = opt->nvalues - 1, .line = cfg->line
	};
	int *given = &r->read.given[opt_level(opt)][opt_index(opt)];

	*(const char **)result = "";
	if (stopped(r))
		return -1;
	if (strcmp(cfg->name, s->name) != 0) {
		/* libconfuse takes `section|option` for an option of a section that is not open. */
		finding_error(&r->read.found, v.line, "\"%s\" belongs inside a section \"%s\"",
		    v.row->name, s->name);
	} else if (v.index == 0 && *given) {
		finding_error(&r->read.found, v.line, "a second \"%s\"; the first is on line %d",
		    v.row->name, *given);
	} else {
		*given = v.index == 0 ? v.line : *given;
		set(&r->read, opt_level(opt), &v);
	}
	return stopped(r) ? -1 : 0;
}

/* Makes the struct of a section that was just opened the one that values go to, and gives it its
 * defaults. */
static void
enter(struct reader *r, enum conflevel level, cfg_t *cfg, void *object)
{
	const struct confsection *s = &confsections[level];

	r->section[level] = cfg;
	r->read.object[level] = object;
	memset(r->read.given[level], 0, sizeof(r->read.given[level]));
	for (size_t i = 0; i < s->rows_n; i++) {
		if (s->rows[i].fallback)
			set(&r->read, level,
			    &(struct confvalue){ .row = &s->rows[i], .text = s->rows[i].fallback });
	}
}

/* libconfuse ends the program when a default value is refused, so this always agrees; a section
 * that cannot be taken stops the reader at the next value or brace. */
static int
on_open(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	struct reader *r = reader_of(cfg);
	enum conflevel level = opt_level(opt);
	void *object = stopped(r) ? NULL : confsections[level].add(&r->read, cfg->title, cfg->line);

	(void)text;
	*(const char **)result = "";
	if (object)
		enter(r, level, cfg, object);
	else
		r->refused = true;
	return 0;
}

/* What only shows when the section is complete: lists given as { }, which libconfuse reports to
 * nobody, and options whose name is "", which it takes without a word. */
static void
leave(struct reader *r, enum conflevel level)
{
	cfg_t *cfg = r->section[level];

	for (cfg_opt_t *o = cfg->opts; o->name; o++) {
		int *given;

		if (*o->name == '\0')
			finding_error(&r->read.found, cfg->line, "an option without a name");
		if (o->parsecb != on_value || o->nvalues > 0 || !(o->flags & CFGF_MODIFIED))
			continue;
		given = &r->read.given[level][opt_index(o)];
		if (!opt_row(o)->empty)
			finding_error(&r->read.found, cfg->line,
			    "%s = { }: the list is empty; fill it or leave it out", o->name);
		else if (*given)
			finding_error(&r->read.found, cfg->line,
			    "a second \"%s\"; the first is on line %d", o->name, *given);
		else
			*given = cfg->line;
	}
	confsections[level].done(&r->read);
}

static int
on_close(cfg_t *cfg, cfg_opt_t *opt)
{
	struct reader *r = reader_of(cfg);

	if (!stopped(r))
		leave(r, opt_level(opt));
	return stopped(r) ? -1 : 0;
}

/* How many single-character edits lead from a to b; names are short. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN + 1];
	size_t n = strlen(b);

	if (n > NAME_MAX_LEN || strlen(a) > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (; *a; a++) {
		size_t corner = row[0]++;

		for (size_t j = 1; j <= n; j++) {
			size_t best = corner + (*a != b[j - 1]);

			corner = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
		}
	}
	return row[n];
}

/* True for options and sections of ours, false for the hidden ones and those that libconfuse added
 * on the way. */
static bool
real(const cfg_opt_t *o)
{
	return o->parsecb == on_value || o->validcb == on_close;
}

/* The known name that is one edit away, or two when it is long; NULL when there is none. */
static const char *
nearest(const cfg_t *cfg, const char *name)
{
	size_t least = strlen(name) < 6 ? 2 : 3;
	const char *best = NULL;

	for (const cfg_opt_t *o = cfg->opts; o->name; o++) {
		size_t d = real(o) ? distance(name, o->name) : least;

		if (d < least) {
			least = d;
			best = o->name;
		}
	}
	return best;
}

static void
unknown(struct reader *r, const cfg_t *cfg, const char *name)
{
	const char *near = nearest(cfg, name);
	char known[MESSAGE_MAX / 2] = "";
	size_t used = 0;

	if (near) {
		finding_error(&r->read.found, cfg->line,
		    "unknown option \"%.64s\": did you mean \"%s\"?", name, near);
		return;
	}
	for (const cfg_opt_t *o = cfg->opts; o->name; o++) {
		if (!real(o))
			continue;
		int n =
		    snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "", o->name);
		if (n > 0 && (size_t)n < sizeof(known) - used)
			used += (size_t)n;
	}
	finding_error(
	    &r->read.found, cfg->line, "unknown option \"%.64s\": known here are %s", name, known);
}

/* libconfuse has something to say. After an unknown option it reads on, because CFGF_KEYSTRVAL lets
 * it take the option for a text; what it then says about the same line is a consequence. */
static void PRINTF_LIKE(2, 0) on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct reader *r = reader_of(cfg);

	if (strcmp(fmt, "no such option '%s'") == 0)
		unknown(r, cfg, va_arg(ap, const char *));
	else if (!finding_error_at(&r->read.found, cfg->line))
		finding_error_va(&r->read.found, cfg->line, fmt, ap);
	if (stopped(r))
		cfg->flags &= ~CFGF_KEYSTRVAL;
}

/* The options of one level as libconfuse wants them. */
struct options {
	char open[sizeof("open")]; /* the default value of the hidden option; never looked at */
	cfg_opt_t v[HIDDEN_N + CONFROWS_MAX + CONFLEVELS + 1];
};

static void
options_fill(struct options all[static CONFLEVELS], enum conflevel level, struct reader *r)
{
	const struct confsection *s = &confsections[level];
	cfg_opt_t *o = all[level].v;

	*o++ = (cfg_opt_t){
		.name = HIDDEN_READER, .type = CFGT_PTR, .simple_value = { .ptr = (void *)r }
	};
	memcpy(all[level].open, "open", sizeof("open"));
	*o++ = (cfg_opt_t){ .name = HIDDEN_OPEN,
		.type = CFGT_STR,
		.flags = level == CONFLEVEL_ROOT ? CFGF_NODEFAULT : CFGF_NONE,
		.def = { .parsed = all[level].open, .number = opt_number(level, 0) },
		.parsecb = on_open };
	for (size_t i = 0; i < s->rows_n; i++) {
		*o++ = (cfg_opt_t){ .name = s->rows[i].name,
			.type = CFGT_STR,
			.flags = CFGF_NODEFAULT | (s->rows[i].list ? CFGF_LIST : CFGF_NONE),
			.def = { .number = opt_number(level, i) },
			.parsecb = on_value };
	}
	for (size_t i = 0; i < CONFLEVELS; i++) {
		if (confsections[i].inside == level)
			*o++ = (cfg_opt_t){ .name = confsections[i].name,
				.type = CFGT_SEC,
				.flags = CFGF_MULTI | CFGF_TITLE,
				.subopts = all[i].v,
				.def = { .number = opt_number((enum conflevel)i, 0) },
				.validcb = on_close };
	}
}

/* Whether there is plenty of memory for libconfuse, which ends the process when its scanner finds
 * none: several times what it takes for a text of this length. */
static bool
has_plenty(size_t n)
{
	struct buf room = buf_make(PLENTY_MIN + PLENTY_FACTOR * CONF_FILE_MAX);
	char *at;
	bool has = buf_room(&room, PLENTY_MIN + PLENTY_FACTOR * n, &at) == 0;

	buf_free(&room);
	return has;
}

/* Runs libconfuse over a scanned text. */
static void
read_text(struct reader *r, const char *text)
{
	struct options *all = calloc(CONFLEVELS, sizeof(*all));
	cfg_t *cfg = NULL;

	for (size_t i = 0; all && i < CONFLEVELS; i++)
		options_fill(all, (enum conflevel)i, r);
	if (all && has_plenty(strlen(text)))
		cfg = cfg_init(all[CONFLEVEL_ROOT].v, CFGF_KEYSTRVAL);
	if (!cfg) {
		r->read.broken = true;
		goto out;
	}
	cfg_set_error_function(cfg, on_error);
	enter(r, CONFLEVEL_ROOT, cfg, r->read.conf);
	errno = 0;
	if (cfg_parse_buf(cfg, text) == CFG_SUCCESS) {
		/* Some of its failures to allocate it passes over. */
		r->read.broken |= errno == ENOMEM;
		leave(r, CONFLEVEL_ROOT);
		r->complete = !r->refused;
	} else if (errno == ENOMEM) {
		r->read.broken = true;
	} else if (r->read.found.errors == 0) {
		finding_error(&r->read.found, cfg->line, "this cannot be read");
	}
	cfg_free(cfg);
out:
	free(all);
}

static void
read_all(struct reader *r, const char *text)
{
	struct buf clean = buf_make(CONF_FILE_MAX);
	const char *scanned = NULL;

	errno = 0;
	if (confscan(text, &clean, &r->read.found) == 0)
		scanned = buf_str(&clean);
	if (scanned)
		read_text(r, scanned);
	else if (r->read.found.errors == 0 || errno == ENOMEM)
		r->read.broken = true;
	buf_free(&clean);
}

/* Reads the list of prices; what is wrong inside of it goes to lines. */
static void
read_prices(struct confread *r, const struct conf_source *s, struct findings *lines)
{
	struct conf *c = r->conf;
	struct buf text = buf_make(CONF_FILE_MAX);
	const char *path = c->prices ? c->prices : s->prices;
	int line = confrow_given(r, CONFLEVEL_ROOT, "prices");

	if (!path)
		return;
	if (s->read(path, &text) == 0)
		r->broken |= pricelist_read(&c->pricelist, buf_span(&text), lines) < 0;
	else if (c->prices)
		finding_error(&r->found, line, "prices: \"%s\" cannot be read: %m", path);
	else if (errno != ENOENT)
		finding_warn(&r->found, 0, "the list of prices \"%s\" cannot be read: %m", path);
	buf_free(&text);
}

struct conf *
conf_parse(const struct conf_source *s, struct buf *errors, struct buf *warnings)
{
	struct reader r = { .read = { .kinds = s->kinds, .conf = calloc(1, sizeof(struct conf)) } };
	struct findings *found = &r.read.found;
	struct findings prices = { 0 };
	struct conf *c = r.read.conf;
	bool broken;

	if (c)
		read_all(&r, s->text);
	if (r.complete) {
		read_prices(&r.read, s, &prices);
		r.read.broken |= confcheck(c, found) < 0;
	}
	if (!c || r.read.broken)
		finding_error(found, 0, "out of memory");
	finding_print(found, s->file, errors, warnings);
	if (c)
		finding_print(&prices, c->prices ? c->prices : s->prices, errors, warnings);
	broken = !c || r.read.broken;
	if (found->errors + prices.errors > 0 || broken) {
		conf_free(c);
		c = NULL;
	}
	finding_free(found);
	finding_free(&prices);
	errno = !c && broken ? ENOMEM : 0;
	return c;
}

static void
upstream_free(struct conf_upstream *u)
{
	free(u->name);
	free(u->kind);
	free(u->url);
	free(u->api_key_file);
	free(u->api_key_env);
	free(u->ca_file);
	free(u->credentials_file);
	free(u->aws_profile);
	free(u->aws_region);
	free(u->aws_service);
	free(u->google_project);
	free(u->google_location);
	free(u->anthropic_version);
	free(u->workspace_id);
	namelist_clear(&u->beta_allow);
	namelist_clear(&u->may_drop);
	namelist_clear(&u->regions);
}

static void
model_free(struct conf_model *m)
{
	for (size_t i = 0; i < m->targets_n; i++) {
		free(m->targets[i].name);
		free(m->targets[i].id);
	}
	free(m->targets);
	free(m->id);
	free(m->display_name);
	namelist_clear(&m->regions);
}

static void
store_free(struct conf_store *s)
{
	free(s->kind);
	free(s->host);
	free(s->path);
	free(s->user);
	free(s->password_file);
	free(s->password_env);
	free(s->ca_file);
}

void
conf_free(struct conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->upstreams_n; i++)
		upstream_free(&c->upstreams[i]);
	for (size_t i = 0; i < c->models_n; i++)
		model_free(&c->models[i]);
	for (size_t i = 0; i < c->workspaces_n; i++) {
		free(c->workspaces[i].name);
		namelist_clear(&c->workspaces[i].models);
		namelist_clear(&c->workspaces[i].upstreams);
	}
	free(c->upstreams);
	free(c->models);
	free(c->workspaces);
	free(c->keys);
	free(c->state);
	free(c->prices);
	pricelist_free(&c->pricelist);
	store_free(&c->store);
	free(c->default_region);
	free(c);
}

const struct conf_model *
conf_model(const struct conf *c, struct span id)
{
	for (size_t i = 0; i < c->models_n; i++) {
		if (span_eq(span_of(c->models[i].id), id))
			return &c->models[i];
	}
	return NULL;
}

const struct conf_workspace *
conf_workspace(const struct conf *c, struct span name)
{
	for (size_t i = 0; i < c->workspaces_n; i++) {
		if (span_eq(span_of(c->workspaces[i].name), name))
			return &c->workspaces[i];
	}
	return NULL;
}

const struct price *
conf_price(const struct conf *c, struct span model, struct span upstream_model)
{
	const struct conf_model *m = conf_model(c, model);
	const struct price *listed;

	if (m && m->priced)
		return &m->price;
	listed = pricelist_find(&c->pricelist, model);
	return listed ? listed : pricelist_find(&c->pricelist, upstream_model);
}

const struct quota *
conf_quota(const struct conf *c, const struct conf_workspace *w)
{
	return w ? &w->quota : &c->quota;
}
