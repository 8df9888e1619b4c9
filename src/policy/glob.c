/* glob: see glob.h. Only the last star is ever gone back to, which is enough, and which keeps
 * hostile patterns from costing more than the product of both lengths. */
#include "policy/glob.h"

bool
glob_match(struct span pattern, struct span name)
{
	size_t p = 0, n = 0;
	size_t star_p = 0, star_n = 0; /* behind the last star, and how far it reaches */
	bool star = false;

	while (n < name.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = true;
			star_p = ++p;
			star_n = n;
		} else if (p < pattern.n && (pattern.p[p] == '?' || pattern.p[p] == name.p[n])) {
			p++;
			n++;
		} else if (star) {
			p = star_p;
			n = ++star_n;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

bool
glob_match_any(struct span patterns, struct span name)
{
	struct span pattern;

	while (span_next(&patterns, ',', &pattern)) {
		if (pattern.n > 0 && glob_match(pattern, name))
			return true;
	}
	return false;
}
