/* confvalue: reads the values of options by their type. It knows no file and no section. */
#include "policy/confvalue.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/num.h"

static void *
field(const struct confvalue *v)
{
	return (char *)v->object + v->row->at;
}

static void
refuse(const struct confvalue *v, const char *right)
{
	finding_error(v->found, v->line, "%s = \"%.64s\": %s", v->row->name, v->text, right);
}

/* For values that may turn out to be a secret in the wrong place. */
static void
refuse_unseen(const struct confvalue *v, const char *right)
{
	finding_error(v->found, v->line, "%s: %s", v->row->name, right);
}

bool
confvalue_printable(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	}
	return true;
}

static void
put_text(const struct confvalue *v, const char *text, size_t n)
{
	char **to = field(v);
	char *copy = span_dup((struct span){ text, n });

	if (!copy) {
		*v->broken = true;
		return;
	}
	free(*to);
	*to = copy;
}

static bool
text_fits(const struct confvalue *v)
{
	size_t n = strlen(v->text);

	if (n >= v->row->min && n <= v->row->max && confvalue_printable(v->text))
		return true;
	finding_error(v->found, v->line, "%s: give %d to %d bytes without control characters",
	    v->row->name, (int)v->row->min, (int)v->row->max);
	return false;
}

void
confvalue_text(const struct confvalue *v)
{
	if (text_fits(v))
		put_text(v, v->text, strlen(v->text));
}

void
confvalue_url(const struct confvalue *v)
{
	const char *s = v->text;
	size_t n = strlen(s);
	size_t scheme = span_starts(span_of(s), SPAN("https://")) ? 8 : 7;

	if (scheme == 7 && !span_starts(span_of(s), SPAN("http://"))) {
		refuse_unseen(v, "give a URL that begins with https:// or http://");
		return;
	}
	while (n > scheme && s[n - 1] == '/')
		n--;
	if (n == scheme || n > PATH_MAX_LEN || s[scheme] == '/' || s[scheme] == ':' ||
	    !confvalue_printable(s) || strpbrk(s, " \"?#@\\"))
		refuse_unseen(
		    v, "give https://host[:port][/path] and no user name, query or blank");
	else
		put_text(v, s, n);
}

/* The name of an environment variable. What is refused is not repeated: it may well be the key
 * itself. */
void
confvalue_variable(const struct confvalue *v)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	size_t n = strlen(v->text);
	size_t head = strspn(v->text, letters);

	for (size_t i = head; i < n; i++) {
		if (head > 0 &&
		    (strchr(letters, v->text[i]) || (v->text[i] >= '0' && v->text[i] <= '9')))
			head++;
	}
	if (n == 0 || n > NAME_MAX_LEN || head != n)
		finding_error(v->found, v->line,
		    "%s: give the name of an environment variable, such as %s", v->row->name,
		    v->row->hint);
	else
		put_text(v, v->text, n);
}

void
confvalue_kind(const struct confvalue *v)
{
	char known[MESSAGE_MAX / 2] = "";
	size_t used = 0;

	for (const char *const *k = v->kinds; *k; k++) {
		if (strcmp(*k, v->text) == 0) {
			put_text(v, v->text, strlen(v->text));
			return;
		}
		int n =
		    snprintf(known + used, sizeof(known) - used, "%s\"%s\"", used ? ", " : "", *k);
		if (n > 0 && (size_t)n < sizeof(known) - used)
			used += (size_t)n;
	}
	finding_error(v->found, v->line, "kind = \"%.64s\": this version has %s", v->text, known);
}

void
confvalue_auth(const struct confvalue *v)
{
	enum conf_auth *to = field(v);

	if (strcmp(v->text, "x-api-key") == 0)
		*to = CONF_AUTH_X_API_KEY;
	else if (strcmp(v->text, "bearer") == 0)
		*to = CONF_AUTH_BEARER;
	else if (strcmp(v->text, "sigv4") == 0)
		*to = CONF_AUTH_SIGV4;
	else
		refuse(v, "give \"x-api-key\", \"bearer\" or \"sigv4\"");
}

static bool
region_fits(const struct confvalue *v)
{
	size_t n = strlen(v->text);

	if (n > 0 && n <= NAME_MAX_LEN &&
	    strspn(v->text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n)
		return true;
	refuse(v, "a region is 1 to 64 of a-z, 0-9 and -");
	return false;
}

void
confvalue_region(const struct confvalue *v)
{
	if (region_fits(v))
		put_text(v, v->text, strlen(v->text));
}

void
confvalue_bool(const struct confvalue *v)
{
	bool *to = field(v);

	if (strcmp(v->text, "true") == 0 || strcmp(v->text, "yes") == 0 ||
	    strcmp(v->text, "on") == 0)
		*to = true;
	else if (strcmp(v->text, "false") == 0 || strcmp(v->text, "no") == 0 ||
	    strcmp(v->text, "off") == 0)
		*to = false;
	else
		refuse(v, "give true or false");
}

/* A decimal number within the row's range, times 10^places. */
static bool
number_fits(const struct confvalue *v, unsigned places, uint64_t *out)
{
	static const uint64_t scales[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000,
		100000000, 1000000000 };
	char right[128];

	if (num_fixed(span_of(v->text), places, out) == 0 && *out >= v->row->min * scales[places] &&
	    *out <= v->row->max * scales[places])
		return true;
	if (snprintf(right, sizeof(right), "give a %s from %llu to %llu%s",
		places ? "number" : "whole number", (unsigned long long)v->row->min,
		(unsigned long long)v->row->max,
		places == 3	  ? ", with at most three decimals"
		    : places == 9 ? ", with at most nine decimals"
				  : "") > 0)
		refuse(v, right);
	return false;
}

void
confvalue_count(const struct confvalue *v)
{
	uint64_t number = 0;

	if (number_fits(v, 0, &number))
		memcpy(field(v), &number, sizeof(number));
}

void
confvalue_seconds(const struct confvalue *v)
{
	int64_t *to = field(v);
	uint64_t ms = 0;

	if (number_fits(v, 3, &ms))
		*to = (int64_t)ms;
}

void
confvalue_ms(const struct confvalue *v)
{
	int64_t *to = field(v);
	uint64_t ms = 0;

	if (num_fixed(span_of(v->text), 3, &ms) == 0 && ms >= v->row->min && ms <= v->row->max)
		*to = (int64_t)ms;
	else
		refuse(v, v->row->hint);
}

void
confvalue_usd(const struct confvalue *v)
{
	uint64_t *to = field(v);
	uint64_t nano = 0;

	if (number_fits(v, 9, &nano))
		*to = nano;
}

/* USD per million tokens, to nano-USD per token: a thousandth of a dollar per million is the
 * smallest that can be said. */
void
confvalue_price(const struct confvalue *v)
{
	struct conf_model *m = v->object;
	uint64_t *const prices[] = { &m->price.input, &m->price.output, &m->price.cache_write_5m,
		&m->price.cache_write_1h, &m->price.cache_read };
	const size_t n = sizeof(prices) / sizeof(*prices);
	uint64_t nano = 0;

	if (v->index < n && number_fits(v, 3, &nano))
		*prices[v->index] = nano;
	m->priced = v->index + 1 == n;
}

void
confvalue_date(const struct confvalue *v)
{
	if (num_date(span_of(v->text), field(v)) < 0)
		refuse(v, "give a date such as 2026-11-21 or 2026-11-21T08:00:00Z");
}

static void
add_to_list(const struct confvalue *v)
{
	struct namelist *l = field(v);

	if (namelist_has(l, span_of(v->text)))
		refuse(v, "it is in the list already");
	else if (l->n == CONF_LIST_MAX)
		refuse(v, "the list is too long");
	else if (namelist_add(l, v->text) < 0)
		*v->broken = true;
}

void
confvalue_texts(const struct confvalue *v)
{
	if (text_fits(v))
		add_to_list(v);
}

void
confvalue_regions(const struct confvalue *v)
{
	if (region_fits(v))
		add_to_list(v);
}

static const struct {
	struct span name;
	enum conf_credentials from;
	bool path; /* one follows */
} credentials[] = {
	{ { "env", 3 }, CONF_CREDENTIALS_ENV, false },
	{ { "metadata", 8 }, CONF_CREDENTIALS_METADATA, false },
	{ { "file:", 5 }, CONF_CREDENTIALS_FILE, true },
	{ { "bearer:", 7 }, CONF_CREDENTIALS_BEARER, true },
};

/* What is refused is not repeated: it may be a secret. */
void
confvalue_credentials(const struct confvalue *v)
{
	struct conf_upstream *u = v->object;
	struct span text = span_of(v->text);

	for (size_t i = 0; i < sizeof(credentials) / sizeof(*credentials); i++) {
		size_t n = credentials[i].name.n;

		if (!span_starts(text, credentials[i].name) ||
		    (credentials[i].path ? text.n == n || text.n - n > 4096 : text.n > n) ||
		    !confvalue_printable(v->text))
			continue;
		u->credentials = credentials[i].from;
		free(u->credentials_file);
		u->credentials_file = credentials[i].path ? strdup(v->text + n) : NULL;
		*v->broken |= credentials[i].path && !u->credentials_file;
		return;
	}
	refuse_unseen(v, "give \"env\", \"metadata\", \"file:/path\" or \"bearer:/path\"");
}

void
confvalue_label(const struct confvalue *v)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:";
	size_t n = strlen(v->text);

	if (n > 0 && n <= NAME_MAX_LEN && strspn(v->text, allowed) == n)
		put_text(v, v->text, n);
	else
		refuse(v, v->row->hint);
}

void
confvalue_betas(const struct confvalue *v)
{
	if (strpbrk(v->text, ", "))
		refuse(v, "give one value of anthropic-beta an entry, * stands for any characters");
	else
		confvalue_texts(v);
}
