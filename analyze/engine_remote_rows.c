#include "config.h"

#include "analyze/engine_remote_rows.h"

#include <stdlib.h>

#include "analyze/block_who.h"
#include "analyze/push_table.h"
#include "analyze/where.h"

struct column {
    VEC(int64_t) ints;
    VEC(uint32_t) codes;
    VEC(struct str) dict;
    VEC(uint8_t) is_null;
    struct map texts; /* value: the code */
};

struct remote_rows {
    struct remote_rows_options options;
    struct column columns[LEDGER_COLUMN_COUNT];
    VEC(uint8_t) keep, passes;
    bool all_kept; /* of the block under way */
    struct block_who who;
    struct block block;
    uint64_t count;
};

struct remote_rows *remote_rows_new(const struct remote_rows_options *o)
{
    struct remote_rows *r = mem_calloc(1, sizeof(*r));

    r->options = *o;
    r->options.columns.want[LEDGER_PART] = r->options.columns.want[LEDGER_STARTED_AT] = true;
    if (o->attribution)
        block_who_add_columns(&r->options.columns);
    if (o->where)
        where_columns(o->where, &r->options.columns);
    r->all_kept = true;
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
    vec_release(&r->keep);
    vec_release(&r->passes);
    block_who_release(&r->who);
    free(r);
}

static enum clickhouse_kind kind_of(enum ledger_column c)
{
    const struct parquet_column *column = &ledger_columns()[c];

    if (column->type == PARQUET_STRING)
        return CLICKHOUSE_STRING;
    return column->optional ? CLICKHOUSE_NULLABLE : CLICKHOUSE_INT;
}

/* "a, toInt64(b), ..." */
static size_t add_columns(const struct remote_rows *r, struct buf *out,
                          enum clickhouse_kind *ret_kinds)
{
    size_t count = 0;

    if (r->options.keep) {
        buf_addf(out, "toInt64(%s), ", r->options.keep);
        ret_kinds[count++] = CLICKHOUSE_INT;
    }
    for (int i = 0; i < LEDGER_COLUMN_COUNT; i++) {
        enum ledger_column c = (enum ledger_column)i;
        if (!r->options.columns.want[c])
            continue;
        ret_kinds[count] = kind_of(c);
        buf_addf(out, ret_kinds[count++] == CLICKHOUSE_STRING ? "%s, " : "toInt64(%s), ",
                 push_table_column(c));
    }
    out->len -= 2;
    return count;
}

/* Text is never null there, but empty. */
static void add_text(struct column *col, struct str text)
{
    bool is_new;

    vec_push(&col->is_null, text.len == 0);
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
        .is_null = ledger_columns()[c].optional ? col->is_null.ptr : NULL,
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
    vec_clear(&r->keep);
    r->all_kept = true;
    r->block.rows = 0;
    r->block.group++;
}

static void choose_rows(struct remote_rows *r)
{
    vec_clear(&r->passes);
    for (size_t row = 0; row < r->block.rows; row++)
        vec_push(&r->passes, 1);
    where_rows(r->options.where, &r->block, r->passes.ptr);
    for (size_t row = 0; row < r->block.rows; row++) {
        r->keep.ptr[row] &= r->passes.ptr[row];
        r->all_kept &= r->keep.ptr[row];
    }
}

static int end_block(struct remote_rows *r, struct err *err)
{
    const struct block_who_rules rules = { .attribution = r->options.attribution };

    if (r->block.rows == 0)
        return 0;
    for (int c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        r->block.columns[c] = (struct block_column){ .absent = true };
        if (r->options.columns.want[c])
            show_column(r, (enum ledger_column)c);
    }
    if (rules.attribution)
        block_who_apply(&r->who, &rules, &r->block);
    if (r->options.where)
        choose_rows(r);
    r->block.keep = r->all_kept ? NULL : r->keep.ptr;
    find_times(&r->block);
    int result = r->options.on_block(r->options.ctx, &r->block, err);
    clear(r);
    return result;
}

static void add_values(struct remote_rows *r, const struct clickhouse_value *values)
{
    for (int c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        struct column *col = &r->columns[c];
        if (!r->options.columns.want[c])
            continue;
        if (kind_of((enum ledger_column)c) == CLICKHOUSE_STRING) {
            add_text(col, values->s);
        } else {
            vec_push(&col->ints, values->i);
            vec_push(&col->is_null, values->is_null);
        }
        values++;
    }
}

static int64_t part_of(const struct remote_rows *r, const struct clickhouse_value *values)
{
    for (int c = 0; c < LEDGER_PART; c++)
        values += r->options.columns.want[c];
    return values->i;
}

/* Parts of an exchange stay in one block: what is decided of the first holds for the others. */
static int add_row(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct remote_rows *r = ctx;
    bool keep = true;

    if (r->options.keep)
        keep = values++->i != 0;
    bool full = r->block.rows >= REMOTE_BLOCK_ROWS;
    if (full && (part_of(r, values) == 0 || r->block.rows >= REMOTE_BLOCK_MAX) &&
        end_block(r, err) < 0)
        return -1;
    add_values(r, values);
    vec_push(&r->keep, keep);
    r->all_kept &= keep;
    r->count += keep;
    r->block.rows++;
    return 0;
}

int remote_rows_run(struct remote_rows *r, struct clickhouse *server, const char *which,
                    struct err *err)
{
    CLEANUP(buf_release) struct buf sql = { 0 };
    enum clickhouse_kind kinds[LEDGER_COLUMN_COUNT + 1];

    buf_add_text(&sql, "SELECT ");
    size_t count = add_columns(r, &sql, kinds);
    buf_addf(&sql, " FROM %s WHERE %s", clickhouse_table(server), which);
    const struct clickhouse_query q = {
        .sql = buf_str(&sql), .kinds = kinds, .kind_count = count, .on_row = add_row, .ctx = r
    };
    return clickhouse_rows(server, &q, err) < 0 ? -1 : end_block(r, err);
}

uint64_t remote_rows_count(const struct remote_rows *r)
{
    return r->count;
}
