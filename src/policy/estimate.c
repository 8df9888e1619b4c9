/* estimate: see estimate.h. A quote inside a JSON string is escaped, so that `"data":"` stands
 * nowhere but at a member of that name: strings need not be followed from end to end, and text that
 * quotes a request stays text. */
#include "policy/estimate.h"

#define MEDIA_MIN 256u /* bytes of base64; what is not longer counts as text */

#define TEXT_BYTES   4u /* of a likely token */
#define IMAGE_LIKELY 1600u
#define IMAGE_MOST   5000u
#define PDF_BYTES    20u /* decoded, of a likely token */

#define TEMPLATE_MOST 16u   /* what stands around the messages beyond their own punctuation */
#define TOOLS_MOST    2048u /* the model's system prompt for tools and those that it knows by name */

struct counts {
	uint64_t text; /* bytes */
	uint64_t images;
	uint64_t pdf; /* decoded bytes */
	bool tools;   /* a member of that name */
};

enum media { MEDIA_NONE, MEDIA_IMAGE, MEDIA_PDF };

static const struct {
	struct span begins;
	enum media media;
} kinds[] = {
	{ { "iVBORw0KGgo", 11 }, MEDIA_IMAGE }, /* \x89PNG\r\n\x1a\n */
	{ { "/9j/", 4 }, MEDIA_IMAGE },		/* \xff\xd8\xff: JPEG */
	{ { "\\/9j\\/", 6 }, MEDIA_IMAGE },	/* the same as PHP writes it */
	{ { "R0lGOD", 6 }, MEDIA_IMAGE },	/* GIF8 */
	{ { "UklGR", 5 }, MEDIA_IMAGE },	/* RIFF: WebP */
	{ { "JVBERi", 6 }, MEDIA_PDF },		/* %PDF */
};

static enum media
media_of(struct span value)
{
	if (value.n <= MEDIA_MIN)
		return MEDIA_NONE;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (span_starts(value, kinds[i].begins))
			return kinds[i].media;
	}
	return MEDIA_NONE;
}

static size_t
skip_blanks(struct span s, size_t at)
{
	while (at < s.n && (s.p[at] == ' ' || (s.p[at] >= '\t' && s.p[at] <= '\r')))
		at++;
	return at;
}

/* The string behind `"data"`, up to its quote; p NULL when none begins there. */
static struct span
value_of(struct span rest)
{
	struct span none = { 0 };
	size_t at = skip_blanks(rest, 0);

	if (at == rest.n || rest.p[at] != ':')
		return none;
	at = skip_blanks(rest, at + 1);
	if (at == rest.n || rest.p[at] != '"')
		return none;
	at++;

	const char *end = memchr(rest.p + at, '"', rest.n - at);

	return end ? span_cut(rest, at, (size_t)(end - rest.p)) : none;
}

/* Takes the value behind `"data"` out of the text when it is media; returns what is left to see. */
static struct span
take_value(struct counts *c, struct span rest)
{
	struct span value = value_of(rest);
	enum media media = media_of(value);

	if (media == MEDIA_NONE)
		return rest;
	c->text -= value.n;
	if (media == MEDIA_IMAGE)
		c->images++;
	else
		c->pdf += value.n * 3 / 4;
	return span_cut(rest, (size_t)(value.p - rest.p) + value.n, rest.n);
}

static const char *
find(struct span in, struct span what)
{
	return in.n < what.n ? NULL : memmem(in.p, in.n, what.p, what.n);
}

static struct counts
count(struct span body)
{
	const struct span name = SPAN("\"data\"");
	struct counts c = { .text = body.n, .tools = find(body, SPAN("\"tools\"")) != NULL };
	struct span rest = body;
	const char *at;

	while ((at = find(rest, name)) != NULL) {
		rest = span_cut(rest, (size_t)(at - rest.p) + name.n, rest.n);
		if (at == body.p || at[-1] != '\\')
			rest = take_value(&c, rest);
	}
	return c;
}

struct estimate
estimate_input(struct span body)
{
	struct counts c = count(body);
	struct estimate out = {
		.likely = (c.text + TEXT_BYTES - 1) / TEXT_BYTES + c.images * IMAGE_LIKELY +
		    (c.pdf + PDF_BYTES - 1) / PDF_BYTES,
		.most = TEMPLATE_MOST + c.text + c.images * IMAGE_MOST + c.pdf,
	};

	if (c.tools)
		out.most += TOOLS_MOST;
	if (out.most > ESTIMATE_MAX)
		out.most = ESTIMATE_MAX;
	if (out.likely > out.most)
		out.likely = out.most;
	return out;
}
