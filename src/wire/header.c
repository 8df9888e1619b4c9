/* header: see header.h. What passes is listed, everything else stays outside. */
#include "wire/header.h"

#include "base/num.h"

/* Nobody waits for longer. */
#define RETRY_AFTER_MAX_S  INT64_C(3600)
#define RETRY_AFTER_MAX_MS UINT64_C(3600000)

/* Lower-case names; a `*` at the end stands for any rest. */
static const char *const forwarded[] = {
	"accept",
	"user-agent",
	"anthropic-*",
	"x-stainless-*",
	"x-claude-code-*",
	"x-app",
	"traceparent",
	"tracestate",
};

static const char *const relayed[] = {
	"content-type",
	"retry-after",
	"retry-after-ms",
	"x-should-retry",
	"anthropic-*",
};

/* What describes our own account at the upstream and is nobody else's business. */
static const char *const withheld[] = {
	"anthropic-ratelimit-*",
	"anthropic-organization-id",
	"anthropic-workspace-id",
	"anthropic-priority-*",
	"anthropic-fast-*",
};

#define LISTED(list, name) header_listed(list, sizeof(list) / sizeof((list)[0]), name)

static bool
header_listed(const char *const *list, size_t n, struct span name)
{
	for (size_t i = 0; i < n; i++) {
		struct span row = span_of(list[i]);
		bool open = row.p[row.n - 1] == '*';

		if (open && span_starts(name, span_cut(row, 0, row.n - 1)))
			return true;
		if (!open && span_eq(name, row))
			return true;
	}
	return false;
}

/* The letter of a header name for one of a CGI variable; 0 when it cannot stand there. */
static char
header_letter(char c)
{
	if (c == '_')
		return '-';
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')
		return c;
	return '\0';
}

int
header_of_param(struct span param, char out[static HEADER_NAME_LEN])
{
	const struct span prefix = SPAN("HTTP_");

	if (span_starts(param, prefix))
		param = span_cut(param, prefix.n, param.n);
	else if (!span_eq(param, SPAN("CONTENT_TYPE")) && !span_eq(param, SPAN("CONTENT_LENGTH")))
		return -1;
	if (param.n == 0 || param.n >= HEADER_NAME_LEN)
		return -1;
	for (size_t i = 0; i < param.n; i++) {
		out[i] = header_letter(param.p[i]);
		if (out[i] == '\0')
			return -1;
	}
	out[param.n] = '\0';
	return 0;
}

bool
header_forward(struct span name)
{
	return LISTED(forwarded, name);
}

bool
header_relay(struct span name)
{
	return LISTED(relayed, name) && !LISTED(withheld, name);
}

bool
header_value_ok(struct span value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

struct span
header_bearer(struct span authorization)
{
	const struct span scheme = SPAN("Bearer");
	const struct span none = { NULL, 0 };
	struct span s = span_trim(authorization);

	if (s.n <= scheme.n || !span_eq_nocase(span_cut(s, 0, scheme.n), scheme))
		return none;
	s = span_cut(s, scheme.n, s.n);
	if (s.p[0] != ' ' && s.p[0] != '\t')
		return none;
	s = span_trim(s);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] == 0x7f)
			return none;
	}
	return s;
}

int
header_put(struct buf *out, struct span name, struct span value)
{
	return !header_value_ok(value) || buf_add(out, name) || buf_add(out, SPAN(": ")) ||
		buf_add(out, value) || buf_add(out, (struct span){ "", 1 })
	    ? -1
	    : 0;
}

struct span
header_find(struct span lines, struct span name)
{
	struct span line, found;

	while (span_next(&lines, '\n', &line))
		if (span_next(&line, ':', &found) && span_eq(found, name))
			return span_trim(line);
	return (struct span){ NULL, 0 };
}

int64_t
header_retry_after(struct span lines, int64_t now_s)
{
	struct span value = header_find(lines, SPAN("retry-after-ms"));
	struct span date, whole;
	int64_t at;
	uint64_t n;

	if (span_next(&value, '.', &whole) && num_u64(whole, RETRY_AFTER_MAX_MS, &n) == 0)
		return (int64_t)n;
	date = value = header_find(lines, SPAN("retry-after"));
	if (span_next(&value, '.', &whole) && num_u64(whole, (uint64_t)RETRY_AFTER_MAX_S, &n) == 0)
		return (int64_t)n * 1000;
	if (num_http_date(date, &at) || at - now_s > RETRY_AFTER_MAX_S)
		return -1;
	return at > now_s ? (at - now_s) * 1000 : 0;
}

bool
header_is_type(struct span content_type, struct span type)
{
	struct span media;

	return span_next(&content_type, ';', &media) && span_eq_nocase(media, type);
}

int
header_unescape(struct span s, char *out)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			int high = s.n - i > 2 ? num_hex(s.p[i + 1]) : -1;
			int low = s.n - i > 2 ? num_hex(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -1;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return -1;
		*out++ = c;
	}
	*out = '\0';
	return 0;
}
