#include "config.h"

#include "analyze/engine_remote.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "analyze/clickhouse.h"
#include "analyze/engine_remote_rows.h"
#include "analyze/engine_tally.h"
#include "analyze/engine_worker.h"
#include "analyze/push_table.h"
#include "analyze/where_sql.h"

/* As in engine_price: a count beyond is priced by itself. */
#define PLAIN_MAX INT64_C(10000000000)
/* Sums of that many stay below 2^63. */
#define CELL_ROWS_MAX (INT64_MAX / PLAIN_MAX)
/* Moments and lengths at which some rate changes, each a comparison in the query. */
#define BREAKS_MAX 250u
/* Added to times so that they divide alike before 1970. */
#define EPOCH_SHIFT_DAYS INT64_C(1000000)

/* What a price depends on, as columns of the result.  Only Hugging Face's depends on the path. */
static const enum ledger_column key_columns[] = { LEDGER_PROVIDER,     LEDGER_MODEL,
                                                  LEDGER_SERVICE_TIER, LEDGER_GEO,
                                                  LEDGER_VARIANT,      LEDGER_PATH };
enum { KEY_COUNT = ARRAY_LEN(key_columns) };

struct breaks {
    int64_t *ptr;
    size_t len, cap;
};

struct remote {
    const struct engine_query *query;
    struct engine_result *tally;
    struct worker worker;
    struct repeats none;
    struct buf sql, filter, plain, slow_keys;
    struct breaks times, lengths; /* as VEC */
    int64_t rows, first_us, last_us;
    int64_t rows_added;
    int64_t slot_us; /* how finely buckets cut time; 0 = there are none */
    enum ledger_column columns[DIMENSIONS_MAX]; /* of each dimension */
    /* the row of a result, as a block */
    struct block cell;
    struct str texts[LEDGER_COLUMN_COUNT];
    int64_t ints[LEDGER_COLUMN_COUNT];
    uint8_t nulls[LEDGER_COLUMN_COUNT];
};

static const uint32_t code_zero = 0;

static int ask(struct remote *r, const enum clickhouse_kind *kinds, size_t count,
               int (*on_row)(void *, const struct clickhouse_value *, struct err *),
               struct err *err)
{
    const struct clickhouse_query q = {
        .sql = buf_str(&r->sql), .kinds = kinds, .kind_count = count, .on_row = on_row, .ctx = r
    };

    return clickhouse_rows(r->query->remote, &q, err);
}

static void fill_kinds(enum clickhouse_kind *kinds, size_t from, size_t count,
                       enum clickhouse_kind kind)
{
    for (size_t i = 0; i < count; i++)
        kinds[from + i] = kind;
}

/* --- the pieces of SQL --- */

static const char *unit_name(enum usage_unit u)
{
    return ledger_columns()[LEDGER_USAGE + u].name;
}

/* Whole days around the span, so that parts with others are not read: as far as a Date goes. */
static void add_dates(const struct engine_query *q, struct buf *out)
{
    int64_t from = q->from_us / US_PER_DAY, to = q->to_us / US_PER_DAY;

    if (from > 0 && from <= PUSH_DATE_MAX)
        buf_addf(out, " AND date >= toDate(%" PRId64 ")", from);
    if (to > 0 && to < PUSH_DATE_MAX)
        buf_addf(out, " AND date <= toDate(%" PRId64 ")", to);
}

static void add_span(const struct engine_query *q, struct buf *out)
{
    buf_addf(out, "started_at_us >= %" PRId64 " AND started_at_us < %" PRId64, q->from_us,
             q->to_us);
    add_dates(q, out);
}

static int make_filter(struct remote *r, struct err *err)
{
    add_span(r->query, &r->filter);
    if (!r->query->where)
        return 0;
    buf_add_text(&r->filter, " AND ");
    return where_sql(r->query->where, &r->filter, err);
}

static bool is_plain_unit(enum usage_unit u)
{
    for (size_t i = 0; i < PLAIN_COUNT; i++)
        if (plain_units[i] == u)
            return true;
    return false;
}

static void add_value(struct buf *out, enum usage_unit u)
{
    buf_addf(out, "ifNull(%s, 0)", unit_name(u));
}

static void add_within(struct buf *out, enum usage_unit part, enum usage_unit other,
                       enum usage_unit whole)
{
    buf_add_text(out, " AND ");
    add_value(out, part);
    if (other != part) {
        buf_add_text(out, " + ");
        add_value(out, other);
    }
    buf_add_text(out, " <= ");
    add_value(out, whole);
}

/* What engine_price adds up: is_plain_row, of rows whose usage is known. */
static void make_plain(struct buf *out)
{
    buf_add_text(out, "(isNull(reported_cost_pusd) AND requests <= 1 AND isNotNull(");
    buf_addf(out, "%s)", unit_name(USAGE_INPUT));
    for (int u = 0; u < USAGE_UNIT_COUNT; u++) {
        enum usage_unit unit = (enum usage_unit)u;
        if (unit == USAGE_TOOL_CALLS)
            continue;
        buf_add_text(out, " AND ");
        add_value(out, unit);
        if (is_plain_unit(unit)) {
            buf_add_text(out, " >= 0 AND ");
            add_value(out, unit);
            buf_addf(out, " < %" PRId64, PLAIN_MAX);
        } else {
            buf_add_text(out, " = 0");
        }
    }
    add_within(out, USAGE_CACHE_WRITE_5M, USAGE_CACHE_WRITE_1H, USAGE_CACHE_WRITE);
    add_within(out, USAGE_CACHED_INPUT, USAGE_CACHE_WRITE, USAGE_INPUT);
    add_within(out, USAGE_REASONING, USAGE_REASONING, USAGE_OUTPUT);
    buf_add_text(out, ")");
}

static void add_key(struct buf *out)
{
    for (size_t i = 0; i + 1 < KEY_COUNT; i++)
        buf_addf(out, "%s, ", push_table_column(key_columns[i]));
    buf_addf(out, "if(provider = '%s', path, '')", provider_name(PROVIDER_HUGGINGFACE));
}

static void add_sums(struct buf *out)
{
    for (size_t i = 0; i < PLAIN_COUNT; i++) {
        buf_add_text(out, ", toInt64(sum(");
        add_value(out, plain_units[i]);
        buf_add_text(out, "))");
    }
}

static void add_ranges(struct buf *out)
{
    buf_add_text(out, "toInt64(count()), toInt64(min(started_at_us)), toInt64(max(started_at_us)), "
                      "toInt64(min(");
    add_value(out, USAGE_INPUT);
    buf_add_text(out, ")), toInt64(max(");
    add_value(out, USAGE_INPUT);
    buf_add_text(out, "))");
    add_sums(out);
}

/* count, two times, two lengths, sums */
enum { RANGE_COUNT, RANGE_FIRST, RANGE_LAST, RANGE_SHORTEST, RANGE_LONGEST, RANGE_SUMS };
#define RANGE_VALUES (RANGE_SUMS + PLAIN_COUNT)

/* --- the row of a result as a block of one row --- */

static void set_text(struct remote *r, enum ledger_column c, struct str text)
{
    r->texts[c] = text;
    r->cell.columns[c] =
        (struct block_column){ .codes = &code_zero, .dict = &r->texts[c], .dict_len = 1 };
}

static void set_int(struct remote *r, enum ledger_column c, const struct clickhouse_value *v)
{
    r->ints[c] = v->i;
    r->nulls[c] = v->is_null;
    r->cell.columns[c] = (struct block_column){ .ints = &r->ints[c], .is_null = &r->nulls[c] };
}

static void clear_cell(struct remote *r)
{
    r->cell.rows = 1;
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        r->cell.columns[c] = (struct block_column){ .absent = true };
}

/* values are those of the dimensions. */
static void start_cell(struct remote *r, const struct clickhouse_value *values)
{
    clear_cell(r);
    for (size_t i = 0; i < r->query->dimension_count; i++) {
        if (ledger_columns()[r->columns[i]].type == PARQUET_STRING)
            set_text(r, r->columns[i], values[i].s);
        else
            set_int(r, r->columns[i], &values[i]);
    }
}

static int set_key(struct remote *r, const struct clickhouse_value *values, struct err *err)
{
    enum provider provider = PROVIDER_UNKNOWN;

    for (size_t i = 0; i < KEY_COUNT; i++)
        set_text(r, key_columns[i], values[i].s);
    provider_parse(values[0].s, &provider);
    if (provider == PROVIDER_HUGGINGFACE && !str_eq(values[0].s, str_from(provider_name(provider))))
        return err_set(err, ERR_UNSUPPORTED, "--engine knows provider '%s' by that name alone",
                       provider_name(provider));
    vec_clear(&r->worker.providers);
    vec_push(&r->worker.providers, (uint8_t)provider);
    r->worker.block = &r->cell;
    return 0;
}

static void rates_at(struct remote *r, int64_t at_us, int64_t input, struct price_rates *ret)
{
    struct price_query query;

    worker_query_of(&r->worker, 0, &query);
    query.at_us = at_us;
    query.requests = 1;
    price_cache_rates(r->worker.prices, &query, input, ret);
}

/* --- first: where rates change, and which keys have none that are whole --- */

static int add_break(struct breaks *b, int64_t at, struct err *err)
{
    for (size_t i = 0; i < b->len; i++)
        if (b->ptr[i] == at)
            return 0;
    if (b->len >= BREAKS_MAX)
        return err_set(err, ERR_LIMIT, "prices change at more than %u points: ask for less time",
                       BREAKS_MAX);
    vec_push(b, at);
    return 0;
}

static void cell_of(const struct clickhouse_value *range, struct cell *ret)
{
    *ret = (struct cell){ .rows = range[RANGE_COUNT].i };
    for (size_t i = 0; i < PLAIN_COUNT; i++)
        ret->n[i] = range[RANGE_SUMS + i].i;
}

static bool is_whole(const struct cell *c, const struct price_rates *rates)
{
    if (rates->status == PRICE_UNKNOWN_MODEL)
        return true;
    return (rates->exact >> PRICE_PART_FRESH & 1) && !worker_cell_needs_rows(c, rates);
}

/* The lengths of a key at one moment; *ret_until_us is set to where all of these rates end. */
static int walk_lengths(struct remote *r, const struct clickhouse_value *range, int64_t at_us,
                        int64_t *ret_until_us, bool *whole, struct err *err)
{
    int64_t input = range[RANGE_SHORTEST].i;
    struct price_rates rates;
    struct cell cell;

    cell_of(range, &cell);
    for (;;) {
        rates_at(r, at_us, input, &rates);
        *whole &= is_whole(&cell, &rates);
        if (rates.until_us < *ret_until_us)
            *ret_until_us = rates.until_us;
        if (rates.input_until > range[RANGE_LONGEST].i)
            return 0;
        if (rates.input_until <= input)
            return err_set(err, ERR_UNSUPPORTED, "a price that changes with every token");
        input = rates.input_until;
        if (add_break(&r->lengths, input, err) < 0)
            return -1;
    }
}

static void add_slow_key(struct remote *r, const struct clickhouse_value *values)
{
    buf_add_text(&r->slow_keys, r->slow_keys.len ? ", (" : "(");
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (i > 0)
            buf_add_text(&r->slow_keys, ", ");
        clickhouse_add_text(&r->slow_keys, values[i].s);
    }
    buf_add_text(&r->slow_keys, ")");
}

static int note_key(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct remote *r = ctx;
    const struct clickhouse_value *range = values + KEY_COUNT;
    int64_t at_us = range[RANGE_FIRST].i;
    bool whole = true;

    clear_cell(r);
    if (set_key(r, values, err) < 0)
        return -1;
    for (;;) {
        int64_t until_us = INT64_MAX;
        if (walk_lengths(r, range, at_us, &until_us, &whole, err) < 0)
            return -1;
        if (until_us > range[RANGE_LAST].i)
            break;
        at_us = until_us;
        if (add_break(&r->times, at_us, err) < 0)
            return -1;
    }
    if (!whole)
        add_slow_key(r, values);
    return 0;
}

static int find_keys(struct remote *r, struct err *err)
{
    enum clickhouse_kind kinds[KEY_COUNT + RANGE_VALUES];

    fill_kinds(kinds, 0, KEY_COUNT, CLICKHOUSE_STRING);
    fill_kinds(kinds, KEY_COUNT, RANGE_VALUES, CLICKHOUSE_INT);
    buf_clear(&r->sql);
    buf_add_text(&r->sql, "SELECT ");
    add_key(&r->sql);
    buf_add_text(&r->sql, ", ");
    add_ranges(&r->sql);
    buf_addf(&r->sql, " FROM %s WHERE %s AND billable = 1 AND %s GROUP BY ",
             clickhouse_table(r->query->remote), buf_cstr(&r->filter), buf_cstr(&r->plain));
    add_key(&r->sql);
    return ask(r, kinds, ARRAY_LEN(kinds), note_key, err);
}

/* --- second: sums --- */

static int codes_of(struct remote *r, const struct clickhouse_value *range, uint32_t *ret,
                    struct err *err)
{
    for (size_t i = 0; i < r->query->dimension_count; i++) {
        struct dimension *d = r->tally->dimensions[i];
        if (dimension_is_bucket(d))
            set_int(r, LEDGER_STARTED_AT, &range[RANGE_LAST]);
        dimension_prepare(d, &r->cell);
        ret[i] = dimension_code(d, &r->cell, 0);
        if (!dimension_is_bucket(d))
            continue;
        set_int(r, LEDGER_STARTED_AT, &range[RANGE_FIRST]);
        if (dimension_code(d, &r->cell, 0) != ret[i])
            return err_set(err, ERR_UNSUPPORTED,
                           "--engine cannot split by '%s' in this zone: it changes within a "
                           "quarter of an hour",
                           dimension_name(d));
    }
    return 0;
}

static int price(struct remote *r, const struct clickhouse_value *range, struct cell *cell,
                 struct engine_sums *ret, struct err *err)
{
    enum usage_source source = worker_parse_source(block_str(&r->cell, LEDGER_USAGE_SOURCE, 0));
    struct price_rates rates;

    cell_of(range, cell);
    cell->requests = ret->requests;
    rates_at(r, range[RANGE_FIRST].i, range[RANGE_SHORTEST].i, &rates);
    if (!is_whole(cell, &rates) || rates.until_us <= range[RANGE_LAST].i ||
        rates.input_until <= range[RANGE_LONGEST].i)
        return err_set(err, ERR_LIMIT, "the table changed while it was read: run this again");
    worker_price_cell(&r->worker, cell, &rates, source, ret);
    if (rates.status == PRICE_UNKNOWN_MODEL)
        tally_unpriced(r->tally, block_str(&r->cell, LEDGER_PROVIDER, 0),
                       block_str(&r->cell, LEDGER_MODEL, 0), false, ret);
    return 0;
}

/* The values of a row behind its dimensions and its key. */
enum {
    CELL_SOURCE,
    CELL_BILLABLE,
    CELL_NOBODYS,
    CELL_REQUESTS,
    CELL_SLOT,
    CELL_TIME,
    CELL_LENGTH,
    CELL_RANGE
};

static int add_cell(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct remote *r = ctx;
    const struct clickhouse_value *key = values + r->query->dimension_count,
                                  *rest = key + KEY_COUNT;
    const struct clickhouse_value *range = rest + CELL_RANGE;
    struct engine_sums sums = { .requests = rest[CELL_REQUESTS].i };
    uint32_t codes[DIMENSIONS_MAX] = { 0 };
    struct cell cell;
    size_t at;

    start_cell(r, values);
    if (range[RANGE_COUNT].i > CELL_ROWS_MAX)
        return err_set(err, ERR_LIMIT, "over %" PRId64 " rows of one kind: group by more",
                       CELL_ROWS_MAX);
    if (codes_of(r, range, codes, err) < 0 || set_key(r, key, err) < 0)
        return -1;
    set_text(r, LEDGER_USAGE_SOURCE, rest[CELL_SOURCE].s);
    if (rest[CELL_BILLABLE].i && price(r, range, &cell, &sums, err) < 0)
        return -1;
    if (tally_group(r->tally, codes, &at, err) < 0)
        return -1;
    engine_add_sums(&r->tally->rows.ptr[at].sums, &sums);
    if (rest[CELL_NOBODYS].i)
        engine_add_sums(&r->tally->unattributed, &sums);
    r->rows_added += range[RANGE_COUNT].i;
    return 0;
}

static void add_index(struct buf *out, const int64_t *breaks, size_t count, const char *value)
{
    buf_add_text(out, ", toInt64(0");
    for (size_t i = 0; i < count; i++)
        buf_addf(out, " + (%s >= %" PRId64 ")", value, breaks[i]);
    buf_add_text(out, ")");
}

static void add_dimensions(struct remote *r, enum clickhouse_kind *kinds)
{
    for (size_t i = 0; i < r->query->dimension_count; i++) {
        const struct parquet_column *column = &ledger_columns()[r->columns[i]];
        const char *name = push_table_column(r->columns[i]);
        if (dimension_is_bucket(r->tally->dimensions[i])) {
            buf_addf(&r->sql, "toInt64(0) AS d%zu, ", i);
            kinds[i] = CLICKHOUSE_INT;
        } else if (column->type == PARQUET_STRING) {
            buf_addf(&r->sql, "%s AS d%zu, ", name, i);
            kinds[i] = CLICKHOUSE_STRING;
        } else {
            buf_addf(&r->sql, "toInt64(%s) AS d%zu, ", name, i);
            kinds[i] = column->optional ? CLICKHOUSE_NULLABLE : CLICKHOUSE_INT;
        }
    }
}

static void add_not_slow(struct remote *r, const char *before, const char *in)
{
    if (r->slow_keys.len == 0)
        return;
    buf_addf(&r->sql, "%s(", before);
    add_key(&r->sql);
    buf_addf(&r->sql, ") %s (%s)", in, buf_cstr(&r->slow_keys));
}

static void add_cell_values(struct remote *r)
{
    CLEANUP(buf_release) struct buf input = { 0 };

    add_value(&input, USAGE_INPUT);
    buf_add_text(&r->sql, ", usage_source, toInt64(billable) AS paid, "
                          "toInt64(app = '' AND team = '') AS nobodys, "
                          "toInt64(sum(if(part = 0, requests, 0)))");
    if (r->slot_us)
        buf_addf(&r->sql, ", intDiv(started_at_us + %" PRId64 ", %" PRId64 ") AS slot",
                 EPOCH_SHIFT_DAYS * US_PER_DAY, r->slot_us);
    else
        buf_add_text(&r->sql, ", toInt64(0) AS slot");
    add_index(&r->sql, r->times.ptr, r->times.len, "started_at_us");
    buf_add_text(&r->sql, " AS period");
    add_index(&r->sql, r->lengths.ptr, r->lengths.len, buf_cstr(&input));
    buf_add_text(&r->sql, " AS length_step, ");
    add_ranges(&r->sql);
}

static int sum_cells(struct remote *r, struct err *err)
{
    enum clickhouse_kind kinds[DIMENSIONS_MAX + KEY_COUNT + CELL_RANGE + RANGE_VALUES];
    size_t count = r->query->dimension_count;

    buf_clear(&r->sql);
    buf_add_text(&r->sql, "SELECT ");
    add_dimensions(r, kinds);
    add_key(&r->sql);
    fill_kinds(kinds, count, KEY_COUNT + 1, CLICKHOUSE_STRING); /* the source, too */
    count += KEY_COUNT + 1;
    fill_kinds(kinds, count, CELL_RANGE - 1 + RANGE_VALUES, CLICKHOUSE_INT);
    count += CELL_RANGE - 1 + RANGE_VALUES;
    add_cell_values(r);
    buf_addf(&r->sql, " FROM %s WHERE %s AND (billable = 0 OR (%s",
             clickhouse_table(r->query->remote), buf_cstr(&r->filter), buf_cstr(&r->plain));
    add_not_slow(r, " AND ", "NOT IN");
    buf_add_text(&r->sql, ")) GROUP BY ");
    for (size_t i = 0; i < r->query->dimension_count; i++)
        buf_addf(&r->sql, "d%zu, ", i);
    add_key(&r->sql);
    buf_add_text(&r->sql, ", usage_source, paid, nobodys, slot, period, length_step");
    return ask(r, kinds, count, add_cell, err);
}

/* --- third: what is priced row by row --- */

static int add_rows(struct remote *r, struct err *err)
{
    enum clickhouse_kind kinds[LEDGER_COLUMN_COUNT];
    struct scan_columns columns = { 0 };

    worker_columns(r->query, &columns);
    columns.want[LEDGER_EXCHANGE_ID] = true;
    CLEANUP(remote_rows_free) struct remote_rows *rows = remote_rows_new(&r->worker, &columns);
    struct clickhouse_query q = { .kinds = kinds, .on_row = remote_rows_add, .ctx = rows };
    buf_clear(&r->sql);
    buf_add_text(&r->sql, "SELECT ");
    remote_rows_select(rows, &r->sql, kinds, &q.kind_count);
    buf_addf(&r->sql, " FROM %s WHERE %s AND billable != 0 AND (NOT %s",
             clickhouse_table(r->query->remote), buf_cstr(&r->filter), buf_cstr(&r->plain));
    add_not_slow(r, " OR ", "IN");
    buf_add_text(&r->sql, ")");
    q.sql = buf_str(&r->sql);
    if (clickhouse_rows(r->query->remote, &q, err) < 0 || remote_rows_end(rows, err) < 0)
        return -1;
    r->rows_added += (int64_t)remote_rows_count(rows);
    return 0;
}

/* --- before: what there is --- */

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
    return ask(r, kinds, ARRAY_LEN(kinds), note_span, err);
}

static int note_fetches(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    (void)ctx;
    if (values[0].i == 0)
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "%" PRId64 " requests of that time may have fetched an answer again (batches, "
                   "background responses), which is to be counted once: ask without --engine",
                   values[0].i);
}

/* What analyze/repeats would look into: whole days, whatever the filter. */
static int refuse_fetches(struct remote *r, struct err *err)
{
    static const enum clickhouse_kind kinds[] = { CLICKHOUSE_INT };
    const struct engine_query *q = r->query;

    buf_clear(&r->sql);
    buf_addf(&r->sql,
             "SELECT toInt64(count()) FROM %s WHERE billable = 1 AND usage_source = '%s' AND "
             "((api = '%s' AND path != '') OR (response_id != '' AND match(response_id, '[0-9]') "
             "AND position(response_id, ':') = 0 AND "
             "(path = response_id OR endsWith(path, concat('/', response_id)))))",
             clickhouse_table(q->remote), usage_source_name(USAGE_SOURCE_REPORTED),
             api_name(API_BATCH));
    add_dates(q, &r->sql);
    return ask(r, kinds, 1, note_fetches, err);
}

/* --- buckets --- */

static bool is_one_code(struct remote *r, struct dimension *d, int64_t from_us, int64_t to_us)
{
    struct clickhouse_value first = { .i = from_us }, last = { .i = to_us };

    set_int(r, LEDGER_STARTED_AT, &first);
    uint32_t code = dimension_code(d, &r->cell, 0);
    set_int(r, LEDGER_STARTED_AT, &last);
    return code == dimension_code(d, &r->cell, 0);
}

/* Whether every slot of that width lies within one bucket. */
static bool fits(struct remote *r, struct dimension *d, int64_t width_us)
{
    const int64_t shift = EPOCH_SHIFT_DAYS * US_PER_DAY;
    int64_t from_us = (r->first_us + shift) / width_us * width_us - shift;

    for (; from_us <= r->last_us; from_us += width_us)
        if (!is_one_code(r, d, from_us, from_us + width_us - 1))
            return false;
    return true;
}

/* Whole days where that is exact; the check in codes_of is what counts. */
static int choose_slots(struct remote *r, struct err *err)
{
    static const int64_t widths[] = { US_PER_DAY, US_PER_DAY / 24, US_PER_DAY / 96 };
    size_t at = 0;

    if (r->first_us < -EPOCH_SHIFT_DAYS * US_PER_DAY ||
        (r->last_us - r->first_us) / US_PER_DAY > 40000)
        return err_set(err, ERR_UNSUPPORTED,
                       "the table's times span more than a century: "
                       "ask for less time, or without --engine");
    for (size_t i = 0; i < r->query->dimension_count; i++) {
        if (!dimension_is_bucket(r->tally->dimensions[i]))
            continue;
        CLEANUP(dimension_free) struct dimension *d = dimension_clone(r->tally->dimensions[i]);
        while (at + 1 < ARRAY_LEN(widths) && !fits(r, d, widths[at]))
            at++;
        r->slot_us = widths[at];
    }
    return 0;
}

/* --- all of it --- */

static int check_query(const struct engine_query *q, struct err *err)
{
    if (q->measures != ENGINE_MONEY || q->on_row || q->whatif)
        return err_set(err, ERR_UNSUPPORTED, "--engine answers what was spent, and nothing else");
    if (q->attribution)
        return err_set(err, ERR_UNSUPPORTED,
                       "--engine counts as was attributed when recorded: leave out --config, or "
                       "ask without --engine");
    return 0;
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
}

static int run(struct remote *r, struct err *err)
{
    find_columns(r);
    make_plain(&r->plain);
    if (make_filter(r, err) < 0 || refuse_fetches(r, err) < 0 || find_span(r, err) < 0)
        return -1;
    if (r->rows == 0)
        return 0;
    if (choose_slots(r, err) < 0 || find_keys(r, err) < 0 || sum_cells(r, err) < 0 ||
        add_rows(r, err) < 0)
        return -1;
    if (r->rows_added != r->rows)
        return err_set(err, ERR_LIMIT, "the table changed while it was read: run this again");
    return 0;
}

int engine_remote_run(const struct engine_query *query, struct engine_result *ret, struct err *err)
{
    struct remote r = { .query = query, .tally = ret };

    if (check_query(query, err) < 0)
        return -1;
    tally_init(ret, query, query->dimensions);
    r.worker = (struct worker){ .query = query, .repeats = &r.none, .tally = ret };
    composite_share(&r.worker.keys, &r.worker.groups);
    composite_share(&r.worker.cells, &r.worker.groups);
    r.worker.prices = price_cache_new(query->book);
    int result = run(&r, err);
    worker_release(&r.worker);
    buf_release(&r.sql);
    buf_release(&r.filter);
    buf_release(&r.plain);
    buf_release(&r.slow_keys);
    vec_release(&r.times);
    vec_release(&r.lengths);
    if (result < 0) {
        engine_result_release(ret);
        return -1;
    }
    tally_finish(ret);
    return 0;
}
