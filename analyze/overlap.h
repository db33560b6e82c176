/* overlap - calls that two ledgers hold, though neither file is the other once more: traffic that
 * was imported into two archives, or exported from one and imported into the next.
 *
 * No row is read for it.  By its statistics a ledger's least and greatest identifiers are known,
 * of exchanges and of imported records, which are hashes of their content: of two ledgers that
 * share a part p of what both hold together, one of the four is the same, and so found, with a
 * probability of 1 - (1-p)^4 at least, day by day.  Whoever shares whole days is always found; a
 * few calls that are in both may not be.
 */
#ifndef ANALYZE_OVERLAP_H
#define ANALYZE_OVERLAP_H

#include "analyze/ledgers.h"
#include "base/map.h"
#include "capture/ledger.h"

/* Zero-initialised is empty; the ledgers whose indices it was given must outlive it. */
struct overlap {
    struct map bounds; /* private: identifiers, to the index of the ledger */
};

/* Whether that is to be looked for: not within one archive, where import sees to it. */
bool overlap_is_possible(const struct ledgers *l);
/* Notes the ledger paths[index], open as file; -1 = it holds a call that one noted before holds. */
int overlap_note(struct overlap *o, const struct ledgers *l, size_t index,
                 const struct parquet_file *file, const int columns[static LEDGER_COLUMN_COUNT],
                 struct err *err);
/* Opens all of them for it, for whoever does not scan them with analyze/scan, which notes them. */
int overlap_check(const struct ledgers *l, struct err *err);
void overlap_release(struct overlap *o);
DEFINE_CLEANUP_VALUE(struct overlap, overlap_release)

#endif
