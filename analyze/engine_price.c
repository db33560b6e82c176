/* engine_price - the money of a block.
 *
 * Rows are numbered by (group, price key, and what decides how a row counts); the tokens of each
 * number are added up in one array, and each number is priced once.  Rows that this cannot be exact
 * for go to a list, and through engine_row one by one.
 */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "analyze/engine_tally.h"
#include "analyze/engine_worker.h"

/* Rows looked at together for anything unusual. */
#define STRETCH 1024u

/* A count beyond this is cut by price_of. */
#define PLAIN_MAX INT64_C(10000000000)

const enum usage_unit plain_units[PLAIN_COUNT] = {
    [PLAIN_INPUT] = USAGE_INPUT,
    [PLAIN_CACHED] = USAGE_CACHED_INPUT,
    [PLAIN_WRITE] = USAGE_CACHE_WRITE,
    [PLAIN_WRITE_5M] = USAGE_CACHE_WRITE_5M,
    [PLAIN_WRITE_1H] = USAGE_CACHE_WRITE_1H,
    [PLAIN_OUTPUT] = USAGE_OUTPUT,
    [PLAIN_REASONING] = USAGE_REASONING,
};

static const int64_t *ints_of(const struct block *b, enum plain_unit unit)
{
    return b->columns[LEDGER_USAGE + plain_units[unit]].ints;
}

static void split(struct composite *c, const struct block *b, enum ledger_column column)
{
    const struct block_column *col = &b->columns[column];

    if (!col->absent)
        composite_split(c, col->codes, col->is_null, col->dict_len);
}

/* A flag a row; all 0 costs nothing further. */
static void split_ints(struct worker *w, struct composite *c, enum ledger_column column)
{
    const struct block *b = w->block;
    const struct block_column *col = &b->columns[column];
    uint8_t any = 0, all = 1;

    if (col->absent)
        return;
    for (size_t row = 0; row < b->rows; row++) {
        w->flags.ptr[row] = block_int(b, column, row) != 0;
        any |= w->flags.ptr[row];
        all &= w->flags.ptr[row];
    }
    if (any != all)
        composite_split_flags(c, w->flags.ptr);
}

static void split_nulls(struct composite *c, const struct block *b, enum ledger_column column)
{
    const struct block_column *col = &b->columns[column];

    if (!col->absent && col->is_null)
        composite_split_flags(c, col->is_null);
}

/* Rows may be without app and team only where both columns can be empty. */
static bool may_be_empty(const struct block_column *col)
{
    if (col->absent || col->is_null)
        return true;
    for (size_t i = 0; i < col->dict_len; i++)
        if (col->dict[i].len == 0)
            return true;
    return false;
}

static void split_unattributed(struct worker *w, struct composite *c)
{
    const struct block *b = w->block;

    if (!may_be_empty(&b->columns[LEDGER_APP]) || !may_be_empty(&b->columns[LEDGER_TEAM]))
        return;
    struct scan_columns by = { 0 };
    for (size_t i = 0; i < w->tally->dimension_count; i++)
        dimension_columns(w->tally->dimensions[i], &by);
    if (by.want[LEDGER_APP] && by.want[LEDGER_TEAM]) /* the groups tell them apart */
        return;
    for (size_t row = 0; row < b->rows; row++)
        w->flags.ptr[row] = worker_is_unattributed(b, row);
    composite_split_flags(c, w->flags.ptr);
}

static bool has_huggingface(const struct worker *w)
{
    for (size_t i = 0; i < w->providers.len; i++)
        if (w->providers.ptr[i] == PROVIDER_HUGGINGFACE)
            return true;
    return false;
}

static void number_rows(struct worker *w)
{
    const struct block *b = w->block;

    composite_start(&w->keys, b->rows);
    split(&w->keys, b, LEDGER_PROVIDER);
    split(&w->keys, b, LEDGER_MODEL);
    split(&w->keys, b, LEDGER_SERVICE_TIER);
    split(&w->keys, b, LEDGER_GEO);
    split(&w->keys, b, LEDGER_VARIANT);
    if (has_huggingface(w))
        split(&w->keys, b, LEDGER_PATH);
    if (w->query->whatif && w->query->whatif->first_choice) {
        split(&w->keys, b, LEDGER_FIRST_MODEL);
        split_ints(w, &w->keys, LEDGER_FALLBACK);
    }
    composite_copy(&w->cells, &w->groups);
    composite_split(&w->cells, w->keys.ids, NULL, w->keys.count);
    split(&w->cells, b, LEDGER_USAGE_SOURCE);
    split_ints(w, &w->cells, LEDGER_BILLABLE);
    split_nulls(&w->cells, b, LEDGER_REPORTED_COST);
    split_unattributed(w, &w->cells);
}

/* --- rates --- */

/* Whether the rates hold for all rows of the block. */
static bool covers(const struct price_rates *r, const struct block *b)
{
    return r->from_us <= b->first_us && r->until_us > b->last_us;
}

static bool is_usable(const struct price_rates *r)
{
    return r->status == PRICE_UNKNOWN_MODEL || (r->exact >> PRICE_PART_FRESH & 1);
}

static struct pricing pricing_of(struct worker *w, size_t row)
{
    struct pricing p = { .long_until = PLAIN_MAX };
    struct price_query query;

    p.is_swapped = worker_query_of(w, row, &query);
    /* The row stands for others, which are single calls, and may not be one that counts. */
    query.at_us = w->block->first_us;
    query.requests = 1;
    price_cache_rates(w->prices, &query, 0, &p.rates[0]);
    p.short_until = p.rates[0].input_until;
    p.is_plain = covers(&p.rates[0], w->block) && is_usable(&p.rates[0]);
    if (p.short_until >= PLAIN_MAX) {
        p.short_until = PLAIN_MAX;
        return p;
    }
    price_cache_rates(w->prices, &query, p.short_until, &p.rates[1]);
    if (!covers(&p.rates[1], w->block) || !is_usable(&p.rates[1]))
        p.long_until = p.short_until;
    else if (p.rates[1].input_until < p.long_until)
        p.long_until = p.rates[1].input_until;
    return p;
}

static void find_pricings(struct worker *w)
{
    vec_clear(&w->pricings);
    for (size_t key = 0; key < w->keys.count; key++)
        vec_push(&w->pricings, pricing_of(w, w->keys.first_row[key]));
}

/* --- which rows are plain --- */

enum {
    CELL_FREE, /* not billable: only its requests count */
    CELL_PLAIN,
    CELL_SLOW,
};

/* A discount's rates do not say what the list asks. */
static bool hides_list(const struct pricing *p)
{
    return (p->rates[0].flags | p->rates[1].flags) & PRICE_DISCOUNTED;
}

static uint8_t class_of(const struct worker *w, size_t row)
{
    const struct pricing *p = &w->pricings.ptr[w->keys.ids[row]];
    const struct block *b = w->block;

    if (!block_int(b, LEDGER_BILLABLE, row))
        return CELL_FREE;
    if (!block_is_null(b, LEDGER_REPORTED_COST, row) ||
        b->columns[LEDGER_USAGE + USAGE_INPUT].absent || p->is_swapped ||
        (w->query->measures & ENGINE_CHARGES && hides_list(p)))
        return CELL_SLOW;
    return p->is_plain ? CELL_PLAIN : CELL_SLOW;
}

/* Columns with units that no plain row uses. */
static void find_others(struct worker *w)
{
    vec_clear(&w->others);
    for (size_t u = 0; u < USAGE_UNIT_COUNT; u++) {
        const struct block_column *col = &w->block->columns[LEDGER_USAGE + u];
        bool plain = u == USAGE_TOOL_CALLS; /* counted, not billed */
        for (size_t i = 0; i < PLAIN_COUNT; i++)
            plain |= plain_units[i] == (enum usage_unit)u;
        if (!plain && !col->absent)
            vec_push(&w->others, col->ints);
    }
}

/* Whether usage of that row is made of plain units, with each part within its whole. */
static bool is_plain_row(const struct worker *w, size_t row)
{
    const struct block *b = w->block;
    int64_t n[PLAIN_COUNT];

    if (block_int(b, LEDGER_REQUESTS, row) > 1)
        return false;
    for (size_t u = 0; u < PLAIN_COUNT; u++) {
        const int64_t *values = ints_of(b, (enum plain_unit)u);
        n[u] = values ? values[row] : 0;
        if (n[u] < 0 || n[u] >= PLAIN_MAX)
            return false;
    }
    for (size_t i = 0; i < w->others.len; i++)
        if (w->others.ptr[i][row] != 0)
            return false;
    return n[PLAIN_WRITE_5M] + n[PLAIN_WRITE_1H] <= n[PLAIN_WRITE] &&
           n[PLAIN_CACHED] + n[PLAIN_WRITE] <= n[PLAIN_INPUT] &&
           n[PLAIN_REASONING] <= n[PLAIN_OUTPUT];
}

/* Adds signs[i] |= the sign of the whole less its parts; absent columns are NULL. */
static int64_t unusual(const int64_t *whole, const int64_t *part1, const int64_t *part2,
                       size_t from, size_t to)
{
    int64_t bad = 0;

    if (!whole)
        return part1 || part2 ? -1 : 0;
    for (size_t i = from; i < to; i++)
        bad |= whole[i] | (PLAIN_MAX - 1 - whole[i]);
    for (size_t i = from; part1 && !part2 && i < to; i++)
        bad |= (whole[i] - part1[i]) | part1[i];
    for (size_t i = from; !part1 && part2 && i < to; i++)
        bad |= (whole[i] - part2[i]) | part2[i];
    for (size_t i = from; part1 && part2 && i < to; i++)
        bad |= (whole[i] - part1[i] - part2[i]) | part1[i] | part2[i];
    return bad;
}

/* Whether every row of the stretch is plain: one look at many values at once. */
static bool is_plain_stretch(const struct worker *w, size_t from, size_t to)
{
    const struct block *b = w->block;
    int64_t bad = unusual(ints_of(b, PLAIN_INPUT), ints_of(b, PLAIN_CACHED),
                          ints_of(b, PLAIN_WRITE), from, to);

    bad |= unusual(ints_of(b, PLAIN_WRITE), ints_of(b, PLAIN_WRITE_5M), ints_of(b, PLAIN_WRITE_1H),
                   from, to);
    bad |= unusual(ints_of(b, PLAIN_OUTPUT), ints_of(b, PLAIN_REASONING), NULL, from, to);
    int64_t other = 0;
    for (size_t k = 0; k < w->others.len; k++)
        for (size_t i = from; i < to; i++)
            other |= w->others.ptr[k][i];
    for (size_t i = from; w->has_requests && i < to; i++)
        bad |= 1 - b->columns[LEDGER_REQUESTS].ints[i];
    return bad >= 0 && other == 0;
}

/* Moves row to the list of those priced one by one; trash is the number that nobody sums. */
static void set_slow(struct worker *w, size_t row, uint32_t trash)
{
    w->cells.ids[row] = trash;
    vec_push(&w->slow, (uint32_t)row);
}

/* Rows that do not count get the number trash, unusual ones go to the list, and long ones get the
 * second number of their cell. */
static void sort_rows(struct worker *w, const uint8_t *classes, uint32_t trash)
{
    const struct block *b = w->block;
    const uint8_t *no_input = b->columns[LEDGER_USAGE + USAGE_INPUT].is_null;
    uint32_t *ids = w->cells.ids;

    vec_clear(&w->slow);
    find_others(w);
    for (size_t row = 0; b->keep && row < b->rows; row++)
        ids[row] = b->keep[row] ? ids[row] : trash;
    for (size_t i = 0; i < w->repeated.len; i++)
        ids[w->repeated.ptr[i]] = trash;
    bool look = no_input || memchr(classes, CELL_SLOW, w->cells.count);
    for (size_t from = 0; from < b->rows; from += STRETCH) {
        size_t to = from + STRETCH < b->rows ? from + STRETCH : b->rows;
        bool plain = is_plain_stretch(w, from, to);
        for (size_t row = from; (look || !plain) && row < to; row++) {
            uint8_t class = ids[row] == trash ? CELL_FREE : classes[ids[row]];
            if (class == CELL_FREE)
                continue;
            if (class == CELL_SLOW || (no_input && no_input[row]) ||
                (!plain && !is_plain_row(w, row)))
                set_slow(w, row, trash);
        }
    }
}

static void sort_long_rows(struct worker *w, const uint8_t *classes, uint32_t trash)
{
    const int64_t *input = ints_of(w->block, PLAIN_INPUT);
    uint32_t *ids = w->cells.ids, count = (uint32_t)w->cells.count;
    int64_t shortest = PLAIN_MAX, longest = 0;

    for (size_t key = 0; key < w->pricings.len; key++)
        if (w->pricings.ptr[key].short_until < shortest)
            shortest = w->pricings.ptr[key].short_until;
    for (size_t row = 0; input && row < w->block->rows; row++)
        longest = input[row] > longest ? input[row] : longest;
    if (!input || longest < shortest)
        return;
    for (size_t row = 0; row < w->block->rows; row++) {
        if (input[row] < shortest || ids[row] == trash || classes[ids[row]] != CELL_PLAIN)
            continue;
        const struct pricing *p = &w->pricings.ptr[w->keys.ids[row]];
        if (input[row] >= p->long_until)
            set_slow(w, row, trash);
        else if (input[row] >= p->short_until)
            ids[row] += count;
    }
}

/* --- sums --- */

static void sum_requests(struct worker *w, struct cell *sums)
{
    const struct block *b = w->block;
    const uint32_t *ids = w->cells.ids;

    for (size_t row = 0; row < b->rows; row++)
        sums[ids[row]].rows++;
    if (!w->has_parts && !w->has_requests) {
        for (size_t i = 0; i <= 2 * w->cells.count; i++)
            sums[i].requests = sums[i].rows;
        return;
    }
    for (size_t row = 0; row < b->rows; row++)
        sums[ids[row]].requests += worker_requests(b, row);
}

static void sum_tokens(struct worker *w, struct cell *sums)
{
    const uint32_t *ids = w->cells.ids;
    size_t rows = w->block->rows;

    for (size_t u = 0; u < PLAIN_COUNT; u++) {
        const int64_t *values = ints_of(w->block, (enum plain_unit)u);
        for (size_t row = 0; values && row < rows; row++)
            sums[ids[row]].n[u] += values[row];
    }
}

/* --- from sums to money --- */

/* What was paid for: the cell's tokens, each counted once. */
static void parts_of(const struct cell *c, int64_t ret[static PRICE_PART_COUNT])
{
    const int64_t *n = c->n;

    ret[PRICE_PART_FRESH] = n[PLAIN_INPUT] - n[PLAIN_CACHED] - n[PLAIN_WRITE];
    ret[PRICE_PART_CACHED] = n[PLAIN_CACHED];
    ret[PRICE_PART_WRITE] = n[PLAIN_WRITE] - n[PLAIN_WRITE_5M] - n[PLAIN_WRITE_1H];
    ret[PRICE_PART_WRITE_5M] = n[PLAIN_WRITE_5M];
    ret[PRICE_PART_WRITE_1H] = n[PLAIN_WRITE_1H];
    ret[PRICE_PART_OUTPUT] = n[PLAIN_OUTPUT] - n[PLAIN_REASONING];
    ret[PRICE_PART_REASONING] = n[PLAIN_REASONING];
}

bool worker_cell_needs_rows(const struct cell *c, const struct price_rates *r)
{
    int64_t parts[PRICE_PART_COUNT];

    if (r->status == PRICE_UNKNOWN_MODEL)
        return false;
    parts_of(c, parts);
    for (size_t p = 0; p < PRICE_PART_COUNT; p++)
        if (parts[p] != 0 && !(r->exact >> p & 1))
            return true;
    return false;
}

static const struct price_rates *rates_of(const struct worker *w, size_t cell)
{
    size_t count = w->cells.count, row = w->cells.first_row[cell % count];

    return &w->pricings.ptr[w->keys.ids[row]].rates[cell >= count];
}

/* Empties the cells that need it and lists their rows. */
static void redo_cells(struct worker *w, struct cell *sums, const uint8_t *classes, uint32_t trash)
{
    size_t count = w->cells.count;
    bool any = false;

    for (size_t i = 0; i < 2 * count; i++)
        if (sums[i].rows > 0 && classes[i % count] == CELL_PLAIN &&
            worker_cell_needs_rows(&sums[i], rates_of(w, i))) {
            sums[i].rows = -1;
            any = true;
        }
    for (size_t row = 0; any && row < w->block->rows; row++)
        if (sums[w->cells.ids[row]].rows < 0)
            set_slow(w, row, trash);
}

void worker_price_cell(struct worker *w, const struct cell *c, const struct price_rates *r,
                       enum usage_source source, struct engine_sums *ret)
{
    int64_t parts[PRICE_PART_COUNT];
    i128 cost = (i128)c->rows * r->request_pusd, fresh = cost;

    ret->input_tokens = c->n[PLAIN_INPUT];
    ret->cached_input_tokens = c->n[PLAIN_CACHED];
    ret->cache_write_tokens = c->n[PLAIN_WRITE];
    ret->output_tokens = c->n[PLAIN_OUTPUT];
    ret->reasoning_tokens = c->n[PLAIN_REASONING];
    ret->unknown_requests = source == USAGE_SOURCE_UNKNOWN ? c->requests : 0;
    if (r->status == PRICE_UNKNOWN_MODEL) {
        ret->unpriced_requests = c->requests;
        return;
    }
    ret->costed_requests = c->requests - ret->unknown_requests;
    parts_of(c, parts);
    for (size_t p = 0; p < PRICE_PART_COUNT; p++) {
        bool is_input = p < PRICE_PART_OUTPUT;
        cost += (i128)parts[p] * r->pusd[p];
        fresh += (i128)parts[p] * r->pusd[is_input ? PRICE_PART_FRESH : p];
    }
    ret->cost_pusd[source == USAGE_SOURCE_ESTIMATED ? COST_ESTIMATED : COST_TABLE] = cost;
    ret->cache_savings_pusd = fresh - cost;
    for (size_t i = 0; i < PRICE_FLAG_COUNT; i++)
        if (r->flags >> i & 1)
            w->tally->flagged[i] += c->requests;
}

int worker_add_row(struct worker *w, size_t row, const struct engine_sums *s, struct err *err)
{
    struct engine_row *group;

    if (worker_group(w, w->groups.ids[row], &group, err) < 0)
        return -1;
    engine_add_sums(&group->sums, s);
    for (size_t i = 0; i < w->charges.len; i++)
        tally_charge(group->detail, &w->charges.ptr[i]);
    vec_clear(&w->charges);
    if (worker_is_unattributed(w->block, row))
        engine_add_sums(&w->tally->unattributed, s);
    return 0;
}

static void charge(struct worker *w, int unit, int64_t n, int64_t pusd,
                   const struct engine_charge *like)
{
    struct engine_charge c = *like;

    c.unit = unit;
    c.n = n;
    c.list_yusd = c.unit_yusd = (i128)pusd * PUSD_PER_USD;
    c.cost_pusd = (i128)n * pusd;
    if (n > 0)
        vec_push(&w->charges, c);
}

void worker_charge_cell(struct worker *w, const struct cell *c, const struct price_rates *r,
                        enum usage_source source)
{
    static const enum usage_unit units[PRICE_PART_COUNT] = {
        [PRICE_PART_FRESH] = USAGE_INPUT,
        [PRICE_PART_CACHED] = USAGE_CACHED_INPUT,
        [PRICE_PART_WRITE] = USAGE_CACHE_WRITE,
        [PRICE_PART_WRITE_5M] = USAGE_CACHE_WRITE_5M,
        [PRICE_PART_WRITE_1H] = USAGE_CACHE_WRITE_1H,
        [PRICE_PART_OUTPUT] = USAGE_OUTPUT,
        [PRICE_PART_REASONING] = USAGE_OUTPUT,
    };
    const struct engine_charge like = { .source = source == USAGE_SOURCE_ESTIMATED ? COST_ESTIMATED
                                                                                   : COST_TABLE,
                                        .flags = r->flags };
    int64_t parts[PRICE_PART_COUNT];

    if (r->status == PRICE_UNKNOWN_MODEL)
        return;
    parts_of(c, parts);
    for (size_t p = 0; p < PRICE_PART_COUNT; p++)
        charge(w, (int)units[p], parts[p], r->pusd[p], &like);
    if (r->request_pusd != 0)
        charge(w, ENGINE_CHARGE_REQUEST, c->rows, r->request_pusd, &like);
}

static int flush_cell(struct worker *w, size_t cell, const struct cell *c, uint8_t class,
                      struct err *err)
{
    const struct block *b = w->block;
    size_t row = w->cells.first_row[cell % w->cells.count];
    struct engine_sums sums = { .requests = c->requests };

    if (class == CELL_PLAIN) {
        const struct block_column *col = &b->columns[LEDGER_USAGE_SOURCE];
        enum usage_source source = block_is_null(b, LEDGER_USAGE_SOURCE, row)
                                       ? USAGE_SOURCE_UNKNOWN
                                       : (enum usage_source)w->sources.ptr[col->codes[row]];
        const struct price_rates *rates = rates_of(w, cell);
        worker_price_cell(w, c, rates, source, &sums);
        if (w->query->measures & ENGINE_CHARGES)
            worker_charge_cell(w, c, rates, source);
        if (rates->status == PRICE_UNKNOWN_MODEL)
            tally_unpriced(w->tally, block_str(b, LEDGER_PROVIDER, row),
                           block_str(b, LEDGER_MODEL, row), false, &sums);
    }
    return worker_add_row(w, row, &sums, err);
}

static int flush_rows(struct worker *w, struct err *err)
{
    struct engine_sums sums;

    vec_clear(&w->odd);
    for (size_t i = 0; i < w->slow.len; i++) {
        worker_price_row(w, w->slow.ptr[i], false, &sums);
        if (worker_add_row(w, w->slow.ptr[i], &sums, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < w->repeated.len; i++) {
        worker_price_row(w, w->repeated.ptr[i], true, &sums);
        if (worker_add_row(w, w->repeated.ptr[i], &sums, err) < 0)
            return -1;
    }
    return worker_list_odd(w, err);
}

/* Sums by cell, all 0, and a class for each. */
static struct cell *start_sums(struct worker *w, uint8_t **ret_classes)
{
    size_t count = w->cells.count;
    size_t needed = 2 * count + 1;

    if (w->sums.cap < needed) {
        vec_release(&w->sums);
        w->sums.ptr = mem_calloc(needed, sizeof(*w->sums.ptr));
        w->sums.cap = needed;
    }
    memset(w->sums.ptr, 0, needed * sizeof(*w->sums.ptr));
    *ret_classes = w->flags.ptr; /* as many as rows, at least */
    for (size_t cell = 0; cell < count; cell++)
        (*ret_classes)[cell] = class_of(w, w->cells.first_row[cell]);
    return w->sums.ptr;
}

int worker_price_block(struct worker *w, struct err *err)
{
    uint8_t *classes;

    number_rows(w);
    find_pricings(w);
    struct cell *sums = start_sums(w, &classes);
    size_t count = w->cells.count;
    uint32_t trash = (uint32_t)(2 * count);
    sort_rows(w, classes, trash);
    sort_long_rows(w, classes, trash);
    sum_requests(w, sums);
    sum_tokens(w, sums);
    redo_cells(w, sums, classes, trash);
    for (size_t i = 0; i < 2 * count; i++)
        if (sums[i].rows > 0 && flush_cell(w, i, &sums[i], classes[i % count], err) < 0)
            return -1;
    return flush_rows(w, err);
}
