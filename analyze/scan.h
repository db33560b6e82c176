/* scan - the rows of ledgers, block by block, only the columns and row groups that a question
 * needs.
 *
 * A block is one row group with its columns decoded.  With attribution rules, the six columns that
 * say who caused a call (app ... purpose) are computed from the rules over what the ledger keeps;
 * without, they are the ledger's own.  Ledgers are never rewritten.
 *
 * With `select`, rows outside the span or refused by `where` are marked in the block; row groups
 * that by their statistics hold none that passes are not read at all, and of those where none does,
 * only the columns of the filter are.
 *
 * Threads: one feed hands out row groups, in order and each once, to any number of scans, one per
 * thread.
 */
#ifndef ANALYZE_SCAN_H
#define ANALYZE_SCAN_H

#include <stdint.h>

#include "analyze/ledgers.h"
#include "capture/attribution.h"
#include "capture/ledger.h"

struct block_column {
    const int64_t *ints;   /* every type but STRING */
    const uint32_t *codes; /* STRING: into dict */
    const struct str *dict;
    size_t dict_len;
    const uint8_t *is_null; /* a byte a row; NULL = none is null */
    bool absent;            /* every row is null, or the column is not in this ledger */
};

struct block {
    size_t rows;
    const char *path;                                 /* of the ledger, for messages */
    struct block_column columns[LEDGER_COLUMN_COUNT]; /* only the columns asked for are set */
    size_t ledger, group;                             /* its place in the feed */
    const uint8_t *keep; /* a byte a row: 1 = passes; NULL = all do, or select was not asked for */
    int64_t first_us, last_us; /* with select: no row that passes started outside of these */
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

struct where;

struct scan_options {
    int64_t from_us, to_us; /* with an archive, ledgers of other days are not opened */
    struct scan_columns columns;
    const struct attribution *attribution; /* NULL = what the ledger says */
    bool select;               /* mark rows by the span and where; else all are handed out */
    const struct where *where; /* with select; NULL = everything */
};

/* The ledgers and what the options point to must outlive the feed. */
struct scan_feed;
struct scan_feed *scan_feed_new(const struct ledgers *ledgers, const struct scan_options *options);
void scan_feed_free(struct scan_feed *f);
DEFINE_CLEANUP(struct scan_feed, scan_feed_free)
/* No more row groups are handed out, to anybody. */
void scan_feed_stop(struct scan_feed *f);
/* Row groups handed out, and passed over by their statistics. */
void scan_feed_counts(struct scan_feed *f, uint64_t *ret_read, uint64_t *ret_skipped);

struct scan;
/* One per thread. */
int scan_new(struct scan_feed *f, struct scan **ret, struct err *err);
/* A scan of its own over an archive: lists the ledgers; they stay the scan's. */
int scan_open(const struct archive *a, const struct scan_options *options, struct scan **ret,
              struct err *err);
void scan_close(struct scan *s);
DEFINE_CLEANUP(struct scan, scan_close)
/* 1 = *ret set, valid until the next call; 0 = end; -1 = error, which names the ledger; then
 * scan_place tells where, and the feed hands out no more. */
int scan_next(struct scan *s, const struct block **ret, struct err *err);
/* Decodes one more column of the block last handed out, into it. */
int scan_load(struct scan *s, enum ledger_column c, struct err *err);
/* Of the block last handed out or failed: its ledger * 2^32 + row group. */
uint64_t scan_place(const struct scan *s);

#endif
