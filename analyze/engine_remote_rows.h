/* engine_remote_rows - rows of a result as blocks of the engine; for analyze/engine_remote.c alone.
 */
#ifndef ANALYZE_ENGINE_REMOTE_ROWS_H
#define ANALYZE_ENGINE_REMOTE_ROWS_H

#include "analyze/clickhouse.h"
#include "analyze/engine_worker.h"

#define REMOTE_BLOCK_ROWS 16384u

struct remote_rows;

/* Blocks of these columns go to w, which is used until the end. */
struct remote_rows *remote_rows_new(struct worker *w, const struct scan_columns *columns);
void remote_rows_free(struct remote_rows *r);
DEFINE_CLEANUP(struct remote_rows, remote_rows_free)
/* Appends "a, toInt64(b), ..." of the columns; ret_kinds has room for all, *ret_count is set. */
void remote_rows_select(const struct remote_rows *r, struct buf *out,
                        enum clickhouse_kind *ret_kinds, size_t *ret_count);
/* A row of that selection; ctx is the remote_rows. */
int remote_rows_add(void *ctx, const struct clickhouse_value *values, struct err *err);
/* The last block. */
int remote_rows_end(struct remote_rows *r, struct err *err);
uint64_t remote_rows_count(const struct remote_rows *r);

#endif
