/* refusal: the parts of a refusal that are the same in every dialect. */
#include "dialect/dialect.h"

#include <stdarg.h>
#include <stdio.h>

void
refusal_set(struct refusal *r, enum fault f, const char *fmt, ...)
{
	va_list ap;

	r->fault = f;
	va_start(ap, fmt);
	if (vsnprintf(r->message, sizeof(r->message), fmt, ap) < 0)
		r->message[0] = '\0';
	va_end(ap);
}

int
refusal_status(const struct refusal *r)
{
	return r->status ? r->status : fault_row(r->fault)->status;
}

const char *
refusal_type(const struct refusal *r)
{
	return r->type[0] ? r->type : fault_row(r->fault)->type;
}

const char *
refusal_message(const struct refusal *r)
{
	return r->message[0] ? r->message : fault_row(r->fault)->message;
}
