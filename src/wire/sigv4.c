/* sigv4: see sigv4.h. What holds a key or a token is given its whole size before it is written, so
 * that growing leaves no copy behind, and is wiped after. */
#include "wire/sigv4.h"

#include "base/limits.h"
#include "base/num.h"
#include "wire/header.h"
#include "wire/uri.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define LAST	  "aws4_request" /* what every scope ends with */

#define DAY_S	   86400
#define DATE_LEN   8u	/* "20261121" */
#define OWN_MAX	   3u	/* headers of ours that are signed */
#define LINES_REST 512u /* more than what is fixed in the lines that are added */

static const char *const own_names[] = {
	"authorization",
	"x-amz-date",
	"x-amz-content-sha256",
	"x-amz-security-token",
};

/* A request on its way to its signature. */
struct signing {
	const struct sigv4_request *r;
	char time[NUM_TIME_LEN]; /* "20261121T120000Z" */
	char body_hash[HASH_HEX_LEN + 1];
	struct sigv4_header own[OWN_MAX];
	size_t own_n;
	struct sigv4_header all[SIGV4_HEADERS_MAX + OWN_MAX]; /* by name */
	size_t all_n;
};

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Below zero, zero or above it, by the first byte that differs, then by length. */
static int
order(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int first = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return first ? first : (a.n > b.n) - (a.n < b.n);
}

static int
order_nocase(struct span a, struct span b)
{
	for (size_t i = 0; i < a.n && i < b.n; i++) {
		unsigned char left = (unsigned char)lower(a.p[i]);
		unsigned char right = (unsigned char)lower(b.p[i]);

		if (left != right)
			return left - right;
	}
	return (a.n > b.n) - (a.n < b.n);
}

static int
add_char(struct buf *out, char c)
{
	return buf_add(out, (struct span){ &c, 1 });
}

/* The byte at *at, out of its escape when it is one; *at moves behind it. */
static char
unescaped(struct span s, size_t *at)
{
	char c = s.p[*at];
	int high = c == '%' && s.n - *at > 2 ? num_hex(s.p[*at + 1]) : -1;
	int low = high >= 0 ? num_hex(s.p[*at + 2]) : -1;

	if (low >= 0) {
		c = (char)(high << 4 | low);
		*at += 2;
	}
	++*at;
	return c;
}

/* So that what is escaped comes out alike, however the client of the query has escaped it. */
static int
add_escaped_anew(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.n;) {
		char c = unescaped(s, &i);

		if (uri_escape((struct span){ &c, 1 }, "", out))
			return -1;
	}
	return 0;
}

/* Cuts the part before the first `sep` off *rest; false after the last one. Unlike span_next it
 * leaves blanks where they are. */
static bool
next_part(struct span *rest, char sep, struct span *part)
{
	const char *at = rest->n > 0 ? memchr(rest->p, sep, rest->n) : NULL;
	size_t n = at ? (size_t)(at - rest->p) : rest->n;

	if (!rest->p)
		return false;
	*part = span_cut(*rest, 0, n);
	*rest = at ? span_cut(*rest, n + 1, rest->n) : (struct span){ NULL, 0 };
	return true;
}

/* Takes the last segment off again; what begins at start stays. */
static void
drop_segment(struct buf *out, size_t start)
{
	while (out->len > start && out->p[out->len - 1] != '/')
		out->len--;
	if (out->len > start)
		out->len--;
}

int
sigv4_canonical_path(struct span path, struct buf *out)
{
	bool folder = path.n > 0 && path.p[path.n - 1] == '/';
	size_t start = out->len;
	struct span rest = path;
	struct span segment;

	while (next_part(&rest, '/', &segment)) {
		if (segment.n == 0 || span_eq(segment, SPAN(".")))
			continue;
		if (span_eq(segment, SPAN("..")))
			drop_segment(out, start);
		else if (add_char(out, '/') || uri_escape(segment, "", out))
			return -1;
	}
	return folder || out->len == start ? add_char(out, '/') : 0;
}

struct parameter {
	size_t name_at, value_at, end; /* in the buf of all */
};

static int
parameter_order(const struct buf *text, const struct parameter *a, const struct parameter *b)
{
	struct span all = buf_span(text);
	int names =
	    order(span_cut(all, a->name_at, a->value_at), span_cut(all, b->name_at, b->value_at));

	return names
	    ? names
	    : order(span_cut(all, a->value_at, a->end), span_cut(all, b->value_at, b->end));
}

static int
add_parameter(struct buf *text, struct span pair, struct parameter *out)
{
	struct span name = { NULL, 0 };
	struct span rest = pair;

	(void)next_part(&rest, '=', &name);
	out->name_at = text->len;
	if (add_escaped_anew(text, name))
		return -1;
	out->value_at = text->len;
	if (add_escaped_anew(text, rest))
		return -1;
	out->end = text->len;
	return 0;
}

/* Appends the parameters to text, all in a row, and sets them in their order. */
static int
sort_parameters(struct span query, struct buf *text, struct parameter *sorted, size_t *n)
{
	struct span pair;

	while (next_part(&query, '&', &pair)) {
		struct parameter one;
		size_t at = *n;

		if (pair.n == 0)
			continue;
		if (at == SIGV4_PARAMETERS_MAX || add_parameter(text, pair, &one))
			return -1;
		for (; at > 0 && parameter_order(text, &one, &sorted[at - 1]) < 0; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = one;
		++*n;
	}
	return 0;
}

int
sigv4_canonical_query(struct span query, struct buf *out)
{
	struct parameter sorted[SIGV4_PARAMETERS_MAX];
	struct buf text = buf_make(SIGV4_CANONICAL_MAX);
	size_t n = 0;
	char *at;
	int rc;

	if (query.n == 0)
		return 0;
	/* Parameters may be empty, and still want a place. */
	if (buf_room(&text, query.n, &at))
		return -1;
	rc = sort_parameters(query, &text, sorted, &n);
	for (size_t i = 0; !rc && i < n; i++) {
		struct span all = buf_span(&text);
		const struct parameter *p = &sorted[i];

		rc = (i > 0 && add_char(out, '&')) ||
			buf_add(out, span_cut(all, p->name_at, p->value_at)) ||
			add_char(out, '=') || buf_add(out, span_cut(all, p->value_at, p->end))
		    ? -1
		    : 0;
	}
	buf_free(&text);
	return rc;
}

int
sigv4_segment(struct span id, struct buf *out)
{
	if (id.n == 0 || span_eq(id, SPAN(".")) || span_eq(id, SPAN("..")))
		return -1;
	return uri_escape(id, "", out);
}

/* A name as RFC 9110 5.1 has it. */
static bool
name_good(struct span name)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < name.n; i++)
		if (!is_alnum(name.p[i]) && !memchr(others, name.p[i], sizeof(others) - 1))
			return false;
	return name.n > 0;
}

/* What stands in a line of ours or in the scope has neither blanks nor control characters. */
static bool
word_good(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool
request_good(const struct sigv4_request *r)
{
	bool host = false;

	if (r->headers_n > SIGV4_HEADERS_MAX || r->access_key_id.n == 0 || r->method.n == 0)
		return false;
	for (size_t i = 0; i < r->headers_n; i++) {
		struct span name = r->headers[i].name;

		if (!name_good(name))
			return false;
		for (size_t k = 0; k < sizeof(own_names) / sizeof(own_names[0]); k++)
			if (span_eq_nocase(name, span_of(own_names[k])))
				return false;
		host = host || span_eq_nocase(name, SPAN("host"));
	}
	return host && word_good(r->method) && word_good(r->access_key_id) &&
	    word_good(r->session_token) && word_good(r->scope.region) &&
	    word_good(r->scope.service);
}

/* "2026-11-21T12:00:00Z" without its punctuation. */
static void
write_time(int64_t now, char out[static NUM_TIME_LEN])
{
	char text[NUM_TIME_LEN];

	num_time(now, text);
	for (const char *from = text; *from; from++)
		if (*from != '-' && *from != ':')
			*out++ = *from;
	*out = '\0';
}

static void
add_own(struct signing *s, const char *name, struct span value)
{
	s->own[s->own_n++] = (struct sigv4_header){ span_of(name), value };
}

/* Headers of the same name stay in the order they have. */
static void
insert(struct signing *s, const struct sigv4_header *h)
{
	size_t at = s->all_n++;

	for (; at > 0 && order_nocase(h->name, s->all[at - 1].name) < 0; at--)
		s->all[at] = s->all[at - 1];
	s->all[at] = *h;
}

static int
begin(struct signing *s, const struct sigv4_request *r)
{
	if (!request_good(r))
		return -1;
	s->r = r;
	write_time(r->now, s->time);
	hash_to_hex(r->body_hash, s->body_hash);
	add_own(s, "x-amz-date", span_of(s->time));
	if (!r->plain)
		add_own(s, "x-amz-content-sha256", span_of(s->body_hash));
	if (r->session_token.n > 0)
		add_own(s, "x-amz-security-token", r->session_token);
	for (size_t i = 0; i < r->headers_n; i++)
		insert(s, &r->headers[i]);
	for (size_t i = 0; i < s->own_n; i++)
		insert(s, &s->own[i]);
	return 0;
}

static int
add_lower(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (add_char(out, lower(s.p[i])))
			return -1;
	return 0;
}

/* Trimmed, every run of blanks as one space. */
static int
add_folded(struct buf *out, struct span s)
{
	bool begun = false, gap = false;

	for (size_t i = 0; i < s.n; i++) {
		if (is_blank(s.p[i])) {
			gap = begun;
			continue;
		}
		if ((gap && add_char(out, ' ')) || add_char(out, s.p[i]))
			return -1;
		begun = true;
		gap = false;
	}
	return 0;
}

/* True for all but the first of the headers of one name. */
static bool
is_more(const struct signing *s, const struct sigv4_header *h)
{
	return h > s->all && span_eq_nocase(h->name, h[-1].name);
}

static int
add_headers(const struct signing *s, struct buf *out)
{
	for (const struct sigv4_header *h = s->all; h < s->all + s->all_n; h++) {
		int rc;

		if (is_more(s, h))
			rc = add_char(out, ',');
		else
			rc = (h > s->all && add_char(out, '\n')) || add_lower(out, h->name) ||
			    add_char(out, ':');
		if (rc || add_folded(out, h->value))
			return -1;
	}
	return add_char(out, '\n');
}

static int
add_names(const struct signing *s, struct buf *out)
{
	for (const struct sigv4_header *h = s->all; h < s->all + s->all_n; h++) {
		if (is_more(s, h))
			continue;
		if ((h > s->all && add_char(out, ';')) || add_lower(out, h->name))
			return -1;
	}
	return 0;
}

static int
add_canonical(const struct signing *s, struct buf *out)
{
	if (buf_add(out, s->r->method) || add_char(out, '\n') ||
	    sigv4_canonical_path(s->r->path, out) || add_char(out, '\n') ||
	    sigv4_canonical_query(s->r->query, out) || add_char(out, '\n') || add_headers(s, out) ||
	    add_char(out, '\n') || add_names(s, out))
		return -1;
	return buf_addf(out, "\n%s", s->body_hash);
}

int
sigv4_canonical(const struct sigv4_request *r, struct buf *out)
{
	struct signing s = { 0 };

	return begin(&s, r) || add_canonical(&s, out) ? -1 : 0;
}

static int
canonical_hash(const struct signing *s, char out[static HASH_HEX_LEN + 1])
{
	struct buf text = buf_make(SIGV4_CANONICAL_MAX);
	uint8_t hash[HASH_LEN];
	char *at;
	int rc = -1;

	if (buf_room(&text, SIGV4_CANONICAL_MAX, &at) == 0 && add_canonical(s, &text) == 0 &&
	    hash_sha256(buf_span(&text), hash) == 0) {
		hash_to_hex(hash, out);
		rc = 0;
	}
	buf_wipe(&text);
	return rc;
}

/* "20261121/eu-central-1/bedrock/aws4_request" */
static int
add_scope(const struct signing *s, struct buf *out)
{
	return buf_add(out, (struct span){ s->time, DATE_LEN }) || add_char(out, '/') ||
		buf_add(out, s->r->scope.region) || add_char(out, '/') ||
		buf_add(out, s->r->scope.service) || buf_add(out, SPAN("/" LAST))
	    ? -1
	    : 0;
}

static int
signature(const struct signing *s, const struct sigv4_key *key, char out[static HASH_HEX_LEN + 1])
{
	struct span key_bytes = { (const char *)key->bytes, HASH_LEN };
	struct buf text = buf_make(SIGV4_TO_SIGN_MAX);
	char canonical[HASH_HEX_LEN + 1];
	uint8_t made[HASH_LEN];
	int rc = -1;

	if (canonical_hash(s, canonical) == 0 &&
	    buf_addf(&text, ALGORITHM "\n%s\n", s->time) == 0 && add_scope(s, &text) == 0 &&
	    buf_addf(&text, "\n%s", canonical) == 0 &&
	    hash_hmac_sha256(key_bytes, buf_span(&text), made) == 0) {
		hash_to_hex(made, out);
		rc = 0;
	}
	buf_free(&text);
	return rc;
}

static size_t
lines_size(const struct signing *s)
{
	const struct sigv4_request *r = s->r;
	size_t n = LINES_REST + r->session_token.n + r->access_key_id.n + r->scope.region.n +
	    r->scope.service.n;

	for (size_t i = 0; i < s->all_n; i++)
		n += s->all[i].name.n + 1;
	return n;
}

static int
add_lines(const struct signing *s, const char *made, struct buf *out)
{
	char *at;

	if (buf_room(out, lines_size(s), &at))
		return -1;
	for (size_t i = 0; i < s->own_n; i++)
		if (header_put(out, s->own[i].name, s->own[i].value))
			return -1;
	if (buf_add(out, SPAN("authorization: " ALGORITHM " Credential=")) ||
	    buf_add(out, s->r->access_key_id) || add_char(out, '/') || add_scope(s, out) ||
	    buf_add(out, SPAN(", SignedHeaders=")) || add_names(s, out))
		return -1;
	return buf_addf(out, ", Signature=%s", made) || add_char(out, '\0') ? -1 : 0;
}

int
sigv4_sign(const struct sigv4_request *r, const struct sigv4_key *key, struct buf *lines)
{
	size_t before = lines->len;
	char made[HASH_HEX_LEN + 1];
	struct signing s = { 0 };

	if (!sigv4_key_good(key, r->now) || begin(&s, r) || signature(&s, key, made))
		return -1;
	if (add_lines(&s, made, lines)) {
		lines->len = before;
		return -1;
	}
	return 0;
}

static int64_t
day_of(int64_t now)
{
	return now / DAY_S - (now % DAY_S < 0);
}

bool
sigv4_key_good(const struct sigv4_key *key, int64_t now)
{
	return key->day == day_of(now);
}

void
sigv4_key_wipe(struct sigv4_key *key)
{
	hash_wipe(key, sizeof(*key));
}

int
sigv4_derive(
    struct span secret, const struct sigv4_scope *scope, int64_t now, struct sigv4_key *out)
{
	char start[4 + SIGV4_SECRET_MAX] = { 'A', 'W', 'S', '4' };
	char time[NUM_TIME_LEN];
	const struct span steps[] = { { time, DATE_LEN }, scope->region, scope->service,
		SPAN(LAST) };
	struct span key = { start, 4 + secret.n };
	int rc = secret.n == 0 || secret.n > SIGV4_SECRET_MAX ? -1 : 0;

	write_time(now, time);
	out->day = day_of(now);
	if (!rc)
		memcpy(start + 4, secret.p, secret.n);
	for (size_t i = 0; !rc && i < sizeof(steps) / sizeof(steps[0]); i++) {
		rc = hash_hmac_sha256(key, steps[i], out->bytes);
		key = (struct span){ (const char *)out->bytes, HASH_LEN };
	}
	hash_wipe(start, sizeof(start));
	if (rc)
		sigv4_key_wipe(out);
	return rc;
}
