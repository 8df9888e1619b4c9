/* chatpath: see the header. A path that is too long is cut: it is for people. */
#include "upstream/chatpath.h"

#include <stdio.h>

#include "policy/glob.h"
#include "wire/json.h"

static void
lengthen(char *text, size_t size, const char *name)
{
	size_t n = strlen(text);

	(void)snprintf(text + n, size - n, "%s%s", n > 0 ? "." : "", name);
}

struct chatpath_end
chatpath_here(const struct chatpath *p)
{
	return (struct chatpath_end){ strlen(p->place), strlen(p->shape) };
}

struct chatpath_end
chatpath_enter(struct chatpath *p, const char *name)
{
	struct chatpath_end end = chatpath_here(p);

	lengthen(p->place, sizeof(p->place), name);
	lengthen(p->shape, sizeof(p->shape), name);
	return end;
}

struct chatpath_end
chatpath_item(struct chatpath *p, size_t at)
{
	struct chatpath_end end = chatpath_here(p);
	char number[24];

	(void)snprintf(number, sizeof(number), "%zu", at);
	lengthen(p->place, sizeof(p->place), number);
	return end;
}

void
chatpath_leave(struct chatpath *p, struct chatpath_end end)
{
	p->place[end.place] = '\0';
	p->shape[end.shape] = '\0';
}

bool
chatpath_drops(const struct chatpath *p, struct span name)
{
	const struct namelist *l = &p->ask->target->upstream->may_drop;
	char path[sizeof(p->shape) + 128];

	(void)snprintf(path, sizeof(path), "%s%s%.*s", p->shape, p->shape[0] ? "." : "",
	    (int)name.n, name.n > 0 ? name.p : "");
	for (size_t i = 0; i < l->n; i++)
		if (glob_match(span_of(l->v[i]), span_of(path)))
			return true;
	return false;
}

int
chatpath_refuse(struct chatpath *p, struct span name, const char *what)
{
	refusal_set(p->why, FAULT_BAD_REQUEST, "%s%s%.*s: %s", p->place,
	    p->place[0] && name.n > 0 ? "." : "", (int)name.n, name.n > 0 ? name.p : "", what);
	return -1;
}

int
chatpath_refuse_extra(struct chatpath *p, struct span name)
{
	return chatpath_refuse(p, name,
	    "Extra inputs are not permitted: the upstream of this model has no such thing");
}

static bool
says_nothing(struct span name, struct span value)
{
	return json_type(value) == 'z' || json_empty(value) || span_eq(name, SPAN("cache_control"));
}

static bool
is_known(struct span name, const char *const *known, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(name, span_of(known[i])))
			return true;
	return false;
}

int
chatpath_check(struct chatpath *p, struct span object, const char *const *known, size_t n)
{
	struct span raw, value;

	if (json_type(object) != 'o')
		return chatpath_refuse(p, (struct span){ 0 }, "must be an object");
	while ((value = json_next_member(&object, &raw)).p) {
		struct span name = json_inside(raw);

		if (!is_known(name, known, n) && !says_nothing(name, value) &&
		    !chatpath_drops(p, name))
			return chatpath_refuse_extra(p, name);
	}
	return 0;
}
