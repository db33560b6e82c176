/* export - groups and rows as flat tables for other people's tools: CSV, or a JSON object a line.
 *
 * Names are the ledger's, with cost_usd and what it is made of behind them.  Amounts are decimal
 * strings with 12 digits in both forms; what is not known is empty, or absent.
 */
#ifndef ANALYZE_EXPORT_H
#define ANALYZE_EXPORT_H

#include "analyze/engine.h"
#include "base/buf.h"

enum export_form {
    EXPORT_CSV,
    EXPORT_JSONL,
};

/* Of a run with ENGINE_MONEY | ENGINE_UNITS: the header line (none of JSONL), and a line a group.
 */
void export_add_group_header(const struct engine_result *r, enum export_form form, struct buf *out);
void export_add_group(const struct engine_result *r, const struct engine_row *row,
                      enum export_form form, struct buf *out);

/* The columns that rows read (engine_query.columns); their header, and a line a row. */
void export_row_columns(struct scan_columns *ret);
void export_add_row_header(enum export_form form, struct buf *out);
void export_add_row(const struct engine_seen *seen, enum export_form form, struct buf *out);

#endif
