/* engine_block - one block into the tally: its groups, and everything but money. */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "analyze/engine_tally.h"
#include "analyze/engine_worker.h"

/* The columns that money reads, beside the units of usage. */
static const enum ledger_column money_columns[] = {
    LEDGER_APP,
    LEDGER_TEAM,
    LEDGER_PROVIDER,
    LEDGER_MODEL,
    LEDGER_BILLABLE,
    LEDGER_GEO,
    LEDGER_VARIANT,
    LEDGER_USAGE_SOURCE,
    LEDGER_SERVICE_TIER,
    LEDGER_REPORTED_COST,
    LEDGER_REPORTED_COST_FIELD,
    LEDGER_PATH,
};

void worker_columns(const struct engine_query *q, struct scan_columns *ret)
{
    ret->want[LEDGER_PART] = ret->want[LEDGER_REQUESTS] = ret->want[LEDGER_STARTED_AT] = true;
    for (size_t i = 0; i < q->dimension_count; i++)
        dimension_columns(q->dimensions[i], ret);
    if (q->measures & ENGINE_MONEY) {
        for (size_t i = 0; i < ARRAY_LEN(money_columns); i++)
            ret->want[money_columns[i]] = true;
        for (size_t u = 0; u < USAGE_UNIT_COUNT; u++)
            ret->want[LEDGER_USAGE + u] = u != USAGE_TOOL_CALLS;
        repeats_hint_columns(ret);
    }
    for (size_t c = 0; q->columns && c < LEDGER_COLUMN_COUNT; c++)
        ret->want[c] |= q->columns->want[c];
    if (q->measures & ENGINE_ERRORS)
        ret->want[LEDGER_ERROR_CLASS] = true;
    if (q->measures & ENGINE_LATENCY)
        ret->want[LEDGER_END_US] = ret->want[LEDGER_FIRST_TOKEN_US] = true;
    if (q->measures & ENGINE_USERS)
        ret->want[LEDGER_END_USER] = true;
    if (q->measures & ENGINE_STEPS)
        ret->want[LEDGER_ATTEMPTS] = ret->want[LEDGER_FALLBACK] = ret->want[LEDGER_ADDED_US] =
            ret->want[LEDGER_CUT_ATTEMPTS] = true;
    if (q->whatif && q->whatif->first_choice)
        ret->want[LEDGER_FALLBACK] = ret->want[LEDGER_FIRST_MODEL] = true;
}

void worker_release(struct worker *w)
{
    composite_release(&w->groups);
    composite_release(&w->keys);
    composite_release(&w->cells);
    vec_release(&w->group_rows);
    vec_release(&w->pricings);
    vec_release(&w->sums);
    vec_release(&w->slow);
    vec_release(&w->repeated);
    vec_release(&w->odd);
    vec_release(&w->charges);
    vec_release(&w->sources);
    vec_release(&w->providers);
    vec_release(&w->others);
    vec_release(&w->flags);
    vec_release(&w->details);
    price_cache_free(w->prices);
}

int64_t worker_requests(const struct block *b, size_t row)
{
    if (block_int(b, LEDGER_PART, row) != 0)
        return 0;
    return b->columns[LEDGER_REQUESTS].absent ? 1 : block_int(b, LEDGER_REQUESTS, row);
}

bool worker_is_unattributed(const struct block *b, size_t row)
{
    return block_str(b, LEDGER_APP, row).len == 0 && block_str(b, LEDGER_TEAM, row).len == 0;
}

enum usage_source worker_parse_source(struct str name)
{
    for (size_t s = 0; s < USAGE_SOURCE_COUNT; s++)
        if (str_eq(name, str_from(usage_source_name((enum usage_source)s))))
            return (enum usage_source)s;
    return USAGE_SOURCE_UNKNOWN;
}

enum error_class worker_parse_error(struct str name)
{
    for (size_t e = 0; e < ERROR_CLASS_COUNT; e++)
        if (str_eq(name, str_from(error_class_name((enum error_class)e))))
            return (enum error_class)e;
    return ERROR_CLASS_NONE;
}

static void read_dictionaries(struct worker *w)
{
    const struct block_column *sources = &w->block->columns[LEDGER_USAGE_SOURCE];
    const struct block_column *providers = &w->block->columns[LEDGER_PROVIDER];

    vec_clear(&w->sources);
    for (size_t i = 0; i < sources->dict_len; i++)
        vec_push(&w->sources, (uint8_t)worker_parse_source(sources->dict[i]));
    vec_clear(&w->providers);
    for (size_t i = 0; i < providers->dict_len; i++) {
        enum provider p = PROVIDER_UNKNOWN;
        provider_parse(providers->dict[i], &p);
        vec_push(&w->providers, (uint8_t)p);
    }
}

static bool any_other(const struct block_column *col, size_t rows, int64_t than)
{
    int64_t differ = 0;

    for (size_t row = 0; !col->absent && row < rows; row++)
        differ |= col->ints[row] ^ than;
    return differ != 0;
}

static void number_groups(struct worker *w)
{
    struct dimension_rows d;

    composite_start(&w->groups, w->block->rows);
    for (size_t i = 0; i < w->tally->dimension_count; i++) {
        dimension_prepare(w->tally->dimensions[i], w->block);
        dimension_split(w->tally->dimensions[i], w->block, &d);
        if (d.numbers)
            composite_split(&w->groups, d.numbers, d.is_null, d.limit);
    }
    vec_clear(&w->group_rows);
    for (size_t i = 0; i < w->groups.count; i++)
        vec_push(&w->group_rows, GROUP_UNSEEN);
}

int worker_group(struct worker *w, uint32_t group, struct engine_row **ret, struct err *err)
{
    uint32_t codes[DIMENSIONS_MAX];
    size_t index = w->group_rows.ptr[group], row = w->groups.first_row[group];

    if (index == GROUP_UNSEEN) {
        for (size_t i = 0; i < w->tally->dimension_count; i++)
            codes[i] = dimension_code(w->tally->dimensions[i], w->block, row);
        if (tally_group(w->tally, codes, &index, err) < 0)
            return -1;
        w->group_rows.ptr[group] = (uint32_t)index;
    }
    *ret = &w->tally->rows.ptr[index];
    return 0;
}

/* --- measures beside money --- */

static bool is_kept(const struct block *b, size_t row)
{
    return !b->keep || b->keep[row];
}

static int count_requests(struct worker *w, struct err *err)
{
    const struct block *b = w->block;
    struct engine_row *group;
    int64_t *counts = mem_calloc(w->groups.count, 2 * sizeof(*counts));
    int64_t *rows = counts + w->groups.count;
    int r = 0;

    bool same = !w->has_parts && !w->has_requests;
    for (size_t row = 0; row < b->rows; row++)
        rows[w->groups.ids[row]] += is_kept(b, row);
    for (size_t row = 0; !same && row < b->rows; row++)
        counts[w->groups.ids[row]] += is_kept(b, row) ? worker_requests(b, row) : 0;
    for (size_t g = 0; r == 0 && g < w->groups.count; g++) {
        if (rows[g] == 0)
            continue;
        r = worker_group(w, (uint32_t)g, &group, err);
        if (r == 0)
            group->sums.requests += same ? rows[g] : counts[g];
    }
    free(counts);
    return r;
}

/* Fills details: the tally's rows do not move any more while the block is counted. */
static int find_details(struct worker *w, struct err *err)
{
    const struct block *b = w->block;
    struct engine_row *group;

    for (size_t row = 0; row < b->rows; row++)
        if (is_kept(b, row) && w->group_rows.ptr[w->groups.ids[row]] == GROUP_UNSEEN &&
            worker_group(w, w->groups.ids[row], &group, err) < 0)
            return -1;
    vec_clear(&w->details);
    for (size_t g = 0; g < w->groups.count; g++) {
        uint32_t index = w->group_rows.ptr[g];
        vec_push(&w->details, index == GROUP_UNSEEN ? NULL : &w->tally->rows.ptr[index]);
    }
    return 0;
}

static struct engine_detail *detail_of(const struct worker *w, size_t row)
{
    return w->details.ptr[w->groups.ids[row]]->detail;
}

static void count_errors(struct worker *w)
{
    const struct block *b = w->block;
    const struct block_column *col = &b->columns[LEDGER_ERROR_CLASS];

    vec_clear(&w->sources);
    for (size_t i = 0; i < col->dict_len; i++)
        vec_push(&w->sources, (uint8_t)worker_parse_error(col->dict[i]));
    for (size_t row = 0; row < b->rows; row++) {
        if (!is_kept(b, row))
            continue;
        bool none = block_is_null(b, LEDGER_ERROR_CLASS, row);
        detail_of(w, row)->errors[none ? ERROR_CLASS_NONE : w->sources.ptr[col->codes[row]]] +=
            worker_requests(b, row);
    }
}

/* One column into one sketch of each group; an exchange counts once. */
static void count_latency(struct worker *w, enum ledger_column column, size_t sketch_offset)
{
    const struct block *b = w->block;
    const struct block_column *col = &b->columns[column];

    for (size_t row = 0; !col->absent && row < b->rows; row++) {
        if (!is_kept(b, row) || (col->is_null && col->is_null[row]) ||
            (w->has_parts && block_int(b, LEDGER_PART, row) != 0))
            continue;
        char *detail = (char *)detail_of(w, row);
        struct sketch *s = (struct sketch *)(void *)(detail + sketch_offset);
        uint32_t at = sketch_bucket(col->ints[row]);
        if (at - s->first < s->len) {
            s->counts[at - s->first]++;
            s->total++;
        } else {
            sketch_add_bucket(s, at, 1);
        }
    }
}

static void count_steps(struct worker *w)
{
    const struct block *b = w->block;

    for (size_t row = 0; !b->columns[LEDGER_ATTEMPTS].absent && row < b->rows; row++) {
        if (!is_kept(b, row) || block_is_null(b, LEDGER_ATTEMPTS, row) ||
            (w->has_parts && block_int(b, LEDGER_PART, row) != 0))
            continue;
        struct engine_steps *s = &detail_of(w, row)->steps;
        int64_t attempts = block_int(b, LEDGER_ATTEMPTS, row);
        int64_t added_us = block_int(b, LEDGER_ADDED_US, row);
        s->known++;
        s->extra += attempts > 1 ? attempts - 1 : 0;
        s->fallbacks += block_int(b, LEDGER_FALLBACK, row);
        s->cut += block_int(b, LEDGER_CUT_ATTEMPTS, row);
        if (added_us > 0 && added_us < WORKER_ADDED_MAX_US) {
            s->added_us += added_us;
            sketch_add_bucket(&s->added, sketch_bucket(added_us), 1);
        }
    }
}

/* Each pair of group and user once: w->cells is free while money is not under way. */
static void count_users(struct worker *w)
{
    const struct block *b = w->block;
    const struct block_column *col = &b->columns[LEDGER_END_USER];

    if (col->absent)
        return;
    composite_copy(&w->cells, &w->groups);
    composite_split(&w->cells, col->codes, col->is_null, col->dict_len);
    if (b->keep)
        composite_split_flags(&w->cells, b->keep);
    for (size_t i = 0; i < w->cells.count; i++) {
        size_t row = w->cells.first_row[i];
        struct str user = block_str(b, LEDGER_END_USER, row);
        if (is_kept(b, row) && user.len > 0)
            distinct_add(&detail_of(w, row)->users, map_hash(user));
    }
}

static void count_times(struct worker *w)
{
    const struct block *b = w->block;

    for (size_t row = 0; row < b->rows; row++) {
        if (!is_kept(b, row))
            continue;
        int64_t us = block_int(b, LEDGER_STARTED_AT, row);
        struct engine_detail *d = detail_of(w, row);
        d->first_us = us < d->first_us ? us : d->first_us;
        d->last_us = us > d->last_us ? us : d->last_us;
    }
}

static int64_t unit_of(const struct block *b, size_t unit, size_t row)
{
    return block_int(b, (enum ledger_column)(LEDGER_USAGE + unit), row);
}

/* Column by column; what fetched answers have counted before is taken off again. */
static void count_units(struct worker *w)
{
    const struct block *b = w->block;

    for (size_t u = 0; u < USAGE_UNIT_COUNT; u++) {
        const struct block_column *col = &b->columns[LEDGER_USAGE + u];
        if (u == USAGE_TOOL_CALLS || col->absent)
            continue;
        for (size_t row = 0; row < b->rows; row++)
            if (is_kept(b, row) && block_int(b, LEDGER_BILLABLE, row))
                detail_of(w, row)->units[u] += unit_of(b, u, row);
        for (size_t i = 0; i < w->repeated.len; i++)
            if (block_int(b, LEDGER_BILLABLE, w->repeated.ptr[i]))
                detail_of(w, w->repeated.ptr[i])->units[u] -= unit_of(b, u, w->repeated.ptr[i]);
    }
}

static int count_details(struct worker *w, struct err *err)
{
    uint32_t measures = w->query->measures;

    if (!(measures & ~(uint32_t)ENGINE_MONEY))
        return 0;
    if (find_details(w, err) < 0)
        return -1;
    if (measures & ENGINE_ERRORS)
        count_errors(w);
    if (measures & ENGINE_LATENCY) {
        count_latency(w, LEDGER_END_US, offsetof(struct engine_detail, duration_us));
        count_latency(w, LEDGER_FIRST_TOKEN_US, offsetof(struct engine_detail, first_token_us));
    }
    if (measures & ENGINE_USERS)
        count_users(w);
    if (measures & ENGINE_TIMES)
        count_times(w);
    if (measures & ENGINE_UNITS)
        count_units(w);
    if (measures & ENGINE_STEPS)
        count_steps(w);
    return 0;
}

/* --- the block --- */

static void find_repeated(struct worker *w)
{
    size_t count = 0;
    const struct repeats_row *rows = w->repeats ? repeats_of(w->repeats, w->place, &count) : NULL;

    vec_clear(&w->repeated);
    for (size_t i = 0; i < count; i++)
        if (is_kept(w->block, rows[i].row))
            vec_push(&w->repeated, rows[i].row);
}

int worker_add(struct worker *w, const struct block *b, uint64_t place, struct err *err)
{
    w->block = b;
    w->place = place;
    if (w->flags.cap < b->rows) {
        vec_release(&w->flags);
        w->flags.ptr = mem_calloc(b->rows, 1);
        w->flags.cap = b->rows;
    }
    w->has_parts = any_other(&b->columns[LEDGER_PART], b->rows, 0);
    w->has_requests = any_other(&b->columns[LEDGER_REQUESTS], b->rows, 1);
    number_groups(w);
    if (!(w->query->measures & ENGINE_MONEY))
        return count_requests(w, err) < 0 ? -1 : count_details(w, err);
    if (!w->repeats && repeats_may_be_in(b)) {
        w->meet = true;
        return 0;
    }
    find_repeated(w);
    read_dictionaries(w);
    if ((w->query->on_row ? worker_show_rows : worker_price_block)(w, err) < 0)
        return -1;
    return count_details(w, err);
}
