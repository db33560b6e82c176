#include "config.h"

#include "analyze/arms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a result's dimensions. */
enum { APP, ARM, BLOCK };

/* Sums of a block of time. */
struct block_sum {
    double requests[2], cost[2];
};

/* Student's t, 97.5 %, by degrees of freedom from 1; beyond, the normal's. */
static const double student[] = { 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                                  2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
                                  2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
                                  2.060,  2.056, 2.052, 2.048, 2.045, 2.042 };
#define NORMAL 1.960

static enum arm arm_of(const struct engine_result *r, const struct engine_row *row)
{
    struct str arm = dimension_value(r->dimensions[ARM], row->codes[ARM]);

    if (str_eq(arm, STR("gateway")))
        return ARM_GATEWAY;
    return str_eq(arm, STR("direct")) ? ARM_DIRECT : ARM_UNSAID;
}

bool arms_has_gateway(const struct engine_result *whole)
{
    for (size_t i = 0; i < whole->rows.len; i++)
        if (arm_of(whole, &whole->rows.ptr[i]) == ARM_GATEWAY)
            return true;
    return false;
}

static void add(struct arms_side *to, const struct engine_row *row)
{
    to->requests += row->sums.requests;
    to->cost_pusd += engine_cost(&row->sums);
    to->errors += engine_failed(row->detail);
    sketch_merge(&to->first_token_us, &row->detail->first_token_us);
    sketch_merge(&to->duration_us, &row->detail->duration_us);
}

/* Rows come by app. */
static struct arms_app *app_of(struct arms *a, struct str app)
{
    if (!a->apps.len || !str_eq(a->apps.ptr[a->apps.len - 1].app, app)) {
        struct arms_app empty = { .app = app, .cost_ratio = -1, .cost_low = -1, .cost_high = -1 };
        vec_push(&a->apps, empty);
    }
    return &a->apps.ptr[a->apps.len - 1];
}

/* --- the ratio --- */

static double ratio_of_means(const struct block_sum *s)
{
    double below = s->requests[ARM_GATEWAY] * s->cost[ARM_DIRECT];

    return below > 0 ? s->cost[ARM_GATEWAY] * s->requests[ARM_DIRECT] / below : -1;
}

static struct block_sum without(const struct block_sum *all, const struct block_sum *one)
{
    struct block_sum s = *all;

    for (int arm = 0; arm < 2; arm++) {
        s.requests[arm] -= one->requests[arm];
        s.cost[arm] -= one->cost[arm];
    }
    return s;
}

/* Of the logarithm, as a ratio's errors are factors. */
static void set_interval(struct arms_app *a, const struct block_sum *blocks, size_t count)
{
    struct block_sum all = { 0 };
    size_t both = 0;

    for (size_t i = 0; i < count; i++) {
        for (int arm = 0; arm < 2; arm++) {
            all.requests[arm] += blocks[i].requests[arm];
            all.cost[arm] += blocks[i].cost[arm];
        }
        both += blocks[i].requests[ARM_DIRECT] > 0 && blocks[i].requests[ARM_GATEWAY] > 0;
    }
    double ratio = ratio_of_means(&all), mean = 0, sum = 0;
    if (!(ratio > 0) || both < ARMS_BLOCKS_MIN)
        return;
    double *left = mem_calloc(count, sizeof(*left));
    bool is_known = true;
    for (size_t i = 0; i < count; i++) {
        struct block_sum rest = without(&all, &blocks[i]);
        double r = ratio_of_means(&rest);
        is_known &= r > 0;
        left[i] = r > 0 ? log(r) : 0;
        mean += left[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++)
        sum += (left[i] - mean) * (left[i] - mean);
    double error = sqrt(sum * (double)(count - 1) / (double)count);
    double t = both - 1 <= ARRAY_LEN(student) ? student[both - 2] : NORMAL;
    if (is_known) {
        a->cost_low = ratio * exp(-t * error);
        a->cost_high = ratio * exp(t * error);
    }
    free(left);
}

static void set_ratio(struct arms_app *a)
{
    struct block_sum s = { 0 };

    for (int arm = 0; arm < 2; arm++) {
        s.requests[arm] = (double)a->sides[arm].requests;
        s.cost[arm] = (double)a->sides[arm].cost_pusd;
    }
    a->cost_ratio = ratio_of_means(&s);
}

static struct block_sum *sum_of(struct map *index, struct block_sum **list, struct str block)
{
    bool is_new;
    struct map_entry *e = map_put(index, block, &is_new);

    if (is_new) {
        e->value = index->len - 1;
        *list = mem_realloc(*list, index->len * sizeof(**list));
        (*list)[e->value] = (struct block_sum){ 0 };
    }
    return &(*list)[e->value];
}

/* Of rows [from, to): those of one app, or all. */
static void add_interval(const struct engine_result *r, struct arms_app *a, size_t from, size_t to)
{
    CLEANUP(map_release) struct map index = { 0 };
    struct block_sum *list = NULL;

    for (size_t i = from; i < to; i++) {
        const struct engine_row *row = &r->rows.ptr[i];
        enum arm arm = arm_of(r, row);
        if (arm == ARM_UNSAID)
            continue;
        struct block_sum *s =
            sum_of(&index, &list, dimension_value(r->dimensions[BLOCK], row->codes[BLOCK]));
        s->requests[arm] += (double)row->sums.requests;
        s->cost[arm] += (double)engine_cost(&row->sums);
    }
    set_interval(a, list, index.len);
    free(list);
}

/* Rows of both results come by app. */
static void add_intervals(const struct engine_result *r, struct arms *ret)
{
    size_t from = 0, to;

    add_interval(r, &ret->all, 0, r->rows.len);
    for (size_t i = 0; i < ret->apps.len; i++) {
        struct arms_app *a = &ret->apps.ptr[i];
        for (to = from;
             to < r->rows.len &&
             str_eq(dimension_value(r->dimensions[APP], r->rows.ptr[to].codes[APP]), a->app);)
            to++;
        if (a->sides[ARM_GATEWAY].requests)
            add_interval(r, a, from, to);
        from = to;
    }
}

void arms_make(const struct engine_result *whole, const struct engine_result *blocks,
               struct arms *ret)
{
    *ret = (struct arms){
        .all = {.cost_ratio = -1, .cost_low = -1, .cost_high = -1}
    };
    for (size_t i = 0; i < whole->rows.len; i++) {
        const struct engine_row *row = &whole->rows.ptr[i];
        enum arm arm = arm_of(whole, row);
        struct str app = dimension_value(whole->dimensions[APP], row->codes[APP]);
        add(&app_of(ret, app)->sides[arm], row);
        add(&ret->all.sides[arm], row);
    }
    set_ratio(&ret->all);
    for (size_t i = 0; i < ret->apps.len; i++)
        set_ratio(&ret->apps.ptr[i]);
    if (blocks && blocks->rows.len)
        add_intervals(blocks, ret);
}

static void release_sides(struct arms_app *a)
{
    for (int arm = 0; arm < ARM_COUNT; arm++) {
        sketch_release(&a->sides[arm].first_token_us);
        sketch_release(&a->sides[arm].duration_us);
    }
}

void arms_release(struct arms *a)
{
    release_sides(&a->all);
    for (size_t i = 0; i < a->apps.len; i++)
        release_sides(&a->apps.ptr[i]);
    vec_release(&a->apps);
}

int64_t arms_requests(const struct arms_app *a)
{
    int64_t sum = 0;

    for (int arm = 0; arm < ARM_COUNT; arm++)
        sum += a->sides[arm].requests;
    return sum;
}

i128 arms_cost(const struct arms_app *a)
{
    i128 sum = 0;

    for (int arm = 0; arm < ARM_COUNT; arm++)
        sum += a->sides[arm].cost_pusd;
    return sum;
}
