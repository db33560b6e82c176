#include "config.h"

#include "migrate/success.h"

#include <math.h>
#include <stdlib.h>

/* A step, while the ledger is read. */
struct step_read {
    bool is_rollback;
    int64_t seen_us; /* VERIFIED's value */
};

static const struct portfolio_app *app_of(const struct portfolio *p, struct str name)
{
    return portfolio_find(p, name);
}

/* When the share that is rolled back from came. */
static int64_t began(const struct portfolio_app *a, int32_t share, int64_t before_us)
{
    int64_t at_us = before_us;

    for (size_t i = 0; a && i < a->checkpoint_count; i++)
        if (a->checkpoints[i].share == share && a->checkpoints[i].since_us <= before_us)
            at_us = a->checkpoints[i].since_us;
    return at_us;
}

static void count_step(const struct portfolio *p, const struct rollout_entry *e,
                       struct success *ret)
{
    bool is_back = e->why == ROLLOUT_ROLLBACK;

    if (e->why == ROLLOUT_REHEARSE)
        return;
    ret->steps += !is_back;
    ret->rollbacks += is_back;
    if (!is_back || !e->evidence.len)
        return;
    ret->incidents++;
    int64_t longest = 0;
    for (size_t i = 0; i < e->move_count; i++) {
        int64_t us = e->at_us - began(app_of(p, e->moves[i].app), e->moves[i].from, e->at_us);
        longest = us > longest ? us : longest;
    }
    ret->exposed_us += longest;
}

static int by_size(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;

    return *a < *b ? -1 : *a > *b;
}

/* COMMITTED may say less than its INTENT did. */
static const struct rollout_entry *intent_of(const struct rollout *r, const struct rollout_entry *e)
{
    for (size_t i = (size_t)e->seq; i-- > 0;) {
        const struct rollout_entry *before = rollout_at(r, i);
        if (before->epoch == e->epoch && before->kind == ROLLOUT_INTENT)
            return before;
    }
    return e;
}

void success_make(const struct portfolio *p, const struct arms *arms, struct success *ret)
{
    const struct rollout *r = p->rollout;
    size_t count = rollout_count(r), seen = 0;
    int64_t *times = mem_calloc(count + 1, sizeof(*times));

    *ret = (struct success){
        .arms = arms, .rollback_p50_us = -1, .rollback_max_us = -1, .excluded = -1
    };
    for (size_t i = 0; i < count; i++) {
        const struct rollout_entry *e = rollout_at(r, i);
        if (e->kind == ROLLOUT_COMMITTED) {
            struct rollout_entry step = *intent_of(r, e);
            step.at_us = e->at_us;
            count_step(p, &step, ret);
        }
        if (e->kind == ROLLOUT_VERIFIED && intent_of(r, e)->why == ROLLOUT_ROLLBACK)
            times[seen++] = e->value;
    }
    if (seen) {
        qsort(times, seen, sizeof(*times), by_size);
        ret->rollback_p50_us = times[(seen - 1) / 2];
        ret->rollback_max_us = times[seen - 1];
    }
    free(times);
}

/* --- the section --- */

static void add_metric(struct document *d, const char *name, const char *title)
{
    document_text(d, str_from(name));
    document_text(d, str_from(title));
}

static void add_interval(struct document *d)
{
    document_none(d);
    document_none(d);
}

static void add_number(struct document *d, enum cell_kind kind, i128 n)
{
    document_number(d, kind, n);
    add_interval(d);
}

static void add_real(struct document *d, double x)
{
    if (!(x >= 0) || x > 1e12)
        document_none(d);
    else
        document_number(d, CELL_NUMBER, (i128)(x * (double)RATIO_ONE + 0.5));
}

static void add_share(struct document *d, i128 part, i128 whole)
{
    document_share(d, part, whole);
    add_interval(d);
}

static i128 unattributed_cost(const struct arms *a)
{
    /* Apps come by name: that of nobody is the first. */
    return a->apps.len && !a->apps.ptr[0].app.len ? arms_cost(&a->apps.ptr[0]) : 0;
}

static void add_added_wait(struct document *d, const struct arms_app *all)
{
    int64_t direct = sketch_quantile(&all->sides[ARM_DIRECT].first_token_us, 0.95);
    int64_t gateway = sketch_quantile(&all->sides[ARM_GATEWAY].first_token_us, 0.95);

    if (direct < 0 || gateway < 0)
        document_none(d);
    else
        document_number(d, CELL_US, gateway - direct);
    add_interval(d);
}

static void add_traffic(const struct arms *a, struct document *d)
{
    const struct arms_side *direct = &a->all.sides[ARM_DIRECT],
                           *gateway = &a->all.sides[ARM_GATEWAY];

    add_metric(d, "gateway_share", "calls through the gateway");
    add_share(d, gateway->requests, arms_requests(&a->all));
    add_metric(d, "gateway_cost_share", "spend through the gateway");
    add_share(d, gateway->cost_pusd, arms_cost(&a->all));
    add_metric(d, "unattributed_share", "spend of nobody");
    add_share(d, unattributed_cost(a), arms_cost(&a->all));
    add_metric(d, "cost_ratio", "cost of a call, gateway to direct");
    add_real(d, a->all.cost_ratio);
    add_real(d, a->all.cost_low);
    add_real(d, a->all.cost_high);
    add_metric(d, "first_token_p95_added", "first token p95, added");
    add_added_wait(d, &a->all);
    add_metric(d, "direct_error_rate", "errors directly");
    add_share(d, direct->errors, direct->requests);
    add_metric(d, "gateway_error_rate", "errors through the gateway");
    add_share(d, gateway->errors, gateway->requests);
}

static void add_time(struct document *d, int64_t us)
{
    if (us < 0)
        document_none(d);
    else
        document_number(d, CELL_US, us);
    add_interval(d);
}

void success_add(const struct success *s, struct document *d)
{
    static const struct column_def columns[] = {
        {"metric", "metric",      false},
        { "title", "what",        false},
        { "value", "value",       true },
        { "low",   "from (95 %)", true },
        { "high",  "to",          true },
    };

    document_section(d, "success", "What it has come to");
    document_columns(d, columns, ARRAY_LEN(columns));
    if (s->arms)
        add_traffic(s->arms, d);
    add_metric(d, "excluded_ratio", "errors, gateway to direct: excluded from");
    add_real(d, s->excluded);
    add_interval(d);
    add_metric(d, "steps", "steps up");
    add_number(d, CELL_COUNT, (i128)s->steps);
    add_metric(d, "rollbacks", "rollbacks");
    add_number(d, CELL_COUNT, (i128)s->rollbacks);
    add_metric(d, "incidents", "rollbacks on evidence");
    add_number(d, CELL_COUNT, (i128)s->incidents);
    add_metric(d, "exposed", "how long these were exposed, in all");
    add_time(d, s->exposed_us);
    add_metric(d, "rollback_p50", "a rollback seen to run, p50");
    add_time(d, s->rollback_p50_us);
    add_metric(d, "rollback_max", "the slowest");
    add_time(d, s->rollback_max_us);
    if (!s->arms)
        document_note(d, "The archive was not read: figures of traffic are missing.");
    if (isinf(s->excluded))
        document_note(d, "No ratio of errors is excluded yet.");
}
