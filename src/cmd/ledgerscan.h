/* ledgerscan: reads a ledger's files, adds their lines up, and says what is wrong with the lines by
 * themselves: damaged, missing, twice, out of order. */
#ifndef POSTERN_CMD_LEDGERSCAN_H
#define POSTERN_CMD_LEDGERSCAN_H

#include <stdio.h>

#include "base/check.h"
#include "cmd/lines.h"
#include "cmd/seqset.h"
#include "cmd/sums.h"
#include "policy/ledger.h"

#define LEDGERSCAN_DAMAGE_MAX 100u /* damaged lines that are told one by one */

struct ledgerscan_place {
	const char *path;
	uint64_t line;
};

/* A line that is none, and the numbers of the nearest lines of its file; 0: there is none. */
struct ledgerscan_damage {
	struct ledgerscan_place place;
	uint64_t before, after;
	bool old; /* its file has lines without numbers */
};

struct ledgerscan {
	FILE *out;	    /* where everything is told */
	uint64_t upto;	    /* lines up to this number are added up */
	size_t findings;    /* faults told so far */
	struct sums sums;   /* of those lines, each once */
	struct seqset seen; /* all numbers */

	uint64_t first;			  /* the lowest number; 0: no line has one */
	int64_t first_ms;		  /* when that call ended */
	uint64_t ahead;			  /* lines above upto */
	uint64_t old;			  /* lines without a number, of an older version */
	uint64_t empty;			  /* answers that no token was counted for */
	struct ledgerscan_place empty_at; /* the first of them */

	struct ledgerscan_damage damage[LEDGERSCAN_DAMAGE_MAX];
	size_t damage_n;
	uint64_t damaged; /* also those that damage has no room for */

	/* Of the file that is read. */
	struct ledgerscan_place at;
	uint64_t before;    /* the number of the last line; 0: there was none */
	uint64_t low, high; /* its numbers */
	uint64_t numbered;  /* its lines that have one */
	uint64_t old_here;
	size_t damage_from;	   /* its damaged lines since the last good one */
	struct seqset_range twice; /* numbers that were there before; from 0: none */
	struct ledgerscan_place twice_at;
	struct lines lines;
	struct buf text;
};

/* Begins; sums is by sums_make. */
void ledgerscan_start(struct ledgerscan *s, FILE *out, uint64_t upto, struct sums sums);

/* Reads a file; path lives as long as the scan. What cannot be read is a finding. -1 when out of
 * memory. */
MUST_CHECK int ledgerscan_file(struct ledgerscan *s, const char *path);

/* Tells what is known when all files are read: damaged lines and missing numbers. */
void ledgerscan_finish(struct ledgerscan *s);

/* Prints a line, and counts it as a finding. */
void ledgerscan_find(struct ledgerscan *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Frees what it holds. */
void ledgerscan_free(struct ledgerscan *s);

#endif
