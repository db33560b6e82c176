/* Our side of a reconciliation, out of the ledgers. */
#include "config.h"

#include "analyze/engine.h"
#include "analyze/period.h"
#include "analyze/reconcile.h"

#define MICRO 1000000

enum {
    BY_DAY,
    BY_PROVIDER,
    BY_MODEL,
    BY_TIER,
    BY_COUNT,
};
static const char *const names[BY_COUNT] = { "day", "provider", "model", "service_tier" };

static struct str tier_of(struct str tier)
{
    bool plain = str_eq(tier, STR("default")) || str_eq(tier, STR("standard"));

    return plain ? (struct str){ 0 } : tier;
}

static void add_charges(const struct engine_row *row, struct reconcile_ours *x)
{
    x->is_split = true;
    for (size_t i = 0; i < row->detail->charges.len; i++) {
        const struct engine_charge *c = &row->detail->charges.ptr[i];
        const struct bill_meter *meter = bill_meter_of(c->unit);
        if (meter->unit == BILL_NONE)
            continue;
        x->micro[meter->unit] += c->n * (meter->unit == BILL_SECONDS ? MICRO / 1000 : MICRO);
        x->part_pusd[meter->unit] += c->cost_pusd;
        x->cost_pusd += c->cost_pusd;
    }
}

/* What has a cost of its own, or none: its usage is what no charge counts. */
static void add_rest(const struct engine_row *row, const struct reconcile_ours *charged,
                     struct reconcile_ours *x)
{
    const i128 *sums = row->sums.cost_pusd;

    bill_split(row->detail->units, x->micro);
    for (int u = 0; u < BILL_UNIT_COUNT; u++)
        x->micro[u] -= charged->micro[u];
    x->micro[BILL_CALLS] = 0;
    x->cost_pusd = sums[COST_REPORTED] + sums[COST_GATEWAY];
    x->is_reported = x->cost_pusd != 0;
    x->is_unpriced = row->sums.unpriced_requests > 0;
}

static bool has_whole(const struct engine_row *row)
{
    for (size_t i = 0; i < row->detail->charges.len; i++)
        if (row->detail->charges.ptr[i].unit == ENGINE_CHARGE_WHOLE)
            return true;
    return row->sums.unpriced_requests > 0;
}

static void add_row(struct reconcile_side *side, const struct engine_row *row,
                    struct dimension *const *by)
{
    struct reconcile_ours x = { .requests = row->sums.requests };
    struct str model = dimension_value(by[BY_MODEL], row->codes[BY_MODEL]);
    struct str tier = tier_of(dimension_value(by[BY_TIER], row->codes[BY_TIER]));
    int64_t end_us;

    period_parse(dimension_value(by[BY_DAY], row->codes[BY_DAY]), NULL, &x.day_us, &end_us);
    provider_parse(dimension_value(by[BY_PROVIDER], row->codes[BY_PROVIDER]), &x.provider);
    x.model = arena_str(&side->arena, model);
    x.tier = arena_str(&side->arena, tier);
    struct reconcile_ours rest = x;
    add_charges(row, &x);
    vec_push(&side->rows, x);
    if (!has_whole(row))
        return;
    rest.requests = 0;
    add_rest(row, &x, &rest);
    vec_push(&side->rows, rest);
}

int reconcile_count_ours(const struct engine_query *q, struct reconcile_side *ret, struct err *err)
{
    CLEANUP(engine_result_release) struct engine_result result = { 0 };
    struct dimension *by[BY_COUNT] = { NULL };
    struct engine_query query = *q;
    int r = 0;

    *ret = (struct reconcile_side){ 0 };
    for (size_t i = 0; r == 0 && i < BY_COUNT; i++)
        r = dimension_new(str_from(names[i]), NULL, &by[i], err);
    query.dimensions = by;
    query.dimension_count = BY_COUNT;
    query.measures = ENGINE_MONEY | ENGINE_UNITS | ENGINE_CHARGES;
    if (r == 0)
        r = engine_run(&query, &result, err);
    for (size_t i = 0; r == 0 && i < result.rows.len; i++)
        add_row(ret, &result.rows.ptr[i], by);
    for (size_t i = 0; i < BY_COUNT; i++)
        dimension_free(by[i]);
    return r;
}

void reconcile_side_release(struct reconcile_side *s)
{
    vec_release(&s->rows);
    arena_release(&s->arena);
}
