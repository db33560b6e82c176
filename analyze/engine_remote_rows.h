/* engine_remote_rows - rows of ClickHouse as blocks of the engine; for analyze/engine_remote*.c
 * alone. */
#ifndef ANALYZE_ENGINE_REMOTE_ROWS_H
#define ANALYZE_ENGINE_REMOTE_ROWS_H

#include "analyze/clickhouse.h"
#include "analyze/engine_worker.h"

/* A block has as many, and then the further parts of its last exchange, which are few. */
#define REMOTE_BLOCK_ROWS 16384u
#define REMOTE_BLOCK_MAX  (16 * REMOTE_BLOCK_ROWS)

struct remote_rows_options {
    struct scan_columns columns;           /* part and started_at always come */
    const char *keep;                      /* SQL: the rows that pass; NULL = all do */
    const struct attribution *attribution; /* NULL = as recorded */
    struct where *where;                   /* what is to pass besides; NULL = everything */
    /* Gets each block, which is numbered in group and valid until it returns. */
    int (*on_block)(void *ctx, const struct block *b, struct err *err);
    void *ctx;
};

struct remote_rows;

/* The options' pointers are used until the end. */
struct remote_rows *remote_rows_new(const struct remote_rows_options *o);
void remote_rows_free(struct remote_rows *r);
DEFINE_CLEANUP(struct remote_rows, remote_rows_free)
/* which: what follows WHERE, with its ORDER BY.  May be called again; blocks do not span calls. */
int remote_rows_run(struct remote_rows *r, struct clickhouse *server, const char *which,
                    struct err *err);
/* That passed keep. */
uint64_t remote_rows_count(const struct remote_rows *r);

#endif
