/* ledger - the table of usage: one Parquet file per segment, one row per (exchange, model that
 * worked on it).
 *
 * Nearly every exchange has one row.  An exchange in which the provider ran several models has a
 * row each, `part` counting from 0; whatever counts requests counts rows with part = 0. Times are
 * UTC; a null token column means "not reported", 0 means the provider said zero.
 */
#ifndef CAPTURE_LEDGER_H
#define CAPTURE_LEDGER_H

#include "capture/exchange.h"
#include "capture/parquet.h"

#define LEDGER_VERSION       "1"
#define LEDGER_FIRST_SKIPPED "skipped" /* FIRST_ERROR where the first choice was not tried */

/* X(constant, name, type, optional): the usage units follow these, as optional INT64 columns. */
#define LEDGER_FIXED_COLUMNS(X)                                                                    \
    X(EXCHANGE_ID, "exchange_id", STRING, false)                                                   \
    X(PART, "part", INT32, false)                                                                  \
    X(PARTS, "parts", INT32, false)                                                                \
    X(REQUESTS, "requests", INT64, false) /* 1; more for an imported row that sums several */      \
    X(WRITER, "writer", STRING, false)                                                             \
    X(SEQUENCE, "sequence", INT64, false)                                                          \
    X(CONTENT_ID, "content_id", STRING, true)                                                      \
    X(ORIGIN, "origin", STRING, false)                                                             \
    X(TRACE_ID, "trace_id", STRING, true)                                                          \
    X(STARTED_AT, "started_at", TIMESTAMP_US, false)                                               \
    X(REQUEST_US, "request_us", INT64, true)                                                       \
    X(HEAD_US, "head_us", INT64, true)                                                             \
    X(FIRST_TOKEN_US, "first_token_us", INT64, true)                                               \
    X(END_US, "end_us", INT64, true)                                                               \
    X(APP, "app", STRING, true)                                                                    \
    X(TEAM, "team", STRING, true)                                                                  \
    X(BUSINESS_UNIT, "business_unit", STRING, true)                                                \
    X(ENVIRONMENT, "environment", STRING, true)                                                    \
    X(END_USER, "end_user", STRING, true)                                                          \
    X(PURPOSE, "purpose", STRING, true)                                                            \
    X(KEY_ID, "key_id", STRING, true)                                                              \
    X(CLIENT_ADDRESS, "client_address", STRING, true)                                              \
    X(USER_AGENT, "user_agent", STRING, true)                                                      \
    X(UPSTREAM, "upstream", STRING, true)                                                          \
    X(ARM, "arm", STRING, true)                                                                    \
    X(LABELS, "labels", STRING, true)                                                              \
    X(HOST, "host", STRING, true)                                                                  \
    X(PATH, "path", STRING, true)                                                                  \
    X(PROVIDER, "provider", STRING, false)                                                         \
    X(API, "api", STRING, false)                                                                   \
    X(RECOGNISED_BY, "recognised_by", STRING, false)                                               \
    X(MODEL_REQUESTED, "model_requested", STRING, true)                                            \
    X(MODEL, "model", STRING, true)                                                                \
    X(STREAM, "stream", BOOL, false)                                                               \
    X(FEATURES, "features", INT64, false)                                                          \
    X(STATUS, "status", INT32, false)                                                              \
    X(ERROR_CLASS, "error_class", STRING, true)                                                    \
    X(ERROR_CODE, "error_code", STRING, true)                                                      \
    X(FINISH_REASON, "finish_reason", STRING, true)                                                \
    X(TRUNCATED, "truncated", BOOL, false)                                                         \
    X(BILLABLE, "billable", BOOL, false)                                                           \
    X(SERVICE_TIER, "service_tier", STRING, true)                                                  \
    X(GEO, "geo", STRING, true)                                                                    \
    X(RESPONSE_ID, "response_id", STRING, true)                                                    \
    X(UPSTREAM_REQUEST_ID, "upstream_request_id", STRING, true)                                    \
    X(REQUEST_BYTES, "request_bytes", INT64, false)                                                \
    X(RESPONSE_BYTES, "response_bytes", INT64, false)                                              \
    X(USAGE_SOURCE, "usage_source", STRING, false)                                                 \
    X(USAGE_NOTE, "usage_note", STRING, true)                                                      \
    X(REPORTED_COST, "reported_cost_usd", DECIMAL_12, true)                                        \
    X(REPORTED_COST_FIELD, "reported_cost_field", STRING, true) /* "usage.cost", ... */            \
    X(VARIANT, "variant", STRING, true)  /* of images, searches, sums: what prices depend on */    \
    X(ATTEMPTS, "attempts", INT32, true) /* targets that were tried */                             \
    X(FALLBACK, "fallback", BOOL, true)  /* another than the first choice answered */              \
    X(FIRST_UPSTREAM, "first_upstream", STRING, true)                                              \
    X(FIRST_MODEL, "first_model", STRING, true)                                                    \
    X(FIRST_ERROR, "first_error", STRING, true)                                                    \
    X(ADDED_US, "added_us", INT64, true)             /* until the attempt that answered began */   \
    X(CUT_ATTEMPTS, "cut_attempts", INT32, true)     /* that failed with an answer under way */    \
    X(DECISIONS, "decisions", STRING, true)          /* "MODE:OUTCOME:RULE;..." */                 \
    X(CUTOVER_EPOCH, "cutover_epoch", INT64, true)   /* weir-cutover(5) */                         \
    X(CUTOVER_SHARE, "cutover_share", INT32, true)   /* of 10000 */                                \
    X(CUTOVER_UNIT, "cutover_unit", STRING, true)    /* the caller's fingerprint */                \
    X(SEGMENT_OFFSET, "segment_offset", INT64, true) /* of the zstd frame with its bodies */

enum ledger_column {
#define X(constant, name, type, optional) LEDGER_##constant,
    LEDGER_FIXED_COLUMNS(X)
#undef X
        LEDGER_USAGE, /* the first of USAGE_UNIT_COUNT columns, in enum usage_unit order */
    LEDGER_COLUMN_COUNT = LEDGER_USAGE + USAGE_UNIT_COUNT,
};

/* The schema: LEDGER_COLUMN_COUNT columns, for readers and checks. */
const struct parquet_column *ledger_columns(void);
/* parquet_create with that schema and the metadata that makes the file a ledger. */
int ledger_create(const char *path, struct parquet_writer **ret, struct err *err);
/* Fills LEDGER_COLUMN_COUNT cells for part i of x (i = 0 also when usage is unknown).  Strings are
 * borrowed from x, or from scratch. */
void ledger_cells(const struct exchange *x, size_t part, int64_t segment_offset,
                  struct arena *scratch, struct parquet_cell *ret);
/* Rows x has: its parts, at least 1. */
size_t ledger_rows(const struct exchange *x);
/* Opens path and checks that it is a ledger whose columns we know, by name: ret_map[c] is the
 * file's column for ledger column c, -1 where an older ledger lacks an optional one.  Columns we do
 * not know are ignored; a required one may be declared optional (other tools that rewrite a ledger
 * do that), so a null in it is possible: read it as 0 or "". */
int ledger_open(const char *path, struct parquet_file **ret,
                int ret_map[static LEDGER_COLUMN_COUNT], struct err *err);

#endif
