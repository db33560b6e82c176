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

/* Rules are applied to what comes from there, and so is a filter that asks what they make: to
 * groups, which then are by all that it reads. */
static int choose_filter(struct remote *r, struct err *err)
{
    struct scan_columns read = { 0 };
    bool here = false;

    if (!r->query->attribution || !r->query->where)
        return 0;
    where_columns(r->query->where, &read);
    for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++)
        here |= read.want[block_who_columns[i]];
    for (int c = 0; here && !r->query->on_row && c < LEDGER_COLUMN_COUNT; c++)
        if (read.want[c] && !is_groupable((enum ledger_column)c))
            return err_set(err, ERR_USAGE,
                           "--engine cannot filter by '%s' beside what --config makes anew: leave "
                           "out one of them, or ask without --engine",
                           ledger_columns()[c].name);
    return here ? where_clone(r->query->where, &r->where, err) : 0;
}

/* What rules look at, and what they leave as it was; names of users only where they are asked for.
 */
static void add_rule_columns(struct remote *r)
{
    struct scan_columns read = { 0 };
    bool users = r->query->measures & ENGINE_USERS;

    for (size_t i = 0; i < r->column_count; i++)
        users |= r->columns[i] == LEDGER_END_USER;
    for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++)
        read.want[block_who_columns[i]] = block_who_columns[i] != LEDGER_END_USER || users;
    block_who_add_inputs(r->query->attribution, &read);
    if (r->where)
        where_columns(r->where, &read);
    for (int c = 0; c < LEDGER_COLUMN_COUNT; c++)
        if (read.want[c])
            r->columns[r->column_count++] = (enum ledger_column)c;
}

static void find_columns(struct remote *r)
{
    for (size_t i = 0; i < r->query->dimension_count; i++) {
        struct scan_columns one = { 0 };
        dimension_columns(r->tally->dimensions[i], &one);
        for (int c = 0; c < LEDGER_COLUMN_COUNT; c++)
            if (one.want[c])
                r->columns[i] = (enum ledger_column)c;
    }
    r->column_count = r->query->dimension_count;
    if (r->query->attribution)
        add_rule_columns(r);
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
