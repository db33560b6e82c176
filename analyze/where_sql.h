/* where_sql - a filter as ClickHouse understands it, for the table of analyze/push_table: the same
 * rows pass, nulls and all. */
#ifndef ANALYZE_WHERE_SQL_H
#define ANALYZE_WHERE_SQL_H

#include "analyze/where.h"
#include "base/buf.h"

/* Appends an expression of 0 and 1, in parentheses.  ERR_UNSUPPORTED for what cannot be said
 * exactly. */
int where_sql(const struct where *w, struct buf *out, struct err *err);

#endif
