/* confvalue: how the text of an option becomes a field of struct conf: one function per type. Pure.
 */
#ifndef POSTERN_POLICY_CONFVALUE_H
#define POSTERN_POLICY_CONFVALUE_H

#include <stdint.h>

#include "policy/finding.h"
#include "policy/settings.h"

struct confvalue;

/* An option: its type and where its value goes. min and max are in the unit of the option: bytes of
 * a text, the number of a number. */
struct confrow {
	const char *name;
	void (*set)(const struct confvalue *v);
	bool list;
	bool empty; /* the list may be given as { } */
	size_t at;  /* of the field in its struct */
	const char *fallback;
	uint64_t min, max;
	const char *hint; /* what would be right, where the type cannot say it */
};

/* A value on its way into its field. */
struct confvalue {
	const struct confrow *row;
	void *object; /* the struct that has the field */
	const char *text;
	size_t index; /* its place in a list */
	int line;
	const char *const *kinds; /* of upstreams, NULL-ended */
	struct findings *found;
	bool *broken; /* set when memory is out */
};

/* The types. A value that is refused is noted and leaves the field as it was. */

/* A text of min to max bytes. */
void confvalue_text(const struct confvalue *v);

/* http:// or https://, without user, query or fragment; a trailing slash is taken off. */
void confvalue_url(const struct confvalue *v);

/* The name of an environment variable; the hint is an example. */
void confvalue_variable(const struct confvalue *v);

/* One of the kinds of upstream. */
void confvalue_kind(const struct confvalue *v);

/* How the credential travels: "x-api-key" or "bearer", or "sigv4" where requests are signed. */
void confvalue_auth(const struct confvalue *v);

/* A region name. */
void confvalue_region(const struct confvalue *v);

/* true or false. */
void confvalue_bool(const struct confvalue *v);

/* A whole number from min to max. */
void confvalue_count(const struct confvalue *v);

/* Seconds from min to max, with decimals; kept in ms. */
void confvalue_seconds(const struct confvalue *v);

/* As confvalue_seconds, from min to max milliseconds; the hint says what that is in seconds. */
void confvalue_ms(const struct confvalue *v);

/* US dollars up to max; kept in nano-dollars. */
void confvalue_usd(const struct confvalue *v);

/* A date; kept in Unix seconds. */
void confvalue_date(const struct confvalue *v);

/* The five prices, US dollars per million tokens; kept in nano-dollars per token. */
void confvalue_price(const struct confvalue *v);

/* A list of texts. */
void confvalue_texts(const struct confvalue *v);

/* A list of region names. */
void confvalue_regions(const struct confvalue *v);

/* Where an upstream's credentials for a cloud are: "env", "metadata", "file:/path", "bearer:/path".
 */
void confvalue_credentials(const struct confvalue *v);

/* A text that may stand in a host name or a path: letters, digits and `-._:`; the hint says what is
 * right. */
void confvalue_label(const struct confvalue *v);

/* A list of globs of anthropic-beta. */
void confvalue_betas(const struct confvalue *v);

/* True when s holds no control characters. */
bool confvalue_printable(const char *s);

#endif
