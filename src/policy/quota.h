/* quota: the limits that a workspace or a key may have. Plain numbers, made by conf and key. */
#ifndef POSTERN_POLICY_QUOTA_H
#define POSTERN_POLICY_QUOTA_H

#include <stdint.h>

/* The largest numbers. A bucket's level stays below 2^53, so that a script of Redis, whose numbers
 * are doubles, reckons exactly as C does; the same holds for nano-dollars. */
#define QUOTA_RATE_MAX	     100000000000u /* a minute */
#define QUOTA_CONCURRENT_MAX 1000000u
#define QUOTA_USD_MAX	     9000000u
#define QUOTA_NANOUSD_MAX    9000000000000000u /* the same in nano-dollars */

/* Of each, 0: no limit. */
struct quota {
	uint64_t rpm;		       /* requests a minute, for each model */
	uint64_t tpm;		       /* tokens a minute, for each model */
	uint64_t concurrent;	       /* calls at once, of all models */
	uint64_t budget_day_nanousd;   /* a UTC day, all models */
	uint64_t budget_month_nanousd; /* a UTC month, all models */
};

#endif
