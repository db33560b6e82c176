/* ledgers - which ledger files a question is put to: those of archives, of Hive-partitioned
 * folders, or named one by one; any mixture.
 *
 * Of an archive, the chain says which ledgers there must be: one that is gone, and was not pruned,
 * is an error rather than a smaller sum.  Days outside the span asked for are left out by the name
 * of their folder (date=2026-10-01, UTC).
 *
 * A ledger that is there twice - an archive named twice, a copy of it - is an error rather than a
 * sum twice as large: those of one segment by their name (ID.parquet), others by their bytes. Calls
 * that were imported into two archives are analyze/overlap's to find.
 */
#ifndef ANALYZE_LEDGERS_H
#define ANALYZE_LEDGERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/vec.h"
#include "capture/archive.h"

#define LEDGERS_MAX       1000000
#define LEDGERS_DEPTH_MAX 8 /* of folders in folders */

struct ledgers {
    VEC(char *) paths;
    struct map known;  /* private: what tells one from the others, to its index */
    bool is_mixed;     /* not all are of one archive, which holds nothing twice */
    bool count_shared; /* calls that several of them hold are no error: set by the caller */
};

/* from_us and to_us as in archive_ledgers_list. */
int ledgers_add_archive(struct ledgers *l, const struct archive *a, int64_t from_us, int64_t to_us,
                        struct err *err);
/* A file, an archive's folder, or a folder with *.parquet at any depth, by name. */
int ledgers_add_path(struct ledgers *l, const char *path, int64_t from_us, int64_t to_us,
                     struct err *err);
void ledgers_release(struct ledgers *l);
DEFINE_CLEANUP_VALUE(struct ledgers, ledgers_release)

#endif
