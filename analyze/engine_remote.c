#include "config.h"

#include "analyze/engine_remote.h"

#include "analyze/engine_remote_parts.h"
#include "analyze/where_sql.h"

int remote_ask(struct remote *r, const enum clickhouse_kind *kinds, size_t count,
               int (*on_row)(void *, const struct clickhouse_value *, struct err *),
               struct err *err)
{
    const struct clickhouse_query q = {
        .sql = buf_str(&r->sql), .kinds = kinds, .kind_count = count, .on_row = on_row, .ctx = r
    };

    return clickhouse_rows(r->query->remote, &q, err);
}

int remote_changed(struct err *err)
{
    return err_set(err, ERR_LIMIT, "the table changed while it was read: run this again");
}

static int make_filter(struct remote *r, struct err *err)
{
    remote_add_span(r->query, &r->filter);
    if (!r->query->where || r->where)
        return 0;
    buf_add_text(&r->filter, " AND ");
    return where_sql(r->query->where, &r->filter, err);
}

/* --- what there is --- */

static int note_span(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct remote *r = ctx;

    (void)err;
    r->rows = values[0].i;
    r->first_us = values[1].i;
    r->last_us = values[2].i;
    return 0;
}

static int find_span(struct remote *r, struct err *err)
{
    static const enum clickhouse_kind kinds[] = { CLICKHOUSE_INT, CLICKHOUSE_INT, CLICKHOUSE_INT };

    buf_clear(&r->sql);
    buf_addf(&r->sql,
             "SELECT toInt64(count()), toInt64(min(started_at_us)), toInt64(max(started_at_us))"
             " FROM %s WHERE %s",
             clickhouse_table(r->query->remote), buf_cstr(&r->filter));
    return remote_ask(r, kinds, ARRAY_LEN(kinds), note_span, err);
}

/* --- all of it --- */

static bool is_groupable(enum ledger_column c)
{
    enum parquet_type type = ledger_columns()[c].type;

    return type == PARQUET_STRING || type == PARQUET_INT32 || type == PARQUET_BOOL;
}

/* Whether the filter has to be decided here: by columns that rules make here, or with patterns that
 * no function there takes; -1 for what it can never be. */
static int must_filter_here(const struct remote *r, const struct scan_columns *read,
                            struct err *err)
{
    CLEANUP(buf_release) struct buf sql = { 0 };

    for (size_t i = 0; r->query->attribution && i < BLOCK_WHO_COLUMNS; i++)
        if (read->want[block_who_columns[i]])
            return 1;
    if (where_sql(r->query->where, &sql, err) == 0)
        return 0;
    return err->code == ERR_UNSUPPORTED ? 1 : -1;
}

/* Sums are then of groups by all that the filter reads, which numbers would make as many as rows.
 */
static int choose_filter(struct remote *r, struct err *err)
{
    struct scan_columns read = { 0 };

    if (!r->query->where)
        return 0;
    where_columns(r->query->where, &read);
    int here = must_filter_here(r, &read, err);
    if (here <= 0)
        return here;
    for (int c = 0; !r->query->on_row && c < LEDGER_COLUMN_COUNT; c++)
        if (read.want[c] && !is_groupable((enum ledger_column)c))
            return err_set(err, ERR_USAGE,
                           "--engine cannot filter by '%s' together with what --config makes anew, "
                           "or with such patterns: leave out one of them, or ask without --engine",
                           ledger_columns()[c].name);
    return where_clone(r->query->where, &r->where, err);
}

/* What rules look at, and what they leave as it was; names of users only where they are asked for.
 */
static void add_rule_columns(const struct remote *r, struct scan_columns *ret)
{
    bool users = r->query->measures & ENGINE_USERS;

    for (size_t i = 0; i < r->query->dimension_count; i++)
        users |= r->columns[i] == LEDGER_END_USER;
    for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++)
        ret->want[block_who_columns[i]] |= block_who_columns[i] != LEDGER_END_USER || users;
    block_who_add_inputs(r->query->attribution, ret);
}

static void find_columns(struct remote *r)
{
    struct scan_columns more = { 0 };

    for (size_t i = 0; i < r->query->dimension_count; i++) {
        struct scan_columns one = { 0 };
        dimension_columns(r->tally->dimensions[i], &one);
        for (int c = 0; c < LEDGER_COLUMN_COUNT; c++)
            if (one.want[c])
                r->columns[i] = (enum ledger_column)c;
    }
    r->column_count = r->query->dimension_count;
    if (r->where)
        where_columns(r->where, &more);
    if (r->query->attribution)
        add_rule_columns(r, &more);
    for (int c = 0; c < LEDGER_COLUMN_COUNT; c++)
        if (more.want[c])
            r->columns[r->column_count++] = (enum ledger_column)c;
}

static int run(struct remote *r, struct err *err)
{
    bool money = r->query->measures & ENGINE_MONEY;

    if (choose_filter(r, err) < 0)
        return -1;
    find_columns(r);
    if (make_filter(r, err) < 0 || (money && remote_find_fetches(r, err) < 0) ||
        find_span(r, err) < 0)
        return -1;
    if (r->rows == 0)
        return 0;
    if (r->query->on_row)
        return remote_show_rows(r, err);
    if (remote_choose_slots(r, err) < 0 || (money && remote_count_money(r, err) < 0))
        return -1;
    return remote_count_details(r, err);
}

static void remote_init(struct remote *r, const struct engine_query *query,
                        struct engine_result *tally)
{
    *r = (struct remote){ .query = query, .own = *query, .tally = tally };
    if (!query->on_row) /* the rest is counted there */
        r->own.measures &= ENGINE_MONEY | ENGINE_CHARGES;
    r->worker = (struct worker){ .query = &r->own, .repeats = &r->repeats, .tally = tally };
    composite_share(&r->worker.keys, &r->worker.groups);
    composite_share(&r->worker.cells, &r->worker.groups);
    if (query->measures & ENGINE_MONEY)
        r->worker.prices = price_cache_new(query->book);
}

static void remote_release(struct remote *r)
{
    worker_release(&r->worker);
    block_who_release(&r->who);
    where_free(r->where);
    repeats_release(&r->repeats);
    buf_release(&r->sql);
    buf_release(&r->filter);
    buf_release(&r->plain);
    buf_release(&r->slow_keys);
    buf_release(&r->scaled_keys);
    buf_release(&r->refetched);
    vec_release(&r->times);
    vec_release(&r->lengths);
    vec_release(&r->days);
}

int engine_remote_run(const struct engine_query *query, struct engine_result *ret, struct err *err)
{
    struct remote r;

    tally_init(ret, query, query->dimensions);
    remote_init(&r, query, ret);
    int result = run(&r, err);
    remote_release(&r);
    if (result < 0) {
        engine_result_release(ret);
        return -1;
    }
    tally_finish(ret);
    return 0;
}
