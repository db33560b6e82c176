/* scan - the rows of an archive's ledgers, block by block, only the columns asked for.
 *
 * A block is one row group with its columns decoded.  With attribution rules, the six columns that
 * say who caused a call (app ... purpose) are computed from the rules over what the ledger keeps;
 * without, they are the ledger's own.  Ledgers are never rewritten.
 */
#ifndef ANALYZE_SCAN_H
#define ANALYZE_SCAN_H

#include <stdint.h>

#include "capture/archive.h"
#include "capture/attribution.h"
#include "capture/ledger.h"

struct block_column {
    const int64_t *ints;   /* every type but STRING */
    const uint32_t *codes; /* STRING: into dict */
    const struct str *dict;
    size_t dict_len;
    const uint8_t *is_null; /* a byte a row; NULL = none is null */
    bool absent;            /* an older ledger without this column: all null */
};

struct block {
    size_t rows;
    const char *path;                                 /* of the ledger, for messages */
    struct block_column columns[LEDGER_COLUMN_COUNT]; /* only the columns asked for are set */
};

static inline bool block_is_null(const struct block *b, enum ledger_column c, size_t row)
{
    return b->columns[c].absent || (b->columns[c].is_null && b->columns[c].is_null[row]);
}
/* The text of a string column, empty where null. */
static inline struct str block_str(const struct block *b, enum ledger_column c, size_t row)
{
    const struct block_column *col = &b->columns[c];

    return block_is_null(b, c, row) ? (struct str){ 0 } : col->dict[col->codes[row]];
}
/* 0 where null: check block_is_null where that matters. */
static inline int64_t block_int(const struct block *b, enum ledger_column c, size_t row)
{
    return block_is_null(b, c, row) ? 0 : b->columns[c].ints[row];
}

/* Which columns to decode. */
struct scan_columns {
    bool want[LEDGER_COLUMN_COUNT];
};

struct scan_options {
    int64_t from_us, to_us; /* ledgers of other days are not opened; rows are not filtered */
    struct scan_columns columns;
    const struct attribution *attribution; /* NULL = what the ledger says */
};

struct scan;
/* Lists the ledgers; ledgers stays the scan's. */
int scan_open(const struct archive *a, const struct scan_options *options, struct scan **ret,
              struct err *err);
void scan_close(struct scan *s);
DEFINE_CLEANUP(struct scan, scan_close)
/* 1 = *ret set, valid until the next call; 0 = end; -1 = error, which names the ledger. */
int scan_next(struct scan *s, const struct block **ret, struct err *err);

#endif
