/* report_arms - what went through a gateway, beside what went directly: in months in which anything
 * did. */
#include "config.h"

#include <stdlib.h>

#include "analyze/arms.h"
#include "analyze/report_fold.h"

static const struct column_def columns[] = {
    {"app",                         "app",                      false},
    { "requests",                   "requests",                 true },
    { "gateway_requests",           "through the gateway",      true },
    { "gateway_share",              "share",                    true },
    { "gateway_cost_share",         "of the cost",              true },
    { "cost_ratio",                 "cost per call, ratio",     true },
    { "cost_ratio_low",             "from",                     true },
    { "cost_ratio_high",            "to",                       true },
    { "direct_error_rate",          "errors directly",          true },
    { "gateway_error_rate",         "through it",               true },
    { "direct_first_token_p95_us",  "first token p95 directly", true },
    { "gateway_first_token_p95_us", "through it",               true },
    { "first_token_p95_added_us",   "added",                    true },
};

static void add_ratio(struct document *d, double ratio)
{
    if (ratio < 0 || ratio > 1e12)
        document_none(d);
    else
        document_number(d, CELL_NUMBER, (i128)(ratio * (double)RATIO_ONE + 0.5));
}

static void add_times(struct document *d, const struct arms_app *a)
{
    int64_t p95[2];

    for (int arm = 0; arm < 2; arm++) {
        p95[arm] = sketch_quantile(&a->sides[arm].first_token_us, 0.95);
        if (p95[arm] < 0)
            document_none(d);
        else
            document_number(d, CELL_US, p95[arm]);
    }
    if (p95[ARM_DIRECT] < 0 || p95[ARM_GATEWAY] < 0)
        document_none(d);
    else
        document_number(d, CELL_US, p95[ARM_GATEWAY] - p95[ARM_DIRECT]);
}

static void add_row(struct document *d, struct str name, const struct arms_app *a)
{
    const struct arms_side *direct = &a->sides[ARM_DIRECT], *gateway = &a->sides[ARM_GATEWAY];

    document_text(d, name);
    document_number(d, CELL_COUNT, arms_requests(a));
    document_number(d, CELL_COUNT, gateway->requests);
    document_share(d, gateway->requests, arms_requests(a));
    document_share(d, gateway->cost_pusd, arms_cost(a));
    add_ratio(d, a->cost_ratio);
    add_ratio(d, a->cost_low);
    add_ratio(d, a->cost_high);
    document_share(d, direct->errors, direct->requests);
    document_share(d, gateway->errors, gateway->requests);
    add_times(d, a);
}

/* Most calls through the gateway first, equals by name. */
static int compare(const void *left, const void *right)
{
    const struct arms_app *a = left, *b = right;
    int64_t x = a->sides[ARM_GATEWAY].requests, y = b->sides[ARM_GATEWAY].requests;

    if (x != y)
        return x < y ? 1 : -1;
    return str_cmp(a->app, b->app);
}

void report_add_arms(const struct report_input *in, struct document *d)
{
    const struct engine_result *whole = &in->now->parts[REPORT_ARMS].result;
    CLEANUP(arms_release) struct arms arms = { 0 };
    size_t shown = 0, left = 0;

    if (!whole->dimension_count || !arms_has_gateway(whole))
        return;
    arms_make(whole, &in->now->parts[REPORT_ARM_DAYS].result, &arms);
    qsort(arms.apps.ptr, arms.apps.len, sizeof(*arms.apps.ptr), compare);
    document_section(d, "gateway", "Through the gateway");
    document_columns(d, columns, ARRAY_LEN(columns));
    add_row(d, STR("all"), &arms.all);
    for (size_t i = 0; i < arms.apps.len; i++) {
        const struct arms_app *a = &arms.apps.ptr[i];
        if (!a->sides[ARM_GATEWAY].requests)
            continue;
        if (shown++ < in->top)
            add_row(d, fold_name(a->app), a);
        else
            left++;
    }
    if (left)
        document_note(d, "And %zu others with fewer requests through it.", left);
    document_note(d,
                  "The ratio is what a call through the gateway cost beside one that went "
                  "directly, and the interval that covers it 95 times of 100, by days; - where "
                  "there are fewer than %d days with both. Applications that ask differently "
                  "of either are compared all the same.",
                  ARMS_BLOCKS_MIN);
}
