#include "config.h"

#include "analyze/trend.h"

#include <assert.h>
#include <stdlib.h>

/* Of the requests whose tokens are counted, for a speed to be one. */
#define TIMED_LEAST_PERCENT 95

static const char *const names[TREND_METRICS] = {
    [TREND_REQUESTS] = "requests",           [TREND_ERRORS] = "errors_percent",
    [TREND_FIRST_P50] = "first_token_p50_s", [TREND_FIRST_P95] = "first_token_p95_s",
    [TREND_TOTAL_P50] = "total_p50_s",       [TREND_TOTAL_P95] = "total_p95_s",
    [TREND_SPEED] = "tokens_per_s",          [TREND_COST] = "cost_usd",
};

const char *trend_metric_name(enum trend_metric metric)
{
    return names[metric];
}

static bool quantile(const struct sketch *s, double q, double *ret)
{
    int64_t us = sketch_quantile(s, q);

    *ret = (double)us / 1e6;
    return us >= 0;
}

/* The sum of what was counted, to SKETCH_ERROR: the middle of each bucket (sketch_bucket). */
static double sum_of(const struct sketch *s)
{
    double sum = 0;

    for (uint32_t i = 0; i < s->len; i++) {
        uint32_t bucket = s->first + i;
        unsigned shift = bucket >> SKETCH_BITS ? (bucket >> SKETCH_BITS) - 1 : 0;
        double low = (double)((uint64_t)(bucket - (shift << SKETCH_BITS)) << shift);
        sum += (double)s->counts[i] * (low + ((double)(UINT64_C(1) << shift) - 1) / 2);
    }
    return sum;
}

/* Tokens whose time nobody recorded would make it look fast: of a table whose rows stand for many
 * requests, or that has times for some. */
static bool is_timed(const struct engine_row *row)
{
    uint64_t timed = 0;

    for (uint32_t i = 0; i < row->detail->duration_us.len; i++)
        timed += row->detail->duration_us.counts[i];
    return (double)timed * 100 >= (double)row->sums.requests * TIMED_LEAST_PERCENT;
}

static bool speed(const struct engine_row *row, double *ret)
{
    double seconds = sum_of(&row->detail->duration_us) / 1e6;

    if (seconds <= 0 || row->sums.output_tokens <= 0 || !is_timed(row))
        return false;
    *ret = (double)row->sums.output_tokens / seconds;
    return true;
}

bool trend_value(const struct engine_row *row, enum trend_metric metric, double *ret)
{
    const struct engine_detail *d = row->detail;
    int64_t requests = row->sums.requests;

    switch (metric) {
    case TREND_REQUESTS:
        *ret = (double)requests;
        return true;
    case TREND_ERRORS:
        *ret = requests > 0 ? 100 * (double)engine_failed(d) / (double)requests : 0;
        return requests > 0;
    case TREND_FIRST_P50:
        return quantile(&d->first_token_us, 0.5, ret);
    case TREND_FIRST_P95:
        return quantile(&d->first_token_us, 0.95, ret);
    case TREND_TOTAL_P50:
        return quantile(&d->duration_us, 0.5, ret);
    case TREND_TOTAL_P95:
        return quantile(&d->duration_us, 0.95, ret);
    case TREND_SPEED:
        return speed(row, ret);
    default:
        *ret = (double)engine_cost(&row->sums) / (double)PUSD_PER_USD;
        return !engine_cost_is_unknown(&row->sums);
    }
}

static int compare_groups(const void *a, const void *b, void *result)
{
    const struct trend_group *x = a, *y = b;
    const struct engine_result *r = result;

    if (x->requests != y->requests)
        return x->requests < y->requests ? 1 : -1;
    for (size_t i = 1; i < r->dimension_count; i++) {
        int c = str_cmp(dimension_value(r->dimensions[i], x->codes[i]),
                        dimension_value(r->dimensions[i], y->codes[i]));
        if (c)
            return c;
    }
    return 0;
}

/* Where each bucket stands in t->buckets. */
static void add_bucket(struct trend *t, struct map *places, struct str name)
{
    bool is_new;
    struct map_entry *e = map_put(places, name, &is_new);

    if (!is_new)
        return;
    e->value = t->buckets.len;
    vec_push(&t->buckets, name);
}

/* In time, those in which nothing was among them; then what that does not reach: rows are in the
 * order of bytes, which is not that of time where the clock is put back. */
static void list_buckets(struct trend *t, struct map *places)
{
    struct dimension *d = t->result->dimensions[0];
    const struct engine_row *rows = t->result->rows.ptr;
    size_t count = t->result->rows.len, steps = 0;
    struct str *list = NULL;

    if (count)
        steps =
            dimension_steps(d, dimension_value(d, rows[0].codes[0]),
                            dimension_value(d, rows[count - 1].codes[0]), TREND_STEPS_MAX, &list);
    for (size_t i = 0; i < steps; i++)
        add_bucket(t, places, list[i]);
    free(list);
    for (size_t i = 0; i < count; i++)
        add_bucket(t, places, dimension_value(d, rows[i].codes[0]));
}

static size_t group_of(struct trend *t, struct map *places, const struct engine_row *row)
{
    size_t bytes = (t->result->dimension_count - 1) * sizeof(*row->codes);
    bool is_new;
    struct map_entry *e =
        map_put(places, (struct str){ (const char *)&row->codes[1], bytes }, &is_new);

    if (is_new) {
        struct trend_group group = { .rows = mem_calloc(t->buckets.len, sizeof(*group.rows)) };
        memcpy(group.codes, row->codes, sizeof(group.codes));
        e->value = t->groups.len;
        vec_push(&t->groups, group);
    }
    return e->value;
}

void trend_build(const struct engine_result *result, struct trend *ret)
{
    struct map places = { 0 }, buckets = { 0 };

    *ret = (struct trend){ .result = result };
    list_buckets(ret, &buckets);
    for (size_t i = 0; i < result->rows.len; i++) {
        const struct engine_row *row = &result->rows.ptr[i];
        struct str name = dimension_value(result->dimensions[0], row->codes[0]);
        const struct map_entry *bucket = map_find(&buckets, name);
        size_t at = group_of(ret, &places, row);
        struct trend_group *g = &ret->groups.ptr[at];
        assert(bucket);
        g->rows[bucket->value] = row;
        g->requests += row->sums.requests;
    }
    map_release(&places);
    map_release(&buckets);
    if (ret->groups.len)
        qsort_r(ret->groups.ptr, ret->groups.len, sizeof(*ret->groups.ptr), compare_groups,
                (void *)(uintptr_t)result);
}

void trend_release(struct trend *t)
{
    for (size_t i = 0; i < t->groups.len; i++)
        free(t->groups.ptr[i].rows);
    vec_release(&t->groups);
    vec_release(&t->buckets);
}
