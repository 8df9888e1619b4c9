/* fuzz_conf: whatever the text, there is either a configuration that holds together or a reason why
 * not, and the next text is read as if nothing had been before it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/limits.h"
#include "policy/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const kinds[] = { "anthropic", "echo", NULL };
static const char good[] = "upstream \"e\" { kind = \"echo\" }\nmodel \"m\" { target \"e\" { } }\n";

static void
check_upstream(const struct conf_upstream *u)
{
	assert(u->name && *u->name && u->kind && u->regions.n > 0 && u->line > 0);
	assert(strcmp(u->kind, "echo") == 0 || (u->url && (!u->api_key_file != !u->api_key_env)));
	assert(u->pace_ms >= 0 && u->pace_ms <= 60000);
}

static void
check_model(const struct conf *c, const struct conf_model *m)
{
	assert(
	    m->id && *m->id && m->regions.n > 0 && m->targets_n > 0 && m->targets_n <= TARGETS_MAX);
	for (size_t i = 0; i < m->targets_n; i++) {
		const struct conf_target *t = &m->targets[i];

		assert(t->id && *t->id && t->upstream < c->upstreams_n);
		assert(strcmp(c->upstreams[t->upstream].name, t->name) == 0);
	}
	assert(conf_model(c, span_of(m->id)) == m);
}

static void
check_quota(const struct quota *q)
{
	assert(q->rpm <= QUOTA_RATE_MAX && q->tpm <= QUOTA_RATE_MAX);
	assert(q->concurrent <= QUOTA_CONCURRENT_MAX);
	assert(q->budget_day_nanousd <= QUOTA_NANOUSD_MAX &&
	    q->budget_month_nanousd <= QUOTA_NANOUSD_MAX);
}

static void
check_store(const struct conf_store *s)
{
	bool redis = strcmp(s->kind, "redis") == 0;

	assert(redis || strcmp(s->kind, "local") == 0);
	assert(redis == (s->host || s->path) && !(s->host && s->path));
	assert(!s->host || (*s->host && s->port > 0 && s->port <= 65535));
	assert(s->timeout_ms >= 50 && s->timeout_ms <= 30000 && s->db <= 65535);
}

static void
check_conf(const struct conf *c)
{
	assert(c->keys && *c->keys && c->state && *c->state && c->default_region &&
	    *c->default_region);
	assert(c->max_body >= 1024 && c->max_body <= 268435456);
	assert(c->commit_ms >= 0 && c->ping_ms >= 0 && c->connect_ms >= 1000 &&
	    c->first_ms >= 1000 && c->idle_ms >= 1000);
	for (size_t i = 0; i < c->upstreams_n; i++)
		check_upstream(&c->upstreams[i]);
	for (size_t i = 0; i < c->models_n; i++)
		check_model(c, &c->models[i]);
	for (size_t i = 0; i < c->workspaces_n; i++) {
		assert(conf_workspace(c, span_of(c->workspaces[i].name)) == &c->workspaces[i]);
		check_quota(conf_quota(c, &c->workspaces[i]));
	}
	check_quota(conf_quota(c, NULL));
	check_store(&c->store);
}

/* Every line begins with the file's name and holds no control character. */
static void
check_said(struct span said)
{
	struct span line;

	for (size_t i = 0; i < said.n; i++)
		assert((unsigned char)said.p[i] >= 0x20 || said.p[i] == '\n');
	while (span_next(&said, '\n', &line))
		assert(line.n == 0 || span_starts(line, SPAN("f:")));
}

/* Any list that the text names holds one price. */
static int
read_list(const char *path, struct buf *out)
{
	assert(path && *path);
	return buf_add(out, SPAN("m 1 2 3 4 5\n"));
}

static struct conf *
parse(const char *text, struct buf *errors, struct buf *warnings)
{
	struct conf_source s = { .text = text, .file = "f", .kinds = kinds, .read = read_list };
	struct conf *c = conf_parse(&s, errors, warnings);

	assert((c == NULL) == (errors->len > 0));
	check_said(buf_span(errors));
	check_said(buf_span(warnings));
	return c;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf errors = buf_make(CONF_FILE_MAX);
	struct buf warnings = buf_make(CONF_FILE_MAX);
	char *text = malloc(size + 1);
	struct conf *c;

	assert(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	c = parse(text, &errors, &warnings);
	if (c)
		check_conf(c);
	conf_free(c);
	buf_reset(&errors, 0);
	c = parse(good, &errors, &warnings);
	assert(c && c->models_n == 1);
	conf_free(c);
	buf_free(&errors);
	buf_free(&warnings);
	free(text);
	return 0;
}
