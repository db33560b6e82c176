/* Budgets and counts under many callers at once, against a model that shares nothing with them. */
#include "config.h"

#include "policy/admit.h"

#include <stdio.h>

#include "base/timestamp.h"
#include "tests/check_main.h"
#include "tests/policy_sample.h"

#define CALLERS 200
#define HOLDERS 8
#define APPS    4
/* The sanitizers' build is ten times as slow, and looks for something else. */
#if defined(__SANITIZE_ADDRESS__)
#define TURNS 500
#else
#define TURNS 10000 /* of each caller */
#endif
#define USUAL_TURNS 10000 /* for which the budgets are made; fewer calls are larger */

/* 2026-01-15T00:00:00Z */
#define BEGIN      INT64_C(1768435200000000)
#define DAYS       80
#define CONCURRENT 30

static const char rules[] =
    "policy: {mode: enforce, limits: [{app: '*', concurrent: 30}]}\n"
    "budget: {day: 32 USD, week: 160 USD, month: 600 USD, hard: true, alert_at: [1%]}\n"
    "teams: {even: {budget: {day: 20 USD, hard: true}}}\n"
    "apps: {app-0: {budget: {month: 250 USD, hard: true}}, app-1: {budget: {day: 1 USD}}}\n";

/* --- the model --- */

struct model_period {
    int64_t spent, reserved, beyond;
};

struct model_budget {
    const struct plan_budget *plan;
    struct model_period *at; /* by day: what is of a week or month is at its first */
    int64_t first[DAYS + 1]; /* day of the period of each day */
};

struct call {
    bool is_live;
    int app;
    int64_t day; /* it began on */
    int64_t reserved;
    struct policy_claims claims;
};

struct model {
    struct policy_sample *sample;
    struct model_budget budgets[16];
    size_t budget_count;
    struct call calls[CALLERS];
    int under_way[APPS];
    int64_t now_us;
    uint64_t random;
    uint64_t went, refused;
    int64_t scale; /* of the tokens of a call */
};

static uint64_t draw(struct model *m, uint64_t below)
{
    m->random = m->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (m->random >> 33) % below;
}

/* By the calendar, day by day: on purpose not how the policy does it. */
static int64_t first_day(enum plan_budget_per per, int64_t day)
{
    for (;; day--) {
        struct civil c = civil_from_us(BEGIN + day * US_PER_DAY);
        if (per == PLAN_BUDGET_DAY || (per == PLAN_BUDGET_WEEK && civil_weekday(c) == 0) ||
            (per == PLAN_BUDGET_MONTH && c.day == 1))
            return day;
    }
}

/* Periods may have begun up to a month before the test does. */
static struct model_period *period_of(const struct model_budget *b, int64_t day)
{
    return &b->at[b->first[day] + 32];
}

static bool is_about(const struct plan_budget *b, int app)
{
    char name[16];

    snprintf(name, sizeof(name), "app-%d", app);
    if (b->of == PLAN_BUDGET_TEAM)
        return app % 2 == 0;
    return b->of == PLAN_BUDGET_ALL || str_eq(b->name, str_from(name));
}

static int64_t day_of(const struct model *m)
{
    return (m->now_us - BEGIN) / US_PER_DAY;
}

static bool would_go(const struct model *m, int app, int64_t reserve)
{
    if (m->under_way[app] >= CONCURRENT)
        return false;
    for (size_t i = 0; i < m->budget_count; i++) {
        const struct model_budget *b = &m->budgets[i];
        if (!is_about(b->plan, app) || !b->plan->hard)
            continue;
        const struct model_period *p = period_of(b, day_of(m));
        if (p->spent + p->reserved >= b->plan->nusd ||
            p->spent + p->reserved + reserve > b->plan->nusd)
            return false;
    }
    return true;
}

/* Cost -1 = what was reserved. */
static void end_of(struct model *m, struct call *c, int64_t cost)
{
    cost = cost < 0 ? c->reserved : cost;
    for (size_t i = 0; i < m->budget_count; i++) {
        if (!is_about(m->budgets[i].plan, c->app))
            continue;
        struct model_period *p = period_of(&m->budgets[i], c->day);
        p->reserved -= c->reserved;
        p->spent += cost;
        p->beyond += cost > c->reserved ? cost - c->reserved : 0;
    }
    m->under_way[c->app]--;
    c->is_live = false;
}

static void begin_of(struct model *m, struct call *c)
{
    for (size_t i = 0; i < m->budget_count; i++)
        if (is_about(m->budgets[i].plan, c->app))
            period_of(&m->budgets[i], c->day)->reserved += c->reserved;
    m->under_way[c->app]++;
    c->is_live = true;
}

/* --- both --- */

static void check_books(struct model *m, bool within)
{
    for (size_t i = 0; i < m->budget_count; i++) {
        const struct model_period *p = period_of(&m->budgets[i], day_of(m));
        const struct plan_budget *plan = m->budgets[i].plan;
        struct policy_budget_state b;
        policy_budget(m->sample->policy, m->sample->state, i, m->now_us, &b);
        ck_assert(b.spent_nusd == p->spent && b.reserved_nusd == p->reserved);
        ck_assert(b.beyond_nusd == p->beyond);
        if (plan->hard)
            ck_assert(b.spent_nusd + b.reserved_nusd <= plan->nusd + b.beyond_nusd);
        ck_assert(!within || b.beyond_nusd == 0);
    }
}

static void try_call(struct model *m, struct call *c, uint32_t holder)
{
    char app[16];
    struct policy_ask ask = { .now_us = m->now_us,
                              .input_tokens = ((int64_t)draw(m, 4000) + 1) * m->scale,
                              .output_tokens = ((int64_t)draw(m, 2000) + 1) * m->scale,
                              .holder = holder };
    struct policy_try t;

    c->app = (int)draw(m, APPS);
    c->day = day_of(m);
    c->reserved = 1000 * ask.input_tokens + 2000 * ask.output_tokens;
    snprintf(app, sizeof(app), "app-%d", c->app);
    struct policy_subject s = { .app = str_from(app),
                                .team = str_from(c->app % 2 ? "odd" : "even"),
                                .api = STR("openai"),
                                .model = STR("unit") };
    bool goes = would_go(m, c->app, c->reserved);
    policy_try_at(m->sample, &s, &ask, &t);
    ck_assert_int_eq(t.said.verdict == POLICY_GO, goes);
    m->went += goes;
    m->refused += !goes;
    c->claims = t.claims;
    if (goes)
        begin_of(m, c);
}

/* within: no call costs more than was reserved for it. */
static void settle_call(struct model *m, struct call *c, bool within)
{
    struct policy_used used = { .tokens = -1, .nusd = -1 };

    if (draw(m, 10))
        used.nusd = (int64_t)draw(m, (uint64_t)c->reserved * (within ? 1 : 3) + 1);
    policy_settle(m->sample->policy, m->sample->state, &c->claims, &used, m->now_us);
    end_of(m, c, used.nusd);
}

static void crash(struct model *m, uint32_t holder)
{
    policy_forget_holder(m->sample->state, holder, m->now_us);
    for (uint32_t i = holder; i < CALLERS; i += HOLDERS)
        if (m->calls[i].is_live)
            end_of(m, &m->calls[i], -1);
}

static void run(struct model *m, int64_t steps, bool within)
{
    for (int64_t i = 0; i < steps; i++) {
        /* Calls that began more than a period ago are done with by then. */
        m->now_us += (int64_t)draw(m, (uint64_t)(2 * (DAYS - 1) * US_PER_DAY / steps));
        uint32_t n = (uint32_t)draw(m, CALLERS);
        struct call *c = &m->calls[n];
        if (!c->is_live)
            try_call(m, c, n % HOLDERS);
        else
            settle_call(m, c, within);
        if (draw(m, 20000) == 0)
            crash(m, (uint32_t)draw(m, HOLDERS));
        if (i % 64 == 0)
            check_books(m, within);
    }
    for (uint32_t i = 0; i < CALLERS; i++)
        if (m->calls[i].is_live)
            settle_call(m, &m->calls[i], within);
    check_books(m, within);
    for (int i = 0; i < APPS; i++)
        ck_assert_int_eq(m->under_way[i], 0);
}

START_TEST(concurrent_callers_never_overspend)
{
    CLEANUP(policy_sample_release) struct policy_sample sample = policy_sample_make(rules);
    struct model m = { .sample = &sample, .now_us = BEGIN, .random = 20261122u + (unsigned)_i };

    for (const struct plan_budget *b = sample.plan->budgets; b; b = b->next) {
        struct model_budget *to = &m.budgets[m.budget_count++];
        to->plan = b;
        to->at = mem_calloc(DAYS + 64, sizeof(struct model_period));
        for (int64_t day = 0; day <= DAYS; day++)
            to->first[day] = first_day(b->per, day);
    }
    ck_assert_uint_eq(m.budget_count, policy_budget_count(sample.policy));
    int64_t steps = (int64_t)CALLERS * TURNS / (_i ? 5 : 1);
    m.scale = (int64_t)CALLERS * USUAL_TURNS / steps;
    run(&m, steps, _i == 0);
    /* Both must have happened often, or nothing was shown. */
    ck_assert_uint_gt(m.went, (uint64_t)steps / 20);
    ck_assert_uint_gt(m.refused, (uint64_t)steps / 20);
    for (size_t i = 0; i < m.budget_count; i++)
        free(m.budgets[i].at);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, concurrent_callers_never_overspend, 0, 2);
}

CHECK_MAIN("policy/admit: books", add_tests)
