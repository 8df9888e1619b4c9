/* ledgerfile: the ledger's files in the state folder, one a month, written by one process at a time
 * (the caller holds the lock of the drain). */
#ifndef POSTERN_STORE_LEDGERFILE_H
#define POSTERN_STORE_LEDGERFILE_H

#include "base/buf.h"
#include "base/check.h"
#include "store/totals.h"

/* Called with each whole line beyond a mark; not 0 ends the walk, which then fails. */
typedef int ledgerfile_line(void *arg, const struct ledger_entry *e);

/* Looks at what stands in the mark's file (and in those of later months; without a mark, in all)
 * behind the mark, which a process left that died before it could say so, or a power cut: calls fn
 * for each good line with a number above mark->seq, in order, syncs them, and moves the mark behind
 * the last of them. A torn end is closed with a newline, damaged lines are passed over and logged,
 * those of older versions, which have no number, silently. Costs a stat and a look into the folder
 * when nothing is there; the mark moves also when what is there counts for nothing. A file that was
 * replaced or cut is read from its start, and one that was renamed within the folder (ledger-…) to
 * its end before. -1 on errors, logged, with the mark where it was. */
MUST_CHECK int ledgerfile_catch_up(
    const char *folder, struct totals_mark *mark, ledgerfile_line *fn, void *arg);

/* Appends text, which is whole lines up to number seq, to the file of a month (never to an earlier
 * file than the mark's, or what a dying process writes would not be looked for there), and moves
 * the mark. The write is on the disk when this returns 0. -1 with errno set and nothing moved: what
 * was written in part is taken back (the file is cut to where it ended). To be called with a mark
 * that has just caught up. SIGXFSZ must be ignored. */
MUST_CHECK int ledgerfile_append(
    const char *folder, const char *name, struct span text, uint64_t seq, struct totals_mark *mark);

#endif
