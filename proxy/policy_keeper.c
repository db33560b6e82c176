#include "config.h"

#include "proxy/policy_keeper.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "policy/admit.h"
#include "policy/steer.h"
#include "proxy/budgets.h"
#include "proxy/proxy_policy.h"

#define SAVE_US   UINT64_C(1000000)
#define SHOWN_MAX 1000 /* targets, and budgets: a page of metrics has its limits */

struct policy_keeper {
    struct policy_keeper_options o;
    struct proxy_conf *conf; /* a reference */
    struct shared_state *shared;
    struct budgets *budgets;
    struct loop_timer timer;
    bool save_failed; /* said once */
};

static const struct policy *policy_of(const struct policy_keeper *k)
{
    return k->conf->policy ? k->conf->policy->policy : NULL;
}

static int64_t now_of(const struct policy_keeper *k)
{
    return (int64_t)loop_wall_us(k->o.loop);
}

/* --- life --- */

static void save(struct policy_keeper *k)
{
    struct err err;

    if (!policy_of(k) || !policy_budget_count(policy_of(k)))
        return;
    bool failed = budgets_save(k->budgets, policy_of(k), k->shared, now_of(k), &err) < 0;
    if (failed && !k->save_failed)
        log_event(k->o.log, LOG_LEVEL_ERROR, loop_wall_us(k->o.loop), "budgets_not_saved",
                  LOG_STR("reason", str_from(err.text)));
    k->save_failed = failed;
}

static void on_timer(void *ctx)
{
    struct policy_keeper *k = ctx;

    save(k);
    loop_timer_set(k->o.loop, &k->timer, loop_now_us(k->o.loop) + SAVE_US);
}

/* What cannot be read is said, and counts as nothing spent: traffic is worth more than a limit that
 * is kept to in the first minute. */
static void load(struct policy_keeper *k)
{
    struct err err;

    if (policy_of(k) && policy_budget_count(policy_of(k)) &&
        budgets_load(k->budgets, policy_of(k), k->shared, now_of(k), &err) < 0)
        log_event(k->o.log, LOG_LEVEL_ERROR, loop_wall_us(k->o.loop), "budgets_not_loaded",
                  LOG_STR("reason", str_from(err.text)));
}

int policy_keeper_open(const struct policy_keeper_options *options, struct proxy_conf *c,
                       struct policy_keeper **ret, struct err *err)
{
    CLEANUP(policy_keeper_close) struct policy_keeper *k = mem_calloc(1, sizeof(*k));

    k->o = *options;
    k->conf = proxy_conf_ref(c);
    k->timer = (struct loop_timer){ .fn = on_timer, .ctx = k };
    k->budgets = budgets_new(options->budgets_path);
    if (shared_state_open(&k->shared, err) < 0)
        return -1;
    load(k);
    loop_timer_set(k->o.loop, &k->timer, loop_now_us(k->o.loop) + SAVE_US);
    *ret = TAKE(k);
    return 0;
}

void policy_keeper_close(struct policy_keeper *k)
{
    if (!k)
        return;
    if (k->shared)
        save(k);
    loop_timer_cancel(k->o.loop, &k->timer);
    budgets_free(k->budgets);
    shared_state_close(k->shared);
    proxy_conf_unref(k->conf);
    free(k);
}

void policy_keeper_use(struct policy_keeper *k, struct proxy_conf *c)
{
    save(k);
    proxy_conf_unref(k->conf);
    k->conf = proxy_conf_ref(c);
}

void policy_keeper_forget(struct policy_keeper *k, int worker)
{
    struct policy_state *state = shared_state_lock(k->shared);

    policy_forget_holder(state, (uint32_t)worker, now_of(k));
    shared_state_unlock(k->shared);
}

struct shared_state *policy_keeper_shared(const struct policy_keeper *k)
{
    return k->shared;
}

/* --- metrics --- */

static void add_label(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, (unsigned char)value.ptr[i] < ' ' ? ' ' : value.ptr[i]);
    }
    buf_add_byte(out, '"');
}

static void add_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP weir_%s %s\n# TYPE weir_%s %s\n", name, help, name, type);
}

static int by_labels(const void *a, const void *b)
{
    const struct shared_counter *x = a, *y = b;

    return str_cmp(str_from(x->labels), str_from(y->labels));
}

static void add_counters(struct policy_keeper *k, struct buf *out)
{
    static const char *const names[][2] = {
        [SHARED_DECISIONS] = {"policy_decisions_total",
                              "What rules of the policy said of calls."                                       },
        [SHARED_ATTEMPTS] = { "attempts_total",        "Attempts at an answer, and targets "
                                                "passed over."},
    };
    struct shared_counter *list = mem_calloc(SHARED_COUNTERS_MAX, sizeof(*list));
    size_t count = shared_state_counters(k->shared, list);

    qsort(list, count, sizeof(*list), by_labels);
    for (unsigned kind = 0; kind < SHARED_COUNTER_KINDS; kind++) {
        add_family(out, names[kind][0], "counter", names[kind][1]);
        for (size_t i = 0; i < count; i++)
            if (list[i].kind == kind)
                buf_addf(out, "weir_%s{%s} %" PRIu64 "\n", names[kind][0], list[i].labels,
                         list[i].n);
    }
    free(list);
}

static size_t shown(size_t count)
{
    return count < SHOWN_MAX ? count : SHOWN_MAX;
}

static void add_health(struct policy_keeper *k, struct buf *out)
{
    const struct policy *p = policy_of(k);
    struct policy_state *state = shared_state_lock(k->shared);

    add_family(out, "target_health", "gauge",
               "0 = in use, 1 = out, 2 = being tried again, 3 = slow.");
    for (size_t i = 0; i < shown(policy_target_count(p)); i++) {
        const struct policy_target *t = policy_target(p, (uint32_t)i);
        struct steer_target_view v;
        steer_view(p, state, (uint32_t)i, now_of(k), &v);
        buf_add_text(out, "weir_target_health{");
        add_label(out, "upstream", t->upstream);
        buf_add_byte(out, ',');
        add_label(out, "model", t->model);
        buf_addf(out, "} %d\n", (int)v.health);
    }
    shared_state_unlock(k->shared);
}

static void add_usd(struct buf *out, int64_t nusd)
{
    buf_addf(out, "%" PRId64 ".%09" PRId64, nusd / 1000000000, nusd % 1000000000);
}

static void add_budgets(struct policy_keeper *k, struct buf *out)
{
    static const char *const names[][2] = {
        {"budget_limit_usd",     "What may be spent in the present period."          },
        { "budget_spent_usd",    "What was spent in it."                             },
        { "budget_reserved_usd", "What calls under way may cost at most."            },
        { "budget_beyond_usd",   "What calls cost beyond what was reserved for them."},
    };
    const struct policy *p = policy_of(k);
    struct policy_state *state = shared_state_lock(k->shared);

    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        add_family(out, names[n][0], "gauge", names[n][1]);
        for (size_t i = 0; i < shown(policy_budget_count(p)); i++) {
            struct policy_budget_state b;
            uint32_t rule = policy_budget(p, state, i, now_of(k), &b);
            const int64_t values[] = { policy_budget_plan(p, i)->nusd, b.spent_nusd,
                                       b.reserved_nusd, b.beyond_nusd };
            buf_addf(out, "weir_%s{", names[n][0]);
            add_label(out, "rule", policy_rule(p, rule)->id);
            buf_add_text(out, "} ");
            add_usd(out, values[n]);
            buf_add_byte(out, '\n');
        }
    }
    shared_state_unlock(k->shared);
}

void policy_keeper_metrics(struct policy_keeper *k, struct buf *out)
{
    if (!policy_of(k))
        return;
    add_counters(k, out);
    if (policy_target_count(policy_of(k)))
        add_health(k, out);
    if (policy_budget_count(policy_of(k)))
        add_budgets(k, out);
}

/* --- status --- */

static const char *const health_names[] = {
    [STEER_CLOSED] = "in use",
    [STEER_OPEN] = "out",
    [STEER_HALF_OPEN] = "being tried",
    [STEER_SLOW] = "slow",
};

static void add_targets(struct policy_keeper *k, struct buf *out)
{
    const struct policy *p = policy_of(k);
    struct policy_state *state = shared_state_lock(k->shared);

    json_add_key(out, "targets");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < shown(policy_target_count(p)); i++) {
        const struct policy_target *t = policy_target(p, (uint32_t)i);
        struct steer_target_view v;
        char until[TIMESTAMP_TEXT_BYTES];
        steer_view(p, state, (uint32_t)i, now_of(k), &v);
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "upstream", t->upstream);
        json_add_str(out, "model", t->model);
        json_add_str(out, "health", str_from(health_names[v.health]));
        if (v.health == STEER_OPEN)
            json_add_str(out, "until", str_from(timestamp_format(v.until_us, until)));
        json_add_int(out, "attempts", (int64_t)v.attempts);
        json_add_int(out, "failures", (int64_t)v.failures);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    shared_state_unlock(k->shared);
}

static void add_spending(struct policy_keeper *k, struct buf *out)
{
    const struct policy *p = policy_of(k);
    struct policy_state *state = shared_state_lock(k->shared);

    json_add_key(out, "budgets");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < shown(policy_budget_count(p)); i++) {
        struct policy_budget_state b;
        uint32_t rule = policy_budget(p, state, i, now_of(k), &b);
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "rule", policy_rule(p, rule)->id);
        json_add_key(out, "limit_usd");
        add_usd(out, policy_budget_plan(p, i)->nusd);
        json_add_key(out, "spent_usd");
        add_usd(out, b.spent_nusd);
        json_add_key(out, "reserved_usd");
        add_usd(out, b.reserved_nusd);
        json_add_int(out, "unpriced_calls", b.unpriced);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    shared_state_unlock(k->shared);
}

void policy_keeper_status(struct policy_keeper *k, struct buf *out)
{
    if (!policy_of(k))
        return;
    add_targets(k, out);
    add_spending(k, out);
}
