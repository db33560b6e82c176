/* engine_remote_money - costs: tokens are added up there by group and price, prices laid on the
 * sums here.
 *
 * First it is asked which keys of prices there are, and how their rows spread over time and length:
 * so the moments and lengths are known at which a rate changes, and the keys that no whole rates
 * describe.  Then come the sums, between these; then the rows of such keys, and those that are
 * unusual themselves, one by one.
 */
#include "config.h"

#include <inttypes.h>

#include "analyze/engine_remote_parts.h"
#include "analyze/engine_remote_rows.h"

/* Sums of that many stay below 2^63. */
#define CELL_ROWS_MAX (INT64_MAX / REMOTE_PLAIN_MAX)
/* Moments and lengths at which some rate changes, each a comparison in the query. */
#define BREAKS_MAX 250u
#define MICRO      INT64_C(1000000)

/* Behind the count and the two times: two lengths, and sums. */
enum { RANGE_SHORTEST = REMOTE_REST, RANGE_LONGEST, RANGE_SUMS };
#define RANGE_VALUES (RANGE_SUMS + PLAIN_COUNT)

/* A count as it is priced: of another tokenizer, rounded call by call as here. */
static void add_count(const struct remote *r, enum usage_unit u, struct buf *out)
{
    if (!r->is_scaling) {
        remote_add_value(out, u);
        return;
    }
    buf_add_text(out, "intDiv(");
    remote_add_value(out, u);
    buf_addf(out, " * factor, %" PRId64 ")", MICRO);
}

static void add_ranges(const struct remote *r, struct buf *out)
{
    buf_add_text(out, "toInt64(count()), toInt64(min(started_at_us)), toInt64(max(started_at_us)), "
                      "toInt64(min(");
    add_count(r, USAGE_INPUT, out);
    buf_add_text(out, ")), toInt64(max(");
    add_count(r, USAGE_INPUT, out);
    buf_add_text(out, "))");
    for (size_t i = 0; i < PLAIN_COUNT; i++) {
        buf_add_text(out, ", toInt64(sum(");
        add_count(r, plain_units[i], out);
        buf_add_text(out, "))");
    }
}

/* --- a key, and its rates --- */

static int set_key(struct remote *r, const struct clickhouse_value *values, struct err *err)
{
    enum provider provider = PROVIDER_UNKNOWN;

    for (size_t i = 0; i < r->key_count; i++) {
        const struct clickhouse_value fell_back = { .i = values[i].s.len > 0 };
        remote_set_text(r, r->keys[i], values[i].s);
        if (r->keys[i] == LEDGER_FIRST_MODEL)
            remote_set_int(r, LEDGER_FALLBACK, &fell_back);
    }
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

static void cell_of(const struct clickhouse_value *range, struct cell *ret)
{
    *ret = (struct cell){ .rows = range[REMOTE_ROWS].i };
    for (size_t i = 0; i < PLAIN_COUNT; i++)
        ret->n[i] = range[RANGE_SUMS + i].i;
}

/* A discount's rates do not say what the list asks. */
static bool is_whole(const struct remote *r, const struct cell *c, const struct price_rates *rates)
{
    if (rates->status == PRICE_UNKNOWN_MODEL)
        return true;
    if (r->query->measures & ENGINE_CHARGES && rates->flags & PRICE_DISCOUNTED)
        return false;
    return (rates->exact >> PRICE_PART_FRESH & 1) && !worker_cell_needs_rows(c, rates);
}

/* --- first: where rates change, and which keys have none that are whole --- */

static int add_break(struct remote_breaks *b, int64_t at, struct err *err)
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

/* How the rows of a key spread. */
struct spread {
    int64_t first_us, last_us, shortest, longest;
    struct cell cell;
};

static int64_t scale(const struct remote *r, int64_t tokens)
{
    return (int64_t)((i128)tokens * r->query->whatif->tokens_micro / MICRO);
}

/* Parts that come to nothing may come to a token or two where each is rounded by itself. */
static void scale_spread(const struct remote *r, struct spread *s)
{
    s->shortest = scale(r, s->shortest);
    s->longest = scale(r, s->longest);
    s->cell.n[PLAIN_INPUT] += s->cell.n[PLAIN_INPUT] ? 2 : 0;
    s->cell.n[PLAIN_WRITE] += s->cell.n[PLAIN_WRITE] ? 1 : 0;
    s->cell.n[PLAIN_OUTPUT] += s->cell.n[PLAIN_OUTPUT] ? 1 : 0;
}

static bool is_scaled(const struct remote *r, bool swapped)
{
    return swapped && r->query->whatif->tokens_micro != MICRO;
}

/* The lengths of a key at one moment; *ret_until_us is set to where all of these rates end. */
static int walk_lengths(struct remote *r, const struct spread *s, int64_t at_us,
                        int64_t *ret_until_us, bool *whole, struct err *err)
{
    int64_t input = s->shortest;
    struct price_rates rates;

    for (;;) {
        rates_at(r, at_us, input, &rates);
        *whole &= is_whole(r, &s->cell, &rates);
        if (rates.until_us < *ret_until_us)
            *ret_until_us = rates.until_us;
        if (rates.input_until > s->longest)
            return 0;
        if (rates.input_until <= input)
            return err_set(err, ERR_UNSUPPORTED, "a price that changes with every token");
        input = rates.input_until;
        if (add_break(&r->lengths, input, err) < 0)
            return -1;
    }
}

static int walk(struct remote *r, const struct spread *s, bool *whole, struct err *err)
{
    int64_t at_us = s->first_us;

    for (;;) {
        int64_t until_us = INT64_MAX;
        if (walk_lengths(r, s, at_us, &until_us, whole, err) < 0)
            return -1;
        if (until_us > s->last_us)
            return 0;
        at_us = until_us;
        if (add_break(&r->times, at_us, err) < 0)
            return -1;
    }
}

static int note_key(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct remote *r = ctx;
    const struct clickhouse_value *range = values + r->key_count;
    struct spread s = { .first_us = range[REMOTE_FIRST].i,
                        .last_us = range[REMOTE_LAST].i,
                        .shortest = range[RANGE_SHORTEST].i,
                        .longest = range[RANGE_LONGEST].i };
    struct price_query query;
    bool whole = true;

    remote_clear_cell(r);
    if (set_key(r, values, err) < 0)
        return -1;
    cell_of(range, &s.cell);
    bool scaled = is_scaled(r, worker_query_of(&r->worker, 0, &query));
    if (scaled)
        scale_spread(r, &s);
    if (walk(r, &s, &whole, err) < 0)
        return -1;
    if (!whole)
        remote_add_key(r, values, &r->slow_keys);
    else if (scaled)
        remote_add_key(r, values, &r->scaled_keys);
    return 0;
}

static void choose_keys(struct remote *r)
{
    static const enum ledger_column always[] = { LEDGER_PROVIDER,     LEDGER_MODEL,
                                                 LEDGER_SERVICE_TIER, LEDGER_GEO,
                                                 LEDGER_VARIANT,      LEDGER_PATH };

    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        r->keys[r->key_count++] = always[i];
    if (r->query->whatif && r->query->whatif->first_choice)
        r->keys[r->key_count++] = LEDGER_FIRST_MODEL;
}

static int find_keys(struct remote *r, struct err *err)
{
    enum clickhouse_kind kinds[REMOTE_KEYS_MAX + RANGE_VALUES];

    remote_fill_kinds(kinds, 0, r->key_count, CLICKHOUSE_STRING);
    remote_fill_kinds(kinds, r->key_count, RANGE_VALUES, CLICKHOUSE_INT);
    buf_clear(&r->sql);
    buf_add_text(&r->sql, "SELECT ");
    remote_add_keys(r, &r->sql);
    buf_add_text(&r->sql, ", ");
    add_ranges(r, &r->sql);
    buf_addf(&r->sql, " FROM %s WHERE %s AND billable = 1 AND %s GROUP BY ",
             clickhouse_table(r->query->remote), buf_cstr(&r->filter), buf_cstr(&r->plain));
    remote_add_keys(r, &r->sql);
    return remote_ask(r, kinds, r->key_count + RANGE_VALUES, note_key, err);
}

/* --- second: sums --- */

/* The values of a row behind its dimensions and its key. */
enum {
    CELL_SOURCE,
    CELL_BILLABLE,
    CELL_NOBODYS,
    CELL_REQUESTS,
    CELL_SLOT,
    CELL_TIME,
    CELL_LENGTH,
    CELL_FACTOR,
    CELL_RANGE
};

static void note_unpriced(struct remote *r, const struct engine_sums *sums)
{
    struct price_query query;
    bool swapped = worker_query_of(&r->worker, 0, &query);

    tally_unpriced(r->tally,
                   swapped ? str_from(provider_name(query.provider))
                           : block_str(&r->cell, LEDGER_PROVIDER, 0),
                   query.model, false, sums);
}

static int price(struct remote *r, const struct clickhouse_value *range, struct cell *cell,
                 struct engine_sums *ret, struct err *err)
{
    enum usage_source source = worker_parse_source(block_str(&r->cell, LEDGER_USAGE_SOURCE, 0));
    struct price_rates rates;

    cell_of(range, cell);
    cell->requests = ret->requests;
    rates_at(r, range[REMOTE_FIRST].i, range[RANGE_SHORTEST].i, &rates);
    if (!is_whole(r, cell, &rates) || rates.until_us <= range[REMOTE_LAST].i ||
        rates.input_until <= range[RANGE_LONGEST].i)
        return remote_changed(err);
    worker_price_cell(&r->worker, cell, &rates, source, ret);
    if (r->query->measures & ENGINE_CHARGES)
        worker_charge_cell(&r->worker, cell, &rates, source);
    if (rates.status == PRICE_UNKNOWN_MODEL)
        note_unpriced(r, ret);
    return 0;
}

static int add_sums(struct remote *r, const uint32_t *codes, const struct engine_sums *sums,
                    bool nobodys, struct err *err)
{
    size_t at;

    if (tally_group(r->tally, codes, &at, err) < 0)
        return -1;
    struct engine_row *row = &r->tally->rows.ptr[at];
    engine_add_sums(&row->sums, sums);
    for (size_t i = 0; i < r->worker.charges.len; i++)
        tally_charge(row->detail, &r->worker.charges.ptr[i]);
    vec_clear(&r->worker.charges);
    if (nobodys)
        engine_add_sums(&r->tally->unattributed, sums);
    return 0;
}

static int add_cell(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct remote *r = ctx;
    const struct clickhouse_value *key = values + r->column_count, *rest = key + r->key_count;
    const struct clickhouse_value *range = rest + CELL_RANGE;
    struct engine_sums sums = { .requests = rest[CELL_REQUESTS].i };
    uint32_t codes[DIMENSIONS_MAX] = { 0 };
    struct cell cell;

    r->rows_added += range[REMOTE_ROWS].i;
    if (!remote_start_cell(r, values))
        return 0;
    if (range[REMOTE_ROWS].i > CELL_ROWS_MAX)
        return err_set(err, ERR_LIMIT, "over %" PRId64 " rows of one kind: group by more",
                       CELL_ROWS_MAX);
    if (remote_codes(r, range + REMOTE_FIRST, codes, err) < 0 || set_key(r, key, err) < 0)
        return -1;
    bool nobodys =
        r->query->attribution ? worker_is_unattributed(&r->cell, 0) : rest[CELL_NOBODYS].i != 0;
    remote_set_text(r, LEDGER_USAGE_SOURCE, rest[CELL_SOURCE].s);
    vec_clear(&r->worker.charges);
    if (rest[CELL_BILLABLE].i && price(r, range, &cell, &sums, err) < 0)
        return -1;
    return add_sums(r, codes, &sums, nobodys, err);
}

static void add_index(struct buf *out, const struct remote_breaks *breaks, const char *value)
{
    buf_add_text(out, ", toInt64(0");
    for (size_t i = 0; i < breaks->len; i++)
        buf_addf(out, " + (%s >= %" PRId64 ")", value, breaks->ptr[i]);
    buf_add_text(out, ")");
}

/* How many tokens are priced for a million of those recorded. */
static void add_factor(struct remote *r)
{
    buf_add_text(&r->sql, ", toInt64(");
    if (r->is_scaling) {
        buf_add_text(&r->sql, "if((");
        remote_add_keys(r, &r->sql);
        buf_addf(&r->sql, ") IN (%s), %" PRId64 ", %" PRId64 ")", buf_cstr(&r->scaled_keys),
                 r->query->whatif->tokens_micro, MICRO);
    } else {
        buf_addf(&r->sql, "%" PRId64, MICRO);
    }
    buf_add_text(&r->sql, ") AS factor, ");
}

static void add_cell_values(struct remote *r)
{
    CLEANUP(buf_release) struct buf input = { 0 };

    r->is_scaling = r->scaled_keys.len > 0;
    add_count(r, USAGE_INPUT, &input);
    buf_add_text(&r->sql, ", usage_source, toInt64(billable) AS paid, "
                          "toInt64(app = '' AND team = '') AS nobodys, "
                          "toInt64(sum(if(part = 0, requests, 0))), ");
    remote_add_slot(r, &r->sql);
    add_index(&r->sql, &r->times, "started_at_us");
    buf_add_text(&r->sql, " AS period");
    add_index(&r->sql, &r->lengths, buf_cstr(&input));
    buf_add_text(&r->sql, " AS length_step");
    add_factor(r);
    add_ranges(r, &r->sql);
}

static void add_slow(struct remote *r, const char *before, const char *in, struct buf *out)
{
    if (r->slow_keys.len == 0)
        return;
    buf_addf(out, "%s(", before);
    remote_add_keys(r, out);
    buf_addf(out, ") %s (%s)", in, buf_cstr(&r->slow_keys));
}

static int sum_cells(struct remote *r, struct err *err)
{
    enum clickhouse_kind kinds[REMOTE_COLUMNS_MAX + REMOTE_KEYS_MAX + CELL_RANGE + RANGE_VALUES];
    size_t count = r->column_count;

    buf_clear(&r->sql);
    buf_add_text(&r->sql, "SELECT ");
    remote_add_dimensions(r, kinds, &r->sql);
    remote_add_keys(r, &r->sql);
    remote_fill_kinds(kinds, count, r->key_count + 1, CLICKHOUSE_STRING); /* the source, too */
    count += r->key_count + 1;
    remote_fill_kinds(kinds, count, CELL_RANGE - 1 + RANGE_VALUES, CLICKHOUSE_INT);
    count += CELL_RANGE - 1 + RANGE_VALUES;
    add_cell_values(r);
    buf_addf(&r->sql, " FROM %s WHERE %s AND (billable = 0 OR (%s",
             clickhouse_table(r->query->remote), buf_cstr(&r->filter), buf_cstr(&r->plain));
    add_slow(r, " AND ", "NOT IN", &r->sql);
    if (r->refetched.len)
        buf_addf(&r->sql, " AND NOT %s", buf_cstr(&r->refetched));
    buf_add_text(&r->sql, ")) GROUP BY ");
    remote_add_groups(r, &r->sql);
    buf_add_text(&r->sql, ", ");
    remote_add_keys(r, &r->sql);
    buf_add_text(&r->sql, ", usage_source, paid, nobodys, period, length_step, factor");
    return remote_ask(r, kinds, count, add_cell, err);
}

/* --- third: what is priced row by row --- */

static int add_rows(struct remote *r, struct err *err)
{
    struct remote_rows_options o = { .attribution = r->query->attribution,
                                     .where = r->where,
                                     .on_block = remote_add_block,
                                     .ctx = r };
    CLEANUP(buf_release) struct buf which = { 0 };

    worker_columns(&r->own, &o.columns);
    o.columns.want[LEDGER_EXCHANGE_ID] = true;
    buf_addf(&which, "%s AND billable != 0 AND (NOT %s", buf_cstr(&r->filter), buf_cstr(&r->plain));
    add_slow(r, " OR ", "IN", &which);
    buf_add_text(&which, ")");
    if (r->refetched.len)
        buf_addf(&which, " AND NOT %s", buf_cstr(&r->refetched));
    CLEANUP(remote_rows_free) struct remote_rows *rows = remote_rows_new(&o);
    if (remote_rows_run(rows, r->query->remote, buf_cstr(&which), err) < 0)
        return -1;
    r->rows_added += (int64_t)remote_rows_count(rows);
    return 0;
}

int remote_count_money(struct remote *r, struct err *err)
{
    const struct engine_whatif *whatif = r->query->whatif;
    /* A count that is scaled is to be plain still. */
    int64_t times = whatif && whatif->tokens_micro > MICRO ? whatif->tokens_micro / MICRO + 1 : 1;

    choose_keys(r);
    remote_add_plain(REMOTE_PLAIN_MAX / times, &r->plain);
    if (find_keys(r, err) < 0 || sum_cells(r, err) < 0 || add_rows(r, err) < 0 ||
        remote_add_refetched(r, err) < 0)
        return -1;
    return r->rows_added == r->rows ? 0 : remote_changed(err);
}
