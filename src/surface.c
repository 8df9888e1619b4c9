/* surface: see the header. Pure. */
#include "surface.h"

static bool
take_segment(struct span *path, struct span *out)
{
	size_t n = 0;

	while (n < path->n && path->p[n] != '/')
		n++;
	*out = span_cut(*path, 0, n);
	*path = span_cut(*path, n, path->n);
	return n > 0;
}

static bool
matches(const struct surface *row, struct span path, struct surface_match *out)
{
	struct span want = span_of(row->path);

	*out = (struct surface_match){ .surface = row };
	while (want.n > 0) {
		bool is_id = span_starts(want, SPAN("{id}"));

		if (is_id || span_starts(want, SPAN("{region}"))) {
			if (!take_segment(&path, is_id ? &out->id : &out->region))
				return false;
			want = span_cut(want, is_id ? 4 : 8, want.n);
			continue;
		}
		if (path.n == 0 || path.p[0] != want.p[0])
			return false;
		path = span_cut(path, 1, path.n);
		want = span_cut(want, 1, want.n);
	}
	return path.n == 0;
}

int
surface_find(const struct surface *table, struct span path, struct surface_match *out)
{
	for (const struct surface *row = table; row->path; row++)
		if (matches(row, path, out))
			return 0;
	*out = (struct surface_match){ 0 };
	return -1;
}

/* A request line may carry the absolute form (RFC 9112 3.2.2). */
static struct span
without_origin(struct span uri)
{
	const char *slashes;
	size_t at;

	if (!span_starts(uri, SPAN("http://")) && !span_starts(uri, SPAN("https://")))
		return uri;
	slashes = memchr(uri.p, ':', uri.n);
	at = (size_t)(slashes - uri.p) + 3;
	while (at < uri.n && uri.p[at] != '/' && uri.p[at] != '?')
		at++;
	return span_cut(uri, at, uri.n);
}

static bool
is_program(struct span script)
{
	static const char *const ends[] = { ".cgi", ".fcgi" };

	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(ends[i]);

		if (script.n > n && memcmp(script.p + script.n - n, ends[i], n) == 0)
			return true;
	}
	return false;
}

static bool
strip(struct span *path, struct span mount)
{
	if (mount.n == 0 || !span_starts(*path, mount) || path->n == mount.n ||
	    path->p[mount.n] != '/')
		return false;
	*path = span_cut(*path, mount.n, path->n);
	return true;
}

struct span
surface_path(struct span request_uri, struct span script_name, struct span *query)
{
	struct span path = without_origin(request_uri);
	const char *mark = path.n ? memchr(path.p, '?', path.n) : NULL;
	size_t slash = script_name.n;

	*query = (struct span){ 0 };
	if (mark) {
		size_t at = (size_t)(mark - path.p);

		*query = span_cut(path, at + 1, path.n);
		path = span_cut(path, 0, at);
	}
	if (!is_program(script_name) || strip(&path, script_name))
		return path;
	while (slash > 0 && script_name.p[slash - 1] != '/')
		slash--;
	(void)strip(&path, span_cut(script_name, 0, slash > 0 ? slash - 1 : 0));
	return path;
}
