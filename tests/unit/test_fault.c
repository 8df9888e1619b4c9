/* fault: every row is complete, and its type belongs to its status. */
#include "base/fault.h"

#include <errno.h>

#include "unit/check.h"

static const struct {
	enum fault fault;
	int status;
	const char *type;
} faults[] = {
	{ FAULT_NO_KEY, 401, "authentication_error" },
	{ FAULT_KEY_REVOKED, 401, "authentication_error" },
	{ FAULT_MODEL_FORBIDDEN, 403, "permission_error" },
	{ FAULT_MODEL_UNKNOWN, 404, "not_found_error" },
	{ FAULT_METHOD, 405, "invalid_request_error" },
	{ FAULT_TOO_LARGE, 413, "request_too_large" },
	{ FAULT_STORE, 503, "api_error" },
	{ FAULT_UP_CREDENTIAL, 502, "api_error" },
	{ FAULT_UP_TIMEOUT, 504, "timeout_error" },
	{ FAULT_LIMIT, 429, "rate_limit_error" },
	{ FAULT_BUDGET, 429, "billing_error" },
	{ FAULT_BUSY, 529, "overloaded_error" },
};

static const struct {
	const char *what;
	int status;
	const char *type;
} statuses[] = {
	{ "402", 402, "billing_error" },
	{ "409", 409, "conflict_error" },
	{ "422 is one of the other 4xx", 422, "invalid_request_error" },
	{ "424 is a failed model, not a bad request", 424, "api_error" },
	{ "429", 429, "rate_limit_error" },
	{ "501", 501, "api_error" },
	{ "503", 503, "api_error" },
	{ "529", 529, "overloaded_error" },
	{ "599", 599, "api_error" },
};

static void
row_complete(struct check *c)
{
	check_row(c, "every fault has a name of its own, a status, a type, a message");
	for (int i = 0; i < FAULT_COUNT; i++) {
		const struct fault_row *row = fault_row((enum fault)i);
		bool complete = row->name && row->type && row->message && row->status >= 200;

		check_that(c, complete, "fault %d is incomplete", i);
		if (!complete)
			return;
		for (int j = 0; j < i; j++)
			check_that(c, strcmp(row->name, fault_row((enum fault)j)->name) != 0,
			    "%s stands twice", row->name);
		/* A budget is a limit that frees by itself, and a matter of money. */
		if (i != FAULT_NONE && i != FAULT_BUDGET)
			check_that(c, strcmp(row->type, fault_type_of_status(row->status)) == 0,
			    "%s: %d is no %s", row->name, row->status, row->type);
	}
	check_that(c, fault_row((enum fault)9999)->status == 500, "a fault that is none");
}

int
main(void)
{
	struct check c = { .module = "fault" };

	row_complete(&c);
	for (size_t i = 0; i < ROWS(faults); i++) {
		const struct fault_row *row = fault_row(faults[i].fault);

		check_row(&c, "%s", row->name);
		check_that(&c, row->status == faults[i].status, "status %d", row->status);
		check_same(&c, span_of(row->type), span_of(faults[i].type));
	}
	for (size_t i = 0; i < ROWS(statuses); i++) {
		check_row(&c, "%s", statuses[i].what);
		check_same(&c, span_of(fault_type_of_status(statuses[i].status)),
		    span_of(statuses[i].type));
	}
	check_row(&c, "types lead back to a status");
	check_that(&c, fault_status_of_type("overloaded_error") == 529, "overloaded");
	check_that(&c, fault_status_of_type("api_error") == 500, "api");
	check_that(&c, fault_status_of_type("timeout_error") == 504, "timeout");
	check_that(&c, fault_status_of_type("throttlingException") == 500, "unknown");
	check_that(&c, fault_status_of_type(NULL) == 500, "NULL");
	check_row(&c, "what memory has to do with it");
	errno = 0;
	check_that(&c, fault_in_truth(FAULT_UP_ANSWER) == FAULT_UP_ANSWER, "blamed without reason");
	errno = ENOMEM;
	check_that(&c, fault_in_truth(FAULT_UP_ANSWER) == FAULT_INTERNAL, "not blamed");
	check_that(&c, fault_in_truth(FAULT_NONE) == FAULT_NONE, "a fault out of nothing");
	return check_end(&c);
}
