/* confrow: every option of postern.conf and every section that it may stand in, as tables. Pure. */
#ifndef POSTERN_POLICY_CONFROW_H
#define POSTERN_POLICY_CONFROW_H

#include "policy/confvalue.h"
#include "policy/finding.h"
#include "policy/settings.h"

enum conflevel {
	CONFLEVEL_ROOT,
	CONFLEVEL_UPSTREAM,
	CONFLEVEL_MODEL,
	CONFLEVEL_TARGET,
	CONFLEVEL_WORKSPACE,
	CONFLEVELS
};

#define CONFROWS_MAX 32u /* rows of one level */

/* What is known while a file is read. */
struct confread {
	struct conf *conf;
	struct findings found;
	const char *const *kinds;
	void *object[CONFLEVELS]; /* what the options of each level are written to now */
	int given[CONFLEVELS]
		 [CONFROWS_MAX]; /* line on which a row was last given in it, 0: not yet */
	bool broken;		 /* memory is out */
};

/* A level of the file: the root, or one kind of section. */
struct confsection {
	const char *name; /* as it stands in the file; the root's is libconfuse's */
	const struct confrow *rows;
	size_t rows_n;
	enum conflevel inside;
	/* Makes the struct of a new section; NULL when it cannot be taken, which is noted. */
	void *(*add)(struct confread *r, const char *title, int line);
	/* Checks what must be there when the section ends. */
	void (*done)(struct confread *r);
};

extern const struct confsection confsections[CONFLEVELS];

/* What stands in a limit of a workspace that was not given, until confcheck puts the root's there.
 */
#define CONFROW_NOT_GIVEN UINT64_MAX

/* The line on which an option of the section that is being read was given, 0 when it was not. */
int confrow_given(const struct confread *r, enum conflevel level, const char *name);

#endif
