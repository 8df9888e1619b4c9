/* key: reads and writes the lines of the key file and says what a key allows. It opens no file and
 * asks no clock. */
#include "policy/key.h"

#include <assert.h>
#include <inttypes.h>

#include "base/num.h"
#include "policy/glob.h"

#define USD_PLACES 9u /* of nano-dollars in a dollar */

enum attribute {
	ATTRIBUTE_WORKSPACE,
	ATTRIBUTE_NAME,
	ATTRIBUTE_CREATED,
	ATTRIBUTE_EXPIRES,
	ATTRIBUTE_MODELS,
	ATTRIBUTE_RPM,
	ATTRIBUTE_TPM,
	ATTRIBUTE_CONCURRENT,
	ATTRIBUTE_BUDGET_DAY,
	ATTRIBUTE_BUDGET_MONTH,
	ATTRIBUTE_REVOKED,
	ATTRIBUTES
};

struct attribute_row {
	struct span name;
	const char *twice;
	/* Takes the value; false when something is wrong with it. */
	bool (*take)(const struct attribute_row *row, struct span value, struct key *k);
	const char *why; /* what it wants */
	size_t at;	 /* of a time or a limit in struct key */
	uint64_t max;	 /* of a limit */
};

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
control(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			return true;
	}
	return false;
}

static bool
has(struct span s, char c)
{
	return s.n > 0 && memchr(s.p, c, s.n) != NULL;
}

static bool
id_fits(struct span id)
{
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '_')
			return false;
	}
	return id.n > 0 && id.n <= KEY_ID_MAX;
}

static bool
workspace_fits(struct span s)
{
	return s.n > 0 && s.n <= NAME_MAX_LEN;
}

/* Every glob of the list holds something: an empty one is a slip of the pen that would forbid or
 * allow too much. */
static bool
models_fit(struct span s)
{
	struct span rest = s;
	struct span one;

	while (span_next(&rest, ',', &one)) {
		if (one.n == 0 || one.n > MODEL_MAX)
			return false;
	}
	return !has(s, ' ') && !has(s, '\t');
}

static bool
take_workspace(const struct attribute_row *row, struct span value, struct key *k)
{
	(void)row;
	k->workspace = value;
	return workspace_fits(value);
}

static bool
take_name(const struct attribute_row *row, struct span value, struct key *k)
{
	(void)row;
	k->name = value;
	return true;
}

static bool
take_models(const struct attribute_row *row, struct span value, struct key *k)
{
	(void)row;
	k->models = value;
	return models_fit(value);
}

/* Zero stands for "not given" in struct key, so that the first second of 1970 and what lies before
 * become the second one. */
static bool
take_time(const struct attribute_row *row, struct span value, struct key *k)
{
	int64_t *to = (int64_t *)((char *)k + row->at);

	if (num_date(value, to) < 0)
		return false;
	if (*to <= 0)
		*to = 1;
	return true;
}

/* Zero stands for "no limit" in struct quota. In a line it is refused: who writes it may have meant
 * that nothing is allowed. */
static bool
take_count(const struct attribute_row *row, struct span value, struct key *k)
{
	uint64_t *to = (uint64_t *)((char *)k + row->at);

	return num_u64(value, row->max, to) == 0 && *to > 0;
}

static bool
take_usd(const struct attribute_row *row, struct span value, struct key *k)
{
	uint64_t *to = (uint64_t *)((char *)k + row->at);

	return num_fixed(value, USD_PLACES, to) == 0 && *to > 0 && *to <= row->max;
}

#define NAMED(word) { word, sizeof(word) - 1 }, word " is given twice"
#define AT(field)   offsetof(struct key, field)

static const struct attribute_row attributes[] = {
	[ATTRIBUTE_WORKSPACE] = { NAMED("workspace"), take_workspace,
	    .why = "workspace wants a name of 1 to 64 bytes" },
	[ATTRIBUTE_NAME] = { NAMED("name"), .take = take_name },
	[ATTRIBUTE_CREATED] = { NAMED("created"), take_time,
	    .why = "created wants a date such as 2026-11-21 or 2026-11-21T08:00:00Z",
	    .at = AT(created) },
	[ATTRIBUTE_EXPIRES] = { NAMED("expires"), take_time,
	    .why = "expires wants a date such as 2027-01-01 or 2027-01-01T08:00:00Z",
	    .at = AT(expires) },
	[ATTRIBUTE_MODELS] = { NAMED("models"), take_models,
	    .why = "models wants globs with commas between them and no blanks" },
	[ATTRIBUTE_RPM] = { NAMED("rpm"), take_count,
	    .why = "rpm wants a whole number from 1 to 100000000000", .at = AT(quota.rpm),
	    .max = QUOTA_RATE_MAX },
	[ATTRIBUTE_TPM] = { NAMED("tpm"), take_count,
	    .why = "tpm wants a whole number from 1 to 100000000000", .at = AT(quota.tpm),
	    .max = QUOTA_RATE_MAX },
	[ATTRIBUTE_CONCURRENT] = { NAMED("concurrent"), take_count,
	    .why = "concurrent wants a whole number from 1 to 1000000", .at = AT(quota.concurrent),
	    .max = QUOTA_CONCURRENT_MAX },
	[ATTRIBUTE_BUDGET_DAY] = { NAMED("budget_day"), take_usd,
	    .why = "budget_day wants US dollars from 0.000000001 to 9000000, such as 2.50",
	    .at = AT(quota.budget_day_nanousd), .max = QUOTA_NANOUSD_MAX },
	[ATTRIBUTE_BUDGET_MONTH] = { NAMED("budget_month"), take_usd,
	    .why = "budget_month wants US dollars from 0.000000001 to 9000000, such as 50",
	    .at = AT(quota.budget_month_nanousd), .max = QUOTA_NANOUSD_MAX },
	[ATTRIBUTE_REVOKED] = { NAMED("revoked"), take_time,
	    .why = "revoked wants a date such as 2026-11-21 or 2026-11-21T08:00:00Z",
	    .at = AT(revoked) },
};

static_assert(sizeof(attributes) / sizeof(*attributes) == ATTRIBUTES, "a row for every attribute");

static const struct attribute_row *
attribute_find(struct span name)
{
	for (size_t i = 0; i < ATTRIBUTES; i++) {
		if (span_eq(attributes[i].name, name))
			return &attributes[i];
	}
	return NULL;
}

static void
skip_blanks(struct span *rest)
{
	while (rest->n > 0 && blank(*rest->p))
		*rest = span_cut(*rest, 1, rest->n);
}

/* Cuts the run up to the next blank, or up to the end, off rest. */
static struct span
word(struct span *rest)
{
	struct span out = { rest->p, 0 };

	while (out.n < rest->n && !blank(rest->p[out.n]))
		out.n++;
	*rest = span_cut(*rest, out.n, rest->n);
	return out;
}

/* Cuts `"…"` off rest, which begins with the quote. */
static const char *
quoted(struct span *rest, struct span *value)
{
	size_t end = 1;

	while (end < rest->n && rest->p[end] != '"')
		end++;
	if (end == rest->n)
		return "a quote is not closed";
	*value = span_cut(*rest, 1, end);
	*rest = span_cut(*rest, end + 1, rest->n);
	return rest->n > 0 && !blank(*rest->p) ? "a closing quote wants a blank after it" : NULL;
}

/* Cuts the value behind `name=` off rest. */
static const char *
take_value(struct span *rest, struct span *value)
{
	if (rest->n > 0 && *rest->p == '"')
		return quoted(rest, value);
	*value = word(rest);
	if (value->n == 0)
		return "an attribute has no value";
	return has(*value, '"') ? "a quote stands inside a value" : NULL;
}

/* Cuts one `name=value` off rest. */
static const char *
take_attribute(struct span *rest, struct key *k, const struct attribute_row **which)
{
	size_t n = 0;
	struct span value;
	const char *why;

	while (n < rest->n && !blank(rest->p[n]) && rest->p[n] != '=')
		n++;
	if (n == rest->n || rest->p[n] != '=')
		return "attributes read name=value; a value with blanks wants quotes";
	*which = attribute_find(span_cut(*rest, 0, n));
	if (!*which)
		return "unknown attribute: known are workspace, name, created, expires, models, rpm, "
		       "tpm, concurrent, budget_day, budget_month, revoked";
	*rest = span_cut(*rest, n + 1, rest->n);
	why = take_value(rest, &value);
	if (why)
		return why;
	return (*which)->take(*which, value, k) ? NULL : (*which)->why;
}

static const char *
take_attributes(struct span rest, struct key *k)
{
	bool given[ATTRIBUTES] = { false };

	for (skip_blanks(&rest); rest.n > 0; skip_blanks(&rest)) {
		const struct attribute_row *which = NULL;
		const char *why = take_attribute(&rest, k, &which);

		if (why)
			return why;
		if (given[which - attributes])
			return which->twice;
		given[which - attributes] = true;
	}
	return given[ATTRIBUTE_WORKSPACE] ? NULL : "no workspace=";
}

static const char *
take_line(struct span rest, struct key *k)
{
	struct span hash;

	if (rest.n > KEY_LINE_MAX)
		return "the line is too long";
	if (control(rest))
		return "a control character";
	k->id = word(&rest);
	skip_blanks(&rest);
	hash = word(&rest);
	if (span_starts(k->id, SPAN(KEY_PREFIX)) || span_starts(hash, SPAN(KEY_PREFIX)))
		return "this is a key itself: revoke it, it must not stand in a file; its SHA-256 belongs here";
	if (!id_fits(k->id))
		return "the id wants 1 to 32 letters, digits, - or _";
	if (hash_from_hex(hash, k->hash) < 0)
		return "the second word must be the key's SHA-256, 64 hexadecimal digits";
	return take_attributes(rest, k);
}

enum key_line
key_parse(struct span line, struct key *out, const char **why)
{
	struct span rest = span_trim(line);

	*out = (struct key){ 0 };
	if (rest.n == 0 || *rest.p == '#')
		return KEY_LINE_BLANK;
	*why = take_line(rest, out);
	return *why ? KEY_LINE_BAD : KEY_LINE_KEY;
}

/* Appends ` name=value`, quoted where it must be. */
static int
add_text(struct buf *out, const char *name, struct span value)
{
	bool quotes = value.n == 0 || has(value, ' ') || has(value, '\t');

	if (control(value) || has(value, '"'))
		return -1;
	return buf_addf(
	    out, quotes ? " %s=\"%.*s\"" : " %s=%.*s", name, (int)value.n, value.p ? value.p : "");
}

/* Appends ` name=time`; a whole day is written as a date. */
static int
add_time(struct buf *out, const char *name, int64_t time_s)
{
	char text[NUM_TIME_LEN];

	if (time_s <= 0)
		return 0;
	num_time(time_s, text);
	return buf_addf(out, " %s=%.*s", name, time_s % 86400 == 0 ? 10 : NUM_TIME_LEN, text);
}

int
key_usd(uint64_t nanousd, unsigned places_min, struct buf *out)
{
	char room[NUM_U64_LEN];
	const char *digits = num_digits(room + sizeof(room), nanousd % 1000000000, USD_PLACES);
	unsigned places = USD_PLACES;

	while (places > places_min && digits[places - 1] == '0')
		places--;
	return buf_addf(
	    out, "%" PRIu64 "%s%.*s", nanousd / 1000000000, places ? "." : "", (int)places, digits);
}

static int
add_limits(const struct key *k, struct buf *out)
{
	for (size_t i = 0; i < ATTRIBUTES; i++) {
		const struct attribute_row *row = &attributes[i];
		const uint64_t *value = (const uint64_t *)((const char *)k + row->at);

		if (row->max == 0 || *value == 0)
			continue;
		if (*value > row->max || buf_addf(out, " %s=", row->name.p) < 0)
			return -1;
		if ((row->take == take_usd ? key_usd(*value, 0, out)
					   : buf_addf(out, "%" PRIu64, *value)) < 0)
			return -1;
	}
	return 0;
}

static int
add_line(const struct key *k, struct buf *out)
{
	char hex[HASH_HEX_LEN + 1];

	hash_to_hex(k->hash, hex);
	if (buf_addf(out, "%.*s  %s ", (int)k->id.n, k->id.p, hex) < 0 ||
	    add_text(out, "workspace", k->workspace) < 0)
		return -1;
	if (k->name.n > 0 && add_text(out, "name", k->name) < 0)
		return -1;
	if (add_time(out, "created", k->created) < 0 || add_time(out, "expires", k->expires) < 0)
		return -1;
	if (k->models.p && add_text(out, "models", k->models) < 0)
		return -1;
	if (add_limits(k, out) < 0 || add_time(out, "revoked", k->revoked) < 0)
		return -1;
	return buf_add(out, SPAN("\n"));
}

const char *
key_set(struct key *k, struct span name, struct span value)
{
	const struct attribute_row *row = attribute_find(name);

	if (!row)
		return "unknown attribute";
	return row->take(row, value, k) ? NULL : row->why;
}

int
key_format(const struct key *k, struct buf *out)
{
	size_t before = out->len;

	if (!id_fits(k->id) || !workspace_fits(k->workspace) ||
	    (k->models.p && !models_fit(k->models)))
		return -1;
	if (add_line(k, out) < 0 || out->len - before > KEY_LINE_MAX) {
		out->len = before;
		return -1;
	}
	return 0;
}

enum fault
key_state(const struct key *k, int64_t now_s)
{
	if (k->revoked)
		return FAULT_KEY_REVOKED;
	return k->expires && now_s >= k->expires ? FAULT_KEY_EXPIRED : FAULT_NONE;
}

bool
key_allows(const struct key *k, struct span model)
{
	return !k->models.p || glob_match_any(k->models, model);
}

void
key_text(const uint8_t random[static KEY_RANDOM_LEN], char out[static KEY_TEXT_LEN + 1])
{
	memcpy(out, KEY_PREFIX, sizeof(KEY_PREFIX) - 1);
	hash_base64url(random, KEY_RANDOM_LEN, out + sizeof(KEY_PREFIX) - 1);
}
