/* awscredentials: see awscredentials.h. Every part goes into memory that has its whole size from
 * the start, so that growing leaves no copy of a secret behind. */
#include "policy/awscredentials.h"

#include "base/limits.h"
#include "base/num.h"
#include "wire/json.h"

static const char no_memory[] = "memory is out";

enum setting { ACCESS_KEY_ID, SECRET, SESSION_TOKEN, SETTINGS };

static const char *const setting_names[] = {
	[ACCESS_KEY_ID] = "aws_access_key_id",
	[SECRET] = "aws_secret_access_key",
	[SESSION_TOKEN] = "aws_session_token",
};

_Static_assert(sizeof(setting_names) / sizeof(setting_names[0]) == SETTINGS, "one for each");

void
awscredentials_clear(struct awscredentials *c)
{
	buf_wipe(&c->access_key_id);
	buf_wipe(&c->secret);
	buf_wipe(&c->session_token);
	c->expires = AWSCREDENTIALS_NEVER;
}

static int
refuse(struct awscredentials *out, const char *reason, const char **why)
{
	awscredentials_clear(out);
	*why = reason;
	return -1;
}

/* Makes an empty buf with room for n bytes. */
static int
empty(struct buf *b, size_t n)
{
	char *at;

	buf_wipe(b);
	*b = buf_make(AWS_CREDENTIAL_MAX);
	return n > 0 ? buf_room(b, n, &at) : 0;
}

static int
fill(struct buf *b, struct span value)
{
	return empty(b, value.n) || buf_add(b, value) ? -1 : 0;
}

/* Nothing but visible ASCII: what else is there could end a header's line, or is a slip of the pen.
 */
static bool
visible(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (b->p[i] <= ' ' || b->p[i] >= 0x7f)
			return false;
	return true;
}

/* Judges what has been filled in. */
static int
judge(struct awscredentials *out, const char **why)
{
	if (out->access_key_id.len == 0)
		return refuse(out, "there is no access key id", why);
	if (out->secret.len == 0)
		return refuse(out, "there is no secret access key", why);
	if (!visible(&out->access_key_id) || !visible(&out->secret) ||
	    !visible(&out->session_token))
		return refuse(out, "they hold blanks or what is no visible ASCII", why);
	if (out->secret.len > SIGV4_SECRET_MAX)
		return refuse(out, "the secret access key is too long", why);
	return 0;
}

int
awscredentials_set(struct awscredentials *out, struct span access_key_id, struct span secret,
    struct span session_token, const char **why)
{
	out->expires = AWSCREDENTIALS_NEVER;
	if (access_key_id.n > AWS_CREDENTIAL_MAX || secret.n > AWS_CREDENTIAL_MAX ||
	    session_token.n > AWS_CREDENTIAL_MAX)
		return refuse(out, "a part of them is too long", why);
	if (fill(&out->access_key_id, access_key_id) || fill(&out->secret, secret) ||
	    fill(&out->session_token, session_token))
		return refuse(out, no_memory, why);
	return judge(out, why);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t
indent_of(struct span line)
{
	size_t n = 0;

	while (n < line.n && is_blank(line.p[n]))
		n++;
	return n;
}

/* Cuts the next line off *rest, with its blanks; false after the last. */
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

/* Without the comment, trimmed. */
static struct span
uncommented(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] == '#' || s.p[i] == ';') && (i == 0 || is_blank(s.p[i - 1])))
			s.n = i;
	return span_trim(s);
}

/* The name of the section that a line begins; p NULL: it begins none. */
static struct span
section_of(struct span line)
{
	const char *end = line.n > 0 && line.p[0] == '[' ? memchr(line.p, ']', line.n) : NULL;

	if (!end)
		return (struct span){ NULL, 0 };
	return span_trim(span_cut(line, 1, (size_t)(end - line.p)));
}

/* The name after the word `profile`; p NULL: the word is not there. */
static struct span
prefixed(struct span section)
{
	const struct span word = SPAN("profile");

	if (section.n <= word.n || !span_starts(section, word) || !is_blank(section.p[word.n]))
		return (struct span){ NULL, 0 };
	return span_trim(span_cut(section, word.n, section.n));
}

static void
take_setting(struct span line, struct span values[static SETTINGS])
{
	size_t at = 0;

	while (at < line.n && line.p[at] != '=' && line.p[at] != ':')
		at++;
	if (at == line.n)
		return;
	for (size_t i = 0; i < SETTINGS; i++)
		if (span_eq_nocase(span_trim(span_cut(line, 0, at)), span_of(setting_names[i])))
			values[i] = span_trim(span_cut(line, at + 1, line.n));
}

/* A text as it is read for one profile. */
struct reading {
	struct span profile;
	bool by_prefix; /* it is looked for as `[profile name]` */
	bool inside, seen;
	bool open; /* a line that is indented deeper goes on with the setting above it */
	size_t indent;
	struct span values[SETTINGS];
};

static void
take_line(struct reading *r, struct span line)
{
	struct span text = uncommented(line);
	size_t indent = indent_of(line);
	struct span section;

	if (text.n == 0 || (r->open && indent > r->indent))
		return;
	section = section_of(text);
	r->indent = indent;
	r->open = !section.p;
	if (section.p) {
		section = r->by_prefix ? prefixed(section) : section;
		r->inside = section.p && span_eq(section, r->profile);
		r->seen = r->seen || r->inside;
	} else if (r->inside) {
		take_setting(text, r->values);
	}
}

static struct reading
read_profile(struct span text, struct span profile, bool by_prefix)
{
	struct reading r = { .profile = profile, .by_prefix = by_prefix };
	struct span line;

	while (next_line(&text, &line))
		take_line(&r, line);
	return r;
}

int
awscredentials_profile(
    struct awscredentials *out, struct span text, struct span profile, const char **why)
{
	struct reading r = read_profile(text, profile, false);

	if (!r.seen)
		r = read_profile(text, profile, true);
	if (!r.seen)
		return refuse(out, "there is no such profile", why);
	return awscredentials_set(
	    out, r.values[ACCESS_KEY_ID], r.values[SECRET], r.values[SESSION_TOKEN], why);
}

/* Fills b with a string; null and what is not there leave it empty. */
static int
fill_string(struct buf *b, struct span value)
{
	if (!value.p || json_type(value) == 'z')
		return empty(b, 0);
	return empty(b, value.n < AWS_CREDENTIAL_MAX ? value.n : AWS_CREDENTIAL_MAX) ||
		json_string(value, b)
	    ? -1
	    : 0;
}

/* The time of an Expiration; never when there is none. */
static int
read_expiration(struct span value, int64_t *out)
{
	*out = AWSCREDENTIALS_NEVER;
	if (!value.p || json_type(value) == 'z')
		return 0;
	if (json_type(value) != 's' || value.n < 2)
		return -1;
	return num_rfc3339(span_cut(value, 1, value.n - 1), out);
}

enum { M_ID, M_SECRET, M_TOKEN, M_EXPIRATION, M_CODE, MEMBERS };

int
awscredentials_json(struct awscredentials *out, struct span text, const char **why)
{
	struct json_member m[MEMBERS] = {
		[M_ID] = { .name = SPAN("AccessKeyId") },
		[M_SECRET] = { .name = SPAN("SecretAccessKey") },
		[M_TOKEN] = { .name = SPAN("Token") },
		[M_EXPIRATION] = { .name = SPAN("Expiration") },
		[M_CODE] = { .name = SPAN("Code") },
	};
	struct json_fault fault;

	if (json_scan(text, JSON_DEPTH_MAX, m, MEMBERS, &fault) < 0)
		return refuse(out, "the answer is no JSON object", why);
	if (m[M_CODE].value.p && !span_eq(m[M_CODE].value, SPAN("\"Success\"")))
		return refuse(out, "the answer's Code is not Success", why);
	if (fill_string(&out->access_key_id, m[M_ID].value) ||
	    fill_string(&out->secret, m[M_SECRET].value) ||
	    fill_string(&out->session_token, m[M_TOKEN].value))
		return refuse(out, "a part of them is no text, or too long", why);
	if (read_expiration(m[M_EXPIRATION].value, &out->expires) < 0)
		return refuse(out, "the answer's Expiration is no time", why);
	return judge(out, why);
}
