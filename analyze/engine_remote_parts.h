/* engine_remote_parts - what the files of engine_remote share, for analyze/engine_remote*.c alone.
 *
 * Every query asks for groups: the columns of the dimensions, and those that rules of attribution
 * look at, which are applied here; a slot of time that lies within one
 * bucket of each, and what a measure needs beside them.
 */
#ifndef ANALYZE_ENGINE_REMOTE_PARTS_H
#define ANALYZE_ENGINE_REMOTE_PARTS_H

#include "analyze/block_who.h"
#include "analyze/clickhouse.h"
#include "analyze/engine_tally.h"
#include "analyze/engine_worker.h"

/* As in engine_price: a count beyond is priced by itself. */
#define REMOTE_PLAIN_MAX   INT64_C(10000000000)
#define REMOTE_KEYS_MAX    7
#define REMOTE_COLUMNS_MAX (DIMENSIONS_MAX + LEDGER_COLUMN_COUNT)
/* Added to times so that they divide alike before 1970. */
#define REMOTE_EPOCH_SHIFT_DAYS INT64_C(1000000)

struct remote_breaks {
    int64_t *ptr;
    size_t len, cap;
};

struct remote {
    const struct engine_query *query;
    struct engine_query own; /* what the worker is asked: money, of rows that are fetched */
    struct engine_result *tally;
    struct worker worker;
    struct repeats repeats; /* answers that were fetched; rows of the block under way */
    struct buf sql, filter, plain;
    struct buf slow_keys, scaled_keys; /* as tuples; the latter with tokens of another tokenizer */
    bool is_scaling;                   /* counts are multiplied by the query's factor */
    struct buf refetched;              /* rows of answers that may be another's; "" = none */
    struct remote_breaks times, lengths; /* as VEC: where some rate changes */
    int64_t rows, first_us, last_us;     /* that there are */
    int64_t rows_added;
    VEC(int64_t) days; /* with rows, since 1970 */
    int64_t slot_us;   /* how finely buckets cut time; 0 = there are none */
    /* of each dimension, and then what rules look at */
    enum ledger_column columns[REMOTE_COLUMNS_MAX];
    size_t column_count;
    struct block_who who;
    struct where *where; /* a filter that is decided here; NULL = there, or none */
    enum ledger_column keys[REMOTE_KEYS_MAX]; /* what a price depends on */
    size_t key_count;
    /* the row of a result, as a block */
    struct block cell;
    struct str texts[LEDGER_COLUMN_COUNT];
    int64_t ints[LEDGER_COLUMN_COUNT];
    uint8_t nulls[LEDGER_COLUMN_COUNT];
};

/* What each row of a result begins with, behind its dimensions and what it is grouped by besides:
 * how many rows it stands for, and the first and the last of their times. */
enum { REMOTE_ROWS, REMOTE_FIRST, REMOTE_LAST, REMOTE_REST };

/* --- engine_remote.c --- */

/* Sends r->sql. */
int remote_ask(struct remote *r, const enum clickhouse_kind *kinds, size_t count,
               int (*on_row)(void *, const struct clickhouse_value *, struct err *),
               struct err *err);
int remote_changed(struct err *err);

/* --- engine_remote_cell.c: the row of a result as a block of one row --- */

void remote_set_text(struct remote *r, enum ledger_column c, struct str text);
void remote_set_int(struct remote *r, enum ledger_column c, const struct clickhouse_value *v);
void remote_clear_cell(struct remote *r);
/* values are those of r->columns; rules are applied to them.  Returns whether it passes the filter.
 */
bool remote_start_cell(struct remote *r, const struct clickhouse_value *values);
/* The codes of its group; span: the first and the last time of its rows. */
int remote_codes(struct remote *r, const struct clickhouse_value *span, uint32_t *ret,
                 struct err *err);
/* How finely time is to be cut for the buckets. */
int remote_choose_slots(struct remote *r, struct err *err);

/* --- engine_remote_sql.c: pieces of SQL --- */

void remote_fill_kinds(enum clickhouse_kind *kinds, size_t from, size_t count,
                       enum clickhouse_kind kind);
/* " AND date ..." of whole days around a span, so that parts with others are not read. */
void remote_add_dates(int64_t from_us, int64_t to_us, struct buf *out);
void remote_add_span(const struct engine_query *q, struct buf *out);
/* A count of a unit, 0 where nobody said. */
void remote_add_value(struct buf *out, enum usage_unit u);
/* What engine_price adds up: rows of which whole rates say everything, with counts below limit. */
void remote_add_plain(int64_t limit, struct buf *out);
/* Columns of the price key, and those of one key as a tuple of texts. */
void remote_add_keys(const struct remote *r, struct buf *out);
void remote_add_key(const struct remote *r, const struct clickhouse_value *values, struct buf *out);
/* "d0, d1, ..." with their expressions; kinds has room for them. */
void remote_add_dimensions(const struct remote *r, enum clickhouse_kind *kinds, struct buf *out);
/* Their names, and that of the slot, which remote_add_slot selects. */
void remote_add_groups(const struct remote *r, struct buf *out);
void remote_add_slot(const struct remote *r, struct buf *out);
/* The least value of the bucket that base/sketch counts an integer in. */
void remote_add_low(struct buf *out, const char *value);

/* --- engine_remote_money.c, engine_remote_detail.c, engine_remote_repeats.c --- */

int remote_count_money(struct remote *r, struct err *err);
/* Measures beside money. */
int remote_count_details(struct remote *r, struct err *err);
/* Finds out whether answers were fetched again. */
int remote_find_fetches(struct remote *r, struct err *err);
/* Rows of such answers, with what is left out of them. */
int remote_add_refetched(struct remote *r, struct err *err);
/* A block of fetched rows; ctx is the remote. */
int remote_add_block(void *ctx, const struct block *b, struct err *err);
/* Every row, shown to the query in the order of days, segments and rows. */
int remote_show_rows(struct remote *r, struct err *err);

#endif
