/* ledgerfile: the ledger's files in the state folder, one a month, written by one process at a time
 * (the caller holds the lock of the drain). */
#ifndef POSTERN_STORE_LEDGERFILE_H
#define POSTERN_STORE_LEDGERFILE_H

#include "base/buf.h"
#include "base/check.h"
#include "store/totals.h"

/* Called with each whole line beyond a mark. */
typedef int ledgerfile_line(void *arg, const struct ledger_entry *e);

/* Looks at what stands in the mark's file (and in those of later months) behind the mark, which a
 * process left that died before it could say so, or a power cut: calls fn for each good line with a
 * number above mark->seq, in order, and moves the mark behind the last of them. A torn end is
 * closed with a newline, damaged lines are passed over and logged. Costs one stat when nothing is
 * there. A file that was moved away or replaced is read from its start. -1 on errors, logged. */
MUST_CHECK int ledgerfile_catch_up(
    const char *folder, struct totals_mark *mark, ledgerfile_line *fn, void *arg);

/* Appends text, which is whole lines up to number seq, to the file of a month (never to an earlier
 * file than the mark's), and moves the mark. The write is on the disk when this returns 0. -1 with
 * nothing moved: what was written in part is taken back (the file is cut to where it ended). */
MUST_CHECK int ledgerfile_append(
    const char *folder, const char *name, struct span text, uint64_t seq, struct totals_mark *mark);

#endif
