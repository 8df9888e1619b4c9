/* cloud: versions by model and client, betas that may go, and models that are named again. */
#include "upstream/cloud.h"

#include "unit/asking.h"

static const struct {
	const char *model;
	unsigned major, minor;
	bool at_least;
} models[] = {
	{ "anthropic.claude-3-7-sonnet-20250219-v1:0", 3, 7, true },
	{ "anthropic.claude-3-7-sonnet-20250219-v1:0", 4, 0, false },
	{ "anthropic.claude-3-haiku-20240307-v1:0", 3, 0, true },
	{ "anthropic.claude-3-haiku-20240307-v1:0", 3, 1, false },
	{ "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 4, 5, true },
	{ "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 4, 7, false },
	{ "anthropic.claude-opus-4-20250514-v1:0", 4, 0, true },
	{ "anthropic.claude-opus-4-20250514-v1:0", 4, 1, false },
	{ "anthropic.claude-opus-4-6-v1", 4, 7, false },
	{ "anthropic.claude-opus-4-7", 4, 7, true },
	{ "global.anthropic.claude-opus-4-8-v1", 4, 7, true },
	{ "anthropic.claude-haiku-5-5", 4, 7, true },
	{ "anthropic.claude-fable-5", 4, 7, true },
	{ "claude-sonnet-4-5@20250929", 4, 5, true },
	{ "claude-sonnet-4-5@20250929", 4, 6, false },
	{ "claude-sonnet-10-0", 4, 7, true },
	{ "claude-instant", 1, 0, false },
	{ "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x", 1, 0, false },
	{ "claude-", 1, 0, false },
	{ "", 0, 0, false },
};

static void
rows_models(struct check *c)
{
	for (size_t i = 0; i < ROWS(models); i++) {
		check_row(c, "'%s' is at least %u.%u: %s", models[i].model, models[i].major,
		    models[i].minor, models[i].at_least ? "yes" : "no");
		check_that(c,
		    cloud_at_least(span_of(models[i].model), models[i].major, models[i].minor) ==
			models[i].at_least,
		    "not so");
	}
}

#define BODY "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{}]}"

static char own_version[] = "own-1", asks_new[] = "HTTP_ANTHROPIC_VERSION= 2026-10-21",
	    asks_old[] = "HTTP_ANTHROPIC_VERSION=2023-06-01";
static char *const params_new[] = { asks_new, NULL };
static char *const params_old[] = { asks_old, NULL };

static const struct {
	const char *what;
	char *const *params;
	char *own;
	bool takes_new;
	const char *want;
} versions[] = {
	{ "nobody asks", asking_no_params, NULL, true, "old" },
	{ "an old client", params_old, NULL, true, "old" },
	{ "a new client", params_new, NULL, true, "2026-10-21" },
	{ "a new client, an old model", params_new, NULL, false, "old" },
	{ "the configuration's", params_new, own_version, false, "own-1" },
};

static void
rows_versions(struct check *c)
{
	for (size_t i = 0; i < ROWS(versions); i++) {
		struct asking a;

		check_row(c, "version: %s", versions[i].what);
		asking_open(&a, SPAN(BODY), OP_MESSAGES, NULL);
		a.ask.params = versions[i].params;
		a.upstream.anthropic_version = versions[i].own;
		check_same(c, cloud_version(&a.ask, SPAN("old"), versions[i].takes_new),
		    span_of(versions[i].want));
		asking_close(&a);
	}
}

static char glob_a[] = "a-*", name_b[] = "b";
static char *given_betas[] = { glob_a, name_b };

static const struct {
	const char *what, *header;
	bool given;
	size_t allowed_n;
	const char *want, *dropped;
} betas[] = {
	{ "none", "", false, 0, "", "" },
	{ "built in", "interleaved-thinking-2025-05-14,files-api-2025-04-14", false, 0,
	    "interleaved-thinking-2025-05-14|", "files-api-2025-04-14" },
	{ "a list", " a-1 ,b,, c,bb", true, 2, "a-1|b|", "c,bb" },
	{ "an empty list", "a-1,b", true, 0, "", "a-1,b" },
	{ "what is no header's value", "a-1,a-\x01", true, 2, "a-1|", "" },
};

static void
rows_betas(struct check *c)
{
	for (size_t i = 0; i < ROWS(betas); i++) {
		struct asking a;
		struct buf got = buf_make(KIB);
		struct span rest = span_of(betas[i].header);
		struct span beta;

		check_row(c, "betas: %s", betas[i].what);
		asking_open(&a, SPAN(BODY), OP_MESSAGES, NULL);
		a.upstream.beta_given = betas[i].given;
		a.upstream.beta_allow = (struct namelist){ given_betas, betas[i].allowed_n };
		while ((beta = cloud_next_beta(&a.ask, &a.request, &rest)).p)
			check_that(
			    c, buf_add(&got, beta) == 0 && buf_add(&got, SPAN("|")) == 0, "full");
		check_same(c, buf_span(&got), span_of(betas[i].want));
		check_same(c, buf_span(&a.request.dropped), span_of(betas[i].dropped));
		buf_free(&got);
		asking_close(&a);
	}
}

static const struct {
	const char *what;
	enum event_type type;
	struct span text;
	enum kind_edit edit;
	const char *want;
} edits[] = {
	{ "a start", EVENT_MESSAGE_START,
	    SPAN("{\"type\":\"message_start\",\"message\":{ \"model\" : \"there\", \"id\":1}}"),
	    KIND_EDITED,
	    "{\"type\":\"message_start\",\"message\":{ \"model\" : \"m\", \"id\":1}}" },
	{ "a start that is right", EVENT_MESSAGE_START, SPAN("{\"message\":{\"model\":\"m\"}}"),
	    KIND_AS_IT_IS, "" },
	{ "a start without one", EVENT_MESSAGE_START, SPAN("{\"message\":{}}"), KIND_AS_IT_IS, "" },
	{ "another event", EVENT_BLOCK_DELTA, SPAN("{\"message\":{\"model\":\"there\"}}"),
	    KIND_AS_IT_IS, "" },
};

static void
rows_edits(struct check *c)
{
	struct asking a;

	asking_open(&a, SPAN(BODY), OP_MESSAGES, NULL);
	for (size_t i = 0; i < ROWS(edits); i++) {
		struct event what = { .type = edits[i].type };
		struct buf out = buf_make(KIB);

		check_row(c, "edit: %s", edits[i].what);
		check_that(c, cloud_edit(&a.ask, &what, edits[i].text, &out) == edits[i].edit,
		    "another end");
		check_same(c, buf_span(&out), span_of(edits[i].want));
		buf_free(&out);
	}
	check_row(c, "edit: no room");
	struct buf full = buf_make(4);
	struct event start = { .type = EVENT_MESSAGE_START };

	check_that(c, cloud_edit(&a.ask, &start, edits[0].text, &full) == KIND_FAILED, "done");
	check_row(c, "a whole answer");
	struct buf out = buf_make(KIB);

	check_that(c, cloud_whole(&a.ask, SPAN("{\"id\":1,\"model\":\"x\" }"), &out) == KIND_EDITED,
	    "not");
	check_same(c, buf_span(&out), SPAN("{\"id\":1,\"model\":\"m\" }"));
	buf_free(&full);
	buf_free(&out);
	asking_close(&a);
}

int
main(void)
{
	struct check c = { .module = "cloud" };

	rows_models(&c);
	rows_versions(&c);
	rows_betas(&c);
	rows_edits(&c);
	return check_end(&c);
}
