/* push_clickhouse - ledgers into a table of ClickHouse, each row exactly once.
 *
 * A row's key is (segment, number in its ledger).  A list of whole segments, TABLE_segments, spares
 * looking at them again; of a segment that is not on it, the rows that are there already are asked
 * for, and only the others are sent.  So a push that was killed, at whatever point, is simply run
 * again.  A statement that its dead sender left running is waited for first; while one runs, the
 * server refuses another with the same rows, as both have one query_id.  The table's engine
 * (ReplacingMergeTree, by that key) would let duplicates go should there ever be one.
 *
 * The table may be a Distributed one that exists already: it is not made anew then.
 */
#ifndef ANALYZE_PUSH_CLICKHOUSE_H
#define ANALYZE_PUSH_CLICKHOUSE_H

#include "analyze/clickhouse.h"
#include "analyze/ledgers.h"

#define PUSH_BATCH_ROWS 20000u /* of one INSERT, which is one block: whole or not at all */

struct push_progress {
    size_t ledgers, ledgers_done;   /* done includes those that were there before */
    size_t ledgers_there;           /* already */
    uint64_t rows_sent, rows_there; /* there: of segments that were in part */
};

struct push_clickhouse_options {
    struct clickhouse *server;
    const struct ledgers *ledgers;
    void (*on_progress)(void *ctx, const struct push_progress *p); /* may be NULL */
    void *ctx;
};

int push_clickhouse(const struct push_clickhouse_options *options, struct push_progress *ret,
                    struct err *err);

#endif
