#include "config.h"

#include "analyze/engine_remote_rows.h"

#include <stdlib.h>

#include "analyze/push_table.h"

struct column {
    VEC(int64_t) ints;
    VEC(uint32_t) codes;
    VEC(struct str) dict;
    VEC(uint8_t) is_null;
    struct map texts; /* value: the code */
};

struct remote_rows {
    struct worker *worker;
    struct scan_columns wanted;
    struct column columns[LEDGER_COLUMN_COUNT];
    struct block block;
    uint64_t count;
};

struct remote_rows *remote_rows_new(struct worker *w, const struct scan_columns *columns)
{
    struct remote_rows *r = mem_calloc(1, sizeof(*r));

    r->worker = w;
    r->wanted = *columns;
    return r;
}

void remote_rows_free(struct remote_rows *r)
{
    if (!r)
        return;
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        vec_release(&r->columns[c].ints);
        vec_release(&r->columns[c].codes);
        vec_release(&r->columns[c].dict);
        vec_release(&r->columns[c].is_null);
        map_release(&r->columns[c].texts);
    }
    free(r);
}

static enum clickhouse_kind kind_of(enum ledger_column c)
{
    const struct parquet_column *column = &ledger_columns()[c];

    if (column->type == PARQUET_STRING)
        return CLICKHOUSE_STRING;
    return column->optional ? CLICKHOUSE_NULLABLE : CLICKHOUSE_INT;
}

void remote_rows_select(const struct remote_rows *r, struct buf *out,
                        enum clickhouse_kind *ret_kinds, size_t *ret_count)
{
    *ret_count = 0;
    for (int i = 0; i < LEDGER_COLUMN_COUNT; i++) {
        enum ledger_column c = (enum ledger_column)i;
        if (!r->wanted.want[c])
            continue;
        if (*ret_count > 0)
            buf_add_text(out, ", ");
        ret_kinds[*ret_count] = kind_of(c);
        buf_addf(out, ret_kinds[*ret_count] == CLICKHOUSE_STRING ? "%s" : "toInt64(%s)",
                 push_table_column(c));
        ++*ret_count;
    }
}

static void add_text(struct column *col, struct str text)
{
    bool is_new;
    struct map_entry *e = map_put(&col->texts, text, &is_new);

    if (is_new) {
        e->value = col->dict.len;
        vec_push(&col->dict, e->key);
    }
    vec_push(&col->codes, (uint32_t)e->value);
}

static void show_column(struct remote_rows *r, enum ledger_column c)
{
    struct column *col = &r->columns[c];

    r->block.columns[c] = (struct block_column){
        .ints = col->ints.ptr,
        .codes = col->codes.ptr,
        .dict = col->dict.ptr,
        .dict_len = col->dict.len,
        .is_null = kind_of(c) == CLICKHOUSE_NULLABLE ? col->is_null.ptr : NULL,
    };
}

static void find_times(struct block *b)
{
    const int64_t *us = b->columns[LEDGER_STARTED_AT].ints;

    b->first_us = INT64_MAX;
    b->last_us = INT64_MIN;
    for (size_t row = 0; row < b->rows; row++) {
        b->first_us = us[row] < b->first_us ? us[row] : b->first_us;
        b->last_us = us[row] > b->last_us ? us[row] : b->last_us;
    }
}

static void clear(struct remote_rows *r)
{
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        vec_clear(&r->columns[c].ints);
        vec_clear(&r->columns[c].codes);
        vec_clear(&r->columns[c].dict);
        vec_clear(&r->columns[c].is_null);
        map_release(&r->columns[c].texts);
        r->columns[c].texts = (struct map){ 0 };
    }
    r->block.rows = 0;
}

int remote_rows_end(struct remote_rows *r, struct err *err)
{
    if (r->block.rows == 0)
        return 0;
    for (int c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        r->block.columns[c] = (struct block_column){ .absent = true };
        if (r->wanted.want[c])
            show_column(r, (enum ledger_column)c);
    }
    find_times(&r->block);
    int result = worker_add(r->worker, &r->block, 0, err);
    clear(r);
    return result;
}

int remote_rows_add(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct remote_rows *r = ctx;

    for (int c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        struct column *col = &r->columns[c];
        if (!r->wanted.want[c])
            continue;
        if (kind_of((enum ledger_column)c) == CLICKHOUSE_STRING) {
            add_text(col, values->s);
        } else {
            vec_push(&col->ints, values->i);
            vec_push(&col->is_null, values->is_null);
        }
        values++;
    }
    r->count++;
    return ++r->block.rows < REMOTE_BLOCK_ROWS ? 0 : remote_rows_end(r, err);
}

uint64_t remote_rows_count(const struct remote_rows *r)
{
    return r->count;
}
