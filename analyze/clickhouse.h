/* clickhouse - a ClickHouse server, spoken to over HTTP: statements, rows in, rows out.
 *
 *     clickhouse://HOST[:8123]/DATABASE[?table=NAME]       clickhouses:// with TLS, port 8443
 *
 * Rows travel as RowBinary, both ways, and every number as an Int64: nothing is printed and read
 * again on the way.  What is used works with ClickHouse 18.16 (2018) and newer.
 *
 * User and password go into headers of requests, never into URLs or messages.
 */
#ifndef ANALYZE_CLICKHOUSE_H
#define ANALYZE_CLICKHOUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define CLICKHOUSE_TABLE     "weir_ledger"
#define CLICKHOUSE_ROW_BYTES (64u << 20) /* of one row of a result */
#define CLICKHOUSE_COLUMNS   128u        /* of a result */

struct clickhouse;

struct clickhouse_options {
    struct str url;
    const char *user, *password; /* NULL or empty = the server's default user */
    const char *ca_path;         /* NULL = the system's */
};

/* Nothing is sent yet. */
int clickhouse_open(const struct clickhouse_options *options, struct clickhouse **ret,
                    struct err *err);
void clickhouse_close(struct clickhouse *c);
DEFINE_CLEANUP(struct clickhouse, clickhouse_close)
/* Is that one of the URLs above? */
bool clickhouse_is_url(struct str url);

/* The ledger's table, in back quotes and with its database, and without either. */
const char *clickhouse_table(const struct clickhouse *c);
const char *clickhouse_table_name(const struct clickhouse *c);
/* The table's name with something appended, as clickhouse_table. */
void clickhouse_add_table(const struct clickhouse *c, const char *suffix, struct buf *out);

/* A statement without a result. */
int clickhouse_exec(struct clickhouse *c, struct str sql, struct err *err);
/* Inserts rows (RowBinary).  query_id: the server refuses a second one while the first runs. */
int clickhouse_insert(struct clickhouse *c, struct str sql, struct str query_id, struct str rows,
                      struct err *err);

struct clickhouse_value {
    struct str s;
    int64_t i;
    bool is_null;
};

enum clickhouse_kind {
    CLICKHOUSE_STRING,   /* String */
    CLICKHOUSE_INT,      /* Int64 */
    CLICKHOUSE_NULLABLE, /* Nullable(Int64) */
};

/* on_row gets each row as it comes, with a value per kind; -1 ends the query as a failure.  sql is
 * without a FORMAT. */
struct clickhouse_query {
    struct str sql;
    const enum clickhouse_kind *kinds;
    size_t kind_count;
    int (*on_row)(void *ctx, const struct clickhouse_value *values, struct err *err);
    void *ctx;
};
int clickhouse_rows(struct clickhouse *c, const struct clickhouse_query *query, struct err *err);

/* --- SQL and RowBinary, appended to out --- */

/* A literal in quotes. */
void clickhouse_add_text(struct buf *out, struct str text);
void clickhouse_put_string(struct buf *out, struct str value);
/* The low bytes of value, little endian. */
void clickhouse_put_int(struct buf *out, int64_t value, unsigned bytes);

#endif
