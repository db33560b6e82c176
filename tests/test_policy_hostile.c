/* Policies that are made to hurt: refused, or bounded in what they cost. */
#include "config.h"

#include "policy/admit.h"

#include <stdio.h>
#include <string.h>

#include "base/timestamp.h"
#include "tests/check_main.h"
#include "tests/cpu_time.h"
#include "tests/policy_sample.h"

/* A second or so where nothing else runs, in the build for use. */
#if defined(__SANITIZE_ADDRESS__)
#define SECONDS 60
#else
#define SECONDS 10
#endif

static int read_policy(struct policy_sample *m, struct buf *text, struct err *err)
{
    *m = (struct policy_sample){ .plan = plan_new("weir") };
    if (yaml_parse(buf_str(text), "p.yaml", &m->yaml, err) < 0 ||
        plan_conf_read(m->plan, m->yaml, STR("p.yaml"), err) < 0 ||
        policy_new(m->plan, NULL, &m->policy, err) < 0)
        return -1;
    m->cache = policy_cache_new(m->policy);
    m->state = policy_state_new(1024);
    return 0;
}

static void check_time(int64_t begin, const char *what)
{
    int64_t took = cpu_time_us() - begin;

    ck_assert_msg(took < SECONDS * US_PER_SECOND, "%s took %lld us", what, (long long)took);
}

START_TEST(a_hundred_thousand_rules_of_each_kind_are_taken)
{
    CLEANUP(policy_sample_release) struct policy_sample m;
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err = { 0 };
    char name[32];

    buf_addf(&text, "policy:\n  mode: enforce\n  access:\n");
    for (int i = 0; i < PLAN_CONF_ROWS_MAX; i++)
        buf_addf(&text, "  - {apps: app-%d, deny: model-%d*}\n", i % 50000, i);
    buf_addf(&text, "  limits:\n");
    for (int i = 0; i < PLAN_CONF_ROWS_MAX; i++)
        buf_addf(&text, "  - {app: app-%d, requests: 1/min}\n", i);
    ck_assert_msg(read_policy(&m, &text, &err) == 0, "%s", err.text);
    struct policy *again = NULL;
    int64_t begin = cpu_time_us();
    ck_assert_int_eq(policy_new(m.plan, NULL, &again, &err), 0);
    check_time(begin, "compiling");
    policy_free(again);
    begin = cpu_time_us();
    for (int i = 0; i < 300; i++) {
        struct policy_try t;
        snprintf(name, sizeof(name), "app-%d", i % 100);
        struct policy_subject s = { .app = str_from(name), .model = STR("model-7x") };
        policy_try_at(&m, &s, &(struct policy_ask){ .now_us = 1 }, &t);
        enum policy_verdict expected = i % 100 == 7 ? POLICY_NO_ACCESS
                                       : i >= 100   ? POLICY_NO_LIMIT
                                                    : POLICY_GO;
        ck_assert_int_eq(t.said.verdict, expected);
    }
    check_time(begin, "resolving");
}
END_TEST

START_TEST(a_million_rules_are_refused_where_they_are)
{
    CLEANUP(policy_sample_release) struct policy_sample m = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    buf_addf(&text, "policy:\n  %s:\n", _i ? "limits" : "access");
    for (int i = 0; i < 1000000; i++)
        buf_addf(&text, "  - x\n");
    ck_assert_int_eq(read_policy(&m, &text, &err), -1);
    ck_assert_str_eq(err.text, "p.yaml:3:3: more than 100000 entries");
}
END_TEST

/* Each of them would take a matcher that goes back ages. */
START_TEST(patterns_of_many_stars_cost_little)
{
    CLEANUP(policy_sample_release) struct policy_sample m;
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err = { 0 };
    char as[251];

    memset(as, 'a', sizeof(as) - 1);
    as[sizeof(as) - 1] = '\0';
    buf_addf(&text, "policy:\n  mode: enforce\n  access:\n  - deny:\n");
    for (int i = 0; i < 2000; i++) {
        buf_addf(&text, "    - '");
        for (int k = 0; k < 60; k++)
            buf_addf(&text, i % 2 ? "*a" : "*a?a");
        buf_addf(&text, "*b%d'\n", i);
    }
    buf_addf(&text, "    - '*ab'\n");
    ck_assert_msg(read_policy(&m, &text, &err) == 0, "%s", err.text);
    int64_t begin = cpu_time_us();
    for (int i = 0; i < 20; i++) {
        struct policy_try t;
        as[249] = (char)('a' + i);
        struct policy_subject s = { .model = str_from(as) };
        policy_try_at(&m, &s, &(struct policy_ask){ .now_us = 1 }, &t);
        ck_assert_int_eq(t.said.verdict, i == 1 ? POLICY_NO_ACCESS : POLICY_GO);
    }
    check_time(begin, "matching");
}
END_TEST

START_TEST(too_many_such_patterns_are_refused_with_the_rules_place)
{
    CLEANUP(policy_sample_release) struct policy_sample m = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    buf_addf(&text, "policy:\n  access:\n");
    for (int i = 0; i < 201; i++) {
        buf_addf(&text, "  - deny: [");
        for (int k = 0; k < 100; k++)
            buf_addf(&text, "'*a*',");
        buf_addf(&text, "]\n");
    }
    ck_assert_int_eq(read_policy(&m, &text, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_str_eq(err.text, "p.yaml:203:5: more than 20000 patterns with a wildcard elsewhere "
                               "than at one end");
}
END_TEST

START_TEST(what_refers_to_itself_or_goes_too_deep_is_refused)
{
    static const char *const texts[] = {
        "policy: &a {access: *a}\n",
        "policy: {access: [&x {deny: m}, *x]}\n",
        "policy: {mode: observe, mode: off}\n",
    };
    CLEANUP(policy_sample_release) struct policy_sample m = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    if (_i < 3) {
        buf_addf(&text, "%s", texts[_i]);
    } else {
        buf_addf(&text, "policy: {access: ");
        for (int i = 0; i < 100000; i++)
            buf_add_byte(&text, '[');
    }
    ck_assert_int_eq(read_policy(&m, &text, &err), -1);
    ck_assert_msg(strncmp(err.text, "p.yaml:1:", 9) == 0, "%s", err.text);
}
END_TEST

START_TEST(too_many_budgets_are_refused)
{
    CLEANUP(policy_sample_release) struct policy_sample m = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    buf_addf(&text, "policy: {}\nteams:\n");
    for (int i = 0; i < 1400; i++)
        buf_addf(&text, "  t%d: {budget: {day: 1 USD, week: 1 USD, month: 1 USD}}\n", i);
    ck_assert_int_eq(read_policy(&m, &text, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_msg(strstr(err.text, "more than 4096 budgets"), "%s", err.text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_hundred_thousand_rules_of_each_kind_are_taken);
    tcase_add_loop_test(tc, a_million_rules_are_refused_where_they_are, 0, 2);
    tcase_add_test(tc, patterns_of_many_stars_cost_little);
    tcase_add_test(tc, too_many_such_patterns_are_refused_with_the_rules_place);
    tcase_add_loop_test(tc, what_refers_to_itself_or_goes_too_deep_is_refused, 0, 4);
    tcase_add_test(tc, too_many_budgets_are_refused);
}

CHECK_MAIN("policy: hostile", add_tests)
