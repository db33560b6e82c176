/* Our side of a reconciliation, out of the ledgers. */
#include "config.h"

#include "analyze/engine.h"
#include "analyze/period.h"
#include "analyze/reconcile.h"

enum {
    BY_DAY,
    BY_PROVIDER,
    BY_MODEL,
    BY_TIER,
    BY_COUNT,
};
static const char *const names[BY_COUNT] = { "day", "provider", "model", "service_tier" };

/* The units of usage contain each other; those of a bill do not. */
static void split_units(const int64_t u[USAGE_UNIT_COUNT], int64_t n[BILL_UNIT_COUNT])
{
    int64_t audio = u[USAGE_INPUT_AUDIO] - u[USAGE_CACHED_AUDIO];
    int64_t image = u[USAGE_INPUT_IMAGE] - u[USAGE_CACHED_IMAGE];

    n[BILL_INPUT] = u[USAGE_INPUT] - u[USAGE_CACHED_INPUT] - u[USAGE_CACHE_WRITE] - audio - image;
    n[BILL_CACHED_INPUT] = u[USAGE_CACHED_INPUT] - u[USAGE_CACHED_AUDIO] - u[USAGE_CACHED_IMAGE];
    n[BILL_CACHE_WRITE] = u[USAGE_CACHE_WRITE] - u[USAGE_CACHE_WRITE_5M] - u[USAGE_CACHE_WRITE_1H];
    n[BILL_CACHE_WRITE_5M] = u[USAGE_CACHE_WRITE_5M];
    n[BILL_CACHE_WRITE_1H] = u[USAGE_CACHE_WRITE_1H];
    n[BILL_OUTPUT] = u[USAGE_OUTPUT] - u[USAGE_OUTPUT_AUDIO] - u[USAGE_OUTPUT_IMAGE];
    n[BILL_INPUT_AUDIO] = audio;
    n[BILL_CACHED_AUDIO] = u[USAGE_CACHED_AUDIO];
    n[BILL_OUTPUT_AUDIO] = u[USAGE_OUTPUT_AUDIO];
    n[BILL_INPUT_IMAGE] = image;
    n[BILL_CACHED_IMAGE] = u[USAGE_CACHED_IMAGE];
    n[BILL_OUTPUT_IMAGE] = u[USAGE_OUTPUT_IMAGE];
    n[BILL_WEB_SEARCHES] = u[USAGE_WEB_SEARCHES];
    n[BILL_FILE_SEARCHES] = u[USAGE_FILE_SEARCHES];
    n[BILL_CODE_SESSIONS] = u[USAGE_CODE_SESSIONS];
    n[BILL_IMAGES] = u[USAGE_IMAGES];
    n[BILL_SECONDS] = (u[USAGE_AUDIO_MS] + 500) / 1000;
    n[BILL_CHARACTERS] = u[USAGE_CHARACTERS];
}

static struct str tier_of(struct str tier)
{
    bool plain = str_eq(tier, STR("default")) || str_eq(tier, STR("standard"));

    return plain ? (struct str){ 0 } : tier;
}

static void add_row(struct reconcile_side *side, const struct engine_row *row,
                    struct dimension *const *by)
{
    struct reconcile_ours x = { .requests = row->sums.requests,
                                .cost_pusd = engine_cost(&row->sums),
                                .is_unpriced = row->sums.unpriced_requests > 0 };
    struct str model = dimension_value(by[BY_MODEL], row->codes[BY_MODEL]);
    struct str tier = tier_of(dimension_value(by[BY_TIER], row->codes[BY_TIER]));
    int64_t end_us;

    period_parse(dimension_value(by[BY_DAY], row->codes[BY_DAY]), NULL, &x.day_us, &end_us);
    provider_parse(dimension_value(by[BY_PROVIDER], row->codes[BY_PROVIDER]), &x.provider);
    x.model = arena_str(&side->arena, model);
    x.tier = arena_str(&side->arena, tier);
    split_units(row->detail->units, x.n);
    vec_push(&side->rows, x);
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
    query.measures = ENGINE_MONEY | ENGINE_UNITS;
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
