#include "config.h"

#include "policy/admit.h"

#include <stdio.h>

#include "base/timestamp.h"
#include "tests/check_main.h"
#include "tests/policy_sample.h"

#define S US_PER_SECOND
/* 2026-01-15T12:00:00Z, a Thursday. */
#define NOW  INT64_C(1768478400000000)
#define DAY  US_PER_DAY
#define NUSD INT64_C(1000000000)

static enum policy_verdict go(struct policy_sample *m, const struct policy_subject *s,
                              int64_t now_us, struct policy_try *ret)
{
    policy_try_at(m, s, &(struct policy_ask){ .now_us = now_us }, ret);
    return ret->said.verdict;
}

static void settle(struct policy_sample *m, struct policy_try *t, int64_t tokens, int64_t nusd,
                   int64_t now_us)
{
    struct policy_used used = { .tokens = tokens, .nusd = nusd };

    policy_settle(m->policy, m->state, &t->claims, &used, now_us);
    ck_assert_uint_eq(t->claims.count, 0);
}

/* --- limits --- */

static const struct {
    const char *rate;
    int64_t burst, wait_us; /* until the next one, from a full bucket */
} rates[] = {
    {"1/s",          1,     1000000    },
    { "600/min",     600,   100000     },
    { "7/min",       7,     8571429    }, /* 60 s / 7, upwards */
    { "3/h",         3,     1200000000 },
    { "11/day",      11,    7854545455 },
    { "10k/s",       10000, 100        },
    { "1/day",       1,     86400000000},
    { "0.007k/hour", 7,     514285715  },
};

START_TEST(a_bucket_refills_to_the_microsecond)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct policy_subject s = { .app = STR("a") };
    struct policy_try t;

    buf_addf(&text, "policy: {mode: enforce, limits: [{requests: %s}]}\n", rates[_i].rate);
    CLEANUP(policy_sample_release) struct policy_sample m = policy_sample_make(buf_cstr(&text));
    for (int64_t i = 0; i < rates[_i].burst; i++)
        ck_assert_int_eq(go(&m, &s, NOW, &t), POLICY_GO);
    int64_t now = NOW;
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(go(&m, &s, now, &t), POLICY_NO_LIMIT);
        int64_t wait = t.said.retry_after_us;
        ck_assert_msg(i > 0 || wait == rates[_i].wait_us, "%lld", (long long)wait);
        ck_assert_int_le(wait, rates[_i].wait_us);
        if (wait > 1) {
            ck_assert_int_eq(go(&m, &s, now + wait - 1, &t), POLICY_NO_LIMIT);
            ck_assert(t.said.retry_after_us == 1);
        }
        now += wait;
        ck_assert_int_eq(go(&m, &s, now, &t), POLICY_GO);
    }
    /* 20 refills take 20 windows / burst, whatever was rounded on the way. */
    ck_assert_int_le(now - NOW, rates[_i].wait_us * 20);
    ck_assert_int_gt(now - NOW, (rates[_i].wait_us - 1) * 20);
}
END_TEST

START_TEST(a_refusal_names_rule_value_and_bound)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {mode: enforce, limits: [{requests: 2/min, concurrent: 9}]}\n");
    struct policy_subject s = { .app = STR("a") };
    struct policy_try t;

    go(&m, &s, NOW, &t);
    go(&m, &s, NOW, &t);
    ck_assert_int_eq(go(&m, &s, NOW, &t), POLICY_NO_LIMIT);
    ck_assert(str_eq(policy_try_rule(&m, &t), STR("limits[0].requests")));
    ck_assert_uint_eq(t.notes.count, 1);
    ck_assert_int_eq(t.notes.list[0].outcome, POLICY_LIMITED);
    ck_assert_int_eq(t.notes.list[0].mode, PLAN_MODE_ENFORCE);
    ck_assert(t.notes.list[0].value == 3 && t.notes.list[0].bound == 2);
    ck_assert(t.notes.list[0].at_us == NOW);
    ck_assert_uint_eq(t.claims.count, 0);
}
END_TEST

START_TEST(a_star_is_a_bucket_for_each_and_anything_else_is_one_for_all)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m = policy_sample_make("policy:\n"
                                                "  mode: enforce\n"
                                                "  limits:\n"
                                                "    - {app: '*', model: x, requests: 1/h}\n"
                                                "    - {app: 'b*', model: y, requests: 1/h}\n"
                                                "    - {model: 'z*', requests: 1/h}\n"
                                                "    - {team: '*', model: '*', requests: 2/h}\n");
    static const struct {
        const char *app, *team, *model;
        bool goes;
    } calls[] = {
        {"a",   "",  "x",  true },
        { "b",  "",  "x",  true },
        { "a",  "",  "X",  false}, /* a model's case is nothing */
        { "",   "",  "x",  false}, /* team "" has had 2 of x */
        { "",   "1", "x",  true }, /* nobody's calls are a bucket, too */
        { "",   "1", "x",  false},
        { "b1", "",  "y",  true },
        { "b2", "",  "y",  false},
        { "c",  "",  "y",  true },
        { "d",  "",  "y",  false}, /* team "" has had 2 of y */
        { "",   "2", "z1", true },
        { "",   "3", "z2", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        struct policy_subject s = { .app = str_from(calls[i].app),
                                    .team = str_from(calls[i].team),
                                    .model = str_from(calls[i].model) };
        struct policy_try t;
        ck_assert_msg((go(&m, &s, NOW, &t) == POLICY_GO) == calls[i].goes, "call %zu", i);
    }
}
END_TEST

START_TEST(a_refused_call_takes_nothing_of_any_limit)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy:\n"
                           "  mode: enforce\n"
                           "  limits: [{requests: 2/h, concurrent: 5}, {app: b, requests: 1/day}]\n"
                           "budget: {day: 1 USD, hard: true}\n");
    struct policy_subject a = { .app = STR("a"), .model = STR("unit") }, b = a;
    struct policy_budget_state budget;
    struct policy_try t;

    b.app = STR("b");
    ck_assert_int_eq(go(&m, &b, NOW, &t), POLICY_GO);
    policy_budget(m.policy, m.state, 0, NOW, &budget);
    int64_t reserved = budget.reserved_nusd;
    ck_assert_int_gt(reserved, 0);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(go(&m, &b, NOW, &t), POLICY_NO_LIMIT);
    ck_assert(str_eq(policy_try_rule(&m, &t), STR("limits[1].requests")));
    policy_budget(m.policy, m.state, 0, NOW, &budget);
    ck_assert(budget.reserved_nusd == reserved);
    ck_assert_int_eq(go(&m, &a, NOW, &t), POLICY_GO);
    ck_assert_int_eq(go(&m, &a, NOW, &t), POLICY_NO_LIMIT);
    ck_assert(str_eq(policy_try_rule(&m, &t), STR("limits[0].requests")));
}
END_TEST

START_TEST(the_longest_wait_of_all_that_refuse_is_told)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m = policy_sample_make(
        "policy: {mode: enforce, limits: [{requests: 1/s}, {requests: 1/min}, {requests: 1/h,\n"
        "  mode: observe}]}\n");
    struct policy_subject s = { .app = STR("a") };
    struct policy_try t;

    go(&m, &s, NOW, &t);
    ck_assert_int_eq(go(&m, &s, NOW, &t), POLICY_NO_LIMIT);
    ck_assert(str_eq(policy_try_rule(&m, &t), STR("limits[0].requests")));
    ck_assert(t.said.retry_after_us == 60 * S);
    ck_assert_uint_eq(t.notes.count, 3);
}
END_TEST

START_TEST(tokens_are_taken_by_estimate_and_corrected)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {mode: enforce, limits: [{tokens: 1000/s}]}\n");
    struct policy_subject s = { .app = STR("a") };
    struct policy_ask ask = { .now_us = NOW, .input_tokens = 300, .output_tokens = 300 };
    struct policy_try first, second;

    ck_assert(policy_class_counts_tokens(policy_resolve(m.cache, &s)));
    policy_try_at(&m, &s, &ask, &first);
    ck_assert_int_eq(first.said.verdict, POLICY_GO);
    policy_try_at(&m, &s, &ask, &second);
    ck_assert_int_eq(second.said.verdict, POLICY_NO_LIMIT);
    ck_assert(second.said.retry_after_us == 200000);
    ck_assert(second.notes.list[0].value == 1200 && second.notes.list[0].bound == 1000);
    /* It used 100: 500 come back. */
    settle(&m, &first, 100, -1, NOW);
    policy_try_at(&m, &s, &ask, &second);
    ck_assert_int_eq(second.said.verdict, POLICY_GO);
    /* It used 5900 instead of 600: the bucket owes, and the next one waits that long. */
    settle(&m, &second, 5900, -1, NOW);
    policy_try_at(&m, &s, &ask, &second);
    ck_assert(second.said.retry_after_us == (5900 + 100 + 600 - 1000) * 1000);
    ask.now_us += second.said.retry_after_us;
    policy_try_at(&m, &s, &ask, &second);
    ck_assert_int_eq(second.said.verdict, POLICY_GO);
    /* Not known: the estimate stands. */
    settle(&m, &second, -1, -1, ask.now_us);
    policy_try_at(&m, &s, &ask, &second);
    ck_assert(second.said.retry_after_us == 600000);
}
END_TEST

START_TEST(what_is_not_said_is_assumed_and_what_never_fits_waits_for_an_empty_bucket)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {mode: enforce, assume_input: 100, assume_output: 200,\n"
                           "  limits: [{app: a, tokens: 500/s}, {app: b, tokens: 500/s, "
                           "assume_output: 350}, {app: c, tokens: 10/s}]}\n");
    struct policy_subject s = { .app = STR("a") };
    struct policy_try t;

    go(&m, &s, NOW, &t);
    go(&m, &s, NOW, &t);
    ck_assert(t.said.retry_after_us == 200000); /* 300 + 300 of 500 */
    s.app = STR("b");
    go(&m, &s, NOW, &t);
    go(&m, &s, NOW, &t);
    ck_assert(t.said.retry_after_us == 800000);
    s.app = STR("c");
    ck_assert_int_eq(go(&m, &s, NOW, &t), POLICY_GO);
    ck_assert_int_eq(go(&m, &s, NOW, &t), POLICY_NO_LIMIT);
    ck_assert(t.said.retry_after_us == S);
}
END_TEST

START_TEST(calls_under_way_are_counted_and_a_dead_holder_gives_back)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {mode: enforce, limits: [{concurrent: 3}]}\n");
    struct policy_subject s = { .app = STR("a") };
    struct policy_ask mine = { .now_us = NOW, .holder = 1 }, other = { .now_us = NOW, .holder = 2 };
    struct policy_try t[4];

    policy_try_at(&m, &s, &mine, &t[0]);
    policy_try_at(&m, &s, &other, &t[1]);
    policy_try_at(&m, &s, &other, &t[2]);
    policy_try_at(&m, &s, &mine, &t[3]);
    ck_assert_int_eq(t[3].said.verdict, POLICY_NO_CONCURRENCY);
    ck_assert(t[3].said.retry_after_us == 0);
    ck_assert(t[3].notes.list[0].value == 4 && t[3].notes.list[0].bound == 3);
    settle(&m, &t[1], -1, -1, NOW);
    policy_try_at(&m, &s, &mine, &t[3]);
    ck_assert_int_eq(t[3].said.verdict, POLICY_GO);
    policy_forget_holder(m.state, 1, NOW);
    for (int i = 0; i < 2; i++) {
        policy_try_at(&m, &s, &other, &t[1]);
        ck_assert_int_eq(t[1].said.verdict, POLICY_GO);
    }
    policy_try_at(&m, &s, &other, &t[1]);
    ck_assert_int_eq(t[1].said.verdict, POLICY_NO_CONCURRENCY);
    policy_forget_holder(m.state, 1, NOW); /* has nothing any more */
    policy_try_at(&m, &s, &other, &t[1]);
    ck_assert_int_eq(t[1].said.verdict, POLICY_NO_CONCURRENCY);
}
END_TEST

START_TEST(observing_counts_as_enforcing_would_and_never_refuses)
{
    CLEANUP(policy_sample_release)
    struct policy_sample enforced = policy_sample_make(
        "policy: {mode: enforce, limits: [{requests: 10/min, concurrent: 4}]}\n");
    CLEANUP(policy_sample_release)
    struct policy_sample observed =
        policy_sample_make("policy: {limits: [{requests: 10/min, concurrent: 4}]}\n");
    CLEANUP(policy_sample_release)
    struct policy_sample warned =
        policy_sample_make("policy: {mode: warn, limits: [{requests: 10/min, concurrent: 4}]}\n");
    struct policy_subject s = { .app = STR("a") };
    struct policy_try a[64], b[64], c[64];
    uint64_t random = 1;

    for (int i = 0; i < 3000; i++) {
        int64_t now = NOW + i * S / 2;
        random = policy_key(&random, sizeof(random), 3);
        int slot = i % 64;
        if (i >= 64) {
            settle(&enforced, &a[slot], -1, -1, now);
            settle(&observed, &b[slot], -1, -1, now);
            settle(&warned, &c[slot], -1, -1, now);
        }
        if (random % 3 == 0) {
            a[slot] = b[slot] = c[slot] = (struct policy_try){ 0 };
            continue;
        }
        bool refused = go(&enforced, &s, now, &a[slot]) != POLICY_GO;
        ck_assert_int_eq(go(&observed, &s, now, &b[slot]), POLICY_GO);
        ck_assert_int_eq(go(&warned, &s, now, &c[slot]), POLICY_GO);
        ck_assert_uint_eq(b[slot].notes.count, a[slot].notes.count);
        ck_assert_uint_eq(c[slot].notes.count, a[slot].notes.count);
        for (uint32_t k = 0; k < a[slot].notes.count; k++)
            ck_assert(a[slot].notes.list[k].value == b[slot].notes.list[k].value);
        ck_assert(!b[slot].said.warn && c[slot].said.warn == refused);
    }
}
END_TEST

START_TEST(the_same_limit_twice_is_two_limits)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {mode: enforce, limits: [{requests: 3/h}, {requests: 3/h}]}\n");
    struct policy_subject s = { .app = STR("a") };
    struct policy_try t;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(go(&m, &s, NOW, &t), POLICY_GO);
    ck_assert_int_eq(go(&m, &s, NOW, &t), POLICY_NO_LIMIT);
    ck_assert_uint_eq(t.notes.count, 2);
}
END_TEST

START_TEST(a_limit_that_changes_keeps_what_is_in_its_buckets)
{
    CLEANUP(policy_sample_release)
    struct policy_sample before =
        policy_sample_make("policy: {mode: enforce, limits: [{requests: 10/min}]}\n");
    CLEANUP(policy_sample_release)
    struct policy_sample after = policy_sample_make(
        "policy: {mode: enforce, limits: [{app: x, requests: 1/s}, {requests: 12/h}]}\n");
    struct policy_subject s = { .app = STR("a") };
    struct policy_try t;

    for (int i = 0; i < 9; i++)
        go(&before, &s, NOW, &t);
    struct policy_state *shared = after.state;
    after.state = before.state;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(go(&after, &s, NOW, &t), POLICY_GO);
    ck_assert_int_eq(go(&after, &s, NOW, &t), POLICY_NO_LIMIT);
    ck_assert(t.said.retry_after_us == 300 * S);
    after.state = shared;
}
END_TEST

START_TEST(a_call_that_too_many_limits_are_about_is_refused_by_the_first_beyond)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct policy_subject s = { .app = STR("a") };
    struct policy_try t;

    buf_addf(&text, "policy: {mode: %s, limits: [", _i ? "enforce" : "observe");
    for (int i = 0; i < POLICY_CLAIMS_MAX + 2; i++)
        buf_addf(&text, "%s{requests: 1/s}", i ? "," : "");
    buf_addf(&text, "]}\n");
    CLEANUP(policy_sample_release) struct policy_sample m = policy_sample_make(buf_cstr(&text));
    ck_assert_int_eq(go(&m, &s, NOW, &t), _i ? POLICY_NO_LIMIT : POLICY_GO);
    ck_assert_uint_eq(t.notes.count, 1);
    ck_assert(str_eq(policy_rule(m.policy, t.notes.list[0].rule)->id, STR("limits[24].requests")));
    ck_assert(t.notes.list[0].value == 25 && t.notes.list[0].bound == 24);
}
END_TEST

/* More applications than the table has slots: newcomers share one, so a limit can only be tighter
 * than it says, never looser. */
START_TEST(a_full_table_makes_limits_tighter_and_not_looser)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {mode: enforce, limits: [{app: '*', requests: 1/day}]}\n");
    char name[32];
    int gone = 0;

    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5000; i++) {
            struct policy_try t;
            snprintf(name, sizeof(name), "app-%d", i);
            struct policy_subject s = { .app = str_from(name) };
            bool goes = go(&m, &s, NOW + round, &t) == POLICY_GO;
            ck_assert(round == 0 || !goes);
            gone += goes;
        }
    ck_assert_int_gt(gone, 700);
    ck_assert_int_lt(gone, 1024);
}
END_TEST

/* --- what a call may cost --- */

static const struct {
    const char *model;
    int64_t input, output, now_us, nusd;
} costs[] = {
    {"unit",     1000, 500,  NOW,            2000000 },
    { "unit",    0,    0,    NOW,            24576000}, /* 16384 + 2 * 4096 */
    { "written", 1000, 500,  NOW,            8500000 }, /* at 2 and 3, and 5000000 for the call */
    { "long",    1000, 1,    NOW,            1002000 },
    { "long",    1001, 1,    NOW,            4012000 },
    { "odd",     1,    1,    NOW,            334     }, /* 0.0000015 + 333.3333 nusd, upwards */
    { "odd",     1000, 3000, NOW,            1000002 },
    { "dated",   1000, 0,    NOW,            9192000 },
    { "dated",   1000, 0,    NOW + 20 * DAY, 27576000},
    { "nobody",  1000, 500,  NOW,            -1      },
    { "",        1000, 500,  NOW,            -1      },
};

START_TEST(a_reservation_is_the_dearest_that_the_call_can_be)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m = policy_sample_make("policy: {}\nbudget: {month: 5 USD}\n");
    struct policy_subject s = { .model = str_from(costs[_i].model), .api = STR("openai") };
    struct policy_ask ask = { .now_us = costs[_i].now_us,
                              .input_tokens = costs[_i].input,
                              .output_tokens = costs[_i].output };
    const struct policy_class *c = policy_resolve(m.cache, &s);

    for (int again = 0; again < 3; again++) {
        int64_t nusd = policy_reservation(c, &ask, 4096);
        ck_assert_msg(nusd == costs[_i].nusd, "%lld", (long long)nusd);
    }
}
END_TEST

START_TEST(a_route_is_reserved_for_at_the_dearest_of_its_targets)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m = policy_sample_make(
        "policy:\n"
        "  mode: enforce\n"
        "  access: [{deny: old, instead: unit}]\n"
        "  routes:\n"
        "    - match: {model: unit}\n"
        "      targets: [{upstream: openai}, {upstream: openai, model: written},\n"
        "                {upstream: azure, model: nobody}]\n"
        "    - match: {model: long}\n"
        "      mode: observe\n"
        "      targets: [{upstream: openai, model: written}]\n"
        "budget: {month: 5 USD}\n");
    struct policy_ask ask = { .now_us = NOW, .input_tokens = 10, .output_tokens = 10 };
    struct policy_subject s = { .model = STR("unit"), .api = STR("openai") };

    ck_assert(policy_reservation(policy_resolve(m.cache, &s), &ask, 1) == 5050000);
    s.model = STR("old");
    ck_assert(policy_reservation(policy_resolve(m.cache, &s), &ask, 1) == 5050000);
    s.model = STR("long");
    ck_assert(policy_reservation(policy_resolve(m.cache, &s), &ask, 1) == 30000);
}
END_TEST

START_TEST(money_is_rounded_half_to_even_and_never_negative)
{
    ck_assert(policy_nusd(1500) == 2 && policy_nusd(2500) == 2 && policy_nusd(1499) == 1);
    ck_assert(policy_nusd(-5000) == 0);
    ck_assert(policy_nusd((i128)1 << 120) > 0);
}
END_TEST

/* --- budgets --- */

static void check_budget(struct policy_sample *m, size_t index, int64_t now_us, int64_t spent,
                         int64_t reserved)
{
    struct policy_budget_state b;

    policy_budget(m->policy, m->state, index, now_us, &b);
    ck_assert_msg(b.spent_nusd == spent && b.reserved_nusd == reserved, "spent %lld, reserved %lld",
                  (long long)b.spent_nusd, (long long)b.reserved_nusd);
}

START_TEST(a_hard_budget_refuses_what_would_exceed_it)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m = policy_sample_make("policy: {mode: enforce}\n"
                                                "teams: {cx: {budget: {month: 0.01 USD, hard: "
                                                "true}}}\n");
    struct policy_subject s = { .model = STR("unit"), .team = STR("cx"), .api = STR("openai") };
    struct policy_ask ask = { .now_us = NOW, .input_tokens = 1000, .output_tokens = 1000 };
    struct policy_try t[4];

    for (int i = 0; i < 3; i++) {
        policy_try_at(&m, &s, &ask, &t[i]);
        ck_assert_int_eq(t[i].said.verdict, POLICY_GO);
    }
    check_budget(&m, 0, NOW, 0, 9000000);
    policy_try_at(&m, &s, &ask, &t[3]);
    ck_assert_int_eq(t[3].said.verdict, POLICY_NO_BUDGET);
    ck_assert(str_eq(policy_try_rule(&m, &t[3]), STR("budget team cx month")));
    ck_assert(t[3].notes.list[0].value == 12000 && t[3].notes.list[0].bound == 10000);
    ck_assert(t[3].said.retry_after_us == 0);
    settle(&m, &t[0], -1, 1000000, NOW);
    check_budget(&m, 0, NOW, 1000000, 6000000);
    policy_try_at(&m, &s, &ask, &t[3]);
    ck_assert_int_eq(t[3].said.verdict, POLICY_GO);
    s.team = STR("other");
    policy_try_at(&m, &s, &ask, &t[0]);
    ck_assert_int_eq(t[0].said.verdict, POLICY_GO);
    ck_assert_uint_eq(t[0].claims.count, 0);
}
END_TEST

START_TEST(what_costs_more_than_was_reserved_is_counted_as_beyond)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {mode: enforce}\nbudget: {day: 0.01 USD, hard: true}\n");
    struct policy_subject s = { .model = STR("unit"), .api = STR("openai") };
    struct policy_ask ask = { .now_us = NOW, .input_tokens = 1000, .output_tokens = 1000 };
    struct policy_budget_state b;
    struct policy_try t;

    policy_try_at(&m, &s, &ask, &t);
    settle(&m, &t, -1, 10500000, NOW);
    policy_budget(m.policy, m.state, 0, NOW, &b);
    ck_assert(b.spent_nusd == 10500000 && b.beyond_nusd == 7500000 && b.reserved_nusd == 0);
    policy_try_at(&m, &s, &ask, &t);
    ck_assert_int_eq(t.said.verdict, POLICY_NO_BUDGET);
    s.model = STR("nobody"); /* without a price, but the money is gone */
    policy_try_at(&m, &s, &ask, &t);
    ck_assert_int_eq(t.said.verdict, POLICY_NO_BUDGET);
}
END_TEST

START_TEST(a_call_belongs_to_the_period_it_began_in)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m = policy_sample_make(
        "policy: {mode: enforce}\nbudget: {day: 1 USD, week: 2 USD, month: 3 USD, hard: true}\n");
    struct policy_subject s = { .model = STR("unit"), .api = STR("openai") };
    /* The last second of Saturday 31 January 2026. */
    struct policy_ask ask = { .now_us = NOW + 17 * DAY - 12 * 3600 * S - S, .input_tokens = 1000 };
    struct policy_budget_state b;
    struct policy_try t, next;

    policy_try_at(&m, &s, &ask, &t);
    check_budget(&m, 0, ask.now_us, 0, 9192000);
    ask.now_us += 2 * S;
    policy_try_at(&m, &s, &ask, &next);
    check_budget(&m, 0, ask.now_us, 0, 9192000);
    check_budget(&m, 1, ask.now_us, 0, 18384000); /* the week goes on, until Sunday ends */
    check_budget(&m, 2, ask.now_us, 0, 9192000);
    settle(&m, &t, -1, 5, ask.now_us);
    check_budget(&m, 0, ask.now_us, 0, 9192000);
    check_budget(&m, 1, ask.now_us, 5, 9192000);
    settle(&m, &next, -1, 7, ask.now_us + 3 * DAY);
    check_budget(&m, 0, ask.now_us, 7, 0);
    check_budget(&m, 1, ask.now_us, 12, 0);
    check_budget(&m, 2, ask.now_us, 7, 0);
    policy_budget(m.policy, m.state, 1, ask.now_us, &b);
    char from[TIMESTAMP_TEXT_BYTES], until[TIMESTAMP_TEXT_BYTES];
    ck_assert_str_eq(timestamp_format(b.from_us, from), "2026-01-26T00:00:00Z");
    ck_assert_str_eq(timestamp_format(b.until_us, until), "2026-02-02T00:00:00Z");
    policy_budget(m.policy, m.state, 2, ask.now_us, &b);
    ck_assert(b.period == 56 * 12 + 1);
    ck_assert_str_eq(timestamp_format(b.until_us, until), "2026-03-01T00:00:00Z");
    check_budget(&m, 1, ask.now_us + 2 * DAY, 0, 0);
}
END_TEST

START_TEST(a_clock_that_is_a_little_behind_spends_in_the_period_before)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {mode: enforce}\nbudget: {day: 0.001 USD, hard: true}\n");
    struct policy_subject s = { .model = STR("unit"), .api = STR("openai") };
    struct policy_ask before = { .now_us = NOW + DAY / 2 - 1, .input_tokens = 1 };
    struct policy_ask after = { .now_us = NOW + DAY / 2, .input_tokens = 1 };
    struct policy_try t;

    before.output_tokens = after.output_tokens = 400; /* 801000 of 1000000 */
    policy_try_at(&m, &s, &before, &t);
    ck_assert_int_eq(t.said.verdict, POLICY_GO);
    policy_try_at(&m, &s, &after, &t);
    ck_assert_int_eq(t.said.verdict, POLICY_GO);
    policy_try_at(&m, &s, &before, &t);
    ck_assert_int_eq(t.said.verdict, POLICY_NO_BUDGET);
    check_budget(&m, 0, after.now_us, 0, 801000);
}
END_TEST

START_TEST(a_soft_threshold_is_told_once_in_a_period)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m = policy_sample_make(
        "policy: {mode: warn}\nbudget: {day: 0.01 USD, alert_at: [50%, 80%, 100%, 150%]}\n");
    struct policy_subject s = { .model = STR("unit"), .api = STR("openai") };
    static const struct {
        int64_t spends, now_us;
        uint32_t told;
        int64_t bound;
    } calls[] = {
        {4999999,  NOW,           0, 0    },
        { 1,       NOW,           0, 0    },
        { 3500000, NOW,           1, 5000 }, /* 50 % is spent now */
        { 1500000, NOW,           1, 8000 },
        { 0,       NOW,           1, 10000},
        { 9000000, NOW,           0, 0    },
        { 0,       NOW,           1, 15000},
        { 0,       NOW,           0, 0    },
        { 9900000, NOW + DAY,     0, 0    },
        { 200000,  NOW + DAY + 1, 2, 5000 },
        { 0,       NOW + DAY + 2, 1, 10000},
    };

    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        struct policy_try t;
        ck_assert_int_eq(go(&m, &s, calls[i].now_us, &t), POLICY_GO);
        ck_assert_msg(t.notes.count == calls[i].told, "call %zu: %u", i, t.notes.count);
        if (t.notes.count) {
            ck_assert_int_eq(t.notes.list[0].outcome, POLICY_SOFT_BUDGET);
            ck_assert(t.notes.list[0].bound == calls[i].bound);
        }
        ck_assert_int_eq(t.said.warn, calls[i].told > 0 || i == 5 || i == 7);
        settle(&m, &t, -1, calls[i].spends, calls[i].now_us);
    }
}
END_TEST

START_TEST(a_budget_in_observe_is_kept_and_never_refuses)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {}\nbudget: {day: 0.01 USD, hard: true, alert_at: [900%]}\n");
    struct policy_subject s = { .model = STR("unit"), .api = STR("openai") };
    int64_t spent = 0;

    for (int i = 0; i < 10; i++) {
        struct policy_try t;
        ck_assert_int_eq(go(&m, &s, NOW, &t), POLICY_GO);
        ck_assert_uint_eq(t.notes.count, 1); /* 24576000 is more than all of it */
        ck_assert_int_eq(t.notes.list[0].outcome, POLICY_OVER_BUDGET);
        ck_assert_int_eq(t.notes.list[0].mode, PLAN_MODE_OBSERVE);
        settle(&m, &t, -1, 1000, NOW);
        check_budget(&m, 0, NOW, spent += 1000, 0);
    }
}
END_TEST

START_TEST(what_a_dead_holder_had_reserved_is_spent)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {mode: enforce}\nbudget: {day: 1 USD, month: 1 USD}\n");
    struct policy_subject s = { .model = STR("unit"), .api = STR("openai") };
    struct policy_ask ask = { .now_us = NOW, .input_tokens = 1000, .output_tokens = 500 };
    struct policy_try kept, lost, early;

    early.claims.count = 0;
    ask.holder = 3;
    policy_try_at(&m, &s, &ask, &early);
    ask.now_us += DAY;
    policy_try_at(&m, &s, &ask, &lost);
    policy_try_at(&m, &s, &ask, &lost);
    ask.holder = 4;
    policy_try_at(&m, &s, &ask, &kept);
    check_budget(&m, 0, ask.now_us, 0, 6000000);
    check_budget(&m, 1, ask.now_us, 0, 8000000);
    policy_forget_holder(m.state, 3, ask.now_us);
    check_budget(&m, 0, ask.now_us, 4000000, 2000000);
    check_budget(&m, 1, ask.now_us, 6000000, 2000000);
    policy_forget_holder(m.state, 3, ask.now_us);
    check_budget(&m, 1, ask.now_us, 6000000, 2000000);
    settle(&m, &kept, -1, 10, ask.now_us);
    check_budget(&m, 1, ask.now_us, 6000010, 0);
}
END_TEST

START_TEST(calls_without_a_price_are_counted_and_what_they_cost_is_spent)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m = policy_sample_make("policy: {}\nbudget: {day: 1 USD}\n");
    struct policy_subject s = { .model = STR("nobody"), .api = STR("openai") };
    struct policy_budget_state b;
    struct policy_try t;

    go(&m, &s, NOW, &t);
    settle(&m, &t, 10, -1, NOW);
    go(&m, &s, NOW, &t);
    settle(&m, &t, 10, 5, NOW);
    policy_budget(m.policy, m.state, 0, NOW, &b);
    ck_assert(b.unpriced == 2 && b.spent_nusd == 5 && b.beyond_nusd == 5);
}
END_TEST

START_TEST(what_was_spent_before_can_be_set_and_is_not_told_again)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {mode: enforce}\nbudget: {day: 1 USD, hard: true}\n");
    struct policy_subject s = { .model = STR("unit"), .api = STR("openai") };
    struct policy_try t;
    int64_t day = policy_budget_period(m.policy, 0, NOW);

    ck_assert(day == NOW / DAY);
    policy_budget_set(m.policy, m.state, 0, day - 2, 5 * NUSD, NOW);
    check_budget(&m, 0, NOW, 0, 0);
    policy_budget_set(m.policy, m.state, 0, day, NUSD * 85 / 100, NOW);
    check_budget(&m, 0, NOW, NUSD * 85 / 100, 0);
    ck_assert_int_eq(go(&m, &s, NOW, &t), POLICY_GO);
    ck_assert_uint_eq(t.notes.count, 0);
    policy_budget_set(m.policy, m.state, 0, day, NUSD, NOW);
    ck_assert_int_eq(go(&m, &s, NOW, &t), POLICY_NO_BUDGET);
    check_budget(&m, 0, NOW + DAY, 0, 0);
}
END_TEST

START_TEST(a_hard_budget_without_prices_is_refused)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(plan_free) struct plan *plan = plan_new("weir");
    struct policy *policy = NULL;
    struct err err;

    ck_assert_int_eq(
        yaml_parse(STR("policy: {}\nbudget: {day: 1 USD, hard: true}\n"), "p.yaml", &y, &err), 0);
    ck_assert_int_eq(plan_conf_read(plan, y, STR("p.yaml"), &err), 0);
    ck_assert_int_eq(policy_new(plan, NULL, &policy, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_str_eq(err.text, "p.yaml:2:10: a hard budget needs prices: what would a call cost?");
    ck_assert_ptr_null(policy);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, a_bucket_refills_to_the_microsecond, 0, (int)ARRAY_LEN(rates));
    tcase_add_test(tc, a_refusal_names_rule_value_and_bound);
    tcase_add_test(tc, a_star_is_a_bucket_for_each_and_anything_else_is_one_for_all);
    tcase_add_test(tc, a_refused_call_takes_nothing_of_any_limit);
    tcase_add_test(tc, the_longest_wait_of_all_that_refuse_is_told);
    tcase_add_test(tc, tokens_are_taken_by_estimate_and_corrected);
    tcase_add_test(tc, what_is_not_said_is_assumed_and_what_never_fits_waits_for_an_empty_bucket);
    tcase_add_test(tc, calls_under_way_are_counted_and_a_dead_holder_gives_back);
    tcase_add_test(tc, observing_counts_as_enforcing_would_and_never_refuses);
    tcase_add_test(tc, the_same_limit_twice_is_two_limits);
    tcase_add_test(tc, a_limit_that_changes_keeps_what_is_in_its_buckets);
    tcase_add_loop_test(tc, a_call_that_too_many_limits_are_about_is_refused_by_the_first_beyond, 0,
                        2);
    tcase_add_test(tc, a_full_table_makes_limits_tighter_and_not_looser);
    tcase_add_loop_test(tc, a_reservation_is_the_dearest_that_the_call_can_be, 0,
                        (int)ARRAY_LEN(costs));
    tcase_add_test(tc, a_route_is_reserved_for_at_the_dearest_of_its_targets);
    tcase_add_test(tc, money_is_rounded_half_to_even_and_never_negative);
    tcase_add_test(tc, a_hard_budget_refuses_what_would_exceed_it);
    tcase_add_test(tc, what_costs_more_than_was_reserved_is_counted_as_beyond);
    tcase_add_test(tc, a_call_belongs_to_the_period_it_began_in);
    tcase_add_test(tc, a_clock_that_is_a_little_behind_spends_in_the_period_before);
    tcase_add_test(tc, a_soft_threshold_is_told_once_in_a_period);
    tcase_add_test(tc, a_budget_in_observe_is_kept_and_never_refuses);
    tcase_add_test(tc, what_a_dead_holder_had_reserved_is_spent);
    tcase_add_test(tc, calls_without_a_price_are_counted_and_what_they_cost_is_spent);
    tcase_add_test(tc, what_was_spent_before_can_be_set_and_is_not_told_again);
    tcase_add_test(tc, a_hard_budget_without_prices_is_refused);
}

CHECK_MAIN("policy/admit", add_tests)
