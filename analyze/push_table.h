/* push_table - the ledger as a table of ClickHouse: its columns, and rows for it.
 *
 * The columns are the ledger's (weir-ledger(5)) but for these: text is never null but empty;
 * started_at_us and reported_cost_pusd are integers (us since the epoch, 1e-12 USD), so that sums
 * are exact; segment and row (counting from 0) say where a row comes from, and are its key; date is
 * the UTC day.
 */
#ifndef ANALYZE_PUSH_TABLE_H
#define ANALYZE_PUSH_TABLE_H

#include "analyze/clickhouse.h"
#include "analyze/scan.h"

/* ClickHouse's Date is 16 bits of days since 1970; what is later has the last one. */
#define PUSH_DATE_MAX 65535

/* "started_at_us": static. */
const char *push_table_column(enum ledger_column c);
/* CREATE TABLE IF NOT EXISTS of the rows, and of the list of segments that are whole. */
void push_table_schema(const struct clickhouse *c, struct buf *out);
void push_table_segments_schema(const struct clickhouse *c, struct buf *out);
/* INSERT INTO ... (every column) FORMAT RowBinary */
void push_table_insert(const struct clickhouse *c, struct buf *out);
/* One row of a block that has every column. */
void push_table_row(struct str segment, uint32_t number, const struct block *b, size_t row,
                    struct buf *out);

#endif
